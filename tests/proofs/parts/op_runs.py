"""Rows of the op table as calls that can be repeated, forward and gradients, at sizes that are shared among threads."""

import copy
import math

import numpy as np

from op_cases import CASES
from op_inputs import normal
from test_ops import as_tuple, converted, with_gradients

_MOST_ELEMENTS = 1_500_000  # of all arguments together: milliseconds of work

__all__ = ["CASES", "Call", "differing_bits", "grown"]


class Call:
    """A row with its arguments: calling it gives the results and the gradients, as ndarrays.

    Args:
        case: row of op_cases.CASES.
        shapes: those of the array arguments.
        dtype: np.float32 or np.float64.
        rng: numpy.random.Generator of the arguments.

    Raises:
        ValueError: the shapes do not suit the row.
    """

    def __init__(self, case, shapes, dtype, rng):
        self.case = case
        self.args = converted(list((case.make or normal)(rng, *shapes)), dtype)
        self.options = converted({k: v(rng, *shapes) if callable(v) else v for k, v in case.options.items()}, dtype)
        first = as_tuple(case.function(*self.args, **self.options))[0]
        self.dy = rng.standard_normal(np.shape(first)).astype(first.dtype)
        self.title = f"{case} of {shapes} in {np.dtype(dtype).name}"

    def __call__(self):
        results, gradients = with_gradients(self.case, self.args, self.options, self.dy)
        return [*results, *gradients]

    def forward(self):
        """The results alone, of a call on plain arrays."""
        return [np.asarray(y) for y in as_tuple(self.case.function(*self.args, **self.options))]

    def copy(self):
        """The same call on arrays of its own."""
        made = copy.copy(self)
        made.args = [x.copy() if isinstance(x, np.ndarray) else x for x in self.args]
        return made


def grown(case, rng):
    """The row's `large` shapes with some sizes larger, where what was equal is equal again; `large` if none suits."""
    for _ in range(4):
        sizes = {size for shape in case.large for size in shape if size > 1}
        larger = {size: size + int(size * rng.random()) if rng.random() < 0.6 else size for size in sorted(sizes)}
        shapes = tuple(tuple(larger.get(size, size) for size in shape) for shape in case.large)
        if sum(map(math.prod, shapes)) > _MOST_ELEMENTS:
            continue
        try:
            Call(case, shapes, np.float32, np.random.default_rng(0))
        except ValueError:  # what divides or spans what is the op's to say
            continue
        return shapes
    return case.large


def differing_bits(got, want):
    """How many bits differ between two lists of arrays, or all where a shape or dtype does."""
    count = abs(len(got) - len(want))
    for g, w in zip(got, want, strict=False):
        if g.dtype != w.dtype or g.shape != w.shape:
            count += 8 * max(g.nbytes, w.nbytes, 1)
        elif g.tobytes() != w.tobytes():
            left, right = (np.frombuffer(x.tobytes(), np.uint8) for x in (g, w))
            count += int(np.bitwise_count(left ^ right).sum())
    return count
