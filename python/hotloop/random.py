"""Streams of random numbers, started by set_seed: one for initial weights and shuffling, one for dropout."""

import copy
import os
import threading
from contextlib import contextmanager

import numpy as np

from hotloop import checks
from hotloop.autograd import Tensor

__all__ = ["ones", "rand", "randn", "set_seed", "zeros"]

_lock = threading.Lock()


class DropoutStream:
    """Dropout's calls that share a seed: each takes the next number.

    A step that is recorded draws anew in each replay: its kernels add to the numbers that it was recorded with what the
    stream's `cell`, a StepState, says.

    Attributes:
        seed: 64 bits.
        calls: how many there were.
        cell: None but while a step is recorded.
    """

    def __init__(self, seed):
        self.seed, self.calls, self.cell = seed, 0, None

    def next(self):
        """(seed, number, cell or None) of the next call."""
        with _lock:
            call = self.calls
            self.calls += 1
        if watching := getattr(_watchers, "lists", None):
            watching[-1].append(self)
        return self.seed, call, self.cell


_watchers = threading.local()  # lists: what this thread's watchers have collected


class StepDraws:
    """What a training step draws of dropout, so that its replays draw anew: streams, each as often as a step does."""

    def __init__(self):
        self._drawn = []
        self._common = None  # set_seed's stream, where it is one of them
        self._cells = {}  # stream: (its cell in the recorded step, its calls then)

    @contextmanager
    def watched(self):
        """Collects the streams that this thread draws from meanwhile."""
        self._drawn = []
        if not hasattr(_watchers, "lists"):
            _watchers.lists = []
        _watchers.lists.append(self._drawn)
        try:
            yield
        finally:
            _watchers.lists.pop()
        common = dropout_stream()
        self._common = common if common in self._drawn else None

    def are_current(self):
        """Whether set_seed has not been called since."""
        return self._common is None or self._common is dropout_stream()

    @contextmanager
    def recorded(self, make_cell, runs=True):
        """Gives the streams their cells while the step is recorded.

        Args:
            make_cell: function () -> StepState.
            runs: whether the recorded step also runs; else its draws are taken back.
        """
        self._cells = {stream: (make_cell(), stream.calls) for stream in self._drawn}
        for stream, (cell, _) in self._cells.items():
            stream.cell = cell
        try:
            yield
        finally:
            for stream, (_, calls) in self._cells.items():
                stream.cell = None
                if not runs:
                    stream.calls = calls

    def advance(self):
        """Before a replay: takes the numbers of its draws. Returns the cells that tell them."""
        for stream, (cell, calls_then) in self._cells.items():
            with _lock:
                cell.step = stream.calls - calls_then
                stream.calls += self._drawn.count(stream)
        return [cell for cell, _ in self._cells.values()]


class _Streams:
    """The NumPy generator, and dropout's stream."""

    def __init__(self, seed):
        sequence = np.random.SeedSequence(seed)
        self.generator = np.random.default_rng(sequence)
        self.dropout = DropoutStream(int(sequence.spawn(1)[0].generate_state(1, np.uint64)[0]))


_streams = None


def _current():
    """The streams; without a set_seed they start anywhere. Made at first use, since numpy.random is slow to import."""
    global _streams
    if _streams is None:
        _streams = _Streams(None)
    return _streams


def set_seed(n):
    """Starts all streams of random numbers anew: initial weights, shuffling, randn and dropout.

    Args:
        n: integer, at least 0.

    Raises:
        ValueError: n is negative.
    """
    global _streams
    seed = checks.integer("set_seed", "seed", n, 0)
    with _lock:
        _streams = _Streams(seed)


def _in_forked_child():
    """Another thread of the parent may have been drawing: its locks, NumPy's among them, would stay locked here."""
    global _lock
    _lock = threading.Lock()
    if _streams is not None:
        _streams.generator = copy.deepcopy(_streams.generator)  # with a lock of its own


os.register_at_fork(after_in_child=_in_forked_child)


def generator():
    """The numpy.random.Generator that set_seed starts."""
    with _lock:
        return _current().generator


def dropout_stream():
    """The DropoutStream that set_seed starts."""
    with _lock:
        return _current().dropout


def _shape(where, shape):
    """Sizes given one by one, or as one tuple or list."""
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    shape = tuple([checks.integer(where, "size", size, 0) for size in given])
    checks.addressable(where, "shape", shape, 4)
    return shape


def _made(where, make, shape, requires_grad):
    return Tensor(checks.made(where, make, _shape(where, shape), np.float32), requires_grad)


def randn(*shape, requires_grad=False):
    """Tensor of standard normal numbers in float32.

    Args:
        shape: sizes, or one tuple of them.
        requires_grad: whether backward() leaves a gradient.

    Returns:
        Tensor of the shape, from the stream that set_seed starts.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is negative, or they are too many elements.
    """
    with _lock:
        return _made("randn", _current().generator.standard_normal, shape, requires_grad)


def rand(*shape, requires_grad=False):
    """Tensor of float32 numbers, uniform in [0, 1).

    Args:
        shape: sizes, or one tuple of them.
        requires_grad: whether backward() leaves a gradient.

    Returns:
        Tensor of the shape, from the stream that set_seed starts.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is negative, or they are too many elements.
    """
    with _lock:
        return _made("rand", _current().generator.random, shape, requires_grad)


def zeros(*shape, requires_grad=False):
    """Tensor of zeros in float32.

    Args:
        shape: sizes, or one tuple of them.
        requires_grad: whether backward() leaves a gradient.

    Returns:
        Tensor of the shape.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is negative, or they are too many elements.
    """
    return _made("zeros", np.zeros, shape, requires_grad)


def ones(*shape, requires_grad=False):
    """Tensor of ones in float32.

    Args:
        shape: sizes, or one tuple of them.
        requires_grad: whether backward() leaves a gradient.

    Returns:
        Tensor of the shape.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is negative, or they are too many elements.
    """
    return _made("ones", np.ones, shape, requires_grad)
