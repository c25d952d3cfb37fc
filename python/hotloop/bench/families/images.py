"""Convolution and pooling."""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench.case import Case, Pair, shape_text, uniform


def _conv(op, x_shape, w_shape, ours, theirs, *, stride=1, padding=0, times=1):
    """ours and theirs are (x, w, b, dy) -> result; times counts the products of that size, gradients included."""
    n, h, w = x_shape[:3]
    kh, kw, per_group, f = w_shape
    out = (n, (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1, f)
    flops = 2.0 * np.prod(out) * kh * kw * per_group * times

    def build(rng):
        arguments = uniform(rng, *x_shape), uniform(rng, *w_shape), uniform(rng, f), uniform(rng, *out)
        return Pair(lambda: ours(*arguments), lambda: theirs(*arguments))

    elements = int(max(np.prod(x_shape), np.prod(out)))
    return Case("conv", op, shape_text(x_shape, w_shape), elements, flops, "flop", build)


def _conv2d_and_gradients(x, w, b, dy):
    leaves = hl.Tensor(x, requires_grad=True), hl.Tensor(w, requires_grad=True)
    y = hl.conv2d(*leaves)
    y.backward(dy)
    return y.numpy(), *(leaf.grad for leaf in leaves)


def convolutions():
    shapes = (
        ((1, 8, 8, 16), (3, 3, 16, 32)),
        ((1, 28, 28, 16), (3, 3, 16, 32)),
        ((32, 28, 28, 1), (3, 3, 1, 32)),
        ((128, 13, 13, 32), (3, 3, 32, 64)),
        ((32, 32, 32, 64), (1, 1, 64, 128)),
        ((32, 56, 56, 64), (3, 3, 64, 64)),
    )

    def relu(x, w, b, dy):
        return hl.conv2d(x, w, b, activation="relu")

    def np_relu(x, w, b, dy):
        return np_ops.conv2d(x, w, b, relu=True)

    for shape in shapes:
        yield _conv("conv2d relu", *shape, relu, np_relu)
    yield _conv(
        "conv2d stride 2, padded",
        (32, 56, 56, 64),
        (3, 3, 64, 64),
        lambda x, w, b, dy: hl.conv2d(x, w, b, stride=2, padding=1),
        lambda x, w, b, dy: np_ops.conv2d(x, w, b, stride=2, padding=1),
        stride=2,
        padding=1,
    )
    yield _conv(
        "conv2d depthwise",
        (16, 56, 56, 64),
        (3, 3, 1, 64),
        lambda x, w, b, dy: hl.conv2d(x, w, b, groups=64),
        lambda x, w, b, dy: np_ops.depthwise_conv2d(x, w, b),
    )
    for shape in (shapes[0], shapes[1], shapes[3], shapes[5]):
        yield _conv(
            "conv2d + gradients",
            *shape,
            _conv2d_and_gradients,
            lambda x, w, b, dy: np_ops.conv2d_and_gradients(x, w, dy),
            times=3,
        )
    for shape in (shapes[1], shapes[3], ((128, 28, 28, 1), (3, 3, 1, 32))):
        yield _conv(
            "conv2d relu max_pool 2",
            *shape,
            lambda x, w, b, dy: hl.conv2d_max_pool2d(x, w, b, pool=2, activation="relu"),
            lambda x, w, b, dy: np_ops.max_pool2d(np_ops.conv2d(x, w, b, relu=True), 2, 2),
        )


IMAGES = ((1, 8, 8, 16), (1, 28, 28, 16), (32, 14, 14, 16), (32, 28, 28, 32), (64, 56, 56, 50))


def _pool(op, shape, ours, theirs, written):
    """written: elements of the result, as a share of the input's."""
    size = int(np.prod(shape))

    def build(rng):
        x = uniform(rng, *shape)
        return Pair(lambda: ours(x), lambda: theirs(x))

    return Case("pool", op, shape_text(shape), size, 4.0 * size * (1 + written), "byte", build)


def _max_pool_gradient(x):
    leaf = hl.Tensor(x, requires_grad=True)
    y = hl.max_pool2d(leaf, 2)
    y.backward(np.ones(y.shape, np.float32))
    return leaf.grad


def _np_max_pool_gradient(x):
    n, h, w, c = x.shape
    return np_ops.max_pool2d_gradient(x, 2, np.ones((n, h // 2, w // 2, c), np.float32))


def pools():
    for shape in IMAGES:
        yield _pool("max_pool2d 2", shape, lambda x: hl.max_pool2d(x, 2), lambda x: np_ops.max_pool2d(x, 2, 2), 0.25)
    for shape in IMAGES:
        yield _pool("max_pool2d 2 + gradient", shape, _max_pool_gradient, _np_max_pool_gradient, 1.5)
    for shape in IMAGES:
        yield _pool(
            "max_pool2d 3, stride 2",
            shape,
            lambda x: hl.max_pool2d(x, 3, stride=2),
            lambda x: np_ops.max_pool2d(x, 3, 2),
            0.25,
        )
    for shape in IMAGES:
        yield _pool("avg_pool2d 2", shape, lambda x: hl.avg_pool2d(x, 2), lambda x: np_ops.avg_pool2d(x, 2, 2), 0.25)
    for shape in IMAGES:
        yield _pool("global_avg_pool2d", shape, hl.global_avg_pool2d, lambda x: x.mean((1, 2)), 0.0)
    for shape in IMAGES:
        yield _pool("global_max_pool2d", shape, hl.global_max_pool2d, lambda x: x.max((1, 2)), 0.0)
