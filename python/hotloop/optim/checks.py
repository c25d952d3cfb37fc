"""What optimizers want of their arguments."""

from hotloop import checks
from hotloop.autograd import Tensor


def as_tensors(where, params):
    if isinstance(params, Tensor):
        params = [params]
    elif hasattr(params, "parameters"):
        raise TypeError(f"[{where}] params must be Tensors, got a {type(params).__name__}: pass its parameters()")
    try:
        tensors = list(params)
    except TypeError:
        raise TypeError(f"[{where}] params must be a Tensor or several, got {type(params).__name__}") from None
    if not tensors:
        raise ValueError(f"[{where}] params is empty")
    seen = {}
    for number, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"[{where}] params must be Tensors, number {number} is a {type(tensor).__name__}")
        if tensor._node is not None:
            raise ValueError(f"[{where}] parameter {number} {tensor.shape} is the result of {tensor._node.name}")
        if seen.setdefault(id(tensor), number) != number:
            raise ValueError(f"[{where}] parameters {seen[id(tensor)]} and {number} are the same Tensor {tensor.shape}")
    return tensors


def check_betas(where, betas):
    """Raises ValueError unless betas are two numbers in [0, 1)."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ValueError(f"[{where}] betas must be two numbers, got {betas!r}")
    for position, beta in enumerate(betas):
        checks.number(where, f"betas[{position}]", beta, "[0, 1)")
