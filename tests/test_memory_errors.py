"""Calls for which there is no memory: MemoryError that says so, and nothing worse. See also tests/proofs/memory.py."""

import ast
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import hotloop as hl
from hotloop import _core


def test_what_memory_cannot_address_is_refused():
    for call in (lambda: hl.layers.Dense(1 << 62, name="wide").build((None, 2)), lambda: hl.randn(1 << 31, 1 << 31)):
        with pytest.raises(ValueError, match=r"^\[(wide|randn)\] .* more elements than memory can address"):
            call()


def huge(dtype=np.float32):
    """An array of 2^52 elements over one."""
    return as_strided(np.ones((), dtype), (1 << 26, 1 << 26), (0, 0))


@pytest.mark.parametrize(
    ("call", "op"),
    [
        (lambda: hl.relu(huge()), "relu"),
        (lambda: hl.rescale(huge(np.uint8), 0.5), "rescale_bytes"),
        (lambda: hl.take(huge(np.uint8), [0]), "take"),
        (lambda: hl.zeros(1 << 26, 1 << 26), "zeros"),
        (lambda: hl.layers.Dense(1 << 50, name="wide").build((None, 2)), "wide"),
        (lambda: hl.matmul(np.ones((1 << 25, 0), np.float32), np.ones((0, 1 << 25), np.float32)), "matmul"),
    ],
)
def test_the_error_names_the_op(call, op):
    with pytest.raises(MemoryError) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(f"[{op}] out of memory: ")


class Stubborn:
    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


@pytest.mark.parametrize("error", [MemoryError("no room"), KeyboardInterrupt()], ids=["memory", "interrupt"])
def test_what_is_no_complaint_about_the_argument_is_passed_on(error):
    for call in (hl.relu, lambda x: hl.matmul(x, x), lambda x: _core.gather_rows(x, np.zeros(1, np.int64))):
        with pytest.raises(type(error)):
            call(Stubborn(error))
    with pytest.raises(TypeError, match=r"must be an array, got Stubborn"):
        hl.relu(Stubborn(TypeError("not mine")))


def test_the_module_is_called_with_positional_arguments():
    """Keywords and constructors crash in pybind11 where there is no memory, see csrc/bindings/module.cpp."""
    found = []
    for path in Path(hl.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if not isinstance(node.func.value, ast.Name) or node.func.value.id != "_core":
                continue
            if node.keywords or isinstance(getattr(_core, node.func.attr, None), type):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []


def test_broadcast_to():
    x = np.arange(6, dtype=np.float32).reshape(2, 1, 3)
    y = _core.broadcast_to(x, (4, 2, 5, 3))
    assert np.array_equal(y, np.broadcast_to(x, (4, 2, 5, 3)))
    assert np.shares_memory(x, y) and not y.flags.writeable
    assert _core.broadcast_to(x, x.shape) is x
    assert _core.broadcast_to(np.ones((0, 1)), (0, 3)).shape == (0, 3)
    for shape in ((2, 3), (2, 2, 2), (3, 1, 3), (2, 1, 0)):
        with pytest.raises(ValueError, match="does not broadcast"):
            _core.broadcast_to(x, shape)
