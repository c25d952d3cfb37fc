"""Adam and its kin: a running mean of the gradient over the root of a running mean of its square."""

from hotloop import _core, checks
from hotloop.optim.base import Optimizer
from hotloop.optim.checks import check_betas


class Adam(Optimizer):
    """Adam, as PyTorch's.

    g += weight_decay * w; m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2;
    w -= lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params, lr, learning_rate: see Optimizer.
        betas: shares of m and v that are kept, in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: L2 penalty, >= 0.
        amsgrad: use the largest v so far.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015; Reddi et al., On the Convergence of Adam
        and Beyond, 2018, for amsgrad.
    """

    _decoupled = False

    def __init__(
        self,
        params=None,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=False,
        *,
        learning_rate=None,
    ):
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, lr, learning_rate, 1e-3, options)

    def _make_spec(self, betas, eps, weight_decay, amsgrad):
        check_betas(self.name, betas)
        checks.number(self.name, "eps", eps, "[0, inf)")
        checks.number(self.name, "weight_decay", weight_decay, "[0, inf)")
        return _core.adam_spec(*betas, eps, weight_decay, self._decoupled, checks.flag(self.name, "amsgrad", amsgrad))

    def _state_fill(self, options):
        return {"m": 0.0, "v": 0.0} | ({"v_max": 0.0} if options["amsgrad"] else {})

    def _call(self, step, gradient, weight, *state):
        return _core.adam, self._spec, step, gradient, weight, *state


class AdamW(Adam):
    """Adam with weight decay apart from the gradient, as PyTorch's: w *= 1 - lr * weight_decay before Adam's step.

    Args:
        params, lr, learning_rate: see Optimizer.
        betas, eps, amsgrad: see Adam.
        weight_decay: decoupled, >= 0.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019.
    """

    _decoupled = True

    def __init__(
        self,
        params=None,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        *,
        learning_rate=None,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, learning_rate=learning_rate)


class Nadam(Optimizer):
    """Adam with Nesterov's momentum, as PyTorch's NAdam.

    mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2), p_t = mu_1 * ... * mu_t, m and v as in Adam;
    w -= lr * ((1 - mu_t) / (1 - p_t) * g + mu_{t+1} / (1 - p_t * mu_{t+1}) * m) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params, lr, learning_rate: see Optimizer.
        betas, eps: see Adam.
        weight_decay: L2 penalty, >= 0.
        momentum_decay: how fast mu rises to beta1, >= 0.

    Source: Dozat, Incorporating Nesterov Momentum into Adam, 2016.
    """

    def __init__(
        self,
        params=None,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        momentum_decay=4e-3,
        *,
        learning_rate=None,
    ):
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        super().__init__(params, lr, learning_rate, 2e-3, options)

    def _make_spec(self, betas, eps, weight_decay, momentum_decay):
        check_betas("Nadam", betas)
        checks.number("Nadam", "eps", eps, "[0, inf)")
        checks.number("Nadam", "weight_decay", weight_decay, "[0, inf)")
        checks.number("Nadam", "momentum_decay", momentum_decay, "[0, inf)")
        self._product_step, self._product = 0, 1.0
        return _core.nadam_spec(*betas, eps, weight_decay, momentum_decay)

    def _state_fill(self, options):
        return {"m": 0.0, "v": 0.0}

    def _mu_product(self, step):
        """mu_1 * ... * mu_step, from the last one asked for where it can."""
        if step < self._product_step:
            self._product_step, self._product = 0, 1.0
        while self._product_step < step:
            product = self._product * self._spec.mu(self._product_step + 1)
            self._product_step, self._product = self._product_step + 1, product
        return self._product

    def _tell(self, step, lr, number):
        super()._tell(step, lr, number)
        step.mu_product = self._mu_product(number)

    def _call(self, step, gradient, weight, m, v):
        return _core.nadam, self._spec, step, gradient, weight, m, v
