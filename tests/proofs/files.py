"""A damaged or hostile file is refused by a ValueError or reads as what it says, in bounded memory, and never crashes.

Models, weights, arrays, safetensors, IDX plain and packed, MNIST's folder: cut at every length; every byte changed;
changed at random, guided by the lines of the readers that a file reaches, checksums put right again. Where a checksum
vouches for the bytes (all of hotloop's own formats, and gzip) a changed one is refused or means nothing; elsewhere what
is read has the size that the file has. Memory beyond what the process had stays below twice the file and 64 MB
(of a packed file: twice what it says it holds and is found to). A writer that is killed leaves the old file or the new
one, whole.
"""

import base64
import os
import resource
import signal
import time
from functools import cache
from pathlib import Path

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts.coverage_guide import Corpus
from tests.proofs.parts.file_kinds import FOLDER, KINDS, model_of, place
from tests.proofs.parts.file_mutations import changed_bytes, changed_structure, pick, repacked

import hotloop as hl
from hotloop.io import load_arrays, save_arrays

_LARGEST = 1 << 16  # bytes of a file
_SLACK = 64 << 20
_PATIENCE = 20  # seconds of the processor for one file: a machine that stands still is no reader's fault
_EACH = 16  # files of a case that goes through all lengths or bytes


def bound_memory():
    """What the process may hold from here on: what it has, twice the largest file and 64 MB."""
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("VmData:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (held + _SLACK + 2 * _LARGEST, resource.RLIM_INFINITY))


def read(kind, content, name="file"):
    """(what was read or None, the ValueError or None); anything else that is raised is a failure."""
    path = place(name)
    Path(path).write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, _PATIENCE)
    try:
        return kind.read(path), None
    except ValueError as error:
        assert str(error).startswith("["), f"no reader is named: {error!r}"
        return None, error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def described(kind, content):
    return f"{kind.name}, {len(content)} bytes: {base64.b85encode(content).decode()}"


def shown(check):
    """A check of (kind, content, ...) whose failure holds the file."""

    def run(kind, content, *rest):
        try:
            return check(kind, content, *rest)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{described(kind, content)}") from error

    return run


@shown
def check_cut(kind, content):
    _, error = read(kind, content)
    assert error is not None, "a cut file was read"


@shown
def check_changed(kind, content, whole):
    found, _ = read(kind, content)
    if found is None:
        return
    if kind.vouched:
        assert found == whole, "a changed file was read as something else"
    else:
        assert sizes(found) == sizes(whole), "a changed file has more or less in it"


def sizes(found):
    """Bytes of the items: those of one array, or of all."""
    if isinstance(found[0], dict):
        return sum(len(items) for _, _, items in found[0].values())
    return len(found[2])


@shown
def check_hostile(kind, content, corpus):
    with corpus.steps as steps:
        read(kind, content)
    if steps.new:
        corpus.keep(content)


@cache
def spots():
    """[(kind, good file, position)] of every byte of every good file."""
    return [(kind, content, at) for kind in KINDS for content in kind.good for at in range(len(content))]


@cache
def corpora():
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    for kind in KINDS:
        for content in kind.good:
            assert read(kind, content)[1] is None, described(kind, content)
    return [Corpus(kind) for kind in KINDS]


@cache
def whole(kind, content):
    return read(kind, content)[0]


def go_through(rng, number, cut):
    """Some of all lengths, or of all bytes, the number-th lot."""
    everything = spots()
    for i in range(number * _EACH, (number + 1) * _EACH):
        kind, content, at = everything[i % len(everything)]
        if cut:
            check_cut(kind, content[:at])
        else:
            change = bytes([content[at] ^ int(rng.integers(1, 256))])
            check_changed(kind, content[:at] + change + content[at + 1 :], whole(kind, content))
    return _EACH


def hostile(rng):
    number = int(rng.integers(len(KINDS)))
    kind, corpus = KINDS[number], corpora()[number]
    content, other = pick(rng, corpus.files), pick(rng, corpus.files)
    change = changed_bytes
    if rng.random() < (0.8 if kind.sealed else 0.3):
        change = repacked if kind.name == "idx.gz" else changed_structure
    check_hostile(kind, change(rng, content, other)[:_LARGEST], corpus)
    return 1


# ---- writers that are killed ----------------------------------------------------------------------------------------


def write_versions(way, path):
    """Writes version after version, for ever."""
    model = model_of([hl.layers.Dense(300, input_shape=(200,))], None)
    for version in range(1, 1 << 30):
        if way == "arrays":
            save_arrays(path, {"x": np.full(50_000, version), "y": np.full(7, version, np.int8)}, {"version": version})
            continue
        model.set_weights([np.full(w.shape, version % 1000, np.float32) for w in model.get_weights()])
        (model.save if way == "model" else model.save_weights)(path)


def check_version(way, path):
    """The file is one of the versions, all of it."""
    if way == "arrays":
        arrays, metadata = load_arrays(path)
        version = metadata["version"]
        assert np.all(arrays["x"] == version) and np.all(arrays["y"] == np.int8(version % 256)), "a mixture"
        return
    arrays = load_arrays(path)[0].values() if way == "weights" else hl.load_model(path).get_weights()
    assert len({float(value) for array in arrays for value in np.unique(array)}) == 1, "a mixture"


def kill_writer(rng):
    way = pick(rng, ("arrays", "model", "weights"))
    path = place(f"written-{way}")
    if not os.path.exists(path):
        save_arrays(path, {"x": np.zeros(5), "y": np.zeros(5)}, {"version": 0})
        if way != "arrays":
            model_of([hl.layers.Dense(3, input_shape=(2,), kernel_initializer="zeros")], None).save(path)
    child = os.fork()
    if child == 0:
        try:
            write_versions(way, path)
        finally:
            os._exit(1)
    time.sleep(float(rng.random()) * 0.06)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "the writer failed by itself"
    check_version(way, path)
    for name in os.listdir(FOLDER.name):
        if name.endswith(".tmp"):
            os.unlink(place(name))  # what it was writing
    return 1


def check(trial):
    rng = trial.rng
    corpora()
    if trial.seed % 500 == 0 or resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY:
        hl.set_num_threads(1)
        bound_memory()
    kind, lot = trial.index(100), trial.seed // 100
    if kind == 0:
        trial.measure("writers killed", kill_writer(rng))
    elif kind <= 6:
        trial.measure("files cut", go_through(rng, lot * 6 + kind - 1, cut=True))
    elif kind <= 12:
        trial.measure("files with a byte changed", go_through(rng, lot * 6 + kind - 7, cut=False))
    else:
        trial.measure("files changed at random", hostile(rng))


def conclude(measured):
    return {name: f"{sum(values):,.0f}" for name, values in measured.items()}


proof = Proof(check=check, small=2000, full=1_150_000, unit="cases", tiers=False, conclude=conclude)
