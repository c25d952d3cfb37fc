"""Arrays of more than 2^31 elements give what they should: one op of each family, where the machine has the memory.

Inputs are zeros that the system need not even hold, but for a few marks before, at and behind the 2^31-th element; the
result is 0 everywhere but there. Only run in full: a case takes up to 9 GB and a minute.
"""

import gc

import numpy as np
from tests.proofs.harness.proof import Proof

import hotloop as hl
from hotloop import _core

ROWS, COLUMNS = (1 << 19) + 3, 1 << 12  # 2^31 + 3 * 2^12 elements
SIZE = ROWS * COLUMNS
MARKS = (0, 1, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, SIZE - COLUMNS, SIZE - 1)
_SPARE = 3 << 30


def available():
    """Bytes that the machine has to give."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))


def marked(shape=(ROWS, COLUMNS), dtype=np.float32):
    x = np.zeros(shape, dtype)
    x.reshape(-1)[list(MARKS)] = np.arange(1, len(MARKS) + 1)
    return x


def assert_marks(y, values):
    """The values at the marks, 0 elsewhere."""
    flat = y.reshape(-1)
    assert flat.size == SIZE
    assert flat[list(MARKS)].tolist() == list(values)
    assert sum(int(np.count_nonzero(flat[i : i + (1 << 26)])) for i in range(0, SIZE, 1 << 26)) == np.count_nonzero(
        values
    )


NUMBERS = np.arange(1.0, len(MARKS) + 1)


def by_row(values=NUMBERS):
    """Sums of the marks of each row that has some."""
    sums = {}
    for mark, value in zip(MARKS, values, strict=True):
        sums[mark // COLUMNS] = sums.get(mark // COLUMNS, 0.0) + value
    return sums


def unary():
    assert_marks(hl.square(marked()), NUMBERS**2)


def binary():
    assert_marks(hl.multiply(marked(), np.float32(2)), 2 * NUMBERS)


def activation():
    assert_marks(hl.leaky_relu(marked()), NUMBERS)


def compare():
    y = _core.compare(marked(), 0.0, _core.compare_ops["greater"])
    assert_marks(y, [True] * len(MARKS))


def where():
    assert_marks(hl.where(marked(dtype=bool), 3.0, 0.0), [3.0] * len(MARKS))


def rescale():
    assert_marks(hl.rescale(marked(dtype=np.uint8), 0.5), 0.5 * NUMBERS)


def full():
    y = _core.full_like(np.zeros((), np.float32), (SIZE,), 1.5)
    assert y[0] == y[1 << 31] == y[-1] == 1.5


def transpose():
    y = _core.contiguous(marked().T)
    assert [float(y[mark % COLUMNS, mark // COLUMNS]) for mark in MARKS] == NUMBERS.tolist()


def take():
    x = marked(dtype=np.uint8)
    y = hl.take(x, np.arange(ROWS)[::-1])
    assert [int(y[ROWS - 1 - mark // COLUMNS, mark % COLUMNS]) for mark in MARKS] == NUMBERS.tolist()


def reductions():
    x = marked()
    assert float(hl.sum(x)) == NUMBERS.sum()
    assert float(hl.max(x)) == NUMBERS[-1]
    rows = hl.sum(x, axis=1)
    assert {int(i): float(rows[i]) for i in np.flatnonzero(rows)} == by_row()
    columns = hl.sum(x, axis=0)
    assert float(columns.sum()) == NUMBERS.sum() and float(columns[COLUMNS - 1]) == NUMBERS[2] + NUMBERS[6]


def argmax():
    assert int(hl.argmax(marked().reshape(-1))) == MARKS[-1]
    found = hl.argmax(marked(), axis=1)
    assert int(found[-1]) == COLUMNS - 1 and int(found[(1 << 31) // COLUMNS]) == 1


def matmul():
    x = marked()
    y = hl.matmul(x, np.ones((COLUMNS, 2), np.float32))
    assert {int(i): float(y[i, 1]) for i in np.flatnonzero(y[:, 1])} == by_row()
    z = hl.matmul(np.ones((1, ROWS), np.float32), x)
    assert float(z.sum()) == NUMBERS.sum() and float(z[0, COLUMNS - 1]) == NUMBERS[2] + NUMBERS[6]


def matmul_of_much():
    """A result of more than 2^31 elements."""
    a, b = np.zeros((ROWS, 1), np.float32), np.ones((1, COLUMNS), np.float32)
    a[[0, -1], 0] = 2.0, 3.0
    c = hl.matmul(a, b)
    assert c[0].tolist() == [2.0] * COLUMNS and c[-1].tolist() == [3.0] * COLUMNS
    assert not c[1].any() and not c[ROWS // 2].any() and not c[-2].any()


def softmax():
    y = hl.softmax(np.zeros((ROWS, COLUMNS), np.float32))
    assert all(np.all(y[i] == np.float32(1 / COLUMNS)) for i in (0, 1, (1 << 31) // COLUMNS, ROWS - 1))


def images():
    """x as (n, 64, 64, 1)."""
    return marked((ROWS, 64, 64, 1))


def conv2d():
    y = hl.conv2d(images(), np.ones((8, 8, 1, 1), np.float32), stride=8)
    assert float(y.sum(dtype=np.float64)) == NUMBERS.sum() and float(y[-1, -1, -1, 0]) == NUMBERS[-1]


def fused():
    y = hl.conv2d_max_pool2d(images(), np.ones((8, 8, 1, 1), np.float32), pool=2, stride=8)
    assert float(y[-1, -1, -1, 0]) == NUMBERS[-1] and float(y[0, 0, 0, 0]) == 3.0


def pools():
    x = images()
    y = hl.max_pool2d(x, 4)
    assert float(y[-1, -1, -1, 0]) == NUMBERS[-1] and float(y[0, 0, 0, 0]) == 2.0
    y = hl.avg_pool2d(x, 4)
    assert float(y.sum(dtype=np.float64)) == NUMBERS.sum() / 16


def losses():
    x = marked()
    loss = hl.mse_loss(x, np.zeros_like(x), reduction="sum")
    assert float(loss) == float(np.sum(NUMBERS**2))


def cross_entropy():
    loss = hl.softmax_cross_entropy(np.zeros((ROWS, COLUMNS), np.float32), np.zeros(ROWS, np.int64))
    assert abs(float(loss) - np.log(COLUMNS)) < 1e-4


def dropout():
    y = hl.dropout(marked(), 0.5, seed=3).reshape(-1)
    assert all(float(y[mark]) in (0.0, 2.0 * n) for mark, n in zip(MARKS, NUMBERS, strict=True))
    assert int(np.count_nonzero(y)) == int(np.count_nonzero(y[list(MARKS)]))


def updates():
    x = marked()
    assert _core.square_sum([x]) == float(np.sum(NUMBERS**2))
    _core.scale([x], 3.0)
    assert_marks(x, 3 * NUMBERS)


def accumulate():
    x, y = marked(), marked()
    _core.accumulate(x, y)
    assert_marks(y, 2 * NUMBERS)


def optimizer():
    g, w = marked(), marked()
    rule, step = hl.optim.SGD(lr=0.5), _core.step_state()
    rule._tell(step, 0.5, 1)
    kernel, *arguments = rule._call(step, g.reshape(-1), w.reshape(-1))
    kernel(*arguments)
    assert_marks(w, 0.5 * NUMBERS)


CALLS = (
    *(unary, binary, activation, compare, where, rescale, full, transpose, take, reductions, argmax, matmul),
    *(matmul_of_much, softmax, conv2d, fused, pools, losses, cross_entropy, dropout, updates, accumulate, optimizer),
)


def check(trial):
    call = CALLS[trial.index(len(CALLS))]
    gc.collect()
    _core.empty_cache()
    wanted = (9 << 30) + _SPARE
    trial.measure("NOT RUN for lack of memory", available() < wanted)
    if available() < wanted:
        return
    call()
    gc.collect()
    _core.empty_cache()


def conclude(measured):
    return {name: f"{sum(values):.0f}" for name, values in measured.items() if any(values)}


proof = Proof(check=check, small=0, full=len(CALLS), unit="ops", patience=600.0, conclude=conclude)
