"""The CUDA backend, where an installation and a machine have one. It is opened when somebody first asks for it.

One device is used: number 0, or the one that HOTLOOP_CUDA_DEVICE names.
"""

import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path

from hotloop import _core

__all__ = ["device_info", "empty_cache", "is_available", "memory_stats", "synchronize"]

_lock = threading.Lock()
_opened = None  # why it can't be used, "" where it can; None before anybody asked
_said = False
_precision = 0  # number of csrc/device.h's Precision


def library():
    """The CUDA library's file: beside this package, in the package hotloop_cuda13, or what HOTLOOP_CUDA_BACKEND says.

    Returns:
        Path, or None where this installation has none. HOTLOOP_CUDA_BACKEND is "emulated", for tests, or a file.
    """
    here = Path(__file__).parent
    chosen = os.environ.get("HOTLOOP_CUDA_BACKEND")
    if chosen:
        return here / "libhotloop_cuda_emulated.so" if chosen == "emulated" else Path(chosen)
    beside = here / "libhotloop_cuda.so"
    if beside.exists():
        return beside
    if importlib.util.find_spec("hotloop_cuda13") is None:
        return None
    return Path(importlib.import_module("hotloop_cuda13").library)


def reason_against():
    """Why device="cuda" can't be used, in words that go on from "but"; None where it can."""
    global _opened
    with _lock:
        if _opened is None:
            file = library()
            if file is None:
                _opened = "this hotloop was built without CUDA: its CUDA library is not there"
            else:
                _opened = _core.cuda_open(str(file), int(os.environ.get("HOTLOOP_CUDA_DEVICE", "0")))
                if not _opened:
                    _core.cuda_set_precision(_precision)
    return _opened or None


def auto():
    """ "cuda" where it can be used, else "cpu"; an installation with CUDA that can't use it says so once."""
    global _said
    reason = reason_against()
    if reason is None:
        return "cuda"
    if not _said and library() is not None:
        _said = True
        print(f'hotloop: device "auto" is the CPU: {reason}', file=sys.stderr)
    return "cpu"


def _in_forked_child():
    """A driver that the parent used can't be used; and another thread may have held the lock."""
    global _lock, _opened
    _lock = threading.Lock()
    if _opened == "":
        _opened = "CUDA was used before fork(), and a child process can't use it then: start it with spawn instead"


os.register_at_fork(after_in_child=_in_forked_child)


def use_precision(number):
    """Sets the precision of products, now or when the device is opened."""
    global _precision
    if _opened == "":
        _core.cuda_set_precision(number)
    _precision = number


def state():
    """The CUDA state in a line: not built, why it can't be used, or the device."""
    if library() is None:
        return "not built"
    if (reason := reason_against()) is not None:
        return f"can't be used: {reason}"
    found, memory = device_info(), memory_stats()
    capability = ".".join(map(str, found["compute_capability"]))
    return (
        f"{found['name']} (device {found['ordinal']}, compute capability {capability}, "
        f"{found['memory_bytes'] / 2**30:.0f} GiB of memory, {memory['bytes_in_use'] / 2**20:.0f} MiB in use)"
    )


def _need(where):
    if (reason := reason_against()) is not None:
        raise RuntimeError(f"[cuda.{where}] there is no CUDA device: {reason}")


def is_available():
    """Whether device="cuda" can be used.

    Returns:
        bool.
    """
    return reason_against() is None


def device_info():
    """What the device is.

    Returns:
        dict: name, ordinal, compute_capability (major, minor), multiprocessors, memory_bytes, driver_version,
        runtime_version.

    Raises:
        RuntimeError: there is none.
    """
    _need("device_info")
    return _core.cuda_info()


def memory_stats():
    """The device's memory and its pool.

    Returns:
        dict: free_bytes as the driver sees it; system_bytes taken from the driver, of which bytes_in_use and
        bytes_cached; system_allocations, how many blocks were ever taken.

    Raises:
        RuntimeError: there is no device.
    """
    _need("memory_stats")
    return _core.cuda_memory_stats()


def empty_cache():
    """Gives the device memory that is kept for later arrays back to the driver; without a device there is none."""
    if _opened == "":
        _core.cuda_empty_cache()


def synchronize():
    """Waits for all work on the device.

    Raises:
        RuntimeError: there is no device, or the work failed.
        ValueError: a kernel met a label out of range; names the row.
    """
    _need("synchronize")
    _core.cuda_synchronize()
