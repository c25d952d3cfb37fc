"""Loss: what all losses share, and losses made of a function."""

import numpy as np

from hotloop import checks
from hotloop.autograd import Tensor, data
from hotloop.names import choose

__all__ = ["Loss"]

_REDUCTIONS = {
    "sum_over_batch_size": "mean",
    "mean": "mean",
    "auto": "mean",
    "sum": "sum",
    "none": "none",
}


class Loss:
    """Base: override call(y_true, y_pred), which gives one value per sample.

    Args:
        name: str.
        reduction: "sum_over_batch_size" (also "mean"), "sum", or None; sample weights scale, but do not divide.

    Raises:
        ValueError: unknown reduction.
    """

    config_names = ()
    class_numbers = False  # whether targets may be integers that name classes

    def __init__(self, name=None, reduction="sum_over_batch_size"):
        kind = type(self).__name__
        self.name = kind if name is None else checks.text(kind, "name", name)
        self.reduction = choose(kind, "reduction", "none" if reduction is None else reduction, _REDUCTIONS)

    def call(self, y_true, y_pred):
        """One loss per sample."""
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define call(self, y_true, y_pred)")

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss of predictions.

        Raises:
            TypeError: one of them is not an array of real numbers.
            ValueError: shapes or labels do not fit.
        """
        if not isinstance(y_pred, Tensor):
            y_pred = as_floats(checks.operand(self.name, "y_pred", y_pred))
        if not isinstance(y_true, Tensor):
            y_true = checks.operand(self.name, "y_true", y_true)
        loss = self.reduced(y_true, y_pred, sample_weight)
        return loss if isinstance(loss, Tensor) else Tensor(loss)

    def reduced(self, y_true, y_pred, sample_weight):
        """What __call__ gives, for checked arrays; override it where one op computes values and reduction."""
        return reduce_values(self.name, self.call(y_true, y_pred), sample_weight, self.reduction)

    def targets(self, where, y):
        """All targets of a data set as `__call__` takes them batch by batch; converted once."""
        return y

    def check(self, where, y, shape):
        """Raises ValueError where targets `y` of a data set do not fit predictions (..., *shape[1:])."""

    def get_config(self):
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in (*self.config_names, "reduction", "name")}


def as_floats(array):
    """float64 as it is, float32 of the rest: targets become the predictions' dtype, which must not round them."""
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def reduce_values(where, values, sample_weight=None, reduction="mean"):
    """Mean, sum or the values themselves, each sample's scaled by its weight."""
    if sample_weight is not None:
        weight = checks.real_array(where, "sample_weight", data(sample_weight)).astype(values.dtype, copy=False)
        values = values * _beside(where, weight, values)
    if reduction == "none" or values.ndim == 0:
        return values
    return values.sum() if reduction == "sum" else values.mean()


def _beside(where, weight, values):
    """Weights in a shape that broadcasts with the values, whose leading axes they have; axes of 1 may follow."""
    if values.ndim == 0:
        return weight
    shape = weight.shape
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    if shape != values.shape[: len(shape)]:
        raise ValueError(f"[{where}] sample_weight {weight.shape} does not fit losses {values.shape}")
    return weight.reshape(shape + (1,) * (values.ndim - len(shape)))


class FunctionLoss(Loss):
    """A loss from any function (y_true, y_pred) -> one value per sample, or a scalar."""

    class_numbers = True

    def __init__(self, function, reduction="sum_over_batch_size", name=None):
        super().__init__(name or getattr(function, "__name__", type(function).__name__), reduction)
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)
