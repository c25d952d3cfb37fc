"""Convolution and pooling."""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench.case import Case, Pair, shape_text, through_tape, uniform


def _conv(op, x_shape, w_shape, ours, theirs, *, stride=1, padding=0, gradients=False):
    """ours and theirs are (x, w, b, dy) -> result; with gradients ours is (x, w) -> y, and runs through the tape."""
    n, h, w = x_shape[:3]
    kh, kw, per_group, f = w_shape
    out = (n, (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1, f)
    flops = 2.0 * np.prod(out) * kh * kw * per_group * (3 if gradients else 1)

    def build(rng):
        arguments = x, w, _, dy = [uniform(rng, *shape) for shape in (x_shape, w_shape, (f,), out)]
        call = through_tape(ours, [x, w], dy) if gradients else lambda: ours(*arguments)
        return Pair(call, lambda: theirs(*arguments))

    elements = int(max(np.prod(x_shape), np.prod(out)))
    return Case("conv", op, shape_text(x_shape, w_shape), elements, flops, "flop", build)


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
            hl.conv2d,
            lambda x, w, b, dy: np_ops.conv2d_and_gradients(x, w, dy),
            gradients=True,
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


def _pool_with_gradient(shape):
    n, h, w, c = shape

    def build(rng):
        x, dy = uniform(rng, *shape), uniform(rng, n, h // 2, w // 2, c)
        ours = through_tape(lambda leaf: hl.max_pool2d(leaf, 2), [x], dy)
        return Pair(ours, lambda: np_ops.max_pool2d_and_gradient(x, 2, dy))

    size = int(np.prod(shape))
    return Case("pool", "max_pool2d 2 + gradient", shape_text(shape), size, 4.0 * size * 2.5, "byte", build)


def pools():
    for shape in IMAGES:
        yield _pool("max_pool2d 2", shape, lambda x: hl.max_pool2d(x, 2), lambda x: np_ops.max_pool2d(x, 2, 2), 0.25)
    for shape in IMAGES:
        yield _pool_with_gradient(shape)
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
