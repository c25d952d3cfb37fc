"""What a training step needs besides layers: losses with their gradients, optimizers, batches."""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench import numpy_optim
from hotloop.bench.case import SIZES, Case, Pair, elementwise, rows_of, shape_text, through_tape, uniform


def _cross_entropy(n, gradient):
    shape = rows_of(n, 10)
    size = shape[0] * shape[1]

    def build(rng):
        logits, labels = 4 * uniform(rng, *shape), rng.integers(0, 10, shape[0])
        if not gradient:
            return Pair(lambda: hl.softmax_cross_entropy(logits, labels), lambda: np_ops.cross_entropy(logits, labels))
        return Pair(
            through_tape(lambda x: hl.softmax_cross_entropy(x, labels), [logits]),
            lambda: np_ops.cross_entropy_and_gradient(logits, labels),
        )

    op = "cross-entropy + gradient" if gradient else "cross-entropy"
    return Case("loss", op, shape_text(shape), size, (8.0 if gradient else 4.0) * size, "byte", build)


def losses():
    for gradient in (False, True):
        yield from (_cross_entropy(n, gradient) for n in SIZES)
    yield from _mse()
    pointwise = {
        "mse": (hl.mse_loss, np_ops.mse_and_gradient),
        "mae": (hl.mae_loss, np_ops.mae_and_gradient),
        "huber": (hl.huber_loss, np_ops.huber_and_gradient),
        "binary cross-entropy": (hl.binary_cross_entropy_with_logits, np_ops.binary_cross_entropy_and_gradient),
    }
    for op, (ours, theirs) in pointwise.items():

        def build(rng, n, ours=ours, theirs=theirs):
            x, target = 4 * uniform(rng, n), rng.random(n, dtype=np.float32)
            return Pair(through_tape(lambda leaf: ours(leaf, target), [x]), lambda: theirs(x, target))

        yield from elementwise("loss", f"{op} + gradient", build, arrays=3)


def _mse():
    def build(rng, n):
        x, target = uniform(rng, n), uniform(rng, n)
        return Pair(lambda: hl.mse_loss(x, target), lambda: np_ops.mse(x, target))

    return elementwise("loss", "mse", build)


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
