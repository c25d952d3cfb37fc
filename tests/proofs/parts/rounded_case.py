"""A case of the proof `shapes`: random numbers in a dtype, and comparison with a wider one by bounds."""

import numpy as np
from tests.proofs.parts.device_calls import differentiated, here, there

ROUNDOFF = {np.float32: 2.0**-24, np.float64: 2.0**-53}
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
MOST_TERMS = 16  # roundings that a sum of any length has at most, as gemm_error proves of products


class Case:
    """One case.

    Attributes:
        dtype: of the arrays that ops get; `wide` is that of references, `roundoff` half the distance from 1 to the
            next number.
        what: what a failure is told by: the op, shapes and options.
        worst: the largest error so far, of its bound.
    """

    def __init__(self, trial, dtype):
        self.trial = trial
        self.rng, self.device = trial.rng, trial.device
        self.dtype, self.wide, self.roundoff = dtype, WIDER[dtype], ROUNDOFF[dtype]
        self.what = ""
        self.worst = 0.0

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def chance(self, p):
        return self.rng.random() < p

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def widened(self, *arrays):
        return [array.astype(self.wide) for array in arrays]

    def call(self, op, *arrays):
        """op(*arrays) on the device, as an ndarray."""
        return here(op(*[there(array, self.device) for array in arrays]), self.device)

    def differentiated(self, op, arrays, dy):
        return differentiated(op, arrays, dy, self.device)

    def sum_bound(self, terms, magnitude):
        """The error of a sum of so many products or terms, whose absolute values add up to the magnitude."""
        return min(terms, MOST_TERMS) * self.roundoff * magnitude

    def near(self, got, want, bound, what="result"):
        """No element is further from the wanted one than its bound."""
        self.fits(got, want, what)
        error = np.abs(got.astype(self.wide) - want)
        share = np.asarray(error / np.maximum(bound, np.finfo(np.float64).tiny))
        worst = np.max(share, initial=0.0)
        self.worst = max(self.worst, float(worst))
        if not worst <= 1:
            at = np.unravel_index(np.argmax(~(share <= 1)), share.shape)
            self.fail(what, f"{got[at]!r} at {at}, wants {want[at]!r}: {share[at]:.3g} of its bound", ~(share <= 1))

    def same(self, got, want, what="result"):
        """The same numbers; NaN where NaN is wanted."""
        self.fits(got, want, what)
        if not np.array_equal(got, want, equal_nan=True):
            wrong = ~((got == want) | ((got != got) & (want != want)))
            at = np.unravel_index(np.argmax(wrong), wrong.shape)
            self.fail(what, f"{got[at]!r} at {at}, wants {want[at]!r}", wrong)

    def fits(self, got, want, what):
        dtype = self.dtype if want.dtype.kind == "f" else want.dtype
        assert got.shape == want.shape, f"{what} of {self.what}: shape {got.shape}, wants {want.shape}"
        assert got.dtype == dtype, f"{what} of {self.what}: {got.dtype}, wants {dtype}"

    def fail(self, what, how, wrong):
        at = f"{what} of {self.what} in {self.dtype.__name__}"
        raise AssertionError(f"{at}: {how}; {np.count_nonzero(wrong)} of {wrong.size} elements differ")
