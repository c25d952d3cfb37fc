"""Sizes 0, 1 and around every vector and tile, all 4,096 triples of them: every family of ops is right, gradients too.

M, N and K are each in {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127}: products in all four transposition
forms and with bias; and, of the same three numbers, images, windows, rows, axes and lengths for all else. Right is
within a bound of the exact result, from the number of roundings: float64 for float32, long double for float64.
"""

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts import shapes_rows, shapes_updates, shapes_windows
from tests.proofs.parts.rounded_case import Case

import hotloop as hl

SIZES = (0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127)
WIDE_WORK = 30_000  # products of a case that is also tried in float64: long doubles are slow


def matmul(case, m, k, n):
    """All four forms of operands, each normal or transposed."""
    a, b, dy = case.normal(m, k), case.normal(k, n), case.normal(m, n)
    wide_a, wide_b, slope = case.widened(a, b, dy)
    y, da, db = wide_a @ wide_b, slope @ wide_b.T, wide_a.T @ slope
    sizes_a, sizes_b, sizes_dy = np.abs(wide_a), np.abs(wide_b), np.abs(slope)
    bounds = (
        case.sum_bound(k, sizes_a @ sizes_b),
        case.sum_bound(n, sizes_dy @ sizes_b.T),
        case.sum_bound(m, sizes_a.T @ sizes_dy),
    )
    for turn_a in (False, True):
        for turn_b in (False, True):
            case.what = f"matmul {(m, k)} @ {(k, n)}, transposed {(turn_a, turn_b)}"

            def op(left, right, turn_a=turn_a, turn_b=turn_b):
                return hl.matmul(hl.transpose(left) if turn_a else left, hl.transpose(right) if turn_b else right)

            lie = [np.ascontiguousarray(a.T) if turn_a else a, np.ascontiguousarray(b.T) if turn_b else b]
            got, (got_a, got_b) = case.differentiated(op, lie, dy)
            case.near(got, y, bounds[0])
            case.near(got_a.T if turn_a else got_a, da, bounds[1], "gradient of a")
            case.near(got_b.T if turn_b else got_b, db, bounds[2], "gradient of b")


def linear(case, m, k, n):
    x, w, b, dy = case.normal(m, k), case.normal(k, n), case.normal(n), case.normal(m, n)
    wide_x, wide_w, wide_b, slope = case.widened(x, w, b, dy)
    relu = case.chance(0.5)
    case.what = f"linear {(m, k)} @ {(k, n)}, relu {relu}"
    z, bound = wide_x @ wide_w + wide_b, case.sum_bound(k + 1, np.abs(wide_x) @ np.abs(wide_w) + np.abs(wide_b))
    y, (dx, dw, db) = case.differentiated(
        lambda *arrays: hl.linear(*arrays, activation="relu" if relu else None), [x, w, b], dy
    )
    case.near(y, np.maximum(z, 0) if relu else z, bound)
    slope = np.where(y > 0, slope, 0) if relu else slope
    case.near(dx, slope @ wide_w.T, case.sum_bound(n, np.abs(slope) @ np.abs(wide_w.T)), "gradient of x")
    case.near(dw, wide_x.T @ slope, case.sum_bound(m, np.abs(wide_x.T) @ np.abs(slope)), "gradient of w")
    case.near(db, slope.sum(0), case.sum_bound(m, np.abs(slope).sum(0)), "gradient of b")


def check(trial):
    index = trial.index(len(SIZES) ** 3)
    m, k, n = SIZES[index % 16], SIZES[index // 16 % 16], SIZES[index // 256]
    dtypes = [np.float32, np.float64] if trial.device == "cpu" and m * k * n <= WIDE_WORK else [np.float32]
    for dtype in dtypes:
        case = Case(trial, dtype)
        matmul(case, m, k, n)
        linear(case, m, k, n)
        shapes_windows.check(case, m, k, n)
        shapes_rows.check(case, m, k, n)
        shapes_updates.check(case, m, k, n)
        trial.measure(f"largest {np.dtype(dtype).name} error, of its bound", case.worst)


proof = Proof(check=check, small=30, full=len(SIZES) ** 3, cuda=True)
