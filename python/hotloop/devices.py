"""Where a model runs."""

from hotloop.names import choose

_DEVICES = {"auto": "cpu", "cpu": "cpu", "cuda": "cuda"}


def choose_device(where, device):
    """The device that "auto", "cpu" or "cuda" stands for.

    Raises:
        ValueError: the name is unknown.
        RuntimeError: this build does not have the device.
    """
    chosen = choose(where, "device", device, _DEVICES)
    if chosen == "cuda":
        raise RuntimeError(
            f'[{where}] device "cuda" was asked for, but this hotloop was built without CUDA; use "cpu" or "auto"'
        )
    return chosen
