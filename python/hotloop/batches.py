"""The data of a pass: checked once, handed out batch by batch. The set itself is never copied or converted."""

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import data
from hotloop.devices import as_batch
from hotloop.layers.base import as_input
from hotloop.ops import take


class Samples:
    """Inputs, targets and sample weights of one length.

    Args:
        where: who asks, for errors.
        x: array-like (n, ...), real numbers.
        y: array-like (n, ...) or None.
        sample_weight: array-like (n,) or None.
        class_numbers: whether integers among the targets are to stay such on a device.

    Raises:
        TypeError: one is not an array of real numbers.
        ValueError: lengths differ.
    """

    def __init__(self, where, x, y=None, sample_weight=None, class_numbers=False):
        self.where = where
        self.class_numbers = class_numbers
        self.checked = False  # whether the targets fit the model, see `check`
        self._there = None  # x, y and weight on the device
        self.x = _array(where, "x", x)
        self.y = None if y is None else _array(where, "y", y)
        self.weight = None if sample_weight is None else _array(where, "sample_weight", sample_weight)
        for name, array in (("y", self.y), ("sample_weight", self.weight)):
            if array is not None and len(array) != len(self.x):
                raise ValueError(f"[{where}] lengths differ: x has {len(self.x)} rows, {name} {len(array)}")
        if self.weight is not None and self.weight.shape not in ((len(self.x),), (len(self.x), 1)):
            raise ValueError(
                f"[{where}] sample_weight {self.weight.shape} wants one weight for each row: ({len(self.x)},)"
            )
        if self.weight is not None:
            self.weight = np.ascontiguousarray(self.weight.reshape(-1), np.float32)

    def __len__(self):
        return len(self.x)

    def check(self, loss, shape):
        """Whether all targets fit predictions (..., *shape[1:]), which the first batch tells; raises where not."""
        if not self.checked:
            loss.check(self.where, self.y, shape)
            self.checked = True

    def on_device(self, x, y, weight):
        """Arrays of a batch, or of all data, on the device: bytes stay inputs, class numbers targets."""
        y = y if y is None or (self.class_numbers and y.dtype == np.int64) else y.astype(np.float32)
        return tuple(None if a is None else _core.to_cuda(a) for a in (as_batch(x), y, weight))

    def batch_there(self, rows):
        """(x, y, weights) of some rows, on the device; the first call brings all data there.

        Args:
            rows: int64 CudaArray of row numbers.
        """
        if self._there is None:
            self._there = self.on_device(self.x, self.y, self.weight)
        return tuple(None if array is None else _core.gather_rows(array, rows) for array in self._there)

    def split(self, fraction):
        """(head, tail): the tail holds the last `fraction` of the rows.

        Raises:
            ValueError: one of them would be empty.
        """
        at = int(len(self) * (1.0 - fraction))
        if not 0 < at < len(self):
            raise ValueError(
                f"[{self.where}] validation_split {fraction} leaves nothing on one side of {len(self)} rows"
            )
        return self._rows(slice(0, at)), self._rows(slice(at, None))

    def _rows(self, rows):
        part = object.__new__(Samples)
        part.where, part.class_numbers, part.checked, part._there = self.where, self.class_numbers, False, None
        part.x, part.y, part.weight = (None if a is None else a[rows] for a in (self.x, self.y, self.weight))
        return part

    def scale_weights(self, class_weight):
        """Multiplies the weight of each row by that of its class.

        Args:
            class_weight: dict of class number to weight; classes that are not in it weigh 1.

        Raises:
            TypeError: class_weight is not a dict of numbers.
            ValueError: the targets are not class numbers or one-hot rows.
        """
        if not isinstance(class_weight, dict):
            raise TypeError(f"[{self.where}] class_weight must be a dict of class to weight, got {class_weight!r}")
        if self.y.ndim == 2 and self.y.shape[1] > 1:
            classes = self.y.argmax(axis=1)
        elif self.y.size == len(self):
            classes = self.y.reshape(-1)
        else:
            raise ValueError(f"[{self.where}] class_weight wants one class for each row: y is {self.y.shape}")
        weight = np.ones(len(self), np.float32)
        for number, factor in class_weight.items():
            weight[classes == number] = checks.number(self.where, f"class_weight[{number!r}]", factor)
        self.weight = weight if self.weight is None else self.weight * weight

    def batch(self, rows):
        """(x, y, weights) of some rows.

        Args:
            rows: slice, or int64 array of row numbers.
        """
        return tuple(None if array is None else _pick(array, rows) for array in (self.x, self.y, self.weight))


def _array(where, name, value):
    array = as_input(where, data(value), name)
    if array.ndim == 0:
        raise ValueError(f"[{where}] {name} is a single number, wants an array with an axis of rows")
    return array


def _pick(array, rows):
    if isinstance(rows, slice) or not (array.flags.c_contiguous and array.dtype.isnative):
        return array[rows]
    return take(array, rows)
