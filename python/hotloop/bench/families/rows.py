"""Ops along an axis: softmax, reductions."""

import numpy as np

import hotloop as hl
from hotloop.bench import numpy_ops as np_ops
from hotloop.bench.case import SIZES, Case, Pair, rows_of, shape_text, uniform


def _of_rows(family, op, ours, theirs, width, *, written=1.0):
    """Rows of an op over (rows, width)."""

    def row(n):
        shape = rows_of(n, width)

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
