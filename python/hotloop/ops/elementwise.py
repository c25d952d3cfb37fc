"""Elementwise arithmetic, with NumPy's broadcasting.

In all of these: arrays are float32 or float64, and meet in float64 where one of them is; integers, booleans and float16
count as float32; Python numbers take the other operand's dtype. `out` is where to write the result, an array of its
shape and dtype. TypeError where an argument is not real numbers, ValueError where shapes do not broadcast.
"""

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import Tensor, data, record
from hotloop.ops.broadcast import summed_to
from hotloop.ops.direct import direct

__all__ = [
    "abs",
    "add",
    "cos",
    "divide",
    "exp",
    "log",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "power",
    "reciprocal",
    "sign",
    "sin",
    "sqrt",
    "square",
    "subtract",
    "where",
]

_binary, _unary, _compare, _select = _core.binary, _core.unary, _core.compare, _core.select
_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _POWER, _MAXIMUM, _MINIMUM = (
    _core.binary_ops[name] for name in ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum")
)
_EQUAL, _NOT_EQUAL, _NOT_LESS = (_core.compare_ops[name] for name in ("equal", "not_equal", "greater_equal"))
_NEGATIVE, _LOG, _SIGN, _SIN, _COS = (_core.unary_ops[name] for name in ("negative", "log", "sign", "sin", "cos"))


def _shape(x):
    """The shape of a Tensor, for closures that need no more of it; None for the rest, which wants no gradient."""
    return x._data.shape if isinstance(x, Tensor) else None


@direct("binary", _ADD)
def add(a, b, *, out=None):
    """Sum: y = a + b.

    Args:
        a, b: arrays or numbers whose shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape.
    """
    a_shape, b_shape = _shape(a), _shape(b)

    def backward(dy, need):
        da = summed_to(dy, a_shape) if need[0] else None
        return da, summed_to(dy, b_shape) if need[1] else None

    return record("add", _binary(data(a), data(b), _ADD, data(out)), (a, b), backward)


@direct("binary", _SUBTRACT)
def subtract(a, b, *, out=None):
    """Difference: y = a - b.

    Args:
        a, b: arrays or numbers whose shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape.
    """
    a_shape, b_shape = _shape(a), _shape(b)

    def backward(dy, need):
        da = summed_to(dy, a_shape) if need[0] else None
        return da, _unary(summed_to(dy, b_shape), _NEGATIVE) if need[1] else None

    return record("subtract", _binary(data(a), data(b), _SUBTRACT, data(out)), (a, b), backward)


@direct("binary", _MULTIPLY)
def multiply(a, b, *, out=None):
    """Product: y = a * b, element by element.

    Args:
        a, b: arrays or numbers whose shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape.
    """
    a_, b_ = data(a), data(b)

    def backward(dy, need):
        da = summed_to(_binary(dy, b_, _MULTIPLY), a_.shape) if need[0] else None
        return da, summed_to(_binary(dy, a_, _MULTIPLY), b_.shape) if need[1] else None

    return record("multiply", _binary(a_, b_, _MULTIPLY, data(out)), (a, b), backward)


@direct("binary", _DIVIDE)
def divide(a, b, *, out=None):
    """Quotient: y = a / b; a division by zero gives inf or NaN, as IEEE 754 has it.

    Args:
        a, b: arrays or numbers whose shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape.
    """
    a_, b_ = data(a), data(b)
    y = _binary(a_, b_, _DIVIDE, data(out))

    def backward(dy, need):
        da = summed_to(_binary(dy, b_, _DIVIDE), a_.shape) if need[0] else None
        if not need[1]:
            return da, None
        falling = summed_to(_binary(_binary(dy, y, _MULTIPLY), b_, _DIVIDE), b_.shape)
        return da, _unary(falling, _NEGATIVE)

    return record("divide", y, (a, b), backward)


def _beside(array, x):
    """x as an array on the device of another, where it is a number."""
    return _core.full_like(array, (), x) if isinstance(x, int | float) else x


def _base_gradient(dy, a, b):
    """dy * b * a^(b - 1), and 0 for an exponent of 0 whatever the base."""
    if isinstance(b, int | float):
        if b == 0:
            return _binary(dy, 0.0, _MULTIPLY)
        power = a if b == 2 else _binary(a, b - 1, _POWER)
        return _binary(_binary(dy, power, _MULTIPLY), b, _MULTIPLY)
    slope = _binary(_binary(a, _binary(b, 1, _SUBTRACT), _POWER), b, _MULTIPLY)
    return _select(_compare(b, 0, _EQUAL), 0.0, _binary(dy, slope, _MULTIPLY))


def _exponent_gradient(dy, a, b, y):
    """dy * a^b * log(a), and 0 for a base of 0 that is raised to 0 or more."""
    slope = _binary(_binary(dy, y, _MULTIPLY), _unary(a, _LOG), _MULTIPLY)
    at_zero = _select(_compare(b, 0, _NOT_LESS), 0.0, slope)
    return _select(_compare(_beside(slope, a), 0, _EQUAL), at_zero, slope)


@direct("binary", _POWER)
def power(a, b, *, out=None):
    """Power: y = a^b, of zeros, infinities and NaN what C's pow gives.

    A single exponent of 0 .. 8 is computed by products, -1 and 1/2 by reciprocal and square root.

    Args:
        a: array or number, the base; below 0 it wants whole exponents, else the result is NaN.
        b: array or number, the exponent; shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape.
    """
    a_, b_ = data(a), data(b)
    y = _binary(a_, b_, _POWER, data(out))

    def backward(dy, need):
        da = summed_to(_base_gradient(dy, a_, b_), a_.shape) if need[0] else None
        return da, summed_to(_exponent_gradient(dy, a_, b_, y), b_.shape) if need[1] else None

    return record("power", y, (a, b), backward)


def _larger(op, a, b, out):
    """maximum and minimum: the gradient goes to the operand that gave the element, the first where both did."""
    a_, b_ = data(a), data(b)
    y = _binary(a_, b_, op, data(out))

    def backward(dy, need):
        left = _beside(y, a_)
        given, is_nan = _compare(y, left, _EQUAL), _compare(left, left, _NOT_EQUAL)
        da = summed_to(_select(given, dy, _select(is_nan, dy, 0.0)), a_.shape) if need[0] else None
        return da, summed_to(_select(given, 0.0, _select(is_nan, 0.0, dy)), b_.shape) if need[1] else None

    return record("maximum" if op == _MAXIMUM else "minimum", y, (a, b), backward)


@direct("binary", _MAXIMUM)
def maximum(a, b, *, out=None):
    """Larger of two: y = max(a, b); NaN where either is NaN.

    Args:
        a, b: arrays or numbers whose shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape. The gradient goes to the larger one, all of it to a where they are equal.
    """
    return _larger(_MAXIMUM, a, b, out)


@direct("binary", _MINIMUM)
def minimum(a, b, *, out=None):
    """Smaller of two: y = min(a, b); NaN where either is NaN.

    Args:
        a, b: arrays or numbers whose shapes broadcast.
        out: where to write the result.

    Returns:
        Array of the broadcast shape. The gradient goes to the smaller one, all of it to a where they are equal.
    """
    return _larger(_MINIMUM, a, b, out)


def _of_one(op, x, out, gradient):
    """The op and, on the tape, gradient(dy, x, y)."""
    x_ = data(x)
    y = _unary(x_, _core.unary_ops[op], data(out))
    return record(op, y, (x,), lambda dy, need: (gradient(dy, x_, y),))


@direct("unary", _core.unary_ops["negative"])
def negative(x, *, out=None):
    """y = -x.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("negative", x, out, lambda dy, x, y: _unary(dy, _NEGATIVE))


@direct("unary", _core.unary_ops["exp"])
def exp(x, *, out=None):
    """Exponential: y = e^x.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("exp", x, out, lambda dy, x, y: _binary(dy, y, _MULTIPLY))


@direct("unary", _core.unary_ops["log"])
def log(x, *, out=None):
    """Natural logarithm: y = ln x; -inf at 0, NaN below.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("log", x, out, lambda dy, x, y: _binary(dy, x, _DIVIDE))


@direct("unary", _core.unary_ops["sqrt"])
def sqrt(x, *, out=None):
    """Square root: y = x^(1/2); NaN below 0.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("sqrt", x, out, lambda dy, x, y: _binary(_binary(dy, y, _DIVIDE), 0.5, _MULTIPLY))


@direct("unary", _core.unary_ops["abs"])
def abs(x, *, out=None):
    """Absolute value: y = |x|. The gradient at 0 is 0.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("abs", x, out, lambda dy, x, y: _binary(dy, _unary(x, _SIGN), _MULTIPLY))


@direct("unary", _core.unary_ops["square"])
def square(x, *, out=None):
    """Square: y = x * x.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("square", x, out, lambda dy, x, y: _binary(_binary(dy, x, _MULTIPLY), 2, _MULTIPLY))


@direct("unary", _core.unary_ops["sign"])
def sign(x, *, out=None):
    """Sign: y = 1 where x > 0, -1 where x < 0, else x itself (0, -0 or NaN). The gradient is 0.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("sign", x, out, lambda dy, x, y: _core.full_like(dy, dy.shape, 0))


@direct("unary", _core.unary_ops["reciprocal"])
def reciprocal(x, *, out=None):
    """Reciprocal: y = 1 / x.

    Args:
        x: array of any shape.
        out: where to write the result.
    """

    def gradient(dy, x, y):
        return _unary(_binary(dy, _binary(y, y, _MULTIPLY), _MULTIPLY), _NEGATIVE)

    return _of_one("reciprocal", x, out, gradient)


@direct("unary", _core.unary_ops["sin"])
def sin(x, *, out=None):
    """Sine: y = sin x, x in radians.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("sin", x, out, lambda dy, x, y: _binary(dy, _unary(x, _COS), _MULTIPLY))


@direct("unary", _core.unary_ops["cos"])
def cos(x, *, out=None):
    """Cosine: y = cos x, x in radians.

    Args:
        x: array of any shape.
        out: where to write the result.
    """
    return _of_one("cos", x, out, lambda dy, x, y: _unary(_binary(dy, _unary(x, _SIN), _MULTIPLY), _NEGATIVE))


def where(condition, a, b):
    """Choice: y = a where condition, else b.

    Args:
        condition: boolean array; shapes broadcast.
        a, b: arrays or numbers.

    Returns:
        Array of the broadcast shape.

    Raises:
        TypeError: condition is not boolean, or a or b not real numbers.
        ValueError: shapes do not broadcast.
    """
    condition = checks.array("where", "condition", data(condition))
    if condition.dtype != np.bool_:
        raise TypeError(f"[where] condition has dtype {condition.dtype}, wants bool")
    a_, b_ = (
        x if isinstance(x, int | float) else checks.array("where", what, x)
        for what, x in (("a", data(a)), ("b", data(b)))
    )
    a_shape, b_shape = np.shape(a_), np.shape(b_)
    try:
        np.broadcast_shapes(condition.shape, a_shape, b_shape)
    except ValueError:
        raise ValueError(
            f"[where] shapes do not broadcast: condition is {condition.shape}, a is {a_shape}, b is {b_shape}"
        ) from None
    y = _select(condition, a_, b_)

    def backward(dy, need):
        da = summed_to(_select(condition, dy, 0.0), a_shape) if need[0] else None
        return da, summed_to(_select(condition, 0.0, dy), b_shape) if need[1] else None

    return record("where", y, (a, b), backward)
