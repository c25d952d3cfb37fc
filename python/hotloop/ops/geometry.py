"""Windows over images, for convolution and pooling: the one place where their arguments are parsed and checked.

Rows come before columns everywhere; a window of k elements `dilation` apart spans dilation * (k - 1) + 1 of them.
"""

from functools import lru_cache

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import Tensor, data, record
from hotloop.names import choose

_LARGEST = 2**31 - 1
_FORMATS = {"NHWC": False, "NCHW": True}
_PADDINGS = {"valid": "valid", "same": "same"}


def _integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def pair(op, name, value, minimum=1):
    """An int, or a pair of them for rows and columns, as (int, int).

    Raises:
        TypeError: value is neither.
        ValueError: a number is below minimum or above 2^31 - 1.
    """
    items = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(items) != 2 or not (_integer(items[0]) and _integer(items[1])):
        raise TypeError(f"[{op}] {name} wants an int or a pair of ints, got {value!r}")
    if not (minimum <= items[0] <= _LARGEST and minimum <= items[1] <= _LARGEST):
        wanted = f"at least {minimum}" if min(items) < minimum else f"at most {_LARGEST}"
        raise ValueError(f"[{op}] {name} must be {wanted}, got {value!r}")
    return int(items[0]), int(items[1])


def _parse_padding(op, padding):
    """Padding as "same" or ((top, bottom), (left, right))."""
    if isinstance(padding, str):
        name = choose(op, "padding", padding.lower(), _PADDINGS)
        return name if name == "same" else ((0, 0), (0, 0))
    if (
        isinstance(padding, (tuple, list))
        and len(padding) == 2
        and any([isinstance(p, (tuple, list)) for p in padding])
    ):
        rows, columns = padding
        if all([isinstance(p, (tuple, list)) for p in padding]):
            return pair(op, "padding", rows, 0), pair(op, "padding", columns, 0)
    elif _integer(padding) or (isinstance(padding, (tuple, list)) and len(padding) == 2):
        rows, columns = pair(op, "padding", padding, 0)
        return (rows, rows), (columns, columns)
    raise TypeError(
        f'[{op}] padding wants "valid", "same", an int, (rows, columns) or ((top, bottom), (left, right)), '
        f"got {padding!r}"
    )


def _same_axis(size, span, stride):
    """Keras' "same": ceil(size / stride) windows, an odd element of padding at the end."""
    count = -(-size // stride)
    total = max((count - 1) * stride + span - size, 0) if count else 0
    return count, total // 2, total - total // 2


def _padded_axis(size, span, stride, before, after, ceil_mode):
    room = size + before + after - span
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    # PyTorch's rule: the last window must begin inside the input or the padding before it.
    return count - 1 if (count - 1) * stride >= size + before else count


@lru_cache(maxsize=4096)
def _geometry(op, input_hw, window_hw, stride_hw, padding, dilation_hw, ceil_mode, pooling):
    if min(window_hw) < 1:
        raise ValueError(f"[{op}] window must be at least 1, got {window_hw}")
    spans = tuple(d * (k - 1) + 1 for k, d in zip(window_hw, dilation_hw, strict=True))
    dilated = f" dilated by {dilation_hw}" if spans != window_hw else ""
    if padding == "same":
        (oh, top, bottom), (ow, left, right) = map(_same_axis, input_hw, spans, stride_hw)
        return oh, ow, top, bottom, left, right
    (top, bottom), (left, right) = padding
    if pooling and (max(top, bottom) >= spans[0] or max(left, right) >= spans[1]):
        raise ValueError(f"[{op}] padding {padding} must be smaller than the window {window_hw}{dilated}")
    oh = _padded_axis(input_hw[0], spans[0], stride_hw[0], top, bottom, ceil_mode)
    ow = _padded_axis(input_hw[1], spans[1], stride_hw[1], left, right, ceil_mode)
    if oh < 1 or ow < 1:
        padded = (input_hw[0] + top + bottom, input_hw[1] + left + right)
        raise ValueError(f"[{op}] window {window_hw}{dilated} is larger than the padded input {padded}")
    return oh, ow, top, bottom, left, right


def window_geometry(op, input_hw, window_hw, stride_hw, padding, dilation_hw, ceil_mode=False, *, pooling=False):
    """Where windows lie: output size and padding.

    out = floor((in + before + after - dilation * (window - 1) - 1) / stride) + 1, with ceil for floor in ceil_mode;
    ceil(in / stride) for "same".

    Args:
        op: the op, for errors.
        input_hw, window_hw, stride_hw, dilation_hw: pairs of ints, the last three as pair() gives them.
        padding: "valid", "same", an int, (rows, columns) or ((top, bottom), (left, right)).
        ceil_mode: windows may reach past the end, as in PyTorch's pooling; without effect on "same".
        pooling: refuse padding that a whole window fits into.

    Returns:
        (oh, ow, top, bottom, left, right)

    Raises:
        TypeError: padding is none of these.
        ValueError: padding is negative or unknown, or no window fits.
    """
    padding = _parse_padding(op, padding)
    return _geometry(
        op, input_hw, window_hw, stride_hw, padding, dilation_hw, checks.flag(op, "ceil_mode", ceil_mode), pooling
    )


def channels_first(op, data_format):
    """True for "NCHW", False for "NHWC"."""
    return choose(op, "data_format", data_format, _FORMATS)


def as_images(op, x, data_format):
    """x as an array of four axes, as it is.

    Raises:
        ValueError: x has another number of axes, or data_format is unknown.
    """
    wanted = "(n, c, h, w)" if channels_first(op, data_format) else "(n, h, w, c)"
    x = x if isinstance(x, Tensor) else checks.array(op, "x", x)
    if len(x.shape) != 4:
        raise ValueError(f"[{op}] x {x.shape} has {len(x.shape)} dimensions, wants 4: {wanted}")
    return x


def _transposed(op, x, axes, out=None):
    """x with its axes in another order, contiguous, on the tape; written to out where one is given."""
    view, back = data(x).transpose(axes), [axes.index(i) for i in range(len(axes))]
    if out is None:
        y = _core.contiguous(view, op)
    else:
        y = out
        y[...] = view

    def backward(dy, need):
        return (_core.contiguous(dy.transpose(back)),)

    return record("transpose", y, (x,), backward)


def to_nhwc(op, x, data_format):
    """x (n, h, w, c), transposed on the tape where data_format says (n, c, h, w)."""
    first = channels_first(op, data_format)
    x = as_images(op, x, data_format)
    return _transposed(op, x, (0, 2, 3, 1)) if first else x


def check_out(op, out, shape, dtype=None):
    """out, a caller's array for a result of this shape (and dtype), or None."""
    if out is None:
        return None
    if not isinstance(out, np.ndarray | _core.CudaArray):
        raise TypeError(f"[{op}] out must be an ndarray")
    if out.shape != shape:
        raise ValueError(f"[{op}] out has shape {out.shape}, the result has {shape}")
    if dtype is not None and out.dtype != dtype:
        raise TypeError(f"[{op}] out has dtype {out.dtype}, the result has {dtype}")
    if not out.flags.writeable:
        raise ValueError(f"[{op}] out is read-only")
    return out


def from_nhwc(op, y, data_format, out=None):
    """y (n, h, w, c) as data_format says; a transposed y is written to out where one is given."""
    if not channels_first(op, data_format):
        return y
    out = check_out(op, data(out), tuple(y.shape[i] for i in (0, 3, 1, 2)), y.dtype)
    return _transposed(op, y, (0, 3, 1, 2), out)
