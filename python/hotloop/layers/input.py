"""The shape of a model's inputs, as the first entry of Sequential."""

from hotloop.layers.base import Pointwise

__all__ = ["Input", "InputLayer"]


class InputLayer(Pointwise):
    """y = x; says what shape the inputs have.

    Args:
        shape: of one input, without the batch axis.

    Raises:
        TypeError: shape is not a tuple of sizes.
    """

    config_names = ("shape",)

    def __init__(self, shape, **kwargs):
        super().__init__(input_shape=shape, **kwargs)
        if shape is None:
            raise TypeError(f"[{self.name}] shape must be a tuple of sizes, got None")

    @property
    def shape(self):
        return self.declared_shape[1:]

    def call(self, x):
        return x


def Input(shape, *, dtype="float32", name=None):
    """An InputLayer, to be the first entry of Sequential.

    Args:
        shape: of one input, without the batch axis.
        dtype: of the inputs; they are cast by the first layer that has weights.
        name: str.

    Raises:
        TypeError: shape is not a tuple of sizes.
    """
    return InputLayer(shape, dtype=dtype, name=name)
