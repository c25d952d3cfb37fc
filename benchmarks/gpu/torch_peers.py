"""PyTorch's time for the cases that kernels.cpp measured, on the same GPU.

    python benchmarks/gpu/torch_peers.py kernels.jsonl > torch.jsonl

A line of JSON for each case and each way to run it: eager, and torch.compile where that can make a difference. A run is
timed as in device_timer.h: the median of rounds of runs in a row, replayed as one CUDA graph.
"""

import argparse
import json
import statistics

import torch

DEVICE = torch.device("cuda")


def milliseconds(work, rounds=7, round_ms=30.0):
    """Median time of one run of `work`, in ms."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    stream.synchronize()
    once = elapsed(work)
    runs = min(max(int(round_ms / max(once, 1e-3)), 1), 200)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(runs):
            work()
    graph.replay()
    return statistics.median(elapsed(graph.replay) / runs for _ in range(rounds))


def elapsed(work):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def uniform(*shape):
    return torch.rand(*shape, device=DEVICE) * 2 - 1


def matmul(n, precision):
    kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = uniform(n, n).to(kind), uniform(n, n).to(kind)
    out = torch.empty(n, n, device=DEVICE, dtype=kind)
    return {"eager": lambda: torch.matmul(a, b, out=out)}


def convolution(kernel, n, h, w, c, f):
    """conv2d, its gradients, and conv2d + bias + ReLU + max-pool, channels last."""
    x = uniform(n, c, h, w).to(memory_format=torch.channels_last)
    weight = uniform(f, c, 3, 3).to(memory_format=torch.channels_last)
    bias = uniform(f)
    dy = uniform(n, f, h - 2, w - 2).to(memory_format=torch.channels_last)

    def gradient(wants):
        zero, one = [0, 0], [1, 1]
        return torch.ops.aten.convolution_backward(dy, x, weight, None, one, zero, one, False, zero, 1, wants)

    def pooled(x, weight, bias):
        return torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(x, weight, bias)), 2)

    return {
        "conv2d": {"eager": lambda: torch.nn.functional.conv2d(x, weight, bias)},
        "conv2d_input_grad": {"eager": lambda: gradient([True, False, False])},
        "conv2d_weight_grad": {"eager": lambda: gradient([False, True, False])},
        "conv2d_max_pool2d": {"eager": lambda: pooled(x, weight, bias), "compile": bound(pooled, x, weight, bias)},
    }.get(kernel, {})


def cross_entropy(rows, classes):
    logits = (uniform(rows, classes) * 4).requires_grad_()
    labels = torch.arange(rows, device=DEVICE) * 7919 % classes

    def both(logits, labels):
        return torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), logits)

    compiled = torch.compile(torch.nn.functional.cross_entropy)
    return {
        "eager": lambda: both(logits, labels),
        "compile": lambda: torch.autograd.grad(compiled(logits, labels), logits),
    }


def optimizer(n, build):
    weight = uniform(n).requires_grad_()
    weight.grad = uniform(n)
    return {"eager, fused": build([weight]).step}


def elementwise(kernel, n):
    x, y = uniform(n), uniform(n)
    work = {
        "copy": lambda: y.copy_(x),
        "relu": lambda: torch.relu(x),
        "gelu": lambda: torch.nn.functional.gelu(x),
        "accumulate": lambda: y.add_(x),
        "sum": lambda: x.sum(),
    }.get(kernel)
    return {"eager": work} if work else {}


def bound(function, *arguments):
    compiled = torch.compile(function)
    return lambda: compiled(*arguments)


def works(kernel, size, precision):
    """Ways to do what a case does; none where PyTorch has no equal."""
    if kernel == "matmul":
        return matmul(*size, precision) if precision != "tf32x3" else {}
    if kernel.startswith("conv2d"):
        return convolution(kernel, *size)
    if kernel == "softmax_cross_entropy":
        return cross_entropy(*size)
    if kernel == "adam":
        return optimizer(*size, lambda p: torch.optim.Adam(p, fused=True, capturable=True))
    if kernel == "sgd":
        return optimizer(*size, lambda p: torch.optim.SGD(p, lr=1e-3, fused=True))
    return elementwise(kernel, *size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", help="what kernels.cpp printed")
    with open(parser.parse_args().cases) as lines:
        cases = [case for case in map(json.loads, lines) if "kernel" in case]
    print(json.dumps({"torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}), flush=True)
    torch.backends.cudnn.benchmark = True
    for case in cases:
        named = {key: case[key] for key in ("kernel", "size", "precision")}
        # cuDNN would take TF32 unasked.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = case["precision"] == "tf32"
        for way, work in works(**named).items():
            torch.cuda.empty_cache()
            try:
                result = {"ms": milliseconds(work)}
            except Exception as error:  # one case that PyTorch can't do must not cost the others
                result = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            print(json.dumps(named | {"peer": f"PyTorch {way}"} | result), flush=True)


if __name__ == "__main__":
    main()
