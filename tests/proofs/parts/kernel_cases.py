"""Calls that no row of the op table makes: updates in place, batches into given memory, comparisons, fills."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from tests.proofs.parts.random_shapes import EXTENTS

import hotloop as hl
from hotloop import _core

# Sizes up to where an update is shared among threads.
_LENGTHS = (0, *EXTENTS, 1000, 1023, 40_001)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One call.

    Attributes:
        make: (rng, dtype) -> the arguments.
        call: (*arguments) -> the new arrays that it makes.
        writes: positions of the arguments that it writes to.
    """

    name: str
    make: Callable
    call: Callable
    writes: tuple = ()


def _length(rng):
    return int(_LENGTHS[rng.integers(len(_LENGTHS))])


def _extent(rng):
    return int(EXTENTS[rng.integers(len(EXTENTS))])


def _vectors(count, rng, dtype):
    n = _length(rng)
    return [rng.standard_normal(n).astype(dtype) for _ in range(count)]


def _update(name, options):
    optimizer = getattr(hl.optim, name)(lr=0.1, **options)
    states = len(optimizer._state_fill(optimizer.options))

    def make(rng, dtype):
        g, w, *state = _vectors(2 + states, rng, dtype)
        return [g, w, *map(np.abs, state)]

    def call(g, w, *state):
        step = _core.step_state()
        optimizer._tell(step, 0.1, 3)
        kernel, *arguments = optimizer._call(step, g, w, *state)
        kernel(*arguments)
        return ()

    label = "-".join([name, *options])
    return Kernel(name=label, make=make, call=call, writes=tuple(range(1, 2 + states)))


_OPTIMIZERS = (
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("Nadam", {}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adagrad", {}),
    ("Lion", {}),
)


def _rows(rng, dtype):
    """x (rows, ...) of any element type, indices, and memory for the rows picked."""
    rows, shape = _extent(rng), (_extent(rng), _extent(rng))[: rng.integers(0, 3)]
    kind = (dtype, np.uint8, np.int64, bool, np.float16)[rng.integers(5)]
    x = rng.integers(0, 2, (rows, *shape)).astype(kind)
    indices = rng.integers(0, rows, _extent(rng))
    return [x, indices, np.zeros((len(indices), *shape), kind)]


def _gathered(x, indices, out):
    _core.gather_rows(x, indices, out)
    return ()


def _rows_grad(rng, dtype):
    rows, count = _extent(rng), _extent(rng)
    return [rng.standard_normal((count, _extent(rng))).astype(dtype), rng.integers(0, rows, count), rows]


def _pair(rng, dtype):
    a, b = (rng.integers(-1, 2, (_extent(rng), _extent(rng))).astype(dtype) for _ in range(2))
    return [a, (a[:1] if rng.random() < 0.5 else a[:, :1]).copy() if rng.random() < 0.5 else np.resize(b, a.shape)]


def _whole_numbers(rng, dtype):
    n = _length(rng)
    return [rng.integers(0, 3, n), rng.integers(0, 3, n)]


def _columns(rng, dtype):
    rows, cols = _extent(rng), _extent(rng)
    return [rng.integers(0, cols, rows), rng.standard_normal(rows).astype(dtype), cols]


def _bytes(rng, dtype):
    return [rng.integers(0, 256, _length(rng)).astype(np.uint8), 1 / 255, -0.5, dtype is np.float64]


def _strided(rng, dtype):
    x = rng.standard_normal((_extent(rng), int(rng.integers(1, 40)))).astype(dtype)
    return [x, int(rng.integers(3))]


def _made_contiguous(x, way):
    return _core.contiguous((x[:, ::2], x.T, x[::-1, ::-1])[way])


KERNELS = [
    *[_update(name, options) for name, options in _OPTIMIZERS],
    *[
        Kernel(name=name, make=_pair, call=lambda a, b, kind=kind: _core.compare(a, b, kind))
        for name, kind in _core.compare_ops.items()
    ],
    Kernel(name="accumulate", make=partial(_vectors, 2), call=lambda x, y: _core.accumulate(x, y) or (), writes=(1,)),
    Kernel(
        name="full",
        make=lambda rng, dtype: [np.zeros((), dtype), _length(rng)],
        call=lambda like, n: _core.full_like(like, (n,), 1.5),
    ),
    Kernel(name="count_equal", make=_whole_numbers, call=_core.count_equal),
    Kernel(name="argmax_grad", make=_columns, call=_core.argmax_grad),
    Kernel(name="square_sum", make=partial(_vectors, 1), call=lambda x: np.float64(_core.square_sum([x]))),
    Kernel(name="scale", make=partial(_vectors, 1), call=lambda x: _core.scale([x], 0.7) or (), writes=(0,)),
    Kernel(name="gather_rows", make=_rows, call=_gathered, writes=(2,)),
    Kernel(name="gather_rows_grad", make=_rows_grad, call=_core.gather_rows_grad),
    Kernel(name="rescale_bytes", make=_bytes, call=_core.rescale_bytes),
    Kernel(name="contiguous", make=_strided, call=_made_contiguous),
]
