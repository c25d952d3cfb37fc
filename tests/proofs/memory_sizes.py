"""A shape whose size overflows, or that no machine could hold, is refused: ValueError or MemoryError that names the op.

Sizes, paddings, dilations and counts up to 2^62, in arrays that repeat one element, go to every op and layer whose
result would be larger than its arguments or whose arithmetic on sizes could wrap.
"""

import resource
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from tests.proofs.harness.proof import Proof

import hotloop as hl
from hotloop import _core

_ADDRESSES = 12 << 30  # bytes that the process may map: what is not refused fails instead of filling the machine


@cache
def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def repeated(shape, dtype=np.float32):
    """An array of any size over one element."""
    return as_strided(np.ones((), dtype), shape, (0,) * len(shape))


def vast(rng, low=33, high=60):
    """A number around a power of 2."""
    return max(1, (1 << int(rng.integers(low, high))) + int(rng.integers(-2, 3)))


def pair(rng):
    """Two numbers whose product is beyond any memory; often beyond 64 bits."""
    a = vast(rng, 24, 56)
    return a, vast(rng, max(4, 47 - a.bit_length()), 60)


def outer(op):
    def call(rng):
        a, b = pair(rng)
        return op(repeated((a, 1)), repeated((1, b)))

    return call


def matmul(rng):
    a, b = pair(rng)
    inner = int(rng.integers(0, 3))
    row = np.ones(2, np.float32)  # read where it lies, not copied
    return hl.matmul(as_strided(row, (a, inner), (0, 4)), as_strided(row, (inner, b), (4, 0)))


def matmul_batch(rng):
    a, b = (min(size, 1 << 58) for size in pair(rng))  # what NumPy itself can address
    left, right = (as_strided(np.ones((2, 2), np.float32), (*batch, 2, 2), (0, 0, 8, 4)) for batch in ((a, 1), (1, b)))
    return hl.matmul(left, right)


def linear(rng):
    a, b = pair(rng)
    return hl.linear(repeated((a, 0)), repeated((0, b)))


def conv_filters(rng):
    h, f = pair(rng)
    return hl.conv2d(repeated((1, h, 1, 0)), repeated((1, 1, 0, f)))


def padded(op):
    """Padding that makes the result vast, or that wraps when it is added."""

    def call(rng):
        sides = [0, 0, 0, 0]
        for i in rng.permutation(4)[: rng.integers(2, 5)]:
            sides[i] = vast(rng, 46, 63)
        return op(np.ones((1, 5, 5, 2), np.float32), ((sides[0], sides[1]), (sides[2], sides[3])))

    return call


def _conv(x, padding):
    return hl.conv2d(x, np.ones((2, 2, 2, 3), np.float32), padding=padding)


def _conv_pool(x, padding):
    return hl.conv2d_max_pool2d(x, np.ones((2, 2, 2, 3), np.float32), pool=1, padding=padding)


def _avg_pool(x, padding):
    return hl.avg_pool2d(x, 2, stride=1, padding=padding)


def _max_pool(x, padding):
    return hl.max_pool2d(x, 2, stride=1, padding=padding)


def dilated(op):
    """A window that spans more than any input, or whose span wraps."""

    def call(rng):
        return op(np.ones((1, 9, 9, 1), np.float32), vast(rng, 8, 63))

    return call


def windowed(op):
    def call(rng):
        return op(np.ones((1, 9, 9, 1), np.float32), (vast(rng, 8, 63), int(rng.integers(1, 3))))

    return call


def take(rng):
    """Too many indices, too long a row, or only too large a result of both."""
    rows, row = ((vast(rng), 2), (2, vast(rng)), (vast(rng, 20, 22), vast(rng, 20, 22)))[rng.integers(3)]
    return hl.take(repeated((2, row)), repeated((rows,), np.int64))


def conversion(rng):
    return hl.maximum(repeated((vast(rng),), np.int32), 0.0)


def select(rng):
    a, b = pair(rng)
    return hl.where(repeated((a, 1), bool), repeated((1, b)), 0.0)


def whole(op, dtype=np.float32):
    """An op whose result is as vast as its argument, which is beyond memory but not beyond NumPy."""

    def call(rng):
        return op(repeated((vast(rng, 20, 24), vast(rng, 24, 36)), dtype))

    return call


def made(op):
    def call(rng):
        return op(*pair(rng))

    return call


def layer(make, shape):
    def call(rng):
        return hl.Sequential([make(rng)]).build(shape)

    return call


def filled(rng):
    return _core.full_like(np.zeros((), np.float32), pair(rng), 0.0)


def stacked(rng):
    return hl.stack([repeated((vast(rng, 45, 58),))] * int(rng.integers(2, 4)))


CALLS = {
    **{f"{op} outer": outer(getattr(hl, op)) for op in ("add", "multiply", "divide", "power", "maximum")},
    "matmul": matmul,
    "matmul batch": matmul_batch,
    "linear": linear,
    "conv2d filters": conv_filters,
    "conv2d padding": padded(_conv),
    "conv2d_max_pool2d padding": padded(_conv_pool),
    "avg_pool2d padding": padded(_avg_pool),
    "max_pool2d padding": padded(_max_pool),
    "conv2d dilation": dilated(lambda x, n: hl.conv2d(x, np.ones((2, 2, 1, 1), np.float32), dilation=n)),
    "max_pool2d dilation": dilated(lambda x, n: hl.max_pool2d(x, 2, dilation=n)),
    "max_pool2d window": windowed(lambda x, n: hl.max_pool2d(x, n)),
    "avg_pool2d window": windowed(lambda x, n: hl.avg_pool2d(x, n)),
    "conv2d_max_pool2d window": windowed(
        lambda x, n: hl.conv2d_max_pool2d(x, np.ones((1, 1, 1, 1), np.float32), pool=n)
    ),
    "take": take,
    "conversion": conversion,
    "where": select,
    "stack": stacked,
    "concatenate": whole(lambda x: hl.concatenate([x, x])),
    "transpose": whole(lambda x: hl.exp(hl.transpose(x))),
    "reshape": whole(lambda x: hl.exp(hl.reshape(x, -1))),
    "relu": whole(hl.relu),
    "softmax": whole(hl.softmax),
    "dropout": whole(lambda x: hl.dropout(x, 0.5)),
    "rescale": whole(lambda x: hl.rescale(x, 0.5)),
    "rescale bytes": whole(lambda x: hl.rescale(x, 0.5), np.uint8),
    "mse_loss": whole(lambda x: hl.mse_loss(x, x, reduction="none")),
    "full": filled,
    "zeros": made(hl.zeros),
    "ones": made(hl.ones),
    "randn": made(hl.randn),
    "Dense": layer(lambda rng: hl.layers.Dense(vast(rng, 46, 63)), (None, 5)),
    "Conv2D": layer(lambda rng: hl.layers.Conv2D(vast(rng, 46, 63), 3), (None, 9, 9, 5)),
    "Dense input": lambda rng: hl.Sequential([hl.layers.Dense(3)]).build((None, vast(rng, 46, 63))),
}
NAMES = list(CALLS)


def check(trial):
    limit_memory()
    name = NAMES[trial.index(len(NAMES))]
    try:
        result = CALLS[name](trial.rng)
    except (ValueError, MemoryError) as error:
        assert str(error).startswith("["), f"{name}: no op is named: {error!r}"
        return
    raise AssertionError(f"{name}: not refused, gave {type(result).__name__} {np.shape(result)}")


proof = Proof(check=check, small=1000, full=10_000, unit="shapes", tiers=False)
