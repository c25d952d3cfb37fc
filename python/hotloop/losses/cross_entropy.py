"""Cross-entropies, from logits wherever there are any.

Where a layer has just computed y_pred = softmax(logits) or sigmoid(logits), the loss is computed from the logits: exact
where probabilities round to 0, and one kernel.
"""

import warnings

from hotloop import checks, ops
from hotloop.autograd import data
from hotloop.labels import check_range, class_ids
from hotloop.layers.context import logits_of
from hotloop.losses.base import Loss
from hotloop.losses.pointwise import PointwiseLoss, sizes_of

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]

_EPSILON = 1e-7  # Keras' fuzz factor: probabilities are clipped to [eps, 1 - eps]


class _CrossEntropy(Loss):
    """What the cross-entropies share: finding the logits."""

    squashing = None  # the activation that makes probabilities of logits
    _warned = False

    def logits(self, y_pred):
        """The logits of predictions: those a layer computed them from, else from the probabilities."""
        found = logits_of(y_pred, self.squashing)
        if not self.from_logits:
            return self.from_probabilities(y_pred) if found is None else found
        if found is None:
            return y_pred
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"[{self.name}] from_logits=True, but predictions come out of a {self.squashing}: its input is used",
                stacklevel=4,
            )
        return found


class BinaryCrossentropy(_CrossEntropy, PointwiseLoss):
    """loss = mean(-y_true * log p - (1 - y_true) * log(1 - p)), p = y_pred or sigmoid(y_pred).

    Args:
        from_logits: whether y_pred are logits.
        label_smoothing: targets are pulled towards 1/2 by this share.
        reduction: see Loss.
    """

    config_names = ("from_logits", "label_smoothing")
    squashing = "sigmoid"

    def __init__(
        self, from_logits=False, label_smoothing=0.0, reduction="sum_over_batch_size", name="binary_crossentropy"
    ):
        super().__init__(name, reduction)
        self.from_logits = checks.flag(self.name, "from_logits", from_logits)
        self.label_smoothing = _share(self.name, label_smoothing)

    def elements(self, y_true, y_pred, **options):
        if self.label_smoothing:
            y_true = data(y_true).astype(y_pred.dtype, copy=False)
            y_true = ops.add(ops.multiply(y_true, 1 - self.label_smoothing), self.label_smoothing / 2)
        return ops.binary_cross_entropy_with_logits(self.logits(y_pred), y_true, **options)

    @staticmethod
    def from_probabilities(p):
        p = _clipped(p)
        return ops.log(p) - ops.log(1.0 - p)


class _SoftmaxCrossentropy(_CrossEntropy):
    squashing = "softmax"

    def reduced(self, y_true, y_pred, sample_weight):
        return self._cross_entropy(y_true, y_pred, sample_weight, self.reduction)

    def call(self, y_true, y_pred):
        return self._cross_entropy(y_true, y_pred, None, "none")

    @staticmethod
    def from_probabilities(p):
        # Logarithms of probabilities are logits: the softmax inside only divides by their sum again.
        return ops.log(_clipped(p))


class CategoricalCrossentropy(_SoftmaxCrossentropy):
    """loss = -sum_c y_true_c * log p_c, p = y_pred or softmax(y_pred); y_true are probabilities (..., classes).

    Args:
        from_logits: whether y_pred are logits.
        label_smoothing: share of the uniform distribution in the targets.
        reduction: see Loss.
    """

    config_names = ("from_logits", "label_smoothing")

    def __init__(
        self, from_logits=False, label_smoothing=0.0, reduction="sum_over_batch_size", name="categorical_crossentropy"
    ):
        super().__init__(name, reduction)
        self.from_logits = checks.flag(self.name, "from_logits", from_logits)
        self.label_smoothing = _share(self.name, label_smoothing)

    def _cross_entropy(self, y_true, y_pred, sample_weight, reduction):
        target = data(y_true).astype(y_pred.dtype, copy=False)
        if target.shape != y_pred.shape:
            raise ValueError(
                f"[{self.name}] y_true {target.shape} wants the predictions' shape {y_pred.shape}; for class numbers "
                "use sparse_categorical_crossentropy"
            )
        return ops.softmax_cross_entropy(
            self.logits(y_pred),
            target,
            label_smoothing=self.label_smoothing,
            sample_weight=sample_weight,
            reduction=reduction,
        )

    def check(self, where, y, shape):
        if y.shape[1:] != shape[1:]:
            raise ValueError(
                f"[{where}] shapes differ: y is {y.shape}, the model gives (batch, {sizes_of(shape)}); for class "
                "numbers use sparse_categorical_crossentropy"
            )


class SparseCategoricalCrossentropy(_SoftmaxCrossentropy):
    """loss = -log p_c for the class c = y_true, p = y_pred or softmax(y_pred).

    Args:
        from_logits: whether y_pred are logits.
        ignore_class: a class number whose samples count for nothing, or None.
        label_smoothing: share of the uniform distribution in the targets.
        reduction: see Loss.
    """

    config_names = ("from_logits", "ignore_class", "label_smoothing")
    class_numbers = True

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        name="sparse_categorical_crossentropy",
        *,
        label_smoothing=0.0,
    ):
        super().__init__(name, reduction)
        self.from_logits = checks.flag(self.name, "from_logits", from_logits)
        self.ignore_class = None if ignore_class is None else checks.integer(self.name, "ignore_class", ignore_class)
        self.label_smoothing = _share(self.name, label_smoothing)

    def _cross_entropy(self, y_true, y_pred, sample_weight, reduction):
        labels = class_ids(self.name, data(y_true))
        self._refuse_probabilities(self.name, labels.shape, y_pred.shape)
        return ops.softmax_cross_entropy(
            self.logits(y_pred),
            labels,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_class,
            sample_weight=sample_weight,
            reduction=reduction,
        )

    def _refuse_probabilities(self, where, shape, predicted):
        if shape[1:] == predicted[1:] and shape[-1:] != (1,):
            raise ValueError(
                f"[{where}] y {shape} has the predictions' shape, but class numbers are wanted; for probabilities use "
                "categorical_crossentropy"
            )

    def targets(self, where, y):
        return class_ids(where, y)

    def check(self, where, y, shape):
        self._refuse_probabilities(where, y.shape, shape)
        check_range(where, y, shape[-1], self.ignore_class)


def _clipped(p):
    return ops.minimum(ops.maximum(p, _EPSILON), 1 - _EPSILON)


def _share(where, value):
    return checks.number(where, "label_smoothing", value, "[0, 1]")
