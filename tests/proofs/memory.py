"""Whichever allocation fails, the call raises MemoryError, leaks nothing, and the next one is right.

Each n-th allocation of a call fails, n rising until the call succeeds, alone or with those that follow: the compiled
module's (malloc, the pool's blocks, threads to be started) or Python's own. A call may also do without and succeed: its
result is then right. Where the pool has no block, the error names the op and the bytes. Calls with thousands of
allocations lose a few of them, others in every case. Leaks are looked for where the module asked for the memory, itself
or by Python's functions: Python 3.11 itself loses objects where it has no memory for a closure's variables, or to cut a
tuple to size. Seeds are set before anything fails: NumPy's set a ContextVar, and one that has no memory for it ends
Python 3.11.
"""

import gc
import re
import sys

from tests.proofs.guard import bits
from tests.proofs.harness.proof import Proof
from tests.proofs.parts import faults
from tests.proofs.parts.memory_scenarios import in_use, scenario

from hotloop import _core

_MANY = 1 << 40
BURSTS = {"native": (1, _MANY), "python": (1, 8)}  # how many allocations fail in a row
MOST = 40  # faults of a call
AGAIN = 8  # times a fault is repeated to look for a leak
ROUNDS = 100  # of that, at most, until one leaves less than a leak would
# What Python's own functions, and NumPy's sums, make of a lack of memory where they forget that it was one.
FOREIGN = re.compile(
    "can't allocate read lock|or os.PathLike|os.PathLike or integer|"
    "error return without exception set|returned NULL without setting an exception"
)


def numbers(rng, found):
    """Which allocations fail: all, or some that lie evenly."""
    step = max(1, -(-found // MOST))
    return range(1 + int(rng.integers(step)), found + 1, step)


def check_fault(case, want, source, number, burst):
    """One fault; returns whether the module itself asked for what it did not get."""
    call = case.fresh()
    outcome = faults.attempt(call, source, number, burst)
    what = f"{case.name}, allocation {number} ({outcome.kind}), {min(burst, 99)} in a row"
    if outcome.error is None:
        assert bits(outcome.result) == want, f"wrong after a fault: {what}"
    else:
        foreign = source == faults.PYTHON and FOREIGN.search(repr(outcome.error))
        assert isinstance(outcome.error, MemoryError) or foreign, f"{outcome.error!r}: {what}"
        if outcome.kind == "posix_memalign" and burst == 1:  # there is memory for a text
            named = re.match(r"\[\w+\] out of memory: no block of \d+ bytes$", str(outcome.error))
            assert named, f"{outcome.error!r} names no op: {what}"
    inside = outcome.failed > 0 and outcome.inside
    del outcome
    call()  # on the same objects
    return inside


def grown(action):
    """How many (blocks that Python holds, blocks that the module holds, bytes of the pool in use) an action leaves."""

    def held():
        gc.collect()
        _core.empty_cache()
        return sys.getallocatedblocks(), faults.live(), in_use()

    before = held()
    action()
    return [now - then for now, then in zip(held(), before, strict=True)]


def check_leak(case, want, source, number, burst):
    """What the same failure leaves each time is a leak; caches may fill, some of Python's over hundreds of calls."""

    def times(which):
        return sum(check_fault(case, want, source, which, burst) for _ in range(AGAIN))

    inside = 0

    def fail():
        nonlocal inside
        inside = times(number)

    for _ in range(ROUNDS):
        usual = grown(lambda: times(faults.NEVER))
        more = [left - own for left, own in zip(grown(fail), usual, strict=True)]
        if inside < AGAIN or max(more) < AGAIN:
            return
    raise AssertionError(f"leak of {more} (Python's blocks, the module's, the pool's bytes): {case.name}, {number}")


def check(trial):
    rng = trial.rng
    name = ("native", "python")[trial.seed % 2]
    source, burst = faults.SOURCES[name], BURSTS[name][rng.integers(2)]
    case = scenario(trial)
    want = bits(case.fresh()())
    assert bits(case.fresh()()) == want, f"not the same twice: {case.name}"
    gc.freeze()
    chosen = numbers(rng, faults.count(case.fresh(), source))
    inside = [number for number in chosen if check_fault(case, want, source, number, burst)]
    assert bits(case.fresh()()) == want, f"the next call is wrong: {case.name}"
    if case.deep:
        inside = rng.choice(inside, min(3, len(inside)), replace=False).tolist()
    for number in inside:
        check_leak(case, want, source, number, burst)
    trial.measure(f"{name} faults", len(chosen) + AGAIN * len(inside))


def conclude(measured):
    return {name: f"{sum(values):,.0f}" for name, values in measured.items()}


proof = Proof(check=check, small=25, full=400, unit="calls", conclude=conclude)
