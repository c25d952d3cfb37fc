"""keras.losses: the classes, and the functions of the same names that give one loss per sample."""

from hotloop.losses import *  # noqa: F403
from hotloop.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)


def mean_squared_error(y_true, y_pred):
    """mean((y_true - y_pred)^2) of each sample."""
    return MeanSquaredError(reduction=None)(y_true, y_pred)


def mean_absolute_error(y_true, y_pred):
    """mean(|y_true - y_pred|) of each sample."""
    return MeanAbsoluteError(reduction=None)(y_true, y_pred)


def huber(y_true, y_pred, delta=1.0):
    """Huber's loss of each sample."""
    return Huber(delta, reduction=None)(y_true, y_pred)


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    """Binary cross-entropy of each sample."""
    return BinaryCrossentropy(from_logits, label_smoothing, reduction=None)(y_true, y_pred)


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    """Cross-entropy of each sample with probabilities y_true."""
    return CategoricalCrossentropy(from_logits, label_smoothing, reduction=None)(y_true, y_pred)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None):
    """Cross-entropy of each sample with class numbers y_true."""
    return SparseCategoricalCrossentropy(from_logits, ignore_class, reduction=None)(y_true, y_pred)


mse, mae = mean_squared_error, mean_absolute_error
