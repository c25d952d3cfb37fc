"""Matrix products and fully connected layers."""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench.case import Case, Pair, shape_text, through_tape, uniform


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
        ours = through_tape(lambda *leaves: hl.linear(*leaves, activation="relu"), [x, w, b], dy)
        return Pair(ours, lambda: np_ops.linear_relu_and_gradients(x, w, b, dy))

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
