"""hotloop: hand-written kernels behind plain NumPy arrays, and a thin API that trains small networks."""

from numpy import float32, float64, int32, int64, uint8

from hotloop._core import CudaArray
from hotloop.autograd import Tensor, no_grad
from hotloop.config import set_num_threads, set_precision, show_config
from hotloop.ops import *  # noqa: F403
from hotloop.random import *  # noqa: F403

__version__ = "0.1.0"

# Loaded at first use, so that calling an op costs no import of models: name -> (module, attribute or None).
_LAZY = {
    "bench": ("hotloop.bench", None),
    "callbacks": ("hotloop.callbacks", None),
    "cuda": ("hotloop.cuda", None),
    "data": ("hotloop.data", None),
    "examples": ("hotloop.examples", None),
    "initializers": ("hotloop.initializers", None),
    "keras": ("hotloop.keras", None),
    "layers": ("hotloop.layers", None),
    "losses": ("hotloop.losses", None),
    "metrics": ("hotloop.metrics", None),
    "nn": ("hotloop.nn", None),
    "optim": ("hotloop.optim", None),
    "arange": ("hotloop.tensors", "arange"),
    "array": ("hotloop.arrays", "array"),
    "device": ("hotloop.arrays", "device"),
    "from_dlpack": ("hotloop.arrays", "from_dlpack"),
    "Model": ("hotloop.models", "Model"),
    "Sequential": ("hotloop.models", "Sequential"),
    "load_model": ("hotloop.loading", "load_model"),
    "clip_grad_norm": ("hotloop.optim", "clip_grad_norm"),
    "from_numpy": ("hotloop.tensors", "from_numpy"),
    "float": ("numpy", "float32"),
    "inference_mode": ("hotloop.autograd", "no_grad"),
    "linspace": ("hotloop.tensors", "linspace"),
    "long": ("numpy", "int64"),
    "manual_seed": ("hotloop.random", "set_seed"),
    "tensor": ("hotloop.tensors", "tensor"),
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'hotloop' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LAZY[name]
    value = import_module(module)
    if attribute is not None:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_LAZY})
