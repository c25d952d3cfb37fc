"""compile, fit, evaluate, predict: learning, reports, data in any form, weights, interruptions, errors."""

import copy
import pickle

import numpy as np
import pytest

import hotloop as hl
from fit_models import X, Y, classifier
from hotloop import _core

L = hl.layers
RNG = np.random.default_rng(1)


def regressor(seed=0, optimizer=None, **compiled):
    hl.set_seed(seed)
    model = hl.Sequential([L.Dense(1, input_shape=(6,))])
    model.compile(optimizer=optimizer or hl.optim.SGD(lr=0.1), loss="mse", **compiled)
    return model


def fitted(model, *args, seed=7, **options):
    """The model after a fit that draws from the seed's stream."""
    hl.set_seed(seed)
    model.fit(*args, **({"verbose": 0} | options))
    return model


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))


def test_a_classifier_learns():
    model = classifier(optimizer=hl.optim.Adam(1e-2))
    history = model.fit(X, Y, epochs=20, verbose=0)
    assert list(history.history) == ["accuracy", "loss"] and history.epoch == list(range(20))
    assert history.history["loss"][-1] <= 0.5 * history.history["loss"][0]
    assert history.history["accuracy"][-1] >= 0.9
    assert model.history is history


def test_a_regression_finds_its_coefficients():
    w = np.arange(6, dtype=np.float32)
    model = regressor()
    model.fit(X, X @ w + 3, epochs=50, verbose=0)
    kernel, bias = model.get_weights()
    assert np.abs(kernel[:, 0] - w).max() <= 1e-3 and abs(bias[0] - 3) <= 1e-3


def test_the_step_is_that_of_the_formula():
    model = regressor()
    (kernel, bias), y = model.get_weights(), X[:, :1] * 2
    model.fit(X, y, batch_size=200, epochs=1, verbose=0)
    error = X.astype(float) @ kernel + bias - y
    new_kernel, new_bias = model.get_weights()
    assert np.abs(new_kernel - (kernel - 0.1 * 2 * X.T.astype(float) @ error / 200)).max() <= 1e-6
    assert np.abs(new_bias - (bias - 0.1 * 2 * error.mean(0))).max() <= 1e-6


def test_subclassed_models_train():
    class Net(hl.Model):
        def __init__(self):
            super().__init__()
            self.hidden = L.Dense(8, activation="relu")
            self.out = L.Dense(3, activation="softmax")

        def call(self, x):
            return self.out(self.hidden(x))

    hl.set_seed(0)
    model = Net()
    model.compile(optimizer=hl.optim.Adam(1e-2), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, Y, epochs=10, verbose=0)
    assert history.history["loss"][-1] <= 0.7 * history.history["loss"][0]


def test_the_seed_decides():
    def run(seed):
        model = classifier(seed)
        model.fit(X, Y, epochs=2, verbose=0)
        return model

    assert same(run(3), run(3)) and not same(run(3), run(4))


def images():
    """A small CNN, and noise to train it on."""
    x, y = RNG.standard_normal((70, 14, 14, 1)).astype(np.float32), np.arange(70) % 4
    hl.set_seed(2)
    model = hl.Sequential(
        [
            L.Conv2D(8, 3, activation="relu", input_shape=(14, 14, 1)),
            L.MaxPooling2D(),
            L.Conv2D(12, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dropout(0.3),
            L.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model, x, y


def test_the_number_of_threads_changes_no_bit(threads):
    model, x, y = images()
    start = model.get_weights()
    results = []
    for number in (1, 2, 4):
        threads(number)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.set_weights(start)
        results.append(fitted(model, x, y, batch_size=16).get_weights())
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_step_in_steady_state_takes_no_memory_from_the_system(threads):
    threads(1)  # with more, how many hold scratch memory at once is chance
    model, x, y = images()
    model.fit(x, y, batch_size=16, epochs=3, verbose=0)
    before = _core.memory_stats()["system_allocations"]
    model.fit(x, y, batch_size=16, epochs=3, verbose=0)
    assert _core.memory_stats()["system_allocations"] == before


def test_shuffling_takes_every_row_once_an_epoch():
    seen = []

    class Spy(hl.Model):
        def __init__(self):
            super().__init__()
            self.out = L.Dense(1)

        def call(self, x, training=False):
            if training:
                seen.extend(np.asarray(x)[:, 0].tolist())
            return self.out(x)

    model = Spy()
    model.compile("sgd", "mse")
    x = np.arange(10, dtype=np.float32)[:, None]
    hl.set_seed(1)
    model.fit(x, x, batch_size=4, epochs=2, verbose=0)
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10)) and seen[:10] != seen[10:]
    assert seen[:10] != list(range(10))
    seen.clear()
    model.fit(x, x, batch_size=4, shuffle=False, verbose=0)
    assert seen == list(range(10))


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.tolist(),
        lambda x: hl.Tensor(x),
        lambda x: read_only(x),
    ],
    ids=["float64", "big-endian", "fortran", "strided", "lists", "tensor", "read-only"],
)
def test_data_come_in_any_form(convert):
    plain = fitted(classifier(), X, Y)
    other = fitted(classifier(), convert(X), Y.astype(np.uint8).tolist())
    assert same(plain, other)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def test_bytes_are_scaled_batch_by_batch():
    images = RNG.integers(0, 256, (20, 5, 5, 1)).astype(np.uint8)
    labels = RNG.integers(0, 2, 20)
    models = []
    for layers, x in (
        ([L.Rescaling(1 / 255, input_shape=(5, 5, 1))], images),
        ([L.Input((5, 5, 1))], images.astype(np.float32) * np.float32(1 / 255)),
    ):
        hl.set_seed(0)
        model = hl.Sequential([*layers, L.Flatten(), L.Dense(2)])
        model.compile("sgd", hl.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, labels, batch_size=8, verbose=0)
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        assert np.abs(a - b).max() <= 1e-6


def test_validation_split_takes_the_tail():
    model = fitted(classifier(), X, Y, epochs=2, validation_split=0.25)
    history = model.history
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    other = fitted(classifier(), X[:150], Y[:150], epochs=2, validation_data=(X[150:], Y[150:]))
    assert same(model, other)
    assert other.history.history == history.history
    assert model.evaluate(X[150:], Y[150:], verbose=0) == pytest.approx(
        [history.history["val_loss"][-1], history.history["val_accuracy"][-1]]
    )


def test_sample_weights_count_as_repeated_rows():
    weights = np.repeat([1.0, 3.0], 100)
    model, other = regressor(), regressor()
    y = X @ np.ones((6, 1), np.float32)
    model.fit(X, y, batch_size=200, sample_weight=weights, shuffle=False, verbose=0)
    rows = np.repeat(np.arange(200), weights.astype(int))
    other.compile(hl.optim.SGD(lr=0.2), "mse")  # 400 rows are divided by, not 200
    other.fit(X[rows], y[rows], batch_size=400, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.abs(a - b).max() <= 1e-5


def test_class_weights_are_sample_weights():
    model = fitted(classifier(), X, Y, class_weight={0: 2.0, 2: 0.0})
    other = fitted(classifier(), X, Y, sample_weight=np.choose(Y, [2.0, 1.0, 0.0]))
    assert same(model, other)


def test_evaluate():
    model = classifier()
    loss, accuracy = model.evaluate(X, Y, batch_size=33, verbose=0)
    p = model.predict(X).astype(float)
    assert loss == pytest.approx(-np.log(p[np.arange(200), Y]).mean(), rel=1e-4)
    assert accuracy == (p.argmax(1) == Y).mean()
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx({"loss": loss, "accuracy": accuracy})
    assert isinstance(regressor().evaluate(X, X[:, 0], verbose=0), float)


def test_predict():
    model = classifier()
    y = model.predict(X, batch_size=64)
    assert isinstance(y, np.ndarray) and y.shape == (200, 3) and y.dtype == np.float32
    assert np.abs(y - model(X).numpy()).max() <= 1e-6
    assert model.predict(X[:0]).shape == (0, 3)
    assert np.array_equal(model.predict_on_batch(X[:5]), model.predict(X[:5]))


def test_on_batch():
    model, other = regressor(), regressor()
    y = X[:, 0]
    first = model.test_on_batch(X, y)
    assert model.train_on_batch(X, y) == first
    assert model.test_on_batch(X, y) <= first
    other.fit(X, y, batch_size=200, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.abs(a - b).max() <= 1e-6
    assert list(classifier().train_on_batch(X, Y, return_dict=True)) == ["accuracy", "loss"]


def test_the_state_of_the_optimizer_goes_on():
    once, twice = classifier(), classifier()
    once.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    twice.fit(X, Y, epochs=1, shuffle=False, verbose=0)
    twice.fit(X, Y, initial_epoch=1, epochs=2, shuffle=False, verbose=0)
    assert same(once, twice)


def test_compiled_models_pickle_and_deepcopy():
    model = classifier()
    model.fit(X, Y, verbose=0)
    copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    model.fit(X, Y, shuffle=False, verbose=0)
    for other in copies:
        assert not same(model, other)
        other.fit(X, Y, shuffle=False, verbose=0)
        assert same(model, other)


def test_frozen_layers_stay():
    model = classifier()
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = False
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    after = model.get_weights()
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[2], after[2])


def test_own_loss_and_metric():
    def absolute(y_true, y_pred):
        return (y_true - y_pred).abs() if hasattr(y_pred, "abs") else abs(y_true - y_pred)

    def bias(y_true, y_pred):
        return y_pred - y_true

    model = regressor()
    model.compile(hl.optim.SGD(lr=0.01), lambda t, p: (p - t) * (p - t), metrics=[bias, "mae", "mae"])
    history = model.fit(X, X[:, :1], epochs=5, verbose=0)
    assert list(history.history) == ["bias", "loss", "mae", "mae_1"]
    assert history.history["loss"][-1] <= history.history["loss"][0]


def test_softmax_and_cross_entropy_are_computed_from_logits():
    model = hl.Sequential([L.Dense(2, activation="softmax", input_shape=(1,))])
    model.compile(hl.optim.SGD(lr=1.0), "sparse_categorical_crossentropy")
    model.set_weights([np.array([[100.0, -100.0]]), np.zeros(2)])
    assert model.evaluate(np.ones((1, 1)), [1], verbose=0) == pytest.approx(200.0)
    model.fit(np.ones((1, 1)), [1], verbose=0)
    assert np.abs(model.get_weights()[0] - [[99.0, -99.0]]).max() <= 1e-5


def test_from_logits_over_a_softmax_warns():
    model = classifier(loss=hl.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.warns(UserWarning, match="come out of a softmax"):
        fitted(model, X, Y)
    assert same(model, fitted(classifier(), X, Y))


def test_other_losses_train():
    one_hot = np.eye(3)[Y]
    for loss, y in (("categorical_crossentropy", one_hot), ("mse", one_hot), ("mae", one_hot), ("huber", one_hot)):
        model = classifier(loss=loss)
        history = model.fit(X, y, epochs=3, verbose=0)
        assert history.history["loss"][-1] <= history.history["loss"][0]
    model = hl.Sequential([L.Dense(1, activation="sigmoid", input_shape=(6,))])
    model.compile(hl.optim.Adam(0.05), "binary_crossentropy", ["accuracy"])
    assert model.fit(X, X[:, 0] > 0, epochs=20, verbose=0).history["accuracy"][-1] >= 0.9


def test_metrics_are_not_weighted():
    model = classifier()
    plain = model.evaluate(X, Y, verbose=0)
    weighted = model.evaluate(X, Y, verbose=0, sample_weight=np.linspace(0, 1, 200))
    assert weighted[0] != plain[0] and weighted[1] == plain[1]


def test_the_optimizer_may_be_replaced():
    model, other = classifier(), classifier(optimizer=hl.optim.SGD(lr=0.5))
    other.set_weights(model.get_weights())
    model.optimizer = hl.optim.SGD(lr=0.5)
    assert same(fitted(model, X, Y), fitted(other, X, Y))
