"""exp, log, tanh, sigmoid, gelu and softplus are within 2 units in the last place (ULP), times max(1, |x f'(x) / f(x)|)
where f magnifies a change of x, for each of the 2^32 float32 inputs.

A case is every 4096th bit pattern. The references are float64; the unit is float32's spacing at the exact value, and
the denormal one below the normal numbers. Infinities, NaN and the sign of zeros are what IEEE 754 and limits say.
"""

import math

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts.normal import FARTHEST, normal_cdf

import hotloop as hl

BLOCKS = 4096
CHUNK = 1 << 15  # patterns compared at a time: the references stay in the cache


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu(x):
    return np.where(x < -FARTHEST, -0.0, x * normal_cdf(x))


def normal_density(x):
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


# name: (op, reference, x f'(x) / f(x), limits at -inf and inf)
FUNCTIONS = {
    "exp": (hl.exp, np.exp, lambda x: x, (0.0, math.inf)),
    "log": (hl.log, np.log, lambda x: 1 / np.log(x), (math.nan, math.inf)),
    "tanh": (hl.tanh, np.tanh, lambda x: 2 * x / np.sinh(2 * x), (-1.0, 1.0)),
    "sigmoid": (hl.sigmoid, sigmoid, lambda x: x * sigmoid(-x), (0.0, 1.0)),
    "softplus": (hl.softplus, softplus, lambda x: x * sigmoid(x) / softplus(x), (0.0, math.inf)),
    "gelu": (hl.gelu, gelu, lambda x: 1 + x * normal_density(x) / normal_cdf(x), (-0.0, math.inf)),
}


def unit(value):
    """float32's spacing at finite float64 values: 2^-149 at the least, and that of its greatest number at the most."""
    exponent = value.view(np.int64) >> 52 & 0x7FF
    return (np.clip(exponent, 1023 - 126, 1023 + 127) - 23 << 52).view(np.float64)


def check_chunk(name, x, y):
    """The worst error of y = f(x) in units, and in units times max(1, |x f'(x) / f(x)|)."""
    _, reference, condition, limits = FUNCTIONS[name]
    wide, got = x.astype(np.float64), y.astype(np.float64)
    want = reference(wide)
    for infinity, limit in zip((-np.inf, np.inf), limits, strict=True):
        want[wide == infinity] = limit
    # Where the exact value is finite, float32's infinity counts as 2^128.
    finite = np.isfinite(want)
    got = np.where(finite, np.clip(got, -(2.0**128), 2.0**128), got)
    want = np.where(finite, np.clip(want, -(2.0**128), 2.0**128), want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    units = np.where(same, 0.0, np.abs(got - want) / unit(want))
    eased = units.copy()
    beyond = np.flatnonzero(~(units <= 0.6))  # most are within: no need to know more of them
    eased[beyond] /= np.maximum(1, np.abs(condition(wide[beyond])))
    wrong = np.flatnonzero(~(eased <= 2) | ((got == 0) & (np.signbit(got) != np.signbit(want))))
    told = [f"f({x[i]!r}) = {y[i]!r}, exact {float(want[i])!r}: {eased[i]:.2f}" for i in wrong[:3]]
    assert wrong.size == 0, f"{name}: {wrong.size} of {x.size} are wrong, {told}"
    return np.max(units), np.max(eased)


def check(trial):
    first = trial.index(BLOCKS)
    patterns = np.arange(first, 1 << 32, BLOCKS, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        for name, (function, *_) in FUNCTIONS.items():
            y = function(patterns)
            chunks = [slice(i, i + CHUNK) for i in range(0, patterns.size, CHUNK)]
            worst = np.max([check_chunk(name, patterns[chunk], y[chunk]) for chunk in chunks], axis=0)
            trial.measure(f"{name} plain", worst[0])
            trial.measure(name, worst[1])


def conclude(measured):
    def told(suffix):
        return ", ".join(f"{name} {max(measured[name + suffix]):.2f}" for name in FUNCTIONS)

    return {"worst": told(""), "worst in plain ULP": told(" plain")} if measured else {}


proof = Proof(check=check, small=6, full=BLOCKS, conclude=conclude, unit="blocks of 2^20 inputs")
