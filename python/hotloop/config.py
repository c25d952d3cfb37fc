"""What this installation found on the machine and what it uses."""

import os

from hotloop import _core, checks, cuda
from hotloop.names import choose

_PRECISIONS = {name: number for number, name in enumerate(("float32", "tf32", "bfloat16", "tf32x3"))}
_precision = "float32"


def set_num_threads(n):
    """Sets how many threads the kernels run on; by default what affinity, cgroup quota and HOTLOOP_NUM_THREADS say.

    Args:
        n: integer, at least 1.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is out of range.
    """
    n = checks.integer("set_num_threads", "n", n)
    if not 1 <= n <= 1024:
        raise ValueError(f"[set_num_threads] wants 1 to 1024 threads, got {n}")
    _core.set_num_threads(n)


class set_precision:
    """Sets what matrix products and convolutions are computed in; storage and sums stay float32.

    "bfloat16" rounds their operands to 8 significant bits: on CUDA tensor cores multiply them, on a CPU with AMX or
    AVX512-BF16 its unit does. Where there is none, or a convolution is faster without, they are multiplied in float32:
    the numbers are the same to rounding. float64 stays as it is.

    Args:
        name: "float32", the default, "bfloat16", or on CUDA "tf32", which rounds to 11 bits, or "tf32x3", three such
            products that add up to float32's accuracy (infinite operands give NaN).

    Returns:
        A context manager, whose end brings back what was set before; it need not be entered.

    Raises:
        ValueError: the name is unknown, or one of CUDA's without CUDA.
        RuntimeError: the CUDA device is too old for it.
    """

    def __init__(self, name):
        self._before = _precision
        _use_precision(choose("set_precision", "precision", name, {name: name for name in _PRECISIONS}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _use_precision(self._before)


def precision():
    """The name that set_precision was given last."""
    return _precision


def _use_precision(name):
    global _precision
    if name.startswith("tf32") and not cuda.is_available():
        raise ValueError(f'[set_precision] "{name}" is for device="cuda", which is not there')
    cuda.use_precision(_PRECISIONS[name])
    _core.set_bfloat16(name == "bfloat16")
    _precision = name


def _cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Model"):
                    return value.strip()
    except OSError:
        pass
    import platform

    return platform.processor() or platform.machine()


def _size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _products():
    if _precision != "bfloat16":
        return _precision
    return f"bfloat16 (CPU: {_core.bfloat16_unit() or 'rounded, multiplied in float32'})"


def describe():
    """The facts of `show_config` as a dict from short titles to text."""
    import platform

    import numpy as np

    import hotloop

    tiers = ", ".join(_core.isa_tiers())
    forced = " (forced by HOTLOOP_ISA)" if os.environ.get("HOTLOOP_ISA") else ""
    memory = _core.memory_stats()
    return {
        "hotloop": f"{hotloop.__version__} (Python {platform.python_version()}, NumPy {np.__version__})",
        "CPU": f"{_cpu_name()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} CPUs",
        "ISA tiers": f"{tiers}; in use: {_core.isa()}{forced}",
        "threads": f"{_core.num_threads()} ({_core.num_threads_reason()})",
        "memory pool": (
            f"{_size(memory['bytes_in_use'])} in use, {_size(memory['bytes_cached'])} cached, "
            f"{memory['system_allocations']} blocks taken from the system"
        ),
        "products in": _products(),
        "CUDA": cuda.state(),
    }


def show_config():
    """Prints version, instruction tiers found and used, threads and why, memory pool and CUDA state."""
    facts = describe()
    width = max(map(len, facts))
    for title, text in facts.items():
        print(f"{title:<{width}}  {text}")
