"""The CUDA backend, where an installation has one."""

__all__ = ["empty_cache", "is_available"]


def is_available():
    """Whether device="cuda" can be used.

    Returns:
        bool.
    """
    return reason_against() is None


def empty_cache():
    """Gives the device memory that is kept for later arrays back to the driver; without a device there is none."""


def reason_against():
    """Why device="cuda" can't be used, in words that go on from "but"; None where it can."""
    return "this hotloop was built without CUDA: its CUDA library is not there"
