"""Small real data sets as NumPy arrays: `(x_train, y_train), (x_test, y_test)`, split the same way every time."""

from ._diabetes import diabetes
from ._digits import digits
from ._mnist import mnist

__all__ = ["diabetes", "digits", "mnist"]
