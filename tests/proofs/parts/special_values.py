"""What the checks of the proof `special` share: the special values, calls on either device, and comparisons."""

import numpy as np

import hotloop as hl
from hotloop.autograd import Tensor

LEAST = 2.0**-149
SPECIALS = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, LEAST, -LEAST, 2.0**-130, 2.0**-126 - LEAST, LEAST - 2.0**-126], np.float32
)


class Place:
    """A device: arrays go there and come back.

    Args:
        device: "cpu" or "cuda".
    """

    def __init__(self, device):
        self.device = device

    def put(self, x):
        """An ndarray as an array there, anything else as it is."""
        return hl.array(x, device=self.device) if isinstance(x, np.ndarray) else x

    def get(self, y):
        return y if isinstance(y, np.ndarray) else np.asarray(y.numpy())

    def call(self, function, *values):
        """The results of a call as a list of ndarrays."""
        y = function(*map(self.put, values))
        return [self.get(part) for part in (y if isinstance(y, tuple) else (y,))]

    def gradients(self, function, values, dy, count):
        """[y, the gradients of the first `count` values] where y's is dy."""
        leaves = [Tensor(self.put(x), requires_grad=True) for x in values[:count]]
        y = function(*leaves, *map(self.put, values[count:]))
        y.backward(self.put(dy))
        return [self.get(y), *[self.get(leaf.grad) for leaf in leaves]]


def unit(want):
    """float32's spacing at float64 values; the denormal one at the least."""
    return np.spacing(np.maximum(np.minimum(np.abs(want), 3e38), 2.0**-126).astype(np.float32)).astype(np.float64)


def same_zeros(got, want):
    """False where a zero has the wrong sign."""
    return (got != 0) | (np.signbit(got) == np.signbit(want))


def assert_near(got, want, what, units=0.0, slack=0.0, signs=False):
    """NaN and infinities where they should be, all else within `units` of float32 and `slack`.

    Args:
        want: float64, or float32 for a result that is right to the bit.
        slack: array or number.
        signs: whether the sign of a zero counts.
    """
    assert got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}"
    rounded = want.astype(np.float32)
    finite = np.isfinite(rounded)
    right = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    if units or np.any(slack):
        difference = np.abs(got - np.where(finite, want, 0), dtype=np.float64)
        # Beyond the greatest float32 there is no telling on which side rounding ends.
        right |= (finite | (np.abs(want) < 3.5e38)) & (difference <= units * unit(want) + slack)
    if signs:
        right &= same_zeros(got, want)
    if not right.all():
        at = tuple(int(i[0]) for i in np.nonzero(~right))
        count = np.count_nonzero(~right)
        raise AssertionError(f"{what}: {count} of {got.size} wrong, at {at} {got[at]!r}, not {want[at]!r}")


def same_bits(got, want):
    """Elementwise; any NaN is like any other."""
    bits = (x.view(f"u{x.dtype.itemsize}") for x in (got, want))
    return np.equal(*bits) | (np.isnan(got) & np.isnan(want))


def assert_same_bits(got, want, what):
    right = same_bits(got, want)
    if not right.all():
        at = tuple(int(i[0]) for i in np.nonzero(~right))
        raise AssertionError(
            f"{what}: {np.count_nonzero(~right)} of {got.size} differ, at {at} {got[at]!r} {want[at]!r}"
        )


def with_specials(x):
    """(1 + n * specials, *x.shape) of an x with n elements: x, and x with each special at each place."""
    n = x.size
    many = np.repeat(x.reshape(1, n), 1 + n * len(SPECIALS), 0)
    rows = np.arange(n * len(SPECIALS))
    many[1 + rows, rows // len(SPECIALS)] = SPECIALS[rows % len(SPECIALS)]
    return many.reshape(-1, *x.shape)


def rolled(n, shift):
    """n specials in turn."""
    return SPECIALS[(np.arange(n) + shift) % len(SPECIALS)]


def denormals(rng, shape, most=1000):
    """(whole numbers, the same times the least denormal as float32)"""
    whole = rng.integers(-most, most + 1, shape)
    return whole, (whole * LEAST).astype(np.float32)
