"""Pooling over images.

Kernels know one layout. A channels-first image is a stack of planes to them: (n, c, h, w) is read as (n * c, h, w, 1)
without moving anything.
"""

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import data, record, wants_gradient
from hotloop.ops.geometry import as_images, channels_first, check_out, pair, window_geometry

__all__ = ["avg_pool2d", "global_avg_pool2d", "global_max_pool2d", "max_pool2d"]


def _seen(array, first):
    """An array of images, or of anything with their layout, as the kernels see it."""
    return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:], 1) if first else array


def _given(array, x_, first):
    """What the kernels made from x_, in its layout."""
    return array.reshape(*x_.shape[:2], *array.shape[1:3]) if first else array


def _seen_out(op, out, x_, grid, first):
    """The caller's out as the kernels see it; it stays the caller's memory."""
    out = data(out)
    if out is None or not first:
        return out
    check_out(op, out, (*x_.shape[:2], *grid))
    return _seen(out, first) if out.flags.c_contiguous else None


def _finished(op, y, x_, first, out):
    """What the op returns: y in x_'s layout, or the caller's out, which the kernel could not write where its planes
    can't be joined to a stack."""
    y = _given(y, x_, first)
    out = data(out)
    if out is not None and first and not out.flags.c_contiguous:
        check_out(op, out, y.shape, y.dtype)
        out[...] = y
    return y if out is None else out


def max_pool2d(
    x,
    window,
    *,
    stride=None,
    padding="valid",
    dilation=1,
    ceil_mode=False,
    return_indices=False,
    data_format="NHWC",
    out=None,
):
    """Largest element of each window: y[n, i, j, c] = max over r, s of x[n, i * stride + r * dilation - top, ..., c].

    The first maximum wins, and so does the first NaN; padding never does. A window that dilation spreads over padding
    alone gives -inf and index -1.

    Args:
        x: (n, h, w, c), or (n, c, h, w) with data_format="NCHW"; float32 or float64.
        window: int or pair (rows, columns).
        stride: int or pair; None is the window.
        padding: "valid", "same" (as Keras pads), an int, (rows, columns) or ((top, bottom), (left, right)).
        dilation: int or pair, the step from one element of the window to the next.
        ceil_mode: also pool the windows that reach past the end, as PyTorch does.
        return_indices: also return where the maxima are.
        data_format: "NHWC" or "NCHW".
        out: where to write the result.

    Returns:
        (n, oh, ow, c) or (n, c, oh, ow); with return_indices a pair of it and an int64 array of its shape, whose
        elements are h * W + w within the input plane.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, a window does not fit or fits into the padding.
    """
    op = "max_pool2d"
    x_ = as_images(op, data(x), data_format)
    first = channels_first(op, data_format)
    images = _seen(x_, first)
    window = pair(op, "window", window)
    stride = window if stride is None else pair(op, "stride", stride)
    dilation = pair(op, "dilation", dilation)
    geometry = window_geometry(op, images.shape[1:3], window, stride, padding, dilation, ceil_mode, pooling=True)
    where = (window, stride, dilation, geometry)
    return_indices = checks.flag(op, "return_indices", return_indices)
    with_indices = return_indices or wants_gradient(x)
    y = _core.max_pool2d(images, *where, with_indices, _seen_out(op, out, x_, geometry[:2], first))
    y, indices = y if with_indices else (y, None)
    shape, images_shape = x_.shape, images.shape

    def backward(dy, need):
        return (_core.max_pool2d_grad(_seen(dy, first), indices, images_shape, *where).reshape(shape),)

    y = record(op, _finished(op, y, x_, first, out), (x,), backward)
    return (y, _given(indices, x_, first).astype(np.int64)) if return_indices else y


def avg_pool2d(
    x,
    window,
    *,
    stride=None,
    padding="valid",
    ceil_mode=False,
    count_include_pad=False,
    data_format="NHWC",
    out=None,
):
    """Mean of each window: y[n, i, j, c] = sum over r, s of x[n, i * stride + r - top, ..., c] / count.

    Args:
        x: (n, h, w, c), or (n, c, h, w) with data_format="NCHW"; float32 or float64.
        window: int or pair (rows, columns).
        stride: int or pair; None is the window.
        padding: "valid", "same" (as Keras pads), an int, (rows, columns) or ((top, bottom), (left, right)).
        ceil_mode: also pool the windows that reach past the end, as PyTorch does.
        count_include_pad: padding counts as zeros; otherwise the count is of elements inside the input.
        data_format: "NHWC" or "NCHW".
        out: where to write the result.

    Returns:
        (n, oh, ow, c) or (n, c, oh, ow).

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, a window does not fit or fits into the padding.
    """
    op = "avg_pool2d"
    x_ = as_images(op, data(x), data_format)
    first = channels_first(op, data_format)
    images = _seen(x_, first)
    window = pair(op, "window", window)
    stride = window if stride is None else pair(op, "stride", stride)
    geometry = window_geometry(op, images.shape[1:3], window, stride, padding, (1, 1), ceil_mode, pooling=True)
    where = (window, stride, geometry, checks.flag(op, "count_include_pad", count_include_pad))
    y = _core.avg_pool2d(images, *where, _seen_out(op, out, x_, geometry[:2], first))
    shape, images_shape = x_.shape, images.shape

    def backward(dy, need):
        return (_core.avg_pool2d_grad(_seen(dy, first), images_shape, *where).reshape(shape),)

    return record(op, _finished(op, y, x_, first, out), (x,), backward)


def _global(op, x, kind, data_format, keepdims, out):
    """The images, whether they are channels-first, and their planes reduced to one element each."""
    x_ = checks.real_array(op, "x", as_images(op, data(x), data_format))
    first = channels_first(op, data_format)
    axes = (2, 3) if first else (1, 2)
    if 0 in (x_.shape[axes[0]], x_.shape[axes[1]]):
        raise ValueError(f"[{op}] images {tuple(x_.shape)} have no pixels")
    y = _core.reduce(x_, axes, _core.reduce_ops[kind], checks.flag(op, "keepdims", keepdims))
    out = check_out(op, data(out), y.shape, y.dtype)
    if out is not None:
        out[...] = y
        y = out
    return x_, first, y


_ONE_WINDOW = (1, 1, 0, 0, 0, 0)  # over all of the plane, without padding


def global_avg_pool2d(x, *, data_format="NHWC", keepdims=False, out=None):
    """Mean of each plane: y[n, c] = sum over i, j of x[n, i, j, c] / (h * w).

    Args:
        x: (n, h, w, c), or (n, c, h, w) with data_format="NCHW"; float32 or float64.
        data_format: "NHWC" or "NCHW".
        keepdims: keep rows and columns as axes of length 1.
        out: where to write the result.

    Returns:
        (n, c), or with keepdims (n, 1, 1, c) or (n, c, 1, 1).

    Raises:
        ValueError: x has not four axes, or no pixels.
    """
    op = "global_avg_pool2d"
    x_, first, y = _global(op, x, "mean", data_format, keepdims, out)
    shape, images_shape = x_.shape, _seen(x_, first).shape

    def backward(dy, need):
        window = images_shape[1:3]
        dy = dy.reshape(images_shape[0], 1, 1, images_shape[3])
        return (_core.avg_pool2d_grad(dy, images_shape, window, window, _ONE_WINDOW).reshape(shape),)

    return record(op, y, (x,), backward)


def global_max_pool2d(x, *, data_format="NHWC", keepdims=False, out=None):
    """Largest element of each plane: y[n, c] = max over i, j of x[n, i, j, c]; the first NaN wins.

    The gradient goes to the first maximum of each plane.

    Args:
        x: (n, h, w, c), or (n, c, h, w) with data_format="NCHW"; float32 or float64.
        data_format: "NHWC" or "NCHW".
        keepdims: keep rows and columns as axes of length 1.
        out: where to write the result.

    Returns:
        (n, c), or with keepdims (n, 1, 1, c) or (n, c, 1, 1).

    Raises:
        ValueError: x has not four axes, or no pixels.
    """
    op = "global_max_pool2d"
    x_, first, y = _global(op, x, "max", data_format, keepdims, out)

    def backward(dy, need):
        images = _seen(x_, first)
        where = (images.shape[1:3], images.shape[1:3], (1, 1), _ONE_WINDOW)
        if first and isinstance(images, np.ndarray):
            at = _core.argmax(images.reshape(images.shape[0], images.shape[1] * images.shape[2])).astype(np.int32)
        else:
            _, at = _core.max_pool2d(images, *where, True)
        one_each = (images.shape[0], 1, 1, images.shape[3])
        dx = _core.max_pool2d_grad(dy.reshape(one_each), at.reshape(one_each), images.shape, *where)
        return (dx.reshape(x_.shape),)

    return record(op, y, (x,), backward)
