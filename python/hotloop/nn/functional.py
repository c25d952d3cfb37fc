"""torch.nn.functional: hotloop's ops under PyTorch's names."""

from hotloop import checks, ops
from hotloop.autograd import data
from hotloop.nn.losses import CrossEntropyLoss
from hotloop.ops import (
    binary_cross_entropy_with_logits,
    elu,
    gelu,
    huber_loss,
    leaky_relu,
    mse_loss,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from hotloop.ops import hard_sigmoid as hardsigmoid
from hotloop.ops import hard_swish as hardswish
from hotloop.ops import mae_loss as l1_loss

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "huber_loss",
    "l1_loss",
    "leaky_relu",
    "log_softmax",
    "mse_loss",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """-log softmax(input) of the target's class, see CrossEntropyLoss."""
    return CrossEntropyLoss(weight, ignore_index, reduction, label_smoothing)(input, target)


def softmax(input, dim=-1):
    """exp(x) / sum(exp(x)) along one axis."""
    return ops.softmax(input, axis=dim)


def log_softmax(input, dim=-1):
    """log softmax(x) along one axis."""
    return ops.log_softmax(input, axis=dim)


def dropout(input, p=0.5, training=True):
    """x / (1 - p) where kept, else 0; x itself where not in training."""
    p = checks.number("dropout", "p", p, "[0, 1]")
    if checks.flag("dropout", "training", training):
        return ops.dropout(input, p)
    checks.real_array("dropout", "input", data(input))
    return input
