"""Activations, elementwise."""

from hotloop import _core, checks
from hotloop.autograd import Tensor, data, record
from hotloop.names import choose
from hotloop.ops.direct import direct

__all__ = [
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "leaky_relu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]

_activation, _activation_grad, _activations = _core.activation, _core.activation_grad, _core.activations

# Those whose derivative is computed from the input; the others keep the output.
_NEEDS_INPUT = {"gelu", "gelu_tanh", "silu", "hard_swish"}
_GELUS = {"none": "gelu", "tanh": "gelu_tanh"}


def activation_number(op, name):
    """The number the kernels know an activation by; None is the identity."""
    return choose(op, "activation", "none" if name is None else name, _core.activations)


def default_alpha(name):
    """The parameter an activation has when it is only named: leaky_relu's slope, elu's alpha."""
    return {"leaky_relu": 0.01, "elu": 1.0}.get(name, 0.0)


def needs_input(name):
    """True where the derivative is computed from the activation's input, so that it can't be fused into another op."""
    return name in _NEEDS_INPUT


# A slope or alpha: with a negative one the output would not tell which side of 0 the input was on.
SLOPES = "[0, inf)"


def activate(op, name, x, alpha=0.0, out=None):
    """act(x) on the tape, for the public functions below."""
    kind = _activations[name]
    if not isinstance(x, Tensor):
        return _activation(x, kind, alpha, data(out))
    array = x._data
    y = _activation(array, kind, alpha, data(out))
    saved = array if name in _NEEDS_INPUT else y

    def backward(dy, need):
        return (_activation_grad(saved, dy, kind, alpha),)

    return record(op, y, (x,), backward)


@direct("activation", _activations["relu"])
def relu(x, *, out=None):
    """Rectified linear unit: y = max(x, 0).

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape; NaN stays NaN. The gradient at 0 is 0.
    """
    return activate("relu", "relu", x, out=out)


def leaky_relu(x, slope=0.01, *, out=None):
    """Leaky rectified linear unit: y = x where x > 0, else slope x.

    Args:
        x: array of any shape, float32 or float64.
        slope: finite number, at least 0.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape. The gradient at 0 is slope.

    Raises:
        ValueError: slope is negative or not finite.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """
    return activate("leaky_relu", "leaky_relu", x, checks.number("leaky_relu", "slope", slope, SLOPES), out)


def elu(x, alpha=1.0, *, out=None):
    """Exponential linear unit: y = x where x > 0, else alpha (exp(x) - 1).

    Args:
        x: array of any shape, float32 or float64.
        alpha: finite number, at least 0.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape. The gradient at 0 is alpha.

    Raises:
        ValueError: alpha is negative or not finite.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units",
        2016.
    """
    return activate("elu", "elu", x, checks.number("elu", "alpha", alpha, SLOPES), out)


@direct("activation", _activations["selu"])
def selu(x, *, out=None):
    """Scaled exponential linear unit: y = 1.0507 elu(x, alpha=1.67326), with the paper's constants in full.

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape.

    Source: Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    return activate("selu", "selu", x, out=out)


@direct("activation", _activations["gelu"])
def gelu(x, approximate="none", *, out=None):
    """Gaussian error linear unit: y = x Phi(x), Phi the distribution function of the standard normal.

    With approximate="tanh": y = 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Args:
        x: array of any shape, float32 or float64.
        approximate: "none" or "tanh".
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape; -inf gives the limit, -0.

    Raises:
        ValueError: approximate is neither.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.
    """
    return activate("gelu", choose("gelu", "approximation", approximate, _GELUS), x, out=out)


@direct("activation", _activations["silu"])
def silu(x, *, out=None):
    """Sigmoid linear unit, or swish: y = x / (1 + exp(-x)).

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape; -inf gives the limit, -0.

    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units", 2018.
    """
    return activate("silu", "silu", x, out=out)


@direct("activation", _activations["sigmoid"])
def sigmoid(x, *, out=None):
    """Logistic function: y = 1 / (1 + exp(-x)), without overflow on either side.

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape.
    """
    return activate("sigmoid", "sigmoid", x, out=out)


@direct("activation", _activations["tanh"])
def tanh(x, *, out=None):
    """Hyperbolic tangent: y = tanh(x).

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape.
    """
    return activate("tanh", "tanh", x, out=out)


@direct("activation", _activations["softplus"])
def softplus(x, *, out=None):
    """Smooth rectifier: y = log(1 + exp(x)), without overflow.

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape.
    """
    return activate("softplus", "softplus", x, out=out)


@direct("activation", _activations["hard_sigmoid"])
def hard_sigmoid(x, *, out=None):
    """Piecewise linear sigmoid: y = relu6(x + 3) / 6, as in PyTorch and Keras 3.

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape. The gradient at -3 and 3 is 0.
    """
    return activate("hard_sigmoid", "hard_sigmoid", x, out=out)


@direct("activation", _activations["hard_swish"])
def hard_swish(x, *, out=None):
    """Piecewise quadratic swish: y = x relu6(x + 3) / 6.

    Args:
        x: array of any shape, float32 or float64.
        out: where to write the result, an array of its shape and dtype.

    Returns:
        Array of x's shape; -inf gives the limit, -0. The gradient at -3 is 0, at 3 it is 1.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """
    return activate("hard_swish", "hard_swish", x, out=out)
