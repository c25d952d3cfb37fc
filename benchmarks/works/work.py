"""What a measurement is: the same work in several frameworks, and what its results may differ by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from race import TUNED_MALLOC, Row

MODULES = {
    "hotloop": ("hotloop", "numpy"),
    "PyTorch": ("torch",),
    "Keras": ("tensorflow", "keras"),
    "JAX": ("jax", "optax"),
}


@dataclass(frozen=True)
class Work:
    """One line of the table.

    Attributes:
        name, size: what is done, to what.
        rows: hotloop's first, then its peers'.
        flops: arithmetic of the plain algorithm, each product and sum once; 0 where bytes count.
        bytes: of the arrays read and written, each once.
        tolerance: largest deviation of a row's sampled outputs from hotloop's, relative to the largest of them.
        bfloat16: whether products are rounded to it.
    """

    name: str
    size: str
    rows: Sequence[Row]
    flops: float = 0
    bytes: float = 0
    tolerance: float = 1e-3
    bfloat16: bool = False

    def __str__(self):
        return f"{self.name}, {self.size}"


def rows(build, variants, threads, **options):
    """A Row for each (framework, name behind the framework's, more options); PyTorch's also with malloc tuned.

    Args: build, {framework: top-level function (threads, **options) -> work}.
    """
    made, openmp = [], {"OMP_NUM_THREADS": str(threads)}
    for framework, variant, more in variants:
        name = f"{framework}, {variant}" if variant else framework
        made.append(Row(name, MODULES[framework], build[framework], {"threads": threads, **options, **more}, openmp))
        if framework == "PyTorch":
            made.append(replace(made[-1], name=f"{name}, tuned malloc", environment=openmp | TUNED_MALLOC))
    return tuple(made)


PLAIN = (("hotloop", "", {}), ("PyTorch", "", {}), ("JAX", "jit", {}))


def normal(*shape, seed=0):
    """Float32 of a normal distribution, the same in every process."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def with_threads(framework, threads):
    """The framework's module, told how many threads to use. JAX has no call for it: it counts the CPUs it may use."""
    if framework == "hotloop":
        import hotloop as module

        module.set_num_threads(threads)
    elif framework == "PyTorch":
        import torch as module

        module.set_num_threads(threads)
    else:
        import jax as module
    return module
