"""No kernel touches a byte outside its arrays, writes to an input, reads what nobody wrote or uses what it gave back.

Inputs, results and scratch touch an inaccessible page, right before their first byte or right after their last; inputs
lie in memory that can't be written. New memory is full of NaN, so that what is read before it was written shows: the
results are those of the same call on ordinary arrays, bit for bit.
"""

import inspect

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts.fences import Fences
from tests.proofs.parts.kernel_cases import KERNELS
from tests.proofs.parts.random_shapes import random_shapes

import hotloop as hl
from op_cases import CASES
from test_ops import arrays, as_tuple, converted, with_gradients

SIDES = ("before", "after")


def bits(values):
    """What is left of a call's results when their memory is gone; an array that is missing is told too."""
    return [None if x is None else (x.dtype.str, x.shape, x.tobytes()) for x in values]


def fenced(fences, values):
    if isinstance(values, dict):
        return {name: fences.put(x) for name, x in values.items()}
    return [fences.put(x) for x in values]


def call(case, args, options, dy):
    results, gradients = with_gradients(case, args, options, dy)
    return bits([*results, *gradients])


def ordinary(rng, case, dtype):
    """(arguments, options, dy, what comes of them) for shapes that suit the row."""
    while True:
        shapes = random_shapes(rng, case)
        try:
            args, options = case.arguments(shapes)
            args, options = converted(args, dtype), converted(options, dtype)
            y = arrays(case.function(*args, **options))[0]
        except (ValueError, IndexError):
            continue  # the row's options don't suit the shapes
        dy = rng.standard_normal(y.shape).astype(y.dtype) if case.grad else None
        return args, options, dy, call(case, args, options, dy)


def check_op(rng, case, side):
    args, options, dy, want = ordinary(rng, case, np.float32 if rng.random() < 0.7 else np.float64)
    what = f"{case} {[np.shape(x) for x in args]} {side}"
    with Fences(side) as fences:
        args, options = fenced(fences, args), fenced(fences, options)
        assert call(case, args, options, fences.put(dy)) == want, what
        if "out" in inspect.signature(case.function).parameters:
            y = arrays(case.function(*args, **options))[0]
            out = fences.put(np.full(y.shape, np.nan, y.dtype), writable=True)
            assert as_tuple(case.function(*args, **options, out=out))[0] is out, what
            assert bits([out]) == want[:1], what


def check_kernel(rng, kernel, side):
    """Kernels that no op of the table calls, or that write where they are told."""
    given = kernel.make(rng, np.float32 if rng.random() < 0.7 else np.float64)
    ordinary = [x.copy() if isinstance(x, np.ndarray) else x for x in given]
    want = bits([*arrays(kernel.call(*ordinary)), *[x for x in ordinary if isinstance(x, np.ndarray)]])
    with Fences(side) as fences:
        args = [fences.put(x, writable=i in kernel.writes) for i, x in enumerate(given)]
        got = bits([*arrays(kernel.call(*args)), *[x for x in args if isinstance(x, np.ndarray)]])
        assert got == want, f"{kernel.name} {[np.shape(x) for x in given]} {side}"


def check(trial):
    rng = trial.rng
    row, side = divmod(trial.index(2 * (len(CASES) + 4 * len(KERNELS))), 2)
    side = SIDES[side]
    with hl.set_precision("bfloat16" if rng.random() < 0.1 else "float32"):
        if row < len(CASES):
            check_op(rng, CASES[row], side)
        else:
            check_kernel(rng, KERNELS[row % len(KERNELS)], side)


proof = Proof(check=check, small=600, full=100_000, unit="calls")
