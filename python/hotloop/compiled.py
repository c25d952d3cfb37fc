"""What compile() makes of loss and metrics, and their running means."""

from hotloop import losses, metrics
from hotloop.autograd import data
from hotloop.layers.config import classes_by_name, from_json, to_json


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

    def reset(self):
        """Forgets the batches so far."""
        self._loss_mean.reset_state()
        for metric in self.metrics:
            metric.reset_state()

    def update(self, loss, y, predictions):
        """Takes in a batch's loss and predictions; as in Keras, sample weights count in the loss only."""
        count = len(predictions)
        self._loss_mean.add(float(data(loss)) * count, count)
        for metric in self.metrics:
            metric.update_state(y, predictions)

    def results(self):
        """[loss, *metrics] over the batches so far."""
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
