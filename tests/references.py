"""What the ops should give: plain NumPy in float64, naive and obviously right, sharing nothing with the kernels.

Each function takes the arguments of the op it is named after; arrays are float64.
"""

import math

import numpy as np

# ---- activations -----------------------------------------------------------------------------------------------------

_erfc = np.vectorize(math.erfc, otypes=[float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "relu": lambda x: np.where(x < 0, 0, x),
    "leaky_relu": lambda x, slope=0.01: np.where(x < 0, slope * x, x),
    "elu": lambda x, alpha=1.0: np.where(x < 0, alpha * np.expm1(x), x),
    "selu": lambda x: 1.0507009873554804934 * np.where(x < 0, 1.6732632423543772848 * np.expm1(x), x),
    "gelu": lambda x: 0.5 * x * _erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
}


def gelu(x, approximate="none"):
    return ACTIVATIONS["gelu_tanh" if approximate == "tanh" else "gelu"](x)


def activate(y, name):
    """act(y) by name; None is the identity."""
    return y if name is None else ACTIVATIONS[name](y)


def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x, axis=-1):
    shifted = x - np.max(x, axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


# ---- products --------------------------------------------------------------------------------------------------------


def linear(x, w, b=None, activation=None):
    y = x @ w
    return activate(y if b is None else y + b, activation)


# ---- windows ---------------------------------------------------------------------------------------------------------


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def paddings(padding, size, window, stride, dilation):
    """((top, bottom), (left, right)); all arguments but the first are pairs."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        both = []
        for extent, k, s, d in zip(size, window, stride, dilation, strict=True):
            total = max((-(-extent // s) - 1) * s + (k - 1) * d + 1 - extent, 0) if extent else 0
            both.append((total // 2, total - total // 2))
        return tuple(both)
    return tuple(pair(p) for p in pair(padding))


def _output_size(extent, window, stride, dilation, pad, ceil_mode=False):
    room = extent + sum(pad) - (window - 1) * dilation - 1
    if not ceil_mode:
        return max(room // stride + 1, 0)
    size = -(-room // stride) + 1
    # The last window has to begin inside the input or its left padding.
    return size - 1 if (size - 1) * stride >= extent + pad[0] else size


def _nchw(f, x, *arguments, **options):
    results = f(x.transpose(0, 2, 3, 1), *arguments, **options)
    if isinstance(results, tuple):
        return tuple(r.transpose(0, 3, 1, 2) for r in results)
    return results.transpose(0, 3, 1, 2)


def conv2d(x, w, b=None, stride=1, padding="valid", dilation=1, groups=1, activation=None, data_format="NHWC"):
    if data_format == "NCHW":
        return _nchw(conv2d, x, w, b, stride, padding, dilation, groups, activation)
    kh, kw, per_group, f = w.shape
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    pad_h, pad_w = paddings(padding, x.shape[1:3], (kh, kw), (sh, sw), (dh, dw))
    oh = _output_size(x.shape[1], kh, sh, dh, pad_h)
    ow = _output_size(x.shape[2], kw, sw, dw, pad_w)
    x = np.pad(x, ((0, 0), pad_h, pad_w, (0, 0)))
    y = np.zeros((x.shape[0], oh, ow, f))
    of_group = f // groups
    for g in range(groups):
        channels = x[..., g * per_group : (g + 1) * per_group]
        weights = w[..., g * of_group : (g + 1) * of_group]
        for i in range(oh):
            for j in range(ow):
                window = channels[:, i * sh : i * sh + (kh - 1) * dh + 1 : dh, j * sw : j * sw + (kw - 1) * dw + 1 : dw]
                y[:, i, j, g * of_group : (g + 1) * of_group] = np.einsum("nhwc,hwcf->nf", window, weights)
    return activate(y if b is None else y + b, activation)


def conv2d_max_pool2d(x, w, b=None, pool=2, data_format="NHWC", **options):
    if data_format == "NCHW":
        return _nchw(conv2d_max_pool2d, x, w, b, pool, **options)
    return max_pool2d(conv2d(x, w, b, **options), pool)


def _windows(x, window, stride, padding, dilation, ceil_mode, fill, beyond):
    """The output's (oh, ow), then for each window (i, j, its values of every image and channel: (n, kh * kw, c)).

    Padding holds `fill`; what windows of ceil mode reach beyond it, `beyond`.
    """
    (kh, kw), (sh, sw), (dh, dw) = window, stride, dilation
    pad_h, pad_w = paddings(padding, x.shape[1:3], window, stride, dilation)
    oh = _output_size(x.shape[1], kh, sh, dh, pad_h, ceil_mode)
    ow = _output_size(x.shape[2], kw, sw, dw, pad_w, ceil_mode)
    yield oh, ow
    x = np.pad(x, ((0, 0), pad_h, pad_w, (0, 0)), constant_values=fill)
    extra_h = max(0, (oh - 1) * sh + (kh - 1) * dh + 1 - x.shape[1])
    extra_w = max(0, (ow - 1) * sw + (kw - 1) * dw + 1 - x.shape[2])
    x = np.pad(x, ((0, 0), (0, extra_h), (0, extra_w), (0, 0)), constant_values=beyond)
    for i in range(oh):
        for j in range(ow):
            values = x[:, i * sh : i * sh + (kh - 1) * dh + 1 : dh, j * sw : j * sw + (kw - 1) * dw + 1 : dw]
            yield i, j, values.reshape(x.shape[0], kh * kw, x.shape[3])


def max_pool2d(
    x, window, stride=None, padding="valid", dilation=1, ceil_mode=False, return_indices=False, data_format="NHWC"
):
    if data_format == "NCHW":
        return _nchw(max_pool2d, x, window, stride, padding, dilation, ceil_mode, return_indices)
    window = pair(window)
    n, h, w, c = x.shape
    geometry = window, window if stride is None else pair(stride), padding, pair(dilation), ceil_mode
    value_windows = _windows(x, *geometry, -np.inf, -np.inf)
    place_windows = _windows(np.arange(h * w).reshape(1, h, w, 1), *geometry, -1, -1)
    size = next(value_windows)
    next(place_windows)
    y, indices = np.empty((n, *size, c)), np.empty((n, *size, c), np.int64)
    for (i, j, values), (_, _, place) in zip(value_windows, place_windows, strict=True):
        best = np.argmax(values, axis=1)  # the first maximum; NaN is one
        y[:, i, j] = np.take_along_axis(values, best[:, None], 1)[:, 0]
        indices[:, i, j] = place[0, best, 0]
    return (y, indices) if return_indices else y


def avg_pool2d(x, window, stride=None, padding="valid", ceil_mode=False, count_include_pad=False, data_format="NHWC"):
    if data_format == "NCHW":
        return _nchw(avg_pool2d, x, window, stride, padding, ceil_mode, count_include_pad)
    window = pair(window)
    geometry = window, window if stride is None else pair(stride), padding, (1, 1), ceil_mode
    value_windows = _windows(x, *geometry, 0, 0)
    count_windows = _windows(np.ones((1, *x.shape[1:3], 1)), *geometry, 1 if count_include_pad else 0, 0)
    y = np.empty((x.shape[0], *next(value_windows), x.shape[3]))
    next(count_windows)
    for (i, j, values), (_, _, counted) in zip(value_windows, count_windows, strict=True):
        y[:, i, j] = values.sum(1) / counted.sum(1)
    return y


def global_avg_pool2d(x, data_format="NHWC", keepdims=False):
    return x.mean((1, 2) if data_format == "NHWC" else (2, 3), keepdims=keepdims)


def global_max_pool2d(x, data_format="NHWC", keepdims=False):
    return x.max((1, 2) if data_format == "NHWC" else (2, 3), keepdims=keepdims)


# ---- losses ----------------------------------------------------------------------------------------------------------


def _reduced(loss, reduction, denominator=None):
    if reduction == "none":
        return loss
    total = loss.sum()
    if reduction == "sum":
        return total
    with np.errstate(invalid="ignore"):
        return np.float64(total) / (loss.size if denominator is None else denominator)


def softmax_cross_entropy(
    logits, labels, label_smoothing=0.0, class_weight=None, ignore_index=None, reduction="mean", sample_weight=None
):
    classes = logits.shape[-1]
    log_p = log_softmax(logits)
    weight = np.ones(classes) if class_weight is None else class_weight
    if np.issubdtype(labels.dtype, np.integer):
        if labels.ndim == logits.ndim:
            labels = labels[..., 0]
        kept = np.ones(labels.shape, bool) if ignore_index is None else labels != ignore_index
        ids = np.where(kept, labels, 0)
        target = np.eye(classes)[ids]
        own = np.where(kept, weight[ids], 0.0)
        denominator = own.sum()
    else:
        target, kept, denominator = labels, np.ones(logits.shape[:-1], bool), math.prod(logits.shape[:-1])
    target = (1 - label_smoothing) * target + label_smoothing / classes
    loss = np.where(kept, -np.sum(weight * target * log_p, -1), 0.0)
    if sample_weight is not None:
        loss = loss * sample_weight
    return _reduced(loss, reduction, denominator)


def _pointwise(loss, reduction, sample_weight):
    return _reduced(loss if sample_weight is None else loss * sample_weight, reduction)


def binary_cross_entropy_with_logits(x, targets, reduction="mean", sample_weight=None):
    loss = targets * np.logaddexp(0, -x) + (1 - targets) * np.logaddexp(0, x)
    return _pointwise(loss, reduction, sample_weight)


def mse_loss(x, target, reduction="mean", sample_weight=None):
    return _pointwise((x - target) ** 2, reduction, sample_weight)


def mae_loss(x, target, reduction="mean", sample_weight=None):
    return _pointwise(np.abs(x - target), reduction, sample_weight)


def huber_loss(x, target, delta=1.0, reduction="mean", sample_weight=None):
    d = np.abs(x - target)
    return _pointwise(np.where(d <= delta, d * d / 2, delta * (d - delta / 2)), reduction, sample_weight)
