"""Mixed calls do not grow the process: its resident memory stays within 1 MB of what it was after a warm-up.

Ops with their gradients, updates, small trainings, saving and loading, and calls that raise, drawn at random once each
of them has run a few times. The pool's cache is a part of what is measured.
"""

import ctypes
import gc
import mmap
from functools import cache

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts.kernel_cases import KERNELS
from tests.proofs.parts.memory_scenarios import WHOLE, kernel_row, op_row

import hotloop as hl
from op_cases import CASES

LIMIT = 1 << 20
_WARM_UP = 3  # of each call
_PR_SET_THP_DISABLE = 41


def resident():
    """Bytes of the process that lie in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE


def refused():
    for wrong in (lambda: hl.matmul(np.ones((2, 3)), np.ones((2, 3))), lambda: hl.relu("text"), lambda: hl.sum(None)):
        try:
            wrong()
        except (TypeError, ValueError):
            continue
        raise AssertionError("not refused")
    return []


class Mixture:
    """All calls, after their warm-up, and what the process then held."""

    def __init__(self):
        # Memory that the system makes resident in pages of 2 MB whenever it likes says nothing about a leak.
        ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
        rng = np.random.default_rng(0)
        cheap = [op_row(case, np.float32, large=False) for case in CASES]
        cheap += [op_row(case, np.float64, large=False) for case in CASES[::7]]
        cheap += [op_row(case, np.float32, large=True) for case in CASES[::11]]
        cheap += [kernel_row(kernel, rng, np.float32) for kernel in KERNELS]
        self.cheap = [case.fresh for case in cheap] + [lambda: refused]
        self.dear = [make(*arguments).fresh for make, *arguments in WHOLE]
        for fresh in [*self.cheap, *self.dear] * _WARM_UP:
            fresh()()
        for _ in range(1000):
            self.call(rng)
        gc.collect()
        self.before = resident()

    def call(self, rng):
        calls = self.dear if rng.random() < 0.01 else self.cheap
        calls[rng.integers(len(calls))]()()


mixture = cache(Mixture)


def check(trial):
    mixed = mixture()
    mixed.call(trial.rng)
    if trial.seed % 50 == 0:
        gc.collect()
        grown = resident() - mixed.before
        trial.measure("most it grew, in KB", grown / 1024)
        assert grown <= LIMIT, f"resident memory grew by {grown / 1024:.0f} KB"


proof = Proof(check=check, small=2000, full=100_000, unit="calls", patience=300.0)
