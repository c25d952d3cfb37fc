"""One training step of the MNIST CNN, side by side: hotloop, PyTorch, Keras on TensorFlow, JAX.

    python benchmarks/mnist_step.py --data DIR [--batch-size 128] [--threads N] [--json FILE]

Forward, backward, Adam and reading the loss, in float32; batches lie in each framework's own kind of array beforehand.
Every row starts from the same NumPy weights and sees the same batches in the same order; the losses of the first steps
must agree before a time is worth reading. What is not installed is listed as such.
"""

import argparse
import itertools
import os
import sys

import numpy as np

import mnist_cnn as cnn
import peers
from peers import Peer

# Without these glibc may return each large tensor to the system and take the page faults again in the next step;
# whether it does depends on the layout of the heap, so that an untuned row can double from one process to the next.
TUNED_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}  # off by default on CPUs without AVX-512


def build(trainer, data, batch_size, batches, threads, seed, **variant):
    """Returns: work() that trains on the next of `batches` batches, over and over, and returns the loss."""
    images, labels = cnn.read_mnist(data, "train")
    step, prepare = trainer(cnn.initial_weights(seed), threads, **variant)
    starts = range(0, batches * batch_size, batch_size)
    if starts.stop > len(images):
        raise ValueError(f"[mnist_step] too few images: {starts.stop} wanted, {len(images)} in {data}")
    ready = itertools.cycle([prepare(images[i : i + batch_size], labels[i : i + batch_size]) for i in starts])
    return lambda: step(*next(ready))


def rows(common):
    def row(name, modules, trainer, environment=None, **variant):
        openmp = {"OMP_NUM_THREADS": str(common["threads"])}
        return Peer(name, modules, build, {"trainer": trainer, **common, **variant}, openmp | (environment or {}))

    torch, keras = ("torch",), ("tensorflow", "keras")
    return [
        row("hotloop", ("hotloop", "numpy"), cnn.hotloop_trainer),
        row("PyTorch, channels_last", torch, cnn.torch_trainer),
        row("PyTorch, channels_last, tuned malloc", torch, cnn.torch_trainer, TUNED_MALLOC),
        row("PyTorch, default layout", torch, cnn.torch_trainer, channels_last=False),
        row("PyTorch, default layout, tuned malloc", torch, cnn.torch_trainer, TUNED_MALLOC, channels_last=False),
        row("Keras, train_on_batch", keras, cnn.keras_trainer),
        row("Keras, tf.function", keras, cnn.tensorflow_trainer),
        row("Keras, tf.function, oneDNN", keras, cnn.tensorflow_trainer, ONEDNN),
        row("Keras, tf.function, oneDNN, tuned malloc", keras, cnn.tensorflow_trainer, ONEDNN | TUNED_MALLOC),
        row("JAX, jit", ("jax", "optax"), cnn.jax_trainer),
    ]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with the four IDX files, .gz or plain")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores allowed")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10, help="timed steps in a turn")
    parser.add_argument("--compare", type=int, default=20, help="first steps, untimed, whose losses are compared")
    parser.add_argument("--tolerance", type=float, default=2e-2, help="largest relative deviation of these losses")
    parser.add_argument("--batches", type=int, default=100, help="different batches, used over and over")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights")
    parser.add_argument("--only", metavar="TEXT", default="", help="rows whose name contains TEXT, besides hotloop")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def deviation(results):
    """Returns: for each result max |loss - reference| / |reference|, the reference being the first row that ran."""
    curves = [None if result.error else np.array(result.outputs) for result in results]
    reference = next((curve for curve in curves if curve is not None), None)
    return [None if curve is None else float(np.max(np.abs(curve / reference - 1))) for curve in curves]


def main():
    options = parse()
    common = {key: getattr(options, key) for key in ("data", "batch_size", "batches", "threads", "seed")}
    chosen = [row for row in rows(common) if row.name == "hotloop" or options.only.lower() in row.name.lower()]
    results, others = peers.race(chosen, options.threads, options.compare, options.rounds, options.steps)
    deviations = deviation(results)
    versions = ", ".join(f"{module} {version}" for module, version in peers.versions(results).items())
    for key, value in (peers.machine() | {"versions": versions}).items():
        print(f"{key}: {value}")
    print(f"threads: {options.threads}; batch: {options.batch_size}; other processes kept {others:.2f} cores busy")
    print(peers.table(results, "hotloop", deviations))
    if options.json:
        peers.write_json(options.json, results, deviations, options=vars(options), other_cores_busy=others)
    pairs = zip(results, deviations, strict=True)
    apart = [result.peer.name for result, far in pairs if not result.error and not far <= options.tolerance]
    if apart:
        print(f"losses deviate by more than {options.tolerance}: {', '.join(apart)}")
    sys.exit(bool(apart) or any(result.error.startswith("failed") for result in results))


if __name__ == "__main__":
    main()
