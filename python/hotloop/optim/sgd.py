"""Stochastic gradient descent, and Lion."""

from hotloop import _core, checks
from hotloop.optim.base import Optimizer
from hotloop.optim.checks import check_betas


class SGD(Optimizer):
    """Stochastic gradient descent, as PyTorch's.

    g += weight_decay * w; velocity = momentum * velocity + (1 - dampening) * g, at first g;
    w -= lr * (g + momentum * velocity if nesterov else velocity)

    Args:
        params, lr, learning_rate: see Optimizer.
        momentum: share of the velocity that is kept, >= 0.
        dampening: share of the gradient that the velocity is spared.
        weight_decay: L2 penalty, >= 0.
        nesterov: look ahead along the velocity; wants momentum and no dampening.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
    """

    def __init__(
        self,
        params=None,
        lr=1e-2,
        momentum=0.0,
        dampening=0.0,
        weight_decay=0.0,
        nesterov=False,
        *,
        learning_rate=None,
    ):
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, lr, learning_rate, 1e-2, options)

    def _make_spec(self, momentum, dampening, weight_decay, nesterov):
        checks.number("SGD", "momentum", momentum, "[0, inf)")
        checks.number("SGD", "dampening", dampening, "[0, inf)")
        checks.number("SGD", "weight_decay", weight_decay, "[0, inf)")
        nesterov = checks.flag("SGD", "nesterov", nesterov)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(f"[SGD] nesterov wants momentum > 0 and dampening 0, got {momentum} and {dampening}")
        return _core.sgd_spec(momentum, dampening, weight_decay, nesterov)

    def _state_fill(self, options):
        return {"velocity": 0.0} if options["momentum"] else {}

    def _call(self, step, gradient, weight, *velocity):
        return _core.sgd, self._spec, step, gradient, weight, *velocity


class Lion(Optimizer):
    """Evolved sign momentum.

    w = (1 - lr * weight_decay) * w - lr * sign(beta1 * m + (1 - beta1) * g); m = beta2 * m + (1 - beta2) * g

    Args:
        params, lr, learning_rate: see Optimizer.
        betas: shares of m that the update and the next m keep, in [0, 1).
        weight_decay: decoupled, >= 0.

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2.
    """

    def __init__(self, params=None, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, *, learning_rate=None):
        super().__init__(params, lr, learning_rate, 1e-4, {"betas": betas, "weight_decay": weight_decay})

    def _make_spec(self, betas, weight_decay):
        check_betas("Lion", betas)
        checks.number("Lion", "weight_decay", weight_decay, "[0, inf)")
        return _core.lion_spec(*betas, weight_decay)

    def _state_fill(self, options):
        return {"m": 0.0}

    def _call(self, step, gradient, weight, m):
        return _core.lion, self._spec, step, gradient, weight, m
