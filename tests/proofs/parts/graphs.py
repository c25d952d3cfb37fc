"""Random graphs of ops whose derivative can be measured: built step by step in float64 on the CPU, run on any device.

A step is kept only where its result is of moderate size and its inputs stay away from kinks and ties, so that a small
change of the leaves moves no maximum and crosses no corner.
"""

import numpy as np

import hotloop as hl
from hotloop.autograd import Tensor, data, record

MARGIN = 2e-3  # between a value and the nearest kink, and between the two largest of a maximum
MOST = 20.0  # magnitude of any value
MOST_ELEMENTS = 2000


def single(array):
    """The array in float64, of numbers that float32 holds."""
    return np.asarray(array, np.float64).astype(np.float32).astype(np.float64)


class Graph:
    """Leaves, and steps that each make a node of nodes before it.

    Attributes:
        leaves: {node: float64 array}
        steps: [(name, function, inputs, node)]; a function is (place, *Tensors) -> Tensor, where place() puts the
            constants it holds beside them.
        values: float64 array of each node.
    """

    def __init__(self, rng):
        self.rng = rng
        self.leaves, self.steps, self.values, self.used = {}, [], [], set()
        self.weights = {}

    # -- choices --------------------------------------------------------------------------------------------------

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def chance(self, p):
        return self.rng.random() < p

    def normal(self, *shape):
        return single(self.rng.standard_normal(shape))

    def node(self, *ranks):
        """A node with one of these numbers of axes, if any are given, rather a late one; None where there is none."""
        fit = [i for i, value in enumerate(self.values) if not ranks or value.ndim in ranks]
        if not fit:
            return None
        return fit[max(self.rng.integers(len(fit)), self.rng.integers(len(fit)))]

    # -- building -------------------------------------------------------------------------------------------------

    def leaf(self, array):
        """A new leaf; it counts once a step has used it."""
        self.values.append(single(array))
        self.leaves[len(self.values) - 1] = self.values[-1]
        return len(self.values) - 1

    def add(self, name, function, *inputs):
        """Adds a step where it is well-behaved; True if so."""
        if None in inputs:
            return False
        with hl.no_grad(), np.errstate(all="ignore"):
            y = function(_in_float64, *[Tensor(self.values[i]) for i in inputs]).numpy()
        if not (0 < y.size <= MOST_ELEMENTS and np.all(np.abs(y) <= MOST) and y.ndim <= 6):
            return False
        self.values.append(np.array(y))
        self.steps.append((name, function, inputs, len(self.values) - 1))
        self.used.update(inputs)
        return True

    def finish(self):
        """Drops leaves that no step uses and draws the weights of the nodes that none uses: the loss is their sum."""
        self.leaves = {i: array for i, array in self.leaves.items() if i in self.used}
        made = [node for *_, node in self.steps]
        self.weights = {node: self.normal(*self.values[node].shape) for node in made if node not in self.used}

    def text(self):
        """The steps, for a failure."""
        shown = [
            f"{node} = {name}({', '.join(map(str, inputs))}) {self.values[node].shape}"
            for name, _, inputs, node in self.steps
        ]
        leaves = [f"{i}: {array.shape}" for i, array in self.leaves.items()]
        return "leaves " + ", ".join(leaves) + "; " + "; ".join(shown)

    # -- running --------------------------------------------------------------------------------------------------

    def loss(self, tensors, place, rounding=None):
        """The loss of leaves given as {node: Tensor}; a rounding is put on the inputs and outputs of every step."""
        nodes = dict(tensors)
        rounding = rounding or Exact()
        for name, function, inputs, node in self.steps:
            given, seen = rounding.of(name)
            nodes[node] = seen(function(place, *[given(nodes[i]) for i in inputs]))
        given, _ = rounding.of("sum")
        parts = [hl.sum(given(nodes[node]) * place(weights)) for node, weights in self.weights.items()]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def gradients(self, place, rounding=None):
        """{node: ndarray}: the gradient of the loss by each leaf."""
        tensors = {i: Tensor(place(array), requires_grad=True) for i, array in self.leaves.items()}
        self.loss(tensors, place, rounding).backward()
        for i, tensor in tensors.items():
            assert tensor.grad is not None, f"leaf {i} has no gradient: {self.text()}"
            assert tensor.grad.shape == tensor.shape, f"leaf {i}: gradient {tensor.grad.shape}: {self.text()}"
        return {
            i: np.asarray(tensor.grad if isinstance(tensor.grad, np.ndarray) else tensor.grad.numpy())
            for i, tensor in tensors.items()
        }


class Exact:
    """No rounding errors."""

    def of(self, name):
        return _as_it_is, _as_it_is


def _as_it_is(x):
    return x


class Random:
    """Rounding errors at random, relative ones of up to `unit`: on every input of a step and on its gradient.

    The gradient of what softmax is applied to is a difference of parts as large as the gradient of its result, of which
    adding a number to the whole row leaves nothing: there the errors are relative to that.
    """

    def __init__(self, rng, unit):
        self.rng, self.unit = rng, unit

    def _errors(self, array):
        return self.unit * self.rng.uniform(-1, 1, array.shape)

    def of(self, name):
        """(what to put on the inputs of a step of that name, what to put on its result)"""
        largest = [0.0]

        def given(x):
            array = data(x)

            def backward(dy, need):
                return (np.asarray(dy + self._errors(dy) * (np.abs(dy) + largest[0])),)

            return record("rounding", np.asarray(array * (1 + self._errors(array))), (x,), backward)

        def seen(y):
            def backward(dy, need):
                largest[0] = np.max(np.abs(dy))
                return (dy,)

            return record("seen", data(y), (y,), backward)

        return given, seen if "softmax" in name else _as_it_is


def _in_float64(array):
    return array


def on_device(device, dtype):
    """A place(): floats in the dtype, all else as it is, on the device."""

    def place(array):
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        return hl.array(array, device=device) if device == "cuda" else array

    return place


def away(x, *kinks):
    """Whether no element is near a kink."""
    return all(np.min(np.abs(x - kink), initial=np.inf) > MARGIN for kink in kinks)


def distinct(x, axis):
    """Whether the largest and the second largest along an axis are apart."""
    if x.shape[axis] < 2:
        return True
    ordered = np.sort(x, axis)
    last, before = np.take(ordered, -1, axis), np.take(ordered, -2, axis)
    with np.errstate(invalid="ignore"):
        return bool(np.all((last - before > MARGIN) | np.isneginf(last)))
