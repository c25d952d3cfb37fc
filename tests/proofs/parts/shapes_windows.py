"""The families of the proof `shapes` that see images through windows."""

import numpy as np
from tests.proofs.parts import arithmetic

import hotloop as hl


def extents(case, span, width):
    """(h, w) of images and whether the window fits them without padding."""
    h = int(span[0] + case.rng.integers(0, 6))
    return h, width, width >= span[1]


def padding_for(case, fits, span):
    around = ((span[0] - 1, span[0] // 2), (span[1] - 1, (span[1] - 1)))
    return case.pick("valid", "same", around) if fits else "same"


def any_window(case):
    """3 x 3 is what most have: the CPU does it in a way of its own."""
    return (3, 3) if case.chance(0.3) else (int(case.rng.integers(1, 4)), int(case.rng.integers(1, 4)))


def conv2d(case, width, channels, filters):
    window = any_window(case)
    stride, dilation = (case.pick(1, 1, 2), case.pick(1, 1, 2, 3)), (case.pick(1, 1, 2), case.pick(1, 1, 2))
    if case.chance(0.4):
        stride = dilation = (1, 1)
    span = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    h, w, fits = extents(case, span, width)
    common = [g for g in (1, 1, 2, 3, 5, channels) if g and channels % g == 0 and filters % g == 0]
    groups = int(case.pick(*common))
    options = {"stride": stride, "dilation": dilation, "padding": padding_for(case, fits, span)}
    x = case.normal(case.pick(1, 2, 3), h, w, channels)
    weight, b = case.normal(*window, channels // groups, filters), case.normal(filters)
    case.what = f"conv2d {x.shape} {weight.shape}, groups {groups}, {options}"
    windows = arithmetic.Windows(x.shape, window, **options)
    dy = case.normal(len(x), *windows.grid, filters)
    y, (dx, dw, db) = case.differentiated(
        lambda *arrays: hl.conv2d(*arrays, groups=groups, **options), [x, weight, b], dy
    )
    wide = case.widened(x, weight, b, dy)
    sizes = [np.abs(array) for array in wide]
    terms = weight[..., 0].size if filters else 0
    bound = case.sum_bound(terms + 1, arithmetic.conv2d(*sizes[:2], windows, groups) + sizes[2])
    case.near(y, arithmetic.conv2d(*wide[:2], windows, groups) + wide[2], bound)
    want, most = (arithmetic.conv2d_grads(a[0], a[1], a[3], windows, groups) for a in (wide, sizes))
    pixels = dy[..., 0].size if filters else 0
    case.near(dx, want[0], case.sum_bound(window[0] * window[1] * filters // groups, most[0]), "gradient of x")
    case.near(dw, want[1], case.sum_bound(pixels, most[1]), "gradient of w")
    case.near(db, wide[3].sum((0, 1, 2)), case.sum_bound(pixels, sizes[3].sum((0, 1, 2))), "gradient of b")


def conv2d_max_pool2d(case, width, channels, filters):
    """Where the maximum is must be agreed upon: the numbers are small integers, whose sums are exact."""
    window = any_window(case)
    pool = (2, 2) if case.chance(0.4) else (int(case.rng.integers(1, 4)), int(case.rng.integers(1, 4)))
    h, w, fits = extents(case, window, width)
    options = {"padding": padding_for(case, fits, window)}
    shapes = (case.pick(1, 2), h, w, channels), (*window, channels, filters), (filters,)
    x, weight, b = (case.rng.integers(-4, 5, shape) for shape in shapes)
    windows = arithmetic.Windows(x.shape, window, **options)
    if windows.grid[0] < pool[0] or windows.grid[1] < pool[1]:
        return
    case.what = f"conv2d_max_pool2d {x.shape} {weight.shape}, pool {pool}, {options}"
    z = np.maximum(arithmetic.conv2d(x, weight, windows, 1) + b, 0)
    y, places = arithmetic.max_pool2d(z, arithmetic.Windows(z.shape, pool, pool))
    dy = case.rng.integers(-4, 5, y.shape)
    slope = np.where(y > 0, dy, 0)
    dx, dw = arithmetic.conv2d_grads(x, weight, arithmetic.max_pool2d_grad(z.shape, slope, places), windows, 1)
    got, gradients = case.differentiated(
        lambda *arrays: hl.conv2d_max_pool2d(*arrays, pool=pool, activation="relu", **options),
        [array.astype(case.dtype) for array in (x, weight, b)],
        dy.astype(case.dtype),
    )
    case.same(got, y.astype(case.dtype))
    for name, gradient, want in zip("xwb", gradients, (dx, dw, slope.sum((0, 1, 2))), strict=True):
        case.same(gradient, want.astype(case.dtype), f"gradient of {name}")


def pools(case, width, channels, k):
    window = (int(case.rng.integers(1, 4)), 1 + k % 5)
    h, w, fits = extents(case, window, width)
    options = {"stride": (case.pick(1, 2, window[0]), case.pick(1, 2, window[1])), "ceil_mode": case.chance(0.3)}
    options["padding"] = padding_for(case, fits, window)
    x = case.normal(case.pick(1, 2, 3), h, w, channels)
    windows = arithmetic.Windows(x.shape, window, **options)
    options["data_format"] = layout = case.pick("NHWC", "NHWC", "NCHW")

    def lie(array):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if layout == "NCHW" else array

    dy = case.normal(len(x), *windows.grid, channels)
    case.what = f"max_pool2d {x.shape}, {window}, {options}"
    y, (dx,) = case.differentiated(lambda x: hl.max_pool2d(x, window, **options), [lie(x)], lie(dy))
    want, places = arithmetic.max_pool2d(x, windows)
    case.same(y, lie(want))
    slope = arithmetic.max_pool2d_grad(x.shape, *case.widened(dy), places)
    most = arithmetic.max_pool2d_grad(x.shape, *case.widened(np.abs(dy)), places)
    taps = window[0] * window[1]
    case.near(dx, lie(slope), case.sum_bound(taps, lie(most)), "gradient")

    padded = case.chance(0.5)
    case.what = f"avg_pool2d {x.shape}, {window}, {options}, count_include_pad {padded}"
    y, (dx,) = case.differentiated(
        lambda x: hl.avg_pool2d(x, window, count_include_pad=padded, **options), [lie(x)], lie(dy)
    )
    counts = windows.counts(padded)[:, :, None]
    wide, slope = case.widened(x, dy)
    bound = case.sum_bound(taps, arithmetic.pool_sums(np.abs(wide), windows) / counts)
    want = arithmetic.pool_sums(wide, windows) / counts
    case.near(y, lie(want), lie(bound + case.roundoff * np.abs(want)))
    share, most = slope / counts, np.abs(slope) / counts
    bound = case.sum_bound(taps + 3, arithmetic.spread(most, windows))  # two reciprocals and their product
    case.near(dx, lie(arithmetic.spread(share, windows)), lie(bound), "gradient")


def global_pools(case, width, channels, k):
    if not width:
        return
    h = 1 + k % 4
    x, dy = case.normal(2, h, width, channels), case.normal(2, channels)
    wide, slope = case.widened(x, dy)
    windows = arithmetic.Windows(x.shape, (h, width))
    case.what = f"global_avg_pool2d {x.shape}"
    y, (dx,) = case.differentiated(hl.global_avg_pool2d, [x], dy)
    mean = wide.mean((1, 2))
    case.near(y, mean, case.sum_bound(h * width, np.abs(wide).mean((1, 2))) + case.roundoff * np.abs(mean))
    each = np.broadcast_to((slope / (h * width))[:, None, None], x.shape)
    case.near(dx, each, 4 * case.roundoff * np.abs(each), "gradient")
    case.what = f"global_max_pool2d {x.shape}"
    y, (dx,) = case.differentiated(hl.global_max_pool2d, [x], dy)
    want, places = arithmetic.max_pool2d(x, windows)
    case.same(y, want[:, 0, 0])
    case.same(dx, arithmetic.max_pool2d_grad(x.shape, dy[:, None, None], places), "gradient")


def check(case, m, k, n):
    conv2d(case, m, k, n)
    conv2d_max_pool2d(case, m, k, n)
    pools(case, m, n, k)
    global_pools(case, m, n, k)
