"""keras.utils."""

import numpy as np

from hotloop import checks
from hotloop.labels import check_range, class_ids
from hotloop.random import set_seed as set_random_seed

__all__ = ["set_random_seed", "to_categorical"]


def to_categorical(x, num_classes=None):
    """One-hot rows: y[..., c] = 1 where x is c, else 0.

    Args:
        x: class numbers (...,) or (..., 1).
        num_classes: size of the last axis; the largest number plus 1 if None.

    Returns:
        float32 array (..., num_classes).

    Raises:
        ValueError: a number is not in [0, num_classes).
    """
    ids = class_ids("to_categorical", x)
    if ids.ndim > 1 and ids.shape[-1] == 1:
        ids = ids[..., 0]
    if num_classes is None:
        num_classes = int(ids.max(initial=-1)) + 1
    classes = checks.integer("to_categorical", "num_classes", num_classes, 0)
    check_range("to_categorical", ids, classes)
    return (ids[..., None] == np.arange(classes)).astype(np.float32)
