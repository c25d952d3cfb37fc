"""Training on a device: the data set lies there, and a step, once it has run, is captured as a CUDA graph and replayed.

What changes from step to step reaches a replay through device memory: the numbers of the batch's rows, the optimizer's
StepState, the draws of dropout. Nothing is allocated and nobody waits; losses and metrics add up in a log that is read
when somebody asks. A model whose Python reads values during the step can't be captured: it runs op by op, said once.
"""

import sys

import numpy as np

from hotloop import _core
from hotloop.random import StepDraws

_EAGER_FIRST = 2  # steps before the capture: buffers are packed, the memory pool is filled


class DeviceSteps:
    """The training steps of a fit on a device.

    Args:
        model: a compiled Model on "cuda".
        step: function (x, y, weights) that trains on one batch and returns (loss, predictions).
        samples: the Samples to train on.
    """

    def __init__(self, model, step, samples):
        self._model, self._step, self._samples = model, step, samples
        self._by_size = {}
        self._eager = False
        self._order = None

    def begin_epoch(self, order):
        """Takes the order of the rows, an int64 ndarray, or None for theirs."""
        self._order = _core.to_cuda(np.arange(len(self._samples)) if order is None else order.astype(np.int64))

    def run(self, start, stop):
        """Trains on rows start .. stop - 1 of the order."""
        stop = min(stop, len(self._samples))
        one = self._by_size.get(stop - start)
        if one is None:
            one = self._by_size[stop - start] = _Step(stop - start)
        one.rows[...] = self._order[start:stop]
        if one.graph is None and not (self._eager or one.runs < _EAGER_FIRST):
            self._capture(one)
        if one.graph is None:
            self._run_eager(one)
        else:
            self._replay(one)

    def _run_eager(self, one):
        x, y, weight = self._samples.batch_there(one.rows)
        with one.draws.watched():
            loss, predictions = self._step(x, y, weight)
        self._model._compiled.update(loss, y, predictions)
        one.runs += 1

    def _capture(self, one):
        model, optimizer = self._model, self._model.optimizer
        if not optimizer.is_whole():
            self._run_op_by_op("some weights get no gradient in some steps")
            return
        one.totals = model._compiled.totals()
        count = optimizer.step_count
        graph, reason = None, "a metric of it looks at the predictions on the host"
        try:
            with one.draws.recorded(_cell, runs=False):
                graph = _core.cuda_graph()
                x, y, weight = self._samples.batch_there(one.rows)
                loss, predictions = self._step(x, y, weight)
                one.weights = model._compiled.write(loss, y, predictions, one.totals)
                graph.end()
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and "during the capture" not in str(error):
                raise
            one.weights, reason = None, str(error)
        finally:
            if graph is not None:
                graph.abandon()  # at once: who keeps the exception keeps this frame
            optimizer.rewind(count)  # nothing has run yet
        if one.weights is None:
            del graph
            self._run_op_by_op(reason)
        else:
            one.graph = graph

    def _replay(self, one):
        optimizer = self._model.optimizer
        uploads = [(cell.upload,) for cell in (*one.draws.advance(), optimizer.step_state)]
        optimizer.replay(*uploads, (one.graph.replay,))
        self._model._compiled.log(one.totals, one.weights)

    def _run_op_by_op(self, reason):
        self._eager = True
        print(
            f"hotloop: {self._model.name} is not captured as a CUDA graph, but runs op by op: {reason}", file=sys.stderr
        )


def _cell():
    cell = _core.step_state()
    cell.upload()
    return cell


class _Step:
    """The step for batches of one size."""

    def __init__(self, size):
        self.rows = _core.to_cuda(np.zeros(size, np.int64))  # of the batch
        self.totals = None  # what Compiled.totals makes
        self.weights = None
        self.runs = 0
        self.draws = StepDraws()
        self.graph = None
