"""fit: what it prints, and what is left when it is interrupted."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import hotloop as hl
from fit_models import X, Y, classifier
from hotloop.callbacks import LambdaCallback


def test_verbose_prints_a_line_an_epoch(capsys):
    model = classifier()
    model.fit(X, Y, epochs=2, validation_split=0.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2" and lines[2] == "Epoch 2/2" and len(lines) == 4
    assert lines[1].startswith("4/4 - 0s ") and "/step - accuracy: " in lines[1]
    assert [part.split(":")[0] for part in lines[1].split(" - ")[2:]] == [
        "accuracy",
        "loss",
        "val_accuracy",
        "val_loss",
    ]
    model.evaluate(X, Y)
    assert capsys.readouterr().out.startswith("7/7 - 0s ")
    model.fit(X, Y, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    classifier().fit(X, Y, epochs=2)
    out = capsys.readouterr().out
    assert "\r" in out and "━" in out and "7/7" in out and "/step - accuracy: " in out
    assert out.endswith("\n")


class Stop(hl.callbacks.Callback):
    def __init__(self, error):
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_a_usable_model(error):
    model = classifier()
    steps = []
    with pytest.raises(error):
        model.fit(
            X, Y, verbose=0, callbacks=[Stop(error), LambdaCallback(on_batch_begin=lambda b, logs: steps.append(b))]
        )
    assert steps == [0, 1, 2]
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert model.predict(X[:2]).shape == (2, 3)
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert len(history.epoch) == 2


def test_ctrl_c(tmp_path):
    program = textwrap.dedent("""
        import os, signal, sys, threading
        import numpy as np
        import hotloop as hl

        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
        model = hl.Sequential([hl.layers.Dense(32, activation="relu", input_shape=(16,)), hl.layers.Dense(1)])
        model.compile("adam", "mse")
        x = np.random.default_rng(0).standard_normal((4096, 16))
        def interrupt(epoch, logs):
            if epoch == 1:
                threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

        started = hl.callbacks.LambdaCallback(on_epoch_begin=interrupt)
        try:
            model.fit(x, x[:, 0], epochs=100000, batch_size=16, callbacks=[started], verbose=0)
        except KeyboardInterrupt:
            model.fit(x, x[:, 0], epochs=1, verbose=0)
            print("usable", bool(np.isfinite(model.predict(x)).all()))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "usable True\n", done.stderr
