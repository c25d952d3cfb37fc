"""What functions ask of their arguments: each error names who asks, the argument, the rule and the value.

Every function takes `where`, the op or layer that asks, and `what`, the argument's name.
"""

import math
import operator
import os
from functools import lru_cache
from numbers import Real

import numpy as np

from hotloop._core import CudaArray

_LARGEST = np.iinfo(np.intp).max  # bytes


def integer(where, what, value, least=None):
    """value as an int.

    Args:
        least: the smallest value allowed, or None.

    Raises:
        TypeError: it is not an integer; booleans are none.
        ValueError: it is smaller than `least`.
    """
    if type(value) is not int:
        given = value
        try:
            value = None if isinstance(given, bool) else operator.index(given)
        except TypeError:
            value = None
        if value is None:
            raise TypeError(f"[{where}] {what} must be an integer, got {given!r}")
    if least is not None and value < least:
        raise ValueError(f"[{where}] {what} must be at least {least}, got {value}")
    return value


def flag(where, what, value):
    """value as True or False; 0 and 1 stand for them.

    Raises:
        TypeError: it is something else: that it counts as true or false says nothing.
    """
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_) or (isinstance(value, int | np.integer) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"[{where}] {what} must be True or False, got {value!r}")


def text(where, what, value):
    """value, if it is a string with something in it.

    Raises:
        TypeError: it is no string.
        ValueError: it is empty.
    """
    if not isinstance(value, str):
        raise TypeError(f"[{where}] {what} must be a string, got {value!r}")
    if not value:
        raise ValueError(f"[{where}] {what} must not be empty")
    return value


def path(where, what, value):
    """value, if it can name a file.

    Raises:
        TypeError: it is neither a string nor a path.
        ValueError: it holds a zero, which ends a name.
    """
    try:
        name = os.fspath(value)
    except TypeError:
        raise TypeError(f"[{where}] {what} must be a path, got {value!r}") from None
    if (b"\0" if isinstance(name, bytes) else "\0") in name:
        raise ValueError(f"[{where}] {what} must not hold a zero, got {value!r}")
    return value


def dtype(where, value):
    """value as a NumPy dtype of real numbers.

    Raises:
        TypeError: it is none.
    """
    try:
        made = np.dtype(value)
    except (TypeError, ValueError):
        made = None
    if made is None or made.kind not in "fiub" or made.itemsize > 8:
        raise TypeError(f"[{where}] dtype must be one of real numbers, such as float32, got {value!r}")
    return made


@lru_cache
def _interval(limits):
    low, high = limits[1:-1].split(",")
    below = operator.lt if limits[0] == "(" else operator.le
    above = operator.lt if limits[-1] == ")" else operator.le
    return float(low), float(high), below, above


def number(where, what, value, limits=None):
    """value as a float.

    Args:
        limits: the interval that it must lie in, e.g. "[0, 1)" or "(0, inf)"; NaN lies in none. None allows all.

    Raises:
        TypeError: it is not a real number.
        ValueError: it lies outside.
    """
    if type(value) is not float and (not isinstance(value, Real) or isinstance(value, bool)):
        raise TypeError(f"[{where}] {what} must be a number, got {value!r}")
    if limits is not None:
        low, high, below, above = _interval(limits)
        if not (below(low, value) and above(value, high)):
            raise ValueError(f"[{where}] {what} must be in {limits}, got {value!r}")
    return float(value)


def axis(where, value, shape, what="axis"):
    """value as an int that counts an axis of `shape` from the front.

    Raises:
        TypeError: it is not an integer.
        ValueError: the shape has no such axis.
    """
    at = integer(where, what, value)
    if not -len(shape) <= at < len(shape):
        raise ValueError(f"[{where}] {what} {at} is not an axis of shape {tuple(shape)}")
    return at % len(shape)


def sizes(where, what, value):
    """A shape as a tuple of ints and None, from a tuple, a list or one number.

    Raises:
        TypeError: it is none.
    """
    items = value if isinstance(value, list | tuple) else (value,) if _is_size(value) else (-1,)
    if not all([item is None or _is_size(item) for item in items]):
        raise TypeError(f"[{where}] {what} must be a tuple of sizes or None, got {value!r}")
    return tuple([None if item is None else int(item) for item in items])


def _is_size(item):
    return isinstance(item, int | np.integer) and not isinstance(item, bool) and item >= 0


def addressable(where, what, shape, itemsize):
    """Raises ValueError where an array of the shape would be larger than memory can address."""
    if math.prod(filter(None, shape)) > _LARGEST // itemsize:
        raise ValueError(f"[{where}] {what} {shape} has more elements than memory can address")


def made(where, make, *arguments):
    """make(*arguments), whose lack of memory is raised as a MemoryError that names who asked."""
    try:
        return make(*arguments)
    except MemoryError as error:
        raise MemoryError(f"[{where}] out of memory: {error}") from error


def array(where, what, value):
    """value as an ndarray of any dtype; a CudaArray as it is.

    Raises:
        TypeError: it is None, or nested lists of different lengths.
    """
    if isinstance(value, np.ndarray | CudaArray):
        return value
    try:
        made = None if value is None else np.asarray(value)
    except ValueError:
        made = None
    if made is None:
        kind = "None" if value is None else f"a {type(value).__name__} whose items differ in shape"
        raise TypeError(f"[{where}] {what} must be an array, got {kind}")
    return made


def operand(where, what, value):
    """value as an array that kernels take: of real numbers, with at most 8 dimensions.

    Raises:
        TypeError: it is no array, or of other dtypes.
        ValueError: it has more dimensions.
    """
    made = real_array(where, what, value)
    if made.ndim > 8:
        raise ValueError(f"[{where}] {what} has {made.ndim} dimensions, at most 8 are supported")
    return made


def real_array(where, what, value):
    """value as an ndarray of booleans, integers or floats of at most 64 bits.

    Raises:
        TypeError: it is no array, or of other dtypes.
    """
    made = array(where, what, value)
    if made.dtype.kind not in "fiub" or made.dtype.itemsize > 8:
        raise TypeError(f"[{where}] {what} has dtype {made.dtype}, wants real numbers (float32, float64 or integers)")
    return made
