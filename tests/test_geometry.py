"""Window geometry: sizes against a definition by counting, padding and argument errors."""

import numpy as np
import pytest

from hotloop import Tensor
from hotloop.ops.geometry import from_nhwc, pair, to_nhwc, window_geometry


def count_windows(size, window, stride, before, after, dilation, ceil_mode):
    """Windows of one axis by walking along it; ceil mode is PyTorch's."""
    span = dilation * (window - 1) + 1
    count, start = 0, -before
    while start + span <= size + after:
        count, start = count + 1, start + stride
    # One more where elements are left over, if it begins inside the input or the padding before it.
    last_end = start - stride + span
    if ceil_mode and start < size and last_end < size + after:
        count += 1
    return count


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_output_size_counts_the_windows(ceil_mode):
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(3000):
        size, window, stride, dilation = (int(v) for v in rng.integers(1, [14, 5, 5, 4]))
        span = dilation * (window - 1) + 1
        before, after = (int(v) for v in rng.integers(0, span, 2))
        expected = count_windows(size, window, stride, before, after, dilation, ceil_mode)
        arguments = (size, 9), (window, 1), (stride, 1), ((before, after), (0, 0)), (dilation, 1), ceil_mode
        if expected < 1:
            with pytest.raises(ValueError, match="larger than the padded input"):
                window_geometry("op", *arguments)
        else:
            seen += 1
            assert window_geometry("op", *arguments) == (expected, 9, before, after, 0, 0)
    assert seen > 1000


def test_same_pads_as_keras_does():
    # The odd element of padding goes to the bottom and to the right.
    assert window_geometry("op", (28, 28), (3, 3), (1, 1), "same", (1, 1)) == (28, 28, 1, 1, 1, 1)
    assert window_geometry("op", (28, 27), (2, 2), (2, 2), "same", (1, 1)) == (14, 14, 0, 0, 0, 1)
    assert window_geometry("op", (5, 6), (4, 3), (1, 2), "same", (1, 1)) == (5, 3, 1, 2, 0, 1)
    assert window_geometry("op", (5, 5), (3, 3), (1, 1), "same", (2, 2)) == (5, 5, 2, 2, 2, 2)
    assert window_geometry("op", (5, 5), (1, 1), (3, 3), "SAME", (1, 1)) == (2, 2, 0, 0, 0, 0)


def test_padding_forms():
    def pads(padding):
        return window_geometry("op", (9, 9), (3, 3), (1, 1), padding, (1, 1))[2:]

    assert pads("valid") == (0, 0, 0, 0)
    assert pads(1) == pads(np.int64(1)) == pads([1, 1]) == (1, 1, 1, 1)
    assert pads((1, 2)) == (1, 1, 2, 2)
    assert pads(((0, 1), [2, 1])) == (0, 1, 2, 1)


def test_pair():
    assert pair("op", "stride", 3) == (3, 3)
    assert pair("op", "stride", [np.int32(1), 2]) == (1, 2)
    assert pair("op", "padding", 0, 0) == (0, 0)
    assert [type(v) for v in pair("op", "stride", np.int16(3))] == [int, int]


@pytest.mark.parametrize("value", [True, 1.0, "2", None, (1,), (1, 2, 3), (1, 2.0), (1, False), np.bool_(True)])
def test_pair_refuses_what_is_no_integer(value):
    with pytest.raises(TypeError, match=r"^\[op\] stride wants an int or a pair of ints, got "):
        pair("op", "stride", value)


def test_pair_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match=r"^\[op\] stride must be at least 1, got \(2, 0\)$"):
        pair("op", "stride", (2, 0))
    with pytest.raises(ValueError, match=r"^\[op\] dilation must be at most 2147483647, got"):
        pair("op", "dilation", 2**40)


@pytest.mark.parametrize("padding", [True, 1.5, None, (1, 2, 3), ((1, 2), 3), ((1, 2, 3), (1, 2)), ((1, 1.0), (1, 1))])
def test_padding_refuses_what_is_none_of_its_forms(padding):
    window_geometry("op", (9, 9), (3, 3), (1, 1), 1, (1, 1))  # what equals True must not be found under its key
    with pytest.raises(TypeError, match=r"^\[op\] padding wants "):
        window_geometry("op", (9, 9), (3, 3), (1, 1), padding, (1, 1))


def test_geometry_errors():
    with pytest.raises(ValueError, match=r"^\[max_pool2d\] window \(5, 5\) is larger than the padded input \(3, 3\)$"):
        window_geometry("max_pool2d", (3, 3), (5, 5), (1, 1), "valid", (1, 1))
    with pytest.raises(ValueError, match=r"window \(3, 3\) dilated by \(4, 1\) is larger than the padded input"):
        window_geometry("op", (8, 8), (3, 3), (1, 1), 0, (4, 1))
    with pytest.raises(ValueError, match=r"^\[op\] padding must be at least 0, got -1$"):
        window_geometry("op", (9, 9), (3, 3), (1, 1), -1, (1, 1))
    with pytest.raises(ValueError, match=r"unknown padding 'smae'; did you mean 'same'\?"):
        window_geometry("op", (9, 9), (3, 3), (1, 1), "smae", (1, 1))
    with pytest.raises(ValueError, match=r"padding \(\(2, 2\), \(0, 0\)\) must be smaller than the window \(2, 3\)"):
        window_geometry("op", (9, 9), (2, 3), (1, 1), (2, 0), (1, 1), pooling=True)


def test_layouts():
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    y = to_nhwc("op", x, "NCHW")
    assert y.shape == (2, 4, 5, 3) and y[1, 2, 3, 0] == x[1, 0, 2, 3]
    assert to_nhwc("op", x, "NHWC") is x and from_nhwc("op", x, "NHWC") is x
    back = from_nhwc("op", y, "NCHW")
    assert back.flags.c_contiguous and np.array_equal(back, x)
    out = np.empty_like(x)
    assert from_nhwc("op", y, "NCHW", out) is out and np.array_equal(out, x)
    with pytest.raises(ValueError, match=r"^\[op\] out has shape \(2, 3\), the result has \(2, 3, 4, 5\)$"):
        from_nhwc("op", y, "NCHW", np.empty((2, 3)))
    with pytest.raises(TypeError, match=r"^\[op\] out has dtype float32, the result has float64$"):
        from_nhwc("op", y, "NCHW", out.astype(np.float32))
    with pytest.raises(ValueError, match=r"^\[op\] x \(4, 5\) has 2 dimensions, wants 4: \(n, c, h, w\)$"):
        to_nhwc("op", np.ones((4, 5)), "NCHW")
    with pytest.raises(ValueError, match=r"^\[op\] unknown data_format 'NWHC'; did you mean"):
        to_nhwc("op", x, "NWHC")


def test_layouts_on_the_tape():
    x = Tensor(np.arange(120.0).reshape(2, 3, 4, 5), requires_grad=True)
    there = to_nhwc("op", x, "NCHW")
    back = from_nhwc("op", there, "NCHW")
    assert there.shape == (2, 4, 5, 3) and np.array_equal(back.numpy(), x.numpy())
    gradient = np.arange(120.0).reshape(2, 4, 5, 3)
    there.backward(gradient, retain_graph=True)
    assert np.array_equal(x.grad, gradient.transpose(0, 3, 1, 2))
    x.zero_grad()
    back.backward(x.numpy())
    assert np.array_equal(x.grad, x.numpy())
