"""Losses as compile() takes them: Keras' classes over the fused ops.

A loss is called as loss(y_true, y_pred, sample_weight=None) and gives a scalar Tensor, or one value per sample with
reduction=None.
"""

from hotloop.losses.base import FunctionLoss, Loss
from hotloop.losses.cross_entropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from hotloop.losses.pointwise import Huber, MeanAbsoluteError, MeanSquaredError
from hotloop.names import resolve

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]

BY_NAME = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "huber_loss": Huber,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier, where="losses.get"):
    """The loss that a name, a Loss or a function (y_true, y_pred) stands for.

    Raises:
        ValueError: the name is unknown.
        TypeError: it is none of these.
    """
    return resolve(where, "loss", identifier, Loss, BY_NAME, FunctionLoss)
