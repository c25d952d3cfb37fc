"""Class numbers from whatever real array holds them."""

import numpy as np


def class_ids(where, y):
    """Class numbers as int64; floats are taken where they are whole.

    Raises:
        TypeError: they are not numbers.
        ValueError: one is not whole; names the first such row.
    """
    y = np.asarray(y)
    if y.dtype.kind in "iub":
        return y.astype(np.int64, copy=False)
    if y.dtype.kind != "f":
        raise TypeError(f"[{where}] y has dtype {y.dtype}, wants class numbers")
    with np.errstate(invalid="ignore"):
        ids = y.astype(np.int64)
    bad = ids != y
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), y.shape)
        raise ValueError(f"[{where}] row {first[0]} of y is {y[first]}, wants class numbers")
    return ids
