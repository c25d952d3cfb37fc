"""Test accuracy of the MNIST CNN after a few epochs, seed by seed, in hotloop or in PyTorch.

    python benchmarks/mnist_accuracy.py --framework hotloop --data DIR --schedule cosine

Same split, batch size, optimizer and schedule in both; only the random numbers differ. The split is the original
60,000/10,000, images scaled to 0..1.
"""

import argparse
import importlib.util
import os
import time

import numpy as np

from mnist_cnn import (
    ADAM_EPSILON,
    LEARNING_RATE,
    hotloop_model,
    initial_weights,
    read_mnist,
    torch_inputs,
    torch_model,
)


def train_hotloop(train, test, seed, options):
    import hotloop as hl

    hl.set_num_threads(options.threads)
    hl.set_seed(seed)
    images, labels = train
    steps = options.epochs * -(-len(images) // options.batch_size)
    rate = hl.optim.schedules.cosine(LEARNING_RATE, steps) if options.schedule == "cosine" else LEARNING_RATE
    model = hotloop_model(hl.optim.Adam(lr=rate, eps=ADAM_EPSILON), metrics=["accuracy"])
    model.fit(images, labels, epochs=options.epochs, batch_size=options.batch_size, verbose=0)
    return model.evaluate(*test, verbose=0)[1]


def train_torch(train, test, seed, options):
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(seed)
    images, labels = train
    order = np.random.default_rng(seed)
    model = torch_model(initial_weights(seed) if options.init == "keras" else None)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=ADAM_EPSILON, fused=True)
    steps = options.epochs * -(-len(images) // options.batch_size)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if options.schedule == "cosine" else None
    for _ in range(options.epochs):
        shuffled = order.permutation(len(images))
        for start in range(0, len(images), options.batch_size):
            rows = shuffled[start : start + options.batch_size]
            x, y = torch_inputs(images[rows], labels[rows])
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            if decay:
                decay.step()
    model.eval()
    with torch.inference_mode():
        x, y = torch_inputs(*test)
        hits = sum((model(a).argmax(1) == b).sum().item() for a, b in zip(x.split(1000), y.split(1000), strict=True))
    return hits / len(y)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=["hotloop", "torch"], default="hotloop")
    parser.add_argument("--init", choices=["keras", "torch"], help="torch only; default: the framework's own")
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with the four IDX files, .gz or plain")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--schedule", choices=["constant", "cosine"], default="constant", help="from 1e-3; cosine to 0")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.init = options.init or ("torch" if options.framework == "torch" else "keras")
    if options.framework == "hotloop" and options.init == "torch":
        parser.error("--init torch goes with --framework torch only")
    if importlib.util.find_spec(options.framework) is None:
        parser.error(f"{options.framework} is not installed")
    return options


def main():
    options = parse()
    train, test = read_mnist(options.data, "train"), read_mnist(options.data, "t10k")
    run = {"hotloop": train_hotloop, "torch": train_torch}[options.framework]
    print(
        f"{options.framework}, {options.init} initialisation, Adam {LEARNING_RATE} {options.schedule}, "
        f"batch {options.batch_size}, {options.epochs} epochs, {options.threads} threads"
    )
    print(f"{'seed':>5} {'test accuracy':>14} {'seconds':>8}")
    accuracies = []
    for seed in options.seeds:
        start = time.perf_counter()
        accuracies.append(run(train, test, seed, options))
        print(f"{seed:>5} {accuracies[-1]:>14.2%} {time.perf_counter() - start:>8.1f}", flush=True)
    print(f"{'mean':>5} {np.mean(accuracies):>14.3%}")


if __name__ == "__main__":
    main()
