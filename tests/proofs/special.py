"""NaN, infinities, zeros of both signs and denormals at every position of arrays of 1 to 129 elements give every op's
IEEE 754 result, or what kernels.h states, and change no other element.

A case is an op and a length: each special value in each place, of each operand and of the gradient that comes back.
"""

import inspect
from functools import partial

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts import special_elementwise, special_products, special_rows, special_updates
from tests.proofs.parts.special_positions import check_broadcast, check_positions
from tests.proofs.parts.special_values import Place

from hotloop import ops

LONGEST = 129

OPS = [
    *special_elementwise.unaries(),
    *special_elementwise.activations(),
    *special_elementwise.binaries(),
    *special_elementwise.powers(),
    *special_elementwise.comparisons(),
    *special_elementwise.choices(),
    *special_updates.losses(),
]


def check_one_of(place, rng, n, settings):
    check_positions(place, rng, settings[rng.integers(len(settings))], n)


# name of an op first: (place, rng, n) -> None
CHECKS = {op.name: partial(check_positions, op=op) for op in OPS}
CHECKS |= {
    f"{op.name} broadcast": partial(check_broadcast, op=op)
    for op in (*special_elementwise.binaries(), *special_elementwise.comparisons())
}
CHECKS |= {
    f"optim.{kind}": partial(check_one_of, settings=found) for kind, found in special_updates.optimizers().items()
}
CHECKS |= {
    "softmax": partial(special_rows.softmax, logarithm=False),
    "log_softmax": partial(special_rows.softmax, logarithm=True),
    **{name: partial(special_rows.reduction, name=name) for name in ("sum", "mean", "max", "min")},
    "argmax": special_rows.argmax,
    "softmax_cross_entropy": special_rows.cross_entropy,
    "take reshape transpose concatenate stack": special_rows.moves,
    "matmul": special_products.matmul,
    "linear": special_products.linear,
    "conv2d": special_products.conv2d,
    "conv2d_max_pool2d": special_products.conv2d_max_pool2d,
    "conv2d conv2d_max_pool2d, deep": special_products.deep_convolutions,
    "max_pool2d avg_pool2d global_max_pool2d global_avg_pool2d": special_products.pools,
}


def unchecked():
    """Public ops that no check names."""
    public = {name for name, f in vars(ops).items() if callable(f) and not inspect.isclass(f)}
    return public - {word for name in CHECKS for word in name.split()}


def check(trial):
    assert not unchecked(), f"no check of {unchecked()}"
    which, n = divmod(trial.index(len(CHECKS) * LONGEST), LONGEST)
    with np.errstate(all="ignore"):
        list(CHECKS.values())[which](Place(trial.device), trial.rng, n=n + 1)


proof = Proof(check=check, small=40, full=len(CHECKS) * LONGEST, cuda=True, unit="ops and lengths")
