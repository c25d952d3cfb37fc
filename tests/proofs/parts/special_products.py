"""Special values in products, convolutions and pools: each result holds what its own sum makes of them, and no other's.

The references add up in float64, term by term where a matrix library could skip a zero. Part of the proof `special`.
"""

import numpy as np
from tests.proofs.parts import arithmetic
from tests.proofs.parts.arithmetic import Windows
from tests.proofs.parts.special_values import LEAST, SPECIALS, assert_near, denormals, rolled, with_specials

import hotloop as hl
import references as ref


def uniform(rng, *shape):
    """Factors of either sign, none near 0."""
    return (rng.uniform(0.5, 2, shape) * rng.choice((-1, 1), shape)).astype(np.float32)


def finite(x):
    return np.where(np.isfinite(x), np.abs(x), 0).astype(np.float64)


def product(a, b):
    return np.einsum("...ik,...kj->...ij", a.astype(np.float64), b.astype(np.float64))


def check_product(place, a, b, what, op=hl.matmul):
    rows, columns = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    want, slack = product(rows, columns), 1e-5 * product(finite(rows), finite(columns))
    got = place.call(op, a, b)[0]
    assert_near(got, want.reshape(got.shape), f"{what}: {a.shape} @ {b.shape}", slack=slack.reshape(got.shape) + LEAST)


def some(rng, rows, count=40):
    return rows[rng.integers(0, len(rows), count)]


def matmul(place, rng, n):
    """n is the length of the sums, then that of the rows."""
    width = int(rng.integers(1, 40))
    rows, b = with_specials(uniform(rng, n)), uniform(rng, n, width)
    mixed = np.stack([rolled(n, shift) for shift in range(len(SPECIALS))])
    for a in (rows, mixed):
        check_product(place, a, b, "matmul")
        check_product(place, b.T.copy(), a.T.copy(), "matmul")
        check_product(place, np.asfortranarray(a), np.asfortranarray(b), "matmul, columns", turned)
    for a in some(rng, rows):
        check_product(place, a, b, "matmul of a row")
        check_product(place, b.T.copy(), a, "matmul by a column")
        check_product(place, a, b[:, 0].copy(), "matmul of a row by a column")
        outer, wide = uniform(rng, int(rng.integers(1, 20)), 3), np.stack([b[:, 0], a, b[:, 0]])
        check_product(place, outer, wide, "matmul to rows")
        check_product(place, wide.T.copy(), outer.T.copy(), "matmul to columns")
    batch = some(rng, rows, 12).reshape(4, 3, n)
    check_product(place, batch, uniform(rng, 4, n, width), "batched matmul")
    whole, a = denormals(rng, (5, n))
    factors = rng.integers(-50, 51, (n, width))
    got = place.call(hl.matmul, a, factors.astype(np.float32))[0]
    assert_near(got, (whole @ factors) * LEAST, f"matmul of denormals, {a.shape} @ {factors.shape}")


def turned(a, b):
    """a @ b by way of operands that lie transposed in memory."""
    return hl.matmul(hl.transpose(hl.transpose(a)), hl.transpose(hl.transpose(b)))


def linear(place, rng, n):
    """n outputs, in each of which the bias is special in turn; and n inputs."""
    activation = (None, "relu", "tanh")[rng.integers(3)]
    x, w, bias = uniform(rng, 3, 5), uniform(rng, 5, n), uniform(rng, n)
    for b in some(rng, with_specials(bias), 60):
        want = ref.activate(product(x, w) + b, activation)
        got = place.call(lambda x, w, b: hl.linear(x, w, b, activation=activation), x, w, b)[0]
        assert_near(got, want, f"linear, {activation}, bias of {n}", slack=1e-4)
    rows, w = with_specials(uniform(rng, n)), uniform(rng, n, 4)
    want, slack = ref.activate(product(rows, w), activation), 1e-5 * product(finite(rows), finite(w))
    got = place.call(lambda x, w: hl.linear(x, w, activation=activation), rows, w)[0]
    assert_near(got, want, f"linear of {n}, {activation}", slack=slack)


# ---- windows ---------------------------------------------------------------------------------------------------------


def image_shape(rng, n):
    """(h, w, c) of n elements."""
    c = int(rng.choice([d for d in range(1, n + 1) if n % d == 0 and d <= 33]))
    h = int(rng.choice([d for d in range(1, n // c + 1) if n // c % d == 0]))
    return h, n // c // h, c


def geometry(rng, h, w, dilated=False):
    """Windows that suit an image: (window, options)."""
    padding = int(rng.integers(0, 2))
    window = [int(rng.integers(1, min(4, size + 2 * padding) + 1)) for size in (h, w)]
    if 2 * padding > min(window):
        padding, window = 0, [min(pair) for pair in zip(window, (h, w), strict=True)]
    options = {"stride": int(rng.integers(1, 3)), "padding": padding}
    if dilated and all(2 * k - 1 <= size + 2 * padding for k, size in zip(window, (h, w), strict=True)):
        options["dilation"] = int(rng.integers(1, 3))
    return tuple(window), options


def beyond(windows, dy):
    """(windows, dy) with windows all around that touch an image nowhere or in part, whose slopes are 0."""
    steps = [-(-span // stride) for span, stride in zip(windows.span, windows.stride, strict=True)]
    pads = tuple(
        (before + step * stride, after + step * stride + stride)
        for (before, after), step, stride in zip(windows.pads, steps, windows.stride, strict=True)
    )
    wider = Windows(windows.images, windows.window, windows.stride, pads, windows.dilation)
    slopes = np.zeros((len(dy), *wider.grid, dy.shape[3]))
    (top, left), (rows, columns) = steps, windows.grid
    slopes[:, top : top + rows, left : left + columns] = dy
    return wider, slopes


def check_convolution(place, x, w, dy, windows, op, groups, what):
    y, dx, dw = place.gradients(op, [x, w], dy, 2)
    wide, size = ([f(v) for v in (x, w, dy)] for f in (np.float64, finite))
    slack = 1e-5 * np.max(arithmetic.conv2d(*size[:2], windows, groups), initial=1)
    assert_near(y, arithmetic.conv2d(*wide[:2], windows, groups), what, slack=slack)
    want_dx, want_dw = arithmetic.conv2d_grads(*wide, windows, groups)
    slacks = [1e-5 * np.max(part, initial=1) for part in arithmetic.conv2d_grads(*size, windows, groups)]
    # kernels.h allows the products of NaN and infinities with the zeros around dy and x, and their lack.
    if not np.isfinite(w).all():
        wider, slopes = beyond(windows, wide[2])
        allowed = np.isnan(arithmetic.conv2d_grads(*wide[:2], slopes, wider, groups)[0])
        want_dx = np.where(np.isnan(dx) & allowed, np.nan, want_dx)
    if not np.isfinite(dy).all():
        bad = np.where(np.isfinite(dy), 0.0, 1.0)
        met = arithmetic.conv2d_grads(np.ones(x.shape), wide[1], bad, windows, groups)[1]
        without = arithmetic.conv2d_grads(*wide[:2], np.where(bad, 0.0, wide[2]), windows, groups)[1]
        want_dw = np.where((met == 0) & ~np.isnan(dw), without, want_dw)
    assert_near(dx, want_dx, f"dx of {what}", slack=slacks[0])
    assert_near(dw, want_dw, f"dw of {what}", slack=slacks[1])


def conv2d(place, rng, n):
    """n elements of an image, then n weights."""
    h, w, c = image_shape(rng, n)
    window, options = geometry(rng, h, w, dilated=True)
    groups = c if rng.random() < 0.3 else 1
    filters = groups * int(rng.integers(1, 10))
    weights = uniform(rng, *window, c // groups, filters)

    def op(x, w):
        return hl.conv2d(x, w, groups=groups, **options)

    what = f"conv2d of {(h, w, c)} by {weights.shape}, groups {groups}, {options}"
    images = with_specials(uniform(rng, h, w, c))
    windows = Windows(images.shape, window, **options)
    dy = uniform(rng, len(images), *windows.grid, filters)
    check_convolution(place, images, weights, dy, windows, op, groups, what)
    one = Windows((1, h, w, c), window, **options)
    for x in some(rng, images, 8):
        check_convolution(place, x[None], weights, dy[:1], one, op, groups, f"{what}, alone")
    for slopes in some(rng, with_specials(dy[0]), 8):
        check_convolution(place, images[:1], weights, slopes[None], one, op, groups, f"{what}, special dy")
    for changed in some(rng, with_specials(weights), 12):
        check_convolution(place, images[:1], changed, dy[:1], one, op, groups, f"{what}, special weights")


def conv2d_max_pool2d(place, rng, n):
    h, w, c = image_shape(rng, n)
    window, options = geometry(rng, h, w, dilated=True)
    weights, bias = uniform(rng, *window, c, int(rng.integers(1, 10))), uniform(rng, 1)
    bias = np.resize(bias, weights.shape[3])
    images = with_specials(uniform(rng, h, w, c))
    windows = Windows(images.shape, window, **options)
    pool = tuple(int(rng.integers(1, min(3, size) + 1)) for size in windows.grid)
    activation = (None, "relu", "tanh")[rng.integers(3)]

    def op(x, w, b):
        return hl.conv2d_max_pool2d(x, w, b, pool=pool, activation=activation, **options)

    what = f"conv2d_max_pool2d of {(h, w, c)} by {weights.shape}, {pool}, {activation}, {options}"
    full = arithmetic.conv2d(images.astype(float), weights.astype(float), windows, 1) + bias
    want, _ = arithmetic.max_pool2d(ref.activate(full, activation), Windows(full.shape, pool, pool))
    slack = 1e-5 * np.max(arithmetic.conv2d(finite(images), finite(weights), windows, 1) + 2, initial=1)
    assert_near(place.call(op, images, weights, bias)[0], want, what, slack=slack)
    for at in rng.integers(0, len(images), 8):
        got = place.call(op, images[at : at + 1], weights, bias)[0]
        assert_near(got, want[at : at + 1], f"{what}, alone", slack=slack)


def some_specials(rng, x):
    """x, and x with each special at one place: (1 + specials, *x.shape)"""
    many = np.repeat(x.reshape(1, -1), 1 + len(SPECIALS), 0)
    many[np.arange(1, len(many)), rng.integers(0, x.size, len(SPECIALS))] = SPECIALS
    return many.reshape(-1, *x.shape)


def deep_convolutions(place, rng, n):
    """3 x 3 windows of many channels, which the CPU sums up in tiles: a tile holds more pixels than a result sees, and
    parts that are larger than the result. n picks the sizes."""
    h, w, c, f = 8 + n % 3, 8 + n // 3 % 3, 16 + n // 9 % 20, int(rng.integers(16, 65))
    padding = int(rng.integers(0, 3))
    if padding == 0:
        h, w = h + 2, w + 2
    weights = uniform(rng, 3, 3, c, f)
    images = some_specials(rng, uniform(rng, h, w, c))
    windows = Windows(images.shape, (3, 3), padding=padding)
    dy = uniform(rng, len(images), *windows.grid, f)

    def op(x, w):
        return hl.conv2d(x, w, padding=padding)

    what = f"conv2d of {(h, w, c)} by {weights.shape}, padding {padding}"
    check_convolution(place, images, weights, dy, windows, op, 1, what)
    one = Windows((1, h, w, c), (3, 3), padding=padding)
    for slopes in some(rng, some_specials(rng, dy[0]), 3):
        check_convolution(place, images[:1], weights, slopes[None], one, op, 1, f"{what}, special dy")
    for changed in some(rng, some_specials(rng, weights), 3):
        check_convolution(place, images[:1], changed, dy[:1], one, op, 1, f"{what}, special weights")
    large = images[:1] * np.float32(3e38 / (4 * 9 * max(c, f)))  # a sum of all products is just finite
    check_convolution(place, large, weights, dy[:1], one, op, 1, f"{what}, large")
    full = arithmetic.conv2d(images.astype(float), weights.astype(float), windows, 1)
    want, _ = arithmetic.max_pool2d(full, Windows(full.shape, (2, 2), (2, 2)))
    got = place.call(lambda x, w: hl.conv2d_max_pool2d(x, w, pool=2, padding=padding), images, weights)[0]
    slack = 1e-5 * np.max(arithmetic.conv2d(finite(images), finite(weights), windows, 1))
    assert_near(got, want, f"{what}, pooled", slack=slack)


def pools(place, rng, n):
    h, w, c = image_shape(rng, n)
    window, options = geometry(rng, h, w)
    images = with_specials(uniform(rng, h, w, c))
    images = np.concatenate([images, [rolled(n, shift).reshape(h, w, c) for shift in range(len(SPECIALS))]])
    windows = Windows(images.shape, window, **options)
    what = f"of {(h, w, c)}, {window}, {options}"
    y, places = arithmetic.max_pool2d(images, windows)
    dy = uniform(rng, *y.shape)
    got, dx = place.gradients(lambda x: hl.max_pool2d(x, window, **options), [images], dy, 1)
    assert_near(got, y, f"max_pool2d {what}")
    assert_near(
        dx, arithmetic.max_pool2d_grad(images.shape, dy.astype(float), places), f"its gradient {what}", slack=1e-5
    )
    indices = place.call(lambda x: hl.max_pool2d(x, window, return_indices=True, **options), images)[1]
    assert np.array_equal(indices, places), f"its indices {what}"
    count = windows.counts(False)[..., None]
    average = arithmetic.pool_sums(images.astype(float), windows) / count
    specials = with_specials(dy[0])
    for x, slopes in ((images, dy), (np.repeat(images[:1], len(specials), 0), specials)):
        got, dx = place.gradients(lambda x: hl.avg_pool2d(x, window, **options), [x], slopes, 1)
        want = average if x is images else np.repeat(average[:1], len(x), 0)
        assert_near(got, want, f"avg_pool2d {what}", slack=1e-5)
        wide = Windows(x.shape, window, **options)
        assert_near(dx, arithmetic.spread(slopes / count.astype(float), wide), f"its gradient {what}", slack=1e-4)
    for name, reference in (("global_max_pool2d", np.max), ("global_avg_pool2d", np.mean)):
        want = reference(images.astype(float), (1, 2))
        assert_near(place.call(getattr(hl, name), images)[0], want, f"{name} {what}", slack=1e-5)
