"""The benchmark cases, family by family: what python -m hotloop bench and benchmarks/ run.

Work counts what has to be done at least: two operations for each product, every input read once, every output written
once. Timed calls make their outputs anew, as NumPy's do, but for the optimizers, which update in place.
"""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench import numpy_optim
from hotloop.bench.case import SIZES, Case, Pair, elementwise, shape_text, uniform

# ---- products -------------------------------------------------------------------------------------------------------


def _matmul(a, b):
    batch = np.broadcast_shapes(a[:-2], b[:-2])
    columns = b[-1] if len(b) > 1 else 1
    flops = 2.0 * np.prod(batch) * np.prod(a[-2:]) * columns

    def build(rng):
        left, right = uniform(rng, *a), uniform(rng, *b)
        return Pair(lambda: hl.matmul(left, right), lambda: np.matmul(left, right))

    return Case("matmul", "matmul", shape_text(a, b), int(max(np.prod(a), np.prod(b))), flops, "flop", build)


def _matmul_transposed(n):
    def build(rng):
        a, b = uniform(rng, n, n), uniform(rng, n, n)
        return Pair(lambda: hl.matmul(a.T, b), lambda: np.matmul(a.T, b))

    return Case("matmul", "matmul a.T", shape_text((n, n), (n, n)), n * n, 2.0 * n**3, "flop", build)


def _linear(rows, inputs, outputs, backward=False):
    flops = 2.0 * rows * inputs * outputs * (3 if backward else 1)
    op = "linear relu + gradients" if backward else "linear relu"

    def build(rng):
        x, w, b = uniform(rng, rows, inputs), uniform(rng, inputs, outputs), uniform(rng, outputs)
        if not backward:
            return Pair(lambda: hl.linear(x, w, b, activation="relu"), lambda: np_ops.linear_relu(x, w, b))
        dy = uniform(rng, rows, outputs)

        def train():
            leaves = [hl.Tensor(array, requires_grad=True) for array in (x, w, b)]
            hl.linear(*leaves, activation="relu").backward(dy)
            return tuple(leaf.grad for leaf in leaves)

        return Pair(train, lambda: np_ops.linear_relu_gradients(x, w, b, dy))

    elements = max(rows * inputs, inputs * outputs, rows * outputs)
    return Case("matmul", op, shape_text((rows, inputs), (inputs, outputs)), elements, flops, "flop", build)


def products():
    yield from (_matmul((n, n), (n, n)) for n in (32, 64, 100, 128, 256, 512, 1024, 2048))
    yield _matmul((32768, 288), (288, 64))
    yield _matmul((288, 8192), (8192, 64))
    yield _matmul((256, 64, 64), (256, 64, 64))
    yield _matmul((2000, 2000), (2000,))
    yield _matmul_transposed(512)
    yield from (_linear(*shape) for shape in ((32, 64, 10), (128, 1600, 128), (1024, 1024, 1024)))
    yield from (_linear(*shape, backward=True) for shape in ((32, 64, 10), (128, 1600, 128), (1024, 1024, 1024)))


# ---- convolution and pooling ----------------------------------------------------------------------------------------


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


# ---- elementwise ----------------------------------------------------------------------------------------------------


def _of_one(family, op, ours, theirs, low=-4.0, high=4.0):
    def build(rng, n):
        x = (rng.random(n, dtype=np.float32) * (high - low) + low).astype(np.float32)
        return Pair(lambda: ours(x), lambda: theirs(x))

    return elementwise(family, op, build)


def activations():
    for op in ("relu", "leaky_relu", "elu", "selu", "silu", "sigmoid", "softplus", "hard_sigmoid", "hard_swish"):
        yield from _of_one("activation", op, getattr(hl, op), getattr(np_ops, op))
    yield from _of_one("activation", "tanh", hl.tanh, np.tanh)
    yield from _of_one("activation", "gelu", hl.gelu, np_ops.gelu)
    yield from _of_one("activation", "gelu tanh", lambda x: hl.gelu(x, "tanh"), np_ops.gelu_tanh)
    yield from _activation_gradients("relu", _relu_and_gradient)
    yield from _activation_gradients("gelu", _gelu_and_gradient)
    yield from _activation_gradients("sigmoid", _sigmoid_and_gradient)


def _relu_and_gradient(x, dy):
    y = np_ops.relu(x)
    return y, dy * (y > 0)


def _gelu_and_gradient(x, dy):
    share = np_ops.erf(x * np.float32(0.7071067811865476))
    share += 1
    share *= np.float32(0.5)
    density = np.exp(x * x * np.float32(-0.5))
    density *= x
    density *= np.float32(0.3989422804014327)
    density += share
    density *= dy
    share *= x
    return share, density


def _sigmoid_and_gradient(x, dy):
    y = np_ops.sigmoid(x)
    slope = 1 - y
    slope *= y
    slope *= dy
    return y, slope


def _activation_gradients(op, theirs):
    """Forward and backward through the tape."""

    def build(rng, n):
        x, dy = 4 * uniform(rng, n), uniform(rng, n)

        def ours():
            leaf = hl.Tensor(x, requires_grad=True)
            y = getattr(hl, op)(leaf)
            y.backward(dy)
            return y.numpy(), leaf.grad

        return Pair(ours, lambda: theirs(x, dy))

    return elementwise("activation", f"{op} + gradient", build, arrays=5)


def arithmetic():
    for op in ("exp", "sqrt", "log"):
        yield from _of_one("elementwise", op, getattr(hl, op), getattr(np, op), low=0.1)
    for op in ("add", "multiply", "divide", "maximum"):
        yield from _of_two(op)
    yield from _row_broadcast()


def _of_two(op):
    def build(rng, n):
        a, b = uniform(rng, n), uniform(rng, n) + np.float32(2)
        ours, theirs = getattr(hl, op), getattr(np, op)
        return Pair(lambda: ours(a, b), lambda: theirs(a, b))

    return elementwise("elementwise", op, build, arrays=3)


def _row_broadcast():
    def row(n):
        def build(rng):
            a, b = uniform(rng, n // 100, 100), uniform(rng, 100)
            return Pair(lambda: hl.add(a, b), lambda: np.add(a, b))

        return Case("elementwise", "add a row", shape_text((n // 100, 100), (100,)), n, 8.0 * n, "byte", build)

    return [row(n) for n in SIZES]


def dropouts():
    def error(got, want):
        kept = got != 0
        share = abs(kept.mean() - 0.5) / (4 / np.sqrt(got.size))  # four standard deviations and more
        return 0.0 if share <= 1 and np.all(np.abs(want[kept & (want != 0)]) > 0) else np.inf

    def build(rng, n):
        x = uniform(rng, n) + np.float32(2)
        return Pair(lambda: hl.dropout(x, 0.5), lambda: np_ops.dropout(rng, x, 0.5))

    for case in elementwise("dropout", "dropout", build):
        yield Case(**{**vars(case), "error": error})


# ---- rows of classes, reductions, losses ----------------------------------------------------------------------------


def _rows(n, width):
    return (max(1, n // width), width)


def _of_rows(family, op, ours, theirs, width, *, written=1.0):
    """Rows of an op over (rows, width)."""

    def row(n):
        shape = _rows(n, width)

        def build(rng):
            x = 4 * uniform(rng, *shape)
            return Pair(lambda: ours(x), lambda: theirs(x))

        size = int(np.prod(shape))
        return Case(family, op, shape_text(shape), size, 4.0 * size * (1 + written), "byte", build)

    return [row(n) for n in SIZES]


def softmaxes():
    for width in (10, 1000):
        yield from _of_rows("softmax", "softmax", hl.softmax, np_ops.softmax, width)
    yield from _of_rows("softmax", "log_softmax", hl.log_softmax, np_ops.log_softmax, 10)
    yield from _of_rows("softmax", "softmax axis 0", lambda x: hl.softmax(x, 0), lambda x: np_ops.softmax(x, 0), 100)


def reductions():
    for op in ("sum", "mean", "max"):
        ours, theirs = getattr(hl, op), getattr(np, op)
        for axis in (None, 0, -1):
            where = "all" if axis is None else f"axis {axis}"
            yield from _of_rows(
                "reduce",
                f"{op} {where}",
                lambda x, f=ours, axis=axis: f(x, axis),
                lambda x, f=theirs, axis=axis: f(x, axis),
                100,
                written=0.0,
            )
    yield from _of_rows("reduce", "argmax axis -1", lambda x: hl.argmax(x, -1), lambda x: x.argmax(-1), 10, written=0.0)


def _with_gradient(loss, x, *arguments):
    """(loss, gradient by x) through the tape."""
    leaf = hl.Tensor(x, requires_grad=True)
    value = loss(leaf, *arguments)
    value.backward()
    return value.numpy(), leaf.grad


def losses():
    def classes(n):
        shape = _rows(n, 10)

        def build(rng):
            logits, labels = 4 * uniform(rng, *shape), rng.integers(0, 10, shape[0])
            return Pair(
                lambda: _with_gradient(hl.softmax_cross_entropy, logits, labels),
                lambda: np_ops.cross_entropy(logits, labels),
            )

        size = int(np.prod(shape))
        return Case("loss", "cross-entropy + gradient", shape_text(shape), size, 8.0 * size, "byte", build)

    yield from (classes(n) for n in SIZES)
    pointwise = {
        "mse": (hl.mse_loss, np_ops.mse),
        "mae": (hl.mae_loss, np_ops.mae),
        "huber": (hl.huber_loss, np_ops.huber),
        "binary cross-entropy": (hl.binary_cross_entropy_with_logits, np_ops.binary_cross_entropy),
    }
    for op, (ours, theirs) in pointwise.items():

        def build(rng, n, ours=ours, theirs=theirs):
            x, target = 4 * uniform(rng, n), rng.random(n, dtype=np.float32)
            return Pair(lambda: _with_gradient(ours, x, target), lambda: theirs(x, target))

        yield from elementwise("loss", f"{op} + gradient", build, arrays=3)


# ---- optimizers, batches --------------------------------------------------------------------------------------------


def optimizers():
    """An update of one flat array; arrays counts what is read and written: weight, gradient, moments."""
    lr = 1e-4
    rows = {
        "SGD": (lambda p: hl.optim.SGD(p, lr=lr), numpy_optim.Sgd, 3),
        "SGD momentum": (lambda p: hl.optim.SGD(p, lr=lr, momentum=0.9), numpy_optim.Momentum, 5),
        "Adam": (lambda p: hl.optim.Adam(p, lr=lr), numpy_optim.Adam, 7),
        "AdamW": (lambda p: hl.optim.AdamW(p, lr=lr, weight_decay=1e-2), numpy_optim.AdamW, 7),
        "RMSprop": (lambda p: hl.optim.RMSprop(p, lr=lr), numpy_optim.Rmsprop, 5),
        "Adagrad": (lambda p: hl.optim.Adagrad(p, lr=lr), numpy_optim.Adagrad, 5),
        "Nadam": (lambda p: hl.optim.Nadam(p, lr=lr), numpy_optim.Nadam, 7),
        "Lion": (lambda p: hl.optim.Lion(p, lr=lr), numpy_optim.Lion, 5),
    }
    for op, (ours, theirs, arrays) in rows.items():

        def build(rng, n, ours=ours, theirs=theirs):
            start, gradient = uniform(rng, n), uniform(rng, n)
            weight = hl.Tensor(start.copy(), requires_grad=True)
            optimizer = ours([weight])
            weight.grad = gradient

            def step():
                optimizer.step()
                return weight.numpy()

            return Pair(step, theirs(start.copy(), gradient, lr))

        yield from elementwise("optimizer", op, build, arrays=arrays)


def batches():
    def pixels(n):
        def build(rng):
            x = rng.integers(0, 256, n, np.uint8)
            factor = np.float32(1 / 255)
            return Pair(lambda: hl.rescale(x, 1 / 255), lambda: np.multiply(x, factor, dtype=np.float32))

        return Case("batch", "rescale bytes", shape_text((n,)), n, 5.0 * n, "byte", build)

    def images(n):
        count = max(1, n // 784)

        def build(rng):
            x, order = uniform(rng, 4 * count, 784), rng.integers(0, 4 * count, count)
            return Pair(lambda: hl.take(x, order), lambda: x[order])

        return Case("batch", "take rows", shape_text((count, 784)), count * 784, 8.0 * count * 784, "byte", build)

    yield from (pixels(n) for n in SIZES)
    yield from (images(n) for n in SIZES)


def all_cases():
    """Every row of the table, in the order it is printed."""
    families = (products, convolutions, pools, activations, arithmetic, softmaxes, reductions, losses, dropouts)
    return [case for family in (*families, optimizers, batches) for case in family()]
