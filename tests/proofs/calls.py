"""A wrong argument to any public function, class or method raises a Python exception that names who refuses it; a call
that goes well all the same was right after all.

Wrong are dtypes, ranks, shapes, numbers out of their range, names, and objects of every kind; arguments too many, too
few, unknown or in another order. What may go well is judged by NumPy, or by rules written from the docstrings.
"""

import contextlib
import io
import os
import re
import resource
import tempfile
import warnings
from functools import cache

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts import wrong_models, wrong_parts, wrong_tensors
from tests.proofs.parts.wrong_objects import ObjectCall
from tests.proofs.parts.wrong_ops import OpCall

import hotloop as hl
from hotloop import callbacks, data, initializers, layers, losses, metrics, nn, optim
from hotloop.nn import functional
from hotloop.optim import schedules
from op_cases import CASES

# Dtypes, abstract bases, and what other functions make.
NOT_CALLED = {"float", "float32", "float64", "int32", "int64", "long", "uint8", "CudaArray", "Optimizer", "Initializer"}
TABLE = [*wrong_tensors.TABLE, *wrong_parts.TABLE, *wrong_models.TABLE]
_MEMORY = 6 << 30  # bytes of address space, so that a result too large to have is refused at once


def untested():
    """Names of public functions and classes that neither table has."""
    tested = {case.op for case in CASES} | {word for entry in TABLE for word in entry.name.split(".")}
    known = [getattr(hl, name, None) for name in tested]
    found = set()
    for module in (hl, nn, functional, layers, losses, metrics, optim, schedules, callbacks, initializers, data):
        for name in getattr(module, "__all__", None) or [name for name in dir(module) if name[0] != "_"]:
            value = getattr(module, name)
            if callable(value) and name not in tested and not any(value is other for other in known):
                found.add(name)
    return found - NOT_CALLED


@cache
def _prepared():
    """A folder of its own for files, and a limit to memory."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    assert not untested(), f"no wrong calls of {untested()}"
    folder = tempfile.TemporaryDirectory()
    os.chdir(folder.name)
    return folder, hl.show_config  # what is loaded at first use is loaded from here on


def _word(name):
    return re.sub(r"_\d+$", "", name).replace("_", "").lower()


_OPERATORS = r"'\S+' not supported between instances|unsupported operand type"


def names_it(error, names):
    """Whether the message begins with the name of who refuses, as hotloop's errors do, or Python's own."""
    text = str(error)
    known = {_word(word) for name in names for word in name.split(".")}
    own = re.match(r"\[([^\]]+)\] ", text)
    if own:
        return bool(known & {_word(word) for word in re.split(r"[ .:,]+", own[1])})
    if re.match(_OPERATORS, text):
        return True
    python = re.match(r"([\w.<>]+)\(\) (got|takes|missing)", text)
    # A table's own wrapper stands for what it calls.
    return bool(python) and ("<lambda>" in python[1] or bool(known & {_word(word) for word in python[1].split(".")}))


def right_error(error, call):
    if "raised by the argument itself" in str(error) or isinstance(error, MemoryError) or call.called_what_was_given():
        return True
    if isinstance(error, OSError):
        return call.takes_files and (error.filename is not None or names_it(error, call.names))
    kinds = (TypeError, ValueError, IndexError, RuntimeError)
    return isinstance(error, kinds) and not isinstance(error, RecursionError) and names_it(error, call.names)


def check(trial):
    _prepared()
    rng = trial.rng
    call = OpCall(rng) if rng.random() < 0.4 else ObjectCall(rng, TABLE)
    threads = hl._core.num_threads()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            result = call()
    except Exception as error:
        assert right_error(error, call), f"{call}: {type(error).__name__}: {error}"
        return
    finally:
        for file in os.listdir():  # what one call wrote is nothing to the next
            os.remove(file)
        hl.set_num_threads(threads)
        hl.set_precision("float32")
    try:
        with np.errstate(all="ignore"):
            call.judge(result)
    except Exception as error:
        raise AssertionError(f"{call} went well: {type(error).__name__}: {error}") from error


proof = Proof(check=check, small=2000, full=50_000, unit="calls")
