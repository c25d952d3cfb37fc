"""Arrays rearranged: reshaped, transposed, indexed, joined. Views where NumPy gives views."""

import numpy as np

from hotloop import _core, checks
from hotloop._core import CudaArray
from hotloop.autograd import data, record, record_view

__all__ = ["concatenate", "reshape", "stack", "transpose"]


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _array(op, x):
    """The array of x as it lies; of what is not float32 or float64, a float32 copy."""
    x = data(x)
    return x if isinstance(x, np.ndarray | CudaArray) and x.dtype in _FLOATS else _core.as_floats(op, (x,))[0]


def reshape(x, shape):
    """The same elements in another shape, in the same order.

    Args:
        x: array of any shape.
        shape: int or tuple of ints; one of them may be -1 and is then worked out.

    Returns:
        Array of the shape; a view of x where x is contiguous.

    Raises:
        ValueError: the shape has another number of elements.
    """
    x_ = _array("reshape", x)
    try:
        y = x_.reshape((shape,) if shape is None else shape)
        if y.shape != shape and np.min(shape, initial=-1) < -1:  # NumPy takes any negative size for -1
            raise ValueError
    except TypeError:
        raise TypeError(f"[reshape] shape must be an int or a tuple of ints, got {shape!r}") from None
    except ValueError:
        raise ValueError(f"[reshape] shape {x_.shape} with {x_.size} elements can't become {shape}") from None
    before = x_.shape
    return record_view("reshape", y, x, lambda dy, need: (dy.reshape(before),))


def transpose(x, axes=None):
    """The same elements with the axes in another order: y.shape[i] = x.shape[axes[i]].

    Args:
        x: array of any shape.
        axes: tuple of ints, each axis once; None reverses them.

    Returns:
        A view of x.

    Raises:
        ValueError: axes is not a permutation of x's axes.
    """
    x_ = _array("transpose", x)
    try:
        if axes is not None and len(axes) != x_.ndim:
            raise ValueError
        y = x_.transpose(axes)
    except TypeError:
        raise TypeError(f"[transpose] axes must be a tuple of ints, got {axes!r}") from None
    except ValueError:
        raise ValueError(f"[transpose] axes {axes} are no order of the {x_.ndim} axes of shape {x_.shape}") from None

    back = None if axes is None else np.argsort([axis % x_.ndim for axis in axes]).tolist()
    return record_view("transpose", y, x, lambda dy, need: (dy.transpose(back),))


def _is_basic(key):
    """True for ints, slices, None and ..., which give views; False for arrays and lists, which may repeat elements."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        [
            isinstance(part, slice | type(None) | type(...) | int | np.integer) and not isinstance(part, bool)
            for part in parts
        ]
    )


def getitem(x, key):
    """Tensor x[key] with NumPy's basic and advanced indexing; elements picked several times add up their gradients."""
    x_ = x._data
    key = tuple([_key_part(part) for part in key]) if isinstance(key, tuple) else _key_part(key)
    if isinstance(x_, CudaArray):
        return _getitem_there(x, key)
    basic = _is_basic(key)
    try:
        y = x_[key]
    except (IndexError, OverflowError, TypeError, ValueError) as error:
        raise IndexError(f"[getitem] {error}") from None
    if not isinstance(y, np.ndarray):  # a single element: NumPy would give a scalar
        y = x_[(*key, ...) if isinstance(key, tuple) else (key, ...)]

    shape = x_.shape

    def backward(dy, need):
        dx = _core.full_like(dy, shape, 0)
        if basic:
            dx[key] = dy
        else:
            np.add.at(dx, key, dy)
        return (dx,)

    return record_view("getitem", y, x, backward) if basic else record("getitem", y, (x,), backward)


def _key_part(part):
    """Part of a key as NumPy takes it."""
    part = data(part)
    return part.numpy() if isinstance(part, CudaArray) else part


def _getitem_there(x, key):
    """getitem on a device, which knows rows: those that NumPy picks of the elements' numbers."""
    x_ = x._data
    shape = x_.shape
    numbers = np.asarray(np.arange(x_.size).reshape(shape)[key])

    def backward(dy, need):
        return (_core.gather_rows_grad(dy.reshape(-1), numbers.reshape(-1), x_.size).reshape(shape),)

    if _is_basic(key):
        return record_view("getitem", x_[key], x, backward)
    return record("getitem", _core.gather_rows(x_.reshape(-1), numbers), (x,), backward)


def _joined(parts, axis, shape):
    """Arrays one behind the other along an axis, where the result has the shape."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis, out=_core.empty_like(parts[0], shape))
    # On a device whole rows are copied: the axis goes to the front and back.
    order = [axis, *[i for i in range(len(shape)) if i != axis]]
    y = _core.empty_like(parts[0], [shape[i] for i in order])
    end = 0
    for part in parts:
        begin, end = end, end + part.shape[axis]
        y[begin:end] = part.transpose(order)
    return _core.contiguous(y.transpose(np.argsort(order).tolist()))


def _parts(op, arrays):
    """The arrays as a tuple, and as ndarrays of one dtype."""
    try:
        arrays = tuple(arrays)
    except TypeError:
        raise TypeError(f"[{op}] arrays must be a sequence, got {arrays!r}") from None
    if not arrays:
        raise ValueError(f"[{op}] wants at least one array, got none")
    return arrays, _core.as_floats(op, [data(x) for x in arrays])


def concatenate(arrays, axis=0):
    """Arrays one behind the other along an axis that they have.

    Args:
        arrays: sequence of arrays whose shapes agree but for that axis.
        axis: int.

    Returns:
        One array.

    Raises:
        ValueError: there are none, the axis is not theirs, or the shapes differ elsewhere.
    """
    arrays, parts = _parts("concatenate", arrays)
    axis, rank = checks.axis("concatenate", axis, parts[0].shape), parts[0].ndim
    for i, part in enumerate(parts):
        if part.ndim != rank or any(
            [n != m for j, (n, m) in enumerate(zip(part.shape, parts[0].shape, strict=True)) if j != axis]
        ):
            raise ValueError(f"[concatenate] shapes differ off axis {axis}: {parts[0].shape} and, at {i}, {part.shape}")
    ends = np.cumsum([part.shape[axis] for part in parts])
    shape = (*parts[0].shape[:axis], int(ends[-1]), *parts[0].shape[axis + 1 :])
    y = _joined(parts, axis, shape)
    before = (slice(None),) * axis

    def backward(dy, need):
        begins = [0, *ends[:-1].tolist()]
        return tuple([dy[(*before, slice(i, int(j)))] for i, j in zip(begins, ends, strict=True)])

    return record("concatenate", y, arrays, backward)


def stack(arrays, axis=0):
    """Arrays of one shape side by side along a new axis.

    Args:
        arrays: sequence of arrays.
        axis: int, where the new axis stands in the result.

    Returns:
        One array.

    Raises:
        ValueError: there are none, the shapes differ, or the axis is not one of the result.
    """
    arrays, parts = _parts("stack", arrays)
    for i, part in enumerate(parts):
        if part.shape != parts[0].shape:
            raise ValueError(f"[stack] shapes differ: {parts[0].shape} and, at {i}, {part.shape}")
    count = len(parts)
    axis = checks.axis("stack", axis, (count, *parts[0].shape))
    shape = [*parts[0].shape]
    shape.insert(axis, count)
    before = (slice(None),) * axis
    y = _joined([part[(*before, None)] for part in parts], axis, shape)

    def backward(dy, need):
        return tuple([dy[(*before, i, ...)] for i in range(count)])

    return record("stack", y, arrays, backward)
