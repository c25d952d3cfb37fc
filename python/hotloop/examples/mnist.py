"""Trains the Keras tutorial's convolutional network on MNIST.

    python -m hotloop.examples.mnist [--data DIR] [--epochs N] [--batch-size N] [--device D]

Where MNIST is not at hand and can't be downloaded, scikit-learn's small digits take its place.
"""

import argparse
import time

import numpy as np

import hotloop as hl
from hotloop.examples._common import BLUE, ORANGE, RED, clean, new_figure, picture, positive, save

RATE = 1e-3


def load(folder):
    """(name, (train, test)): MNIST if it can be had; the digits take its place only where no folder was named."""
    if folder is not None:
        return "MNIST", hl.data.mnist(folder)
    try:
        return "MNIST", hl.data.mnist()
    except (FileNotFoundError, ImportError):
        print("MNIST was not found and not downloaded (--data DIR names a folder): training on scikit-learn's digits")
    return "Digits", hl.data.digits()


def build():
    """The network: two convolutions, each followed by a pool, then two dense layers; 225,034 weights."""
    return hl.Sequential(
        [
            hl.layers.Rescaling(1 / 255, input_shape=(28, 28, 1)),  # in the model, so that the images stay bytes
            hl.layers.Conv2D(32, (3, 3), activation="relu"),
            hl.layers.MaxPooling2D((2, 2)),
            hl.layers.Conv2D(64, (3, 3), activation="relu"),
            hl.layers.MaxPooling2D((2, 2)),
            hl.layers.Flatten(),
            hl.layers.Dense(128, activation="relu"),
            hl.layers.Dense(10, activation="softmax"),
        ]
    )


def learning_rate(schedule, steps):
    """A constant rate, or one that falls to 0 over all steps as a half cosine wave."""
    return hl.optim.schedules.cosine(RATE, steps) if schedule == "cosine" else RATE


class Stopwatch(hl.callbacks.Callback):
    """Seconds spent in training; the tests between the epochs don't count."""

    seconds = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.seconds += time.perf_counter() - self._start


def train(model, train_set, test_set, options):
    """Compiles and fits. The test set is looked at after every epoch for the curves; nothing is chosen by it."""
    steps = options.epochs * -(-len(train_set[0]) // options.batch_size)
    model.compile(
        optimizer=hl.optim.Adam(lr=learning_rate(options.schedule, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        device=options.device,
    )
    watch = Stopwatch()
    history = model.fit(
        *train_set,
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_data=test_set,
        callbacks=[watch],
    )
    return history.history, options.epochs * len(train_set[0]) / watch.seconds


def draw(path, title, history, x, y, probabilities):
    """The learning curves above a grid of test images with what the network took them for."""
    figure = new_figure(11, 8.5, title)
    if figure is None:
        return
    top, bottom = figure.subfigures(2, 1, height_ratios=(2, 3))
    left, right = top.subplots(1, 2)
    draw_curve(left, history, "loss", "Cross-entropy loss")
    draw_curve(right, history, "accuracy", "Accuracy")
    draw_images(bottom, x, y, probabilities)
    save(figure, path)


def draw_curve(axes, history, key, title):
    epochs = np.arange(1, len(history[key]) + 1)
    axes.plot(epochs, history[key], color=BLUE, marker="o", label="training (mean over the epoch)")
    axes.plot(epochs, history[f"val_{key}"], color=ORANGE, marker="s", label="test (after the epoch)")
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.locator_params(axis="x", integer=True)
    clean(axes, title, "epoch", key)
    axes.legend(frameon=False)


def draw_images(figure, x, y, probabilities, rows=4, columns=10):
    """Test images with the network's guesses: the first of them, then the mistakes it was surest of."""
    guesses, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(guesses != y)
    mistakes = wrong[np.argsort(-certainty[wrong])][:columns]
    others = np.setdiff1d(np.arange(len(y)), mistakes)[: rows * columns - len(mistakes)]
    figure.suptitle(
        f"Test images and what they were read as; framed, the surest of {len(wrong):,} mistakes in {len(y):,}",
        fontsize=11,
    )
    for axes, i in zip(figure.subplots(rows, columns).flat, [*others, *mistakes], strict=False):
        draw_image(axes, x[i], guesses[i], y[i])


def draw_image(axes, image, guess, label):
    right = guess == label
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
    axes.set_title(f"{guess}" if right else f"{label} read as {guess}", color="black" if right else RED, fontsize=10)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="lightgrey" if right else RED, linewidth=1 if right else 2)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m hotloop.examples.mnist", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", metavar="DIR", help="folder with the four IDX files; default $HOTLOOP_DATA/mnist or a download"
    )
    parser.add_argument("--epochs", type=positive, default=5, metavar="N")
    parser.add_argument("--batch-size", type=positive, default=128, metavar="N")
    parser.add_argument(
        "--schedule", choices=["cosine", "constant"], default="cosine", help=f"of the rate, from {RATE}"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first weights and of the shuffling")
    parser.add_argument("--plot", type=picture, default="hotloop_mnist.png", metavar="FILE")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    hl.set_seed(options.seed)
    name, ((x_train, y_train), (x_test, y_test)) = load(options.data)
    x_train, x_test = x_train[..., None], x_test[..., None]  # one channel, grey
    print(f"{name}: {len(x_train):,} training and {len(x_test):,} test images")

    model = build()
    model.summary()
    history, speed = train(model, (x_train, y_train), (x_test, y_test), options)

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.2%}, {speed:,.0f} images per second in training")
    title = f"{name}: {accuracy:.2%} of the test images right"
    draw(options.plot, title, history, x_test, y_test, model.predict(x_test, verbose=0))


if __name__ == "__main__":
    main()
