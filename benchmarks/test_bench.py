"""Every case of `python -m hotloop bench` under pytest-benchmark: hotloop's row beside NumPy's, a group a case.

pytest benchmarks                                     all families
pytest benchmarks -k "conv and not weight"            some of them
pytest benchmarks --benchmark-disable                 verify the results only
"""

import numpy as np
import pytest

from hotloop.bench.cases import all_cases
from hotloop.bench.measure import verify

LARGEST = 1_000_000  # elements; `python -m hotloop bench` goes on to ten million
CASES = [case for case in all_cases() if case.elements <= LARGEST]


@pytest.fixture(scope="module")
def pair(request):
    """The case's two calls, verified against each other once."""
    made = request.param.build(np.random.default_rng(0))
    verify(request.param, made)
    return made


@pytest.mark.parametrize("pair", CASES, indirect=True, ids=lambda case: f"{case.family}-{case}")
@pytest.mark.parametrize("side", ["hotloop", "numpy"])
def test_bench(pair, side, benchmark, request):
    benchmark.group = request.node.callspec.id.removesuffix(f"-{side}")
    benchmark(getattr(pair, side))
