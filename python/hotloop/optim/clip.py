"""Clipping of gradients."""

import math

from hotloop import _core, checks
from hotloop.optim.checks import as_tensors


def clip_grad_norm(params, max_norm):
    """Scales all gradients, in place, so that their common norm is at most max_norm.

    g = g * min(1, max_norm / (norm + 1e-6)), norm = sqrt(sum of g^2 over all parameters), as in PyTorch.

    Args:
        params: one Tensor, or several; those whose grad is None are passed over.
        max_norm: number >= 0; infinity only measures.

    Returns:
        The norm before clipping, a float. Where it is NaN, all gradients become NaN.

    Raises:
        ValueError: max_norm is negative or NaN, or a parameter comes twice.
        TypeError: params are not Tensors.
    """
    max_norm = checks.number("clip_grad_norm", "max_norm", max_norm, "[0, inf]")
    tensors = as_tensors("clip_grad_norm", params)
    gradients = [tensor._grad for tensor in tensors if tensor._grad is not None]
    norm = math.sqrt(_core.square_sum(gradients))
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:  # a NaN is passed on
        _core.scale(gradients, factor)
    return norm
