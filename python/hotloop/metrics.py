"""Metrics as compile() takes them: running means over the batches of an epoch, on plain arrays."""

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import data
from hotloop.labels import check_range, class_ids
from hotloop.layers.auto_name import snake_case
from hotloop.names import resolve

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "get",
]


class Metric:
    """Base: override reset_state, update_state(y_true, y_pred, sample_weight) and result."""

    config_names = ()

    def __init__(self, name=None):
        kind = type(self).__name__
        self.name = snake_case(kind) if name is None else checks.text(kind, "name", name)

    def reset_state(self):
        """Forgets all batches."""
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define reset_state")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Takes in one batch."""
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define update_state")

    def total_there(self, y_true, y_pred):
        """The sum over a batch of CudaArrays, itself one, and its weight for `add`; None where it takes the host."""
        return None

    def result(self):
        """The value over all batches since the last reset, a float."""
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define result")

    def __call__(self, *args, **kwargs):
        """update_state, then result."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self):
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in (*self.config_names, "name")}


class Mean(Metric):
    """The weighted mean of all values given: update_state(values, sample_weight)."""

    def __init__(self, name=None):
        super().__init__(name)
        self.reset_state()

    def reset_state(self):
        self._total = self._weight = 0.0

    def update_state(self, values, sample_weight=None):
        values = checks.real_array(self.name, "values", data(values))
        if sample_weight is None:
            self.add(float(values.sum(dtype=np.float64)), values.size)
            return
        weight = checks.real_array(self.name, "sample_weight", data(sample_weight)).astype(np.float64)
        try:
            spread = weight.reshape(weight.shape + (1,) * (values.ndim - weight.ndim))
            weight = np.broadcast_to(spread, values.shape)
        except ValueError:
            raise ValueError(f"[{self.name}] sample_weight {weight.shape} does not fit values {values.shape}") from None
        self.add(float((values * weight).sum()), float(weight.sum()))

    def add(self, total, weight):
        """Takes in a sum of values and their weight."""
        self._total += total
        self._weight += weight

    def result(self):
        return self._total / self._weight if self._weight else 0.0


class MeanMetric(Mean):
    """The mean of a function (y_true, y_pred) -> one value per sample."""

    def __init__(self, function=None, name=None):
        if function is not None and not callable(function):
            raise TypeError(f"[{type(self).__name__}] function must be a function (y_true, y_pred), got {function!r}")
        super().__init__(getattr(function, "__name__", None) if name is None else name)
        if function is not None:
            self.function = self.values = function

    def values(self, y_true, y_pred):
        """One value per sample."""
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define values(self, y_true, y_pred)")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = checks.real_array(self.name, "y_true", data(y_true))
        y_pred = checks.real_array(self.name, "y_pred", data(y_pred))
        if y_true.shape[:1] != y_pred.shape[:1] or not y_pred.ndim:
            raise _misfit(self.name, y_true, y_pred)
        values = data(self.values(y_true, y_pred))
        if np.ndim(values) == 0:
            self.add(float(values) * len(y_pred), len(y_pred))
        elif sample_weight is None and isinstance(values, np.ndarray) and values.dtype == bool:
            self.add(int(np.count_nonzero(values)), values.size)
        else:
            super().update_state(values, sample_weight)


def _misfit(where, y_true, y_pred):
    return ValueError(f"[{where}] shapes differ: y_true is {y_true.shape}, y_pred {y_pred.shape}")


def _matched(where, y_true, y_pred):
    """y_true in y_pred's shape, where only axes of size 1 tell them apart."""
    if y_true.shape == y_pred.shape:
        return y_true
    if [n for n in y_true.shape if n != 1] != [n for n in y_pred.shape if n != 1]:
        raise _misfit(where, y_true, y_pred)
    return y_true.reshape(y_pred.shape)


def _sum(x):
    """The sum of an array, of its device."""
    return _core.reduce(x, None, _core.reduce_ops["sum"])


def _errors_there(where, y_true, y_pred, unary):
    """Sum and number of the errors of CudaArrays, squared or made positive."""
    if y_true.dtype != np.float32:
        return None
    errors = _core.binary(y_pred, _matched(where, y_true, y_pred), _core.binary_ops["subtract"])
    return _sum(_core.unary(errors, _core.unary_ops[unary])), y_pred.size


def _largest(where, y):
    """Where the largest lies along the last axis of (..., classes)."""
    if not y.shape[-1]:
        raise ValueError(f"[{where}] there are no classes: shape {y.shape}")
    return _core.argmax(y.reshape(-1, y.shape[-1])).reshape(y.shape[:-1])


def _ids(where, y_true, y_pred):
    """Class numbers (...,) from (...,) or (..., 1), for y_pred (..., classes)."""
    ids = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    if ids.shape != y_pred.shape[:-1]:
        raise _misfit(where, y_true, y_pred)
    return ids


class SparseCategoricalAccuracy(MeanMetric):
    """How often the largest of y_pred (..., classes) is class y_true (...,) or (..., 1)."""

    def __init__(self, name="sparse_categorical_accuracy"):
        super().__init__(name=name)

    def values(self, y_true, y_pred):
        return _largest(self.name, y_pred) == _ids(self.name, y_true, y_pred)

    def total_there(self, y_true, y_pred):
        ids = _ids(self.name, y_true, y_pred)
        return None if ids.dtype != np.int64 else (_core.count_equal(_largest(self.name, y_pred), ids), ids.size)


class CategoricalAccuracy(MeanMetric):
    """How often the largest of y_pred (..., classes) is the largest of y_true (..., classes)."""

    def __init__(self, name="categorical_accuracy"):
        super().__init__(name=name)

    def values(self, y_true, y_pred):
        if y_true.shape != y_pred.shape:
            raise _misfit(self.name, y_true, y_pred)
        return _largest(self.name, y_true) == _largest(self.name, y_pred)

    def total_there(self, y_true, y_pred):
        if y_true.shape != y_pred.shape:
            raise _misfit(self.name, y_true, y_pred)
        first = _largest(self.name, y_true)
        return _core.count_equal(_largest(self.name, y_pred), first), first.size


class BinaryAccuracy(MeanMetric):
    """How often y_pred > threshold where y_true is 1, and not where it is 0; the mean over the last axis of each."""

    config_names = ("threshold",)

    def __init__(self, name="binary_accuracy", threshold=0.5):
        super().__init__(name=name)
        self.threshold = checks.number(self.name, "threshold", threshold, "[-inf, inf]")

    def values(self, y_true, y_pred):
        values = (y_pred > self.threshold) == (_matched(self.name, y_true, y_pred) > 0.5)
        return values.mean(axis=-1) if values.ndim > 1 else values

    def total_there(self, y_true, y_pred):
        if y_true.dtype != np.float32:
            return None
        greater, equal = _core.compare_ops["greater"], _core.compare_ops["equal"]
        truth = _core.compare(_matched(self.name, y_true, y_pred), 0.5, greater)
        right = _sum(_core.compare(_core.compare(y_pred, self.threshold, greater), truth, equal))
        last = y_pred.shape[-1] if y_pred.ndim > 1 else 1
        return _core.binary(right, last, _core.binary_ops["divide"]), y_pred.size // last


class Accuracy(MeanMetric):
    """Binary, sparse or categorical accuracy, by the shapes of targets and predictions, as Keras' "accuracy"."""

    def __init__(self, name="accuracy"):
        super().__init__(name=name)

    def values(self, y_true, y_pred):
        return _accuracy_for(y_true, y_pred).values(y_true, y_pred)

    def total_there(self, y_true, y_pred):
        return _accuracy_for(y_true, y_pred).total_there(y_true, y_pred)


def _accuracy_for(y_true, y_pred):
    if y_pred.shape[-1:] == (1,) or y_pred.ndim < 2:
        return _BINARY
    return _SPARSE if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1 else _CATEGORICAL


_BINARY, _SPARSE, _CATEGORICAL = BinaryAccuracy(), SparseCategoricalAccuracy(), CategoricalAccuracy()


class SparseTopKCategoricalAccuracy(MeanMetric):
    """How often fewer than k classes of y_pred (..., classes) beat class y_true (...,) or (..., 1)."""

    config_names = ("k",)

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy"):
        super().__init__(name=name)
        self.k = checks.integer(self.name, "k", k, 1)

    def values(self, y_true, y_pred):
        ids = class_ids(self.name, _ids(self.name, y_true, y_pred))
        check_range(self.name, ids, y_pred.shape[-1])
        score = np.take_along_axis(y_pred, ids[..., None], -1)
        return (~(y_pred <= score)).sum(axis=-1) < self.k  # so that NaN beats


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """How often fewer than k classes of y_pred (..., classes) beat the largest of y_true (..., classes)."""

    def __init__(self, k=5, name="top_k_categorical_accuracy"):
        super().__init__(k, name)

    def values(self, y_true, y_pred):
        return super().values(_largest(self.name, y_true), y_pred)


class MeanSquaredError(MeanMetric):
    """mean((y_true - y_pred)^2)."""

    def __init__(self, name="mean_squared_error"):
        super().__init__(name=name)

    def values(self, y_true, y_pred):
        return np.square(y_pred - _matched(self.name, y_true, y_pred))

    def total_there(self, y_true, y_pred):
        return _errors_there(self.name, y_true, y_pred, "square")


class RootMeanSquaredError(MeanSquaredError):
    """sqrt(mean((y_true - y_pred)^2)) over the whole epoch."""

    def __init__(self, name="root_mean_squared_error"):
        super().__init__(name=name)

    def result(self):
        return super().result() ** 0.5


class MeanAbsoluteError(MeanMetric):
    """mean(|y_true - y_pred|)."""

    def __init__(self, name="mean_absolute_error"):
        super().__init__(name=name)

    def values(self, y_true, y_pred):
        return np.abs(y_pred - _matched(self.name, y_true, y_pred))

    def total_there(self, y_true, y_pred):
        return _errors_there(self.name, y_true, y_pred, "abs")


BY_NAME = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "rmse": RootMeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
}


def get(identifier, where="metrics.get"):
    """The metric that a name, a Metric or a function (y_true, y_pred) stands for.

    Raises:
        ValueError: the name is unknown.
        TypeError: it is none of these.
    """
    metric = resolve(where, "metric", identifier, Metric, BY_NAME, MeanMetric)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
