"""Losses of each element: squared, absolute, Huber's."""

from hotloop import checks, ops
from hotloop.autograd import Tensor
from hotloop.losses.base import Loss

__all__ = ["Huber", "MeanAbsoluteError", "MeanSquaredError"]


class PointwiseLoss(Loss):
    """A loss of each element, whose per-sample value is the mean over the last axis."""

    def elements(self, y_true, y_pred, **options):
        """The op that computes it."""
        raise NotImplementedError

    def call(self, y_true, y_pred):
        values = self.elements(y_true, y_pred, reduction="none")
        return values.mean(axis=-1) if values.ndim > 1 else values

    def reduced(self, y_true, y_pred, sample_weight):
        if not isinstance(y_true, Tensor):
            y_true = y_true.astype(y_pred.dtype, copy=False)
        if self.reduction == "mean":
            return self.elements(y_true, y_pred, sample_weight=sample_weight, reduction="mean")
        return super().reduced(y_true, y_pred, sample_weight)

    def check(self, where, y, shape):
        fits = y.shape[1:] == shape[1:] or (*y.shape[1:], 1) == shape[1:] or y.shape[1:] == (*shape[1:], 1)
        if not fits:
            raise ValueError(f"[{where}] shapes differ: y is {y.shape}, the model gives (batch, {sizes_of(shape)})")


class MeanSquaredError(PointwiseLoss):
    """loss = mean((y_true - y_pred)^2)."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_error"):
        super().__init__(name, reduction)

    def elements(self, y_true, y_pred, **options):
        return ops.mse_loss(y_pred, y_true, **options)


class MeanAbsoluteError(PointwiseLoss):
    """loss = mean(|y_true - y_pred|)."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_error"):
        super().__init__(name, reduction)

    def elements(self, y_true, y_pred, **options):
        return ops.mae_loss(y_pred, y_true, **options)


class Huber(PointwiseLoss):
    """loss = mean(d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2)), d = y_true - y_pred."""

    config_names = ("delta",)

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber_loss"):
        super().__init__(name, reduction)
        self.delta = checks.number(self.name, "delta", delta, "(0, inf]")

    def elements(self, y_true, y_pred, **options):
        return ops.huber_loss(y_pred, y_true, delta=self.delta, **options)


def sizes_of(shape):
    return ", ".join(str(size) for size in shape[1:])
