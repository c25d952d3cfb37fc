"""Each special value at each place of the operands of an op whose element i depends on element i alone.

Part of the proof `special`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tests.proofs.parts.special_values import SPECIALS, assert_near, assert_same_bits, rolled


@dataclass(frozen=True, kw_only=True)
class Op:
    """One op.

    Attributes:
        name: a name in hl.ops first.
        function: (*arrays) -> array.
        reference: the same in NumPy, of float64 arrays.
        slopes: (*operands, y, dy) -> the gradients of the first operands, in float32 or float64; () has none.
        operands: how many arrays it takes.
        units: float32 units that the result may be off by, where it is finite.
        slack: (*operands) -> what it may be off by besides.
        signs: whether the sign of a zero is told.
        narrow: the reference takes float32, where products of denormals are the zeros that all else follows from.
        low, high: where ordinary operands lie.
    """

    name: str
    function: Callable
    reference: Callable
    slopes: Callable = None
    operands: int = 1
    units: float = 0.0
    slack: Callable = lambda *operands: 0.0
    signs: bool = True
    narrow: bool = False
    low: float = -4.0
    high: float = 4.0

    def ordinary(self, rng, n):
        return [rng.uniform(self.low, self.high, n).astype(np.float32) for _ in range(self.operands)]

    def compare(self, got, operands, what):
        given = operands if self.narrow else [x.astype(np.float64) for x in operands]
        assert_near(got, self.reference(*given), what, self.units, self.slack(*given), self.signs)

    def compare_slopes(self, gradients, operands, y, dy, what):
        wants = self.slopes(*operands, y, dy)
        for i, (got, want) in enumerate(zip(gradients, wants, strict=True)):
            finite = [np.where(np.isfinite(x), np.abs(x), 0) for x in (want, dy)]
            assert_near(got, want, f"{what}, gradient {i}", 4, 4e-6 * np.maximum(*finite))


def in_every_place(call, ordinary, compare, what):
    """Each special at each place of each operand: seen there alone, as it is seen where it fills the operand.

    Args:
        call: (*operands) -> list of arrays of the operands' length.
        compare: (results, operands, what) asserts that results are right.
    """
    clean = call(*ordinary)
    compare(clean, ordinary, what)
    n = ordinary[0].size
    for i, operand in enumerate(ordinary):
        for special in SPECIALS:
            operands = list(ordinary)
            operands[i] = np.full_like(operand, special)
            whole = call(*operands)
            where = f"{what}, {special!r} in operand {i}"
            compare(whole, operands, where)
            found = []
            for place in range(n):
                operands[i] = operand.copy()
                operands[i][place] = special
                found.append(call(*operands))
            for j, (usual, there) in enumerate(zip(clean, whole, strict=True)):
                want = np.where(np.eye(n, dtype=bool), there, usual)
                assert_same_bits(np.stack([results[j] for results in found]), want, f"{where}, result {j}")


def check_positions(place, rng, op, n):
    ordinary, what = op.ordinary(rng, n), f"{op.name} of {n}"

    def forward(*operands):
        return place.call(op.function, *operands)

    in_every_place(forward, ordinary, lambda got, operands, what: op.compare(got[0], operands, what), what)
    count = len(SPECIALS)
    for shift in range(count ** min(op.operands, 2)):
        operands = [rolled(n, shift // count**i) for i in range(op.operands)]
        op.compare(forward(*operands)[0], operands, f"{what}, all special")
    if op.slopes is None:
        return
    differentiable = len(op.slopes(*ordinary, ordinary[0], ordinary[0]))

    def backward(*operands):
        return place.gradients(op.function, operands[:-1], operands[-1], differentiable)

    def compare(got, operands, what):
        op.compare_slopes(got[1:], operands[:-1], got[0], operands[-1], what)

    in_every_place(backward, [*ordinary, rng.uniform(0.5, 2, n).astype(np.float32)], compare, what)


def check_broadcast(place, rng, op, n):
    """Pairs of specials where an operand is a number, a row or a column."""
    for shift, special in enumerate(SPECIALS):
        row, column = rolled(n, shift), rolled(int(rng.integers(1, 20)), shift // 2)[:, None]
        pairs = {"column with row": (column, row), "row with column": (row, column)}
        pairs |= {"number with row": (float(special), row), "row with number": (row, float(special))}
        for name, (a, b) in pairs.items():
            with np.errstate(all="ignore"):
                operands = np.broadcast_arrays(np.float32(a), np.float32(b))
            op.compare(place.call(op.function, a, b)[0], operands, f"{op.name} of {n}, {name}, {special!r}")
