"""Losses against NumPy in float64: values, gradients, logits found behind a softmax, weights, errors."""

import numpy as np
import pytest

import hotloop as hl
from hotloop import losses
from hotloop.labels import class_ids

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])
ONE_HOT = np.eye(4)[LABELS]
WEIGHTS = np.array([0.5, 1, 2, 0, 1, 3])


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cross_entropy(z, q):
    return -(q * np.log(softmax(z))).sum(-1)


def near(got, wanted, tolerance=1e-5):
    err = np.abs(np.asarray(got.numpy() if isinstance(got, hl.Tensor) else got) - wanted).max()
    assert err <= tolerance


def tensor(x):
    return hl.Tensor(np.asarray(x, np.float32), requires_grad=True)


def test_sparse_cross_entropy_from_logits():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    z = tensor(LOGITS)
    value = loss(LABELS, z)
    near(value, cross_entropy(LOGITS, ONE_HOT).mean())
    value.backward()
    near(z.grad, (softmax(LOGITS) - ONE_HOT) / 6)
    near(loss(LABELS[:, None], z), cross_entropy(LOGITS, ONE_HOT).mean())
    near(loss(LABELS.astype(float), z), cross_entropy(LOGITS, ONE_HOT).mean())


def test_sparse_cross_entropy_from_probabilities():
    loss = losses.SparseCategoricalCrossentropy()
    p = tensor(softmax(LOGITS))
    value = loss(LABELS, p)
    near(value, cross_entropy(LOGITS, ONE_HOT).mean())
    value.backward()
    # The derivative of -log(p_c / sum p), which is what is computed, at sum p = 1.
    near(p.grad, (1 - ONE_HOT / softmax(LOGITS)) / 6, 1e-4)


def test_probabilities_are_clipped():
    p = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    value = losses.SparseCategoricalCrossentropy(reduction=None)(np.array([0, 0]), p)
    near(value, np.array([-np.log(1e-7), 0.0]), 1e-3)
    value = losses.BinaryCrossentropy(reduction=None)(np.array([[1.0], [0.0]]), np.array([[0.0], [0.0]], np.float32))
    near(value, np.array([-np.log(1e-7), 0.0]), 1e-3)


def test_categorical_cross_entropy_and_smoothing():
    smooth = ONE_HOT * 0.9 + 0.1 / 4
    loss = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    near(loss(ONE_HOT, tensor(LOGITS)), cross_entropy(LOGITS, smooth).mean())
    near(losses.CategoricalCrossentropy()(ONE_HOT, softmax(LOGITS)), cross_entropy(LOGITS, ONE_HOT).mean())
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    near(loss(LABELS, tensor(LOGITS)), cross_entropy(LOGITS, smooth).mean())


def test_binary_cross_entropy():
    z, t = LOGITS[:, :1], (LABELS[:, None] > 1).astype(float)
    wanted = -(t * np.log(sigmoid(z)) + (1 - t) * np.log(1 - sigmoid(z)))
    near(losses.BinaryCrossentropy(from_logits=True)(t, tensor(z)), wanted.mean())
    near(losses.BinaryCrossentropy()(t, sigmoid(z).astype(np.float32)), wanted.mean())
    near(losses.BinaryCrossentropy(from_logits=True)(t[:, 0], tensor(z)), wanted.mean())
    smooth = t * 0.8 + 0.1
    wanted = -(smooth * np.log(sigmoid(z)) + (1 - smooth) * np.log(1 - sigmoid(z)))
    near(losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)(t, tensor(z)), wanted.mean())


def test_regression_losses():
    y, p = LOGITS, LOGITS[::-1].copy()
    d = p - y
    near(losses.MeanSquaredError()(y, tensor(p)), (d**2).mean())
    near(losses.MeanAbsoluteError()(y, tensor(p)), np.abs(d).mean())
    huber = np.where(np.abs(d) <= 0.5, d**2 / 2, 0.5 * (np.abs(d) - 0.25))
    near(losses.Huber(0.5)(y, tensor(p)), huber.mean())
    near(losses.MeanSquaredError(reduction=None)(y, tensor(p)), (d**2).mean(-1))
    near(losses.MeanSquaredError(reduction="sum")(y, tensor(p)), (d**2).mean(-1).sum())
    near(losses.MeanSquaredError()(y[:, 0], tensor(p[:, :1])), (d[:, 0] ** 2).mean())


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", None])
def test_sample_weights_scale_each_row(reduction):
    per_row = {
        "mse": ((LOGITS - 1) ** 2).mean(-1),
        "categorical_crossentropy": cross_entropy(LOGITS, ONE_HOT),
        "sparse_categorical_crossentropy": cross_entropy(LOGITS, ONE_HOT),
    }
    targets = {"mse": np.ones_like(LOGITS), "categorical_crossentropy": ONE_HOT}
    for name, values in per_row.items():
        loss = losses.BY_NAME[name](reduction=reduction)
        if name != "mse":
            loss.from_logits = True
        weighted = values * WEIGHTS
        wanted = {"sum": weighted.sum(), None: weighted}.get(reduction, weighted.mean())
        for weights in (WEIGHTS, WEIGHTS[:, None]):
            near(loss(targets.get(name, LABELS), tensor(LOGITS), weights.astype(np.float32)), wanted)


def test_logits_are_found_behind_a_softmax_layer():
    z = tensor(np.array([[200.0, 0.0], [0.0, 200.0]]))
    for layer in (hl.layers.Softmax(), hl.layers.Activation("softmax")):
        p = layer(z)
        value = losses.SparseCategoricalCrossentropy(reduction=None)(np.array([1, 1]), p)
        near(value, np.array([200.0, 0.0]))
    p = hl.layers.Activation("sigmoid")(z)
    near(losses.BinaryCrossentropy(reduction="sum")(np.array([[0.0, 0], [0, 1]]), p), 100 + np.log(2))


def test_only_the_last_softmax_is_looked_behind():
    z = tensor(LOGITS)
    softmax_layer = hl.layers.Softmax()
    p = softmax_layer(z)
    other = softmax_layer(tensor(LOGITS + 1))
    near(losses.CategoricalCrossentropy()(ONE_HOT, p), cross_entropy(LOGITS, ONE_HOT).mean())
    near(losses.CategoricalCrossentropy()(ONE_HOT, other), cross_entropy(LOGITS, ONE_HOT).mean())
    scaled = p * 0.5 + 0.125
    q = softmax(LOGITS) * 0.5 + 0.125
    near(losses.CategoricalCrossentropy()(ONE_HOT, scaled), -(ONE_HOT * np.log(q)).sum(-1).mean())


def test_from_logits_over_a_softmax_warns_once():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    layer = hl.layers.Softmax()
    with pytest.warns(UserWarning, match="come out of a softmax"):
        value = loss(LABELS, layer(tensor(LOGITS)))
    near(value, cross_entropy(LOGITS, ONE_HOT).mean())
    near(loss(LABELS, layer(tensor(LOGITS))), cross_entropy(LOGITS, ONE_HOT).mean())


def test_own_losses():
    def cubed(y_true, y_pred):
        return abs_cubed(y_pred - y_true).mean(axis=-1)

    def abs_cubed(d):
        return (d * d) * d

    class Own(losses.Loss):
        def call(self, y_true, y_pred):
            return abs_cubed(y_pred - y_true).mean(axis=-1)

    y = np.zeros((6, 4), np.float32)
    near(losses.get(cubed)(y, tensor(LOGITS)), (LOGITS**3).mean())
    near(Own()(y, tensor(LOGITS), WEIGHTS), ((LOGITS**3).mean(-1) * WEIGHTS).mean())
    assert losses.get(cubed).name == "cubed"


def test_get():
    assert isinstance(losses.get("mse"), losses.MeanSquaredError)
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    own = losses.Huber(2.0)
    assert losses.get(own) is own
    with pytest.raises(ValueError, match="unknown loss 'mean_square_error'; did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")
    with pytest.raises(TypeError, match="loss must be a name, a Loss or a function"):
        losses.get(3)
    with pytest.raises(ValueError, match="unknown reduction 'avg'"):
        losses.MeanSquaredError("avg")
    with pytest.raises(ValueError, match="label_smoothing must be in"):
        losses.CategoricalCrossentropy(label_smoothing=1.5)


def test_wrong_targets_are_named():
    with pytest.raises(ValueError, match=r"y_true \(6,\) wants the predictions' shape \(6, 4\).*sparse_categorical"):
        losses.CategoricalCrossentropy(from_logits=True)(LABELS, tensor(LOGITS))
    with pytest.raises(ValueError, match="use categorical_crossentropy"):
        losses.SparseCategoricalCrossentropy(from_logits=True)(ONE_HOT, tensor(LOGITS))
    with pytest.raises(ValueError, match=r"row 1 of y is 0\.5, wants class numbers"):
        class_ids("f", np.array([1.0, 0.5]))
    with pytest.raises(ValueError, match="row 0 of y is nan"):
        class_ids("f", np.array([np.nan, 0.5]))
    with pytest.raises(TypeError, match="y has dtype <U1"):
        class_ids("f", np.array(["a"]))


def test_lists_and_integers_are_taken():
    assert losses.MeanSquaredError()([0.5, 2.0], [0, 1]) == 0.625  # the predictions' dtype does not round the targets
    near(losses.SparseCategoricalCrossentropy()([0, 2], [[0.5, 0.25, 0.25], [0, 0.5, 0.5]]), np.log(2))
    near(losses.CategoricalCrossentropy()([[0, 1]], [[0.5, 0.5]]), np.log(2))
    near(losses.BinaryCrossentropy()([0, 1], [0.5, 0.5]), np.log(2))
    near(hl.keras.losses.mae([1.0, 2.0], [0, 1]), [1, 1])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: losses.MeanSquaredError()(None, LOGITS), TypeError, r"\[mean_squared_error\] y_true must be an array"),
        (lambda: losses.MeanSquaredError()(LOGITS, ["a"]), TypeError, r"\[mean_squared_error\] y_pred has dtype <U1"),
        (lambda: losses.SparseCategoricalCrossentropy()(None, LOGITS), TypeError, "y_true must be an array, got None"),
        (lambda: losses.SparseCategoricalCrossentropy()(LABELS + 1, LOGITS), ValueError, "row 1 is 4"),
        (lambda: losses.Huber(0.0), ValueError, r"\[huber_loss\] delta must be in \(0, inf\], got 0.0"),
        (lambda: losses.Huber("a"), TypeError, r"\[huber_loss\] delta must be a number"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing="a"), TypeError, "label_smoothing must be a number"),
        (lambda: losses.SparseCategoricalCrossentropy(ignore_class=0.5), TypeError, "ignore_class must be an integer"),
        (lambda: losses.MeanSquaredError(reduction=""), ValueError, "unknown reduction ''"),
    ],
)
def test_bad_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_configs():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=3)
    again = losses.SparseCategoricalCrossentropy(**loss.get_config())
    assert again.get_config() == loss.get_config() and again.from_logits and again.ignore_class == 3
