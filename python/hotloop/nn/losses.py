"""PyTorch's losses: objects called as loss(input, target)."""

from hotloop import checks, ops
from hotloop.autograd import Tensor, data
from hotloop.labels import class_ids
from hotloop.losses import BinaryCrossentropy

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss"]


class _Loss:
    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class MSELoss(_Loss):
    """mean((input - target)^2)."""

    def __call__(self, input, target):
        return ops.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """mean(|input - target|)."""

    def __call__(self, input, target):
        return ops.mae_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """mean(d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2)), d = input - target."""

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction)
        self.delta = delta

    def __call__(self, input, target):
        return ops.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of sigmoid(input)."""

    def __call__(self, input, target):
        return ops.binary_cross_entropy_with_logits(input, target, reduction=self.reduction)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities, clipped to [1e-7, 1 - 1e-7]."""

    def __call__(self, input, target):
        if not isinstance(input, Tensor):
            input = checks.operand("BCELoss", "input", input)
        logits = BinaryCrossentropy.from_probabilities(input)
        return ops.binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)


class CrossEntropyLoss(_Loss):
    """-log softmax(input) of the target's class; input (N, C) or (C,), target class numbers or probabilities.

    Args:
        weight: (C,) class weights or None.
        ignore_index: class number that counts for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: share of the uniform distribution in the targets.
    """

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(reduction)
        self.weight = weight
        self.ignore_index = checks.integer("CrossEntropyLoss", "ignore_index", ignore_index)
        self.label_smoothing = checks.number("CrossEntropyLoss", "label_smoothing", label_smoothing, "[0, 1]")

    def __call__(self, input, target):
        input, target = (
            x if isinstance(x, Tensor) else checks.real_array("CrossEntropyLoss", what, x)
            for what, x in (("input", input), ("target", target))
        )
        if input.ndim > 2:
            raise ValueError(
                f"[CrossEntropyLoss] input {input.shape} has more than 2 dimensions: put the classes last and use "
                "hotloop.softmax_cross_entropy"
            )
        ids = target.ndim < input.ndim
        return ops.softmax_cross_entropy(
            input,
            class_ids("CrossEntropyLoss", data(target)) if ids else target,  # Tensors hold floats only
            class_weight=self.weight,
            ignore_index=self.ignore_index if ids else None,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )
