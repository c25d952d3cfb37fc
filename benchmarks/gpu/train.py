"""MNIST on the GPU against the CPU: the same first losses, and the accuracy after a few epochs.

    python benchmarks/gpu/train.py --data DIR [--device cuda] > train.jsonl

A line of JSON for each check with its limit; fails where one is missed. The first steps begin with the same weights and
see the same batches on both devices.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import hotloop as hl
import mnist_cnn as cnn

LIMITS = {"SGD": 1e-4, "Adam": 1e-2}  # largest relative deviation of a loss
ACCURACY = 0.99


def optimizers():
    return {"SGD": lambda: hl.optim.SGD(lr=0.05), "Adam": lambda: hl.optim.Adam(lr=cnn.LEARNING_RATE)}


def losses(device, optimizer, data, steps, batch_size):
    """The losses of the first steps, (steps,)."""
    images, labels = data
    model = cnn.hotloop_model(optimizer, device=device)
    model.set_weights(cnn.initial_weights(0))
    batches = [slice(i * batch_size, (i + 1) * batch_size) for i in range(steps)]
    return np.array([float(model.train_on_batch(images[batch], labels[batch])) for batch in batches])


def compare_losses(device, data, steps, batch_size):
    for name, build in optimizers().items():
        cpu, other = (losses(where, build(), data, steps, batch_size) for where in ("cpu", device))
        deviation = float(np.max(np.abs(other / cpu - 1)))
        yield {
            "check": f"losses of the first {steps} steps, {name}: largest relative deviation from the CPU's",
            "value": deviation,
            "limit": LIMITS[name],
            "ok": deviation <= LIMITS[name],
            "cpu": cpu.tolist(),
            device: other.tolist(),
        }


def best_accuracy(device, train, test, epochs, batch_size):
    hl.set_seed(0)
    steps = epochs * -(-len(train[0]) // batch_size)
    rate = hl.optim.schedules.cosine(cnn.LEARNING_RATE, steps)
    model = cnn.hotloop_model(hl.optim.Adam(lr=rate), metrics=["accuracy"], device=device)
    history = model.fit(*train, epochs=epochs, batch_size=batch_size, validation_data=test, verbose=0)
    curve = [float(value) for value in history.history["val_accuracy"]]
    return {
        "check": f"best test accuracy within {epochs} epochs",
        "value": max(curve),
        "limit": ACCURACY,
        "ok": max(curve) >= ACCURACY,
        "epochs": curve,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with the four IDX files, .gz or plain")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5, help="0: losses alone")
    options = parser.parse_args()
    train, test = cnn.read_mnist(options.data, "train"), cnn.read_mnist(options.data, "t10k")
    good = True
    for line in compare_losses(options.device, train, options.steps, options.batch_size):
        print(json.dumps(line), flush=True)
        good &= line["ok"]
    if options.epochs:
        line = best_accuracy(options.device, train, test, options.epochs, options.batch_size)
        print(json.dumps(line), flush=True)
        good &= line["ok"]
    sys.exit(not good)


if __name__ == "__main__":
    main()
