"""keras.activations."""

from hotloop.layers.activation import apply_activation, resolve_activation
from hotloop.ops import (
    elu,
    gelu,
    hard_sigmoid,
    hard_swish,
    leaky_relu,
    log_softmax,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)

__all__ = [
    "elu",
    "gelu",
    "get",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "log_softmax",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "swish",
    "tanh",
]

swish, hard_silu = silu, hard_swish


def linear(x):
    """y = x."""
    return x


def get(identifier):
    """The function that a name, a function or None stands for."""
    activation = resolve_activation("activations.get", identifier)
    if callable(activation):
        return activation
    return linear if activation is None else lambda x: apply_activation(activation, x)
