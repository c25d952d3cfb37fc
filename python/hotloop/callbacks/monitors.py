"""Callbacks that watch one metric: stop early, keep the best model."""

import math
import os
import warnings

from hotloop import checks
from hotloop.callbacks.base import Callback, checked_verbose
from hotloop.names import choose

__all__ = ["EarlyStopping", "ModelCheckpoint"]


class Monitor:
    """One metric of the logs and the best value it has had.

    Args:
        where: the callback, for errors.
        name: of the metric.
        mode: "min", "max" or "auto": "max" for accuracies and AUC, else "min".
        min_delta: by how much a value must beat the best.

    Raises:
        ValueError: unknown mode.
    """

    def __init__(self, where, name, mode="auto", min_delta=0.0):
        if not isinstance(name, str):
            raise TypeError(f"[{where}] monitor must be a name in the logs, got {name!r}")
        rising = "acc" in name or name.endswith("auc")
        self.sign = choose(where, "mode", mode, {"min": -1.0, "max": 1.0, "auto": 1.0 if rising else -1.0})
        self.where, self.name = where, name
        self.min_delta = abs(checks.number(where, "min_delta", min_delta, "[-inf, inf]"))
        self.reset()

    def reset(self, best=None):
        """Forgets the best value, or sets it."""
        self.best = best
        self._warned = False

    def value(self, logs):
        """The metric's value, or None with one warning where there is none."""
        value = (logs or {}).get(self.name)
        if value is None and not self._warned:
            self._warned = True
            warnings.warn(
                f"[{self.where}] monitors {self.name!r}, but the logs hold only {', '.join(logs or {})}", stacklevel=3
            )
        return value

    def better(self, value, than):
        """Whether value beats another by min_delta; NaN never does."""
        if than is None:
            return not math.isnan(value)
        return self.sign * (value - than) > self.min_delta

    def improves(self, value):
        """Whether value beats the best, which it then is."""
        if not self.better(value, self.best):
            return False
        self.best = value
        return True


class EarlyStopping(Callback):
    """Stops training when a metric has stopped improving.

    Args:
        monitor: name in the logs.
        min_delta: what counts as an improvement.
        patience: epochs without improvement that are waited.
        verbose: 1 says when training stops.
        mode: "min", "max" or "auto".
        baseline: a value to beat, or None.
        restore_best_weights: whether the model ends with the weights of its best epoch.
        start_from_epoch: the first epoch that is looked at.

    Raises:
        ValueError: unknown mode.
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0.0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        self._monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience = checks.integer("EarlyStopping", "patience", patience, 0)
        self.verbose = checked_verbose("EarlyStopping", verbose)
        self.baseline = (
            None if baseline is None else checks.number("EarlyStopping", "baseline", baseline, "[-inf, inf]")
        )
        self.restore_best_weights = checks.flag("EarlyStopping", "restore_best_weights", restore_best_weights)
        self.start_from_epoch = checks.integer("EarlyStopping", "start_from_epoch", start_from_epoch, 0)

    @property
    def best(self):
        return self._monitor.best

    def on_train_begin(self, logs=None):
        self._monitor.reset()
        self._wait = 0
        self.best_epoch = self.stopped_epoch = 0
        self.best_weights = None

    def on_epoch_end(self, epoch, logs=None):
        value = self._monitor.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self._wait += 1
        if self._monitor.improves(value):
            self._keep(epoch)
            if self.baseline is None or self._monitor.better(value, self.baseline):
                self._wait = 0
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        if self._wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch):
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Weights of the best epoch, {self.best_epoch + 1}, are restored")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(Callback):
    """Saves the model or its weights after each epoch, or after each that improves a metric.

    Args:
        filepath: where to; may hold the epoch and logs, e.g. "{epoch:02d}-{val_loss:.3f}.safetensors".
        monitor: name in the logs.
        verbose: 1 says what is saved.
        save_best_only: save only when the metric improves.
        save_weights_only: save_weights instead of save; the only way for a Model subclass.
        mode: "min", "max" or "auto".
        initial_value_threshold: a value to beat from the start, or None.

    Raises:
        ValueError: unknown mode.
        TypeError: when training begins: the model can't be saved whole.
    """

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        initial_value_threshold=None,
    ):
        self._monitor = Monitor("ModelCheckpoint", monitor, mode)
        where = "ModelCheckpoint"
        if initial_value_threshold is not None:
            checks.number(where, "initial_value_threshold", initial_value_threshold, "[-inf, inf]")
        self._monitor.reset(initial_value_threshold)
        self.filepath = os.fsdecode(checks.path(where, "filepath", filepath))
        self.verbose = checked_verbose(where, verbose)
        self.save_best_only = checks.flag(where, "save_best_only", save_best_only)
        self.save_weights_only = checks.flag(where, "save_weights_only", save_weights_only)

    @property
    def best(self):
        return self._monitor.best

    def on_train_begin(self, logs=None):
        if not self.save_weights_only:
            self.model.get_config()  # a model that can't be saved is refused now, not after an epoch

    def on_epoch_end(self, epoch, logs=None):
        if self.save_best_only:
            value = self._monitor.value(logs)
            if value is None or not self._monitor.improves(value):
                return
        path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")
