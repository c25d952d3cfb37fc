"""Where a model runs and an array lies."""

import numpy as np

from hotloop import _core, cuda
from hotloop.names import choose

_DEVICES = {"auto": "auto", "cpu": "cpu", "cuda": "cuda"}


def choose_device(where, device):
    """The device that "auto", "cpu" or "cuda" stands for.

    Raises:
        ValueError: the name is unknown.
        RuntimeError: this build or this machine does not have the device.
    """
    chosen = choose(where, "device", device, _DEVICES)
    if chosen == "auto":
        return cuda.auto()
    if chosen == "cuda" and (reason := cuda.reason_against()) is not None:
        raise RuntimeError(f'[{where}] device "cuda" was asked for, but {reason}; use "cpu" or "auto"')
    return chosen


def device_of(array):
    """Where an array lies: "cuda" or "cpu"."""
    return "cuda" if isinstance(array, _core.CudaArray) else "cpu"


def moved(where, array, device):
    """The array on a device, where it may be already.

    Raises:
        TypeError: CUDA has no such dtype: float64, for one.
    """
    if device == device_of(array):
        return array
    if device == "cpu":
        return array.numpy()
    if array.dtype == np.float64:
        raise TypeError(f"[{where}] dtype float64 has no place on CUDA: use astype(numpy.float32)")
    if array.dtype.kind in "iu" and array.dtype not in (np.uint8, np.int32):
        array = array.astype(np.int64)
    elif array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    return _core.to_cuda(array)


def as_batch(x):
    """Inputs of a model as a device takes them: bytes stay, everything else becomes float32."""
    return x if x.dtype == np.uint8 else x.astype(np.float32, copy=False)


def move_tensor(where, tensor, device):
    """Moves a Tensor and its gradient in place; what was recorded with it can't run backward any more.

    Raises:
        TypeError: CUDA has no place for its dtype.
    """
    if device == device_of(tensor._data):
        return
    data = moved(where, tensor._data, device)
    grad = None if tensor._grad is None else moved(where, tensor._grad, device)
    tensor._data, tensor._grad, tensor._grad_slot = data, grad, None
    tensor._version += 1
