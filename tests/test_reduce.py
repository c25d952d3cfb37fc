"""Reductions beyond the rows of op_cases.py: precision of long sums, NaN, ties, odd shapes, refusals."""

import itertools

import numpy as np
import pytest

import hotloop as hl
from hotloop import Tensor


def test_long_sums_stay_accurate(tier):
    x = np.full(10_000_000, 0.1, np.float32)
    want = 10_000_000 * float(np.float32(0.1))
    assert abs(float(hl.sum(x)) - want) <= 1e-6 * want
    assert abs(float(hl.mean(x)) - float(np.float32(0.1))) <= 1e-7


@pytest.mark.parametrize("columns", [1, 3, 10, 32, 100])
def test_long_columns_stay_accurate(tier, columns):
    rng = np.random.default_rng(0)
    x = rng.random((400_000, columns), np.float32)[: 4_000_000 // columns]
    want = x.sum(0, dtype=np.float64)
    assert np.max(np.abs(hl.sum(x, 0) / want - 1)) <= 2e-6
    want = x.T.sum(1, dtype=np.float64)
    assert np.max(np.abs(hl.sum(x.T, 1) / want - 1)) <= 2e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lengths_around_every_block(tier, dtype):
    """Whole numbers, so that sums are exact in any order."""
    rng = np.random.default_rng(0)
    lengths = [*range(1, 40), 63, 64, 65, 127, 128, 129, 255, 1023, 1024, 1025, 4097, 16383, 16384, 16385, 32769, 70001]
    for n in lengths:
        x = rng.integers(-8, 9, n).astype(dtype)
        rows = np.stack([x, x[::-1], x * 0])
        for name in ("sum", "max", "min"):
            f = getattr(hl, name)
            assert f(x) == getattr(np, name)(x), (name, n)
            assert np.array_equal(f(rows, 1), getattr(np, name)(rows, 1)), (name, n)
            assert np.array_equal(f(rows.T, 0), getattr(np, name)(rows, 1)), (name, n)
        assert hl.argmax(x) == np.argmax(x), n
        assert np.array_equal(hl.argmax(rows, 1), np.argmax(rows, 1)), n


def test_columns_around_every_block(tier):
    rng = np.random.default_rng(0)
    for rows in (1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200, 4097):
        for columns in (1, 2, 3, 7, 8, 9, 31, 63, 64, 65, 100, 1023, 1024, 1025):
            if rows * columns > 300_000:
                continue
            x = rng.integers(-8, 9, (rows, columns)).astype(np.float32)
            for name in ("sum", "max", "min"):
                assert np.array_equal(getattr(hl, name)(x, 0), getattr(np, name)(x, 0)), (name, rows, columns)


@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 1, 5), (2, 3, 4, 5), (1, 2, 1, 3, 2), (2, 1, 2, 2, 1, 2, 1, 2)])
def test_all_sets_of_axes(shape):
    x = np.random.default_rng(0).integers(-8, 9, shape).astype(np.float64)
    for count in range(len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for keepdims in (False, True):
                for name in ("sum", "mean", "max", "min"):
                    got = getattr(hl, name)(x, axes, keepdims)
                    want = np.asarray(getattr(np, name)(x, axes, keepdims=keepdims))
                    assert got.shape == want.shape
                    assert np.max(np.abs(got - want)) <= 1e-14
    negative = tuple(range(-len(shape), 0))
    assert hl.sum(x, negative) == x.sum()
    assert hl.sum(x, [*negative]) == x.sum()


def test_nan_is_found_wherever_it_is(tier):
    for n in (1, 3, 8, 17, 64, 100, 1000, 40_000):
        for at in {0, n // 3, n - 1}:
            x = np.arange(n, dtype=np.float32)
            x[at] = np.nan
            for name in ("sum", "mean", "max", "min"):
                assert np.isnan(getattr(hl, name)(x)), (name, n, at)
                columns = np.stack([x, np.arange(n, dtype=np.float32)], 1)
                assert np.array_equal(np.isnan(getattr(hl, name)(columns, 0)), [True, False])
            assert hl.argmax(x) == at
            x[n - 1] = np.nan
            assert hl.argmax(x) == at


def test_infinities(tier):
    x = np.full((3, 50), -np.inf, np.float32)
    assert np.all(hl.max(x, 1) == -np.inf)
    assert np.all(hl.argmax(x, 1) == 0)
    assert np.all(hl.min(-x, 0) == np.inf)
    x[0, 7] = np.inf
    assert np.isnan(hl.sum(x))


def test_nothing():
    x = np.zeros((0, 3), np.float32)
    assert np.array_equal(hl.sum(x, 0), np.zeros(3))
    assert hl.sum(x) == 0
    assert np.all(np.isnan(hl.mean(x, 0)))
    for name in ("sum", "mean", "max", "min", "argmax"):
        assert getattr(hl, name)(x, 1).shape == (0,)
    for name in ("max", "min"):
        with pytest.raises(ValueError, match=rf"\[{name}\] shape \(0, 3\) has no element"):
            getattr(hl, name)(x, 0)
    with pytest.raises(ValueError, match=r"\[argmax\].*no element"):
        hl.argmax(x, 0)
    with pytest.raises(ValueError, match=r"\[argmax\].*no element"):
        hl.argmax(x)


def test_axes_that_are_none():
    x = np.zeros((2, 3))
    for name in ("sum", "mean", "max", "min"):
        f = getattr(hl, name)
        with pytest.raises(ValueError, match=rf"\[{name}\] axis 2 is not an axis of shape \(2, 3\)"):
            f(x, 2)
        with pytest.raises(ValueError, match=rf"\[{name}\] axis -3 is not"):
            f(x, (0, -3))
        with pytest.raises(ValueError, match=rf"\[{name}\] axis -1 is named twice"):
            f(x, (1, -1))
        with pytest.raises(TypeError, match=rf"\[{name}\] axis wants"):
            f(x, 1.5)
    with pytest.raises(ValueError, match=r"\[argmax\] axis 2 is not"):
        hl.argmax(x, 2)
    assert np.array_equal(hl.sum(x, np.int64(1)), np.zeros(2))


@pytest.mark.parametrize("bad", [None, "text", np.ones(3, complex), np.array([None])])
def test_what_is_no_number_is_refused_by_name(bad):
    for name in ("sum", "mean", "max", "min", "argmax"):
        with pytest.raises(TypeError, match=rf"\[{name}\] x "):
            getattr(hl, name)(bad)


def test_argmax():
    x = np.random.default_rng(0).integers(0, 5, (4, 5, 6)).astype(np.float32)
    for axis in (None, 0, 1, 2, -1, -2, -3):
        for keepdims in (False, True):
            got, want = hl.argmax(x, axis, keepdims), np.argmax(x, axis, keepdims=keepdims)
            assert type(got) is np.ndarray
            assert got.dtype == np.int64
            assert np.array_equal(got, want)
    assert type(hl.argmax(Tensor(x), 1)) is np.ndarray
    assert hl.argmax(np.float32(3)) == 0


def test_gradient_of_ties_goes_to_the_first():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(1).sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]
    x.zero_grad()
    x.min().backward()
    assert x.grad.tolist() == [[1, 0, 0], [0, 0, 0]]
    x.zero_grad()
    x.max(0, keepdims=True).sum().backward()
    assert x.grad.tolist() == [[0, 1, 1], [1, 0, 0]]


def test_the_first_of_ties_is_that_of_x_whatever_the_order_of_axes():
    for axis in ((0, 1), (1, 0), (-1, -2)):
        for extreme in (Tensor.max, Tensor.min):
            x = Tensor([[1.0, 3.0, 3.0], [3.0, 1.0, 1.0]], requires_grad=True)
            extreme(x, axis).backward()
            assert x.grad.tolist() == ([[0, 1, 0], [0, 0, 0]] if extreme is Tensor.max else [[1, 0, 0], [0, 0, 0]])


def test_gradient_over_several_axes():
    array = np.random.default_rng(0).permutation(60).reshape(3, 4, 5).astype(np.float64)
    for axis in ((0, 2), (2, 0), 1, None, ()):
        x = Tensor(array, requires_grad=True)
        y = x.max(axis)
        y.backward(np.arange(1.0, 1 + y.size).reshape(y.shape))
        want = np.max(array, axis if axis != (2, 0) else (0, 2), keepdims=True) == array
        places = np.arange(1.0, 1 + y.size).reshape(np.max(array, axis, keepdims=True).shape)
        assert np.array_equal(x.grad, want * places)


def test_gradient_of_a_mean_is_shared_out():
    x = Tensor(np.ones((4, 5)), requires_grad=True)
    x.mean(1).backward(np.arange(4.0))
    assert np.array_equal(x.grad, np.repeat(np.arange(4.0)[:, None] / 5, 5, 1))
    empty = Tensor(np.ones((0, 5)), requires_grad=True)
    empty.mean().backward()
    assert empty.grad.shape == (0, 5)
