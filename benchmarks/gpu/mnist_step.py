"""One training step of the MNIST CNN on the GPU: hotloop's fit beside PyTorch eager, compiled and as a CUDA graph.

    python benchmarks/gpu/mnist_step.py --data DIR [--batch-size 128 1024] > step.jsonl

The whole data set lies on the device; a step gathers its batch by a permutation made there, runs forward, backward and
Adam, and adds its loss up on the device. Times are those of whole epochs, without the first two, over their steps.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import hotloop as hl
import mnist_cnn as cnn

WARM_UP = 2  # epochs


def epoch_times(run_epoch, epochs):
    """Seconds of each epoch after the first ones."""
    times = []
    for _ in range(WARM_UP + epochs):
        begin = time.perf_counter()
        run_epoch()
        times.append(time.perf_counter() - begin)
    return times[WARM_UP:]


class Clock(hl.callbacks.Callback):
    """When every epoch of a fit ends."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


def hotloop_times(data, batch_size, epochs, device):
    model = cnn.hotloop_model(hl.optim.Adam(lr=cnn.LEARNING_RATE), device=device)
    model.set_weights(cnn.initial_weights(0))
    clock = Clock()
    model.fit(*data, batch_size=batch_size, epochs=WARM_UP + epochs, callbacks=[clock], verbose=0)
    return [b - a for a, b in zip(clock.ends, clock.ends[1:], strict=False)][WARM_UP - 1 :]


def torch_times(data, batch_size, epochs, way):
    """way: "eager", "compile" or "CUDA graph" (which captures the whole step, and leaves a smaller last batch out)."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    images, labels = (array.cuda() for array in cnn.torch_inputs(*data))
    images = images.contiguous(memory_format=torch.channels_last)
    model = cnn.torch_model(cnn.initial_weights(0)).cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=cnn.LEARNING_RATE, fused=True, capturable=way == "CUDA graph")
    rows = torch.zeros(batch_size, dtype=torch.int64, device="cuda")
    total = torch.zeros((), device="cuda")

    def loss_of(x, y):
        return torch.nn.functional.cross_entropy(model(x), y)

    compute = torch.compile(loss_of) if way == "compile" else loss_of

    def step(rows):
        optimizer.zero_grad(set_to_none=True)
        loss = compute(images[rows], labels[rows])
        loss.backward()
        optimizer.step()
        total.add_(loss.detach())

    run = step
    if way == "CUDA graph":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(rows)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step(rows)

        def run(chosen):
            rows.copy_(chosen)
            graph.replay()

    def epoch():
        for chosen in torch.randperm(len(images), device="cuda").split(batch_size):
            if way != "CUDA graph" or len(chosen) == batch_size:
                run(chosen)
        total.item()
        total.zero_()

    return epoch_times(epoch, epochs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with the four IDX files, .gz or plain")
    parser.add_argument("--device", default="cuda", help="hotloop's")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128, 1024])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=60000)
    options = parser.parse_args()
    images, labels = cnn.read_mnist(options.data, "train")
    data = images[: options.images], labels[: options.images]
    rows = {"hotloop fit": lambda size: hotloop_times(data, size, options.epochs, options.device)}
    if importlib.util.find_spec("torch") and options.device == "cuda":
        for way in ("eager", "compile", "CUDA graph"):
            rows[f"PyTorch {way}"] = lambda size, way=way: torch_times(data, size, options.epochs, way)
    failed = False
    for size in options.batch_size:
        steps = -(-len(data[0]) // size)
        for name, measure in rows.items():
            try:
                result = {"ms": 1e3 * statistics.median(measure(size)) / steps}
            except Exception as error:  # one row that fails must not cost the others
                result = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
                failed |= name == "hotloop fit"
                print(name, result["error"], file=sys.stderr)
            print(json.dumps({"step": name, "batch_size": size} | result), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
