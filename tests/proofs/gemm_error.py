"""No element of a product is further from the exact one than 16 eps (|A| |B|), for any K to 16,384.

eps is the unit roundoff; BLAS' own test programs ask for this bound. Exact is float64 for float32 operands, and the
compiler's long double for float64 ones.
"""

import numpy as np
from tests.proofs.harness.proof import Proof

import hotloop as hl

LONGEST = 16384
ROUNDOFF = {np.float32: 2.0**-24, np.float64: 2.0**-53}
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


def values(rng, shape, dtype):
    """Operands of several kinds: of one sign, where errors can't cancel; of both; of very different sizes."""
    x = rng.random(shape) if rng.random() < 0.5 else rng.standard_normal(shape)
    if rng.random() < 0.3:
        x *= 2.0 ** rng.integers(-12, 12, shape)
    return x.astype(dtype)


def check(trial):
    rng = trial.rng
    dtype = np.float32 if rng.random() < 0.75 else np.float64
    k = 1 + trial.index(LONGEST)
    m, n = rng.integers(1, 34, 2) if dtype is np.float32 else rng.integers(1, 12, 2)
    a, b = values(rng, (m, k), dtype), values(rng, (k, n), dtype)
    if rng.random() < 0.3:
        a = np.asfortranarray(a)
    if rng.random() < 0.3:
        b = np.asfortranarray(b)
    exact = a.astype(WIDER[dtype]) @ b.astype(WIDER[dtype])
    bound = ROUNDOFF[dtype] * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
    error = np.max(np.abs(hl.matmul(a, b) - exact).astype(np.float64) / np.maximum(bound, np.finfo(np.float64).tiny))
    trial.measure(f"worst {np.dtype(dtype).name} error in eps (|A| |B|)", error)
    assert error <= 16, f"{error:.2f} eps (|A||B|) at m {m}, n {n}, k {k}, {np.dtype(dtype).name}"


proof = Proof(check=check, small=300, full=LONGEST)
