"""Special values in losses per element and in optimizers' updates. Part of the proof `special`."""

import numpy as np
from tests.proofs.parts.special_positions import Op

import hotloop as hl
import references as ref
from hotloop.autograd import Tensor
from test_optim import CASES as OPTIMIZERS


def losses():
    def weighted(name, loss, slope, **fields):
        def slopes(x, t, w, y, dy):
            dx = slope(x, t) * w * dy
            return [dx] if name.startswith("binary") else [dx, -dx]

        def function(x, t, w):
            return getattr(hl, name)(x, t, sample_weight=w, reduction="none")

        fields = {"low": 0.25, "high": 3.0, "units": 4, "operands": 3, "signs": False, "narrow": True} | fields
        return Op(name=name, function=function, reference=lambda x, t, w: loss(x, t) * w, slopes=slopes, **fields)

    yield weighted("mse_loss", lambda x, t: (x - t) ** 2, lambda x, t: 2 * (x - t))
    yield weighted("mae_loss", lambda x, t: np.abs(x - t), lambda x, t: np.sign(x - t))
    yield weighted(
        "huber_loss",
        lambda x, t: np.where(np.abs(x - t) <= 1, (x - t) ** 2 / 2, np.abs(x - t) - 0.5),
        lambda x, t: np.where(np.abs(x - t) <= 1, x - t, np.sign(x - t)),
    )

    def logistic(x, t):
        return np.log1p(np.exp(-np.abs(x))) + np.where(x < 0, -t, 1 - t) * x

    yield weighted(
        "binary_cross_entropy_with_logits",
        logistic,
        lambda x, t: ref.sigmoid(x) - t,
        high=0.9,
        slack=lambda x, t, w: 1e-6,
    )


def optimizers():
    """{name of an optimizer: an Op for each of its settings}, of a weight and the gradients of two steps."""

    def stepped(kind, options):
        def function(w, *gradients):
            weight = Tensor(w, requires_grad=True)
            optimizer = kind([weight], **options)
            for g in gradients:
                weight.grad = g
                optimizer.step()
            return weight.data.copy()

        return function

    made = {}
    for kind, reference, options in OPTIMIZERS:
        op = Op(
            name=f"optim.{kind.__name__} {options}",
            function=stepped(kind, options),
            reference=lambda w, *gradients, f=reference, options=options: f(w, gradients, **options),
            operands=3,
            slack=lambda *operands: 1e-4,
            signs=False,
            narrow=True,
            low=0.5,
        )
        made.setdefault(kind.__name__, []).append(op)
    return made
