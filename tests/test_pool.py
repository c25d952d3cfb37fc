"""Pooling against loops in float64: every option, layout, tier and thread count."""

import numpy as np
import pytest

import hotloop as hl
from hotloop import Tensor, _core
from hotloop.ops.geometry import window_geometry

CHANNELS = [1, 1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33, 40]


class Case:
    """Images and a window over them, drawn at random; `options` are what the ops take by name."""

    def __init__(self, rng, dilated):
        self.n, self.c = int(rng.integers(1, 4)), int(rng.choice(CHANNELS))
        self.window = tuple(int(v) for v in rng.choice([1, 2, 2, 3, 4, 5], 2))
        self.stride = tuple(int(v) for v in rng.integers(1, 4, 2)) if rng.random() < 0.7 else self.window
        self.dilation = tuple(int(v) for v in rng.integers(1, 4, 2)) if dilated and rng.random() < 0.4 else (1, 1)
        self.span = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.window, strict=True))
        self.size = tuple(int(v) + s for v, s in zip(rng.integers(0, [8, 40]), self.span, strict=True))
        # Padding as PyTorch allows it, at most half a window; "same" may be anything.
        sides = [tuple(int(v) for v in rng.integers(0, s // 2 + 1, 2)) for s in self.span]
        self.padding = [((0, 0), (0, 0)), "same", tuple(sides)][rng.integers(3)]
        self.ceil_mode = bool(rng.integers(2))
        self.options = {"stride": self.stride, "padding": self.padding, "ceil_mode": self.ceil_mode}
        if dilated:
            self.options["dilation"] = self.dilation
        self.shape = (self.n, *self.size, self.c)

    def windows(self):
        """The output size, and for each output pixel (i, j, row, column) with the position of its first tap."""
        geometry = window_geometry(
            "test", self.size, self.window, self.stride, self.padding, self.dilation, self.ceil_mode
        )
        oh, ow, top, self.bottom, left, self.right = geometry
        return (
            oh,
            ow,
            [(i, j, i * self.stride[0] - top, j * self.stride[1] - left) for i in range(oh) for j in range(ow)],
        )

    def taps(self, row, column):
        """The positions of one window that lie inside the input, in order."""
        for i in range(self.window[0]):
            for j in range(self.window[1]):
                y, x = row + i * self.dilation[0], column + j * self.dilation[1]
                if 0 <= y < self.size[0] and 0 <= x < self.size[1]:
                    yield y, x


def reference_max(case, x):
    oh, ow, windows = case.windows()
    y = np.full((case.n, oh, ow, case.c), -np.inf)
    at = np.full(y.shape, -1, np.int64)
    for i, j, row, column in windows:
        best, where = y[:, i, j], at[:, i, j]
        for r, s in case.taps(row, column):
            value = x[:, r, s]
            wins = (where < 0) | (value > best) | (np.isnan(value) & ~np.isnan(best))
            best[wins] = value[wins]
            where[wins] = r * case.size[1] + s
    return y, at


def reference_max_grad(case, at, dy):
    dx = np.zeros((case.n, case.size[0] * case.size[1], case.c))
    for n, i, j, c in np.ndindex(at.shape):
        if at[n, i, j, c] >= 0:
            dx[n, at[n, i, j, c], c] += dy[n, i, j, c]
    return dx.reshape(case.shape)


def mean_weights(case, include):
    """The matrix (oh * ow, h * w) that average pooling multiplies each plane by."""
    oh, ow, windows = case.windows()
    weights = np.zeros((oh, ow, *case.size))
    for i, j, row, column in windows:
        inside = list(case.taps(row, column))
        padded = (min(row + case.window[0], case.size[0] + case.bottom) - row) * (
            min(column + case.window[1], case.size[1] + case.right) - column
        )
        for r, s in inside:
            weights[i, j, r, s] = 1 / (padded if include else len(inside))
    return oh, ow, weights.reshape(oh * ow, -1)


def planes(x):
    return x.reshape(x.shape[0], -1, x.shape[-1])


def first(x):
    """Channels-last to channels-first."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def special_values(rng, shape, dtype):
    """Few different values, so that maxima tie, with NaN and infinities among them."""
    x = rng.integers(-2, 3, shape).astype(dtype)
    x[rng.random(shape) < 0.05] = -np.inf
    x[rng.random(shape) < 0.03] = np.nan
    return x


def close(found, expected, dtype, terms):
    eps = np.finfo(dtype).eps
    error = np.max(np.abs(found.astype(np.float64) - expected), initial=0.0)
    assert found.dtype == dtype and found.shape == expected.shape
    assert error <= 4 * eps * terms * max(1.0, np.max(np.abs(expected), initial=0.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(4))
def test_max_pool2d(tier, dtype, seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        case = Case(rng, dilated=True)
        x = special_values(rng, case.shape, dtype)
        y, at = reference_max(case, x)
        found, indices = hl.max_pool2d(x, case.window, **case.options, return_indices=True)
        assert found.dtype == dtype and indices.dtype == np.int64
        np.testing.assert_array_equal(found, y)
        np.testing.assert_array_equal(indices, at)
        np.testing.assert_array_equal(hl.max_pool2d(x, case.window, **case.options), y)

        found, indices = hl.max_pool2d(first(x), case.window, **case.options, return_indices=True, data_format="NCHW")
        np.testing.assert_array_equal(found, first(y))
        np.testing.assert_array_equal(indices, first(at))

        dy = rng.standard_normal(y.shape).astype(dtype)
        expected = reference_max_grad(case, at, dy)
        t = Tensor(x, requires_grad=True)
        hl.max_pool2d(t, case.window, **case.options).backward(dy)
        close(t.grad, expected, dtype, np.prod(case.window))
        t = Tensor(first(x), requires_grad=True)
        hl.max_pool2d(t, case.window, **case.options, data_format="NCHW").backward(first(dy))
        close(t.grad, first(expected), dtype, np.prod(case.window))


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_avg_pool2d(tier, dtype, seed, include):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        case = Case(rng, dilated=False)
        options = {**case.options, "count_include_pad": include}
        x = rng.standard_normal(case.shape).astype(dtype)
        oh, ow, weights = mean_weights(case, include)
        y = (weights @ planes(x.astype(np.float64))).reshape(case.n, oh, ow, case.c)
        dy = rng.standard_normal(y.shape).astype(dtype)
        dx = (weights.T @ planes(dy.astype(np.float64))).reshape(case.shape)

        t = Tensor(x, requires_grad=True)
        found = hl.avg_pool2d(t, case.window, **options)
        close(found.numpy(), y, dtype, np.prod(case.window))
        found.backward(dy)
        close(t.grad, dx, dtype, np.prod(case.window))

        t = Tensor(first(x), requires_grad=True)
        found = hl.avg_pool2d(t, case.window, **options, data_format="NCHW")
        close(found.numpy(), first(y), dtype, np.prod(case.window))
        found.backward(first(dy))
        close(t.grad, first(dx), dtype, np.prod(case.window))


def test_keras_same_average_leaves_padding_out():
    x = np.ones((1, 5, 5, 1), np.float32)
    assert np.array_equal(hl.avg_pool2d(x, 3, stride=1, padding="same"), x)
    corner = hl.avg_pool2d(x, 3, stride=1, padding="same", count_include_pad=True)[0, 0, 0, 0]
    assert abs(corner - 4 / 9) <= 1e-7


def test_ceil_mode_drops_a_window_that_begins_in_the_padding_behind():
    # PyTorch's rule: of size 4 with padding 1 and stride 3, a third window would begin at 5, behind the input.
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert hl.max_pool2d(x, 2, stride=3, padding=1, ceil_mode=True).shape == (1, 2, 2, 1)
    assert hl.max_pool2d(x, 3, stride=2, ceil_mode=True).ravel().tolist() == [10, 11, 14, 15]
    # The clipped windows of ceil mode count their own elements, with padding or without.
    mean = hl.avg_pool2d(x, 3, stride=2, ceil_mode=True, count_include_pad=True)
    assert mean.ravel().tolist() == [5, 6.5, 11, 12.5]


def test_minus_infinity_is_a_value_and_padding_is_none(tier):
    for c in (1, 8, 11):
        x = np.full((1, 4, 4, c), -np.inf, np.float32)
        y, at = hl.max_pool2d(x, 2, padding=1, return_indices=True)
        assert np.all(y == -np.inf)
        assert at[0, :, :, 0].tolist() == [[0, 1, 3], [4, 5, 7], [12, 13, 15]]


def test_window_over_padding_alone_is_empty(tier):
    # One element, taps at -1 and 1: "same" lays the window around it.
    for c in (1, 8):
        t = Tensor(np.ones((1, 1, 1, c), np.float32), requires_grad=True)
        y, at = hl.max_pool2d(t, 2, stride=1, padding="same", dilation=2, return_indices=True)
        assert np.all(y.numpy() == -np.inf) and np.all(at == -1)
        y.backward(np.ones_like(y.numpy()))
        assert np.all(t.grad == 0)


@pytest.mark.parametrize("shape", [(9, 31, 29, 33), (40, 30, 30, 3), (30, 64, 62, 1)])
def test_same_bits_for_any_number_of_threads(tier, threads, shape):
    rng = np.random.default_rng(5)
    x = rng.standard_normal(shape).astype(np.float32)

    def results():
        found = []
        for pool, window, options in [
            (hl.max_pool2d, 3, {"stride": 2, "padding": 1}),
            (hl.max_pool2d, 3, {"stride": 1}),
            (hl.max_pool2d, 2, {}),
            (hl.avg_pool2d, 3, {"stride": 2, "padding": "same"}),
            (hl.avg_pool2d, 2, {}),
        ]:
            t = Tensor(x, requires_grad=True)
            y = pool(t, window, **options)
            y.backward(np.random.default_rng(6).standard_normal(y.shape).astype(np.float32))
            found += [y.numpy(), t.grad]
        return found

    threads(1)
    expected = results()
    for n in (2, 4):
        threads(n)
        for found, wanted in zip(results(), expected, strict=True):
            assert np.array_equal(found, wanted)


def check_global(op, x, y, dy, dx, tolerance):
    """Both layouts, with and without the reduced axes; x, dx are (n, h, w, c), y, dy (n, c)."""
    n, c = y.shape
    for data_format, images, kept in [("NHWC", lambda a: a, (n, 1, 1, c)), ("NCHW", first, (n, c, 1, 1))]:
        for keepdims, shape in [(False, (n, c)), (True, kept)]:
            t = Tensor(images(x), requires_grad=True)
            found = op(t, data_format=data_format, keepdims=keepdims)
            assert found.shape == shape and found.dtype == x.dtype
            np.testing.assert_allclose(found.numpy(), y.reshape(shape), rtol=0, atol=tolerance)
            found.backward(dy.reshape(shape))
            assert t.grad.shape == images(x).shape and t.grad.dtype == x.dtype
            np.testing.assert_allclose(t.grad, images(dx), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (3, 1, 1, 1), (1, 9, 4, 8), (2, 3, 30, 17), (4, 16, 16, 1)])
def test_global_pooling(tier, dtype, shape):
    rng = np.random.default_rng(3)
    n, h, w, c = shape
    dy = rng.standard_normal((n, c)).astype(dtype)

    x = special_values(rng, shape, dtype)
    at = np.zeros((n, 1, c), np.int64)
    for i, j in np.ndindex(n, c):
        plane = x[i, ..., j].ravel()
        nans = np.flatnonzero(np.isnan(plane))
        at[i, 0, j] = nans[0] if nans.size else np.argmax(plane)
    dx = np.zeros_like(planes(x))
    np.put_along_axis(dx, at, dy[:, None], 1)
    y = np.take_along_axis(planes(x), at, 1)[:, 0]
    check_global(hl.global_max_pool2d, x, y, dy, dx.reshape(shape), 0)

    x = rng.standard_normal(shape).astype(dtype)
    dx = np.broadcast_to(dy.astype(np.float64)[:, None, None] / (h * w), shape)
    check_global(hl.global_avg_pool2d, x, planes(x).astype(np.float64).mean(axis=1), dy, dx, 8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("op", [hl.global_avg_pool2d, hl.global_max_pool2d])
def test_global_pooling_options_and_errors(op):
    x, name = np.arange(24).reshape(1, 2, 4, 3), op.__name__
    expected = op(x.astype(np.float32))
    assert isinstance(expected, np.ndarray) and expected.dtype == np.float32
    assert np.array_equal(op(x), expected) and np.array_equal(op(x.tolist()), expected)
    out = np.empty((1, 3), np.float32)
    assert op(x, out=out) is out and np.array_equal(out, expected)
    assert op(np.empty((0, 2, 3, 4))).shape == (0, 4) and op(np.empty((2, 2, 3, 0))).shape == (2, 0)
    with pytest.raises(ValueError, match=rf"^\[{name}\] images \(2, 0, 3, 4\) have no pixels$"):
        op(np.empty((2, 0, 3, 4)))
    with pytest.raises(ValueError, match=rf"^\[{name}\] x \(4, 3\) has 2 dimensions, wants 4: \(n, c, h, w\)$"):
        op(x[0, 0], data_format="NCHW")
    with pytest.raises(ValueError, match=rf"^\[{name}\] out has shape \(3,\), the result has \(1, 3\)$"):
        op(x, out=np.empty(3, np.float32))


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("op", [hl.max_pool2d, hl.avg_pool2d])
def test_gradient_by_differences(op, data_format):
    rng = np.random.default_rng(11)
    shape = (2, 6, 7, 3)
    x = rng.permutation(np.prod(shape)).reshape(shape) / 10.0  # no ties, and none within reach of a step
    options = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "data_format": data_format}
    t = Tensor(x, requires_grad=True)
    y = op(t, (3, 2), **options)
    dy = rng.standard_normal(y.shape)
    y.backward(dy)
    step = 1e-4
    for at in rng.choice(x.size, 60, replace=False):
        moved = x.copy().ravel()
        moved[at] += step
        up = op(moved.reshape(shape), (3, 2), **options)
        moved[at] -= 2 * step
        down = op(moved.reshape(shape), (3, 2), **options)
        assert abs(np.sum(dy * (up - down)) / (2 * step) - t.grad.ravel()[at]) <= 1e-7


@pytest.mark.parametrize("op", [hl.max_pool2d, hl.avg_pool2d])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_nothing_in_nothing_out(op, data_format):
    for n, c in [(0, 3), (2, 0), (0, 0)]:
        shape = (n, 4, 5, c) if data_format == "NHWC" else (n, c, 4, 5)
        t = Tensor(np.empty(shape, np.float32), requires_grad=True)
        y = op(t, 2, data_format=data_format)
        assert y.shape == ((n, 2, 2, c) if data_format == "NHWC" else (n, c, 2, 2))
        y.backward(y.numpy())
        assert t.grad.shape == shape
    assert op(np.empty((1, 0, 4, 2), np.float32), 2, padding="same").shape == (1, 0, 2, 2)


@pytest.mark.parametrize("op", [hl.max_pool2d, hl.avg_pool2d])
def test_kinds_in_and_out(op):
    x = np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    expected = op(x.astype(np.float32), 2)
    assert isinstance(expected, np.ndarray) and expected.dtype == np.float32
    for same in (x, x.astype(np.float16), x.astype(np.float32)[::1], np.asfortranarray(x)):
        assert np.array_equal(op(same, 2), expected) and op(same, 2).dtype == np.float32
    assert op(x.tolist(), 2).tolist() == expected.tolist()
    assert op(x.astype(np.float64), 2).dtype == np.float64
    strided = np.repeat(x.astype(np.float32), 2, axis=2)[:, :, ::2]
    assert np.array_equal(op(strided, 2), expected)
    assert np.array_equal(op(strided.transpose(0, 3, 1, 2), 2, data_format="NCHW"), first(expected))
    t = op(Tensor(x), 2)
    assert isinstance(t, Tensor) and not t.requires_grad
    with hl.no_grad():
        assert not op(Tensor(x, requires_grad=True), 2).requires_grad


@pytest.mark.parametrize("op", [hl.max_pool2d, hl.avg_pool2d])
def test_out(op):
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 3)).astype(np.float32)
    expected = op(x, 2)
    out = np.empty((2, 2, 3, 3), np.float32)
    assert op(x, 2, out=out) is out and np.array_equal(out, expected)
    out = np.empty((2, 3, 2, 3), np.float32)
    assert op(first(x), 2, data_format="NCHW", out=out) is out and np.array_equal(out, first(expected))
    inside = x.copy()
    same = op(x, 1, stride=1)
    assert op(inside, 1, stride=1, out=inside) is inside and np.array_equal(inside, same)
    name = op.__name__
    with pytest.raises(ValueError, match=rf"^\[{name}\] out has shape \(2, 2\), the result has \(2, 2, 3, 3\)$"):
        op(x, 2, out=np.empty((2, 2), np.float32))
    with pytest.raises(ValueError, match=rf"^\[{name}\] out has shape \(2, 2\), the result has \(2, 3, 2, 3\)$"):
        op(first(x), 2, data_format="NCHW", out=np.empty((2, 2), np.float32))
    with pytest.raises(TypeError, match=rf"^\[{name}\] out has dtype float64, the result has float32$"):
        op(first(x), 2, data_format="NCHW", out=np.empty((2, 3, 2, 3)))
    out = np.empty((2, 3, 3, 2), np.float32).transpose(0, 1, 3, 2)
    assert op(first(x), 2, data_format="NCHW", out=out) is out and np.array_equal(out, first(expected))
    with pytest.raises(TypeError, match=rf"^\[{name}\] out must be an ndarray$"):
        op(first(x), 2, data_format="NCHW", out=[])


@pytest.mark.parametrize("op", [hl.max_pool2d, hl.avg_pool2d])
def test_errors(op):
    name = op.__name__
    x = np.ones((1, 3, 3, 2), np.float32)
    for kind, message, arguments in [
        (ValueError, r"window \(5, 5\) is larger than the padded input \(3, 3\)", {"window": 5}),
        (ValueError, r"window must be at least 1, got 0", {"window": 0}),
        (ValueError, r"stride must be at least 1, got \(1, -1\)", {"window": 2, "stride": (1, -1)}),
        (TypeError, r"stride wants an int or a pair of ints, got 1\.0", {"window": 2, "stride": 1.0}),
        (ValueError, r"padding \(\(2, 2\), \(2, 2\)\) must be smaller than the window \(2, 2\)",
         {"window": 2, "padding": 2}),
        (ValueError, r"unknown padding 'vaild'; did you mean 'valid'\? \(choices: 'valid', 'same'\)",
         {"window": 2, "padding": "vaild"}),
        (ValueError, r"unknown data_format 'CHWN'", {"window": 2, "data_format": "CHWN"}),
    ]:  # fmt: skip
        with pytest.raises(kind, match=rf"^\[{name}\] {message}"):
            op(x, **arguments)
    with pytest.raises(ValueError, match=rf"^\[{name}\] x \(3, 3\) has 2 dimensions, wants 4: \(n, h, w, c\)$"):
        op(x[0, ..., 0], 2)
    with pytest.raises(TypeError, match=rf"^\[{name}\] x has dtype complex128"):
        op(x.astype(complex), 2)
    with pytest.raises(ValueError, match=r"dilated by \(2, 2\)"):
        hl.max_pool2d(x, 3, dilation=2)


def test_kernels_refuse_what_the_geometry_cannot_give():
    x, pair = np.ones((1, 4, 4, 1), np.float32), (2, 2)
    with pytest.raises(ValueError, match=r"^\[max_pool2d\] window, stride or dilation of 0$"):
        _core.max_pool2d(x, pair, (2, 0), (1, 1), (2, 2, 0, 0, 0, 0))
    with pytest.raises(ValueError, match=r"^\[avg_pool2d\] output size or padding of -1$"):
        _core.avg_pool2d(x, pair, pair, (2, 2, 0, -1, 0, 0))
    with pytest.raises(ValueError, match=r"^\[max_pool2d_grad\] indices \(1, 1, 2, 1\) wants shape"):
        _core.max_pool2d_grad(
            x[:, :2, :2], np.zeros((1, 1, 2, 1), np.int32), x.shape, pair, pair, (1, 1), (2, 2, 0, 0, 0, 0)
        )
