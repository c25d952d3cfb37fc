"""Ctrl-C and other signals: long kernels end, and nothing is left half done.

Random moments are tried by tests/proofs/interrupt.py.
"""

import signal
import time

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core
from proofs.parts.ctrl_c import interrupted_at


class Late(Exception):
    pass


@pytest.fixture
def alarm():
    """Calls a function in so many seconds, by a signal."""

    def set_alarm(seconds, function):
        signal.signal(signal.SIGALRM, lambda *_: function())
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.getsignal(signal.SIGALRM)
    yield set_alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def raise_late():
    raise Late


@pytest.mark.parametrize("number", [1, 2, 4])
def test_what_a_signals_handler_raises_ends_a_kernel(alarm, threads, number):
    threads(number)
    a = np.ones((300, 300), np.float32)
    want, held = hl.matmul(a, a), _core.memory_stats()["bytes_in_use"]
    x, w = np.zeros((1, 2000, 2000, 32), np.float32), np.zeros((9, 9, 32, 256), np.float32)
    alarm(0.1, raise_late)
    begin = time.perf_counter()
    with pytest.raises(Late):
        hl.conv2d(x, w)
    assert time.perf_counter() - begin < 5
    assert np.array_equal(hl.matmul(a, a), want)
    assert _core.memory_stats()["bytes_in_use"] == held


def test_a_signals_handler_that_returns_changes_nothing(alarm):
    seen = []
    a = np.random.default_rng(0).random((1500, 1500), np.float32)
    want = hl.matmul(a, a)

    def handler():
        seen.append(np.array_equal(hl.matmul(a, a), want))  # on the pool that is busy
        if len(seen) < 3:
            signal.setitimer(signal.ITIMER_REAL, 0.01)

    alarm(0.01, handler)
    until = time.monotonic() + 20
    while len(seen) < 3 and time.monotonic() < until:
        assert np.array_equal(hl.matmul(a, a), want)
    assert seen == [True] * 3


# ---- at each place where Python handles signals ---------------------------------------------------------------------


def at_each_place(make, call, check):
    """check(make()) after Ctrl-C at every place in call(made); says how many there were."""
    number = 0
    while True:
        made = make()
        number += 1
        raised, _, swallowed = interrupted_at(number, lambda made=made: call(made))
        assert swallowed == []
        check(made)
        if not raised:
            return number


OPTIMIZERS = [
    hl.optim.SGD,
    hl.optim.Adam,
    hl.optim.AdamW,
    hl.optim.Nadam,
    hl.optim.RMSprop,
    hl.optim.Adagrad,
    hl.optim.Lion,
]


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("missing", [False, True])
def test_a_step_is_made_or_not_begun(kind, missing):
    """Of two dtypes, so of two kernel calls; with a parameter that misses every other gradient, of more."""

    def make(steps=1):
        rng = np.random.default_rng(0)
        tensors = [hl.Tensor(rng.standard_normal(5).astype(dtype), True) for dtype in (np.float32, np.float64, "f4")]
        optimizer = kind(tensors, 0.1)
        for step in range(steps):
            give(tensors, step)
            optimizer.step()
        give(tensors, steps)
        return tensors, optimizer

    def give(tensors, step):
        for i, tensor in enumerate(tensors):
            tensor.grad = None if missing and i == 1 and step % 2 else np.full(5, 0.1 * (step + i + 1))

    def state(tensors, optimizer):
        found = optimizer.state_dict()
        arrays = {name: array.tolist() for name, array in found.pop("arrays").items()}
        return [t.numpy().tolist() for t in tensors], found, arrays

    outcomes = [state(*make(steps)) for steps in (1, 2)]

    def check(made):
        optimizer = made[1]
        now = state(*made)
        assert now == outcomes[optimizer.step_count - 1]
        if optimizer.step_count == 1:
            optimizer.step()
        assert state(*made) == outcomes[1]

    assert at_each_place(make, lambda made: made[1].step(), check) > 5


def test_backward_leaves_all_gradients_or_none():
    def make():
        leaves = [hl.Tensor(np.full(3, i + 1.0), True) for i in range(3)]
        leaves[1].grad = np.ones(3)
        return leaves, (leaves[0] * leaves[1] + leaves[0] * leaves[2] + leaves[1] + leaves[2]).sum()

    before = [None, [1.0] * 3, None]
    after = [[5.0] * 3, [3.0] * 3, [2.0] * 3]

    def check(made):
        grads = [leaf.grad if leaf.grad is None else leaf.grad.tolist() for leaf in made[0]]
        assert grads in (before, after)

    assert at_each_place(make, lambda made: made[1].backward(), check) > 5


def test_no_grad_is_left():
    def call(_):
        with hl.no_grad():
            hl.relu(np.zeros(3, np.float32))

    at_each_place(lambda: None, call, lambda _: None)
    assert _core.is_grad_enabled()


def test_logits_are_forgotten_with_their_softmax():
    layer = hl.layers.Activation("softmax")

    def call(_):
        y = layer(hl.Tensor(np.zeros((2, 3)), True))
        del y

    at_each_place(lambda: None, call, lambda _: None)
    call(None)
    assert not hl.layers.context.context.squashed
