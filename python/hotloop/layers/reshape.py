"""Layers that only change the shape."""

import math

from hotloop import checks
from hotloop.layers.base import Layer

__all__ = ["Flatten", "Reshape"]


class Flatten(Layer):
    """y (batch, product of the other sizes) = x in C order; a (batch,) input becomes (batch, 1)."""

    def call(self, x):
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def compute_output_shape(self, input_shape):
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))


class Reshape(Layer):
    """y (batch, *target_shape) = x in C order.

    Args:
        target_shape: sizes without the batch axis; one may be -1.

    Raises:
        ValueError: more than one size is -1, or the number of elements differs.
    """

    config_names = ("target_shape",)

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        sizes = target_shape if isinstance(target_shape, list | tuple) else (target_shape,)
        self.target_shape = tuple([checks.integer(self.name, "target_shape", size, -1) for size in sizes])
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"[{self.name}] target_shape wants sizes, at most one of them -1: got {target_shape!r}")

    def call(self, x):
        return x.reshape((x.shape[0], *self._resolve(x.shape[1:])))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._resolve(input_shape[1:]))

    def _resolve(self, sizes):
        """target_shape with its -1 filled in; that size is None where a size is unknown."""
        if None in sizes:
            return tuple(None if size == -1 else size for size in self.target_shape)
        total, known = math.prod(sizes), math.prod(size for size in self.target_shape if size != -1)
        fits = total == known if -1 not in self.target_shape else known > 0 and total % known == 0
        if not fits:
            raise ValueError(
                f"[{self.name}] sizes differ: input {tuple(sizes)} has {total} elements, wanted {self.target_shape}"
            )
        return tuple(total // known if size == -1 else size for size in self.target_shape)
