"""A case of the proof `exact`: integers whose sums are exact, an op called on them in every way, the comparison."""

import math
import random

import numpy as np
from tests.proofs.parts.device_calls import differentiated, here, there

EXACT = {np.float32: 2**24, np.float64: 2**53}  # integers up to here are all there


class Case:
    """One case.

    Attributes:
        choose: random.Random for shapes and options.
        what: what a failure is told by: the op, shapes and options.
        rounds: whether products run in bfloat16, which has all integers of 8 bits.
    """

    def __init__(self, trial):
        self.choose = random.Random(trial.seed)
        self.device = trial.device
        self.dtype = np.float32 if trial.device == "cuda" or self.choose.random() < 0.8 else np.float64
        self.exact = EXACT[self.dtype]
        self.rng = trial.rng
        self.what = ""
        self.large = self.choose.random() < (0.02 if trial.device == "cpu" else 0.005)
        self.rounds = self.dtype is np.float32 and self.choose.random() < 0.15

    def one_of(self, *values):
        return self.choose.choice(values)

    def chance(self, p):
        return self.choose.random() < p

    def size(self, most=9):
        """A size: mostly small, at times around the widths of vectors and tiles."""
        return self.choose.randint(1, most) if self.chance(0.8) else self.one_of(8, 12, 15, 16, 17, 31, 32, 33, 48)

    def integers(self, shape, limit):
        """Integers of magnitude up to the limit."""
        return self.rng.integers(-limit, limit, shape, endpoint=True)

    def limit(self, depth):
        """A magnitude whose products stay exact in sums of `depth` of them: at times the largest."""
        most = math.isqrt(self.exact // max(depth, 1))
        assert most > 0, f"sums of {depth} can't be exact"
        if self.rounds:
            most = min(most, 256)
        return self.one_of(most, most, min(most, 3), self.choose.randint(1, most))

    # -- calling the op -----------------------------------------------------------------------------------------------

    def laid(self, array):
        """The array in the dtype, at times in another layout."""
        array = array.astype(self.dtype)
        layout = self.choose.randrange(8)
        if layout == 0 and array.ndim:
            return np.asfortranarray(array)
        if layout == 1 and array.ndim:
            wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, self.dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        if layout == 2 and array.ndim:
            return array[::-1].copy()[::-1]
        return array

    def framed(self, array):
        """(array, key): at times a larger one, of which array[key], a view that begins anywhere, is what was given."""
        if not array.ndim or self.chance(0.85):
            return array, ...
        axis, before, after = self.choose.randrange(array.ndim), self.choose.randint(0, 5), self.choose.randint(0, 3)
        sides = [(0, 0)] * array.ndim
        sides[axis] = before, after
        key = (slice(None),) * axis + (slice(before, before + array.shape[axis]),)
        return np.pad(array, sides, constant_values=-7), key

    def check(self, op, arrays, want, dy=None, slopes=()):
        """op(*arrays) gives `want`, and from dy the gradients `slopes`."""
        frames = [self.framed(array) for array in arrays]
        arrays, keys = zip(*frames, strict=True)

        def of_views(*arrays):
            return op(*[array[key] if key is not ... else array for array, key in zip(arrays, keys, strict=True)])

        plain = of_views(*[there(self.laid(array), self.device) for array in arrays])
        self.same("result", here(plain, self.device), want)
        if dy is None:
            return
        y, gradients = differentiated(of_views, [self.laid(array) for array in arrays], self.laid(dy), self.device)
        self.same("result on the tape", y, want)
        for i, (gradient, slope) in enumerate(zip(gradients, slopes, strict=True)):
            whole = np.zeros(arrays[i].shape, slope.dtype)
            whole[keys[i]] = slope
            self.same(f"gradient {i}", gradient, whole)

    def same(self, what, got, want):
        """Compares numbers: 0 and -0 are the one integer that both are."""
        assert got.dtype == self.dtype, f"{what} of {self.what}: {got.dtype}"
        assert got.shape == want.shape, f"{what} of {self.what}: shape {got.shape}, wants {want.shape}"
        if not np.array_equal(got, want):
            wrong = np.argwhere(got != want)
            at = tuple(wrong[0].tolist())
            raise AssertionError(
                f"{what} of {self.what} in {self.dtype.__name__}: {got[at]!r} at {at}, wants {want[at]!r}; "
                f"{len(wrong)} of {want.size} differ"
            )
