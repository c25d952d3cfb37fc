import numpy as np
import pytest

import hotloop as hl
from hotloop import _core


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.int64, bool, np.complex128, ">f4"])
@pytest.mark.parametrize("trailing", [(), (1,), (3,), (28, 28), (5, 7, 3), (0,)])
def test_take(dtype, trailing):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (50, *trailing)).astype(dtype)
    for indices in (rng.integers(0, 50, 33), rng.integers(0, 50, (4, 2)), np.array(7), np.zeros(0, int)):
        y = hl.take(x, indices)
        assert y.dtype == x.dtype and y.shape == x[indices].shape and np.array_equal(y, x[indices])


def test_take_reads_what_is_not_contiguous():
    x = np.arange(60.0).reshape(6, 10)
    assert np.array_equal(hl.take(x.T, [3, 0]), x.T[[3, 0]])
    assert np.array_equal(hl.take(x[::-2], np.array([2, 1], ">i2")), x[::-2][[2, 1]])
    x.flags.writeable = False
    assert np.array_equal(hl.take(x, [5]), x[[5]])


def test_gather_rows_writes_into_out():
    x, out = np.arange(12, dtype=np.uint8).reshape(4, 3), np.zeros((2, 3), np.uint8)
    assert _core.gather_rows(x, [3, 1], out) is out
    assert np.array_equal(out, x[[3, 1]])
    for bad in (np.zeros((2, 3)), np.zeros((3, 3), np.uint8), np.zeros((3, 2), np.uint8).T):
        with pytest.raises(ValueError, match=r"out must be .* shape \(2, 3\) and dtype uint8"):
            _core.gather_rows(x, [3, 1], bad)


@pytest.mark.parametrize(
    ("x", "indices", "error", "words"),
    [
        (np.zeros((5, 2)), [0, 4, 5], IndexError, "position 2 is 5, x has 5 rows"),
        (np.zeros((5, 2)), [0, -1], IndexError, "position 1 is -1, x has 5 rows"),
        (np.zeros((0, 2)), [0], IndexError, "x has 0 rows"),
        (np.zeros((5, 2)), [0.0], TypeError, "indices has dtype float64"),
        (np.zeros(()), [0], ValueError, "no rows"),
        (np.array([None, 1]), [0], TypeError, "dtype object"),
    ],
)
def test_take_refuses(x, indices, error, words):
    with pytest.raises(error, match=words):
        hl.take(x, indices)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("trailing", [(), (3,), (2, 9), (1000,)])
def test_the_gradient_of_take_adds_up_repeated_rows(tier, on_threads, dtype, trailing):
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 40, (30, 3))
    dy = rng.standard_normal((30, 3, *trailing)).astype(dtype)
    wanted = np.zeros((50, *trailing))
    np.add.at(wanted, indices, dy.astype(np.float64))

    def gradient():
        x = hl.Tensor(np.zeros((50, *trailing), dtype), requires_grad=True)
        hl.take(x, indices).backward(dy)
        return x.grad

    one, two, four = on_threads(gradient)
    assert np.max(np.abs(one - wanted)) <= (2e-6 if dtype == np.float32 else 1e-14)
    assert one.tobytes() == two.tobytes() == four.tobytes()


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 31, 256, 70_001])
@pytest.mark.parametrize("float64", [False, True])
def test_bytes_become_numbers(tier, n, float64):
    x = (np.arange(n) % 256).astype(np.uint8)
    y = _core.rescale_bytes(x, 1 / 255, -0.5, float64)
    assert y.dtype == (np.float64 if float64 else np.float32) and y.shape == x.shape
    assert np.all(np.abs(y - (x / 255 - 0.5)) <= (1e-15 if float64 else 1e-7))


def test_rescale_bytes_takes_any_shape_and_order():
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(hl.rescale(x, 2.0), x * 2.0)
    assert np.array_equal(hl.rescale(x.T, 0.5, 1), x.T * 0.5 + 1)
    with pytest.raises(TypeError, match="uint8"):
        _core.rescale_bytes(x.astype(np.int8), 1.0)


def test_rescale_of_numbers_has_a_gradient():
    x = hl.Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    y = hl.rescale(x, 3.0, 1.0)
    assert y.tolist() == [4, 7, 10]
    y.backward(np.array([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [3, 30, 300]
    assert hl.rescale(np.arange(3), 2.0).dtype == np.float32
