"""Scaling of inputs."""

from hotloop import checks, ops
from hotloop.layers.base import Pointwise

__all__ = ["Rescaling"]


class Rescaling(Pointwise):
    """y = x * scale + offset; bytes become floats in the same pass.

    Args:
        scale: factor, e.g. 1 / 255 for images.
        offset: what is added.
    """

    config_names = ("scale", "offset")

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = checks.number(self.name, "scale", scale)
        self.offset = checks.number(self.name, "offset", offset)

    def call(self, x):
        return ops.rescale(x, self.scale, self.offset)
