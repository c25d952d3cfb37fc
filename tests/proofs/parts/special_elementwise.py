"""Special values in activations, arithmetic, comparisons, choices and dropout. Part of the proof `special`."""

import math
import operator

import numpy as np
from tests.proofs.parts.normal import normal_cdf
from tests.proofs.parts.special_positions import Op

import hotloop as hl
import references as ref
from hotloop.autograd import Tensor
from references import sigmoid


def unaries():
    rows = {  # name: (slope, units)
        "negative": (lambda x, y, dy: [-dy], 0),
        "exp": (lambda x, y, dy: [dy * y], 2),
        "log": (lambda x, y, dy: [dy / x], 2),
        "sqrt": (lambda x, y, dy: [dy / y * np.float32(0.5)], 0),
        "abs": (lambda x, y, dy: [dy * np.sign(x)], 0),
        "square": (lambda x, y, dy: [dy * x * 2], 0),
        "sign": (lambda x, y, dy: [np.zeros_like(dy)], 0),
        "reciprocal": (lambda x, y, dy: [-(dy * (y * y))], 0),
        "sin": (lambda x, y, dy: [dy * np.cos(x)], 2),
        "cos": (lambda x, y, dy: [-(dy * np.sin(x))], 2),
    }
    for name, (slopes, units) in rows.items():
        reference = (lambda x: np.where(x == 0, x, np.sign(x))) if name == "sign" else getattr(np, name)
        low = 0.1 if name in ("log", "sqrt", "reciprocal") else -4.0
        yield Op(name=name, function=getattr(hl, name), reference=reference, slopes=slopes, units=units, low=low)


def _level_below(x, dy, slope):
    """dy * slope(x) where x <= 0, else dy."""
    return [np.where(x <= 0, dy * slope(np.minimum(x, 0)), dy)]


def _gelu_slope(x, y, dy):
    x = np.clip(x.astype(np.float64), -1e15, 1e15)
    return [dy * (normal_cdf(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))]


def _gelu_tanh_slope(x, y, dy):
    x = np.clip(x.astype(np.float64), -1e15, 1e15)
    inner = math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)
    s = sigmoid(inner)
    return [dy * (s + x * math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * x * x) * s * (1 - s))]


def _silu_slope(x, y, dy):
    x = np.clip(x.astype(np.float64), -1e15, 1e15)
    s = sigmoid(x)
    return [dy * (s + x * s * (1 - s))]


def _hard_swish_slope(x, y, dy):
    return [np.where(x <= -3, 0, np.where(x >= 3, dy, dy * (x / 3 + 0.5)))]


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def _limited(function):
    """The function with the limit -0 at -inf."""
    return lambda x: np.where(x == -np.inf, -0.0, function(x))


def activations():
    # name: (function or its name, reference, slopes, units). Of what saves y, kernels.h says the slope at NaN.
    hard = ref.ACTIVATIONS["hard_swish"]
    rows = {
        "relu": (hl.relu, ref.ACTIVATIONS["relu"], lambda x, y, dy: [np.where(x <= 0, 0, dy)], 0),
        "leaky_relu": (
            lambda x: hl.leaky_relu(x, 0.25),
            lambda x: ref.ACTIVATIONS["leaky_relu"](x, 0.25),
            lambda x, y, dy: _level_below(x, dy, lambda x: 0.25),
            0,
        ),
        "elu": (
            lambda x: hl.elu(x, 0.75),
            lambda x: ref.ACTIVATIONS["elu"](x, 0.75),
            lambda x, y, dy: _level_below(x, dy, lambda x: 0.75 * np.exp(x)),
            3,
        ),
        "selu": (
            hl.selu,
            ref.ACTIVATIONS["selu"],
            lambda x, y, dy: [SCALE * part for part in _level_below(x, dy, lambda x: ALPHA * np.exp(x))],
            3,
        ),
        "gelu": (hl.gelu, _limited(lambda x: x * normal_cdf(x)), _gelu_slope, 4),
        "gelu tanh": (
            lambda x: hl.gelu(x, "tanh"),
            _limited(ref.ACTIVATIONS["gelu_tanh"]),
            _gelu_tanh_slope,
            60,  # at -4 rounding x is magnified 16 times
        ),
        "silu": (hl.silu, _limited(ref.ACTIVATIONS["silu"]), _silu_slope, 4),
        "sigmoid": (hl.sigmoid, ref.ACTIVATIONS["sigmoid"], lambda x, y, dy: [dy * (y * (1 - y))], 4),
        "tanh": (hl.tanh, np.tanh, lambda x, y, dy: [dy * (1 - y * y)], 2),
        "softplus": (hl.softplus, ref.ACTIVATIONS["softplus"], lambda x, y, dy: [dy * sigmoid(x.astype(float))], 4),
        "hard_sigmoid": (
            hl.hard_sigmoid,
            ref.ACTIVATIONS["hard_sigmoid"],
            lambda x, y, dy: [np.where(np.abs(x) >= 3, 0, dy / 6)],
            2,
        ),
        "hard_swish": (hl.hard_swish, _limited(hard), _hard_swish_slope, 3),
    }
    for name, (function, reference, slopes, units) in rows.items():
        yield Op(name=name, function=function, reference=reference, slopes=slopes, units=units)


def _power_slopes(a, b, y, dy):
    with_less = np.power(a.astype(np.float64), b - np.float32(1)).astype(np.float32)
    by_exponent = dy * y * np.log(a)
    return [np.where(b == 0, 0, dy * (with_less * b)), np.where((a == 0) & (b >= 0), 0, by_exponent)]


def _chosen(name):
    """maximum and minimum, where the first of two equals is chosen and NaN wins."""

    def slopes(a, b, y, dy):
        first = (y == a) | np.isnan(a)
        return [np.where(first, dy, 0), np.where(first, 0, dy)]

    return Op(
        name=name, function=getattr(hl, name), reference=getattr(np, name), slopes=slopes, operands=2, signs=False
    )


def binaries():
    slopes = {
        "add": lambda a, b, y, dy: [dy, dy],
        "subtract": lambda a, b, y, dy: [dy, -dy],
        "multiply": lambda a, b, y, dy: [dy * b, dy * a],
        "divide": lambda a, b, y, dy: [dy / b, -(dy * y / b)],
    }
    for name, of in slopes.items():
        yield Op(name=name, function=getattr(hl, name), reference=getattr(np, name), slopes=of, operands=2, low=0.5)
    yield Op(name="power", function=hl.power, reference=np.power, slopes=_power_slopes, operands=2, units=4, low=0.5)
    yield from map(_chosen, ("maximum", "minimum"))


def powers():
    """Powers by a number, of which some need no logarithm."""
    for exponent in (0, 1, 2, 3, 8, 9, -1, -2, 0.5, -0.5, 1.7):
        yield Op(
            name=f"power {exponent}",
            function=lambda x, e=exponent: hl.power(x, e),
            reference=lambda x, e=exponent: np.power(x, np.full_like(x, e)),  # of a single 1/2 NumPy takes the root
            units=4,
            low=0.5,
        )


def comparisons():
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        compare = getattr(operator, name)

        def function(a, b, compare=compare):
            return compare(a, Tensor(b)) if isinstance(a, float) else compare(Tensor(a), b)

        yield Op(name=f"where {name}", function=function, reference=compare, operands=2)


def _third(x):
    """A condition beside x: every third element."""
    x = x.data if isinstance(x, Tensor) else x
    return hl.array(np.arange(x.size) % 3 == 0, device="cuda" if isinstance(x, hl.CudaArray) else "cpu")


def _kept(x):
    """Which elements dropout of 0.4 with seed 7 keeps, on the device of x."""
    where = "cuda" if isinstance(x, hl.CudaArray) else "cpu"
    return hl.dropout(hl.array(np.ones(x.size, np.float32), device=where), 0.4, seed=7)


def choices():
    def chosen(a, b, *_):
        return np.where(np.arange(a.size) % 3 == 0, a, b)

    def slopes(a, b, y, dy):
        return [chosen(dy, np.zeros_like(dy)), chosen(np.zeros_like(dy), dy)]

    yield Op(name="where", function=lambda a, b: hl.where(_third(a), a, b), reference=chosen, slopes=slopes, operands=2)

    def dropped(x):
        return np.where(_kept(x) != 0, x / 0.6, 0)

    yield Op(
        name="dropout",
        function=lambda x: hl.dropout(x, 0.4, seed=7),
        reference=dropped,
        slopes=lambda x, y, dy: [dropped(dy)],
        units=2,
    )
    yield Op(name="dropout 0", function=lambda x: hl.dropout(x, 0.0), reference=lambda x: x)
    yield Op(name="dropout 1", function=lambda x: hl.dropout(x, 1.0), reference=np.zeros_like)
    yield Op(name="rescale", function=lambda x: hl.rescale(x, 0.5, 3.0), reference=lambda x: x * 0.5 + 3, units=1)
