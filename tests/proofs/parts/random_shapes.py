"""Further shapes for the rows of the op table."""

import math

EXTENTS = (1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 48, 63, 64, 65, 100, 127, 129, 200, 257)
_LARGEST = 100_000  # elements of one array


def random_shapes(rng, case):
    """Shapes in place of a row's own: those of the table, or others in which what was equal is equal again.

    Not all of them suit the row: what divides or spans what is the op's to say.
    """
    shapes = case.sizes[rng.integers(len(case.sizes))]
    luck = rng.random()
    if luck < 0.2:
        return shapes
    if luck < 0.22:
        return case.large
    if case.op.startswith("conv2d"):
        return _of_convolution(rng, case, len(shapes))
    few = sum(map(len, shapes)) > 4
    while True:
        renamed = {0: 0, 1: 1, **{e: _extent(rng, few) for shape in shapes for e in shape if e > 1}}
        changed = tuple(tuple(renamed[extent] for extent in shape) for shape in shapes)
        if all(math.prod(shape) <= _LARGEST for shape in changed):
            return changed


def _extent(rng, small):
    if rng.random() < 0.02:
        return 0
    return int(EXTENTS[rng.integers(15 if small else len(EXTENTS))])


def _of_convolution(rng, case, count):
    groups = case.options.get("groups", 1)
    channels, filters = (groups * int(rng.integers(1, 20 if groups < 8 else 3)) for _ in range(2))
    n, (h, w), (kh, kw) = int(rng.integers(1, 4)), rng.integers(3, 20, 2).tolist(), rng.integers(1, 5, 2).tolist()
    x = (n, channels, h, w) if case.options.get("data_format") == "NCHW" else (n, h, w, channels)
    return (x, (kh, kw, channels // groups, filters), (filters,))[:count]
