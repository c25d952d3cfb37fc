"""Callbacks: the order of hooks, stopping, checkpoints, learning rates, files."""

import csv
import math

import numpy as np
import pytest

import hotloop as hl
from hotloop import callbacks as C

X = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]


def model(lr=0.1):
    hl.set_seed(0)
    made = hl.Sequential([hl.layers.Dense(1, input_shape=(1,))])
    made.compile(hl.optim.SGD(lr=lr), "mse")
    return made


def play(callback, values, name="val_loss", start=None):
    """Feeds a callback made-up epochs; returns how many ran before it stopped the training."""
    trained = start or model()
    callback.set_model(trained)
    trained.stop_training = False
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        trained.set_weights([np.full((1, 1), epoch), np.zeros(1)])
        callback.on_epoch_end(epoch, {name: value})
        if trained.stop_training:
            break
    callback.on_train_end({})
    return epoch + 1


def test_hooks_come_in_order():
    heard = []

    class Loud(C.Callback):
        pass

    def hook(name):
        return lambda self, *args: heard.append(name)

    for part in ("train", "epoch", "train_batch", "test", "test_batch", "predict", "predict_batch"):
        for end in ("begin", "end"):
            setattr(Loud, f"on_{part}_{end}", hook(f"{part}_{end}"))
    trained = model()
    loud = Loud()
    trained.fit(X, X, batch_size=16, validation_data=(X, X), epochs=2, verbose=0, callbacks=loud)
    epoch = ["epoch_begin", *["train_batch_begin", "train_batch_end"] * 2]
    epoch += ["test_begin", *["test_batch_begin", "test_batch_end"] * 2, "test_end", "epoch_end"]
    assert heard == ["train_begin", *epoch * 2, "train_end"]
    assert loud.model is trained and loud.params == {"epochs": 2, "steps": 2, "verbose": 0}
    heard.clear()
    trained.predict(X, callbacks=[loud])
    assert heard == ["predict_begin", "predict_batch_begin", "predict_batch_end", "predict_end"]
    heard.clear()
    trained.evaluate(X, X, verbose=0, callbacks=[loud])
    assert heard == ["test_begin", "test_batch_begin", "test_batch_end", "test_end"]


def test_batch_logs_are_running_means():
    losses = []
    trained = model()
    listener = C.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs))
    trained.fit(X, X, batch_size=8, verbose=0, callbacks=[listener])
    assert len(losses) == 4 and losses[-1]["loss"] == trained.history.history["loss"][0]


def test_lambda_callback_refuses_unknown_hooks():
    with pytest.raises(TypeError, match="no such hook: on_epoch_ends"):
        C.LambdaCallback(on_epoch_ends=print)


def test_early_stopping_waits():
    assert play(C.EarlyStopping(patience=0), [3, 2, 2.5, 1]) == 3
    assert play(C.EarlyStopping(patience=2), [3, 2, 2.5, 1, 1, 1, 1]) == 6
    assert play(C.EarlyStopping(patience=2, min_delta=0.5), [3, 2.8, 2.6, 1]) == 3
    assert play(C.EarlyStopping("val_accuracy", patience=1), [0.1, 0.2, 0.1, 0.3], "val_accuracy") == 3
    assert play(C.EarlyStopping(patience=2, start_from_epoch=3), [1, 2, 3, 4, 5, 6, 7]) == 6
    assert play(C.EarlyStopping(patience=2, baseline=0.5), [3, 2, 2, 1]) == 3
    assert play(C.EarlyStopping(patience=2), [3, math.nan, math.nan, 1]) == 3


def test_early_stopping_restores_the_best_weights():
    trained = model()
    stopper = C.EarlyStopping(patience=2, restore_best_weights=True)
    assert play(stopper, [3, 1, 2, 2, 2], start=trained) == 4
    assert trained.get_weights()[0] == 1 and stopper.best == 1 and stopper.best_epoch == 1
    assert play(stopper, [3, 2, 1], start=trained) == 3
    assert trained.get_weights()[0] == 2


def test_a_missing_metric_warns_once():
    stopper = C.EarlyStopping()
    with pytest.warns(UserWarning, match="monitors 'val_loss', but the logs hold only loss"):
        history = model().fit(X, X, epochs=3, verbose=0, callbacks=[stopper])
    assert len(history.epoch) == 3
    with pytest.raises(ValueError, match="unknown mode 'mni'; did you mean 'min'"):
        C.EarlyStopping(mode="mni")


def test_stop_training_within_an_epoch():
    steps = []

    class Stop(C.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)
            self.model.stop_training = batch == 1

    history = model().fit(X, X, batch_size=8, epochs=5, verbose=0, callbacks=[Stop()])
    assert steps == [0, 1] and history.epoch == [0]


def test_terminate_on_nan(capsys):
    history = model(lr=1e30).fit(X, X, batch_size=8, epochs=9, verbose=0, callbacks=[C.TerminateOnNaN()])
    assert len(history.epoch) == 1 and "training stops" in capsys.readouterr().out


def test_checkpoints(tmp_path):
    trained = model()
    pattern = str(tmp_path / "{epoch:02d}-{loss:.3f}.safetensors")
    trained.fit(X, 2 * X, epochs=3, verbose=0, callbacks=[C.ModelCheckpoint(pattern)])
    losses = trained.history.history["loss"]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{i + 1:02d}-{loss:.3f}.safetensors" for i, loss in enumerate(losses)]
    last = hl.load_model(tmp_path / names[-1])
    assert np.array_equal(last.predict(X), trained.predict(X))


def test_the_best_checkpoint_stays(tmp_path):
    path = tmp_path / "best"
    trained = model()
    saver = C.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
    play(saver, [3, 1, 2], start=trained)
    trained.load_weights(path)
    assert trained.get_weights()[0] == 1 and saver.best == 1


def test_a_subclass_is_refused_before_training(tmp_path):
    class Net(hl.Model):
        def __init__(self):
            super().__init__()
            self.out = hl.layers.Dense(1)

        def call(self, x):
            return self.out(x)

    net = Net()
    net.compile("sgd", "mse")
    with pytest.raises(TypeError, match="save_weights"):
        net.fit(X, X, verbose=0, callbacks=[C.ModelCheckpoint(tmp_path / "m")])
    net.fit(X, X, verbose=0, callbacks=[C.ModelCheckpoint(tmp_path / "m", save_weights_only=True)])
    assert (tmp_path / "m").exists()


def test_learning_rate_scheduler():
    trained = model()
    history = trained.fit(X, X, epochs=3, verbose=0, callbacks=[C.LearningRateScheduler(lambda e, lr: lr / 2)])
    assert history.history["learning_rate"] == pytest.approx([0.05, 0.025, 0.0125])
    with pytest.raises(TypeError, match="schedule must give a number"):
        trained.fit(X, X, verbose=0, callbacks=[C.LearningRateScheduler(lambda e, lr: None)])


def test_reduce_on_plateau():
    trained = model(lr=1.0)
    play(C.ReduceLROnPlateau(factor=0.5, patience=2), [3, 3, 3, 3, 3], start=trained)
    assert trained.optimizer.lr == pytest.approx(0.25)
    trained = model(lr=1.0)
    play(C.ReduceLROnPlateau(factor=0.1, patience=1, cooldown=1, min_lr=0.05), [3] * 7, start=trained)
    assert trained.optimizer.lr == pytest.approx(0.05)
    with pytest.raises(ValueError, match="factor must be in"):
        C.ReduceLROnPlateau(factor=1.0)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: C.LearningRateScheduler(0.1), TypeError, r"\[LearningRateScheduler\] schedule must be a function"),
        (lambda: C.ReduceLROnPlateau(factor="a"), TypeError, "factor must be a number, got 'a'"),
        (lambda: C.ReduceLROnPlateau(min_lr=float("nan")), ValueError, r"min_lr must be in \[0, inf\), got nan"),
        (lambda: C.ReduceLROnPlateau(patience=-1), ValueError, "patience must be at least 0, got -1"),
        (lambda: C.EarlyStopping(patience="a"), TypeError, r"\[EarlyStopping\] patience must be an integer"),
        (lambda: C.EarlyStopping(monitor=3), TypeError, r"\[EarlyStopping\] monitor must be a name in the logs, got 3"),
        (lambda: C.EarlyStopping(min_delta="a"), TypeError, r"\[EarlyStopping\] min_delta must be a number"),
    ],
)
def test_bad_arguments_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("rate", ["a", None, float("nan"), -1.0])
def test_a_scheduled_rate_is_checked(rate):
    trained = model()
    with pytest.raises((TypeError, ValueError), match=r"^\[(LearningRateScheduler|SGD)\] "):
        trained.fit(X, X, verbose=0, callbacks=[C.LearningRateScheduler(lambda e, lr: rate)])
    assert trained.optimizer.step_count == 0


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    trained = model()
    trained.fit(X, X, epochs=2, verbose=0, callbacks=[C.CSVLogger(path)])
    trained.fit(X, X, epochs=3, initial_epoch=2, verbose=0, callbacks=[C.CSVLogger(path, append=True)])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[2]["loss"]) == trained.history.history["loss"][0]
