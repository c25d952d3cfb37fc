"""Metrics: values over batches, weights, the choice of accuracy, errors."""

import numpy as np
import pytest

import hotloop as hl
from hotloop import metrics

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.35, 0.25]], np.float32)
LABELS = np.array([1, 2, 2, 1])


def value(metric, *args):
    metric.reset_state()
    return metric(*args)


def test_accuracies():
    one_hot = np.eye(3)[LABELS].astype(np.float32)
    assert value(metrics.SparseCategoricalAccuracy(), LABELS, SCORES) == 0.5
    assert value(metrics.SparseCategoricalAccuracy(), LABELS[:, None], SCORES) == 0.5
    assert value(metrics.CategoricalAccuracy(), one_hot, SCORES) == 0.5
    assert value(metrics.BinaryAccuracy(), np.array([1, 0, 1]), np.array([[0.9], [0.6], [0.2]])) == pytest.approx(1 / 3)
    assert value(
        metrics.BinaryAccuracy(threshold=0.1), np.array([1, 0, 1]), np.array([0.9, 0.6, 0.2])
    ) == pytest.approx(2 / 3)


def test_top_k():
    assert value(metrics.SparseTopKCategoricalAccuracy(k=2), LABELS, SCORES) == 0.75
    assert value(metrics.TopKCategoricalAccuracy(k=2), np.eye(3, dtype=np.float32)[LABELS], SCORES) == 0.75
    assert value(metrics.SparseTopKCategoricalAccuracy(k=1), LABELS, np.full((4, 3), np.nan)) == 0.0


def test_accuracy_chooses_by_shape():
    accuracy = metrics.Accuracy()
    assert value(accuracy, LABELS, SCORES) == 0.5
    assert value(accuracy, LABELS[:, None], SCORES) == 0.5
    assert value(accuracy, np.eye(3, dtype=np.float32)[LABELS], SCORES) == 0.5
    assert value(accuracy, np.array([1, 0]), np.array([[0.9], [0.6]])) == 0.5
    assert value(accuracy, np.array([[1], [0]]), np.array([[0.9], [0.6]])) == 0.5


def test_means_go_on_over_batches():
    metric = metrics.MeanSquaredError()
    metric.update_state(np.array([1.0, 2.0]), np.array([[2.0], [4.0]]))
    metric.update_state(np.array([[0.0]]), np.array([[3.0]]))
    assert metric.result() == pytest.approx((1 + 4 + 9) / 3)
    metric.reset_state()
    assert metric.result() == 0.0


def test_weights():
    weights = np.array([1.0, 0.0, 2.0, 1.0])
    assert value(metrics.SparseCategoricalAccuracy(), LABELS, SCORES, weights) == 0.75
    y, p = np.zeros((4, 2)), np.array([[1.0, 3.0], [9, 9], [2, 2], [0, 0]])
    assert value(metrics.MeanAbsoluteError(), y, p, weights) == pytest.approx((2 * 1 + 2 * 2 + 0) / 4)


def test_regression():
    y, p = np.array([1.0, 2.0]), np.array([2.0, 4.0])
    assert value(metrics.RootMeanSquaredError(), y, p) == pytest.approx(np.sqrt(2.5))
    assert value(metrics.MeanAbsoluteError(), y, p) == 1.5


def test_tensors_and_own_functions():
    def largest(y_true, y_pred):
        return np.abs(y_true - y_pred).max(axis=-1)

    metric = metrics.get(largest)
    assert metric.name == "largest"
    assert metric(np.zeros((2, 2)), hl.Tensor(np.array([[1.0, 2.0], [3.0, 1.0]]))) == 2.5
    whole = metrics.get(lambda y_true, y_pred: float(np.abs(y_true - y_pred).mean()))
    whole.update_state(np.zeros(1), np.ones(1))
    whole.update_state(np.zeros(3), np.full(3, 5.0))
    assert whole.result() == 4.0


def test_get():
    assert isinstance(metrics.get("acc"), metrics.Accuracy) and metrics.get("mse").name == "mse"
    assert isinstance(metrics.get(metrics.BinaryAccuracy), metrics.BinaryAccuracy)
    with pytest.raises(ValueError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(TypeError, match="metric must be a name, a Metric or a function"):
        metrics.get(1)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "error", "words"),
    [
        (metrics.Accuracy(), LABELS[:2], SCORES, ValueError, r"\[accuracy\] shapes differ: y_true is \(2,\), y_pred"),
        (metrics.Accuracy(), np.array(["a"] * 4), SCORES, TypeError, r"\[accuracy\] y_true has dtype <U1"),
        (metrics.Accuracy(), None, SCORES, TypeError, r"\[accuracy\] y_true must be an array, got None"),
        (metrics.Accuracy(), LABELS, np.zeros((4, 0)), ValueError, r"\[sparse_categorical_accuracy\] there are no"),
        (metrics.SparseCategoricalAccuracy(), np.eye(4, 3), SCORES, ValueError, r"y_true is \(4, 3\), y_pred \(4, 3\)"),
        (metrics.CategoricalAccuracy(), np.eye(4), SCORES, ValueError, r"y_true is \(4, 4\), y_pred \(4, 3\)"),
        (metrics.BinaryAccuracy(), SCORES[:, :2], SCORES, ValueError, r"\[binary_accuracy\] shapes differ"),
        (metrics.MeanSquaredError(), SCORES.T, SCORES, ValueError, r"\[mean_squared_error\] shapes differ"),
        (metrics.MeanAbsoluteError(), np.zeros((4, 1)), SCORES, ValueError, r"y_true is \(4, 1\), y_pred \(4, 3\)"),
        (metrics.SparseTopKCategoricalAccuracy(2), LABELS + 1, SCORES, ValueError, "row 1 of y is 3, wants 0 .. 2"),
        (metrics.SparseTopKCategoricalAccuracy(2), LABELS + 0.5, SCORES, ValueError, "wants class numbers"),
    ],
)
def test_what_does_not_fit_is_named(metric, y_true, y_pred, error, words):
    with pytest.raises(error, match=words):
        metric(y_true, y_pred)


def test_arguments():
    with pytest.raises(TypeError, match=r"\[sparse_top_k_categorical_accuracy\] k must be an integer, got 'a'"):
        metrics.SparseTopKCategoricalAccuracy("a")
    with pytest.raises(TypeError, match=r"\[binary_accuracy\] threshold must be a number"):
        metrics.BinaryAccuracy(threshold=None)
