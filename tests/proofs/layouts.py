"""However its arrays lie in memory, an op gives the bits that contiguous copies give, forward and backward, and leaves
its inputs alone; `out=` over an input gives what it gives beside it, or ValueError.

Layouts: C, Fortran, gaps full of NaN, negative strides, misaligned by 1 byte and by 4, read-only, big-endian, and all
of these at random, another for each argument.
"""

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts.memory_layouts import NAMES, Laid, SharedMemory
from tests.proofs.parts.random_shapes import random_shapes

from hotloop.autograd import Tensor
from op_cases import CASES
from test_ops import arrays, as_tuple, converted, takes_out

WITH_OUT = list(filter(takes_out, CASES))


def suited(rng, case, dtype):
    """(shapes, arguments, options, the results of the op), for shapes that suit the row."""
    while True:
        shapes = random_shapes(rng, case)
        try:
            args, options = case.arguments(shapes)
            args, options = converted(args, dtype), converted(options, dtype)
            return shapes, args, options, arrays(case.function(*args, **options))
        except (ValueError, IndexError):
            continue  # the row's options don't suit the shapes


def with_gradients(case, args, options, dy):
    """(results, gradients) of Tensors that hold the very arrays given."""
    args = list(args)
    leaves = []
    for i in case.grad:
        args[i] = Tensor(args[i]).requires_grad_()
        leaves.append(args[i])
    results = as_tuple(case.function(*args, **options))
    if leaves:
        results[0].backward(dy)
    return [*arrays(results), *[leaf.grad for leaf in leaves]]


def bits(case, results):
    """Shape, dtype and elements; an op that only moves elements keeps their byte order, which is no matter here."""
    if case.moves:
        results = [y.astype(y.dtype.newbyteorder("=")) for y in results]
    return [(y.shape, y.dtype.str, y.tobytes()) for y in results]


def check_inputs(rng, case, name):
    dtype = np.float32 if rng.random() < 0.7 else np.float64
    shapes, args, options, results = suited(rng, case, dtype)
    dy = rng.standard_normal(results[0].shape).astype(results[0].dtype)
    forward, both = bits(case, results), bits(case, with_gradients(case, args, options, dy))
    kept = []

    def laid(x):
        if not isinstance(x, np.ndarray):
            return x
        kept.append(Laid(rng, x, name if name != "mixed" else NAMES[rng.integers(len(NAMES))]))
        return kept[-1].array

    args, options = [laid(x) for x in args], {key: laid(x) for key, x in options.items()}
    what = f"{case} of {shapes} in {np.dtype(dtype)}, {name}, strides {[getattr(x, 'strides', None) for x in args]}"
    assert bits(case, arrays(case.function(*args, **options))) == forward, what
    assert bits(case, with_gradients(case, args, options, laid(dy))) == both, f"{what}, backward"
    assert all(x.untouched() for x in kept), f"{what}: an input was written to"


def check_out(rng, case):
    """All arrays of floats and `out` lie anywhere in the same memory, or `out` is an input itself."""
    dtype = np.float32 if rng.random() < 0.7 else np.float64
    shapes, args, options, results = suited(rng, case, dtype)
    shape = results[0].shape
    floats = [i for i, x in enumerate(args) if isinstance(x, np.ndarray) and x.dtype == dtype]
    largest = max([results[0].nbytes, *[args[i].nbytes for i in floats]])
    memory = SharedMemory(rng, dtype, int(largest * rng.uniform(1, 4)) + 64)
    places = {i: memory.place(args[i].shape) for i in floats}
    args = [memory.view(*places[i]) if i in places else x for i, x in enumerate(args)]
    same = [i for i in floats if args[i].shape == shape]
    place = places[same[rng.integers(len(same))]] if same and rng.random() < 0.25 else memory.place(shape)
    out = memory.view(*place)
    if out.ndim and rng.random() < 0.25:
        out = np.flip(out)
    want = arrays(case.function(*[x.copy() if isinstance(x, np.ndarray) else x for x in args], **options))
    what = f"{case} of {shapes} in {np.dtype(dtype)}, {places}, out {place}"
    try:
        got = as_tuple(case.function(*args, **options, out=out))
    except ValueError as error:
        assert str(error).startswith(f"[{case.op}] "), f"{what}: {error}"
        assert np.array_equal(memory.now(), memory.before), f"{what}: written to before it was refused"
        return
    assert got[0] is out, what
    assert bits(case, arrays(got)) == bits(case, want), what
    assert not memory.changed_outside(*place), f"{what}: more than out was written to"


def check(trial):
    rng = trial.rng
    row, way = divmod(trial.index(len(CASES) * (len(NAMES) + 2)), len(NAMES) + 2)
    with np.errstate(all="ignore"):
        if way <= len(NAMES):
            check_inputs(rng, CASES[row], (*NAMES, "mixed")[way])
        else:
            check_out(rng, WITH_OUT[row % len(WITH_OUT)])


proof = Proof(check=check, small=700, full=100 * len(CASES) * (len(NAMES) + 2))
