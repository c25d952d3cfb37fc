"""Allocations that fail on demand, by number: those of the compiled module, and Python's own. See faults.cpp."""

import ctypes
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NATIVE, PYTHON = 0, 1
SOURCES = {"native": NATIVE, "python": PYTHON}
NEVER = 1 << 60


@dataclass
class Attempt:
    """What a call came to.

    Attributes:
        failed: how many allocations did.
        kind: the function that the first of them was asked of.
        inside: whether it was the module that asked, itself or by Python's C functions.
    """

    result: object
    error: BaseException | None
    failed: int
    kind: str
    inside: bool


@cache
def _library():
    folder = tempfile.TemporaryDirectory(prefix="hotloop-faults-")
    built = Path(folder.name) / "faults.so"
    source = Path(__file__).with_suffix(".cpp")
    compiler = os.environ.get("CXX", "g++")
    subprocess.run([compiler, "-std=c++17", "-O2", "-shared", "-fPIC", source, "-o", built], check=True)
    library = ctypes.CDLL(str(built))
    library.folder, library.object = folder, b"/_core."  # what it holds a pointer to
    library.faults_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_long]
    library.faults_arm.restype = library.faults_disarm.restype = None
    library.faults_count.restype = library.faults_hits.restype = library.faults_live.restype = ctypes.c_long
    library.faults_kind.restype = ctypes.c_char_p
    caught = library.faults_catch_native(library.object)
    assert caught >= 5, f"only {caught} of the module's allocation functions were found"
    api = [getattr(ctypes.pythonapi, f"PyMem_{verb}Allocator") for verb in ("Get", "Set")]
    library.faults_catch_python(*(ctypes.cast(function, ctypes.c_void_p) for function in api))
    return library


def attempt(call, source, first, burst=1):
    """Calls while `burst` allocations fail, from number `first` on; -> Attempt."""
    library = _library()
    result = error = None
    library.faults_arm(source, first, first + burst - 1)
    try:
        result = call()
    except BaseException as caught:
        error = caught
    while True:
        try:
            library.faults_disarm(source)
            break
        except MemoryError:  # it may want memory itself
            pass
    inside = bool(library.faults_inside(source))
    return Attempt(result, error, library.faults_hits(source), library.faults_kind(source).decode(), inside)


def count(call, source):
    """How many allocations a call makes."""
    outcome = attempt(call, source, NEVER)
    if outcome.error is not None:
        raise outcome.error
    return _library().faults_count(source)


def live():
    """Blocks that the compiled module has allocated and not freed, less a constant."""
    return _library().faults_live()
