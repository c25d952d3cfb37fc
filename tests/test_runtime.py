"""The runtime under the ops: threads, fork, instruction tiers, the memory pool, and what `import hotloop` costs."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core


def in_subprocess(code, arguments=(), **environment):
    """Runs code in a fresh Python with hotloop importable; returns the finished process."""
    path = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, timeout=60)


def printed(code, **environment):
    process = in_subprocess(code, **environment)
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def some_work(seed=0):
    """A product and an activation large enough for several threads; returns the result's bytes."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 300, 300), np.float32)
    return hl.relu(hl.matmul(a, b)).tobytes()


# ---- threads --------------------------------------------------------------------------------------------------------

SHOW_THREADS = "from hotloop import _core; print(_core.num_threads(), _core.num_threads_reason().replace(' ', '-'))"


def test_set_num_threads(threads):
    for n in (1, 3, 2):
        threads(n)
        assert _core.num_threads() == n
    assert _core.num_threads_reason() == "set_num_threads"


@pytest.mark.parametrize("n", [0, -1, 1025, 10**12])
def test_set_num_threads_refuses(n):
    with pytest.raises(ValueError, match=rf"^\[set_num_threads\] wants 1 to 1024 threads, got {n}$"):
        hl.set_num_threads(n)


@pytest.mark.parametrize("n", ["2", 1.5, None])
def test_set_num_threads_wants_an_integer(n):
    with pytest.raises(TypeError):
        hl.set_num_threads(n)


def test_threads_from_the_environment():
    assert printed(SHOW_THREADS, HOTLOOP_NUM_THREADS="3") == ["3", "HOTLOOP_NUM_THREADS"]


@pytest.mark.parametrize("text", ["", "0", "-2", "many", "2000"])
def test_a_bad_number_of_threads_in_the_environment_is_ignored(text):
    n, reason = printed(SHOW_THREADS, HOTLOOP_NUM_THREADS=text)
    assert 1 <= int(n) <= os.cpu_count()
    assert reason in ("affinity", "cgroup-quota")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_threads_follow_affinity():
    code = f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {SHOW_THREADS}"
    assert printed(code, HOTLOOP_NUM_THREADS="") == ["1", "affinity"]


def test_two_python_threads_at_once(threads):
    threads(2)
    want = [some_work(seed) for seed in range(4)]
    wrong = []

    def work(seed):
        for _ in range(30):
            if some_work(seed) != want[seed]:
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_threads_may_be_set_while_others_work(threads):
    want, done, wrong = some_work(), threading.Event(), []

    def work():
        while not done.is_set():
            if some_work() != want:
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for i in range(40):
        threads(1 + i % 4)
    done.set()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_the_gil_is_free_while_a_kernel_runs():
    a = np.ones((1200, 1200), np.float32)
    worker = threading.Thread(target=lambda: [hl.matmul(a, a) for _ in range(3)])
    worker.start()
    turns = 0
    while worker.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 3


# ---- fork -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_computes_the_same_bits(threads):
    threads(3)
    want = some_work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        same = _core.num_threads() == 3 and some_work() == want and some_work(1) != want
        os.write(writing, b"y" if same else b"n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reading, 1) == b"y"
    os.close(reading)
    os.close(writing)
    assert some_work() == want


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_pool_of_forked_processes(threads):
    threads(2)
    want = [some_work(seed) for seed in range(6)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(some_work, range(6)) == want


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_draws_random_numbers_can_draw():
    hl.set_seed(0)
    drawing = threading.Thread(target=hl.randn, args=(20_000_000,))
    drawing.start()
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        hl.dropout(hl.randn(10), 0.5)
        os._exit(0)
    found, until = 0, time.monotonic() + 20
    while not found and time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not found:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    drawing.join()
    assert found and status == 0


# ---- tiers ----------------------------------------------------------------------------------------------------------


def test_tiers():
    tiers = _core.isa_tiers()
    assert tiers[0] == "portable"
    assert _core.isa() in tiers


@pytest.mark.parametrize("tier", _core.isa_tiers())
def test_a_tier_is_forced_by_the_environment(tier):
    assert printed("from hotloop import _core; print(_core.isa())", HOTLOOP_ISA=tier) == [tier]


def test_an_unknown_tier_in_the_environment():
    code = "import numpy as np, hotloop as hl; hl.relu(np.ones(3))"
    process = in_subprocess(code, HOTLOOP_ISA="avx9000")
    assert process.returncode == 1
    assert "[HOTLOOP_ISA] tier 'avx9000' is not available on this machine; choices: portable" in process.stderr


def test_set_isa_refuses():
    with pytest.raises(
        ValueError, match=r"^\[set_isa\] tier 'sse' is not available on this machine; choices: portable"
    ):
        _core.set_isa("sse")


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_outputs_are_aligned():
    for n in (1, 100, 10_000, 1_000_000):
        assert hl.relu(np.ones(n, np.float32)).ctypes.data % 64 == 0


def test_a_steady_loop_takes_nothing_from_the_system():
    x, w = hl.Tensor(np.ones((64, 300), np.float32)), hl.Tensor(np.ones((300, 200), np.float32), requires_grad=True)

    def step():
        y = hl.relu(hl.matmul(x, w))
        w.zero_grad()
        y.backward(np.ones(y.shape, np.float32))

    def taken_by_50_steps():
        before = _core.memory_stats()["system_allocations"]
        for _ in range(50):
            step()
        return _core.memory_stats()["system_allocations"] - before

    # How many threads hold scratch memory at once is chance, but bounded: it settles.
    assert 0 in (taken_by_50_steps() for _ in range(10))


def test_memory_counters():
    x = np.ones(1 << 20, np.float32)
    _core.empty_cache()
    before = _core.memory_stats()
    assert before["bytes_cached"] == 0
    y = hl.relu(x)
    during = _core.memory_stats()
    assert during["bytes_in_use"] - before["bytes_in_use"] >= y.nbytes
    assert during["peak_bytes_in_use"] >= during["bytes_in_use"]
    assert during["system_bytes"] == during["bytes_in_use"] + during["bytes_cached"]
    del y
    after = _core.memory_stats()
    assert after["bytes_in_use"] == before["bytes_in_use"]
    assert after["bytes_cached"] >= x.nbytes
    _core.empty_cache()
    assert _core.memory_stats()["system_bytes"] == before["bytes_in_use"]


def test_a_result_outlives_its_cache():
    y = hl.relu(np.ones(1000, np.float32))
    view = y[10:]
    del y
    _core.empty_cache()
    hl.relu(np.zeros(1000, np.float32))
    assert np.all(view == 1)


def test_an_absurd_size_is_a_memory_error_and_work_goes_on():
    want = some_work()
    tall = np.empty((1 << 23, 0), np.float32)
    for _ in range(3):
        with pytest.raises(MemoryError):
            hl.matmul(tall, tall.T)
    assert some_work() == want


STEP_OUTSIDE = """
import ctypes, sys
import numpy as np
from hotloop import _core

ordinary = _core.full_like(np.zeros(1, np.float32), (5,), 1.5)
_core.set_guard(sys.argv[1])
fenced = _core.full_like(np.zeros(1, np.float32), (5,), 2.5)
assert fenced.tolist() == [2.5] * 5 and _core.memory_stats()["bytes_in_use"] >= 20
del ordinary
_core.set_guard("")
outside = {"before": -1, "after": 20, "freed": 0}
address = fenced.ctypes.data + outside[sys.argv[2]]
if sys.argv[2] == "freed":
    del fenced
print("alive", flush=True)
ctypes.string_at(address, 1)
"""


@pytest.mark.parametrize(("side", "step"), [("before", "before"), ("after", "after"), ("after", "freed")])
def test_a_step_outside_a_fenced_block_faults(side, step):
    process = in_subprocess(STEP_OUTSIDE, arguments=(side, step))
    assert process.stdout.split() == ["alive"]
    assert process.returncode == -11


def test_bad_side_of_a_fence():
    with pytest.raises(ValueError, match=r"^\[set_guard\] wants"):
        _core.set_guard("both")


# ---- import ---------------------------------------------------------------------------------------------------------


def test_import_starts_no_threads():
    code = "import hotloop, os; print(len(os.listdir('/proc/self/task')))"
    if os.path.isdir("/proc/self/task"):
        assert printed(code, OPENBLAS_NUM_THREADS="1") == ["1"]


def test_show_config(capsys):
    hl.show_config()
    text = capsys.readouterr().out
    for part in (
        hl.__version__,
        np.__version__,
        *_core.isa_tiers(),
        f"in use: {_core.isa()}",
        str(_core.num_threads()),
    ):
        assert part in text
    assert ("not built" in text) == (hl.cuda.library() is None)
