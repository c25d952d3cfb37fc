"""Tensor: made, read, changed, and combined as arrays are."""

import operator

import numpy as np
import pytest

import hotloop as hl
from hotloop import Tensor

ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow)
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow)
COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)


def same(got, want, dtype=np.float32):
    array = got.numpy() if isinstance(got, Tensor) else got
    assert array.shape == np.shape(want)
    assert array.dtype == dtype
    assert np.max(np.abs(array - want), initial=0.0) <= 1e-6 * max(1.0, np.max(np.abs(want), initial=0.0))


# ---- made -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([1, 2], np.float32),
        (True, np.float32),
        (np.float64(2), np.float64),
        (np.arange(3), np.float32),
        (np.ones(3, np.float16), np.float32),
        (np.ones(3, np.uint8), np.float32),
        (np.ones(3, np.float32), np.float32),
        (np.ones(3), np.float64),
        (np.ones(3, ">f4"), np.float32),
        (np.ones(3, ">f8"), np.float64),
        (np.float32(2), np.float32),
        ([], np.float32),
    ],
)
def test_dtypes(data, dtype):
    x = Tensor(data)
    assert x.dtype == dtype
    assert x.dtype.isnative
    assert np.array_equal(x.numpy(), np.asarray(data).astype(dtype))
    assert not x.requires_grad
    assert x.grad is None


@pytest.mark.parametrize(
    "data", ["text", [1j], [None], [object()], np.array(["a"]), np.array([1], "M8[s]"), np.ones(1, np.longdouble)]
)
def test_what_is_no_number_is_refused(data):
    with pytest.raises(TypeError, match=r"\[Tensor\] data has dtype"):
        Tensor(data)


def test_tensor_of_a_tensor():
    x = Tensor(np.arange(3.0), requires_grad=True)
    y = Tensor(x * 2)
    assert y.is_leaf and not y.requires_grad
    assert np.array_equal(y.numpy(), [0, 2, 4])


# ---- read -----------------------------------------------------------------------------------------------------------


def test_looks_like_an_array():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.asarray(x) is x.numpy()
    assert np.array(x, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.array(x, dtype=np.float32, copy=False)
    with pytest.raises(TypeError, match=r"\[len\]"):
        len(Tensor(1.0))


def test_single_elements():
    x = Tensor([[2.5]])
    assert (x.item(), float(x), int(x), bool(x)) == (2.5, 2.5, 2, True)
    assert f"{x:.2f}" == "2.50"
    with pytest.raises(ValueError, match=r"\[Tensor.item\] wants one element, shape \(2,\) has 2"):
        bool(Tensor([1.0, 2.0]))


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(Tensor(np.ones(1), requires_grad=True)) == "Tensor([1.], dtype=float64, requires_grad=True)"
    assert f"{Tensor([1.0])}" == "Tensor([1.])"


def test_unknown_attributes_are_refused():
    with pytest.raises(AttributeError):
        Tensor([1.0]).requires_gradient = True


# ---- changed --------------------------------------------------------------------------------------------------------


def test_data_is_copied_in():
    x = Tensor(np.zeros(3, np.float32))
    array, value = x.numpy(), np.array([1.0, 2.0, 3.0])
    x.data = value
    assert x.numpy() is array
    assert array.tolist() == [1, 2, 3]
    x.data = Tensor([4.0, 5.0, 6.0])
    assert array.tolist() == [4, 5, 6]
    x.data -= 1
    assert array.tolist() == [3, 4, 5]
    with pytest.raises(ValueError, match=r"\[Tensor.data\] shape differs: tensor \(3,\), value \(2,\)"):
        x.data = np.zeros(2)
    with pytest.raises(TypeError, match=r"\[Tensor.data\] value has dtype complex128"):
        x.data = np.zeros(3, complex)


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_on_the_tape_makes_a_new_tensor(op):
    x = Tensor([2.0, 3.0], requires_grad=True)
    y = start = x * 1
    y = op(y, 2.0)
    assert y is not start
    assert np.array_equal(start.numpy(), [2, 3])
    y.sum().backward()
    assert x.grad is not None
    with pytest.raises(RuntimeError, match=r"requires a gradient.*no_grad"):
        op(x, 2.0)


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_under_no_grad_changes_the_tensor(op):
    x = Tensor([2.0, 3.0], requires_grad=True)
    array = x.numpy()
    want = op(array.copy(), 2.0)
    with hl.no_grad():
        y = op(x, 2.0)
    assert y is x
    assert x.numpy() is array
    assert x.requires_grad and x.is_leaf
    same(x, want)
    with hl.no_grad(), pytest.raises(ValueError, match="shape differs"):
        op(x, np.ones((2, 2), np.float32))


def test_gradient_descent_by_hand():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3)).astype(np.float32)
    truth = np.array([1.0, -2.0, 0.5], np.float32)
    y = x @ truth
    ways = {"in place": None, "data": None, "subtract": None}
    for way in ways:
        w = Tensor(np.zeros(3, np.float32), requires_grad=True)
        for _ in range(100):
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            if way == "in place":
                with hl.no_grad():
                    w -= 0.1 * w.grad
            elif way == "data":
                w.data -= 0.1 * w.grad
            else:
                w.data = w.data - 0.1 * w.grad
            w.zero_grad()
        assert np.max(np.abs(w.numpy() - truth)) <= 1e-3
        ways[way] = w.numpy()
    assert np.array_equal(ways["in place"], ways["data"])


# ---- operators ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ARITHMETIC)
def test_arithmetic(op):
    a, b = np.array([[1.5, 2.0], [3.0, 0.5]], np.float32), np.array([2.0, 3.0], np.float32)
    for left, right in (
        (Tensor(a), Tensor(b)),
        (Tensor(a), b),
        (a, Tensor(b)),
    ):
        y = op(left, right)
        assert type(y) is Tensor
        same(y, op(a, b))
    same(op(Tensor(a), 2), op(a, 2))
    same(op(2.5, Tensor(a)), op(np.float32(2.5), a))
    same(op(np.float64(2.5), Tensor(a)), op(np.float32(2.5), a))
    same(op(Tensor(a), [2, 3]), op(a, b), np.float32)
    same(op(np.float32(2.5), Tensor(a)), op(np.float32(2.5), a))
    same(op(Tensor(a), b.astype(np.float64)), op(a, b), np.float64)
    same(op(np.array([2, 3]), Tensor(a)), op(b, a))


@pytest.mark.parametrize("op", ARITHMETIC)
def test_arithmetic_with_what_is_no_number(op):
    x = Tensor([1.0])
    for other in (None, "text", 1j, object()):
        with pytest.raises(TypeError):
            op(x, other)
        with pytest.raises(TypeError):
            op(other, x)


def test_signs():
    x = Tensor([-1.0, 2.0], requires_grad=True)
    same(-x, [1, -2])
    same(abs(x), [1, 2])
    assert +x is x


def test_matmul_operator():
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3, dtype=np.float32)
    for y in (Tensor(a) @ Tensor(b), Tensor(a) @ b, a @ Tensor(b)):
        assert type(y) is Tensor
        same(y, a @ b)


@pytest.mark.parametrize("op", COMPARISONS)
def test_comparisons(op):
    a, b = np.array([[1.0, 2.0, np.nan], [3.0, 0.5, 2.0]], np.float32), np.array([2.0, 2.0, np.nan], np.float32)
    for left, right in ((Tensor(a), Tensor(b)), (Tensor(a), b), (a, Tensor(b))):
        y = op(left, right)
        assert type(y) is np.ndarray
        assert y.dtype == np.bool_
        assert np.array_equal(y, op(a, b))
    assert np.array_equal(op(Tensor(a), 2), op(a, 2))
    assert np.array_equal(op(2, Tensor(a)), op(2, a))


def test_equality_with_other_things():
    x = Tensor([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert (x != "text") is True
    with pytest.raises(TypeError):
        x < None  # noqa: B015


def test_hash_is_by_identity():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


# ---- indexing -------------------------------------------------------------------------------------------------------

KEYS = {
    "int": 1,
    "negative": -1,
    "slice": slice(1, None),
    "step": (slice(None), slice(None, None, -2)),
    "ellipsis": (..., 0),
    "newaxis": (slice(None), None, 2),
    "all-ints": (1, 2, 3),
    "empty": slice(0, 0),
    "mask": np.arange(24).reshape(2, 3, 4) % 5 == 0,
    "row-mask": np.array([True, False]),
    "list": [1, 0, 1],
    "repeats": np.array([0, 0, 1, 0]),
    "pairs": ([0, 1, 1], [2, 0, 0]),
    "mixed": (slice(None), [1, 1, 0], 2),
    "columns": (..., np.array([[0, 3], [3, 3]])),
    "numpy-int": np.int64(1),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_indexing(key):
    array = np.random.default_rng(0).standard_normal((2, 3, 4))
    x = Tensor(array, requires_grad=True)
    y = x[key]
    want = array[key]
    same(y, want, np.float64)
    assert isinstance(y.numpy(), np.ndarray)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(dy)
    gradient = np.zeros_like(array)
    np.add.at(gradient, key, dy)
    assert np.array_equal(x.grad, gradient)


def test_indexing_by_a_comparison():
    x = Tensor([1.0, -2.0, 3.0], requires_grad=True)
    x[x > 0].sum().backward()
    assert x.grad.tolist() == [1, 0, 1]


def test_bad_keys():
    x = Tensor(np.ones((2, 3)))
    for key in (5, (0, 0, 0), "name", 1.5):
        with pytest.raises(IndexError):
            x[key]


def test_iteration_and_unpacking():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    first, second = x
    (first * second).sum().backward()
    assert np.array_equal(x.grad, [[3, 4, 5], [0, 1, 2]])


# ---- shapes ---------------------------------------------------------------------------------------------------------


def test_shapes():
    array = np.arange(24.0).reshape(2, 3, 4)
    x = Tensor(array, requires_grad=True)
    cases = [
        (x.reshape(6, 4), array.reshape(6, 4)),
        (x.reshape((6, -1)), array.reshape(6, 4)),
        (x.reshape(-1), array.reshape(-1)),
        (x.view(4, 6), array.reshape(4, 6)),
        (x.flatten(), array.reshape(-1)),
        (x.flatten(1), array.reshape(2, 12)),
        (x.flatten(start_dim=0, end_dim=1), array.reshape(6, 4)),
        (x.T, array.T),
        (x.transpose(), array.T),
        (x.transpose(2, 0, 1), array.transpose(2, 0, 1)),
        (x.transpose((0, -1, 1)), array.transpose(0, 2, 1)),
        (x.unsqueeze(1), array[:, None]),
        (x.unsqueeze(-1), array[..., None]),
        (x[:1].squeeze(0), array[0]),
        (x[:1, :1].squeeze(), array[0, 0]),
    ]
    for y, want in cases:
        same(y, want, np.float64)
        x.zero_grad()
        dy = np.arange(float(want.size)).reshape(want.shape)
        y.backward(dy)
        assert np.sum(x.grad) == np.sum(dy)
        assert x.grad.shape == array.shape
    same(Tensor(2.0).flatten(), [2.0])


def test_shapes_of_nothing():
    x = Tensor(np.zeros((0, 3)))
    assert x.flatten(0).shape == (0,)
    assert x.reshape(3, 0).T.shape == (0, 3)
    assert x.sum(0).shape == (3,)


def test_bad_shapes():
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\[reshape\] shape \(2, 3\) with 6 elements can't become \(4, 2\)"):
        x.reshape(4, 2)
    with pytest.raises(ValueError, match=r"\[transpose\] axes \(0, 0\)"):
        x.transpose(0, 0)
    with pytest.raises(ValueError, match=r"\[concatenate\] wants at least one array"):
        hl.concatenate([])
    with pytest.raises(ValueError, match=r"\[concatenate\] shapes differ off axis 0: \(2, 3\) and, at 1, \(2, 4\)"):
        hl.concatenate([x, np.ones((2, 4))])
    with pytest.raises(ValueError, match=r"\[concatenate\] axis 2"):
        hl.concatenate([x, x], 2)
    with pytest.raises(ValueError, match=r"\[stack\] shapes differ: \(2, 3\) and, at 1, \(3, 2\)"):
        hl.stack([x, x.T])
    with pytest.raises(ValueError, match=r"\[stack\] axis 3"):
        hl.stack([x, x], 3)
    with pytest.raises(ValueError, match=r"\[stack\] wants at least one array"):
        hl.stack(())


def test_scalars_stack():
    parts = [Tensor(float(i), requires_grad=True) for i in range(3)]
    y = hl.stack(parts)
    same(y, [0, 1, 2])
    (y * np.array([1.0, 2.0, 3.0], np.float32)).sum().backward()
    assert [float(p.grad) for p in parts] == [1, 2, 3]


# ---- methods --------------------------------------------------------------------------------------------------------

METHODS = ("abs", "cos", "exp", "log", "reciprocal", "relu", "sigmoid", "sign", "sin", "sqrt", "square", "tanh")


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions(name):
    x = Tensor(np.array([0.5, 1.5], np.float32), requires_grad=True)
    y, want = getattr(x, name)(), getattr(hl, name)(x.numpy())
    assert np.array_equal(y.numpy(), want)
    assert y.requires_grad


def test_reductions_as_methods():
    array = np.random.default_rng(0).standard_normal((3, 4, 5))
    x = Tensor(array)
    for name in ("sum", "mean", "max", "min"):
        f = getattr(array, name)
        method = getattr(x, name)
        same(method(), f(), np.float64)
        same(method(1), f(1), np.float64)
        same(method(axis=(0, -1), keepdims=True), f(axis=(0, -1), keepdims=True), np.float64)
        same(method(dim=-1, keepdim=True), f(axis=-1, keepdims=True), np.float64)
    assert np.array_equal(x.argmax(1), array.argmax(1))
    assert x.argmax() == array.argmax()
    same(x.softmax(), hl.softmax(array), np.float64)
    same(x.log_softmax(), hl.log_softmax(array), np.float64)


def test_clone_and_detach():
    x = Tensor([1.0, 2.0], requires_grad=True)
    clone, detached = x.clone(), x.detach()
    assert not np.shares_memory(clone.numpy(), x.numpy())
    assert detached.numpy() is x.numpy()
    assert not detached.requires_grad
    (clone * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
