"""Dropout against Philox4x32-10 written again in NumPy."""

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core
from hotloop.autograd import Tensor
from hotloop.random import dropout_stream, generator

SIZES = [0, 1, 15, 16, 63, 64, 65, 127, 128, 129, 1000, 8192, 8193, 50_003]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def philox(counter, key):
    """Ten rounds on four and two arrays of 32-bit words."""
    a, b, c, d = (np.asarray(word, np.uint64) for word in counter)
    low, word = np.uint64(0xFFFFFFFF), np.uint64(32)
    key = [np.uint64(k) for k in key]
    for _ in range(10):
        p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (q >> word) ^ b ^ key[0], q & low, (p >> word) ^ d ^ key[1], p & low
        key = [(key[0] + np.uint64(0x9E3779B9)) & low, (key[1] + np.uint64(0xBB67AE85)) & low]
    return a, b, c, d


def kept(n, rate, seed, call=0):
    """Which elements stay: 64 t + 16 w + l takes word w of block 16 t + l."""
    i = np.arange(n, dtype=np.uint64)
    block = i // np.uint64(64) * np.uint64(16) + i % np.uint64(16)
    counter = (block & 0xFFFFFFFF, block >> np.uint64(32), call & 0xFFFFFFFF, call >> 32)
    words = np.stack(philox(np.broadcast_arrays(*counter), (seed & 0xFFFFFFFF, seed >> 32)))
    chosen = words[i // np.uint64(16) % np.uint64(4), np.arange(n)]
    return chosen >= int(rate * 2**32)


def test_known_answers_of_the_reference():
    """The vectors that come with Random123."""
    ones, pi = 0xFFFFFFFF, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert [*philox([0] * 4, [0] * 2)] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert [*philox([ones] * 4, [ones] * 2)] == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert [*philox(pi, (0xA4093822, 0x299F31D0))] == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@DTYPES
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("rate", "seed"), [(0.5, 0), (0.1, 12345), (0.9, 2**64 - 1), (1e-9, 3), (1 - 1e-12, 4)])
def test_matches_the_reference(tier, n, rate, seed, dtype):
    x = np.random.default_rng(2).standard_normal(n).astype(dtype)
    y = hl.dropout(x, rate, seed=seed)
    scale = dtype(1 / (1 - rate))
    assert y.dtype == dtype
    assert np.array_equal(y, np.where(kept(n, rate, seed), x * scale, 0))


def test_calls_of_one_seed_differ():
    x = np.ones(4096, np.float32)
    for call in (0, 1, 2**32, 2**64 - 1):
        assert np.array_equal(_core.dropout(x, 0.5, 9, call) != 0, kept(4096, 0.5, 9, call))


@DTYPES
def test_gradient_takes_the_same_elements(dtype):
    x = Tensor(np.ones((3, 500), dtype), requires_grad=True)
    y = hl.dropout(x, 0.3)
    dy = np.random.default_rng(1).standard_normal((3, 500)).astype(dtype)
    y.backward(dy)
    assert np.array_equal(x.grad, np.where(y.numpy() != 0, dy * dtype(1 / 0.7), 0))


def test_rates_at_the_ends():
    x = np.array([1.5, np.nan, -np.inf, -0.0] * 40, np.float32)
    y = hl.dropout(x, 0)
    assert np.array_equal(y, x, equal_nan=True)
    assert y is not x
    assert np.array_equal(hl.dropout(x, 1), np.zeros(160))
    y = hl.dropout(x, 0.5, seed=1)
    assert np.array_equal(np.isnan(y), np.isnan(x) & kept(160, 0.5, 1))


def test_same_bits_for_any_number_of_threads(on_threads):
    x = np.random.default_rng(2).standard_normal(100_001).astype(np.float32)
    one, two, four = on_threads(lambda: hl.dropout(x, 0.4, seed=5))
    assert np.array_equal(one, two) and np.array_equal(one, four)


def test_out_may_be_the_input():
    x = np.random.default_rng(2).standard_normal(1000).astype(np.float32)
    want = hl.dropout(x, 0.4, seed=5)
    assert hl.dropout(x, 0.4, seed=5, out=x) is x
    assert np.array_equal(x, want)


def test_set_seed_starts_every_stream():
    def draw():
        x = np.ones(1000, np.float32)
        masks = [hl.dropout(x, 0.5) for _ in range(2)]
        return [
            *masks,
            hl.randn(3, 4).numpy(),
            generator().permutation(10),
            np.array(dropout_stream().next()[:2], np.uint64),
        ]

    hl.set_seed(3)
    first = draw()
    hl.set_seed(3)
    again = draw()
    other = draw()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert not np.array_equal(first[0], first[1])
    hl.set_seed(4)
    assert not any(np.array_equal(a, b) for a, b in zip(first, draw(), strict=True))


def test_share_of_dropped_elements():
    hl.set_seed(0)
    n = 1 << 20
    for rate in (0.1, 0.5, 0.75):
        dropped = hl.dropout(np.ones(n, np.float32), rate) == 0
        assert abs(dropped.mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / n)
        # Neighbours are independent.
        assert abs((dropped[1:] & dropped[:-1]).mean() - rate**2) <= 5 * rate / np.sqrt(n)


def test_made_tensors():
    hl.set_seed(1)
    for made in (hl.randn(2, 3), hl.randn((2, 3)), hl.zeros(2, 3), hl.ones([2, 3])):
        assert made.shape == (2, 3)
        assert made.dtype == np.float32
        assert not made.requires_grad
    assert hl.randn(1, requires_grad=True).requires_grad
    assert hl.randn().shape == ()
    assert (hl.zeros(3, requires_grad=True).numpy() == 0).all()
    assert (hl.ones(0, 3).numpy() == 1).all()


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan, np.inf])
def test_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=r"^\[dropout\] rate must be in \[0, 1\], got"):
        hl.dropout(np.ones(3), rate)


def test_errors():
    with pytest.raises(TypeError, match=r"^\[dropout\] rate must be a number, got '0.5'$"):
        hl.dropout(np.ones(3), "0.5")
    with pytest.raises(ValueError, match=r"^\[dropout\] seed must be at least 0, got -1$"):
        hl.dropout(np.ones(3), 0.5, seed=-1)
    with pytest.raises(TypeError, match=r"^\[dropout\] seed must be an integer, got 1.5$"):
        hl.dropout(np.ones(3), 0.5, seed=1.5)
    with pytest.raises(ValueError, match=r"^\[set_seed\] seed must be at least 0, got -1$"):
        hl.set_seed(-1)
    with pytest.raises(TypeError, match=r"^\[set_seed\] seed must be an integer, got 'a'$"):
        hl.set_seed("a")
