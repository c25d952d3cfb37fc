"""Machines that can't run CUDA, or hardly: what was found and what is needed is said, and nobody hangs.

Each test is a process of its own. Bad machines are played by the emulation (HOTLOOP_EMULATION_FAULT); where
HOTLOOP_TEST_CUDA_LIBRARY names a library that nvcc built, it meets this machine if that has no driver.
"""

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import hotloop as hl

EMULATED = Path(hl.__file__).parent / "libhotloop_cuda_emulated.so"
REAL = os.environ.get("HOTLOOP_TEST_CUDA_LIBRARY")

if not EMULATED.exists():
    pytest.skip("the emulation is not built", allow_module_level=True)

BEGIN = """
import gc, os, sys, threading
import numpy as np, hotloop as hl
from hotloop import captured
L = hl.layers

def there(x): return hl.array(np.asarray(x, np.float32), device="cuda")

def in_capture(act):
    # act() is called within the first capture of a step.
    step, capture, run = hl.Model._train_on, captured.DeviceSteps._capture, []
    def stepping(self, *args):
        result = step(self, *args)
        if run == ["now"]:
            run.append("done")
            act()
        return result
    def capturing(self, one):
        run or run.append("now")
        capture(self, one)
    hl.Model._train_on, captured.DeviceSteps._capture = stepping, capturing
    return run

def fit(**options):
    hl.set_seed(0)
    model = hl.Sequential([L.Dense(6, activation="relu"), L.Dropout(0.2), L.Dense(3)])
    loss = hl.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, device=options.pop("device", "cuda"))
    x = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    model.fit(x, np.arange(40) % 3, batch_size=8, verbose=0, **options)
    return model
"""


def outcome(code, backend="emulated", **environment):
    """(standard output, standard error) of code run after BEGIN, which must succeed."""
    environment = os.environ | {"HOTLOOP_CUDA_BACKEND": str(backend)} | environment
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-X", "faulthandler", "-c", BEGIN + textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def has_driver():
    return ctypes.util.find_library("cuda") is not None


def other_version(folder):
    """A library whose interface has number 1."""
    source = folder / "old.cpp"
    source.write_text(
        "struct Library { unsigned version; unsigned long size; };\n"
        "static const Library library = {1, 16};\n"
        'extern "C" const Library* hotloop_cuda_library() { return &library; }\n'
    )
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "old.so", source], check=True)
    return folder / "old.so"


def no_library(folder):
    (folder / "text.so").write_text("no library")
    return folder / "text.so"


BAD = {
    "no library": (
        {"backend": no_library},
        "its CUDA library can't be opened: .*text.so: (file too short|invalid ELF)",
    ),
    "nothing there": ({"backend": lambda folder: folder / "absent.so"}, "can't be opened: .*absent.so.*No such file"),
    "another's library": (
        {"backend": lambda folder: ctypes.util.find_library("m")},
        "its CUDA library is none of hotloop's: libm",
    ),
    "another version": (
        {"backend": other_version},
        r"of another version of hotloop: .* has interface 1 of 16 bytes, wanted is \d+ of \d+ bytes",
    ),
    "no driver": (
        {"HOTLOOP_EMULATION_FAULT": "no_driver"},
        r"no NVIDIA driver was found; one for CUDA 13\.0 or newer is needed",
    ),
    "old driver": (
        {"HOTLOOP_EMULATION_FAULT": "old_driver"},
        r"the NVIDIA driver is too old: it is for CUDA 12\.2, one for CUDA 13\.0 or newer is needed",
    ),
    "no device": ({"HOTLOOP_EMULATION_FAULT": "no_device"}, "no CUDA device was found"),
    "no such device": ({"HOTLOOP_CUDA_DEVICE": "3"}, "device 3 was asked for, 1 found"),
    "other architecture": (
        {"HOTLOOP_EMULATION_FAULT": "no_image"},
        r"emulated device has compute capability 8\.0; this library was built for emulation",
    ),
}
if REAL and not has_driver():
    BAD["nvcc's library, no driver"] = (
        {"backend": lambda folder: REAL},
        r"no NVIDIA driver was found; one for CUDA \d+\.0 or newer is needed",
    )


@pytest.mark.parametrize("machine", BAD)
def test_a_bad_machine_is_named(machine, tmp_path):
    """device="cuda" raises, "auto" is the CPU and says so once, show_config tells why, the CPU goes on."""
    options, reason = BAD[machine]
    options = dict(options)
    backend = options.pop("backend", lambda folder: "emulated")(tmp_path)
    code = """
    import re
    reason = os.environ["REASON"]
    for call in (lambda: there([1]), lambda: fit(device="cuda"), lambda: hl.Sequential([L.Dense(1)]).to("cuda")):
        try:
            call()
        except RuntimeError as error:
            assert re.search(f'device "cuda" was asked for, but .*{reason}.*; use "cpu" or "auto"', str(error)), error
        else:
            raise AssertionError("no error")
    assert not hl.cuda.is_available()
    for call in (hl.cuda.device_info, hl.cuda.memory_stats, hl.cuda.synchronize):
        try:
            call()
        except RuntimeError as error:
            assert re.search(f"there is no CUDA device: .*{reason}", str(error)), error
    hl.cuda.empty_cache()
    assert type(hl.array([1.0], device="auto")) is np.ndarray
    for _ in range(2):
        assert all(type(w.data) is np.ndarray for w in fit(device="auto").weights)
    hl.show_config()
    """
    said, warned = outcome(code, backend, REASON=reason, **options)
    assert warned.count("\n") == warned.count('hotloop: device "auto" is the CPU: ') == 1, warned
    (line,) = (line for line in said.splitlines() if line.startswith("CUDA"))
    assert re.search(f"can't be used: .*{reason}", line)


def test_another_device_is_current_and_stays_so():
    """Every call that goes to the wrong device fails there."""
    code = """
    x = np.random.default_rng(1).standard_normal((30, 20)).astype(np.float32)
    assert np.allclose(hl.matmul(there(x), there(x.T)).numpy(), x @ x.T, atol=1e-4)
    a = there(x)
    a[1] = x[0]
    assert np.array_equal(a.copy()[1].numpy(), x[0])
    assert hl.cuda.memory_stats()["bytes_in_use"] > 0
    hl.cuda.empty_cache()
    other, one = fit(epochs=3), fit(epochs=3, device="cpu")
    assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(one.get_weights(), other.get_weights()))
    done = []
    thread = threading.Thread(target=lambda: done.append(hl.add(there([1]), 2).item()))
    thread.start()
    thread.join()
    assert done == [3]
    """
    assert outcome(code, HOTLOOP_EMULATION_FAULT="other_device")[1] == ""


# ---- fork -----------------------------------------------------------------------------------------------------------


def test_a_forked_child_is_told_and_its_parent_goes_on():
    code = """
    model, a = fit(epochs=2), there([1, 2])
    t = hl.Tensor(a, requires_grad=True)
    loss = (t * t).sum()
    child = os.fork()
    if child == 0:
        calls = [lambda: a.numpy(), lambda: hl.add(a, 1), lambda: a.fill(0), lambda: repr(a),
                 lambda: loss.backward(), lambda: model.predict(np.zeros((2, 5))), lambda: there([1]),
                 lambda: fit(device="cuda"), lambda: model.to("cpu"), hl.cuda.synchronize, hl.cuda.memory_stats,
                 lambda: a.__dlpack__(), lambda: model.evaluate(np.zeros((2, 5)), [0, 1], verbose=0)]
        for number, call in enumerate(calls):
            try:
                call()
            except RuntimeError as error:
                assert "CUDA was used before fork()" in str(error), (number, error)
                assert "start it with spawn instead" in str(error), (number, error)
            else:
                raise AssertionError(number)
        assert not hl.cuda.is_available()
        hl.cuda.empty_cache()
        assert type(hl.array([1.0], device="auto")) is np.ndarray
        fit(device="cpu")
        del a, t, loss, model  # what they hold is the parent's
        gc.collect()
        hl.show_config()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    loss.backward()
    assert t.grad.tolist() == [2, 4]
    assert a.tolist() == [1, 2]
    assert np.isfinite(model.predict(np.zeros((2, 5)))).all()
    fit(epochs=3)
    """
    said, warned = outcome(code)
    assert "CUDA was used before fork()" in said
    assert warned.count("\n") == warned.count('device "auto" is the CPU: CUDA was used before fork()') == 1, warned


def test_a_child_forked_before_cuda_was_used_may_use_it():
    code = """
    child = os.fork()
    fit(epochs=2)
    if child != 0:
        assert os.waitpid(child, 0)[1] == 0
    """
    outcome(code)


def test_a_child_forked_within_a_capture_does_not_hang():
    code = """
    children, a = [], there([1])
    def act():
        children.append(os.fork())
        if children[-1] == 0:
            for call in (lambda: there([1]), lambda: a.numpy()):
                try:
                    call()
                except RuntimeError as error:
                    assert "CUDA was used before fork()" in str(error)
                else:
                    os._exit(1)
            globals().pop("a")
            gc.collect()
            os._exit(7)
    run = in_capture(act)
    fit(epochs=3)
    assert run == ["now", "done"]
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7
    assert a.item() == 1
    """
    assert outcome(code)[1] == ""


# ---- threads --------------------------------------------------------------------------------------------------------


def test_two_threads_use_the_device_and_train():
    """Steps are captured while the other thread works: its calls wait, and no capture takes them up."""
    code = """
    def work(seed, results):
        try:
            rng, held = np.random.default_rng(seed), []
            for i in range(150):
                x = rng.standard_normal((9, 7)).astype(np.float32)
                held = [*held[-20:], hl.relu(hl.matmul(there(x), there(x.T)))]
                assert np.allclose(held[-1].numpy(), np.maximum(x @ x.T, 0), atol=1e-5)
            results[seed] = True
        except BaseException as error:
            results[seed] = error

    def train(seed, results):
        try:
            x = np.random.default_rng(seed).standard_normal((40, 5)).astype(np.float32)
            weights = []
            for device in ("cuda", "cpu"):
                model = hl.Sequential([L.Dense(6, activation="relu"), L.Dense(3)])
                model.compile("sgd", "mse", device=device)
                model.build((None, 5))
                model.set_weights([np.full(w.shape, 0.01 * seed, np.float32) for w in model.get_weights()])
                for _ in range(4):
                    model.fit(x, x[:, :3], batch_size=6, epochs=3, verbose=0, shuffle=False)
                weights.append(model.get_weights())
            assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(*weights))
            results[seed] = True
        except BaseException as error:
            results[seed] = error

    results = {}
    sys.setswitchinterval(1e-4)
    threads = [threading.Thread(target=f, args=(i, results)) for i, f in enumerate((work, train, train, work))]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert results == dict.fromkeys(range(4), True), results
    """
    assert outcome(code)[1] == ""


def test_a_capture_that_waits_for_another_thread_ends():
    """That thread's call fails after some seconds, and the model runs op by op."""
    code = """
    from concurrent.futures import ThreadPoolExecutor
    class Helped(hl.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(3)
        def call(self, x):
            with ThreadPoolExecutor(1) as pool:
                y = pool.submit(lambda: hl.mean(x.data if isinstance(x, hl.Tensor) else x)).result()
            return self.dense(x) + y
    model = Helped()
    model.compile("sgd", "mse", device="cuda")
    x = np.ones((20, 5), np.float32)
    history = model.fit(x, x[:, :3], batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    """
    _, warned = outcome(code)
    assert warned.count("runs op by op: [cuda] waited 10 s for another thread during the capture of a step") == 1


# ---- between capture and replay -------------------------------------------------------------------------------------


def test_no_memory_for_a_capture():
    """The model runs op by op, said once; nothing of the capture is left behind."""
    code = """
    from hotloop import _core
    want = fit(epochs=3).get_weights()
    run = in_capture(lambda: _core.empty_like(there_before, (2**40,)))
    there_before = there([1])
    got = fit(epochs=3).get_weights()
    assert run == ["now", "done"]
    assert all(np.array_equal(a, b) for a, b in zip(want, got))
    """
    _, warned = outcome(code)
    assert warned.count("\n") == warned.count("runs op by op: [empty] out of device memory: ") == 1, warned


def test_an_exception_that_is_kept_does_not_keep_the_capture():
    code = """
    class Stop(Exception): pass
    def act():
        raise Stop
    run = in_capture(act)
    try:
        fit(epochs=2)
    except Stop as error:
        kept = error  # with its frames, and all that they hold
    assert run == ["now", "done"] and kept
    done = []
    thread = threading.Thread(target=lambda: done.append(hl.add(there([1]), 2).item()))
    thread.start()
    thread.join()
    assert done == [3]
    fit(epochs=2)
    """
    assert outcome(code)[1] == ""
