"""Steps of a random graph that multiply: products, convolutions and, as they see the same windows, pools."""

import numpy as np
from tests.proofs.parts import arithmetic
from tests.proofs.parts.graph_elements import is_well
from tests.proofs.parts.graphs import distinct

import hotloop as hl

# ---- products --------------------------------------------------------------------------------------------------------


def scaled(graph, fan_in, *shape):
    """A leaf of weights that keep their inputs' magnitude."""
    return graph.leaf(graph.normal(*shape) / np.sqrt(max(fan_in, 1)))


def batch_beside(graph, batch):
    """Batch axes that broadcast with these."""
    own = tuple(1 if graph.chance(0.3) else n for n in batch)
    return graph.pick((), own, own[1:], (2, *own)) if len(own) < 3 else ()


def matmul(graph):
    x = graph.node(1, 2, 3, 4)
    if x is None:
        return False
    shape = graph.values[x].shape
    fit = [i for i, v in enumerate(graph.values) if v.ndim == 2 and v.shape[0] == shape[-1]]
    if fit and graph.chance(0.4):
        return graph.add("@", lambda place, a, b: a @ b, x, graph.pick(*fit))
    width = int(graph.rng.integers(1, 6))
    if graph.chance(0.3) and len(shape) > 1:
        left = scaled(graph, shape[-2], *batch_beside(graph, shape[:-2]), width, shape[-2])
        return graph.add("leaf @", lambda place, a, b: a @ b, left, x)
    if graph.chance(0.3):
        w = scaled(graph, shape[-1], width, shape[-1])
        return graph.add("@ transposed", lambda place, a, b: hl.matmul(a, hl.transpose(b)), x, w)
    vector = graph.chance(0.15)
    w = scaled(graph, shape[-1], *(() if vector else batch_beside(graph, shape[:-2])), shape[-1], *[width][vector:])
    return graph.add("matmul", lambda place, a, b: hl.matmul(a, b), x, w)


ACTIVATIONS = (None, "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh", "softplus", "hard_swish")


def activation_of(graph, before):
    """An activation that is well-conditioned at these values."""
    name = graph.pick(*ACTIVATIONS)
    return name if is_well(name, before) else None


def linear(graph):
    x = graph.node(1, 2, 3, 4)
    if x is None:
        return False
    depth, width = graph.values[x].shape[-1], int(graph.rng.integers(1, 7))
    w, b = scaled(graph, depth, depth, width), graph.leaf(graph.normal(width))
    name = activation_of(graph, graph.values[x] @ graph.values[w] + graph.values[b])
    if graph.chance(0.2):
        return graph.add("linear", lambda place, x, w: hl.linear(x, w), x, w)
    return graph.add(f"linear {name}", lambda place, x, w, b: hl.linear(x, w, b, activation=name), x, w, b)


# ---- windows ---------------------------------------------------------------------------------------------------------


def sizes_of(graph, x, layout):
    n, h, w, c = (graph.values[x].shape[i] for i in ((0, 2, 3, 1) if layout == "NCHW" else (0, 1, 2, 3)))
    return n, h, w, c


def seen_as(value, layout):
    return value.transpose(0, 2, 3, 1) if layout == "NCHW" else value


def conv2d(graph):
    x = graph.node(4)
    if x is None:
        return False
    layout = graph.pick("NHWC", "NHWC", "NCHW")
    n, h, w, c = sizes_of(graph, x, layout)
    window = [int(graph.rng.integers(1, min(3, size) + 1)) for size in (h, w)]
    options = {"stride": graph.pick(1, 1, 2), "padding": graph.pick("valid", "same", 1, ((0, 1), (1, 0)))}
    if graph.chance(0.2):
        options |= {"dilation": 2, "padding": "same"}
    groups = graph.pick(*[g for g in (1, 1, 2, 3, c) if c % g == 0])
    filters = groups * int(graph.rng.integers(1, 4))
    weight = scaled(graph, window[0] * window[1] * c // groups, *window, c // groups, filters)
    b = graph.leaf(graph.normal(filters))
    windows = arithmetic.Windows((n, h, w, c), tuple(window), **options)
    before = arithmetic.conv2d(seen_as(graph.values[x], layout), graph.values[weight], windows, groups)
    before = before + graph.values[b]
    name = activation_of(graph, before)
    options |= {"groups": groups, "data_format": layout, "activation": name}
    pool = tuple(int(graph.rng.integers(1, min(2, size) + 1)) for size in windows.grid)
    rises = name not in ("gelu", "silu", "hard_swish")
    if graph.chance(0.5) and rises and maxima_apart(before, arithmetic.Windows(before.shape, pool, pool)):
        options["pool"] = pool
        return graph.add(
            f"conv2d_max_pool2d {options}",
            lambda place, *arrays: hl.conv2d_max_pool2d(*arrays, **options),
            x,
            weight,
            b,
        )
    return graph.add(f"conv2d {options}", lambda place, *arrays: hl.conv2d(*arrays, **options), x, weight, b)


def maxima_apart(x, windows):
    return min(windows.grid) > 0 and distinct(
        windows.of(x, -np.inf).reshape(*x.shape[:1], *windows.grid, -1, x.shape[3]), 3
    )


def pool(graph):
    x = graph.node(4)
    if x is None:
        return False
    layout = graph.pick("NHWC", "NCHW")
    value = seen_as(graph.values[x], layout)
    window = tuple(int(graph.rng.integers(1, min(3, size) + 1)) for size in value.shape[1:3])
    options = {"stride": graph.pick(None, 1, 2), "padding": graph.pick("valid", "same"), "ceil_mode": graph.chance(0.3)}
    known = options | {"stride": options["stride"] or window}
    options["data_format"] = layout
    if graph.chance(0.5):
        options["count_include_pad"] = graph.chance(0.5)
        return graph.add(f"avg_pool2d {window} {options}", lambda place, x: hl.avg_pool2d(x, window, **options), x)
    if not maxima_apart(value, arithmetic.Windows(value.shape, window, **known)):
        return False
    return graph.add(f"max_pool2d {window} {options}", lambda place, x: hl.max_pool2d(x, window, **options), x)


def global_pool(graph):
    x = graph.node(4)
    if x is None:
        return False
    layout, kept = graph.pick("NHWC", "NCHW"), graph.chance(0.5)
    if graph.chance(0.5):
        return graph.add(
            "global_avg_pool2d", lambda place, x: hl.global_avg_pool2d(x, data_format=layout, keepdims=kept), x
        )
    value = seen_as(graph.values[x], layout)
    if not distinct(value.reshape(len(value), -1, value.shape[3]), 1):
        return False
    return graph.add(
        "global_max_pool2d", lambda place, x: hl.global_max_pool2d(x, data_format=layout, keepdims=kept), x
    )


STEPS_OF_PRODUCTS = {matmul: 4, linear: 3, conv2d: 5, pool: 3, global_pool: 1}
