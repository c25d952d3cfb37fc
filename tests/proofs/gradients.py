"""Gradients of random graphs of 2 to 12 ops, with shared tensors and broadcasting, are what differences show.

Those of float64 on the CPU are compared with differences of the loss, for each leaf along a random direction and in one
element. Those of float32, on every tier and on CUDA, are compared with them: the bound is what rounding errors of a few
units, put at random on every input of every op and on its gradient, do to the float64 gradient, and more with depth.
"""

import numpy as np
from tests.proofs.harness.proof import Proof
from tests.proofs.parts.graph_steps import STEPS
from tests.proofs.parts.graphs import Graph, Random, on_device

from hotloop import no_grad
from hotloop.autograd import Tensor

STEP = 2e-5  # of a difference, in the element that moves most
ROUNDOFF = 2.0**-24
NOISE = 4 * ROUNDOFF  # that an op of float32 may add: exp and its like are within two units in the last place
NOISY_RUNS = 6


def graph_of(trial):
    graph, rng = Graph(trial.rng), trial.rng
    graph.leaf(graph.normal(*rng.integers(1, 7, rng.integers(1, 4))))
    if graph.chance(0.5):
        graph.leaf(graph.normal(rng.integers(1, 3), *rng.integers(3, 8, 2), rng.integers(1, 5)))
    wanted, kinds = rng.integers(2, 13), list(STEPS)
    weights = np.array([STEPS[kind] for kind in kinds], float)
    while len(graph.steps) < wanted:
        kinds[rng.choice(len(kinds), p=weights / weights.sum())](graph)
    graph.finish()
    return graph


def loss_at(graph, place, leaves):
    with no_grad():
        return graph.loss({i: Tensor(place(array)) for i, array in leaves.items()}, place).item()


def slope_along(graph, place, leaf, direction):
    """The loss' derivative as a leaf moves, of two central differences: no term of the step's square is left."""

    def difference(step):
        x = graph.leaves[leaf]
        ends = [loss_at(graph, place, graph.leaves | {leaf: x + way * direction}) for way in (step, -step)]
        return (ends[0] - ends[1]) / (2 * step)

    return (4 * difference(STEP / 2) - difference(STEP)) / 3


def check_differences(trial, graph, place, gradients):
    """Each leaf's gradient along a random direction, whose sum no wrong element escapes, and in one element."""
    size = sum(float(np.sum(np.abs(weights * graph.values[i]))) for i, weights in graph.weights.items())
    for i, x in graph.leaves.items():
        directions = [trial.rng.uniform(-1, 1, x.shape), np.zeros(x.shape)]
        directions[1].reshape(-1)[trial.rng.integers(x.size)] = 1
        for direction in directions:
            slope, terms = slope_along(graph, place, i, direction), gradients[i] * direction
            bound = 1e-8 * np.sum(np.abs(terms)) + 1e-10 * (1 + size)  # the loss' own rounding over the step
            error = abs(np.sum(terms) - slope)
            trial.measure("largest distance from a difference, of its bound", error / bound)
            assert error <= bound, f"leaf {i}: {np.sum(terms)}, difference {slope}, bound {bound:.3g}: {graph.text()}"


def check_single(trial, graph, place, exact):
    """float32's gradients on the device against the float64 ones."""
    single = graph.gradients(on_device(trial.device, np.float32))
    noisy = [graph.gradients(place, Random(trial.rng, NOISE)) for _ in range(NOISY_RUNS)]
    for i, want in exact.items():
        assert single[i].dtype == np.float32, f"leaf {i}: {single[i].dtype}: {graph.text()}"
        moved = max(float(np.max(np.abs(run[i] - want))) for run in noisy)
        bound = 8 * moved + len(graph.steps) * ROUNDOFF * float(np.max(np.abs(want)))
        error = np.max(np.abs(single[i] - want))
        trial.measure("largest float32 error, of its bound", error / max(bound, 1e-30))
        assert error <= bound, f"leaf {i}: off by {error:.3g}, bound {bound:.3g}: {graph.text()}"


def check(trial):
    graph = graph_of(trial)
    place = on_device("cpu", np.float64)
    exact = graph.gradients(place)
    if trial.device == "cpu":
        check_differences(trial, graph, place, exact)
    check_single(trial, graph, place, exact)


proof = Proof(check=check, small=100, full=10_000, cuda=True, unit="graphs")
