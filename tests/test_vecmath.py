"""Vector mathematics in float32 against float64, in units in the last place, over random bit patterns of every kind."""

import math
from functools import cache

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core

COUNT = 1 << 20
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _unary(name, x):
    return _core.unary(x, _core.unary_ops[name])


def _erfc(x):
    return np.vectorize(math.erfc, otypes=[np.float64])(x)


def _sigmoid(x):
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def _softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _normal_cdf(x):
    return 0.5 * _erfc(-x * math.sqrt(0.5))


def _times(x, factor):
    """x * factor with the limit -0 at -inf."""
    return np.where(x == -np.inf, -0.0, x * factor)


def _gelu_argument(x):
    return math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)


def _gelu_slope(x):
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return 1 + x * density / _normal_cdf(x)


# name: (function, float64 reference, |x f'(x) / f(x)| where an error of x is allowed to show, units in the last place)
FUNCTIONS = {
    "exp": (lambda x: _unary("exp", x), np.exp, None, 2),
    "log": (lambda x: _unary("log", x), np.log, None, 2),
    "sqrt": (lambda x: _unary("sqrt", x), np.sqrt, None, 0.5001),
    "tanh": (hl.tanh, np.tanh, None, 2),
    "expm1": (hl.elu, lambda x: np.where(x < 0, np.expm1(x), x), None, 2),
    "selu": (hl.selu, lambda x: SELU_SCALE * np.where(x < 0, SELU_ALPHA * np.expm1(x), x), None, 2),
    "sigmoid": (hl.sigmoid, _sigmoid, lambda x: x * _sigmoid(-x), 2),
    "silu": (hl.silu, lambda x: _times(x, _sigmoid(x)), lambda x: 1 + x * _sigmoid(-x), 2),
    "softplus": (hl.softplus, _softplus, lambda x: x * _sigmoid(x) / _softplus(x), 2),
    "gelu": (hl.gelu, lambda x: _times(x, _normal_cdf(x)), _gelu_slope, 2),
    "gelu_tanh": (
        lambda x: hl.gelu(x, "tanh"),
        lambda x: _times(x, _sigmoid(_gelu_argument(x))),
        lambda x: 1 + math.sqrt(8 / math.pi) * (x + 3 * 0.044715 * x**3) * _sigmoid(-_gelu_argument(x)),
        3.5,
    ),
}


@cache
def inputs():
    """Random bit patterns, numbers where the functions bend, and what is special."""
    rng = np.random.default_rng(5)
    patterns = rng.integers(0, 1 << 32, COUNT, dtype=np.uint32).view(np.float32)
    near = rng.uniform(-20, 20, COUNT // 2).astype(np.float32)
    far = rng.uniform(-110, 110, COUNT // 2).astype(np.float32)
    edges = [0, 1e-45, 1.1754942e-38, 1.17549435e-38, 0.5, 1, 17.33, 87.3365, 88.722839, 88.72284, 103.97, 3.4028235e38]
    edges = np.array([*edges, math.inf, math.nan], np.float32)
    steps = (np.arange(-64, 65)[:, None] + edges.view(np.int32)).astype(np.int32).view(np.float32).ravel()
    return np.concatenate([patterns, near, far, steps, -steps])


@cache
def expected(name):
    """(values, allowed error of each) in float64."""
    _, reference, condition, units = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        x = inputs().astype(np.float64)
        want = reference(x)
        unit = np.maximum(np.abs(np.spacing(np.minimum(np.abs(want), 3.4e38).astype(np.float32))), 2.0**-149)
        amplified = 1.0 if condition is None else np.nan_to_num(np.abs(condition(x)), nan=1.0, posinf=1.0)
    return want, units * unit.astype(np.float64) * np.maximum(1.0, amplified)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_units_in_the_last_place(tier, name):
    x = inputs()
    want, allowed = expected(name)
    with np.errstate(all="ignore"):  # NaNs of all kinds are among the patterns
        y = FUNCTIONS[name][0](x).astype(np.float64)
        rounded = want.astype(np.float32)
        same = (y == rounded) | (np.isnan(y) & np.isnan(want))
        right = same | (np.abs(y - want) <= allowed)
    wrong = np.flatnonzero(~right)
    assert wrong.size == 0, [(float(x[i]), y[i], want[i]) for i in wrong[:5]]
    zero = rounded == 0
    assert np.array_equal(np.signbit(y[zero & (y == 0)]), np.signbit(rounded[zero & (y == 0)]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_agrees_with_the_reference(tier, name):
    x = np.random.default_rng(6).uniform(0 if name in ("log", "sqrt") else -30, 30, 5000)
    function, reference, _, _ = FUNCTIONS[name]
    want = reference(x)
    error = np.abs(function(x) - want)
    assert (error <= 1e-12 * np.abs(want) + 1e-300).all()
