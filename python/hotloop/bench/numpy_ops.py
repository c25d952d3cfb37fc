"""The best NumPy that its users would write for each op: the other side of the benchmarks.

Temporaries are written in place where that is faster; convolutions copy their windows into rows and let BLAS multiply;
pooling is a maximum of shifted slices, which beats a reduction over a sliding window several times.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def relu(x):
    return np.maximum(x, 0)


def leaky_relu(x, slope=0.01):
    return np.maximum(x, x * np.float32(slope))


def elu(x, alpha=1.0):
    y = np.minimum(x, 0)
    np.expm1(y, out=y)
    y *= np.float32(alpha)
    return np.maximum(x, y, out=y)  # where x < 0, expm1(x) > x


def selu(x):
    y = np.minimum(x, 0)
    np.expm1(y, out=y)
    y *= np.float32(1.6732632423543772)
    y += np.maximum(x, 0)
    y *= np.float32(1.0507009873554805)
    return y


def erf(x):
    """Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most; NumPy has none."""
    a = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * a)
    y = np.float32(1.061405429) * t
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        y += np.float32(c)
        y *= t
    a *= a
    np.negative(a, out=a)
    y *= np.exp(a, out=a)
    np.subtract(1, y, out=y)
    return np.copysign(y, x, out=y)


def gelu(x):
    y = erf(x * np.float32(0.7071067811865476))
    y += 1
    y *= x
    y *= np.float32(0.5)
    return y


def gelu_tanh(x):
    y = x * x
    y *= np.float32(0.044715)
    y += 1
    y *= x
    y *= np.float32(0.7978845608028654)
    np.tanh(y, out=y)
    y += 1
    y *= x
    y *= np.float32(0.5)
    return y


def sigmoid(x):
    y = np.negative(x)
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def silu(x):
    y = sigmoid(x)
    y *= x
    return y


def softplus(x):
    y = np.abs(x)
    np.negative(y, out=y)
    np.log1p(np.exp(y, out=y), out=y)
    y += np.maximum(x, 0)
    return y


def hard_sigmoid(x):
    y = x * np.float32(1 / 6)
    y += np.float32(0.5)
    return np.clip(y, 0, 1, out=y)


def hard_swish(x):
    y = hard_sigmoid(x)
    y *= x
    return y


def softmax(x, axis=-1):
    y = x - x.max(axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis, keepdims=True)
    return y


def log_softmax(x, axis=-1):
    y = x - x.max(axis, keepdims=True)
    y -= np.log(np.exp(y).sum(axis, keepdims=True))
    return y


def linear_relu(x, w, b):
    y = x @ w
    y += b
    return np.maximum(y, 0, out=y)


def linear_relu_and_gradients(x, w, b, dy):
    y = linear_relu(x, w, b)
    dz = dy * (y > 0)
    return y, dz @ w.T, x.T @ dz, dz.sum(0)


def _window_rows(x, kh, kw, stride):
    """The windows of x (n, h, w, c) as rows (n * oh * ow, kh * kw * c): what is called im2col."""
    windows = sliding_window_view(x, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
    n, oh, ow = windows.shape[:3]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * oh * ow, -1), (n, oh, ow)


def _pad(x, padding):
    if not padding:
        return x
    n, h, w, c = x.shape
    padded = np.zeros((n, h + 2 * padding, w + 2 * padding, c), x.dtype)
    padded[:, padding : padding + h, padding : padding + w] = x
    return padded


def conv2d(x, w, b, *, stride=1, padding=0, relu=False):
    kh, kw, _, f = w.shape
    x = _pad(x, padding)
    if kh == kw == stride == 1:
        rows, outer = x.reshape(-1, x.shape[3]), x.shape[:3]
    else:
        rows, outer = _window_rows(x, kh, kw, stride)
    y = rows @ w.reshape(-1, f)
    y += b
    if relu:
        np.maximum(y, 0, out=y)
    return y.reshape(*outer, f)


def depthwise_conv2d(x, w, b):
    kh, kw, _, c = w.shape
    oh, ow = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    y = np.empty((x.shape[0], oh, ow, c), x.dtype)
    y[...] = b
    for i in range(kh):
        for j in range(kw):
            y += x[:, i : i + oh, j : j + ow] * w[i, j, 0]
    return y


def conv2d_and_gradients(x, w, dy):
    """A valid convolution of stride 1 and its gradients by x and w."""
    kh, kw, c, f = w.shape
    rows, (_, oh, ow) = _window_rows(x, kh, kw, 1)
    y = (rows @ w.reshape(-1, f)).reshape(dy.shape)
    dy_rows = dy.reshape(-1, f)
    dw = (rows.T @ dy_rows).reshape(w.shape)
    dx = np.zeros_like(x)
    for i in range(kh):
        for j in range(kw):
            dx[:, i : i + oh, j : j + ow] += (dy_rows @ w[i, j].T).reshape(*dy.shape[:3], c)
    return y, dx, dw


def _shifted(x, window, stride):
    """The slices of x (n, h, w, c) that hold position (i, j) of every window."""
    oh, ow = (x.shape[1] - window) // stride + 1, (x.shape[2] - window) // stride + 1
    for i in range(window):
        for j in range(window):
            yield x[:, i : i + (oh - 1) * stride + 1 : stride, j : j + (ow - 1) * stride + 1 : stride]


def max_pool2d(x, window, stride):
    slices = _shifted(x, window, stride)
    y = next(slices).copy()
    for part in slices:
        np.maximum(y, part, out=y)
    return y


def max_pool2d_and_gradient(x, window, dy):
    """Windows that do not overlap; the gradient of a tie goes to the first maximum."""
    y = max_pool2d(x, window, window)
    dx = np.zeros_like(x)
    free = np.ones(y.shape, bool)
    for part, gradient in zip(_shifted(x, window, window), _shifted(dx, window, window), strict=True):
        hit = part == y
        hit &= free
        free ^= hit
        np.multiply(dy, hit, out=gradient)
    return y, dx


def avg_pool2d(x, window, stride):
    slices = _shifted(x, window, stride)
    y = next(slices).copy()
    for part in slices:
        y += part
    y *= np.float32(1 / window**2)
    return y


def cross_entropy(logits, labels):
    """Mean loss."""
    shifted = logits - logits.max(1, keepdims=True)
    picked = shifted[np.arange(len(logits)), labels]
    return (np.log(np.exp(shifted, out=shifted).sum(1)) - picked).mean()


def cross_entropy_and_gradient(logits, labels):
    """Mean loss and its gradient by the logits."""
    rows = np.arange(len(logits))
    shifted = logits - logits.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(1, keepdims=True)
    loss = (np.log(sums[:, 0]) - shifted[rows, labels]).mean()
    exponentials /= sums
    exponentials[rows, labels] -= 1
    exponentials *= np.float32(1 / len(logits))
    return loss, exponentials


def mse(x, target):
    d = (x - target).ravel()
    return np.dot(d, d) / d.size


def mse_and_gradient(x, target):
    d = x - target
    loss = np.dot(d.ravel(), d.ravel()) / d.size
    d *= np.float32(2 / d.size)
    return loss, d


def mae_and_gradient(x, target):
    d = x - target
    loss = np.abs(d).mean()
    np.sign(d, out=d)
    d *= np.float32(1 / d.size)
    return loss, d


def huber_and_gradient(x, target, delta=1.0):
    d = x - target
    clipped = np.clip(d, -delta, delta)
    d -= clipped * np.float32(0.5)
    loss = np.dot(d.ravel(), clipped.ravel()) / d.size
    clipped *= np.float32(1 / d.size)
    return loss, clipped


def binary_cross_entropy_and_gradient(x, target):
    decay = np.exp(-np.abs(x))
    loss = (np.maximum(x, 0) - x * target + np.log1p(decay)).mean()
    gradient = sigmoid(x)
    gradient -= target
    gradient *= np.float32(1 / x.size)
    return loss, gradient


def dropout(rng, x, rate):
    y = (rng.random(x.shape, dtype=np.float32) >= rate) * x
    y *= np.float32(1 / (1 - rate))
    return y
