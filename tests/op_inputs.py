"""Inputs of the op cases: float64 numbers that float32 holds exactly, so that both dtypes compute the same thing.

A maker is (rng, *shapes) -> list of arrays.
"""

import math

import numpy as np


def single(x):
    """x rounded to float32, as float64."""
    return np.asarray(x, np.float64).astype(np.float32).astype(np.float64)


def normal(rng, *shapes):
    """Standard normal."""
    return [single(rng.standard_normal(shape)) for shape in shapes]


def away(*kinks, low=-4.0, high=4.0):
    """Uniform numbers at least 0.01 away from where a derivative jumps; further arguments are normal."""

    def make(rng, shape, *rest):
        x = rng.uniform(low, high, shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 0.01, kink + 0.02, x)
        return [single(x), *normal(rng, *rest)]

    return make


def distinct(rng, shape, *rest):
    """No two equal numbers, none near 0, so that a maximum stays where it is; further arguments are normal."""
    size = math.prod(shape)
    x = (rng.permutation(size) - size // 2 + 0.25) * (8 / max(size, 8))
    return [single(x.reshape(shape)), *normal(rng, *rest)]


def spread(rng, *shapes, factor):
    """Normal numbers times a factor."""
    return [single(x * factor) for x in normal(rng, *shapes)]
