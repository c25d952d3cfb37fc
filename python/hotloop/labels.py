"""Class numbers from whatever real array holds them."""

import numpy as np

from hotloop import checks


def class_ids(where, y):
    """Class numbers as int64; floats are taken where they are whole.

    Raises:
        TypeError: they are not numbers.
        ValueError: one is not whole; names the first such row.
    """
    y = checks.array(where, "y", y)
    if y.dtype.kind in "iub":
        return y.astype(np.int64, copy=False)
    if y.dtype.kind != "f":
        raise TypeError(f"[{where}] y has dtype {y.dtype}, wants class numbers")
    with np.errstate(invalid="ignore"):
        ids = y.astype(np.int64)
    bad = ids != y
    if bad.any():
        raise ValueError(f"[{where}] {_first(bad, y)}, wants class numbers")
    return ids


def check_range(where, ids, classes, ignored=None):
    """Raises ValueError where one of the ids is not in [0, classes), nor the ignored one; names the first such row."""
    bad = (ids < 0) | (ids >= classes)
    if ignored is not None:
        bad &= ids != ignored
    if bad.any():
        wanted = f"0 .. {classes - 1} for {classes} classes"
        raise ValueError(f"[{where}] label out of range: {_first(bad, ids)}, wants {wanted}")


def _first(bad, y):
    at = np.unravel_index(int(bad.argmax()), y.shape)
    return f"row {at[0]} of y is {y[at]}" if at else f"y is {y[at]}"
