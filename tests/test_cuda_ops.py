"""Every row of op_cases.py on device="cuda": values, gradients, NaN and infinities against the float64 references, and
nothing but CudaArrays on the way.

Runs where there is a device: a GPU, or with HOTLOOP_CUDA_BACKEND=emulated the emulation of tests/cuda_emulation.
"""

import numpy as np
import pytest

import hotloop as hl
from hotloop.autograd import Tensor
from op_cases import CASES
from test_ops import (
    as_tuple,
    assert_close,
    assert_same_bits,
    converted,
    expected,
    is_float,
    result_dtype,
    takes_out,
    with_specials,
)

if not hl.cuda.is_available():
    pytest.skip("no CUDA device, and no emulation asked for", allow_module_level=True)

each_case = pytest.mark.parametrize("case", CASES, ids=str)


def there(values):
    """The arrays of a list or dict on the device, floats as float32; the rest as it is."""
    if isinstance(values, dict):
        return dict(zip(values, there(list(values.values())), strict=True))
    narrow = [x.astype(np.float32) if is_float(x) else x for x in values]
    return [hl.array(x, device="cuda") if isinstance(x, np.ndarray) else x for x in narrow]


def on_host(results):
    """The results of an op, which must lie on the device, as ndarrays."""
    assert all(isinstance(y.data if isinstance(y, Tensor) else y, hl.CudaArray) for y in as_tuple(results))
    return [y.numpy() for y in as_tuple(results)]


def run(case, shapes):
    """(results, gradients) of the op on Tensors there, as ndarrays."""
    args, options, _, dy = expected(case, shapes)
    args = there(args)
    leaves = []
    for i in case.grad:
        args[i] = Tensor(args[i], requires_grad=True)
        leaves.append(args[i])
    results = as_tuple(case.function(*args, **there(options)))
    if leaves:
        results[0].backward(hl.array(dy.astype(np.float32), device="cuda"))
    return on_host(results), on_host(tuple(leaf.grad for leaf in leaves))


@each_case
def test_against_numpy(case):
    for shapes in (*case.sizes, case.large):
        args, options, want, _ = expected(case, shapes)
        got = on_host(case.function(*there(args), **there(options)))
        for g, w in zip(got, want, strict=True):
            assert_close(g, w, case, shapes, result_dtype(args, np.float32))


@each_case
def test_gradients_against_the_cpu(case):
    for shapes in (*case.sizes, case.large):
        args, options, _, dy = expected(case, shapes)
        leaves = [Tensor(x, requires_grad=True) if i in case.grad else x for i, x in enumerate(args)]
        y = as_tuple(case.function(*leaves, **options))[0]
        if case.grad:
            y.backward(dy)
        _, gradients = run(case, shapes)
        for position, gradient in zip(case.grad, gradients, strict=True):
            assert_close(gradient, leaves[position].grad, case, shapes, np.float32)


@each_case
def test_runs_are_the_same_bits(case):
    first, gradients = run(case, case.large)
    again, gradients_again = run(case, case.large)
    assert_same_bits(again, first)
    assert_same_bits(gradients_again, gradients)


@each_case
def test_nan_and_infinity_propagate(case):
    shapes = case.sizes[0]
    for args, options, want in with_specials(case, shapes):
        got = on_host(case.function(*there(args), **there(options)))
        for g, w in zip(got, want, strict=True):
            assert_close(g, w, case, shapes, np.float32)


@pytest.mark.parametrize("case", list(filter(takes_out, CASES)), ids=str)
def test_out(case):
    args, options, _, _ = expected(case, case.sizes[0])
    args, options = there(args), there(options)
    want = on_host(case.function(*args, **options))[0]
    out = hl.array(np.full_like(want, 7), device="cuda")
    assert as_tuple(case.function(*args, **options, out=out))[0] is out
    assert_same_bits([out.numpy()], [want])


@pytest.mark.parametrize("case", [case for case in CASES if case.label == ""], ids=str)
def test_operands_on_two_devices_are_refused(case):
    args, options, _, _ = expected(case, case.sizes[0])
    floats = [i for i, x in enumerate(args) if is_float(x)]
    if len(floats) < 2:
        return
    mixed = there(args)
    mixed[floats[0]] = converted(args, np.float32)[floats[0]]
    with pytest.raises(ValueError, match="devices differ"):
        case.function(*mixed, **there(options))
