"""Every row of op_cases.py, driven through everything an op promises."""

import inspect
from functools import lru_cache

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core, ops
from hotloop.autograd import Tensor
from op_cases import CASES

DTYPES = (np.float32, np.float64)
STEP = 1e-5  # of the numeric derivative: h^2 and eps / h both stay below 1e-9

each_case = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def kernels(tiers):
    """Goes through the tiers and dtypes: `for dtype in kernels()` runs its body with each dtype on each tier."""
    before = _core.isa()

    def each(dtypes=DTYPES):
        for tier in tiers:
            _core.set_isa(tier)
            yield from dtypes

    yield each
    _core.set_isa(before)


# ---- calling a row --------------------------------------------------------------------------------------------------


def is_float(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def converted(values, dtype):
    """The float arrays of a list or dict in another dtype, the rest as it is."""
    if isinstance(values, dict):
        return dict(zip(values, converted(list(values.values()), dtype), strict=True))
    return [x.astype(dtype) if is_float(x) else x for x in values]


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def arrays(result):
    """The results of an op as a tuple of ndarrays."""
    return tuple(np.asarray(y) for y in as_tuple(result))


@lru_cache(maxsize=32)
def expected(case, shapes):
    """(args, options, results, the gradient dy of the first) in float64."""
    args, options = case.arguments(shapes)
    results = as_tuple(case.reference(*args, **options))
    dy = np.random.default_rng(4).standard_normal(np.shape(results[0])).astype(np.float32)
    return args, options, tuple(np.asarray(y) for y in results), dy.astype(np.float64)


def with_gradients(case, args, options, dy):
    """(results, gradients of the differentiable arguments) of the op on Tensors."""
    args = list(args)
    leaves = []
    for i in case.grad:
        args[i] = Tensor(args[i], requires_grad=True)
        leaves.append(args[i])
    results = as_tuple(case.function(*args, **options))
    if leaves:
        results[0].backward(dy)
    return arrays(results), [leaf.grad for leaf in leaves]


def run(case, shapes, dtype):
    args, options, _, dy = expected(case, shapes)
    return with_gradients(case, converted(args, dtype), converted(options, dtype), dy.astype(dtype))


def result_dtype(args, dtype):
    """What the float results of an op have: integers alone give float32."""
    return dtype if any(map(is_float, args)) else np.float32


def tolerance(case, shapes, dtype, magnitude):
    """Rounding errors walk at random: the root of the number of terms, with a wide margin."""
    return 16 * np.finfo(dtype).eps * case.depth(*shapes) ** 0.5 * magnitude


def assert_close(got, want, case, shapes, dtype):
    """NaN and infinities in the same places, integers equal, all else within tolerance."""
    where = _core.isa(), np.dtype(dtype).name, shapes
    assert got.shape == want.shape, where
    if want.dtype.kind != "f":
        assert np.array_equal(got, want), where
        return
    assert got.dtype == dtype, where
    finite = np.isfinite(want)
    assert np.array_equal(got[~finite], want[~finite].astype(dtype), equal_nan=True), where
    magnitude = np.max(np.abs(want[finite]), initial=case.scale)
    error = np.max(np.abs(got[finite].astype(np.float64) - want[finite]), initial=0.0)
    assert error <= tolerance(case, shapes, dtype, magnitude), where


def assert_same_bits(got, want, what=""):
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype, what
        assert g.shape == w.shape, what
        assert g.tobytes() == w.tobytes(), what


# ---- values and gradients -------------------------------------------------------------------------------------------


def test_every_public_op_has_a_row():
    public = {name for name, f in vars(ops).items() if callable(f) and not inspect.isclass(f)}
    assert public - {case.op for case in CASES} == set()


def test_names_of_rows_differ():
    names = [str(case) for case in CASES]
    assert len(set(names)) == len(names)


@each_case
def test_against_numpy(case, kernels):
    for shapes in (*case.sizes, case.large):
        args, options, want, _ = expected(case, shapes)
        for dtype in kernels():
            got = arrays(case.function(*converted(args, dtype), **converted(options, dtype)))
            for g, w in zip(got, want, strict=True):
                assert_close(g, w, case, shapes, result_dtype(args, dtype))


def numeric_derivative(case, position):
    """(direction, d sum(y * dy) along it, magnitude of the sum) for the reference by one argument, by differences."""
    args, options, results, dy = expected(case, case.sizes[0])
    direction = np.random.default_rng(position).standard_normal(args[position].shape)

    def total(step):
        moved = [x + step * direction if i == position else x for i, x in enumerate(args)]
        return np.sum(as_tuple(case.reference(*moved, **options))[0] * dy)

    return direction, (total(STEP) - total(-STEP)) / (2 * STEP), np.sum(np.abs(results[0] * dy))


@each_case
def test_gradients(case, kernels):
    shapes = case.sizes[0]
    numeric = [numeric_derivative(case, position) for position in case.grad]
    for dtype in kernels():
        _, gradients = run(case, shapes, dtype)
        for gradient, (direction, want, magnitude) in zip(gradients, numeric, strict=True):
            assert gradient.shape == direction.shape
            assert gradient.dtype == dtype
            terms = gradient.astype(np.float64) * direction
            magnitude = magnitude + np.sum(np.abs(terms))
            error = abs(np.sum(terms) - want)
            assert error <= tolerance(case, shapes, dtype, magnitude) + 1e-8 * magnitude, (_core.isa(), dtype)


@each_case
def test_gradients_of_all_sizes(case, kernels):
    """float32 against float64, whose small size is checked numerically; shapes too for empty arrays."""
    for shapes in (*case.sizes, case.large):
        args = expected(case, shapes)[0]
        for _ in kernels([np.float32]):
            _, exact = run(case, shapes, np.float64)
            _, gradients = run(case, shapes, np.float32)
            for position, gradient, want in zip(case.grad, gradients, exact, strict=True):
                assert gradient.shape == args[position].shape
                assert_close(gradient, want, case, shapes, np.float32)


# ---- the same bits --------------------------------------------------------------------------------------------------


@each_case
def test_bits_do_not_depend_on_threads(case, threads):
    for dtype in DTYPES:
        threads(1)
        results, gradients = run(case, case.large, dtype)
        for n in (2, 4):
            threads(n)
            again, gradients_again = run(case, case.large, dtype)
            assert_same_bits(again, results)
            assert_same_bits(gradients_again, gradients)


def misaligned(x):
    buffer = bytearray(x.nbytes + 1)
    y = np.ndarray(x.shape, x.dtype, buffer, offset=1)
    y[...] = x
    return y


def read_only(x):
    y = x.copy()
    y.flags.writeable = False
    return y


def strided(x):
    wide = np.zeros((*x.shape, 2), x.dtype)
    wide[..., 0] = x
    return wide[..., 0]


def reversed_(x):
    return x[..., ::-1].copy()[..., ::-1] if x.ndim else x


LAYOUTS = {
    "fortran": lambda x: x.copy("F"),
    "reversed": reversed_,
    "strided": strided,
    "misaligned": misaligned,
    "read-only": read_only,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
}


@each_case
def test_bits_do_not_depend_on_layout(case):
    args, options, _, dy = expected(case, case.sizes[0])
    args, options, dy = converted(args, np.float32), converted(options, np.float32), dy.astype(np.float32)
    results, gradients = with_gradients(case, args, options, dy)
    for name, change in LAYOUTS.items():
        if case.moves and name == "big-endian":
            continue  # such an op gives the byte order back

        def laid(x, change=change):
            return change(x) if isinstance(x, np.ndarray) else x

        changed, changed_options = [laid(x) for x in args], {key: laid(x) for key, x in options.items()}
        assert_same_bits(arrays(case.function(*changed, **changed_options)), results, name)
        again, gradients_again = with_gradients(case, changed, changed_options, laid(dy))
        assert_same_bits(again, results, name)
        assert_same_bits(gradients_again, gradients, name)


# ---- dtypes, containers, out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in CASES if not case.moves], ids=str)
def test_integers_and_half_become_float32(case):
    args, options, _, _ = expected(case, case.sizes[0])
    halves = converted(args, np.float16)
    wholes = [np.ceil(np.abs(x)).astype(np.int16) if is_float(x) else x for x in args]
    for narrow in (halves, wholes):
        wide = [n.astype(np.float32) if is_float(x) else x for n, x in zip(narrow, args, strict=True)]
        options_ = converted(options, np.float32)
        assert_same_bits(arrays(case.function(*narrow, **options_)), arrays(case.function(*wide, **options_)))


@each_case
def test_float32_with_float64_gives_float64(case):
    args, options, _, _ = expected(case, case.sizes[0])
    floats = [i for i, x in enumerate(args) if is_float(x)]
    if len(floats) < 2:
        return
    options = converted(options, np.float64)
    want = arrays(case.function(*args, **options))
    for narrow in floats:
        mixed = [x.astype(np.float32) if i == narrow else x for i, x in enumerate(args)]
        assert_same_bits(arrays(case.function(*mixed, **options)), want)


@each_case
def test_numpy_in_numpy_out_and_tensor_in_tensor_out(case):
    args, options, _, dy = expected(case, case.sizes[0])
    args, options, dy = converted(args, np.float32), converted(options, np.float32), dy.astype(np.float32)
    plain = as_tuple(case.function(*args, **options))
    assert all(type(y) is np.ndarray for y in plain)
    results, gradients = with_gradients(case, args, options, dy)
    assert_same_bits(results, plain)
    for position, gradient in zip(case.grad, gradients, strict=True):
        tensor = Tensor(args[position])
        mixed = [tensor if i == position else x for i, x in enumerate(args)]
        y = as_tuple(case.function(*mixed, **options))[0]
        assert type(y) is Tensor
        assert not y.requires_grad
        tensor.requires_grad_()
        with hl.no_grad():
            assert not as_tuple(case.function(*mixed, **options))[0].requires_grad
        y = as_tuple(case.function(*mixed, **options))[0]
        assert y.requires_grad
        y.backward(dy)
        assert_same_bits([y.numpy(), tensor.grad], [plain[0], gradient])


def takes_out(case):
    return "out" in inspect.signature(case.function).parameters


def float32_call(case, shapes):
    """(args, options, the op's first result) in float32."""
    args, options, _, _ = expected(case, shapes)
    args, options = converted(args, np.float32), converted(options, np.float32)
    return args, options, arrays(case.function(*args, **options))[0]


@pytest.mark.parametrize("case", list(filter(takes_out, CASES)), ids=str)
def test_out(case):
    def written(args, out):
        assert as_tuple(case.function(*args, **options, out=out))[0] is out
        assert_same_bits([out], [want])

    for shapes in case.sizes:
        args, options, want = float32_call(case, shapes)
        written(args, np.full_like(want, 7))
        wide = np.full((*want.shape, 2), 7, np.float32)
        written(args, wide[..., 0])
        assert np.all(wide[..., 1] == 7)
        # An output that begins inside the first input.
        size = args[0].size
        memory = np.zeros(max(size, want.size) + 3, np.float32)
        first = memory[:size].reshape(args[0].shape)
        first[...] = args[0]
        written([first, *args[1:]], memory[3 : 3 + want.size].reshape(want.shape))


@pytest.mark.parametrize("case", list(filter(takes_out, CASES)), ids=str)
def test_bad_out(case):
    args, options, want = float32_call(case, case.sizes[0])
    with pytest.raises(ValueError, match="out has shape"):
        case.function(*args, **options, out=np.empty((*want.shape, 3), np.float32))
    with pytest.raises(TypeError, match="out has dtype"):
        case.function(*args, **options, out=np.empty(want.shape, np.float64))
    with pytest.raises(ValueError, match="read-only"):
        case.function(*args, **options, out=read_only(want))


# ---- NaN and infinity -----------------------------------------------------------------------------------------------


def with_specials(case, shapes):
    """(args, options, what the reference makes of them), NaN or an infinity in one float argument after the other."""
    args, options = case.arguments(shapes)
    for position in [i for i, x in enumerate(args) if is_float(x)]:
        for special in (np.nan, np.inf, -np.inf) if case.inf else (np.nan,):
            spoiled = [x.copy() if is_float(x) else x for x in args]
            flat = spoiled[position].reshape(-1)
            flat[[0, flat.size // 2, -1]] = special
            with np.errstate(all="ignore"):
                want = arrays(case.reference(*spoiled, **options))
            yield spoiled, options, want


@each_case
def test_nan_and_infinity_propagate(case, kernels):
    for shapes in (case.sizes[0], case.large):
        for args, options, want in with_specials(case, shapes):
            for dtype in kernels():
                got = arrays(case.function(*converted(args, dtype), **converted(options, dtype)))
                for g, w in zip(got, want, strict=True):
                    assert_close(g, w, case, shapes, dtype)
