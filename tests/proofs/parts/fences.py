"""Arrays that touch an inaccessible page: a step beyond them ends the process, and so does a write where they are read.

The pool's own blocks are fenced by `_core.set_guard`; this is for what a caller brings.
"""

import ctypes
import mmap

import numpy as np

from hotloop import _core

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_NOTHING, _READ, _BOTH = 0, mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE


def _done(status):
    if status != 0:
        raise OSError(ctypes.get_errno(), "mprotect or munmap failed")


class Fences:
    """A context: within it the pool's blocks are fenced on one side, and `put` fences copies of arrays there too.

    Args:
        side: "before" puts the inaccessible page right before the first byte, "after" right after the last.
    """

    def __init__(self, side):
        self.side = side
        self.mappings = []

    def __enter__(self):
        _core.set_guard(self.side)
        return self

    def __exit__(self, *_):
        _core.set_guard("")
        for address, size in self.mappings:
            _done(_libc.munmap(address, size))
        self.mappings.clear()

    def put(self, x, writable=False):
        """A C-contiguous copy of x, gone when the context ends; anything but an ndarray as it is."""
        if not isinstance(x, np.ndarray):
            return x
        page = mmap.PAGESIZE
        inside = -(-x.nbytes // page) * page
        size = inside + 2 * page
        address = _libc.mmap(None, size, _NOTHING, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "mmap failed")
        self.mappings.append((address, size))
        first = address + page
        if inside:
            _done(_libc.mprotect(first, inside, _BOTH))
        begin = first if self.side == "before" else first + inside - x.nbytes
        fenced = np.frombuffer((ctypes.c_char * x.nbytes).from_address(begin), x.dtype).reshape(x.shape)
        fenced[...] = x
        if inside and not writable:
            _done(_libc.mprotect(first, inside, _READ))
        return fenced
