"""What compile() makes of loss and metrics, and their running means."""

import numpy as np

from hotloop import _core, losses, metrics
from hotloop.autograd import data
from hotloop.layers.config import classes_by_name, from_json, to_json
from hotloop.recorded import RecordedSteps

_LOG_ROWS = 1024  # batches that a device notes before they are read


class Compiled:
    """Loss and metrics of a model.

    Args:
        loss: name, Loss or function (y_true, y_pred).
        metric_list: list of names, Metrics or functions (y_true, y_pred).

    Raises:
        ValueError: a name is unknown.
        TypeError: one is of another kind.
    """

    def __init__(self, loss, metric_list):
        if isinstance(metric_list, str) or not isinstance(metric_list, list | tuple):
            raise TypeError(f"[compile] metrics must be a list: got {metric_list!r}")
        self.loss = losses.get(loss, "compile")
        if self.loss.reduction == "none":
            raise ValueError(f"[compile] loss {self.loss.name!r} has reduction=None: fit needs one number a batch")
        self.metrics = [metrics.get(metric, "compile") for metric in metric_list]
        self.names = _unique(["loss", *(metric.name for metric in self.metrics)])
        self._loss_mean = metrics.Mean("loss")
        self.recorded = RecordedSteps()  # of train_on_batch
        self._log = self._logged = None  # on a device: totals of batches, and their weights

    def reset(self):
        """Forgets the batches so far."""
        self._logged = []
        self._loss_mean.reset_state()
        for metric in self.metrics:
            metric.reset_state()

    def update(self, loss, y, predictions):
        """Takes in a batch's loss and predictions; as in Keras, sample weights count in the loss only."""
        loss, predictions = data(loss), data(predictions)
        if isinstance(loss, _core.CudaArray):
            totals = self.totals()
            weights = self.write(loss, y, predictions, totals)
            if weights is not None:
                return self.log(totals, weights)
            y, predictions = data(y).numpy(), predictions.numpy()
        count = len(predictions)
        self._loss_mean.add(float(loss.item()) * count, count)
        for metric in self.metrics:
            metric.update_state(y, predictions)
        return None

    # On a device a batch's numbers are written to a log there, which is read when somebody asks for results.

    def totals(self):
        """A new array on the device for what `write` writes."""
        return _core.to_cuda(np.zeros(1 + len(self.metrics), np.float32))

    def write(self, loss, y, predictions, totals):
        """Writes the loss and each metric's sum over a batch to `totals`, all of it on the device.

        Returns:
            The weights of the sums, or None where a metric wants to see the predictions on the host.
        """
        y, predictions = data(y), data(predictions)
        found = [(data(loss), len(predictions)), *(metric.total_there(y, predictions) for metric in self.metrics)]
        if None in found:
            return None
        for i, (total, _) in enumerate(found):
            totals[i : i + 1] = total.reshape(1)
        return [weight for _, weight in found]

    def log(self, totals, weights):
        """Takes in what `write` wrote; queued."""
        if self._log is None or self._log.shape[1:] != totals.shape:
            self._log = _core.to_cuda(np.zeros((_LOG_ROWS, *totals.shape), np.float32))
        if len(self._logged) == _LOG_ROWS:
            self._read_log()
        self._log[len(self._logged)] = totals
        self._logged.append(weights)

    def _read_log(self):
        if not self._logged:
            return
        logged, self._logged = self._logged, []
        for totals, weights in zip(self._log[: len(logged)].numpy().tolist(), logged, strict=True):
            self._loss_mean.add(totals[0] * weights[0], weights[0])
            for metric, total, weight in zip(self.metrics, totals[1:], weights[1:], strict=True):
                metric.add(total, weight)

    def results(self):
        """[loss, *metrics] over the batches so far."""
        self._read_log()
        return [self._loss_mean.result(), *(float(metric.result()) for metric in self.metrics)]

    def logs(self, prefix=""):
        """The results by name, in order of the names."""
        return {prefix + name: value for name, value in sorted(zip(self.names, self.results(), strict=True))}

    def get_config(self):
        """Loss and metrics as JSON can hold them.

        Raises:
            TypeError: one is a function without a name.
        """
        return {"loss": _entry(self.loss), "metrics": [_entry(metric) for metric in self.metrics]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A Compiled made from get_config()'s result."""
        loss = from_json(config["loss"], custom_objects, classes_by_name(losses.BY_NAME.values()))
        metric_list = from_json(config["metrics"], custom_objects, classes_by_name(metrics.BY_NAME.values()))
        return cls(loss, metric_list)


def _entry(item):
    function = getattr(item, "function", None)
    return to_json(item if function is None else function)


def _unique(names):
    """Names with _1, _2, ... behind those that were there before."""
    found = []
    for name in names:
        number, candidate = 0, name
        while candidate in found:
            number += 1
            candidate = f"{name}_{number}"
        found.append(candidate)
    return found
