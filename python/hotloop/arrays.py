"""Arrays from elsewhere: onto a device, and through DLPack."""

import numpy as np

from hotloop import checks
from hotloop.autograd import data
from hotloop.devices import choose_device

__all__ = ["array", "device", "from_dlpack"]

_CPU = 1  # kDLCPU


def array(x, device="cpu"):
    """An array on a device.

    Args:
        x: array-like of real numbers, or a Tensor, whose array it is.
        device: "cpu", "cuda" or "auto".

    Returns:
        On the CPU an ndarray, x itself where it is one.

    Raises:
        TypeError: x is not an array of real numbers.
        ValueError: the device's name is unknown; lists the choices.
        RuntimeError: this build or this machine does not have the device.
    """
    choose_device("array", device)
    return checks.real_array("array", "x", data(x))


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
        x: an object with __dlpack__ and __dlpack_device__ in the CPU's memory, or a Tensor.

    Returns:
        ndarray; what one changes, the other sees.

    Raises:
        TypeError: x has no __dlpack__.
        ValueError: x lies on another device, or can't be shared: NumPy has no such dtype, for one.

    Source: the DLPack protocol, https://dmlc.github.io/dlpack/latest/python_spec.html.
    """
    x = data(x)
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise TypeError(f"[from_dlpack] wants an object with __dlpack__, got {type(x).__name__}")
    kind, number = x.__dlpack_device__()
    if kind != _CPU:
        raise ValueError(f"[from_dlpack] wants memory of the CPU (device type 1), got device type {int(kind)}:{number}")
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError) as error:
        raise ValueError(f"[from_dlpack] this {type(x).__name__} can't be shared: {error}") from error
