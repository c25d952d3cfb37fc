"""Softmax and log_softmax over every way an axis can lie in vectors."""

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core
from hotloop.autograd import Tensor

INF, NAN = np.inf, np.nan
# Short and long rows, odd tails, few and many columns, an axis in the middle.
SHAPES = [
    *(((5, n), 1) for n in (1, 2, 3, 7, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 1000)),
    *(((n, 10), 1) for n in (1, 7, 8, 9, 17, 128)),
    *(((9, n), 0) for n in (1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 65, 129)),
    ((3, 70, 2), 1),
    ((3, 5, 2), 1),
    ((40, 4, 3), 1),
    ((2, 3, 4, 5), 2),
    ((2, 3, 4, 5), -4),
    ((1, 1), 0),
    ((6,), 0),
    ((0, 4), 1),
    ((4, 0), 1),
    ((4, 0), 0),
    ((3, 4, 0), 1),
]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
OPS = pytest.mark.parametrize("op", [hl.softmax, hl.log_softmax])


def reference(op, x, dy, axis):
    """(y, dx) in float64."""
    if x.size == 0:
        return x, dy
    shifted = x - x.max(axis=axis, keepdims=True, initial=-INF)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    p = np.exp(log_p)
    if op is hl.log_softmax:
        return log_p, dy - p * dy.sum(axis=axis, keepdims=True)
    return p, p * (dy - (p * dy).sum(axis=axis, keepdims=True))


@DTYPES
@OPS
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_matches_numpy(tier, op, shape, axis, dtype):
    rng = np.random.default_rng(7)
    x, dy = (3 * rng.standard_normal((2, *shape))).astype(dtype)
    want_y, want_dx = reference(op, x.astype(np.float64), dy.astype(np.float64), axis)
    leaf = Tensor(x, requires_grad=True)
    y = op(leaf, axis)
    y.backward(dy)
    eps = np.finfo(dtype).eps
    assert y.shape == shape
    assert y.dtype == dtype
    floor = 1.0 if op is hl.log_softmax else 1e-3
    assert (np.abs(y.numpy() - want_y) <= 8 * eps * np.maximum(np.abs(want_y), floor)).all()
    assert (np.abs(leaf.grad - want_dx) <= (16 + shape[axis]) * eps * 3).all()


@OPS
@pytest.mark.parametrize(("shape", "axis"), [((5000, 10), 1), ((300, 130), 1), ((50, 1003), 0), ((7, 90, 300), 1)])
def test_same_bits_for_any_number_of_threads(op, shape, axis):
    x, dy = np.random.default_rng(8).standard_normal((2, *shape)).astype(np.float32)
    before = _core.num_threads()
    results = []
    try:
        for threads in (1, 2, 4):
            _core.set_num_threads(threads)
            leaf = Tensor(x, requires_grad=True)
            y = op(leaf, axis)
            y.backward(dy)
            results.append((y.numpy(), leaf.grad))
    finally:
        _core.set_num_threads(before)
    for y, dx in results[1:]:
        assert np.array_equal(y, results[0][0])
        assert np.array_equal(dx, results[0][1])


@DTYPES
@pytest.mark.parametrize("length", [3, 40, 65])
@pytest.mark.parametrize("columns", [1, 3, 20])
def test_special_values(tier, length, columns, dtype):
    x = np.zeros((6, length, columns), dtype)
    x[0, -1] = NAN
    x[1] = -INF
    x[2, 1] = INF
    x[3, 1:] = -INF
    x[4, 0] = 1e30
    x[5] = -1e30
    p, log_p = hl.softmax(x, 1), hl.log_softmax(x, 1)
    assert np.isnan(p[:3]).all()
    assert np.isnan(log_p[:3]).all()
    first = np.zeros((length, columns))
    first[0] = 1
    assert np.array_equal(p[3], first)
    assert np.array_equal(p[4], first)
    assert np.array_equal(log_p[3], np.where(first == 1, 0, -INF))
    assert (np.abs(p[5] - 1 / length) <= 4 * np.finfo(dtype).eps).all()


@OPS
def test_extremes_stay_finite(op):
    x = np.array([[1e38, -3e38, 0], [-3e38, -3e38, -3e38]], np.float32)
    y = op(x)
    assert not np.isnan(y).any()
    assert np.isneginf(hl.log_softmax(np.array([3e38, -3e38], np.float32))[1])


def test_errors():
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"^\[softmax\] axis 2 is out of range for shape \(2, 3\)$"):
        hl.softmax(x, 2)
    with pytest.raises(ValueError, match=r"^\[log_softmax\] axis -3 is out of range for shape \(2, 3\)$"):
        hl.log_softmax(x, -3)
    with pytest.raises(ValueError, match=r"^\[softmax\] axis -1 is out of range for shape \(\)$"):
        hl.softmax(np.float32(1))
    with pytest.raises(TypeError, match=r"^\[softmax\] axis must be an integer, got 1.0$"):
        hl.softmax(x, 1.0)
    with pytest.raises(TypeError, match=r"^\[softmax\] x has dtype complex64"):
        hl.softmax(x.astype(np.complex64))


@OPS
def test_out_may_be_the_input(op):
    x = np.random.default_rng(9).standard_normal((33, 70)).astype(np.float32)
    want = op(x)
    assert op(x, out=x) is x
    assert np.array_equal(x, want)
