"""Activations, elementwise."""

from hotloop import _core
from hotloop.autograd import data, record
from hotloop.names import choose

__all__ = ["relu"]

# Those whose derivative is computed from the input; the others keep the output.
_NEEDS_INPUT = {"gelu", "gelu_tanh", "silu", "hard_swish"}


def activation_number(op, name):
    """The number the kernels know an activation by; None is the identity."""
    return choose(op, "activation", "none" if name is None else name, _core.activations)


def default_alpha(name):
    """The parameter an activation has when it is only named: leaky_relu's slope, elu's alpha."""
    return {"leaky_relu": 0.01, "elu": 1.0}.get(name, 0.0)


def needs_input(name):
    """True where the derivative is computed from the activation's input, so that it can't be fused into another op."""
    return name in _NEEDS_INPUT


def activate(op, name, x, alpha=0.0, out=None):
    """act(x) on the tape, for the public functions below."""
    kind = _core.activations[name]
    array = data(x)
    y = _core.activation(array, kind, alpha, data(out))
    saved = array if name in _NEEDS_INPUT else y

    def backward(dy, need):
        return (_core.activation_grad(saved, dy, kind, alpha),)

    return record(op, y, (x,), backward)


def relu(x, *, out=None):
    """Rectified linear unit: y = max(x, 0).

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape; NaN stays NaN. The gradient at 0 is 0.
    """
    return activate("relu", "relu", x, out=out)
