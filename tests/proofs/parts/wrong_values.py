"""Values of every kind that an argument should not be, and what arguments of a kind may be.

The rules here are written from the docstrings and share nothing with the package's own checks.
"""

import array
import decimal
import fractions
import math
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np

import hotloop as hl


class Raising:
    """An object that is asked for something and fails; what it raises is its own."""

    def _fail(self, *_, **__):
        raise ValueError("raised by the argument itself")

    __array__ = __index__ = __float__ = __int__ = __len__ = __iter__ = __bool__ = __call__ = __fspath__ = _fail


def _recursive():
    x = []
    x.append(x)
    return x


# Each makes a value anew: some are used up, or changed by who takes them.
ANYTHING = (
    *[lambda v=v: v for v in (None, True, False, 0, -1, 1, 2, 7, 10**30, -(10**30), 2**31, 2**63, 2**64)],
    *[lambda v=v: v for v in (0.5, -0.5, 3.7, 1e300, math.nan, math.inf, -math.inf, 1j)],
    *[lambda v=v: v for v in ("", "word", "1", "same", "relu", "\0", "x" * 10_000, b"bytes", bytearray(b"abc"))],
    *[lambda v=v: v for v in ((), (1,), (1, 2, 3), (-1, 2), (2, 2), (1.5, 2), (None, 3), (0, 0), ((1, 2), 3))],
    *[lambda v=v: list(v) for v in ((), (1, 2), (None,), ("a", "b"), ([1], [2, 3]), ([1.0, 2.0], [3.0, 4.0]))],
    *[lambda v=v: v for v in ({}, {1: 2}, {"a": 1}, set(), {1, 2}, range(3), slice(1), ..., NotImplemented, int, type)],
    *[lambda v=v: v for v in (len, print, lambda: 0, lambda *a: None, math, object())],
    lambda: (i for i in range(3)),
    lambda: iter([1, 2]),
    lambda: decimal.Decimal("1.5"),
    lambda: fractions.Fraction(1, 3),
    lambda: pathlib.Path("a/b"),
    lambda: memoryview(b"abcd"),
    lambda: array.array("f", [1, 2]),
    _recursive,
    Raising,
    *[lambda v=v: v for v in (np.float64(2.5), np.float32("nan"), np.int8(-3), np.bool_(True), np.str_("a"))],
    *[lambda v=v: np.array(v) for v in (3, 2.5, [], [1], [1, 2], ["a"], [None], [1j], [[1, 2], [3, 4]], True)],
    lambda: np.zeros((2, 2), np.longdouble),
    lambda: np.zeros(2, "M8[s]"),
    lambda: np.zeros(2, "m8[s]"),
    lambda: np.zeros(2, "V4"),
    lambda: np.zeros(2, [("a", "f4"), ("b", "i4")]),
    lambda: np.ma.masked_array([1.0, 2.0], [True, False]),
    lambda: np.zeros((1,) * 9, np.float32),
    lambda: np.zeros((0, 3), np.float32),
    lambda: np.broadcast_to(np.float32(1), (2**20, 2**11)),  # more than there is memory for, not than there is time for
    lambda: np.broadcast_to(np.float32(1), (2**31, 0)),
    lambda: hl.Tensor([1.0, 2.0]),
    lambda: hl.Tensor(np.ones((2, 3)), requires_grad=True),
    lambda: hl.layers.Dense(2),
    lambda: hl.layers.Dense,
)


def anything(rng):
    return ANYTHING[rng.integers(len(ANYTHING))]()


def is_whole(value):
    """Whether Python takes it for an index."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iu"
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def is_real_array(value):
    """Whether the value is array-like, of real numbers of at most 64 bits."""
    if isinstance(value, hl.Tensor):
        return True
    if value is None:
        return False
    try:
        dtype = np.asarray(value).dtype
    except Exception:
        return False
    return dtype.kind in "biuf" and dtype.itemsize <= 8


# ---- kinds of arguments ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What an argument may be.

    Attributes:
        accepts: value -> whether a call may go well with it.
        valid: values with which it does.
        near: values that are nearly right, or lambdas that make them.
        avoid: value -> whether a call with it would take forever.
    """

    accepts: Callable
    valid: tuple
    near: tuple = ()
    avoid: Callable = lambda value: False

    def wrong(self, rng):
        """A value that may be anything, though not one that takes forever."""
        while True:
            if self.near and rng.random() < 0.4:
                value = self.near[rng.integers(len(self.near))]
                value = value() if getattr(value, "__name__", "") == "<lambda>" else value
            else:
                value = anything(rng)
            if not self.avoid(value):
                return value


def whole(least, *valid, most=math.inf, none=False, costly=False):
    """An integer from `least` on; where it is costly, a large one would be a long run and no error."""
    return Kind(
        lambda v: (v is None and none) or (is_whole(v) and least <= v <= most),
        valid or (least, least + 1),
        (least - 1, -7, least + 0.5, float(least + 1), str(least + 1), True, [least + 1], np.float32(2)),
        (lambda v: is_whole(v) and v > 1000) if costly else (lambda v: False),
    )


def number(low, high, *valid, open_low=False, open_high=False, none=False):
    """A real number between the two."""

    def accepts(v):
        if v is None:
            return none
        return is_number(v) and (low < v if open_low else low <= v) and (v < high if open_high else v <= high)

    return Kind(accepts, valid, (low - 1, high + 1, math.nan, "0.5", [0.5], None, low, high, True, np.array([0.5])))


def any_number():
    """A number, NaN too."""
    return Kind(is_number, (0.5, 2), ("0.5", [0.5], None, True, np.array([0.5])))


def flag(none=False):
    """True or False; 0 and 1 stand for them."""

    def accepts(v):
        return (
            (v is None and none)
            or isinstance(v, bool | np.bool_)
            or (is_whole(v) and not isinstance(v, np.ndarray) and v in (0, 1))
        )

    return Kind(accepts, (True, False), ("False", "no", 2, -1, 0.0, None, [], [True]))


def pair(least, *valid, none=False):
    """An integer or two of them."""

    def accepts(v):
        if v is None:
            return none
        items = (v,) if is_whole(v) else v if isinstance(v, tuple | list | np.ndarray) else ()
        return len(items) in (1, 2) and all(is_whole(i) and i >= least for i in items)

    return Kind(accepts, valid, (least - 1, (2, least - 1), (2,), (2, 2, 2), 1.5, (2, 1.5), "2", "22", [2, 2], True))


def choice(*names, valid=None, none=False, case=False):
    """One of the names."""

    def accepts(v):
        return (v is None and none) or (isinstance(v, str) and (v.lower() if case else v) in names)

    return Kind(accepts, valid or names, (names[0] + "x", names[0][:-1], names[0].upper(), [names[0]], b"valid", 1))


def text(*valid, none=True):
    """A string."""
    return Kind(lambda v: (v is None and none) or isinstance(v, str), valid, (b"name", 3, ["a"], ("a",)))


def path(*valid):
    return Kind(lambda v: isinstance(v, str | os.PathLike | bytes), valid, ("", "missing/folder/x", 3, -1, None, ["a"]))


def seed():
    return whole(0, 3, None, none=True)


def function(*valid, none=False):
    return Kind(lambda v: (v is None and none) or callable(v), valid, ("function", 1))


def sizes(*valid, none=False, unknown=False):
    """A shape: sizes in a tuple or a list, or one number."""

    def accepts(v):
        if v is None:
            return none
        items = (v,) if is_whole(v) else v if isinstance(v, tuple | list) else (-1,)
        return all((i is None and unknown) or (is_whole(i) and i >= 0) for i in items)

    return Kind(accepts, valid, ((2, -1), (2.0, 3), "23", (None,), -3, 2.5, [[2, 3]], ("a",), (2, True)))


def reals(*valid, fits=lambda shape: True, none=False):
    """Array-like of real numbers, whose shape fits."""

    def accepts(v):
        if v is None or is_number(v):
            return none if v is None else fits(())
        return is_real_array(v) and fits(np.shape(v.data if isinstance(v, hl.Tensor) else v))

    return Kind(accepts, valid)
