"""The steps that a random graph may take; each is (Graph) -> True where it added one."""

from tests.proofs.parts.graph_elements import STEPS_OF_ELEMENTS, is_undecided
from tests.proofs.parts.graph_products import STEPS_OF_PRODUCTS
from tests.proofs.parts.graphs import away, distinct

import hotloop as hl

# ---- axes ------------------------------------------------------------------------------------------------------------


def reduction(graph):
    x = graph.node(1, 2, 3, 4)
    if x is None:
        return False
    value = graph.values[x]
    axes = tuple(axis for axis in range(value.ndim) if graph.chance(0.4))
    axis, kept = graph.pick(None, axes, axes, int(graph.rng.integers(-value.ndim, value.ndim))), graph.chance(0.5)
    name = graph.pick("sum", "mean", "max", "min")
    if name in ("max", "min"):
        gone = range(value.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis % value.ndim,)
        order = [i for i in range(value.ndim) if i not in gone]
        rows = value.transpose(*order, *gone).reshape(*[value.shape[i] for i in order], -1)
        if not distinct(rows if name == "max" else -rows, -1):
            return False
    return graph.add(f"{name} {axis}", lambda place, x: getattr(hl, name)(x, axis, kept), x)


def softmax(graph):
    x = graph.node(1, 2, 3, 4)
    if x is None:
        return False
    name, axis = graph.pick("softmax", "log_softmax"), int(graph.rng.integers(graph.values[x].ndim))
    if not is_undecided(graph.values[x], axis):
        return False
    return graph.add(f"{name} {axis}", lambda place, x: getattr(hl, name)(x, axis), x)


# ---- places ----------------------------------------------------------------------------------------------------------


def index(graph):
    x = graph.node(1, 2, 3, 4)
    if x is None:
        return False
    shape = graph.values[x].shape
    rows = graph.rng.integers(0, shape[0], graph.pick(1, 3, 5))
    last = int(graph.rng.integers(shape[-1]))
    keys = {
        "take": None,
        "x[i]": int(graph.rng.integers(-shape[0], shape[0])),
        "x[rows]": rows,
        "x[::2]": slice(None, None, 2),
        "x[::-1]": slice(None, None, -1),
        "x[..., j]": (..., last),
        "x[:, None]": (slice(None), None),
        "x[..., j:]": (..., slice(last, None)),
        "x[mask]": graph.rng.random(shape[0]) < 0.6,
    }
    name = graph.pick(*keys)
    if name == "take":
        return graph.add("take", lambda place, x: hl.take(x, rows), x)
    return graph.add(name, lambda place, x: x[keys[name]], x)


def rearrange(graph):
    x = graph.node()
    shape = graph.values[x].shape
    order = [int(axis) for axis in graph.rng.permutation(len(shape))]
    size, rank = graph.values[x].size, len(shape)
    split = graph.pick(*[d for d in (1, 2, 3, 4, 5, 6) if size % d == 0])
    ways = {
        "transpose": lambda place, x: hl.transpose(x, order),
        "reshape": lambda place, x: x.reshape(split, -1),
        "flatten": lambda place, x: x.flatten(),
        "unsqueeze": lambda place, x: x.unsqueeze(int(rank // 2)),
        "squeeze": lambda place, x: x.squeeze(),
        "clone": lambda place, x: x.clone(),
    }
    name = graph.pick(*ways)
    return graph.add(f"{name} {order if name == 'transpose' else ''}", ways[name], x)


def images(graph):
    """A node as images, so that windows have something to see."""
    x = graph.node(1, 2, 3)
    if x is None or graph.values[x].size % 4:
        return False
    size = graph.values[x].size // 4
    side = graph.pick(*[d for d in (2, 3, 4, 5) if size % d == 0] or [1])
    return graph.add("reshape to images", lambda place, x: hl.reshape(x, (1, side * 2, -1, 2)), x)


def join(graph):
    x = graph.node(1, 2, 3)
    if x is None:
        return False
    shape = graph.values[x].shape
    fit = [i for i, value in enumerate(graph.values) if value.shape == shape]
    other = graph.pick(*fit) if graph.chance(0.7) else graph.leaf(graph.normal(*shape))
    axis = int(graph.rng.integers(len(shape)))
    name = graph.pick("concatenate", "stack")
    return graph.add(f"{name} {axis}", lambda place, a, b: getattr(hl, name)([a, b, a], axis), x, other)


# ---- losses ----------------------------------------------------------------------------------------------------------


def cross_entropy(graph):
    x = graph.node(1, 2, 3)
    if x is None:
        return False
    shape = graph.values[x].shape
    classes = shape[-1]
    if not is_undecided(graph.values[x], -1):
        return False
    options = {"reduction": graph.pick("none", "sum", "mean"), "label_smoothing": graph.pick(0.0, 0.1)}
    arrays = {}
    if graph.chance(0.3):
        arrays["class_weight"] = graph.rng.random(classes) + 0.5
    if graph.chance(0.3):
        arrays["sample_weight"] = graph.rng.random(shape[:-1]) + 0.5
    labels = graph.rng.integers(0, classes, shape[:-1])
    if graph.chance(0.3) and classes > 1:
        p = graph.rng.random(shape) + 0.1
        labels = p / p.sum(-1, keepdims=True)

    def step(place, x):
        placed = {name: place(array) for name, array in arrays.items()}
        return hl.softmax_cross_entropy(x, place(labels), **options, **placed)

    return graph.add(f"softmax_cross_entropy {options} {[*arrays]}", step, x)


def pointwise_loss(graph):
    x = graph.node()
    value = graph.values[x]
    fit = [i for i, other in enumerate(graph.values) if other.shape == value.shape and i != x]
    target = graph.pick(*fit) if fit and graph.chance(0.5) else graph.leaf(graph.normal(*value.shape))
    gap = value - graph.values[target]
    names = ["mse_loss", "binary_cross_entropy_with_logits"]
    names += ["mae_loss"] if away(gap, 0) else []
    names += ["huber_loss"] if away(gap, -1, 1) else []
    name, reduction = graph.pick(*names), graph.pick("none", "sum", "mean")
    weight = graph.rng.random(value.shape) + 0.5 if graph.chance(0.3) else None

    def step(place, x, *target):
        weights = {} if weight is None else {"sample_weight": place(weight)}
        return getattr(hl, name)(x, *target, **weights, reduction=reduction)

    if name == "binary_cross_entropy_with_logits":
        p = graph.rng.random(value.shape)
        return graph.add(f"{name} {reduction}", lambda place, x: step(place, x, place(p)), x)
    return graph.add(f"{name} {reduction}", step, x, target)


STEPS = {
    **STEPS_OF_ELEMENTS,
    **STEPS_OF_PRODUCTS,
    reduction: 3,
    softmax: 2,
    index: 3,
    rearrange: 3,
    images: 1,
    join: 2,
    cross_entropy: 1,
    pointwise_loss: 2,
}
