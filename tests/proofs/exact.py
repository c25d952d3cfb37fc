"""Products, convolutions, pooling, sums and row selections of integers, forward and backward, equal int64 arithmetic.

The integers are as large as every sum stays exact in the dtype, so that no order of adding up excuses a bit; means are
the dtype's own quotient of the exact sum and the count. Some products run in bfloat16, of integers that it has.
"""

import math

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts import arithmetic
from tests.proofs.parts.device_calls import here, there
from tests.proofs.parts.integer_case import Case
from tests.proofs.parts.integer_windows import avg_pool2d, conv2d, conv2d_max_pool2d, global_pool2d, max_pool2d

import hotloop as hl

# ---- products --------------------------------------------------------------------------------------------------------

# Products that cross the limits of the CPU's blocking: packed a and b, blocks of k and n, sums split over k, vectors.
LARGE = (
    ((1, 4), (300, 700), (1020, 1200)),
    ((1, 3), (10, 40), (4090, 4200)),
    ((1, 2), (257, 520), (4090, 4120)),
    ((8, 20), (2040, 2600), (1, 20)),
    ((1, 1), (900, 5000), (1, 400)),
    ((1, 3000), (60, 5000 // 60), (1, 1)),
    ((100, 200), (100, 260), (60, 130)),
    ((40, 90), (500, 800), (20, 70)),
)


def product_sizes(case):
    if case.large:
        return [case.choose.randint(*bounds) for bounds in case.one_of(*LARGE)]
    if case.chance(0.12):
        return [case.choose.randint(1, 130) for _ in range(3)]
    sizes = [case.size() for _ in range(3)]
    if case.chance(0.03):
        sizes[case.choose.randrange(3)] = 0
    return sizes


def batch_axes(case):
    """The leading axes of two operands, which broadcast."""
    rank = case.one_of(0, 0, 0, 1, 1, 2, 3)
    axes = [case.one_of(1, 2, 2, 3, 5) for _ in range(rank)]
    if rank == 1 and case.chance(0.05):
        axes = [case.choose.randint(20, 300)]
    both = []
    for _ in range(2):
        own = [1 if case.chance(0.2) else n for n in axes]
        both.append(tuple(own[case.choose.randrange(rank + 1) :] if case.chance(0.2) else own))
    return both


def matmul(case):
    m, k, n = product_sizes(case)
    batch_a, batch_b = batch_axes(case) if m * k * n < 20000 else ((), ())
    turned = [case.chance(0.3), case.chance(0.3)]
    vectors = [case.chance(0.05), case.chance(0.05)]
    a_shape = (k,) if vectors[0] else (*batch_a, m, k)
    b_shape = (k,) if vectors[1] else (*batch_b, k, n)
    case.what = f"matmul {a_shape} @ {b_shape}, transposed {turned}"
    both = math.prod(np.broadcast_shapes(batch_a, batch_b))
    limit = case.limit(max(k, both * m, both * n))
    a, b = case.integers(a_shape, limit), case.integers(b_shape, limit)
    y = a @ b
    dy = case.integers(y.shape, limit)
    rows, columns = a[None] if vectors[0] else a, b[:, None] if vectors[1] else b
    slopes = dy[..., None] if vectors[1] else dy
    slopes = slopes[..., None, :] if vectors[0] else slopes
    da = arithmetic.summed_to(slopes @ columns.swapaxes(-1, -2), rows.shape).reshape(a.shape)
    db = arithmetic.summed_to(rows.swapaxes(-1, -2) @ slopes, columns.shape).reshape(b.shape)

    def transposed(x):
        return x.swapaxes(-1, -2) if x.ndim > 1 else x

    def op(*operands):
        given = [
            hl.transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)) if turn and x.ndim > 1 else x
            for x, turn in zip(operands, turned, strict=True)
        ]
        return hl.matmul(*given)

    lie = [transposed(x) if turn else x for x, turn in zip((a, b), turned, strict=True)]
    want = [transposed(x) if turn else x for x, turn in zip((da, db), turned, strict=True)]
    case.check(op, lie, y, dy, want)


def linear(case):
    m, k, n = product_sizes(case)
    leading = case.one_of((m,), (m,), (), (m, 2), (1, m, 1))
    relu, bias = case.chance(0.5), case.chance(0.7)
    x_shape = (*leading, k)
    case.what = f"linear {x_shape} @ {(k, n)}, relu {relu}, bias {bias}"
    limit = case.limit(max(k + 1, 2 * m, n))
    x, w, b = case.integers(x_shape, limit), case.integers((k, n), limit), case.integers((n,), limit)
    y = x @ w + (b if bias else 0)
    dy = case.integers(y.shape, limit)
    dz = np.where(y > 0, dy, 0) if relu else dy
    rows, slopes = x.reshape(math.prod(leading), k), dz.reshape(math.prod(leading), n)
    case.check(
        lambda *arrays: hl.linear(*arrays, activation="relu" if relu else None),
        [x, w, b][: 2 + bias],
        np.maximum(y, 0) if relu else y,
        dy,
        [dz @ w.T, rows.T @ slopes, slopes.sum(0)][: 2 + bias],
    )


# ---- reductions and rows ---------------------------------------------------------------------------------------------


def any_shape(case):
    if case.large:
        return case.one_of((case.choose.randint(1, 70000),), (3000, 7), (7, 3000), (40, 50, 60), (2000, 65))
    return tuple(case.size(6) for _ in range(case.one_of(1, 1, 2, 2, 3, 3, 4)))


def reductions(case):
    shape = any_shape(case)
    if case.chance(0.05):
        shape = (*shape, 0)
    rank = len(shape)
    axes = case.choose.sample(range(rank), case.choose.randint(0, rank))
    given_axes = [axis - rank if case.chance(0.3) else axis for axis in axes]
    axis = None if len(axes) == rank and case.chance(0.5) else given_axes[0] if len(axes) == 1 else tuple(given_axes)
    kept, merged = case.chance(0.4), math.prod(shape[axis] for axis in axes)
    kind = case.one_of("sum", "sum", "mean", "max", "min") if merged else "sum"
    case.what = f"{kind} {shape}, axis {axis}, keepdims {kept}"
    x = case.integers(shape, case.exact // max(merged, 1) if kind in ("sum", "mean") else case.one_of(1, 9, case.exact))
    axes = tuple(axes)
    if kind in ("sum", "mean"):
        y = x.sum(axes, keepdims=kept)
        wide = np.ones_like(x)
    else:
        y = getattr(x, kind)(axes, keepdims=kept)
        wide = arithmetic.first_extremes(x, axes, kind == "max")
    y, dy = np.asarray(y), case.integers(np.shape(y), case.exact)
    slope = wide * dy.reshape([1 if i in axes else n for i, n in enumerate(shape)])
    if kind == "mean":
        y = y.astype(case.dtype) / case.dtype(merged)
        slope = slope.astype(case.dtype) / case.dtype(merged)
    case.check(lambda x: getattr(hl, kind)(x, axis, kept), [x], y, dy, [slope])


def argmax(case):
    shape = any_shape(case)
    axis = case.one_of(None, *range(len(shape)))
    case.what = f"argmax {shape}, axis {axis}"
    x = case.integers(shape, case.one_of(1, 9, case.exact))
    found = here(hl.argmax(there(case.laid(x), case.device), axis), case.device)
    assert found.dtype == np.int64, f"{case.what}: {found.dtype}"
    assert np.array_equal(found, x.argmax(axis)), case.what


def take(case):
    shape = any_shape(case)
    count = case.choose.randint(0, 3000 if case.large else 20)
    picked = case.rng.integers(0, shape[0], case.one_of((count,), (2, count), ()))
    case.what = f"take {shape} at {picked.shape}"
    x = case.integers(shape, case.exact)
    y = x[picked]
    dy = case.integers(y.shape, case.exact // max(picked.size, 1))
    slope = np.zeros_like(x)
    np.add.at(slope, picked, dy)
    case.check(lambda x: hl.take(x, picked), [x], y, dy, [slope])


FAMILIES = {
    matmul: 25,
    linear: 12,
    conv2d: 22,
    conv2d_max_pool2d: 12,
    max_pool2d: 9,
    avg_pool2d: 6,
    global_pool2d: 4,
    reductions: 7,
    argmax: 1,
    take: 2,
}


def check(trial):
    case = Case(trial)
    (family,) = case.choose.choices(list(FAMILIES), FAMILIES.values())
    with hl.set_precision("bfloat16" if case.rounds else "float32"):
        family(case)


proof = Proof(check=check, small=1000, full=1_000_000, cuda=True)
