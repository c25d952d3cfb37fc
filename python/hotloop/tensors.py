"""Tensors as PyTorch's users make them."""

import numpy as np

from hotloop import checks
from hotloop.autograd import Tensor

__all__ = ["from_numpy", "tensor"]


def tensor(data, *, dtype=None, requires_grad=False):
    """A Tensor with a copy of the data.

    Args:
        data: array-like of real numbers.
        dtype: float32 or float64; None keeps these and makes float32 of the rest.
        requires_grad: whether backward() leaves a gradient in `grad`.

    Raises:
        TypeError: data is not real numbers.
    """
    array = checks.real_array("tensor", "data", data.data if isinstance(data, Tensor) else data)
    try:
        array = array.astype(array.dtype if dtype is None else dtype)
    except TypeError:
        raise TypeError(f"[tensor] dtype must be float32 or float64, got {dtype!r}") from None
    return Tensor(array, requires_grad=requires_grad)


def from_numpy(array):
    """A Tensor over the array's own memory, where it is float32 or float64; else over a float32 copy.

    Raises:
        TypeError: it is not an ndarray of real numbers.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"[from_numpy] wants an ndarray: got {type(array).__name__}")
    return Tensor(array)
