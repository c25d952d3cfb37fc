"""compile, fit and evaluate: what is wrong is said before anything changes."""

import numpy as np
import pytest

import hotloop as hl
from fit_models import X, Y, classifier

L = hl.layers


def unbuilt():
    model = hl.Sequential([L.Dense(3)])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda m: hl.Sequential([L.Dense(1)]).fit(X, Y), RuntimeError, r"\[fit\] the model is not compiled"),
        (lambda m: hl.Sequential([L.Dense(1)]).evaluate(X, Y), RuntimeError, r"\[evaluate\] the model is not compiled"),
        (lambda m: m.fit(X, Y[:-1]), ValueError, r"\[fit\] lengths differ: x has 200 rows, y 199"),
        (lambda m: m.fit(X[:0], Y[:0]), ValueError, r"\[fit\] there are no data: x has shape \(0, 6\)"),
        (lambda m: m.evaluate(X[:0], Y[:0]), ValueError, "there are no data"),
        (lambda m: m.fit(X, Y + 7), ValueError, r"label out of range: row \d+ of y is \d+, wants 0 .. 2 for 3 classes"),
        (lambda m: m.fit(X, Y - 1), ValueError, r"label out of range: row \d+ of y is -1, wants 0 .. 2"),
        (lambda m: unbuilt().fit(X, Y + 7), ValueError, "label out of range: row"),
        (lambda m: m.fit(X, Y, validation_data=(X, Y + 1)), ValueError, r"\[fit: validation_data\] label out of range"),
        (lambda m: m.fit(X, Y, validation_data=X), TypeError, "validation_data wants"),
        (lambda m: m.fit(X[:, :4], Y), ValueError, r"input shape differs: expected \(None, 6\), got \(32, 4\)"),
        (lambda m: m.fit(X, np.eye(3)[Y]), ValueError, "use categorical_crossentropy"),
        (
            lambda m: m.fit(X, Y, sample_weight=np.ones(3)),
            ValueError,
            "lengths differ: x has 200 rows, sample_weight 3",
        ),
        (lambda m: m.fit(X, Y, sample_weight=np.ones((200, 2))), ValueError, "wants one weight for each row"),
        (
            lambda m: m.fit(X, Y, validation_split=1.0),
            ValueError,
            r"\[fit\] validation_split must be in \[0, 1\), got 1.0",
        ),
        (lambda m: m.fit(X, Y, batch_size=0), ValueError, r"\[fit\] batch_size must be at least 1, got 0"),
        (lambda m: m.fit(X, None), TypeError, r"\[fit\] y must be an array, got None"),
        (lambda m: m.fit(X, Y, epochs="3"), TypeError, r"\[fit\] epochs must be an integer, got '3'"),
        (lambda m: m.fit(X, Y, epochs=-1), ValueError, r"\[fit\] epochs must be at least 0, got -1"),
        (lambda m: m.fit(X, Y, initial_epoch=0.5), TypeError, r"\[fit\] initial_epoch must be an integer"),
        (lambda m: m.fit(X, Y, validation_freq=0), ValueError, r"\[fit\] validation_freq must be at least 1"),
        (lambda m: m.fit(X, Y, validation_split=float("nan")), ValueError, "validation_split must be in .* got nan"),
        (lambda m: m.fit(X, Y, validation_split="a"), TypeError, "validation_split must be a number"),
        (
            lambda m: m.fit(X, Y, validation_data=(X, Y), validation_batch_size=0),
            ValueError,
            r"\[fit\] validation_batch_size must be at least 1, got 0",
        ),
        (lambda m: m.fit(X, Y, class_weight=[1, 2, 3]), TypeError, r"\[fit\] class_weight must be a dict"),
        (lambda m: m.fit(X, Y, class_weight={0: "a"}), TypeError, r"\[fit\] class_weight\[0\] must be a number"),
        (lambda m: m.fit(X, Y, verbose=3), ValueError, r"\[fit\] unknown verbose 3"),
        (lambda m: m.predict(None), TypeError, r"\[predict\] x must be an array, got None"),
        (lambda m: m.predict(X, batch_size=2.5), TypeError, r"\[predict\] batch_size must be an integer, got 2.5"),
        (lambda m: m.evaluate(X, Y[:-1]), ValueError, r"\[evaluate\] lengths differ: x has 200 rows, y 199"),
        (lambda m: m.evaluate(X, Y + 7), ValueError, r"\[evaluate\] label out of range: row \d+ of y is \d+"),
        (lambda m: m.train_on_batch(X, Y + 7), ValueError, r"\[train_on_batch\] label out of range"),
        (lambda m: m.to("gpu"), ValueError, r"\.to\] unknown device 'gpu'.* \(choices: 'auto', 'cpu', 'cuda'\)"),
        (lambda m: m.set_weights([[[1], [2, 3]]]), TypeError, r"set_weights\] a weight must be an array"),
        (lambda m: m.optimizer.load_state_dict({}), ValueError, r"\[Adam\] not a state_dict\(\): arrays, lr, name"),
        (lambda m: m.fit(X.astype(object), Y), TypeError, r"\[fit\] x has dtype object"),
        (lambda m: m.fit(X.astype(str), Y), TypeError, r"\[fit\] x has dtype <U"),
        (lambda m: m.fit(X + 1j, Y), TypeError, r"\[fit\] x has dtype complex"),
        (lambda m: m.fit(X, Y.astype(str)), TypeError, r"\[fit\] y has dtype <U"),
        (lambda m: m.fit(X, Y + 0.5), ValueError, "row 0 of y is .*, wants class numbers"),
        (lambda m: m.fit(3.0, Y), ValueError, "x is a single number"),
        (lambda m: m.fit(X, Y, callbacks=[print]), TypeError, r"\[callbacks\] wants"),
        (lambda m: m.compile("adm", "mse"), ValueError, "unknown optimizer 'adm'; did you mean 'adam'"),
        (lambda m: m.compile("adam", "msee"), ValueError, "unknown loss 'msee'; did you mean 'mse'"),
        (
            lambda m: m.compile("adam", "mse", ["acc", "acurracy"]),
            ValueError,
            "unknown metric 'acurracy'; did you mean",
        ),
        (lambda m: m.compile("adam", "mse", device="gpu"), ValueError, "unknown device 'gpu'"),
        (lambda m: m.compile("adam", "mse", device="cuda"), RuntimeError, "asked for, but this machine has none"),
        (lambda m: m.compile("adam", "mse", "accuracy"), TypeError, "metrics must be a list"),
        (lambda m: m.compile("adam"), TypeError, r"\[compile\] loss must be a name, a Loss or a function"),
        (lambda m: m.compile("adam", hl.losses.Huber(reduction=None)), ValueError, "reduction"),
        (lambda m: m.compile(hl.optim.SGD(lr=float("nan")), "mse"), ValueError, "nan"),
        (lambda m: m.compile(3, "mse"), (TypeError, ValueError), "optimizer"),
    ],
)
def test_what_is_wrong_is_said(no_cuda, act, error, text):
    model = classifier()
    before = model.get_weights()
    with pytest.raises(error, match=text):
        act(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_regression_targets_of_another_shape():
    model = hl.Sequential([L.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"shapes differ: y is \(200, 2\), the model gives \(batch, 1\)"):
        model.fit(X, X[:, :2], verbose=0)


def test_a_model_without_weights():
    model = hl.Sequential([L.Flatten(input_shape=(6,))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no weights to train"):
        model.fit(X, X, verbose=0)
    assert model.evaluate(X, X, verbose=0) == 0.0
