"""Optimizers, learning rate schedules and gradient clipping."""

from hotloop.names import choose
from hotloop.optim import schedules
from hotloop.optim.adam import Adam, AdamW, Nadam
from hotloop.optim.adaptive import Adagrad, RMSprop
from hotloop.optim.base import Optimizer
from hotloop.optim.clip import clip_grad_norm
from hotloop.optim.sgd import SGD, Lion

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm",
    "from_config",
    "get",
    "schedules",
]

_table = {kind.__name__.lower(): kind for kind in (SGD, Adam, AdamW, RMSprop, Adagrad, Nadam, Lion)}


def get(optimizer):
    """The optimizer that `compile(optimizer=...)` means.

    Args:
        optimizer: a name in any case ("adam"), a config() dict, or an Optimizer, which comes back as it is.

    Raises:
        ValueError: unknown name; lists the choices.
        TypeError: something else.
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, dict):
        return from_config(optimizer)
    if isinstance(optimizer, str):
        return choose("optim", "optimizer", optimizer.lower(), _table)()
    raise TypeError(f"[optim] optimizer must be a name, a config or an Optimizer, got {optimizer!r}")


def from_config(config):
    """The optimizer that a config() describes, with no parameters bound."""
    if not isinstance(config, dict):
        raise TypeError(f"[optim] a config must be a dict, got {config!r}")
    options = {str(key): value for key, value in config.items()}
    kind = choose("optim", "optimizer", str(options.pop("name", None)).lower(), _table)
    if isinstance(options.get("lr"), dict):
        options["lr"] = schedules.from_config(options["lr"])
    return kind(**options)
