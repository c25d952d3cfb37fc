"""Ops that look at one element at a time: activations, arithmetic, dropout."""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench.case import SIZES, Case, Pair, elementwise, shape_text, through_tape, uniform


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
        return Pair(through_tape(getattr(hl, op), [x], dy), lambda: theirs(x, dy))

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
