"""Training on the CPU: a step that has run once is recorded, and from then on replayed without Python.

A recording is the list of the kernel calls that a step made (bindings/recording.h). It stands for as long as everything
that the step depends on is what it was then, which is looked at before each replay: after a change to a layer's rate, a
weight that was frozen, another optimizer, the next step runs op by op again. Only what hotloop's own layers, losses and
optimizers do is recorded, since nobody knows what the Python of others does.
"""

from operator import is_

import numpy as np

from hotloop import _core
from hotloop.autograd import Tensor, data
from hotloop.config import precision
from hotloop.random import StepDraws

_MOST = 4  # kinds of batches that are recorded: each keeps its activations


class RecordedSteps:
    """The training steps of a model on the CPU. A copy of it knows none."""

    def __init__(self):
        self._facts = []
        self._steps = {}

    def __reduce__(self):
        return RecordedSteps, ()

    def run(self, model, train, check, x, y, weight):
        """Trains on one batch.

        Args:
            model: a compiled model.
            train: function (x, y, weight) that does so op by op and returns (loss, predictions).
            check: function of predictions that raises where the targets do not fit them; called before a replay.
            x, y, weight: ndarrays; weight may be None.

        Returns:
            (loss, predictions); those of a replay are the same arrays each time.
        """
        if not _is_own(model):
            return train(x, y, weight)
        self._look_at(model)
        kind = (x.shape, x.dtype, y.shape, y.dtype, weight is None)
        one = self._steps.get(kind)
        if one is not None and one.is_current():
            return one.run(model, train, check, x, y, weight)
        if (one is None and len(self._steps) == _MOST) or not _is_known(model):
            return train(x, y, weight)
        one = _Step()
        results = one.run_first(train, x, y, weight)
        self._look_at(model)  # a first step builds layers and packs weights
        self._steps[kind] = one
        return results

    def _look_at(self, model):
        """Forgets all steps where something is not what it was."""
        facts = _facts(model)
        if len(facts) != len(self._facts) or not all(map(is_, facts, self._facts)):
            self._facts, self._steps = facts, {}


class _Step:
    """The step for one kind of batch."""

    def __init__(self):
        self._draws = StepDraws()
        self._dtype = None  # of the predictions
        self._record = None
        self._works = True
        self._results = None  # (loss, predictions) of the record

    def run_first(self, train, x, y, weight):
        """Trains op by op, to find out what the step draws and gives."""
        with self._draws.watched():
            loss, predictions = train(x, y, weight)
        self._dtype = predictions.dtype
        return loss, predictions

    def is_current(self):
        """Whether the streams that it draws from are those of the first time."""
        return self._draws.are_current()

    def run(self, model, train, check, x, y, weight):
        """Trains: records the step, or replays it."""
        optimizer = model.optimizer
        if not (self._works and optimizer.is_whole() and _core.is_grad_enabled()):
            return train(x, y, weight)
        # The casts that the first layer and the loss would make, now, since NumPy makes them.
        if not model._compiled.loss.class_numbers:
            y = y.astype(self._dtype, copy=False)
        inputs = [_as_taken(model, x), y, weight]
        if not all([array is None or _is_plain(array) for array in inputs]):
            return train(*inputs)
        if self._record is None:
            return self._make(model, train, inputs)
        check(self._results[1])
        self._draws.advance()
        optimizer.replay((self._record.replay, inputs))
        return self._results

    def _make(self, model, train, inputs):
        """Trains, and records it."""
        kept = [weight._data for weight in model.weights]
        for part in model.optimizer._groups:
            kept += [part.data, part.grad, *part.state.values()]
        with self._draws.recorded(_core.step_state):
            record, (loss, predictions) = _core.record_step(train, inputs, kept)
        self._works = record.obstacle() is None
        if self._works:
            self._results, self._record = (data(loss), data(predictions)), record
        return loss, predictions


def _is_own(thing):
    return type(thing).__module__.startswith("hotloop.")


def _is_known(model):
    """Whether a step of the model is hotloop's own code alone."""
    layers = [model]
    for layer in layers:
        layers += vars(layer).get("_layers", ())
    functions = [
        value
        for layer in layers
        for name, value in vars(layer).items()
        if callable(value) and not name.endswith("_initializer") and not _is_own(value)
    ]
    compiled = model._compiled
    numbers = (compiled.loss, *compiled.metrics)  # one made of a function may keep the arrays that it is given
    return (
        all(map(_is_own, (*layers, *numbers, model.optimizer)))
        and not any([hasattr(one, "function") for one in numbers])
        and not functions
    )


def _facts(model):
    """Everything but the batch that a step depends on, to be compared object by object: attributes of layers are
    numbers, names, tuples and Tensors, which do not change."""
    loss, optimizer = model._compiled.loss, model.optimizer
    facts = [loss, *vars(loss).values(), optimizer, optimizer._spec, optimizer._groups, precision()]
    layers = [model]
    for layer in layers:
        facts.append(layer)
        inner = vars(layer).get("_layers")
        if inner is not None:
            layers += inner
            continue
        for value in vars(layer).values():
            facts.append(value)
            if type(value) is Tensor:
                facts += (value._data, value.requires_grad)
    return facts


def _as_taken(model, x):
    """x in the dtype of the layer that it goes to, where that casts."""
    layer = model
    while inner := vars(layer).get("_layers"):
        layer = inner[0]
    return x.astype(layer.dtype, copy=False) if layer._casts else x


def _is_plain(array):
    return type(array) is np.ndarray and array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative
