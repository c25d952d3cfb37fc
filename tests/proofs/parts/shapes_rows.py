"""The families of the proof `shapes` that know no windows: rows, axes, and arrays as they lie."""

import numpy as np
from tests.proofs.parts import arithmetic
from tests.proofs.parts.device_calls import there

import hotloop as hl
import references

# ---- axes ------------------------------------------------------------------------------------------------------------


def reductions(case, shape):
    axes = tuple(axis for axis in range(3) if case.chance(0.5)) or (int(case.rng.integers(3)),)
    kept, merged = case.chance(0.5), int(np.prod([shape[axis] for axis in axes]))
    x = case.normal(*shape)
    (wide,) = case.widened(x)
    names = ["sum", "mean"] + ["max", "min"] * (merged > 0)
    for name in names:
        case.what = f"{name} {shape}, axis {axes}, keepdims {kept}"
        with np.errstate(all="ignore"):
            want = np.asarray(getattr(wide, name if merged else "sum")(axes, keepdims=kept))
        dy = case.normal(*want.shape)
        y, (dx,) = case.differentiated(lambda x, name=name: getattr(hl, name)(x, axes, kept), [x], dy)
        slope = dy.reshape([1 if i in axes else n for i, n in enumerate(shape)])
        if name in ("max", "min"):
            case.same(y, want.astype(case.dtype))
            case.same(dx, arithmetic.first_extremes(x, axes, name == "max") * slope, "gradient")
            continue
        if name == "mean" and not merged:
            assert np.isnan(y).all(), f"{case.what}: the mean over nothing is NaN"
            continue
        count = merged if name == "mean" else 1
        most = np.abs(wide).sum(axes, keepdims=kept) / count
        case.near(y, want, case.sum_bound(merged, most) + (count > 1) * case.roundoff * np.abs(want))
        case.same(dx, np.broadcast_to(slope / case.dtype(count), shape), "gradient")
    axis = case.pick(None, 0, 1, 2)
    if x.size if axis is None else shape[axis]:
        case.what = f"argmax {shape}, axis {axis}"
        case.same(case.call(lambda x: hl.argmax(x, axis), x), np.asarray(x.argmax(axis)))


def softmax(case, shape):
    """exp(x - max x) is as wrong as the difference is rounded, and a little more; the sum and quotient add to that."""
    axis = int(case.rng.integers(3))
    logarithm = case.chance(0.5)
    x, dy = case.normal(*shape), case.normal(*shape)
    wide, slope = case.widened(x, dy)
    case.what = f"{'log_' * logarithm}softmax {shape}, axis {axis}"
    below = wide - np.max(wide, axis, keepdims=True, initial=-np.inf) if shape[axis] else wide
    total = np.exp(below).sum(axis, keepdims=True)
    p = np.exp(below) / total
    reach = np.max(-below, axis, keepdims=True, initial=0.0) + 32
    y, (dx,) = case.differentiated(lambda x: (hl.log_softmax if logarithm else hl.softmax)(x, axis), [x], dy)
    unit = case.roundoff
    if not logarithm:
        case.near(y, p, unit * reach * p)
        want = p * (slope - (p * slope).sum(axis, keepdims=True))
        case.near(dx, want, 3 * unit * reach * p * (np.abs(slope) + (p * np.abs(slope)).sum(axis, keepdims=True)))
        return
    with np.errstate(divide="ignore"):
        case.near(y, below - np.log(total), unit * (reach + np.abs(below) + np.abs(np.log(total))))
    want = slope - p * slope.sum(axis, keepdims=True)
    case.near(dx, want, 3 * unit * (np.abs(slope) + reach * p * np.abs(slope).sum(axis, keepdims=True)))


def cross_entropy(case, rows, classes):
    if not classes:
        return
    reduction = case.pick("none", "sum", "mean")
    x, labels = case.normal(rows, classes), case.rng.integers(0, classes, rows)
    (wide,) = case.widened(x)
    case.what = f"softmax_cross_entropy {(rows, classes)}, {reduction}"
    below = wide - wide.max(1, keepdims=True) if rows else wide
    total = np.exp(below).sum(1, keepdims=True)
    p, at = np.exp(below) / total, (np.arange(rows), labels)
    loss = np.log(total)[:, 0] - below[at]
    unit, reach = case.roundoff, np.max(-below, 1, initial=0.0) + 32
    bound = unit * (reach + np.abs(below[at]) + np.log(total)[:, 0])
    dy = case.normal(rows) if reduction == "none" else np.ones((), case.dtype)
    count, ids = rows if reduction == "mean" else 1, there(labels, case.device)
    y, (dx,) = case.differentiated(lambda x: hl.softmax_cross_entropy(x, ids, reduction=reduction), [x], dy)
    if reduction == "none":
        case.near(y, loss, bound)
    elif not count:
        assert np.isnan(y), f"{case.what}: the mean over nothing is NaN"
    else:
        rounded = case.sum_bound(rows, loss.sum()) + 2 * unit * loss.sum()
        case.near(y, loss.sum() / count, (bound.sum() + rounded) / count)
    hot = np.zeros_like(p)
    hot[at] = 1
    scale = dy.astype(case.wide)[:, None] if reduction == "none" else 1 / case.wide(max(count, 1))
    case.near(dx, (p - hot) * scale, 3 * unit * (reach[:, None] * p + hot) * np.abs(scale), "gradient")


# ---- elements --------------------------------------------------------------------------------------------------------

BINARY = {name: getattr(np, name) for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum")}
UNARY = {name: getattr(np, name) for name in ("negative", "abs", "square", "sign", "reciprocal")}
POSITIVE = {"log": np.log, "sqrt": np.sqrt}
SMOOTH = {name: getattr(np, name) for name in ("exp", "sin", "cos", "square", "negative")} | {
    name: function for name, function in references.ACTIVATIONS.items() if name != "gelu_tanh"
}


def binary(case, shape):
    """The same bits as NumPy's: these are IEEE 754's own operations."""
    shapes = [tuple(1 if case.chance(0.25) else n for n in shape)[case.pick(0, 0, 0, 1, 2) :] for _ in range(2)]
    a, b = (case.normal(*shape) for shape in shapes)
    for name in case.rng.choice(list(BINARY), 2, replace=False):
        case.what = f"{name} {shapes[0]} and {shapes[1]}"
        with np.errstate(all="ignore"):
            case.same(case.call(getattr(hl, name), a, b), BINARY[name](a, b))
    dy = case.normal(*np.broadcast_shapes(*shapes))
    case.what = f"multiply {shapes[0]} and {shapes[1]}"
    _, slopes = case.differentiated(hl.multiply, [a, b], dy)
    wide_a, wide_b, slope = case.widened(a, b, dy)
    for got, other, own in ((slopes[0], wide_b, a), (slopes[1], wide_a, b)):
        want = arithmetic.summed_to(slope * other, own.shape)
        most = arithmetic.summed_to(np.abs(slope * other), own.shape)
        merged = slope.size // max(own.size, 1)
        case.near(got, want, case.sum_bound(1 + merged, most), "gradient")
    case.what = f"where {dy.shape}, {shapes[0]}, {shapes[1]}"
    chosen = case.rng.random(dy.shape) < 0.5
    case.same(case.call(hl.where, chosen, a, b), np.where(chosen, a, b))


def unary(case, length):
    x = case.normal(length)
    for name, function in (UNARY | POSITIVE).items():
        case.what = f"{name} of {length}"
        given = np.abs(x) if name in POSITIVE else x
        if name == "log":
            (wide,) = case.widened(given)
            case.near(case.call(hl.log, given), np.log(wide), 4 * case.roundoff * np.abs(np.log(wide)))
        else:
            case.same(case.call(getattr(hl, name), given), function(given))


def smooth(case, length):
    """One activation or function of `length` elements; the slope is the reference's, by a difference in float64."""
    name = str(case.rng.choice(list(SMOOTH)))
    case.what = f"{name} of {length}"
    x = case.normal(length)
    x[np.abs(x) < 0.01] = 0.5  # away from kinks, those of the hard ones at -3 and 3 too
    x[np.abs(np.abs(x) - 3) < 0.01] = 0.5
    dy, function, step = case.normal(length), SMOOTH[name], 1e-5
    wide, slope = x.astype(np.float64), dy.astype(np.float64)
    y, (dx,) = case.differentiated(getattr(hl, name), [x], dy)
    want = function(wide)
    case.near(y, want, 16 * case.roundoff * (np.abs(want) + 1))
    rise = (function(wide + step) - function(wide - step)) / (2 * step)
    case.near(dx, rise * slope, (32 * case.roundoff + 1e-8) * (np.abs(rise) + 1) * np.abs(slope), "gradient")


def losses(case, length):
    name, reduction = case.pick("mse_loss", "mae_loss", "huber_loss"), case.pick("none", "sum", "mean")
    case.what = f"{name} of {length}, {reduction}"
    x, target = case.normal(length), case.normal(length)
    wide, aim = case.widened(x, target)
    gap, large = wide - aim, np.abs(wide - aim)
    each, rise = {
        "mse_loss": (gap * gap, 2 * gap),
        "mae_loss": (large, np.sign(gap)),
        "huber_loss": (np.where(large <= 1, gap * gap / 2, large - 0.5), np.clip(gap, -1, 1)),
    }[name]
    dy = case.normal(length) if reduction == "none" else np.ones((), case.dtype)
    y, (dx, _) = case.differentiated(lambda x, t: getattr(hl, name)(x, t, reduction=reduction), [x, target], dy)
    count = length if reduction == "mean" else 1
    if reduction == "none":
        case.near(y, each, 4 * case.roundoff * (each + large))
    elif not count:
        assert np.isnan(y), f"{case.what}: the mean over nothing is NaN"
    else:
        case.near(y, each.sum() / count, case.sum_bound(20, (each + large).sum() / count))
    scale = dy.astype(case.wide) if reduction == "none" else 1 / case.wide(max(count, 1))
    case.near(dx, rise * scale, 4 * case.roundoff * np.abs(rise * scale), "gradient")


# ---- rows that move --------------------------------------------------------------------------------------------------


def moves(case, shape, count):
    x = case.normal(*shape)
    order = [int(axis) for axis in case.rng.permutation(3)]
    case.what = f"transpose {shape} by {order}"
    dy = case.normal(*[shape[axis] for axis in order])
    y, (dx,) = case.differentiated(lambda x: hl.transpose(x, order), [x], dy)
    case.same(y, x.transpose(order))
    case.same(dx, dy.transpose(np.argsort(order)), "gradient")
    axis = int(case.rng.integers(3))
    case.what = f"concatenate twice {shape} on axis {axis}"
    both = np.concatenate([x, x + 1], axis)
    y, slopes = case.differentiated(lambda a, b: hl.concatenate([a, b], axis), [x, x + 1], both)
    case.same(y, both)
    case.same(slopes[0], x, "gradient")
    case.same(slopes[1], x + 1, "gradient")
    if not shape[0]:
        return
    picked = case.rng.integers(0, shape[0], count)
    case.what = f"take {count} of {shape}"
    dy = case.normal(count, *shape[1:])
    y, (dx,) = case.differentiated(lambda x: hl.take(x, picked), [x], dy)
    case.same(y, x[picked])
    want, most = np.zeros(shape, case.wide), np.zeros(shape, case.wide)
    np.add.at(want, picked, dy.astype(case.wide))
    np.add.at(most, picked, np.abs(dy).astype(case.wide))
    case.near(dx, want, case.sum_bound(count, most), "gradient")


def check(case, m, k, n):
    reductions(case, (m, k, n))
    softmax(case, (m, k, n))
    cross_entropy(case, m, n)
    cross_entropy(case, min(m, 3), k * n)  # rows that a kernel takes piece by piece
    binary(case, (m, k, n))
    length = case.pick(m, m * k, m * k + n)
    unary(case, length)
    smooth(case, length)
    losses(case, case.pick(n, m * n))
    moves(case, (m, k, n), int(case.pick(m, k, n)))
