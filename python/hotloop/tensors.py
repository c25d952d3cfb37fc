"""Tensors as PyTorch's users make them."""

import numpy as np

from hotloop import checks
from hotloop.autograd import Tensor

__all__ = ["arange", "from_numpy", "linspace", "tensor"]

_MOST_ELEMENTS = np.iinfo(np.intp).max // 8  # of float64


def tensor(data, *, dtype=None, requires_grad=False):
    """A Tensor with a copy of the data.

    Args:
        data: array-like of real numbers.
        dtype: float32 or float64; None keeps these and makes float32 of the rest. The numbers are cast to another real
            dtype, such as int64, as NumPy casts them, but a Tensor of them is float32.
        requires_grad: whether backward() leaves a gradient in `grad`.

    Raises:
        TypeError: data is not real numbers.
    """
    array = checks.real_array("tensor", "data", data.data if isinstance(data, Tensor) else data)
    array = array.astype(array.dtype if dtype is None else checks.dtype("tensor", dtype))
    return Tensor(array, requires_grad=requires_grad)


def from_numpy(array):
    """A Tensor over the array's own memory, where it is float32 or float64; else over a float32 copy.

    Raises:
        TypeError: it is not an ndarray of real numbers.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"[from_numpy] wants an ndarray: got {type(array).__name__}")
    return Tensor(array)


def linspace(start, end, steps, *, requires_grad=False):
    """A float32 Tensor of numbers at equal distances: x_i = start + i * (end - start) / (steps - 1).

    Args:
        start, end: the first and the last number.
        steps: how many, at least 0.
        requires_grad: whether backward() leaves a gradient.

    Raises:
        TypeError: an argument is not a number, or steps not an integer.
        ValueError: steps is negative.
    """
    ends = checks.number("linspace", "start", start), checks.number("linspace", "end", end)
    steps = checks.integer("linspace", "steps", steps, 0)
    if steps > _MOST_ELEMENTS:
        raise ValueError(f"[linspace] {steps} steps are more elements than memory can address")
    return Tensor(np.linspace(*ends, steps, dtype=np.float32), requires_grad)


def arange(start, end=None, step=1, *, requires_grad=False):
    """A float32 Tensor of numbers from start up to, but without, end: x_i = start + i * step.

    Args:
        start, end: arange(end) begins at 0.
        step: a number, not 0.
        requires_grad: whether backward() leaves a gradient.

    Raises:
        TypeError: an argument is not a number.
        ValueError: step is 0, or one of them is NaN or infinite.
    """
    start, end = (0, start) if end is None else (start, end)
    given = {"start": start, "end": end, "step": step}
    bounds = [checks.number("arange", what, value, "(-inf, inf)") for what, value in given.items()]
    if step == 0:
        raise ValueError("[arange] step must not be 0")
    count = (bounds[1] - bounds[0]) / bounds[2]
    if count <= 0:
        return Tensor(np.empty(0, np.float32), requires_grad)
    if count > _MOST_ELEMENTS:
        raise ValueError(f"[arange] from {start} to {end} by {step} are more elements than memory can address")
    return Tensor(np.arange(*bounds).astype(np.float32), requires_grad)
