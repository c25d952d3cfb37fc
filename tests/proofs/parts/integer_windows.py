"""Cases of the proof `exact` that see images through windows: convolution, pooling and both as one op."""

import math

import numpy as np
from tests.proofs.parts import arithmetic
from tests.proofs.parts.device_calls import here, there

import hotloop as hl


def pad_pair(case, most):
    return case.choose.randint(0, most), case.choose.randint(0, most)


def any_padding(case, most=3):
    return case.one_of(
        "valid",
        "valid",
        "same",
        "same",
        case.choose.randint(0, most),
        pad_pair(case, most),
        (pad_pair(case, most), pad_pair(case, most)),
    )


def pair_or_one(case, *values):
    return case.one_of(*values) if case.chance(0.5) else (case.one_of(*values), case.one_of(*values))


def images(case, window, dilation, most):
    """(h, w) that the window fits into, wherever its padding is."""
    dilation = (dilation, dilation) if isinstance(dilation, int) else dilation
    return [(k - 1) * d + case.choose.randint(1, most) for k, d in zip(window, dilation, strict=True)]


def is_nchw(case, p=0.2):
    return {"data_format": "NCHW"} if case.chance(p) else {}


def given(x, options):
    """Images as the options say they lie."""
    return x.transpose(0, 3, 1, 2) if options.get("data_format") == "NCHW" else x


LARGEST = 5_000_000  # products of a convolution: more take int64 arithmetic too long


def deep_arguments(case):
    """3 x 3 windows of many channels: the CPU sums up tiles of them."""
    channels, filters = (case.one_of(16, 17, 24, 31, 32, 33, 40) for _ in range(2))
    h, w = (case.choose.randint(6, 14) for _ in range(2))
    options = {"stride": 1, "dilation": 1, "groups": 1, "padding": any_padding(case)}
    return (case.one_of(1, 1, 2, 3), h, w, channels), (3, 3, channels, filters), options


def conv_arguments(case):
    """(x shape, w shape, options)"""
    if case.chance(0.015):
        return deep_arguments(case)
    window = [case.one_of(1, 2, 3, 3, 4, 5) for _ in range(2)] if case.chance(0.8) else (1, 1)
    stride, dilation = pair_or_one(case, 1, 1, 1, 2, 3), pair_or_one(case, 1, 1, 1, 2, 3)
    groups = case.one_of(1, 1, 1, 2, 3)
    if case.large:
        n, most, channels, filters = case.choose.randint(2, 8), 40, case.choose.randint(1, 20), case.size()
    else:
        n, most = case.one_of(1, 1, 2, 2, 3, 5), 8
        channels, filters = (case.size(5), case.size(5)) if case.chance(0.5) else (case.size(3), 1)
    if case.chance(0.2):
        groups, channels = case.size(), 1
        filters = case.one_of(1, 1, 1, 2, 3)
    n = 0 if case.chance(0.01) else n
    h, w = images(case, window, dilation, most)
    while n * h * w * groups * channels * filters * math.prod(window) > LARGEST:
        n, filters = (n - 1, filters) if n > 2 else (n, (filters + 1) // 2)
        h, w = images(case, window, dilation, most)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "padding": any_padding(case)}
    return (n, h, w, groups * channels), (*window, channels, groups * filters), options


def windows_of(shape, window, options):
    kept = {k: v for k, v in options.items() if k in ("stride", "padding", "dilation", "ceil_mode")}
    return arithmetic.Windows(shape, window, **kept)


def conv_integers(case, x_shape, w_shape, windows):
    pixels = x_shape[0] * math.prod(windows.grid)
    limit = case.limit(max(math.prod(w_shape[:3]) + 1, pixels, math.prod(w_shape[:2]) * w_shape[3]))
    return limit, [case.integers(shape, limit) for shape in (x_shape, w_shape, w_shape[3:])]


def conv2d(case):
    x_shape, w_shape, options = conv_arguments(case)
    windows, groups = windows_of(x_shape, w_shape[:2], options), options["groups"]
    relu, bias = case.chance(0.5), case.chance(0.7)
    limit, (x, w, b) = conv_integers(case, x_shape, w_shape, windows)
    options |= is_nchw(case) | {"activation": "relu" if relu else None}
    case.what = f"conv2d {x_shape} {w_shape}, bias {bias}, {options}"
    y = arithmetic.conv2d(x, w, windows, groups) + (b if bias else 0)
    dy = case.integers(y.shape, limit)
    dz = np.where(y > 0, dy, 0) if relu else dy
    dx, dw = arithmetic.conv2d_grads(x, w, dz, windows, groups)
    y = np.maximum(y, 0) if relu else y
    case.check(
        lambda *arrays: hl.conv2d(*arrays, **options),
        [given(x, options), w, b][: 2 + bias],
        given(y, options),
        given(dy, options),
        [given(dx, options), dw, dz.sum((0, 1, 2))][: 2 + bias],
    )


def conv2d_max_pool2d(case):
    x_shape, w_shape, options = conv_arguments(case)
    windows, groups = windows_of(x_shape, w_shape[:2], options), options["groups"]
    pool = [2, 2] if case.chance(0.3) else [case.choose.randint(1, 4) for _ in range(2)]
    pool = [min(pair) for pair in zip(pool, windows.grid, strict=True)]
    relu, bias = case.chance(0.5), case.chance(0.7)
    limit, (x, w, b) = conv_integers(case, x_shape, w_shape, windows)
    options |= is_nchw(case) | {"activation": "relu" if relu else None, "pool": tuple(pool)}
    case.what = f"conv2d_max_pool2d {x_shape} {w_shape}, bias {bias}, {options}"
    z = arithmetic.conv2d(x, w, windows, groups) + (b if bias else 0)
    pools = arithmetic.Windows(z.shape, tuple(pool), tuple(pool))
    y, places = arithmetic.max_pool2d(np.maximum(z, 0) if relu else z, pools)
    dy = case.integers(y.shape, limit)
    dp = np.where(y > 0, dy, 0) if relu else dy
    dx, dw = arithmetic.conv2d_grads(x, w, arithmetic.max_pool2d_grad(z.shape, dp, places), windows, groups)
    case.check(
        lambda *arrays: hl.conv2d_max_pool2d(*arrays, **options),
        [given(x, options), w, b][: 2 + bias],
        given(y, options),
        given(dy, options),
        [given(dx, options), dw, dp.sum((0, 1, 2))][: 2 + bias],
    )


def pool_arguments(case, dilated, sides):
    window = [case.one_of(*sides) for _ in range(2)]
    dilation = pair_or_one(case, 1, 1, 2, 3) if dilated and case.chance(0.5) else 1
    h, w = images(case, window, dilation, 40 if case.large else 8)
    options = {"stride": case.one_of(None, None, pair_or_one(case, 1, 2, 3)), "ceil_mode": case.chance(0.3)}
    least = min(1 if k == 1 else k - 1 for k in window) if min(window) > 1 else 0
    options["padding"] = any_padding(case, least)
    if dilated:
        options["dilation"] = dilation
    if options["stride"] is None:
        del options["stride"]
    n, c = (case.choose.randint(2, 8), case.size(40)) if case.large else (case.one_of(1, 1, 2, 3), case.size())
    return (0 if case.chance(0.01) else n, h, w, c), tuple(window), options | is_nchw(case, 0.3)


def pool_windows(x_shape, window, options):
    return windows_of(x_shape, window, {"stride": window} | options)


def max_pool2d(case):
    x_shape, window, options = pool_arguments(case, True, (1, 2, 2, 3, 3, 4, 5))
    windows = pool_windows(x_shape, window, options)
    case.what = f"max_pool2d {x_shape} {window} {options}"
    x = case.integers(x_shape, case.one_of(1, 3, 20, case.exact))  # equal ones are many: the first wins
    y, places = arithmetic.max_pool2d(x, windows)
    dy = case.integers(y.shape, case.exact // math.prod(window))
    want = np.where(places < 0, -np.inf, y.astype(case.dtype))
    slope = arithmetic.max_pool2d_grad(x_shape, dy, places)
    case.check(
        lambda x: hl.max_pool2d(x, window, **options),
        [given(x, options)],
        given(want, options),
        given(dy, options),
        [given(slope, options)],
    )
    if case.chance(0.3):
        images = there(case.laid(given(x, options)), case.device)
        found = here(hl.max_pool2d(images, window, return_indices=True, **options)[1], case.device)
        assert np.array_equal(found, given(places, options)), f"indices of {case.what}"


def averaged(case, op, x, windows, counts, options):
    """Checks `op`, a mean over windows: the quotient, and the gradient where each share is exact."""
    sums = arithmetic.pool_sums(x, windows)
    want = sums.astype(case.dtype) / counts[:, :, None].astype(case.dtype)
    unit = counts.max(initial=1)  # whose reciprocal is exact, with those of all smaller powers of two
    if np.any(counts & (counts - 1)):
        return case.check(op, [given(x, options)], given(want, options))
    dy = case.integers(want.shape, case.exact // int(unit * math.prod(windows.window)))
    slope = arithmetic.spread(dy * (unit // counts[:, :, None]), windows).astype(case.dtype) / case.dtype(unit)
    return case.check(op, [given(x, options)], given(want, options), given(dy, options), [given(slope, options)])


def avg_pool2d(case):
    x_shape, window, options = pool_arguments(case, False, (1, 2, 2, 4) if case.chance(0.6) else (1, 2, 3, 5))
    options["count_include_pad"] = case.chance(0.5)
    windows = pool_windows(x_shape, window, options)
    case.what = f"avg_pool2d {x_shape} {window} {options}"
    x = case.integers(x_shape, case.exact // math.prod(window))
    counts = windows.counts(options["count_include_pad"])
    averaged(case, lambda x: hl.avg_pool2d(x, window, **options), x, windows, counts, options)


def global_pool2d(case):
    most = 30 if case.large else 9
    sides = [case.one_of(1, 2, 4, 8) if case.chance(0.5) else case.choose.randint(1, most) for _ in range(2)]
    x_shape = (case.one_of(0, 1, 2, 3, 3), *sides, case.size())
    options = is_nchw(case, 0.4)
    kept = case.chance(0.4)
    mean = case.chance(0.5)
    case.what = f"global pooling {x_shape}, mean {mean}, keepdims {kept}, {options}"
    windows = arithmetic.Windows(x_shape, tuple(sides))
    function = hl.global_avg_pool2d if mean else hl.global_max_pool2d

    def op(x):
        y = function(x, keepdims=kept, **options)
        if kept:
            return y
        return hl.reshape(y, (*y.shape, 1, 1) if options else (y.shape[0], 1, 1, y.shape[1]))

    if mean:
        x = case.integers(x_shape, case.exact // math.prod(sides))
        return averaged(case, op, x, windows, windows.counts(False), options)
    x = case.integers(x_shape, case.one_of(1, 5, case.exact))
    y, places = arithmetic.max_pool2d(x, windows)
    dy = case.integers(y.shape, case.exact)
    slope = given(arithmetic.max_pool2d_grad(x_shape, dy, places), options)
    return case.check(op, [given(x, options)], given(y, options), given(dy, options), [slope])
