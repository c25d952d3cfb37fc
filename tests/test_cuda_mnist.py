"""The tutorial's CNN on real MNIST on device="cuda": the losses of the CPU, step by step, and the example program.

Runs where there is a device: a GPU, or with HOTLOOP_CUDA_BACKEND=emulated the emulation of tests/cuda_emulation.
"""

import re

import numpy as np
import pytest

import hotloop as hl
from hotloop import captured
from hotloop.examples import mnist

if not hl.cuda.is_available():
    pytest.skip("no CUDA device, and no emulation asked for", allow_module_level=True)

EPOCHS, BATCH, IMAGES = 2, 12, 300  # 50 steps


class Losses(hl.callbacks.Callback):
    """The loss of each batch, from the running mean over the epoch."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_epoch_begin(self, epoch, logs=None):
        self._sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.losses.append(total - self._sum)
        self._sum = total


@pytest.fixture(scope="module")
def data(mnist_dir):
    (images, labels), _ = hl.data.mnist(mnist_dir)
    return images[:IMAGES, ..., None], labels[:IMAGES]


def losses_on(device, optimizer, data):
    # With some seeds two pixels of a window come so close that rounding decides which one is the largest: the losses
    # part by some thousandths from there on, as they do on one device when sums are taken in another order.
    hl.set_seed(2)
    model = mnist.build()
    model.compile(optimizer, "sparse_categorical_crossentropy", device=device)
    watch = Losses()
    model.fit(*data, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[watch])
    return np.array(watch.losses)


@pytest.mark.parametrize(
    ("optimizer", "tolerance"), [(lambda: hl.optim.SGD(lr=0.05), 1e-4), (lambda: hl.optim.Adam(lr=1e-3), 1e-2)]
)
def test_the_losses_of_the_first_50_steps_are_the_cpus(data, optimizer, tolerance, monkeypatch, capsys):
    replay, replays = captured.DeviceSteps._replay, []
    monkeypatch.setattr(captured.DeviceSteps, "_replay", lambda *args: replays.append(0) or replay(*args))
    there, here = (losses_on(device, optimizer(), data) for device in ("cuda", "cpu"))
    assert len(there) == EPOCHS * IMAGES // BATCH == 50
    assert len(replays) >= 45  # most steps are those of the captured graph
    assert np.max(np.abs(there / here - 1)) <= tolerance
    assert here[-10:].mean() < 0.7 * here[:10].mean()  # it learns: the losses are not those of the first weights
    assert "op by op" not in capsys.readouterr().err


def test_the_example_runs_there(mnist_dir, tmp_path, monkeypatch, capsys):
    whole = hl.data.mnist

    def first_items(folder):
        (x_train, y_train), (x_test, y_test) = whole(folder)
        return (x_train[:256], y_train[:256]), (x_test[:64], y_test[:64])

    monkeypatch.setattr(hl.data, "mnist", first_items)
    options = ["--data", str(mnist_dir), "--epochs", "2", "--batch-size", "24", "--plot", str(tmp_path / "a.png")]
    mnist.main([*options, "--device", "cuda"])
    text = capsys.readouterr().out
    assert "MNIST: 256 training and 64 test images" in text
    assert float(re.search(r"test accuracy ([\d.]+)%", text)[1]) >= 20
    assert (tmp_path / "a.png").stat().st_size > 0
