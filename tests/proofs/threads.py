"""16 Python threads that call mixed ops at once get the bits each call gives alone, and no kernel holds the GIL.

Calls are rows of the op table, forward and gradients, in both dtypes, on arrays that all threads read or on a thread's
own copies, some under no_grad, while one more thread changes the number of kernel threads. That no kernel holds the
GIL: beside one that runs on one thread, a thread that sleeps for a millisecond at a time is awake at least 80 % as
often as beside a call of the standard library's that is known to release it. HOTLOOP_PROOFS_SLOW=1 leaves that out.
"""

import functools
import hashlib
import math
import os
import shutil
import subprocess
import threading
import time

import numpy as np
from tests.proofs.harness.proof import Proof, Trial
from tests.proofs.harness.runs import ROOT
from tests.proofs.parts.op_runs import CASES, Call, differing_bits, grown

import hotloop as hl

THREADS = 16
_A_CASE = 40  # calls of each thread in one case: a full run makes more than 10,000
_KINDS = 12  # different calls in one case
_KINDS_OF_CASES = 4  # one is about the GIL, one about CPython without it, the others about bits
_TICK = 1e-3
_LONG = 0.02  # seconds that a kernel takes for the ticker to miss it
_MOST_ELEMENTS = 60_000_000
_SHARE = "ticks beside a kernel as a share of those beside a native call"
_SLOW = os.environ.get("HOTLOOP_PROOFS_SLOW") == "1"


# ---- the same bits --------------------------------------------------------------------------------------------------


class Mixed:
    """Some calls, and what each gives alone."""

    def __init__(self, rng):
        self.calls, self.want = [], []
        for number in rng.choice(len(CASES), _KINDS, replace=False):
            case = CASES[number]
            shapes = case.large if rng.random() < 0.3 else case.sizes[rng.integers(len(case.sizes))]
            call = Call(case, shapes, (np.float32, np.float64)[rng.integers(2)], rng)
            self.calls.append(call)
            self.want.append(call())

    def run(self, rng, count):
        """`count` calls in random order; the first that differs, in words, or None."""
        for number in rng.integers(0, len(self.calls), count):
            call, want = self.calls[number], self.want[number]
            if rng.random() < 0.3:
                call = call.copy()
            if rng.random() < 0.2:
                with hl.no_grad():
                    got = call.forward()
                    bits = differing_bits(got, want[: len(got)])
            else:
                bits = differing_bits(call(), want)
            if bits:
                return f"{bits} bits of {call.title} differ"
        return None


def same_bits(rng, calls=_A_CASE, threads=THREADS):
    mixed, before = Mixed(rng), hl._core.num_threads()
    start, wrong, over = threading.Barrier(threads + 1), [], threading.Event()

    def work(own):
        start.wait()
        try:
            wrong.append(mixed.run(own, calls))
        except BaseException as error:
            wrong.append(repr(error))
            raise

    def change_threads():
        start.wait()
        while not over.wait(0.01):
            hl.set_num_threads(int(rng.integers(1, 5)))

    workers = [threading.Thread(target=work, args=(own,)) for own in rng.spawn(threads)]
    changer = threading.Thread(target=change_threads)
    for thread in (*workers, changer):
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    changer.join()
    hl.set_num_threads(before)
    found = [text for text in wrong if text is not None]
    assert not found, found[0]
    assert len(wrong) == threads


# ---- the GIL --------------------------------------------------------------------------------------------------------


def ticks_beside(call, seconds):
    """How often a second a sleeping thread is awake while `call` runs again and again for so long."""
    ticks, over = 0, False

    def tick():
        nonlocal ticks
        while not over:
            time.sleep(_TICK)
            ticks += 1

    ticker = threading.Thread(target=tick)
    begin = time.perf_counter()
    ticker.start()
    while time.perf_counter() - begin < seconds:
        call()
    taken, counted = time.perf_counter() - begin, ticks
    over = True
    ticker.join()
    return counted / taken


def duration(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def native_call(seconds):
    """A call of the standard library's that computes for so long without the GIL."""
    data = bytes(1 << 20)
    data = bytes(max(1, int(seconds / min(duration(lambda: hashlib.sha256(data)) for _ in range(3)))) << 20)
    return lambda: hashlib.sha256(data)


def enlarged(case, rng):
    """A call of the row that takes _LONG seconds, at larger shapes than the table's; None where none was found."""
    shapes = grown(case, rng)
    for _ in range(7):
        try:
            call = Call(case, shapes, np.float32, rng)
        except ValueError:  # the row does not take such shapes
            return None
        if duration(call.forward) >= _LONG:
            return call
        longest = max(size for shape in shapes for size in shape)
        shapes = tuple(tuple(3 * size if size == longest else size for size in shape) for shape in shapes)
        if sum(map(math.prod, shapes)) > _MOST_ELEMENTS:
            return None
    return None


def gil_is_free(trial):
    rng, before = trial.rng, hl._core.num_threads()
    hl.set_num_threads(1)
    try:
        call = enlarged(CASES[Trial(trial.seed // _KINDS_OF_CASES).index(len(CASES))], rng)
        if call is None:  # such as a view, which takes no time at any size
            return
        other = native_call(duration(call.forward))
        # A noisy machine slows one or the other now and then; a kernel that holds the GIL fails each time.
        for _ in range(6):
            beside_native = ticks_beside(other, 4 * _LONG)
            beside_kernel = ticks_beside(call.forward, 4 * _LONG)
            if beside_kernel >= 0.8 * beside_native:
                break
        trial.measure(_SHARE, beside_kernel / beside_native)
        assert beside_kernel >= 0.8 * beside_native, (
            f"{beside_kernel:.0f} ticks a second beside {call.title}, {beside_native:.0f} beside sha256"
        )
    finally:
        hl.set_num_threads(before)


# ---- free-threaded CPython ------------------------------------------------------------------------------------------


@functools.cache
def free_threaded():
    """(a free-threaded CPython that has hotloop, or None; what there is, in words)."""
    names = [f"python3.{minor}t" for minor in range(13, 20)]
    found = [path for path in (os.environ.get("HOTLOOP_FREE_THREADED_PYTHON"), *map(shutil.which, names)) if path]
    reason = "not installed"
    code = "import sys, hotloop, test_ops; assert not sys._is_gil_enabled(); print(sys.version.split()[0])"
    for path in found:
        done = _run(path, code)
        if done.returncode == 0:
            return path, done.stdout.strip()
        reason = f"{path}: {done.stderr.strip().splitlines()[-1]}"
    return None, reason


def _run(path, code):
    return subprocess.run([path, "-X", "gil=0", "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)


def without_gil(seed):
    path, _ = free_threaded()
    code = f"import numpy; from tests.proofs import threads; threads.same_bits(numpy.random.default_rng({seed}))"
    done = _run(path, code)
    assert done.returncode == 0, f"without the GIL: status {done.returncode}\n{done.stderr[-3000:]}"


# ---- the proof ------------------------------------------------------------------------------------------------------


def check(trial):
    kind = trial.seed % _KINDS_OF_CASES
    if kind == 0:
        if not _SLOW:
            gil_is_free(trial)
    elif kind == 1 and free_threaded()[0] is not None:
        without_gil(trial.seed)
        trial.measure("calls without a GIL", THREADS * _A_CASE)
    else:
        same_bits(trial.rng)
        trial.measure("calls", THREADS * _A_CASE)


def conclude(measured):
    told = {name: f"{sum(values):,.0f}" for name, values in measured.items() if name != _SHARE}
    if _SHARE in measured:
        told["long kernels beside a ticker"] = str(len(measured[_SHARE]))
        told["least share of its rate"] = f"{min(measured[_SHARE]):.0%}"
    return told | {"free-threaded CPython": free_threaded()[1]}


proof = Proof(check=check, small=10, full=_KINDS_OF_CASES * len(CASES), conclude=conclude)
