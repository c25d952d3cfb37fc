"""Activations as layers take them: a name, one of hotloop's functions, any callable, or None."""

import functools

from hotloop import _core, checks, ops
from hotloop.layers.base import Pointwise
from hotloop.layers.context import remember_logits
from hotloop.names import choose
from hotloop.ops.activation import SLOPES

__all__ = ["ELU", "Activation", "LeakyReLU", "ReLU", "Softmax"]

_FUNCTIONS = {name: getattr(ops, name) for name in _core.activations if name not in ("none", "gelu_tanh")}
_FUNCTIONS |= {
    "gelu_tanh": functools.partial(ops.gelu, approximate="tanh"),
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
}
_NAMES = {name: name for name in _FUNCTIONS} | {"linear": None, "swish": "silu", "hard_silu": "hard_swish"}
_NAME_OF = {function: name for name, function in _FUNCTIONS.items()}

# Losses look for the argument of these two, so matmul and conv2d do not take them as an epilogue.
_SQUASHING = ("softmax", "sigmoid")


def resolve_activation(where, activation):
    """None, a name of this module's table, or a callable that is not in it.

    Raises:
        ValueError: the name is unknown.
        TypeError: activation is none of these.
    """
    if activation is None:
        return None
    if callable(activation):
        try:
            return _NAME_OF.get(activation, activation)
        except TypeError:
            return activation
    if not isinstance(activation, str):
        raise TypeError(f"[{where}] an activation is a name or a callable: got {activation!r}")
    return choose(where, "activation", activation, _NAMES)


def epilogue(activation):
    """(what matmul or conv2d can apply itself, what is left to apply)."""
    if isinstance(activation, str) and activation in _core.activations and activation not in _SQUASHING:
        return activation, None
    return None, activation


def apply_activation(activation, x):
    """act(x) for what resolve_activation gave."""
    if activation is None:
        return x
    if not isinstance(activation, str):
        return activation(x)
    y = _FUNCTIONS[activation](x)
    if activation in _SQUASHING:
        remember_logits(y, x, activation)
    return y


class Activation(Pointwise):
    """y = act(x), elementwise; softmax along the last axis.

    Args:
        activation: name or callable.

    Raises:
        ValueError: the name is unknown.
    """

    config_names = ("activation",)

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = resolve_activation(self.name, activation)

    def call(self, x):
        return apply_activation(self.activation, x)


class ReLU(Activation):
    """y = max(x, 0)."""

    config_names = ()

    def __init__(self, **kwargs):
        super().__init__("relu", **kwargs)


class LeakyReLU(Pointwise):
    """y = x where x > 0, else negative_slope * x."""

    config_names = ("negative_slope",)

    def __init__(self, negative_slope=0.3, **kwargs):
        super().__init__(**kwargs)
        self.negative_slope = checks.number(self.name, "negative_slope", negative_slope, SLOPES)

    def call(self, x):
        return ops.leaky_relu(x, self.negative_slope)


class ELU(Pointwise):
    """y = x where x > 0, else alpha * (exp(x) - 1)."""

    config_names = ("alpha",)

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = checks.number(self.name, "alpha", alpha, SLOPES)

    def call(self, x):
        return ops.elu(x, self.alpha)


class Softmax(Pointwise):
    """y = exp(x) / sum(exp(x)) along one axis."""

    config_names = ("axis",)

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = checks.integer(self.name, "axis", axis)

    def call(self, x):
        if self.axis in (-1, x.ndim - 1):
            return apply_activation("softmax", x)
        return ops.softmax(x, axis=self.axis)
