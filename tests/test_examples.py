"""The example programs, run as users run them, with little work."""

import argparse
import itertools
import os
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

import hotloop as hl
from hotloop.examples import _common, mnist, regression

PNG = b"\x89PNG\r\n\x1a\n"
NOWHERE = "http://127.0.0.1:9"  # the discard port: a proxy that answers nobody, so that nothing is downloaded


def run(folder, *arguments, ok=True, **variables):
    """Runs `python -m ...` in `folder`, without network, data or cache; returns what it printed."""
    environment = {
        key: value for key, value in os.environ.items() if key != "HOTLOOP_DATA" and "proxy" not in key.lower()
    }
    environment |= {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "XDG_CACHE_HOME": str(folder), "HOME": str(folder)}
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment |= {"MPLCONFIGDIR": matplotlib.get_cachedir()} | variables  # else each run lists all fonts anew
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def accuracy_in(text):
    return float(re.search(r"test accuracy ([\d.]+)%", text)[1])


# -- mnist ------------------------------------------------------------------------------------------------------------


def test_mnist_without_data_learns_the_digits(tmp_path):
    text = run(tmp_path, "hotloop.examples.mnist", "--epochs", "4", "--batch-size", "32")
    notes = [line for line in text.splitlines() if "not downloaded" in line]
    assert len(notes) == 1 and "digits" in notes[0]
    assert "Digits: 1,442 training and 355 test images" in text
    assert "225,034" in text  # the summary's number of weights
    assert re.search(r"[\d,]+ images per second", text)
    assert accuracy_in(text) >= 90
    assert (tmp_path / "hotloop_mnist.png").read_bytes().startswith(PNG)


def test_mnist_same_seed_same_result(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hl.data, "mnist", lambda folder: hl.data.digits())
    plot = tmp_path / "curves.svg"
    results = []
    for seed in "112":
        mnist.main(["--data", "any", "--epochs", "1", "--schedule", "constant", "--seed", seed, "--plot", str(plot)])
        results.append(re.search(r"test loss [\d.]+, test accuracy [\d.]+%", capsys.readouterr().out)[0])
    assert results[0] == results[1] != results[2]
    assert plot.stat().st_size > 0


def test_mnist_from_a_folder(mnist_dir, tmp_path, monkeypatch, capsys):
    whole = hl.data.mnist

    def first_items(folder):
        (x_train, y_train), (x_test, y_test) = whole(folder)
        return (x_train[:2000], y_train[:2000]), (x_test[:500], y_test[:500])

    monkeypatch.setattr(hl.data, "mnist", first_items)
    plot = tmp_path / "picture.png"
    mnist.main(["--data", str(mnist_dir), "--epochs", "2", "--batch-size", "32", "--plot", str(plot)])
    text = capsys.readouterr().out
    assert "MNIST: 2,000 training and 500 test images" in text
    assert accuracy_in(text) >= 85
    assert plot.read_bytes().startswith(PNG)


def test_mnist_without_matplotlib(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # an import of it fails
    history = {key: [0.5] for key in ("loss", "val_loss", "accuracy", "val_accuracy")}
    images, labels = np.zeros((3, 28, 28, 1), np.uint8), np.zeros(3, np.uint8)
    mnist.draw(tmp_path / "a.png", "title", history, images, labels, np.eye(3, 10))
    assert "matplotlib is missing" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_mnist_damaged_files_are_an_error(tmp_path):
    (tmp_path / "mnist").mkdir()
    for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "mnist" / f"{stem}-ubyte").write_bytes(b"not an IDX file")
    text = run(tmp_path, "hotloop.examples.mnist", HOTLOOP_DATA=str(tmp_path), ok=False)
    assert "ValueError" in text and "digits" not in text


def test_mnist_a_named_folder_must_be_there(tmp_path):
    text = run(tmp_path, "hotloop.examples.mnist", "--data", "nowhere", ok=False)
    assert "[mnist] no such folder" in text and "nowhere" in text


# -- regression -------------------------------------------------------------------------------------------------------


def test_regression(tmp_path):
    text = run(tmp_path, "hotloop.examples.regression", "--plot", "lines.png")
    for plan in regression.PLANS:
        for schedule in regression.SCHEDULES:
            (row,) = (line for line in text.splitlines() if line.startswith(plan.name) and schedule in line)
            slope_off, intercept_off = (abs(float(cell)) for cell in (row.split()[-3], row.split()[-1]))
            assert max(slope_off, intercept_off) <= largest_difference(plan, schedule), row
    for penalty in ("L1", "L2"):
        (row,) = (line for line in text.splitlines() if line.startswith(f"{penalty} "))
        assert abs(float(row.split()[3])) <= 1e-5 and abs(float(row.split()[6])) <= 1e-5, row
    differences = [float(line.split()[-1]) for line in table_after(text, "measurement")]
    assert len(differences) == 11 and max(map(abs, differences)) <= 1e-2
    tests = {line.rsplit(maxsplit=3)[0].strip(): float(line.split()[-2]) for line in table_after(text, "model")}
    assert abs(tests["linear, gradient descent"] - tests["linear, closed form"]) <= 0.01
    assert tests["network 10-32-1"] <= 62  # points; the mean alone makes an error of 71
    assert (tmp_path / "lines.png").read_bytes().startswith(PNG)


def largest_difference(plan, schedule):
    """A fixed rate leaves the noise of the samples in; only the whole set has none."""
    if plan.batch == regression.SAMPLES:
        return 1e-3
    return 0.5 if schedule == "fixed" else 0.02


def table_after(text, header):
    """The rows of the printed table whose first column has that header."""
    rows = iter(text.splitlines())
    next(row for row in rows if row.startswith(header))
    next(rows)
    return list(itertools.takewhile(str.strip, rows))


@pytest.mark.parametrize("l1, l2", [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.3, 0.4), (100.0, 0.0)])
def test_penalised_line_is_the_minimum(l1, l2):
    x, y = regression.sample_line(seed=3)

    def objective(slope, intercept):
        return np.mean((slope * x + intercept - y) ** 2) + l1 * abs(slope) + l2 * slope**2

    best = regression.penalised_line(x, y, l1, l2)
    for step in itertools.product((-1e-3, 0, 1e-3), repeat=2):
        assert objective(*best) <= objective(*np.add(best, step)) + 1e-12


def test_least_squares_recovers_what_made_the_data():
    random = np.random.default_rng(0)
    x, truth = random.normal(size=(50, 4)), random.normal(size=4)
    coefficients, intercept = regression.least_squares(x, x @ truth + 7)
    assert np.abs(coefficients - truth).max() <= 1e-12 and abs(intercept - 7) <= 1e-12


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a.jpeg", "picture", "no/such/folder/a.png"])
def test_pictures_are_refused_before_any_training(text):
    with pytest.raises(argparse.ArgumentTypeError):
        _common.picture(text)


@pytest.mark.parametrize("option", ["--epochs", "--batch-size"])
def test_numbers_must_be_positive(option, capsys):
    with pytest.raises(SystemExit):
        mnist.parse([option, "0"])
    assert "at least 1" in capsys.readouterr().err
