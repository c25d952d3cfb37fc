"""Arrays from elsewhere: onto a device, and through DLPack."""

import numpy as np

from hotloop import _core, checks, cuda
from hotloop.autograd import data
from hotloop.devices import choose_device, moved

__all__ = ["array", "device", "from_dlpack"]

_CPU, _CUDA = 1, 2  # kDLCPU, kDLCUDA


def array(x, device="cpu"):
    """An array on a device.

    Args:
        x: array-like of real numbers, or a Tensor, whose array it is; an object with __cuda_array_interface__ is taken
            as it lies, without a copy.
        device: "cpu", "cuda" or "auto".

    Returns:
        On the CPU an ndarray, x itself where it is one; on CUDA a CudaArray of float32 (also for float16 and Python
        numbers), int64 (for all integers but these), int32, uint8 or bool.

    Raises:
        TypeError: x is not an array of real numbers, or float64 for CUDA.
        ValueError: the device's name is unknown; lists the choices.
        RuntimeError: this build or this machine does not have the device.
    """
    device = choose_device("array", device)
    x = data(x)
    if hasattr(x, "__cuda_array_interface__") and not isinstance(x, _core.CudaArray) and cuda.is_available():
        x = _core.cuda_from_interface(x)
    made = checks.real_array("array", "x", x)
    if device == "cuda" and made.dtype == np.float64 and made is not x:
        made = made.astype(np.float32)
    return moved("array", made, device)


def device(name):
    """The name of a device, checked: what PyTorch's users hand to `to`.

    Args:
        name: "cpu", "cuda" or "auto".

    Raises:
        ValueError: the name is unknown; lists the choices.
        RuntimeError: this build or this machine does not have the device.
    """
    return choose_device("device", name)


def from_dlpack(x):
    """The array of another library over the same memory, without a copy.

    Args:
        x: an object with __dlpack__ and __dlpack_device__ in the memory of the CPU or of the CUDA device in use, or a
            Tensor.

    Returns:
        ndarray or CudaArray; what one changes, the other sees.

    Raises:
        TypeError: x has no __dlpack__.
        ValueError: x lies on another device, or can't be shared: NumPy has no such dtype, for one.

    Source: the DLPack protocol, https://dmlc.github.io/dlpack/latest/python_spec.html.
    """
    x = data(x)
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise TypeError(f"[from_dlpack] wants an object with __dlpack__, got {type(x).__name__}")
    kind, number = x.__dlpack_device__()
    if kind == _CUDA and cuda.is_available():
        return _core.cuda_from_dlpack(x)
    if kind != _CPU:
        raise ValueError(f"[from_dlpack] wants memory of the CPU (device type 1), got device type {int(kind)}:{number}")
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError) as error:
        raise ValueError(f"[from_dlpack] this {type(x).__name__} can't be shared: {error}") from error
