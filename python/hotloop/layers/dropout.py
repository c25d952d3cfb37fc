"""Dropout layer."""

from hotloop import checks
from hotloop.layers.base import Pointwise
from hotloop.ops.dropout import dropped
from hotloop.random import DropoutStream, dropout_stream

__all__ = ["Dropout"]


class Dropout(Pointwise):
    """In training y = x / (1 - rate) where kept, else 0; otherwise y = x.

    Args:
        rate: probability in [0, 1) that an element is dropped.
        seed: int for an own stream of masks, None for that of hotloop.set_seed.

    Raises:
        ValueError: rate is not in [0, 1).
    """

    config_names = ("rate", "seed")

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checks.number(self.name, "rate", rate, "[0, 1)")
        self.seed = None if seed is None else checks.integer(self.name, "seed", seed, 0)
        self._stream = None if seed is None else DropoutStream(self.seed)

    def call(self, x, training=False):
        if not training or self.rate == 0.0:
            return x
        return dropped(x, self.rate, (self._stream or dropout_stream()).next())
