"""Elementwise kernels beyond the rows of op_cases.py: special values, precision, operands that lie oddly, refusals."""

import itertools

import numpy as np
import pytest

import hotloop as hl
from hotloop import Tensor, _core

UNARY = tuple(_core.unary_ops)
BINARY = tuple(_core.binary_ops)
COMPARE = tuple(_core.compare_ops)
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-40, -1e-40, 1e30, -1e30, np.inf, -np.inf, np.nan])


def unary(name, x):
    return _core.unary(x, _core.unary_ops[name])


def binary(name, a, b):
    return _core.binary(a, b, _core.binary_ops[name])


def compare(name, a, b):
    return _core.compare(a, b, _core.compare_ops[name])


def assert_same(got, want, ulps=0):
    """Equal, NaN for NaN, zeros and infinities by sign, the rest within units in the last place."""
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    assert np.array_equal(np.isnan(got), np.isnan(want))
    exact = (want == 0) | np.isinf(want)
    assert np.array_equal(got[exact], want[exact])
    rest = ~exact & ~np.isnan(want)
    error = np.abs(got[rest].astype(np.float64) - want[rest]) / np.spacing(np.abs(want[rest]))
    assert np.max(error, initial=0.0) <= ulps


# ---- special values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_special_values_of_one(tier, name, dtype):
    x = SPECIAL.astype(dtype)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x.astype(np.longdouble)).astype(dtype)
    got = unary(name, x)
    assert_same(got, want, ulps=2)
    zero = want == 0
    if name not in ("sign", "abs"):
        assert np.array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_special_values_of_two(tier, name, dtype):
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL))).astype(dtype)
    a, b = np.ascontiguousarray(pairs.T)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(a, b)
        assert_same(binary(name, a, b), want, ulps=1)
        for value in SPECIAL.astype(dtype):
            number = np.full_like(SPECIAL, value, dtype)
            ulps = 4 if name == "power" else 0
            want = getattr(np, name)(SPECIAL.astype(dtype), number)
            assert_same(binary(name, SPECIAL.astype(dtype), value), want, ulps)
            want = getattr(np, name)(number, SPECIAL.astype(dtype))
            assert_same(binary(name, value, SPECIAL.astype(dtype)), want, ulps)


@pytest.mark.parametrize("name", COMPARE)
def test_special_values_compared(tier, name):
    a, b = SPECIAL[:, None], SPECIAL
    assert np.array_equal(compare(name, a, b), getattr(np, name)(a, b))


def test_division_by_zero_makes_no_noise():
    x = np.array([1.0, -1.0, 0.0], np.float32)
    assert np.array_equal(hl.divide(x, 0), [np.inf, -np.inf, np.nan], equal_nan=True)
    assert np.array_equal(hl.log(x * 0), [-np.inf, -np.inf, -np.inf])


# ---- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_in_float32(tier, name):
    rng = np.random.default_rng(0)
    near = (np.arange(-4000, 4000) * (np.pi / 2)).astype(np.float32)
    bits = rng.integers(0, 2**32, 100_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([rng.uniform(-10, 10, 50_000).astype(np.float32), near, np.nextafter(near, 0), bits])
    with np.errstate(invalid="ignore"):
        want = getattr(np, name)(x.astype(np.float64)).astype(np.float32)
    assert_same(unary(name, x), want, ulps=2)


def test_power_in_float32(tier):
    rng = np.random.default_rng(0)
    a = np.exp(rng.uniform(-80, 80, 50_000)).astype(np.float32)
    b = rng.uniform(-5, 5, 50_000).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        want = (a.astype(np.float64) ** b).astype(np.float32)
    assert_same(binary("power", a, b), want, ulps=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_powers_are_products(tier, dtype):
    x = np.random.default_rng(0).uniform(-3, 3, 1001).astype(dtype)
    assert np.array_equal(hl.power(x, 0), np.ones_like(x))
    assert np.array_equal(hl.power(x, 1), x)
    assert np.array_equal(hl.power(x, 2), x * x)
    assert np.array_equal(hl.power(x, -1), 1 / x)
    assert np.array_equal(hl.power(np.abs(x), 0.5), np.sqrt(np.abs(x)))
    for n in (3, 5, 8, 9, -2, -3):
        with np.errstate(over="ignore"):
            assert_same(hl.power(x, n), (x.astype(np.float64) ** n).astype(dtype), ulps=8)


def test_elements_do_not_depend_on_their_place(tier):
    x = np.random.default_rng(0).uniform(0.1, 3, 100).astype(np.float32)
    for name in UNARY:
        whole = unary(name, x)
        for i in (0, 1, 7, 50, 99):
            assert unary(name, x[i:]).tobytes() == whole[i:].tobytes()
            assert unary(name, x[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()


def test_elements_do_not_depend_on_their_neighbours(tier):
    x = np.random.default_rng(0).uniform(0.1, 3, 100).astype(np.float32)
    functions = {name: lambda x, name=name: unary(name, x) for name in UNARY}
    functions["power"] = lambda x: binary("power", x, np.full_like(x, 1.7))
    for name, function in functions.items():
        whole = function(x)
        for other in (np.nan, np.inf, -np.inf, -2.0, 1e30):
            mixed = x.copy()
            mixed[::3] = other
            assert np.delete(function(mixed), np.s_[::3]).tobytes() == np.delete(whole, np.s_[::3]).tobytes(), name


def test_the_power_of_one_half_is_that_of_many(tier):
    x = np.array([-np.inf, -1, -0.0, 0, 4, np.inf, np.nan], np.float32)
    one, many = hl.power(x, 0.5), hl.power(x, np.full_like(x, 0.5))
    assert np.array_equal(one, many, equal_nan=True)
    assert np.array_equal(np.signbit(one[2:6]), np.signbit(many[2:6]))


# ---- operands that lie oddly ----------------------------------------------------------------------------------------


def layouts(rng, dtype):
    """Pairs of operands, as views of all kinds."""
    x = rng.standard_normal((6, 40, 10)).astype(dtype)
    y = rng.standard_normal((40, 300)).astype(dtype)
    one = rng.standard_normal((1,)).astype(dtype)
    yield x, np.broadcast_to(one, x.shape)
    yield x, np.broadcast_to(x[:, :1], x.shape)
    yield np.broadcast_to(x[:1], x.shape), np.broadcast_to(x[..., :1], x.shape)
    yield x[:, ::2], x[:, 1::2]
    yield x[::-1], x
    yield x[..., ::-1], x[..., ::2][..., :1]
    yield x.transpose(2, 0, 1), x.transpose(2, 0, 1)[:1]
    yield x.swapaxes(1, 2), x[:, :1].swapaxes(1, 2)
    yield y, y[:, :1]
    yield y[:, :299], y[:, 1:]
    yield y.T, y.T[:, :1]
    yield y[::3, 5:290], y[:14, 7:8]
    yield np.broadcast_to(y[0], (40, 300)), y
    yield np.broadcast_to(y[:, :1], (40, 300)), y
    yield y[:, 0], one[0]
    yield y[:0], y[:1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_views(tier, dtype):
    for a, b in layouts(np.random.default_rng(0), dtype):
        for left, right in ((a, b), (b, a)):
            assert np.array_equal(binary("subtract", left, right), left - right)
            assert np.array_equal(compare("less", left, right), left < right)
            assert np.array_equal(unary("negative", left), -left)
            y = (left - right) * 0
            y = np.ascontiguousarray(y)
            _core.accumulate(np.broadcast_to(left, y.shape), y)
            assert np.array_equal(y, np.broadcast_to(left, y.shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (100, 300), (33, 65), (3, 5000), (5000, 3), (4, 5, 6), (2, 70, 3, 64)])
def test_transposes(tier, shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for axes in itertools.permutations(range(len(shape))):
        view = x.transpose(axes)
        assert np.array_equal(unary("negative", view), -view)
        assert np.array_equal(unary("negative", view[1:, ..., 1:]), -view[1:, ..., 1:])


def test_copies_do_not_depend_on_threads(on_threads):
    x = np.random.default_rng(0).standard_normal((90, 700, 5)).astype(np.float32)
    for turned, added in on_threads(lambda: (unary("negative", x.T), binary("add", x, x[:, :1]))):
        assert np.array_equal(turned, -x.T) and np.array_equal(added, x + x[:, :1])


# ---- dtypes ---------------------------------------------------------------------------------------------------------


def test_python_numbers_are_weak():
    x = np.ones(3, np.float32)
    for number in (2, 2.5, True, np.float64(2.5), 10**30):
        assert hl.add(x, number).dtype == np.float32
        assert hl.add(number, x).dtype == np.float32
        assert hl.add(x.astype(np.float64), number).dtype == np.float64
    assert hl.add(2, 3.5).dtype == np.float32
    assert hl.exp(np.float64(2.5)).dtype == np.float64
    assert hl.add(x, np.array(2.5)).dtype == np.float64
    with pytest.raises(OverflowError):
        hl.add(x, 10**400)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "f2", ">f4", ">i4"])
def test_other_reals_count_as_float32(dtype):
    x = np.array([0, 1, 1]).astype(dtype)
    y = hl.add(x, x)
    assert y.dtype == np.float32
    assert y.tolist() == [0, 2, 2]
    assert hl.add(x, np.ones(3)).dtype == np.float64


class Nonsense:
    pass


BAD = {
    "complex": np.ones(3, complex),
    "object": np.array([None, 1, 2]),
    "text": np.array(["a", "b", "c"]),
    "date": np.zeros(3, "M8[s]"),
    "record": np.zeros(3, [("a", "f4")]),
    "long-double": np.zeros(3, np.longdouble),
    "none": None,
    "nonsense": Nonsense(),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_is_no_number_is_refused_by_name(bad):
    x = np.ones(3, np.float32)
    for name in UNARY:
        with pytest.raises(TypeError, match=rf"\[{name}\] x "):
            getattr(hl, name)(bad)
    for name in BINARY:
        with pytest.raises(TypeError, match=rf"\[{name}\] a "):
            getattr(hl, name)(bad, x)
        with pytest.raises(TypeError, match=rf"\[{name}\] b "):
            getattr(hl, name)(Tensor(x), bad)
    for name in COMPARE:
        with pytest.raises(TypeError, match=rf"\[{name}\] b "):
            compare(name, x, bad)
    with pytest.raises(TypeError, match=r"\[where\] b "):
        hl.where(x > 0, x, bad)
    for name in ("reshape", "concatenate", "stack"):
        arguments = {"reshape": (bad, (3,))}.get(name, ([x, bad],))
        with pytest.raises(TypeError, match=rf"\[{name}\] array "):
            getattr(hl, name)(*arguments)


def test_shapes_that_do_not_broadcast():
    a, b = np.ones((2, 3)), np.ones((4, 3))
    for name in BINARY:
        with pytest.raises(ValueError, match=rf"\[{name}\] shapes do not broadcast: a is \(2, 3\), b is \(4, 3\)"):
            getattr(hl, name)(a, b)
    with pytest.raises(ValueError, match=r"\[where\] shapes do not broadcast"):
        hl.where(a > 0, a, b)
    with pytest.raises(TypeError, match=r"\[where\] condition has dtype float64, wants bool"):
        hl.where(a, a, a)
    with pytest.raises(ValueError, match=r"\[accumulate\] shapes differ: x \(3,\), y \(2, 3\)"):
        _core.accumulate(np.ones(3), a)
    with pytest.raises(ValueError, match=r"\[binary\] number 99"):
        _core.binary(a, a, 99)


# ---- gradients ------------------------------------------------------------------------------------------------------


def gradients(function, *values):
    tensors = [Tensor(np.asarray(v, np.float64), requires_grad=True) for v in values]
    function(*tensors).sum().backward()
    return [t.grad.tolist() for t in tensors]


def test_ties_go_to_the_first():
    nan = float("nan")
    a, b = [1.0, 2.0, 3.0, nan, 1.0, nan], [1.0, 3.0, 2.0, 1.0, nan, nan]
    assert gradients(hl.maximum, a, b) == [[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0]]
    assert gradients(hl.minimum, a, b) == [[1, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0]]


def test_gradients_at_the_edges():
    assert gradients(hl.abs, [0.0, -1.0, 2.0]) == [[0, -1, 1]]
    assert gradients(hl.sign, [0.0, -1.0]) == [[0, 0]]
    assert gradients(lambda x: x**2, [0.0, 3.0]) == [[0, 6]]
    assert gradients(lambda x: x**0, [0.0, 3.0]) == [[0, 0]]
    assert gradients(lambda x: x**1, [0.0, 3.0]) == [[1, 1]]
    assert gradients(lambda x: x**3.0, [0.0, -2.0]) == [[0, 12]]
    assert gradients(lambda x: 2**x, [0.0])[0][0] == pytest.approx(np.log(2))
    assert gradients(lambda a, b: a**b, [0.0, 0.0], [0.0, 2.0]) == [[0, 0], [0, 0]]


def test_gradients_sum_over_what_was_broadcast():
    a, b, c = (Tensor(np.ones(shape), requires_grad=True) for shape in ((2, 1, 3), (4, 1), ()))
    (a * b + c).sum().backward()
    assert a.grad.shape == (2, 1, 3) and np.all(a.grad == 4)
    assert b.grad.shape == (4, 1) and np.all(b.grad == 6)
    assert c.grad.shape == () and c.grad == 24
