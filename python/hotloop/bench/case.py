"""What a benchmark case is, and the helpers that make rows of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import hotloop as hl

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Pair(NamedTuple):
    """The same work twice: calls without arguments that return what they computed."""

    hotloop: Callable
    numpy: Callable


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        family: the group it is listed under.
        op: what runs.
        shape: its sizes in words.
        elements: of the largest array, which decides whether the row is in a quick run.
        work: floating-point operations, or bytes that have to be read and written.
        unit: "flop" or "byte": what work counts.
        build: (rng) -> Pair; makes the inputs.
        error: (got, want) -> the largest error, relative to the largest value.
    """

    family: str
    op: str
    shape: str
    elements: int
    work: float
    unit: str
    build: Callable
    error: Callable | None = None

    def __str__(self):
        return f"{self.op} {self.shape}"


def through_tape(op, arrays, dy=None):
    """A call that runs op forward and backward over Tensors made beforehand, as a model's are.

    Args:
        op: callable of as many Tensors as there are arrays.
        arrays: the differentiable inputs.
        dy: the gradient to start from, or None for a loss.

    Returns:
        Callable: () -> (result, gradient of each input).
    """
    leaves = [hl.Tensor(array, requires_grad=True) for array in arrays]

    def call():
        for leaf in leaves:
            leaf.zero_grad()
        y = op(*leaves)
        y.backward(dy)
        return y.numpy(), *[leaf.grad for leaf in leaves]

    return call


def shape_text(*shapes):
    """Shapes as the table shows them: 128x28x28x1, or 1,000 for a single axis."""
    return " ".join(f"{s[0]:,}" if len(s) == 1 else "x".join(map(str, s)) for s in shapes)


def uniform(rng, *shape):
    """float32 in [-1, 1)."""
    return rng.random(shape, dtype=np.float32) * 2 - 1


def elementwise(family, op, build, *, arrays=2, sizes=SIZES):
    """Rows of one op over runs of elements; `arrays` of float32 are read and written, build is (rng, n) -> Pair."""

    def row(n):
        return Case(family, op, shape_text((n,)), n, 4.0 * arrays * n, "byte", lambda rng: build(rng, n))

    return [row(n) for n in sizes]


def rows_of(n, width):
    """The shape (rows, width) of about n elements."""
    return max(1, n // width), width
