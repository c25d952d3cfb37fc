"""hl.set_precision: products of rounded operands, on every device."""

import numpy as np
import pytest

import hotloop as hl

DEVICES = ["cpu", "cuda"] if hl.cuda.is_available() else ["cpu"]


@pytest.fixture(autouse=True)
def restored():
    with hl.set_precision("float32"):
        yield


def rounded(x):
    """x to the nearest number of 8 significant bits, ties to even."""
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def numbers(*shape):
    return np.random.default_rng(8).standard_normal(shape).astype(np.float32)


def close(got, want, within=1e-5):
    error = np.max(np.abs(np.asarray(got) - want), initial=0)
    return error <= within * np.max(np.abs(want), initial=1)


# A device multiplies in float32 what its tensor cores can't load: closer to the truth than asked for.
WITHIN = {"cpu": 1e-5, "cuda": 2**-7}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("turned", [False, True])
def test_matmul_of_rounded_operands(device, turned):
    a, b = numbers(70, 40), numbers(40, 90) * 3
    want, exact = rounded(a) @ rounded(b), a.astype(np.float64) @ b
    left = hl.array(a.T.copy() if turned else a, device=device)
    left = left.T if turned else left
    right = hl.array(b, device=device)
    with hl.set_precision("bfloat16"):
        assert close(hl.matmul(left, right), want, WITHIN[device])
        assert close(hl.linear(left, right), want, WITHIN[device])
    assert close(hl.matmul(left, right), exact)
    assert not close(want, exact)


# Around the tiles, panels and blocks of k that the CPU's units take.
@pytest.mark.parametrize(
    "m, k, n", [(1, 1, 1), (14, 32, 32), (33, 31, 65), (28, 1024, 64), (31, 1025, 31), (120, 2100, 520)]
)
def test_products_of_any_size_round_on_the_cpu(m, k, n, tier):
    a, b, bias = numbers(m, k), numbers(k, n) * 3, numbers(n)
    want = rounded(a) @ rounded(b)
    within = 2e-6 * k**0.5
    with hl.set_precision("bfloat16"):
        for left in (a, np.asfortranarray(a)):
            for right in (b, np.asfortranarray(b)):
                assert close(hl.matmul(left, right), want, within)
        assert close(hl.linear(a, b, bias, activation="relu"), np.maximum(want + bias, 0), within)
        assert close(hl.linear(a, b, bias, activation="tanh"), np.tanh(want + bias), within * np.max(np.abs(want)))
        assert close(hl.matmul(np.stack([a, -a]), np.stack([b, b])), np.stack([want, -want]), within)


def test_bits_in_bfloat16_do_not_depend_on_threads(threads):
    a, b = numbers(200, 300), numbers(300, 250)
    with hl.set_precision("bfloat16"):
        first = hl.matmul(a, b)
        for count in (1, 2, 3, 7):
            threads(count)
            assert hl.matmul(a, b).tobytes() == first.tobytes()


@pytest.mark.parametrize("device", DEVICES)
def test_conv2d_and_its_gradients_of_rounded_operands(device):
    x, w, dy = numbers(2, 6, 7, 4), numbers(3, 3, 4, 8), numbers(2, 4, 5, 8)

    def results(x, w, dy, device):
        x, w = (hl.Tensor(hl.array(array, device=device), requires_grad=True) for array in (x, w))
        y = hl.conv2d(x, w)
        y.backward(hl.array(dy, device=device))
        return [y.numpy(), *map(np.asarray, (x.grad, w.grad))]

    want = results(*map(rounded, (x, w, dy)), "cpu")
    with hl.set_precision("bfloat16"):
        got = results(x, w, dy, device)
    for g, e in zip(got, want, strict=True):
        assert close(g, e, WITHIN[device])


# Shapes that the CPU's units take: more than a few filters, and none of Winograd's.
@pytest.mark.parametrize(
    "shape, filters, options",
    [
        ((2, 9, 11, 8), (5, 5, 8, 40), {}),
        ((2, 6, 7, 40), (5, 5, 40, 70), {}),
        ((3, 10, 9, 16), (3, 3, 16, 32), {"stride": 2, "padding": "same"}),
        ((2, 8, 7, 64), (2, 3, 32, 128), {"groups": 2, "dilation": 2}),
        ((2, 6, 7, 70), (1, 1, 70, 33), {}),
    ],
)
def test_convolutions_of_rounded_operands_on_the_cpu(shape, filters, options, tier):
    x, w, bias = numbers(*shape), numbers(*filters), numbers(filters[-1])

    def results(x, w, dy):
        x, w = hl.Tensor(x, requires_grad=True), hl.Tensor(w, requires_grad=True)
        y = hl.conv2d(x, w, bias.astype(x.dtype), **options)
        y.backward(numbers(*y.shape).astype(x.dtype) if dy is None else dy(numbers(*y.shape)))
        return y.numpy(), x.grad, w.grad

    want = results(rounded(x), rounded(w), rounded)
    with hl.set_precision("bfloat16"):
        got = results(x, w, None)
    for g, e in zip(got, want, strict=True):
        assert g.dtype == np.float32
        assert close(g, e, 2e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_large_products_round_on_every_device(device):
    a, b = numbers(128, 64), numbers(64, 128)
    with hl.set_precision("bfloat16"):
        assert close(hl.matmul(hl.array(a, device=device), hl.array(b, device=device)), rounded(a) @ rounded(b))


@pytest.mark.skipif("cuda" not in DEVICES, reason="no CUDA device, and no emulation asked for")
def test_three_tf32_products_are_as_good_as_float32():
    a, b = numbers(128, 64), numbers(64, 128)
    exact = a.astype(np.float64) @ b
    left, right = hl.array(a, device="cuda"), hl.array(b, device="cuda")
    with hl.set_precision("tf32x3"):
        assert close(hl.matmul(left, right), exact, 1e-6)
    with hl.set_precision("tf32"):
        assert close(hl.matmul(left, right), exact, 2**-10)
        assert not close(hl.matmul(left, right), exact, 1e-6)


def test_special_values_and_float64_stay():
    special = np.array([[np.nan, np.inf, -np.inf, 3.4e38, -0.0]], np.float32)
    with hl.set_precision("bfloat16"):
        got = hl.matmul(special.T, np.ones((1, 1), np.float32)).ravel()
        a, b = numbers(5, 6).astype(np.float64), numbers(6, 5).astype(np.float64)
        assert np.max(np.abs(hl.matmul(a, b) - a @ b)) <= 1e-13
    assert np.isnan(got[0])
    assert got[1:].tolist() == [np.inf, -np.inf, np.inf, 0]


def test_it_ends_with_its_context_and_stays_without_one(capsys):
    hl.set_precision("bfloat16")
    with hl.set_precision("float32"):
        pass
    hl.show_config()
    assert "products in  bfloat16" in capsys.readouterr().out


def test_bad_precisions():
    with pytest.raises(ValueError, match=r"unknown precision 'bfloat'.*bfloat16"):
        hl.set_precision("bfloat")
    if not hl.cuda.is_available():
        with pytest.raises(ValueError, match=r'"tf32" is for device="cuda"'):
            hl.set_precision("tf32")
