"""Special values in ops along an axis: softmax, reductions, argmax, cross-entropy; and in ops that move elements.

Each row has one special in one place, so that a row that learns of its neighbours shows. Part of the proof `special`.
"""

import numpy as np
from tests.proofs.parts.arithmetic import first_extremes
from tests.proofs.parts.special_values import (
    LEAST,
    SPECIALS,
    assert_near,
    assert_same_bits,
    denormals,
    rolled,
    with_specials,
)

import hotloop as hl
import references as ref


def layouts(rows):
    """(name, the rows laid along another axis, that axis): rows (count, n)."""
    count, n = rows.shape
    yield "last axis", rows, 1
    yield "first axis", rows.T.copy(), 0
    padded = np.concatenate([rows, rows[: -count % 3]])
    yield "middle axis", padded.reshape(-1, 3, n).transpose(0, 2, 1).copy(), 1


def a_row(rng, n):
    return rng.uniform(-2, 2, n).astype(np.float32)


def alone(rows):
    """A few of the rows, each to be an array of its own."""
    return rows[:: max(1, len(rows) // 60)]


# ---- softmax ---------------------------------------------------------------------------------------------------------


def softmax_grad(y, dy, axis, logarithm):
    if logarithm:
        return dy - np.exp(y) * dy.sum(axis, keepdims=True)
    return y * (dy - (y * dy).sum(axis, keepdims=True))


def softmax(place, rng, n, logarithm):
    op, reference = (hl.log_softmax, ref.log_softmax) if logarithm else (hl.softmax, ref.softmax)
    rows = np.concatenate([with_specials(a_row(rng, n)), [np.full(n, special) for special in SPECIALS]])
    rows = np.concatenate([rows, [rolled(n, shift) for shift in range(len(SPECIALS))]])
    slopes = with_specials(rng.uniform(0.5, 2, n).astype(np.float32))
    for name, x, axis in layouts(rows):
        what = f"{op.__name__} of {n} along the {name}"
        assert_near(place.call(lambda x, axis=axis: op(x, axis), x)[0], reference(x.astype(float), axis), what, 4, 1e-6)
    for x in alone(rows):
        assert_near(place.call(op, x)[0], reference(x.astype(float)), f"{op.__name__} of {x}", 4, 1e-6)
    for name, dy, axis in layouts(slopes):
        x = np.broadcast_to(np.moveaxis(a_row(rng, n)[None, None], 2, axis - dy.ndim), (1,) * (3 - dy.ndim) + dy.shape)
        x = x.reshape(dy.shape).copy()
        y, dx = place.gradients(lambda x, axis=axis: op(x, axis), [x], dy, 1)
        want = softmax_grad(y.astype(float), dy.astype(float), axis, logarithm)
        finite = np.where(np.isfinite(dy), np.abs(dy), 0).sum(axis, keepdims=True)
        assert_near(dx, want, f"gradient of {op.__name__} of {n} along the {name}", 4, 2e-6 * finite)


# ---- reductions ------------------------------------------------------------------------------------------------------


def reduction(place, rng, n, name):
    op, reference = getattr(hl, name), getattr(np, name)
    specials = [rolled(n, shift) for shift in range(len(SPECIALS))]
    rows = np.concatenate([with_specials(a_row(rng, n)), specials])
    slack = {"sum": 2e-6 * n, "mean": 2e-6}.get(name, 0)
    # The sign of a zero that is a sum, or the largest of zeros, is not told.
    for layout, x, axis in layouts(rows):
        what = f"{name} of {n} along the {layout}"
        want = np.asarray(reference(x.astype(float), axis))
        got = place.call(lambda x, axis=axis: op(x, axis), x)[0]
        assert_near(got, want, what, slack=slack)
        if name in ("max", "min"):
            dy = rng.uniform(1, 2, got.shape).astype(np.float32)
            _, dx = place.gradients(lambda x, axis=axis: op(x, axis), [x], dy, 1)
            marks = first_extremes(x, (axis,), name == "max")
            assert_near(dx, np.where(marks != 0, np.expand_dims(dy, axis), 0), f"gradient of {what}")
    for x in alone(rows):
        assert_near(place.call(op, x)[0], np.asarray(reference(x.astype(float))), f"{name} of {x}", slack=slack)
    if name == "sum":
        whole, x = denormals(rng, (7, n))
        for axis in (0, 1, None):
            got = place.call(lambda x, axis=axis: op(x, axis), x)[0]
            assert_near(got, np.asarray(whole.sum(axis) * LEAST), f"sum of denormals {x.shape}, axis {axis}")


def argmax(place, rng, n):
    rows = np.concatenate([with_specials(a_row(rng, n)), [rolled(n, shift) for shift in range(len(SPECIALS))]])
    for layout, x, axis in layouts(rows):
        got = place.call(lambda x, axis=axis: hl.argmax(x, axis), x)[0]
        assert np.array_equal(got, x.argmax(axis)), f"argmax of {n} along the {layout}"
    for x in alone(rows):
        assert place.call(hl.argmax, x)[0] == x.argmax(), f"argmax of {x}"


# ---- cross-entropy ---------------------------------------------------------------------------------------------------


def _parts(x, q):
    """(loss, dx) of the rows x where class c has the share q: a class without a share has no part in the loss."""
    shifted = x - np.max(x, 1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -np.where(q == 0, np.where(np.isnan(log_p), np.nan, 0), q * log_p).sum(1)
    return loss, q.sum(1, keepdims=True) * np.exp(log_p) - q


def cross_entropy(place, rng, n):
    rows = np.concatenate([with_specials(a_row(rng, n)), [np.full(n, special) for special in SPECIALS]])
    count = len(rows)
    labels = (np.arange(count) // len(SPECIALS) + rng.integers(0, 2, count)) % n
    one_hot = np.eye(n)[labels]
    weight = rng.uniform(0.5, 2, n).astype(np.float32)
    given = rng.uniform(0.1, 1, (count, n)).astype(np.float32)
    rates = {
        "labels": (labels, one_hot, {}),
        "smoothing": (labels, 0.75 * one_hot + 0.25 / n, {"label_smoothing": 0.25}),
        "class weights": (labels, one_hot * weight, {"class_weight": weight}),
        "probabilities": (given, given, {}),
    }
    for name, (targets, q, options) in rates.items():
        options = {key: place.put(value) for key, value in options.items()}

        def op(x, targets, options=options):
            return hl.softmax_cross_entropy(x, targets, reduction="none", **options)

        what = f"cross-entropy of {n} classes, {name}"
        loss, slope = _parts(rows.astype(float), q)
        dy = rng.uniform(1, 2, count).astype(np.float32)
        got, dx = place.gradients(op, [rows, targets], dy, 1)
        assert_near(got, loss, what, 8, 1e-6 * (1 + 4 * q.sum(1)))
        assert_near(dx, slope * dy[:, None], f"gradient of {what}", 8, 2e-6 * (1 + q.sum(1, keepdims=True)))
        assert_same_bits(place.call(op, rows, targets)[0], got, f"{what}, without a gradient")
        for i in range(0, count, max(1, count // 40)):
            one, _ = place.gradients(op, [rows[i : i + 1], targets[i : i + 1]], dy[:1], 1)
            assert_near(one, loss[i : i + 1], f"{what}, row {i} alone", 8, 1e-6 * (1 + 4 * q[i].sum()))


# ---- ops that move elements ------------------------------------------------------------------------------------------


def moves(place, rng, n):
    bits = rng.integers(0, 2**32, n, dtype=np.uint32)
    bits[::2] = rolled((n + 1) // 2, int(rng.integers(len(SPECIALS)))).view(np.uint32)
    x = bits.view(np.float32)  # NaNs with payloads among them
    order = rng.permutation(n)
    square = np.concatenate([x, x[::-1]]).reshape(2, n)
    calls = {
        "take": (lambda x: hl.take(x, order), x, lambda x: x[order]),
        "reshape": (lambda x: hl.reshape(x, (n, 1)), x, lambda x: x.reshape(n, 1)),
        "transpose": (hl.transpose, square, np.transpose),
        "concatenate": (lambda x: hl.concatenate([x, x], 1), square, lambda x: np.concatenate([x, x], 1)),
        "stack": (lambda x: hl.stack([x, x], 1), x, lambda x: np.stack([x, x], 1)),
    }
    for name, (op, given, reference) in calls.items():
        got = place.call(op, given)[0]
        assert got.tobytes() == np.ascontiguousarray(reference(given)).tobytes(), f"{name} of {n}"
