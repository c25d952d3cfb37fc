"""Verifies a case against NumPy, then times both in turns."""

import gc
import time
from statistics import median
from typing import NamedTuple

import numpy as np

from hotloop import _core

TOLERANCE = 1e-4  # float32 against float32, each with rounding errors of its own
_REST_SECONDS = 0.01


class _Pace(NamedTuple):
    """How long a side runs untimed before a sample, until what the other side left in the caches is gone, and timed."""

    warm: float
    sample: float


_PACE = _Pace(2e-3, 1e-3)
# After a rest processors and threads take milliseconds to come back to full speed.
_PACE_AFTER_REST = _Pace(2e-2, 2e-2)


class WrongResult(Exception):
    """hotloop and NumPy disagree, so that there is nothing to time."""


def largest_error(got, want):
    """max |got - want| / max |want|, over all arrays of a result."""
    if isinstance(want, tuple):
        return max(largest_error(g, w) for g, w in zip(got, want, strict=True))
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        raise WrongResult(f"shapes differ: hotloop {got.shape}, NumPy {want.shape}")
    return float(np.max(np.abs(got - want), initial=0.0) / max(np.max(np.abs(want), initial=0.0), 1e-30))


def verify(case, pair):
    """Runs both once; raises WrongResult unless they agree."""
    error = (case.error or largest_error)(pair.hotloop(), pair.numpy())
    if not error <= TOLERANCE:
        raise WrongResult(f"{case}: relative error {error:.1e} against NumPy, more than {TOLERANCE:.0e}")


def _calls_per_sample(function, seconds):
    function()
    start = time.perf_counter()
    function()
    took = max(time.perf_counter() - start, 1e-7)
    return max(1, min(10_000, int(seconds / took)))


def _sample(function, calls, warm):
    end = time.perf_counter() + warm
    function()
    while time.perf_counter() < end:
        function()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def _until_idle():
    """Waits while threads of this process run: OpenBLAS' go on spinning for a while after a product."""
    for _ in range(50):
        before = time.process_time()
        time.sleep(_REST_SECONDS)
        if time.process_time() - before < _REST_SECONDS / 10:
            return


def time_pair(pair, seconds, blas):
    """Median seconds of a call of each, taken in turns for about `seconds`, at least five times.

    Args:
        pair: Pair.
        seconds: how long to go on.
        blas: whether NumPy's side leaves BLAS threads spinning, which are then waited for.

    Returns:
        (hotloop, numpy), seconds a call.
    """
    pace = _PACE_AFTER_REST if blas else _PACE
    ours, theirs = _calls_per_sample(pair.hotloop, pace.sample), _calls_per_sample(pair.numpy, pace.sample)
    samples = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        while len(samples) < 5 or time.perf_counter() < end:
            if blas:
                _until_idle()
            samples.append((_sample(pair.hotloop, ours, pace.warm), _sample(pair.numpy, theirs, pace.warm)))
    finally:
        if collecting:
            gc.enable()
    return median(s[0] for s in samples), median(s[1] for s in samples)


class Peaks:
    """The machine's own limits, measured when first asked for."""

    def __init__(self):
        self._operations = None
        self._bandwidth = {}

    def of(self, case):
        """Operations or bytes a second at most; bytes are those of a plain copy as large as the case."""
        if case.unit == "flop":
            if self._operations is None:
                self._operations = _core.peak_operations()
            return self._operations
        elements = max(1, int(case.work) // 8)
        if elements not in self._bandwidth:
            self._bandwidth[elements] = _core.copy_bandwidth(elements)
        return self._bandwidth[elements]


def run_case(case, seconds, peaks):
    """Verifies and times a case.

    Returns:
        dict: the row as it is printed and written to JSON.
    """
    pair = case.build(np.random.default_rng(0))
    verify(case, pair)
    ours, theirs = time_pair(pair, seconds, blas=case.unit == "flop")
    rate = case.work / ours
    return {
        "family": case.family,
        "op": case.op,
        "shape": case.shape,
        "elements": case.elements,
        "ms": ours * 1e3,
        "rate": rate / 1e9,
        "unit": "GFLOP/s" if case.unit == "flop" else "GB/s",
        "peak_percent": 100 * rate / peaks.of(case),
        "numpy_ms": theirs * 1e3,
        "ratio": theirs / ours,
    }
