"""RMSprop and Adagrad: the gradient over the root of what its square was like."""

from hotloop import _core, checks
from hotloop.optim.base import Optimizer


class RMSprop(Optimizer):
    """RMSprop, as PyTorch's.

    g += weight_decay * w; v = alpha * v + (1 - alpha) * g^2; step = g / (sqrt(v) + eps);
    velocity = momentum * velocity + step; w -= lr * velocity

    Args:
        params, lr, learning_rate: see Optimizer.
        alpha: share of v that is kept, in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: L2 penalty, >= 0.
        momentum: share of the velocity that is kept, >= 0.
        centered: subtract the square of the gradient's running mean from v under the root.

    Source: Hinton, Neural Networks for Machine Learning, lecture 6, 2012; Graves, Generating Sequences With Recurrent
        Neural Networks, 2013, for centered.
    """

    def __init__(
        self,
        params=None,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0.0,
        momentum=0.0,
        centered=False,
        *,
        learning_rate=None,
    ):
        options = {"alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum, "centered": centered}
        super().__init__(params, lr, learning_rate, 1e-2, options)

    def _make_spec(self, alpha, eps, weight_decay, momentum, centered):
        checks.number("RMSprop", "alpha", alpha, "[0, 1)")
        checks.number("RMSprop", "eps", eps, "[0, inf)")
        checks.number("RMSprop", "weight_decay", weight_decay, "[0, inf)")
        checks.number("RMSprop", "momentum", momentum, "[0, inf)")
        return _core.rmsprop_spec(alpha, eps, weight_decay, momentum, checks.flag("RMSprop", "centered", centered))

    def _state_fill(self, options):
        mean = {"mean": 0.0} if options["centered"] else {}
        velocity = {"velocity": 0.0} if options["momentum"] else {}
        return {"v": 0.0} | mean | velocity

    def _call(self, step, gradient, weight, v, *rest):
        rest = list(rest)
        mean = rest.pop(0) if self._options["centered"] else None
        velocity = rest.pop(0) if self._options["momentum"] else None
        return _core.rmsprop, self._spec, step, gradient, weight, v, mean, velocity


class Adagrad(Optimizer):
    """Adagrad, as PyTorch's.

    g += weight_decay * w; sum += g^2; w -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)

    Args:
        params, lr, learning_rate: see Optimizer.
        lr_decay: how fast lr falls, >= 0.
        weight_decay: L2 penalty, >= 0.
        initial_accumulator_value: what sum starts at, >= 0.
        eps: added to the root, >= 0.

    Source: Duchi et al., Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, 2011.
    """

    def __init__(
        self,
        params=None,
        lr=1e-2,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=0.0,
        eps=1e-10,
        *,
        learning_rate=None,
    ):
        options = {
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        super().__init__(params, lr, learning_rate, 1e-2, options)

    def _make_spec(self, lr_decay, weight_decay, initial_accumulator_value, eps):
        checks.number("Adagrad", "lr_decay", lr_decay, "[0, inf)")
        checks.number("Adagrad", "weight_decay", weight_decay, "[0, inf)")
        checks.number("Adagrad", "initial_accumulator_value", initial_accumulator_value, "[0, inf)")
        checks.number("Adagrad", "eps", eps, "[0, inf)")
        return _core.adagrad_spec(lr_decay, weight_decay, eps)

    def _state_fill(self, options):
        return {"sum": options["initial_accumulator_value"]}

    def _call(self, step, gradient, weight, total):
        return _core.adagrad, self._spec, step, gradient, weight, total
