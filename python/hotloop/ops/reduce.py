"""Reductions. `axis` is None for all axes, an int, or a tuple of them; negative ones count from the end."""

import math

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import data, record

__all__ = ["argmax", "max", "mean", "min", "sum"]

_SUM, _MEAN, _MAX, _MIN = (_core.reduce_ops[name] for name in ("sum", "mean", "max", "min"))
_DIVIDE = _core.binary_ops["divide"]


def _axes(axis, rank):
    """The reduced axes of an array of that rank, none negative, in their order there."""
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(sorted([int(i) % rank for i in axes]))


def _kept(shape, axis):
    """The shape with 1 for every reduced axis."""
    if axis is None:
        return (1,) * len(shape)
    axes = _axes(axis, len(shape))
    return tuple([1 if i in axes else size for i, size in enumerate(shape)])


def _merged(shape, kept):
    """How many elements went into each one that is left."""
    return math.prod([before for before, after in zip(shape, kept, strict=True) if before != after])


def sum(x, axis=None, keepdims=False):
    """Sum: y = sum of x over the axes; 0 over no elements.

    Args:
        x: array of any shape.
        axis: None, int or tuple of ints.
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        Array without the reduced axes.

    Raises:
        ValueError: an axis is not one of x's, or named twice.
    """
    x_ = data(x)
    y = _core.reduce(x_, axis, _SUM, keepdims is not False and checks.flag("sum", "keepdims", keepdims))
    shape = np.shape(x_)

    def backward(dy, need):
        return (_core.broadcast_to(dy.reshape(_kept(shape, axis)), shape),)

    return record("sum", y, (x,), backward)


def mean(x, axis=None, keepdims=False):
    """Mean: y = sum of x over the axes / their number of elements; NaN over no elements.

    Args:
        x: array of any shape.
        axis: None, int or tuple of ints.
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        Array without the reduced axes.

    Raises:
        ValueError: an axis is not one of x's, or named twice.
    """
    x_ = data(x)
    y = _core.reduce(x_, axis, _MEAN, keepdims is not False and checks.flag("mean", "keepdims", keepdims))
    shape = np.shape(x_)

    def backward(dy, need):
        kept = _kept(shape, axis)
        each = _core.binary(dy, _merged(shape, kept), _DIVIDE)
        return (_core.broadcast_to(each.reshape(kept), shape),)

    return record("mean", y, (x,), backward)


def _rows(x, axes):
    """x as (what is kept, what is reduced), and the shape before the last step."""
    kept = [i for i in range(x.ndim) if i not in axes]
    moved = x.transpose(*kept, *axes)
    sizes = math.prod(moved.shape[: len(kept)]), math.prod(moved.shape[len(kept) :])
    return moved.reshape(sizes), moved.shape, np.argsort([*kept, *axes]).tolist()


def _extreme(name, kind, x, axis, keepdims):
    x_ = data(x)

    def backward(dy, need):
        rows, moved, back = _rows(x_, _axes(axis, x_.ndim))
        if kind == _MIN:
            rows = _core.unary(rows, _core.unary_ops["negative"])
        dy = dy.reshape(-1)
        dx = (
            _core.argmax_grad(_core.argmax(rows), dy, rows.shape[1])
            if rows.size
            else _core.full_like(dy, rows.shape, 0)
        )
        return (dx.reshape(moved).transpose(*back),)

    y = _core.reduce(x_, axis, kind, keepdims is not False and checks.flag(name, "keepdims", keepdims))
    if not y.size and 0 in [np.shape(x_)[i] for i in _axes(axis, np.ndim(x_))]:
        raise ValueError(f"[{name}] shape {np.shape(x_)} has no element to take the {name} of")
    return record(name, y, (x,), backward)


def max(x, axis=None, keepdims=False):
    """Largest element over the axes; NaN where one is NaN.

    Args:
        x: array of any shape.
        axis: None, int or tuple of ints.
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        Array without the reduced axes. The gradient goes to the maximum, all of it to the first where several are
        equal, as in max pooling.

    Raises:
        ValueError: an axis is not one of x's, or named twice; there is no element to choose from.
    """
    return _extreme("max", _MAX, x, axis, keepdims)


def min(x, axis=None, keepdims=False):
    """Smallest element over the axes; NaN where one is NaN.

    Args:
        x: array of any shape.
        axis: None, int or tuple of ints.
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        Array without the reduced axes. The gradient goes to the minimum, all of it to the first where several are
        equal.

    Raises:
        ValueError: an axis is not one of x's, or named twice; there is no element to choose from.
    """
    return _extreme("min", _MIN, x, axis, keepdims)


def argmax(x, axis=None, keepdims=False):
    """Place of the largest element along an axis: the first of equal ones, or of NaNs.

    Args:
        x: array of any shape.
        axis: int, or None for the place in x.reshape(-1).
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        int64 ndarray without the reduced axes; it has no gradient.

    Raises:
        ValueError: axis is not one of x's; there is no element to choose from.
    """
    x_ = checks.array("argmax", "x", data(x))
    keepdims = checks.flag("argmax", "keepdims", keepdims)
    if axis is not None:
        axis = checks.axis("argmax", axis, x_.shape)
    if not (x_.size if axis is None else x_.shape[axis]):
        raise ValueError(f"[argmax] shape {x_.shape} has no element to choose from")
    if x_.ndim == 2 and axis == 1 and not keepdims:
        return _core.argmax(x_)
    rows, moved, _ = _rows(x_, _axes(axis, x_.ndim))
    shape = _kept(x_.shape, axis) if keepdims else moved[:-1] if axis is not None else ()
    return _core.argmax(rows).reshape(shape)
