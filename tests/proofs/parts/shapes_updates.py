"""The families of the proof `shapes` that training ends with: optimizers, clipping, and a batch of bytes."""

import numpy as np
from tests.proofs.parts.device_calls import here, there
from tests.proofs.parts.rounded_case import MOST_TERMS

import hotloop as hl
from hotloop import optim
from test_optim import CASES

STEPS = 3
LONG = 1 << 16


def optimizer(case, lengths):
    """Parameters of these lengths, which the optimizer packs into one buffer."""
    kind, reference, options = case.pick(*CASES)
    case.what = f"{kind.__name__} {options} over {lengths}"
    starts = [case.normal(n) for n in lengths]
    gradients = [[case.normal(n) for n in lengths] for _ in range(STEPS)]
    if kind is optim.Lion:  # its sign must not hang on a rounding error: each element keeps to its own
        gradients = [
            [np.copysign(np.abs(g) + 1, first) for g, first in zip(step, gradients[0], strict=True)]
            for step in gradients
        ]
    tensors = [hl.Tensor(there(start, case.device), requires_grad=True) for start in starts]
    made = kind(tensors, **options)
    for step in gradients:
        for tensor, gradient in zip(tensors, step, strict=True):
            tensor.grad = there(gradient, case.device)
        made.step()
        made.zero_grad()
    for i, (tensor, start) in enumerate(zip(tensors, starts, strict=True)):

        def updated(factors, i=i, start=start):
            steps = [factor * step[i].astype(np.float64) for factor, step in zip(factors, gradients, strict=True)]
            return reference(start.astype(np.float64), steps, **options)

        want = updated([1.0] * STEPS)
        # A step divides by roots of sums: some roundings of each update, and of the weight it changes.
        bound = 32 * case.roundoff * (1 + np.abs(want) + np.abs(start) + np.abs(want - start))
        # Where decay cancels a gradient but for its last digits, the update hangs on them.
        for nudged in np.eye(STEPS) * 4 * case.roundoff:
            bound += np.abs(updated(1 + nudged) - updated(1 - nudged))
        case.near(here(tensor, case.device), want.astype(case.wide), bound)


def clipping(case, lengths):
    case.what = f"clip_grad_norm over {lengths}"
    gradients = [case.normal(n) for n in lengths]
    tensors = [hl.Tensor(there(np.zeros_like(gradient), case.device), requires_grad=True) for gradient in gradients]
    for tensor, gradient in zip(tensors, gradients, strict=True):
        tensor.grad = there(gradient, case.device)
    norm = hl.clip_grad_norm(tensors, 0.5)
    want = np.sqrt(sum(float(np.sum(np.square(gradient, dtype=np.float64))) for gradient in gradients))
    assert abs(norm - want) <= 1e-12 * want, f"{case.what}: norm {norm}, wants {want}"
    factor = min(1.0, 0.5 / (want + 1e-6))
    for tensor, gradient in zip(tensors, gradients, strict=True):
        (wide,) = case.widened(gradient)
        bound = 3 * case.roundoff + MOST_TERMS * 2.0**-53  # the norm is float64's
        case.near(here(tensor.grad, case.device), wide * factor, bound * np.abs(wide * factor))


def pixels(case, length):
    """Bytes scaled; float32 whatever the case's dtype."""
    if case.dtype is not np.float32:
        return
    case.what = f"rescale of {length} bytes"
    x = case.rng.integers(0, 256, length, np.uint8)
    want = x.astype(np.float64) / 255 - 0.5
    case.near(case.call(lambda x: hl.rescale(x, 1 / 255, -0.5), x), want, 3 * case.roundoff)


def check(case, m, k, n):
    lengths = (m, k * n, n)
    optimizer(case, lengths)
    if case.rng.integers(8) == 0:  # more than one thread's share
        optimizer(case, (m, LONG + k * n))
    clipping(case, lengths)
    pixels(case, case.pick(m, m * k + n))
