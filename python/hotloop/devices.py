"""Where a model runs and an array lies."""

from hotloop import cuda
from hotloop.names import choose

_DEVICES = {"auto": "cpu", "cpu": "cpu", "cuda": "cuda"}


def choose_device(where, device):
    """The device that "auto", "cpu" or "cuda" stands for.

    Raises:
        ValueError: the name is unknown.
        RuntimeError: this build or this machine does not have the device.
    """
    chosen = choose(where, "device", device, _DEVICES)
    if chosen == "cuda" and (reason := cuda.reason_against()) is not None:
        raise RuntimeError(f'[{where}] device "cuda" was asked for, but {reason}; use "cpu" or "auto"')
    return chosen
