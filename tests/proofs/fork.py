"""A child and a grandchild made by fork give the bits of the parent and none hangs; so do pools of processes.

A case is a parallel call, a fork, the same call in the child, and again in its child; in half of the cases the fork
comes while other threads are inside kernels, draw random numbers and train. Every fifth case is a pool instead:
multiprocessing's, forked or spawned, or joblib's, where it is installed.
"""

import contextlib
import hashlib
import importlib.util
import multiprocessing
import os
import signal
import threading
import time
import traceback

import numpy as np
from tests.proofs.harness.proof import Proof, Trial
from tests.proofs.parts.op_runs import CASES, Call, grown

import hotloop as hl

_PATIENCE = 60.0  # seconds after which a process counts as hung
_POOLS = ("fork", "spawn", "loky", "multiprocessing")
_POOL_EVERY = 5
_JOBLIB = importlib.util.find_spec("joblib") is not None


# ---- work -----------------------------------------------------------------------------------------------------------


def bits_of(seed):
    """A digest of what a seed's calls give: a row of the op table, a product on all threads, a short training."""
    rng = np.random.default_rng(seed)
    case = CASES[rng.integers(len(CASES))]
    call = Call(case, grown(case, rng), (np.float32, np.float64)[rng.integers(2)], rng)
    digest = hashlib.sha256()
    a, b = rng.standard_normal((2, 300, 300), np.float32)
    for array in (*call(), hl.relu(hl.matmul(a, b)), *training(rng)):
        digest.update(array.tobytes())
    return digest.hexdigest()


def training(rng):
    hl.set_seed(int(rng.integers(2**31)))
    layers = [
        hl.layers.Dense(32, activation="relu", input_shape=(20,)),
        hl.layers.Dropout(0.3),
        hl.layers.Dense(3, activation="softmax"),
    ]
    model = hl.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(rng.standard_normal((64, 20)).astype(np.float32), rng.integers(0, 3, 64), epochs=1, verbose=0)
    return model.get_weights()


@contextlib.contextmanager
def threads_inside_kernels(rng):
    """Within it other threads compute, draw and train without a pause."""
    over, begun = threading.Event(), threading.Barrier(5)
    a = rng.standard_normal((500, 500)).astype(np.float32)

    def work(do):
        begun.wait()
        while not over.is_set():
            do()

    def draw():
        hl.randn(300_000)
        hl.dropout(a, 0.5)

    doings = (lambda: hl.matmul(a, a), lambda: hl.gelu(hl.matmul(a, a)), draw, lambda: training(rng))
    workers = [threading.Thread(target=work, args=(do,)) for do in doings]
    for worker in workers:
        worker.start()
    begun.wait()
    time.sleep(rng.random() * 0.01)
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.join()


# ---- forks ----------------------------------------------------------------------------------------------------------

_RIGHT, _WRONG, _FAILED = 10, 11, 12


def descend(seed, want, generations):
    """Forks; the child does the work of the seed, then forks in turn. Returns the child's process id."""
    child = os.fork()
    if child:
        return child
    status = _FAILED
    try:
        os.setpgid(0, 0) if generations == 2 else None
        status = _RIGHT if bits_of(seed) == want else _WRONG
        if generations > 1 and status == _RIGHT:
            status = os.waitstatus_to_exitcode(os.waitpid(descend(seed, want, generations - 1), 0)[1])
            status = status if status == _RIGHT else -status if status < 0 else status + 10
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(child):
    """The status a child ended with, or None where it hung and was killed with its own children."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def forks(rng):
    seed = int(rng.integers(2**40))
    hl.set_num_threads(int(rng.integers(2, 9)))
    want = bits_of(seed)
    busy = rng.random() < 0.5
    with threads_inside_kernels(rng) if busy else contextlib.nullcontext():
        child = descend(seed, want, 2)
        status = ended(child)
    where = f"seed {seed}, {'while other threads computed' if busy else 'no other thread'}"
    assert status is not None, f"child or grandchild hung: {where}"
    assert status == _RIGHT, (
        f"child ended with {status}, wants {_RIGHT} ({_WRONG}: other bits, {_FAILED}: an exception): {where}"
    )
    if not busy:  # otherwise other threads draw from the same stream
        assert bits_of(seed) == want, f"other bits in the parent after the fork: {where}"


# ---- pools ----------------------------------------------------------------------------------------------------------


def pools(rng, kind):
    seeds = [int(seed) for seed in rng.integers(0, 2**40, 4)]
    hl.set_num_threads(int(rng.integers(2, 5)))
    want = [bits_of(seed) for seed in seeds]
    if kind in ("fork", "spawn"):
        with multiprocessing.get_context(kind).Pool(2) as pool:
            got = pool.map_async(bits_of, seeds, chunksize=1).get(_PATIENCE)
    else:
        import joblib

        with joblib.parallel_config(backend=kind, n_jobs=2):
            got = joblib.Parallel(timeout=_PATIENCE)(joblib.delayed(bits_of)(seed) for seed in seeds)
        if kind == "loky":
            joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    assert got == want, f"other bits in a pool: {kind}"


def check(trial):
    before = hl._core.num_threads()
    turn, place = divmod(trial.seed, _POOL_EVERY)
    kind = _POOLS[Trial(turn).index(len(_POOLS))]
    try:
        if place:
            forks(trial.rng)
            trial.measure("forks twice over", 1)
        elif kind in ("fork", "spawn") or _JOBLIB:
            pools(trial.rng, kind)
            trial.measure(f"pools ({'joblib ' if kind in ('loky', 'multiprocessing') else ''}{kind})", 1)
    finally:
        hl.set_num_threads(before)


def conclude(measured):
    told = {name: f"{sum(values):,.0f}" for name, values in sorted(measured.items())}
    return told if _JOBLIB else told | {"joblib": "not installed"}


proof = Proof(check=check, small=10, full=1000 * _POOL_EVERY // (_POOL_EVERY - 1), conclude=conclude)
