"""Losses. Each kernel computes the loss and its gradient in one pass; backward() only scales what is already there."""

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import data, is_one, record, wants_gradient
from hotloop.names import choose

__all__ = [
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "mae_loss",
    "mse_loss",
    "softmax_cross_entropy",
]


_ndarray = np.ndarray
_pointwise_loss, _ready_gradient, _reductions = _core.pointwise_loss, _core.ready_gradient, _core.reductions
_MSE, _MAE, _HUBER, _BINARY_CROSS_ENTROPY = (
    _core.pointwise_losses[name] for name in ("mse", "mae", "huber", "binary_cross_entropy")
)
_MEAN, _MULTIPLY, _NEGATIVE = _reductions["mean"], _core.binary_ops["multiply"], _core.unary_ops["negative"]


def _times(gradient, dy):
    """gradient * dy, where dy is a number or has gradient's leading axes."""
    if dy.ndim == 0:
        if is_one(dy):
            return gradient
    elif dy.ndim < gradient.ndim:
        dy = dy[..., None]
    return _core.binary(gradient, dy, _MULTIPLY)


def _is_probabilities(labels, logits):
    """Labels of the logits' shape are probabilities, but integers (..., 1) for one class are ids."""
    if labels.dtype.kind == "f":
        return labels.ndim == logits.ndim and (labels.shape[-1:] != (1,) or labels.shape == logits.shape)
    return labels.shape == logits.shape and labels.shape[-1:] != (1,)


def softmax_cross_entropy(
    logits,
    labels,
    *,
    label_smoothing=0.0,
    class_weight=None,
    ignore_index=None,
    sample_weight=None,
    reduction="mean",
):
    """Cross-entropy between softmax(logits) and labels; PyTorch's F.cross_entropy with the classes on the last axis.

    loss = -sum_c q_c * log softmax(logits)_c, where q is one-hot or the probabilities given, mixed with 1 / classes by
    label_smoothing, times class_weight.

    Args:
        logits: (..., classes), float32 or float64.
        labels: class ids (...,) or (..., 1), integers in [0, classes); or probabilities (..., classes), for which no
            gradient is computed.
        label_smoothing: share of the uniform distribution, in [0, 1].
        class_weight: (classes,) or None.
        ignore_index: a class id whose rows count for nothing, or None; may lie outside [0, classes).
        sample_weight: (...,) or (..., 1) or None; scales each row's loss. "mean" does not divide by it, as in Keras.
        reduction: "none", "sum", or "mean": divided by the class weights of the labels that are not ignored, or by the
            number of rows where labels are probabilities.

    Returns:
        The loss: shape () where reduced, else (...,). The mean over no rows is NaN.

    Raises:
        ValueError: shapes do not fit, or a label is out of range; names the first such row.
        TypeError: class ids that are not integers.
    """
    op = "softmax_cross_entropy"
    number = choose(op, "reduction", reduction, _reductions)
    array, ids = checks.array(op, "logits", data(logits)), checks.array(op, "labels", data(labels))
    label_smoothing = checks.number(op, "label_smoothing", label_smoothing, "[0, 1]")
    if ignore_index is not None:
        ignore_index = checks.integer(op, "ignore_index", ignore_index)
        if not -(2**63) <= ignore_index < 2**63:
            raise ValueError(f"[{op}] ignore_index {ignore_index} is no class id: they have 64 bits")
    weight = data(sample_weight)
    if weight is not None:
        weight = checks.array(op, "sample_weight", weight)
        if weight.ndim == array.ndim and weight.shape[-1:] == (1,):
            weight = weight[..., 0]
    loss, gradient = _core.softmax_cross_entropy(
        array,
        ids,
        _is_probabilities(ids, array),
        number,
        label_smoothing,
        data(class_weight),
        ignore_index,
        weight,
        wants_gradient(logits),
    )

    return record(op, loss, (logits,), _core.ready_gradient(gradient, _times), gives_away=True)


def _matched(predictions, targets):
    """Targets (N,) for predictions (N, 1), or the reverse, in the predictions' shape: Keras' users pass them so."""
    longer, shorter = sorted((predictions.shape, targets.shape), key=len, reverse=True)
    return targets.reshape(predictions.shape) if longer == (*shorter, 1) else targets


def _per_element(op, weight, shape):
    """One weight for each element, from one for each sample: the shape's leading axes, then axes of 1."""
    weight = checks.real_array(op, "sample_weight", weight)
    if weight.shape == shape:
        return weight
    leading = weight.shape
    while leading and leading[-1] == 1:
        leading = leading[:-1]
    if leading != shape[: len(leading)]:
        return weight  # for the kernel's check to refuse
    spread = _core.broadcast_to(weight.reshape(leading + (1,) * (len(shape) - len(leading))), shape)
    return _core.contiguous(spread, op)


def _of_both(gradient, shape):
    """The closure of a loss whose targets, of this shape, want a gradient too."""

    def backward(dy, need):
        dx = _times(gradient, dy)
        return dx, _core.unary(dx, _NEGATIVE).reshape(shape)

    return backward


# Called with a few numbers as often as with many: what an ordinary call does not need is asked for without a call.
def _pointwise(op, kind, predictions, targets, sample_weight, reduction, delta=1.0, target_gradient=True):
    number = (
        _MEAN if type(reduction) is str and reduction == "mean" else choose(op, "reduction", reduction, _reductions)
    )
    x, given, weight = data(predictions), data(targets), None
    if type(x) is not _ndarray:
        x = checks.array(op, "predictions", x)
    if type(given) is not _ndarray:
        given = checks.array(op, "targets", given)
    shape = given.shape
    target = given if x.shape == shape else _matched(x, given)
    if sample_weight is not None:
        weight = _per_element(op, data(sample_weight), x.shape)
    inputs = (predictions, targets) if target_gradient else (predictions,)
    loss, gradient = _pointwise_loss(op, x, target, kind, number, delta, weight, wants_gradient(*inputs))
    if gradient is None:
        return record(op, loss, inputs, None)
    both = given is not targets and target_gradient and wants_gradient(targets)
    backward = _of_both(gradient, shape) if both else _ready_gradient(gradient, _times)
    return record(op, loss, inputs, backward, gives_away=True)


def mse_loss(predictions, targets, *, sample_weight=None, reduction="mean"):
    """Squared error: loss = (prediction - target)^2.

    Args:
        predictions: array of any shape, float32 or float64.
        targets: array of the same shape, or one that differs by a trailing axis of 1.
        sample_weight: array of predictions' shape or of its leading axes, or None; "mean" does not divide by it.
        reduction: "none", "sum" or "mean" over all elements.

    Returns:
        The loss: shape () where reduced, else predictions' shape. The mean over no elements is NaN.

    Raises:
        ValueError: shapes differ: no broadcasting.
    """
    return _pointwise("mse_loss", _MSE, predictions, targets, sample_weight, reduction)


def mae_loss(predictions, targets, *, sample_weight=None, reduction="mean"):
    """Absolute error: loss = |prediction - target|; the gradient at 0 is 0.

    Args:
        predictions: array of any shape, float32 or float64.
        targets: array of the same shape, or one that differs by a trailing axis of 1.
        sample_weight: array of predictions' shape or of its leading axes, or None; "mean" does not divide by it.
        reduction: "none", "sum" or "mean" over all elements.

    Returns:
        The loss: shape () where reduced, else predictions' shape. The mean over no elements is NaN.

    Raises:
        ValueError: shapes differ: no broadcasting.
    """
    return _pointwise("mae_loss", _MAE, predictions, targets, sample_weight, reduction)


def huber_loss(predictions, targets, *, delta=1.0, sample_weight=None, reduction="mean"):
    """Huber's loss, with d = prediction - target: d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2).

    Args:
        predictions: array of any shape, float32 or float64.
        targets: array of the same shape, or one that differs by a trailing axis of 1.
        delta: where the square turns into a line, > 0.
        sample_weight: array of predictions' shape or of its leading axes, or None; "mean" does not divide by it.
        reduction: "none", "sum" or "mean" over all elements.

    Returns:
        The loss: shape () where reduced, else predictions' shape. The mean over no elements is NaN.

    Raises:
        ValueError: shapes differ: no broadcasting; or delta is not positive.

    Source: P. J. Huber, Robust Estimation of a Location Parameter, 1964.
    """
    delta = checks.number("huber_loss", "delta", delta, "(0, inf]")
    return _pointwise("huber_loss", _HUBER, predictions, targets, sample_weight, reduction, delta)


def binary_cross_entropy_with_logits(logits, targets, *, sample_weight=None, reduction="mean"):
    """Cross-entropy of independent yes/no answers: loss = -t * log s - (1 - t) * log(1 - s), s = sigmoid(logit).

    Computed from the logits, so that no logarithm overflows.

    Args:
        logits: array of any shape, float32 or float64.
        targets: probabilities of the same shape, or one that differs by a trailing axis of 1; no gradient is computed
            for them.
        sample_weight: array of logits' shape or of its leading axes, or None; "mean" does not divide by it.
        reduction: "none", "sum" or "mean" over all elements.

    Returns:
        The loss: shape () where reduced, else logits' shape. The mean over no elements is NaN.

    Raises:
        ValueError: shapes differ: no broadcasting.
    """
    op = "binary_cross_entropy_with_logits"
    return _pointwise(op, _BINARY_CROSS_ENTROPY, logits, targets, sample_weight, reduction, target_gradient=False)
