"""What a proof is: a claim, and a check of one random case that a seed makes the same again.

A proof is a file of this folder. Its docstring's first paragraph is the claim, and it ends with `proof = Proof(check,
...)`. Case i of a run has the run's seed plus i, so that any failing case is run again by -n 1 --seed THAT.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

# Coprime to every number of cases that is enumerated: consecutive seeds land far apart, and as many seeds as there are
# cases meet each case once.
_STRIDE = 1_000_003


NOTES = "notes"  # where a run's notes lie beside what it measured


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One proof.

    Attributes:
        check: (Trial) -> None; raises, best an AssertionError with the values, where the claim does not hold.
        small: cases of a run in CI, a few seconds for each tier.
        full: cases of the full run, for each tier.
        cuda: whether it runs on device="cuda" too.
        tiers: whether it runs on every tier, or once on the best.
        conclude: ({name: measured values}) -> {name: text}; raises where what was measured over all cases fails the
            claim. Otherwise the largest of each measurement is told.
        patience: seconds without progress after which a case counts as hung.
        unit: what a case is called in reports.
    """

    check: Callable
    small: int
    full: int
    cuda: bool = False
    tiers: bool = True
    conclude: Callable = field(default=lambda measured: {k: f"{max(v):.4g}" for k, v in measured.items()})
    patience: float = 120.0
    unit: str = "cases"


class Trial:
    """One case of a run.

    Attributes:
        seed: all that the case depends on.
        device: "cpu" or "cuda".
        measured: {name: values} of the whole run; see `measure`.
    """

    def __init__(self, seed, device="cpu", measured=None):
        self.seed = seed
        self.device = device
        self.measured = {} if measured is None else measured

    @cached_property
    def rng(self):
        return np.random.default_rng(self.seed)

    def index(self, total):
        """Which of `total` enumerated cases this is; a run of `total` cases meets each once."""
        return self.seed * _STRIDE % total

    def note(self, text):
        """Adds a line to what is printed below the run."""
        self.measured.setdefault(NOTES, []).append(text)

    def measure(self, name, value):
        """Adds a number to what the run reports."""
        self.measured.setdefault(name, []).append(float(value))
