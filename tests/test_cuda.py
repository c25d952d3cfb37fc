"""Tensors and models on device="cuda" and the steps that are captured; arrays and ops have files of their own.

Runs where there is a device: a GPU, or with HOTLOOP_CUDA_BACKEND=emulated the emulation of tests/cuda_emulation.
"""

import copy
import re

import numpy as np
import pytest

import hotloop as hl
from hotloop import captured

if not hl.cuda.is_available():
    pytest.skip("no CUDA device, and no emulation asked for", allow_module_level=True)

L = hl.layers


def there(x):
    return hl.array(x, device="cuda")


@pytest.fixture
def x():
    return np.random.default_rng(3).standard_normal((4, 5, 6)).astype(np.float32)


# ---- Tensors and models ---------------------------------------------------------------------------------------------


def test_tensors_move_on_the_tape(x):
    t = hl.Tensor(x, requires_grad=True)
    y = (t.to("cuda") * 3).sum()
    assert isinstance(y.data, hl.CudaArray)
    y.to("cpu").backward()
    assert type(t.grad) is np.ndarray
    assert np.all(t.grad == 3)
    assert t.to("cpu") is t


def test_gradients_add_up_over_uses_there(x):
    def gradient(array):
        t = hl.Tensor(array, requires_grad=True)
        a = t.reshape(20, 6)
        y = (a * a + a.T.T + a[3:4] * 2).sum() + (a.mean(axis=0) ** 3).sum() + t.max(axis=1).sum()
        y.backward()
        y = (t * 2).sum()
        y.backward()
        return np.asarray(t.grad)

    assert np.max(np.abs(gradient(x) - gradient(there(x)))) < 1e-5


def cnn(seed=0, *more):
    hl.set_seed(seed)
    return hl.Sequential(
        [
            L.Rescaling(1 / 255),
            L.Conv2D(4, (3, 3), activation="relu"),
            L.MaxPooling2D((2, 2)),
            L.Flatten(),
            *more,
            L.Dense(16, activation="relu"),
            L.Dense(10, activation="softmax"),
        ]
    )


def images(n=200):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 10, n)
    pictures = rng.integers(0, 64, (n, 12, 12, 1), dtype=np.uint8)
    pictures[np.arange(n), labels, :, 0] += 150  # a bright row tells the class
    return pictures, labels


def trained(device, optimizer="adam", more=(), epochs=3, **fit):
    model = cnn(0, *[make() for make in more])
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"], device=device)
    history = model.fit(*images(), epochs=epochs, batch_size=32, verbose=0, **fit).history
    return model, history


OPTIMIZERS = {
    "sgd": lambda: hl.optim.SGD(lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda: hl.optim.Adam(lr=hl.optim.schedules.cosine(3e-3, 30)),
    "adamw": lambda: hl.optim.AdamW(amsgrad=True),
    "nadam": hl.optim.Nadam,
    "rmsprop": lambda: hl.optim.RMSprop(momentum=0.5, centered=True),
    "adagrad": hl.optim.Adagrad,
    "lion": hl.optim.Lion,
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_is_that_of_the_cpu(optimizer, capsys):
    """Adam's kind amplifies rounding where gradients are near 0, so weights agree less well than losses."""
    here, history = trained("cpu", OPTIMIZERS[optimizer](), [lambda: L.Dropout(0.3), lambda: L.Dropout(0.1, seed=4)])
    cuda, history_there = trained(
        "cuda", OPTIMIZERS[optimizer](), [lambda: L.Dropout(0.3), lambda: L.Dropout(0.1, seed=4)]
    )
    for name, values in history.items():
        assert np.max(np.abs(np.subtract(values, history_there[name]))) <= 1e-2, name
    assert all(isinstance(w.data, hl.CudaArray) for w in cuda.weights)
    for a, b in zip(here.get_weights(), cuda.get_weights(), strict=True):
        assert np.mean(np.abs(a - b)) <= 1e-3
    assert "op by op" not in capsys.readouterr().err


def test_runs_on_the_device_are_the_same_bits():
    first, second = (trained("cuda")[0].get_weights() for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def replays(monkeypatch):
    """How many steps were captured, replayed and run op by op."""
    counts = {"captured": 0, "replayed": 0, "eager": 0}

    def counted(name, function):
        def call(*args):
            counts[name] += 1
            return function(*args)

        return call

    steps = captured.DeviceSteps
    monkeypatch.setattr(steps, "_capture", counted("captured", steps._capture))
    monkeypatch.setattr(steps, "_replay", counted("replayed", steps._replay))
    monkeypatch.setattr(steps, "_run_eager", counted("eager", steps._run_eager))
    return counts


def test_steps_are_captured_once_for_each_batch_size_and_replayed(replays):
    trained("cuda", epochs=4)  # 200 rows: 6 batches of 32 and one of 8
    assert replays["captured"] == 2
    assert replays["eager"] == 4
    assert replays["replayed"] == 4 * 7 - 1 - 4  # the first step of all checks the targets


def test_a_captured_step_takes_no_memory():
    model, _ = trained("cuda")
    before = hl.cuda.memory_stats()["system_allocations"]
    model.fit(*images(), epochs=3, batch_size=32, verbose=0)
    first = hl.cuda.memory_stats()["system_allocations"]
    model.fit(*images(), epochs=6, batch_size=32, verbose=0)
    assert hl.cuda.memory_stats()["system_allocations"] - first <= first - before


def test_a_model_that_reads_values_runs_op_by_op(replays, capsys):
    class Reads(hl.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(10)

        def call(self, x):
            y = self.dense(hl.rescale(x, 1 / 255).reshape((x.shape[0], 144)))
            return y if y.sum().item() > 0 else -y

    def fit(device):
        hl.set_seed(1)
        model = Reads()
        loss = hl.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, ["accuracy"], device=device)
        return model.fit(*images(), epochs=2, batch_size=40, verbose=0).history

    assert np.max(np.abs(np.subtract(fit("cuda")["loss"], fit("cpu")["loss"]))) <= 1e-4
    assert replays["captured"] == 1
    assert replays["replayed"] == 0
    assert capsys.readouterr().err.count("runs op by op") == 1


def test_a_metric_of_the_users_own_sees_arrays(capsys):
    def largest(y_true, y_pred):
        assert type(y_pred) is np.ndarray
        return y_pred.max(axis=-1)

    model = cnn()
    model.compile("adam", "sparse_categorical_crossentropy", [largest, "accuracy"], device="cuda")
    history = model.fit(*images(), epochs=2, batch_size=64, verbose=0).history
    assert 0.1 <= history["largest"][-1] <= 1
    assert "looks at the predictions on the host" in capsys.readouterr().err


def test_an_exception_in_the_captured_step_leaves_a_usable_model(monkeypatch):
    model, _ = trained("cuda")
    step = type(model)._train_on

    def failing(self, x, y, weight, check=None):
        result = step(self, x, y, weight, check)
        if isinstance(failing.calls, int):
            failing.calls += 1
            if failing.calls == 4:
                raise KeyboardInterrupt
        return result

    failing.calls = 0
    monkeypatch.setattr(type(model), "_train_on", failing)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*images(), epochs=2, batch_size=32, verbose=0)
    monkeypatch.setattr(type(model), "_train_on", step)
    assert np.isfinite(model.evaluate(*images(), verbose=0)).all()
    assert np.isfinite(model.fit(*images(), epochs=1, batch_size=32, verbose=0).history["loss"]).all()


def test_learns(capsys):
    model, history = trained("cuda", hl.optim.Adam(lr=0.01), epochs=20)
    assert history["accuracy"][-1] >= 0.9
    pictures, labels = images()
    found = model.predict(pictures)
    assert type(found) is np.ndarray
    assert model.evaluate(pictures, labels, verbose=0)[1] == np.mean(found.argmax(axis=1) == labels)


@pytest.mark.parametrize(
    ("loss", "last", "targets", "metrics"),
    [
        ("mse", lambda: L.Dense(3), lambda n: np.random.default_rng(0).standard_normal((n, 3)), ["mae", "mse", "rmse"]),
        ("mae", lambda: L.Dense(1), lambda n: np.random.default_rng(0).standard_normal(n), ["mae"]),
        ("huber", lambda: L.Dense(3), lambda n: np.random.default_rng(0).standard_normal((n, 3)), []),
        ("binary_crossentropy", lambda: L.Dense(1, activation="sigmoid"), lambda n: np.arange(n) % 2, ["accuracy"]),
        (
            hl.losses.BinaryCrossentropy(label_smoothing=0.1),
            lambda: L.Dense(2, activation="sigmoid"),
            lambda n: np.stack([np.arange(n) % 2, np.arange(n) % 3 == 0], 1),
            ["binary_accuracy"],
        ),
        (
            hl.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
            lambda: L.Dense(4),
            lambda n: np.eye(4)[np.arange(n) % 4],
            ["accuracy", "categorical_accuracy"],
        ),
        ("sparse_categorical_crossentropy", lambda: L.Dense(4, activation="softmax"), lambda n: np.arange(n) % 4, []),
    ],
)
def test_losses_and_metrics_are_those_of_the_cpu(loss, last, targets, metrics, capsys):
    inputs = np.random.default_rng(2).standard_normal((90, 7))

    def fit(device):
        hl.set_seed(3)
        model = hl.Sequential([L.Dense(8, activation="tanh"), last()])
        model.compile("adam", loss, metrics, device=device)
        weight = np.linspace(0.5, 2, 90)
        history = model.fit(inputs, targets(90), epochs=3, batch_size=32, verbose=0, sample_weight=weight).history
        return {**history, "evaluate": model.evaluate(inputs, targets(90), verbose=0)}

    here, cuda = fit("cpu"), fit("cuda")
    for name, values in here.items():
        assert np.max(np.abs(np.subtract(values, cuda[name]))) <= 1e-4, name
    assert "op by op" not in capsys.readouterr().err


def test_models_move_save_and_copy(tmp_path):
    model, _ = trained("cuda")
    pictures, labels = images()
    want = model.predict(pictures)
    model.save(tmp_path / "model.npz")
    loaded = hl.load_model(tmp_path / "model.npz")
    assert loaded.device == "cuda"
    assert np.array_equal(loaded.predict(pictures), want)
    around = hl.Sequential([loaded, L.Rescaling(2.0)])
    assert np.array_equal(around.predict(pictures), 2 * want)
    copied = copy.deepcopy(model)
    assert np.array_equal(copied.predict(pictures), want)
    model.to("cpu")
    assert all(type(w.data) is np.ndarray for w in model.weights)
    assert np.max(np.abs(model.predict(pictures) - want)) <= 1e-5
    state = model.optimizer.state_dict()
    assert all(type(array) is np.ndarray for array in state["arrays"].values())
    model.to("cuda")
    model.fit(pictures, labels, epochs=1, batch_size=32, verbose=0)
    assert model.optimizer.step_count == 4 * 7


def test_a_model_built_by_hand_has_its_weights_there():
    for model in (cnn(), hl.Sequential([cnn(), L.Dense(3)])):
        model.compile("adam", "mse", device="cuda")
        model.build((None, 12, 12, 1))
        model.set_weights([w + 1 for w in model.get_weights()])
        assert all(isinstance(w.data, hl.CudaArray) for w in model.weights)
        assert np.isfinite(model.predict(images(3)[0])).all()


def test_clip_grad_norm(x):
    here, cuda = hl.Tensor(x, requires_grad=True), hl.Tensor(there(x), requires_grad=True)
    for t in (here, cuda):
        (t * t).sum().backward()
    assert abs(hl.clip_grad_norm([here], 1.0) - hl.clip_grad_norm([cuda], 1.0)) < 1e-5
    assert np.max(np.abs(here.grad - cuda.grad.numpy())) < 1e-6


def test_fit_refuses_labels_before_any_step():
    model = cnn()
    model.compile("adam", "sparse_categorical_crossentropy", device="cuda")
    pictures, labels = images()
    labels[7] = 10
    with pytest.raises(ValueError, match=re.escape("label out of range: row 7 of y is 10")):
        model.fit(pictures, labels, verbose=0)


def test_a_float64_model_has_no_place_there():
    model = hl.Sequential([L.Dense(3, dtype="float64", input_shape=(4,))])
    with pytest.raises(TypeError, match="float64 has no place on CUDA"):
        model.to("cuda")
