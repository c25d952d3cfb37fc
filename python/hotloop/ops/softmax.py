"""Softmax and its logarithm, along one axis."""

from hotloop import _core, checks
from hotloop.autograd import data, record

__all__ = ["log_softmax", "softmax"]

_MOST_AXES = 64  # of an ndarray


def _softmax(op, x, axis, logarithm, out):
    axis = checks.integer(op, "axis", axis)
    if not -_MOST_AXES <= axis < _MOST_AXES:
        raise ValueError(f"[{op}] axis {axis} is out of range for any shape")
    y = _core.softmax(data(x), axis, logarithm, data(out))

    def backward(dy, need):
        return (_core.softmax_grad(y, dy, axis, logarithm),)

    return record(op, y, (x,), backward)


def softmax(x, axis=-1, *, out=None):
    """Normalised exponentials along an axis: y_i = exp(x_i - max x) / sum_j exp(x_j - max x).

    Args:
        x: array of one or more dimensions, float32 or float64.
        axis: integer, the axis whose elements add up to 1.
        out: where to write the result, an array of x's shape and dtype.

    Returns:
        Array of x's shape. Where a NaN or +inf lies along the axis, or nothing but -inf, all of it is NaN.

    Raises:
        ValueError: axis is out of range.
    """
    return _softmax("softmax", x, axis, False, out)


def log_softmax(x, axis=-1, *, out=None):
    """Logarithm of softmax, without its underflow: y_i = x_i - max x - log(sum_j exp(x_j - max x)).

    Args:
        x: array of one or more dimensions, float32 or float64.
        axis: integer, the axis whose exponentials add up to 1.
        out: where to write the result, an array of x's shape and dtype.

    Returns:
        Array of x's shape. Where a NaN or +inf lies along the axis, or nothing but -inf, all of it is NaN.

    Raises:
        ValueError: axis is out of range.
    """
    return _softmax("log_softmax", x, axis, True, out)
