"""Two-dimensional convolution, alone and with the max pooling that often follows it."""

from hotloop import _core, checks
from hotloop.autograd import data, record, wants_gradient
from hotloop.ops.activation import activate, activation_number, default_alpha, needs_input
from hotloop.ops.geometry import as_images, channels_first, from_nhwc, pair, to_nhwc, window_geometry

__all__ = ["conv2d", "conv2d_max_pool2d"]


def _arrays(op, x, w):
    x, w = as_images(op, data(x), "NHWC"), checks.array(op, "weight", data(w))
    if len(w.shape) != 4:
        raise ValueError(f"[{op}] weight {w.shape} has {len(w.shape)} dimensions, wants 4: (kh, kw, c / groups, f)")
    return x, w


def _geometry(op, x, w, stride, padding, dilation, groups):
    """(stride, (top, left, bottom, right), dilation, groups) as the kernels take them."""
    stride, dilation = pair(op, "stride", stride), pair(op, "dilation", dilation)
    _, _, top, bottom, left, right = window_geometry(op, x.shape[1:3], w.shape[:2], stride, padding, dilation)
    groups = checks.integer(op, "groups", groups, 1)
    if groups > (max(x.shape[3], w.shape[3]) or 2**31 - 1):  # what divides 0 need not be small
        raise ValueError(f"[{op}] groups {groups} must divide {x.shape[3]} input channels and {w.shape[3]} filters")
    return stride, (top, left, bottom, right), dilation, groups


def _before_activation(y, dy, kind, alpha):
    return dy if kind == 0 else _core.activation_grad(y, dy, kind, alpha)


def _bias_grad(dz):
    return _core.reduce(dz, (0, 1, 2), _core.reduce_ops["sum"])


def conv2d(
    x, w, b=None, *, stride=1, padding="valid", dilation=1, groups=1, activation=None, data_format="NHWC", out=None
):
    """Two-dimensional convolution (cross-correlation) with bias and activation.

    y[n, i, j, f] = act(b[f] + sum over r, s, c of x[n, i * stride + r * dilation - top, ..., c] * w[r, s, c, f])

    Args:
        x: (N, H, W, C), or (N, C, H, W) with data_format="NCHW".
        w: (KH, KW, C / groups, F), whatever data_format says.
        b: (F,) or None.
        stride, dilation: int or pair, at least 1.
        padding: "valid", "same" (as Keras pads), int, (ph, pw) or ((top, bottom), (left, right)), in pixels.
        groups: C and F are cut into this many groups that do not see each other.
        activation: name of an activation, or None.
        data_format: "NHWC" or "NCHW"; the latter is transposed on the way in and out.
        out: where to write the result.

    Returns:
        (N, OH, OW, F), or (N, F, OH, OW) with data_format="NCHW".

    Raises:
        ValueError: ranks, channels, groups or window do not fit; unknown activation.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.
    """
    if channels_first("conv2d", data_format):
        y = conv2d(
            to_nhwc("conv2d", x, data_format),
            w,
            b,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            activation=activation,
        )
        return from_nhwc("conv2d", y, data_format, out)
    kind, alpha = activation_number("conv2d", activation), default_alpha(activation)
    if needs_input(activation) and wants_gradient(x, w, b):
        y = conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return activate("conv2d", activation, y, alpha, out)
    x_, w_ = _arrays("conv2d", x, w)
    geometry = _geometry("conv2d", x_, w_, stride, padding, dilation, groups)
    y = _core.conv2d(x_, w_, data(b), *geometry, kind, alpha, data(out))

    def backward(dy, need):
        dz = _before_activation(y, dy, kind, alpha)
        dx = _core.conv2d_input_grad(dz, w_, x_.shape, *geometry) if need[0] else None
        dw = _core.conv2d_weight_grad(x_, dz, w_.shape, *geometry) if need[1] else None
        return dx, dw, _bias_grad(dz) if need[2] else None

    return record("conv2d", y, (x, w, b), backward)


def conv2d_max_pool2d(
    x, w, b=None, *, pool, activation=None, stride=1, padding="valid", dilation=1, groups=1, data_format="NHWC"
):
    """conv2d, activation and max pooling by windows that do not overlap, as one op that never makes the map between.

    y = max_pool2d(conv2d(x, w, b, activation=activation), pool)

    Args:
        x, w, b, stride, padding, dilation, groups, data_format: as in conv2d.
        pool: int or pair, the pooling window and its stride; rows and columns that do not fill a window are dropped.
        activation: name of an activation that never falls (not gelu, silu or hard_swish), or None.

    Returns:
        (N, OH // pool_h, OW // pool_w, F), or with the filters second for data_format="NCHW".

    Raises:
        ValueError: as in conv2d; the pool window is larger than the convolution's output; the activation falls.
    """
    op = "conv2d_max_pool2d"
    if channels_first(op, data_format):
        y = conv2d_max_pool2d(
            to_nhwc(op, x, data_format),
            w,
            b,
            pool=pool,
            activation=activation,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
        return from_nhwc(op, y, data_format)
    kind, alpha = activation_number(op, activation), default_alpha(activation)
    x_, w_ = _arrays(op, x, w)
    geometry = (pair(op, "pool", pool), *_geometry(op, x_, w_, stride, padding, dilation, groups))
    y, argmax = _core.conv2d_max_pool2d(x_, w_, data(b), *geometry, kind, alpha, wants_gradient(x, w, b))

    def backward(dy, need):
        return _core.conv2d_max_pool2d_grad(x_, w_, y, argmax, dy, *geometry, kind, alpha, *need)

    return record(op, y, (x, w, b), backward)
