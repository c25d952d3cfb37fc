"""Arrays that lie in memory in every way NumPy knows, with all the bytes around them at hand."""

from dataclasses import dataclass

import numpy as np

NAMES = (
    "C",
    "Fortran",
    "gaps",
    "negative strides",
    "misaligned by 1",
    "misaligned by 4",
    "read-only",
    "big-endian",
    "anyhow",
)


@dataclass
class Geometry:
    """Where the elements of an array of a shape lie.

    Attributes:
        strides: in bytes, by axis.
        first: bytes from the lowest address to that of element (0, 0, ...).
        bytes: from the lowest address to behind the highest element.
    """

    shape: tuple
    strides: tuple
    first: int
    bytes: int

    def view(self, buffer, offset, dtype):
        """The array in a buffer, with its lowest address at the offset."""
        return np.ndarray(self.shape, dtype, buffer, offset + self.first, self.strides)


def geometry(shape, itemsize, order, steps):
    """`order`: the axes, the outermost in memory first. `steps`: which elements an axis takes, below 0 backwards."""
    if 0 in shape:
        return Geometry(tuple(shape), (itemsize,) * len(shape), 0, 0)
    strides, first, reach = [0] * len(shape), 0, itemsize
    stride = itemsize
    for axis in reversed(order):
        step = steps[axis]
        strides[axis] = step * stride
        extent = (shape[axis] - 1) * abs(step) * stride
        first += extent if step < 0 else 0
        reach += extent
        stride *= (shape[axis] - 1) * abs(step) + 1
    return Geometry(tuple(shape), tuple(strides), first, reach)


def any_geometry(rng, shape, itemsize):
    """Axes in any order, with gaps or without, backwards or not."""
    rank = len(shape)
    order = rng.permutation(rank) if rng.random() < 0.5 else range(rank)
    steps = rng.integers(1, 4, rank) if rng.random() < 0.6 else np.ones(rank, int)
    signs = np.where(rng.random(rank) < (0.5 if rng.random() < 0.5 else 0), -1, 1)
    return geometry(shape, itemsize, list(order), (steps * signs).tolist())


class Laid:
    """A copy of an array in another layout.

    Args:
        name: one of NAMES.

    Attributes:
        array: the copy.
    """

    def __init__(self, rng, x, name):
        rank, itemsize = x.ndim, x.dtype.itemsize
        anyhow, dtype, offset = name == "anyhow", x.dtype, 0
        place = geometry(x.shape, itemsize, list(range(rank)), [1] * rank)
        if name == "Fortran":
            place = geometry(x.shape, itemsize, list(range(rank))[::-1], [1] * rank)
        elif name == "gaps":
            place = geometry(x.shape, itemsize, list(range(rank)), rng.integers(2, 4, rank).tolist())
        elif name == "negative strides":
            place = geometry(x.shape, itemsize, list(range(rank)), [-1] * rank)
        elif anyhow:
            place = any_geometry(rng, x.shape, itemsize)
        if name.startswith("misaligned") or (anyhow and rng.random() < 0.3):
            offset = {"misaligned by 1": 1, "misaligned by 4": 4}.get(name, int(rng.integers(1, 64)))
        if name == "big-endian" or (anyhow and rng.random() < 0.2):
            dtype = dtype.newbyteorder(">")
        # All ones are NaN in every float, and no index of anything.
        self._buffer = bytearray(b"\xff") * (64 + offset + place.bytes + 64)
        aligned = -np.frombuffer(self._buffer, np.uint8).ctypes.data % 64
        self.array = place.view(self._buffer, aligned + offset, dtype)
        self.array[...] = x
        if name == "read-only" or (anyhow and rng.random() < 0.3):
            self.array.flags.writeable = False
        self._before = bytes(self._buffer)

    def untouched(self):
        """Whether every byte is as it was, those between the elements too."""
        return self._before == self._buffer


class SharedMemory:
    """Memory full of numbers in which arrays of one dtype lie anywhere, over each other.

    Args:
        size: in bytes.
    """

    def __init__(self, rng, dtype, size):
        self._rng, self._dtype = rng, np.dtype(dtype)
        count = size // self._dtype.itemsize + 1
        self._buffer = bytearray(rng.uniform(0.1, 2, count).astype(dtype).tobytes())
        self.before = bytes_of(self._buffer)

    def place(self, shape):
        """(geometry, offset) of an array somewhere in it."""
        itemsize = self._dtype.itemsize
        while True:
            place = any_geometry(self._rng, shape, itemsize)
            room = len(self._buffer) - place.bytes
            if room >= 0:
                break
        offset = int(self._rng.integers(0, room + 1))
        return place, offset if self._rng.random() < 0.1 else offset // itemsize * itemsize

    def view(self, place, offset):
        return place.view(self._buffer, offset, self._dtype)

    def now(self):
        """Its bytes."""
        return bytes_of(self._buffer)

    def changed_outside(self, place, offset):
        """Whether a byte has changed that is no part of the array there."""
        marks = bytearray(len(self._buffer))
        place.view(marks, offset, f"V{self._dtype.itemsize}")[...] = b"\xff" * self._dtype.itemsize
        changed = self.now() != self.before
        return bool(np.any(changed & (bytes_of(marks) == 0)))


def bytes_of(buffer):
    return np.frombuffer(bytes(buffer), np.uint8)
