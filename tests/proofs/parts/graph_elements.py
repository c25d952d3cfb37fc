"""Steps of a random graph that work element by element."""

import numpy as np
from tests.proofs.parts.graphs import away

import hotloop as hl

SMOOTH = ("exp", "sin", "cos", "square", "negative", "sigmoid", "tanh", "softplus", "silu", "gelu")
KINKS = {
    "relu": (0,),
    "leaky_relu": (0,),
    "elu": (0,),
    "selu": (0,),
    "hard_sigmoid": (-3, 3),
    "hard_swish": (-3, 3),
    "abs": (0,),
}
POSITIVE = ("log", "sqrt", "reciprocal")
# Beyond, the slope is a small difference of what the forward pass kept, of which float32 leaves little.
SATURATES = {"tanh": (-2, 2), "sigmoid": (-20, 2), "elu": (-2, 20), "selu": (-2, 20)}


def is_well(name, x):
    """Whether the slope of an elementwise function is well-conditioned everywhere in x, and constant near no kink."""
    low, high = SATURATES.get(name, (-20, 20))
    return (
        away(x, *KINKS.get(name, ())) and low <= x.min() and x.max() <= high and (name not in POSITIVE or x.min() > 0.2)
    )


def is_undecided(x, axis):
    """Whether softmax along the axis is nowhere so close to 1 that float32 keeps little of the rest."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.max(e / e.sum(axis, keepdims=True)) < 0.9


def unary(graph):
    x = graph.node()
    name = graph.pick(*SMOOTH, *KINKS, *POSITIVE)
    if not is_well(name, graph.values[x]):
        return False
    if name == "gelu" and graph.chance(0.5):
        return graph.add("gelu tanh", lambda place, x: hl.gelu(x, "tanh"), x)
    return graph.add(name, lambda place, x: getattr(hl, name)(x), x)


def positive(graph):
    """A function of positive numbers, of a square and a bit."""
    name = graph.pick(*POSITIVE)
    return graph.add(f"{name} of 0.3 + square", lambda place, x: getattr(hl, name)(x * x + 0.3), graph.node())


def with_number(graph):
    x, number = graph.node(), float(graph.rng.integers(-3, 4)) + 0.5
    operators = {
        "x + c": lambda place, x: x + number,
        "c - x": lambda place, x: number - x,
        "x * c": lambda place, x: number * x,
        "x / c": lambda place, x: x / number,
        "x ** 3": lambda place, x: x**3,
        "-x": lambda place, x: -x,
        "rescale": lambda place, x: hl.rescale(x, number, 0.25),
        "dropout": lambda place, x: hl.dropout(x, 0.3, seed=7),
    }
    if away(graph.values[x], 0) and graph.values[x].min() > 0.2:
        operators["x ** c"] = lambda place, x: x**number
        operators["c / x"] = lambda place, x: number / x
    name = graph.pick(*operators)
    return graph.add(name, operators[name], x)


def partner(graph, shape):
    """A node or a new leaf that broadcasts with the shape."""
    fit = []
    for i, value in enumerate(graph.values):
        try:
            np.broadcast_shapes(value.shape, shape)
        except ValueError:
            continue
        fit.append(i)
    if fit and graph.chance(0.5):
        return graph.pick(*fit)
    own = [1 if graph.chance(0.3) else n for n in shape]
    if graph.chance(0.3):
        own = own[graph.rng.integers(len(own) + 1) :]
    if graph.chance(0.2) and len(shape) == len(own) < 4:
        own = [graph.pick(1, 2, 3), *own]
    return graph.leaf(graph.normal(*own))


def binary(graph):
    a = graph.node()
    b = partner(graph, graph.values[a].shape)
    if graph.chance(0.5):
        a, b = b, a
    left, right = graph.values[a], graph.values[b]
    names = ["add", "subtract", "multiply", "multiply", "where"]
    if np.abs(right).min() > 0.3:
        names.append("divide")
    if left.min() > 0.2:
        names.append("power")
    if away(left - right, 0):
        names += ["maximum", "minimum"]
    name = graph.pick(*names)
    if name == "where":
        chosen = graph.rng.random(np.broadcast_shapes(left.shape, right.shape)) < 0.5
        return graph.add("where", lambda place, a, b: hl.where(place(chosen), a, b), a, b)
    return graph.add(name, lambda place, a, b: getattr(hl, name)(a, b), a, b)


STEPS_OF_ELEMENTS = {unary: 5, positive: 1, with_number: 3, binary: 6}
