"""The table of benchmark cases: what python -m hotloop bench and benchmarks/ run.

Work counts what has to be done at least: two operations for each product, every input read once, every output written
once. Timed calls make their outputs anew, as NumPy's do, but for the optimizers, which update in place.
"""

from hotloop.bench.families.elementwise import activations, arithmetic, dropouts
from hotloop.bench.families.images import convolutions, pools
from hotloop.bench.families.products import products
from hotloop.bench.families.rows import reductions, softmaxes
from hotloop.bench.families.training import batches, losses, optimizers

FAMILIES = (
    products,
    convolutions,
    pools,
    activations,
    arithmetic,
    softmaxes,
    reductions,
    losses,
    dropouts,
    optimizers,
    batches,
)


def all_cases():
    """Every row of the table, in the order it is printed."""
    return [case for family in FAMILIES for case in family()]
