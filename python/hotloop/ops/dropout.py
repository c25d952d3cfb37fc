"""Dropout with a counter-based generator."""

from hotloop import _core, checks
from hotloop.autograd import data, record
from hotloop.random import dropout_stream

__all__ = ["dropout"]


def _checked_seed(seed):
    value = checks.integer("dropout", "seed", seed, 0)
    if value >= 2**64:
        raise ValueError(f"[dropout] seed must be below 2**64, got {value}")
    return value


def dropout(x, rate, *, seed=None, out=None):
    """Random elements set to 0, the others scaled to keep the mean: y = x / (1 - rate) where kept, else 0.

    Args:
        x: array of any shape, float32 or float64.
        rate: probability that an element is dropped, in [0, 1]; at 1 all are.
        seed: integer in [0, 2**64) that fixes the choice; None takes the next of the stream that `set_seed` starts.
        out: where to write the result, an array of x's shape and dtype.

    Returns:
        Array of x's shape. An element's fate depends on the seed and its place alone; a NaN that is dropped is 0.

    Raises:
        ValueError: rate or seed is out of range.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014; the bits are
        Philox4x32-10's: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    rate = checks.number("dropout", "rate", rate, "[0, 1]")
    draw = dropout_stream().next() if seed is None else (_checked_seed(seed), 0, None)
    return dropped(x, rate, draw, out)


def dropped(x, rate, draw, out=None):
    """dropout with its draw: (seed, number of the call, StepState to add to it or None)."""
    y = _core.dropout(checks.array("dropout", "x", data(x)), rate, *draw, data(out))

    def backward(dy, need):
        return (_core.dropout(dy, rate, *draw),)

    return record("dropout", y, (x,), backward)
