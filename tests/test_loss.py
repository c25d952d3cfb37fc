"""Losses against loops in plain NumPy float64, written row by row from PyTorch's definitions."""

import math

import numpy as np
import pytest

import hotloop as hl

TOLERANCE = {np.float32: 3e-6, np.float64: 1e-12}
DTYPES = [np.float32, np.float64]


def close(found, wanted, tolerance):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    return found.shape == wanted.shape and bool(np.all(np.abs(found - wanted) <= tolerance * scale))


def numeric_gradient(f, x, h=1e-6):
    """Central differences of a scalar function of a float64 array."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def cross_entropy_reference(
    logits, labels, *, smoothing=0.0, class_weight=None, ignore=None, sample_weight=None, reduction="mean"
):
    rows, classes = logits.shape
    w = np.ones(classes) if class_weight is None else np.asarray(class_weight, np.float64)
    losses, divisor = np.zeros(rows), 0.0
    for r in range(rows):
        log_p = logits[r] - logits[r].max()
        log_p = log_p - np.log(np.exp(log_p).sum())
        if labels.ndim == 2:
            share = labels[r].astype(np.float64)
            divisor += 1
        elif labels[r] == ignore:
            continue
        else:
            share = np.eye(classes)[labels[r]]
            divisor += w[labels[r]]
        share = w * ((1 - smoothing) * share + smoothing / classes)
        losses[r] = -np.sum(share * log_p)
        losses[r] *= 1.0 if sample_weight is None else float(sample_weight[r])
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / divisor if divisor else math.nan}[reduction]


def cross_entropy_case(rows, classes, dtype, kind="ids", seed=0, **options):
    rng = np.random.default_rng(seed)
    logits = (3 * rng.standard_normal((rows, classes))).astype(dtype)
    if kind == "ids":
        labels = rng.integers(0, classes, rows)
    else:
        labels = rng.random((rows, classes))
        labels = (labels / labels.sum(1, keepdims=True)).astype(dtype)
    made = {"class_weight": (classes,), "sample_weight": (rows,)}
    weights = {name: rng.uniform(0.5, 2, made[name]).astype(dtype) for name in made if options.get(name)}
    return logits, labels, weights


OPTIONS = [
    ("ids", {}),
    ("ids", {"label_smoothing": 0.1}),
    ("ids", {"class_weight": True}),
    ("ids", {"class_weight": True, "label_smoothing": 0.2, "ignore_index": 1, "sample_weight": True}),
    ("ids", {"ignore_index": 0}),
    ("ids", {"sample_weight": True}),
    ("probabilities", {}),
    ("probabilities", {"label_smoothing": 0.3}),
    ("probabilities", {"class_weight": True, "label_smoothing": 0.1, "sample_weight": True}),
]


def references_of(logits, labels, options, weights, reduction):
    return cross_entropy_reference(
        logits.astype(np.float64),
        labels,
        smoothing=options.get("label_smoothing", 0.0),
        ignore=options.get("ignore_index"),
        reduction=reduction,
        **weights,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_cross_entropy_and_its_gradient(tier, dtype, reduction, kind, options):
    logits, labels, weights = cross_entropy_case(5, 11, dtype, kind, **options)
    plain = {name: value for name, value in options.items() if name not in weights}
    x = hl.Tensor(logits, requires_grad=True)
    loss = hl.softmax_cross_entropy(x, labels, reduction=reduction, **plain, **weights)
    assert loss.dtype == dtype
    assert close(loss.numpy(), references_of(logits, labels, options, weights, reduction), TOLERANCE[dtype])

    dy = np.random.default_rng(1).uniform(0.5, 2, loss.shape).astype(dtype)
    loss.backward(dy)

    def total(z):
        return float(np.sum(dy * references_of(z, labels, options, weights, reduction)))

    assert close(x.grad, numeric_gradient(total, logits.astype(np.float64)), max(TOLERANCE[dtype], 2e-8))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "classes"), [(1, 1), (3, 2), (7, 8), (4, 17), (130, 10), (3, 1025), (2, 5000), (1, 70000)]
)
def test_cross_entropy_sizes(tier, dtype, rows, classes):
    logits, labels, _ = cross_entropy_case(rows, classes, dtype)
    x = hl.Tensor(logits, requires_grad=True)
    loss = hl.softmax_cross_entropy(x, labels)
    loss.backward()
    wide = logits.astype(np.float64)
    p = np.exp(wide - wide.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    wanted = -np.log(p[np.arange(rows), labels]).mean()
    p[np.arange(rows), labels] -= 1
    assert close(loss.numpy(), wanted, TOLERANCE[dtype])
    assert close(x.grad * rows, p, TOLERANCE[dtype])
    assert loss.numpy() == hl.softmax_cross_entropy(logits, labels)


def test_cross_entropy_grows_through_a_long_row(tier):
    # The maximum rises from block to block, so that every block's exponentials are brought to a new scale.
    logits = np.linspace(-300, 300, 9000)[None]
    x = hl.Tensor(logits, requires_grad=True)
    loss = hl.softmax_cross_entropy(x, np.array([8999]))
    loss.backward()
    p = np.exp(logits - 300)
    p /= p.sum()
    assert close(loss.numpy(), -math.log(p[0, -1]), 1e-12)
    p[0, -1] -= 1
    assert close(x.grad, p, 1e-12)


def test_cross_entropy_of_large_logits_is_finite(tier):
    logits = np.array([[1e4, -1e4, 0], [-1e30, 1e30, 0]], np.float32)
    loss = hl.softmax_cross_entropy(logits, [0, 1], reduction="none")
    assert loss.tolist() == [0, 0]


@pytest.mark.parametrize("label_shape", [(2, 3), (2, 3, 1)])
def test_cross_entropy_takes_leading_axes_and_a_label_column(label_shape):
    logits, labels, _ = cross_entropy_case(6, 4, np.float64)
    wanted = cross_entropy_reference(logits, labels, reduction="none").reshape(2, 3)
    for ids in (labels, labels.astype(np.uint8), labels.astype(">i4")):
        found = hl.softmax_cross_entropy(logits.reshape(2, 3, 4), ids.reshape(label_shape), reduction="none")
        assert close(found, wanted, 1e-12)


def test_cross_entropy_takes_one_hot_integers_and_a_single_row():
    logits, labels, _ = cross_entropy_case(6, 4, np.float64)
    one_hot = np.eye(4, dtype=int)[labels]
    assert close(hl.softmax_cross_entropy(logits, one_hot), hl.softmax_cross_entropy(logits, labels), 1e-15)
    assert close(hl.softmax_cross_entropy(logits[0], labels[0]), cross_entropy_reference(logits[:1], labels[:1]), 1e-12)
    assert hl.softmax_cross_entropy(logits[:, :1], np.zeros((6, 1), int)) == 0


def test_ignored_rows_have_no_gradient_even_where_they_are_nan():
    logits, labels, _ = cross_entropy_case(4, 5, np.float32)
    labels[2], logits[2] = -100, np.nan
    x = hl.Tensor(logits, requires_grad=True)
    loss = hl.softmax_cross_entropy(x, labels, ignore_index=-100)
    loss.backward()
    kept = [0, 1, 3]
    assert close(loss.numpy(), cross_entropy_reference(logits[kept].astype(np.float64), labels[kept]), 3e-6)
    assert not x.grad[2].any() and np.isfinite(x.grad).all()


def test_mean_over_nothing_is_nan():
    empty = np.zeros((0, 3), np.float32)
    assert math.isnan(hl.softmax_cross_entropy(empty, np.zeros(0, int)))
    assert hl.softmax_cross_entropy(empty, np.zeros(0, int), reduction="sum") == 0
    assert hl.softmax_cross_entropy(empty, np.zeros(0, int), reduction="none").shape == (0,)
    assert math.isnan(hl.softmax_cross_entropy(np.zeros((2, 3)), [7, 7], ignore_index=7))
    assert math.isnan(hl.mse_loss(empty, empty))
    assert hl.mse_loss(empty, empty, reduction="sum") == 0
    x = hl.Tensor(empty, requires_grad=True)
    hl.mse_loss(x, empty).backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_cross_entropy_passes_nan_on(tier, bad):
    for classes in (3, 40):
        logits, labels, _ = cross_entropy_case(3, classes, np.float32)
        logits[1, classes - 1] = bad
        x = hl.Tensor(logits, requires_grad=True)
        loss = hl.softmax_cross_entropy(x, labels, reduction="none")
        loss.backward(np.ones(3, np.float32))
        assert np.isnan(loss.numpy()).tolist() == [False, True, False]
        assert np.isnan(x.grad[1]).any() and np.isfinite(x.grad[[0, 2]]).all()


def test_results_do_not_depend_on_threads(on_threads):
    logits, labels, _ = cross_entropy_case(301, 333, np.float32)
    values = np.random.default_rng(0).standard_normal((2, 200_001)).astype(np.float32)

    def run():
        x, z = hl.Tensor(logits, requires_grad=True), hl.Tensor(values[0], requires_grad=True)
        loss = hl.softmax_cross_entropy(x, labels, label_smoothing=0.1)
        other = hl.huber_loss(z, values[1])
        loss.backward()
        other.backward()
        return [a.tobytes() for a in (loss.numpy(), x.grad, other.numpy(), z.grad)]

    one, two, four = on_threads(run)
    assert one == two == four


def test_cross_entropy_backward_may_run_again():
    logits, labels, _ = cross_entropy_case(4, 5, np.float64)
    x = hl.Tensor(logits, requires_grad=True)
    loss = hl.softmax_cross_entropy(x, labels)
    loss.backward(retain_graph=True)
    once = x.grad.copy()
    loss.backward(retain_graph=True)
    loss.backward()
    assert close(x.grad, 3 * once, 1e-15)


def test_without_a_gradient_none_is_recorded():
    logits, labels, _ = cross_entropy_case(4, 5, np.float64)
    assert isinstance(hl.softmax_cross_entropy(logits, labels), np.ndarray)
    with hl.no_grad():
        assert not hl.softmax_cross_entropy(hl.Tensor(logits, requires_grad=True), labels).requires_grad


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((np.zeros((3, 4)), [0, 4, 9]), {}, ValueError, "row 1 is 4, wants 0 .. 3 for 4 classes"),
        ((np.zeros((3, 4)), [0, 1, -1]), {}, ValueError, "row 2 is -1"),
        ((np.zeros((3, 4)), [0, 1]), {}, ValueError, r"labels \(2,\) do not fit logits \(3, 4\)"),
        ((np.zeros((3, 4)), [0.0, 1.0, 2.0]), {}, TypeError, "wants integers"),
        ((np.zeros((3, 4)), np.zeros((3, 5))), {}, ValueError, r"labels \(3, 5\) wants shape \(3, 4\)"),
        ((np.zeros((3, 4)), np.array(["a", "b", "c"])), {}, TypeError, "wants integers"),
        ((np.zeros((3, 0)), [0, 0, 0]), {}, ValueError, "no classes"),
        ((np.zeros(()), 0), {}, ValueError, "no classes"),
        ((np.zeros((3, 4)), [0, 1, 2]), {"reduction": "avg"}, ValueError, "unknown reduction 'avg'.*choices"),
        ((np.zeros((3, 4)), [0, 1, 2]), {"label_smoothing": 1.5}, ValueError, "label_smoothing"),
        ((np.zeros((3, 4)), [0, 1, 2]), {"label_smoothing": math.nan}, ValueError, "label_smoothing"),
        ((np.zeros((3, 4)), [0, 1, 2]), {"class_weight": np.ones(3)}, ValueError, r"class_weight \(3,\) wants"),
        ((np.zeros((3, 4)), [0, 1, 2]), {"sample_weight": np.ones(4)}, ValueError, r"sample_weight \(4,\) wants"),
        ((np.zeros((3, 4)), np.ones((3, 4))), {"ignore_index": 1}, ValueError, "ignore_index is for class ids"),
        ((np.zeros((3, 4), complex), [0, 1, 2]), {}, TypeError, "complex128"),
    ],
)
def test_cross_entropy_refuses(arguments, options, error, words):
    with pytest.raises(error, match=r"^\[softmax_cross_entropy\].*" + words):
        hl.softmax_cross_entropy(*arguments, **options)


def softplus(x):
    return np.logaddexp(0.0, x)


POINTWISE = {
    "mse": (hl.mse_loss, lambda x, t: (x - t) ** 2),
    "mae": (hl.mae_loss, lambda x, t: np.abs(x - t)),
    "huber": (
        lambda x, t, **k: hl.huber_loss(x, t, delta=0.7, **k),
        lambda x, t: np.where(np.abs(x - t) <= 0.7, (x - t) ** 2 / 2, 0.7 * (np.abs(x - t) - 0.35)),
    ),
    "bce": (hl.binary_cross_entropy_with_logits, lambda x, t: t * softplus(-x) + (1 - t) * softplus(x)),
}


def reduced(losses, reduction):
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


def pointwise_case(name, shape, dtype):
    rng = np.random.default_rng(3)
    x, t = 2 * rng.standard_normal(shape), rng.random(shape)
    return (x.astype(dtype), t.astype(dtype), rng.uniform(0.5, 2, shape).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_losses_and_their_gradients(tier, dtype, reduction, weighted, name):
    function, reference = POINTWISE[name]
    x_, t_, w_ = pointwise_case(name, (3, 13), dtype)
    weight = w_.astype(np.float64) if weighted else 1.0
    x = hl.Tensor(x_, requires_grad=True)
    t = hl.Tensor(t_, requires_grad=name != "bce")
    loss = function(x, t, reduction=reduction, sample_weight=w_ if weighted else None)
    wide_x, wide_t = x_.astype(np.float64), t_.astype(np.float64)
    assert loss.dtype == dtype
    assert close(loss.numpy(), reduced(weight * reference(wide_x, wide_t), reduction), TOLERANCE[dtype])

    dy = np.random.default_rng(1).uniform(0.5, 2, loss.shape).astype(dtype)
    loss.backward(dy)
    tolerance = max(TOLERANCE[dtype], 1e-8)

    def total(a, b):
        return float(np.sum(dy * reduced(weight * reference(a, b), reduction)))

    assert close(x.grad, numeric_gradient(lambda a: total(a, wide_t), wide_x), tolerance)
    if name == "bce":
        assert t.grad is None
    else:
        assert close(t.grad, numeric_gradient(lambda b: total(wide_x, b), wide_t), tolerance)


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("n", [1, 7, 8, 9, 511, 513, 8193, 140_000])
def test_pointwise_sizes(tier, name, n):
    function, reference = POINTWISE[name]
    x, t, _ = pointwise_case(name, (n,), np.float32)
    wanted = reference(x.astype(np.float64), t.astype(np.float64))
    assert close(function(x, t), wanted.mean(), 3e-6)
    assert close(function(x, t, reduction="none"), wanted, 3e-6)


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_losses_pass_nan_on(tier, name):
    x, t, _ = pointwise_case(name, (11,), np.float32)
    x[2], t[9] = np.nan, np.nan
    z = hl.Tensor(x, requires_grad=True)
    loss = POINTWISE[name][0](z, t, reduction="none")
    loss.backward(np.ones(11, np.float32))
    assert np.flatnonzero(np.isnan(loss.numpy())).tolist() == [2, 9]
    assert np.flatnonzero(np.isnan(z.grad)).tolist() == [2, 9]


def test_binary_cross_entropy_of_large_logits(tier):
    x = np.array([1e4, -1e4, 1e4, -1e4, 0], np.float32)
    loss = hl.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.0, 1.0, 1.0], reduction="none")
    assert close(loss, [0, 0, 1e4, 1e4, math.log(2)], 1e-6)


def test_binary_cross_entropy_of_infinite_logits(tier):
    x = np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32)
    loss = hl.binary_cross_entropy_with_logits(x, [0.0, 0.5, 0.5, 1.0], reduction="none")
    assert np.isposinf(loss).all()


def test_the_gradient_at_no_error_is_zero(tier):
    for function in (hl.mse_loss, hl.mae_loss, hl.huber_loss):
        x = hl.Tensor(np.ones(9), requires_grad=True)
        function(x, np.ones(9)).backward()
        assert not x.grad.any()


@pytest.mark.parametrize("shapes", [((6,), (6, 1)), ((6, 1), (6,)), ((2, 3), (2, 3, 1))])
def test_a_trailing_axis_of_one_may_differ(shapes):
    rng = np.random.default_rng(0)
    x = hl.Tensor(rng.standard_normal(shapes[0]), requires_grad=True)
    t = hl.Tensor(rng.standard_normal(shapes[1]), requires_grad=True)
    loss = hl.mse_loss(x, t)
    loss.backward()
    d = x.numpy().ravel() - t.numpy().ravel()
    assert close(loss.numpy(), np.mean(d**2), 1e-12)
    assert close(x.grad, (2 * d / 6).reshape(shapes[0]), 1e-12)
    assert close(t.grad, (-2 * d / 6).reshape(shapes[1]), 1e-12)


@pytest.mark.parametrize("weight_shape", [(4,), (4, 1), (4, 3), (4, 1, 1)])
def test_sample_weight_by_leading_axes(weight_shape):
    rng = np.random.default_rng(0)
    shape = (4, 3, 2) if len(weight_shape) == 3 else (4, 3)
    x, t, w = rng.standard_normal(shape), rng.standard_normal(shape), rng.random(weight_shape)
    wide = w.reshape(weight_shape + (1,) * (len(shape) - len(weight_shape)))
    assert close(hl.mse_loss(x, t, sample_weight=w), np.mean(wide * (x - t) ** 2), 1e-12)


def test_dtypes_meet_as_they_do_elsewhere():
    x, t = np.ones(3, np.float32), np.zeros(3)
    assert hl.mse_loss(x, t).dtype == np.float64
    assert hl.mse_loss(x, [0, 0, 0]).dtype == np.float32
    w = hl.Tensor(x, requires_grad=True)
    hl.mse_loss(w, t).backward()
    assert w.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hl.mse_loss(np.zeros((4, 2)), np.zeros(4)), r"\[mse_loss\].*\(4, 2\).*\(4,\)"),
        (lambda: hl.mae_loss(np.zeros((4, 1)), np.zeros((1, 4))), r"\[mae_loss\].*\(4, 1\).*\(1, 4\)"),
        (
            lambda: hl.huber_loss(np.zeros(4), np.zeros(4), delta=0),
            r"\[huber_loss\] delta must be in \(0, inf\], got 0",
        ),
        (lambda: hl.huber_loss(np.zeros(4), np.zeros(4), delta=math.nan), r"\[huber_loss\] delta"),
        (lambda: hl.mse_loss(np.zeros((4, 2)), np.zeros((4, 2)), sample_weight=np.ones(3)), r"sample_weight \(3,\)"),
        (lambda: hl.mse_loss(np.zeros(4), np.zeros(4), reduction="all"), "unknown reduction 'all'"),
    ],
)
def test_pointwise_losses_refuse(call, words):
    with pytest.raises(ValueError, match=words):
        call()
