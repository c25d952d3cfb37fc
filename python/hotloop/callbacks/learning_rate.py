"""Callbacks that change the learning rate between epochs."""

from hotloop import checks
from hotloop.callbacks.base import Callback, checked_verbose
from hotloop.callbacks.monitors import Monitor

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """Sets the learning rate to schedule(epoch, lr) before each epoch.

    Args:
        schedule: function (epoch, current learning rate) -> learning rate.
        verbose: 1 prints each change.

    Raises:
        TypeError: schedule is not a function, or does not give a number.
    """

    def __init__(self, schedule, verbose=0):
        if not callable(schedule):
            raise TypeError(f"[LearningRateScheduler] schedule must be a function (epoch, lr), got {schedule!r}")
        self.schedule, self.verbose = schedule, checked_verbose("LearningRateScheduler", verbose)

    def on_epoch_begin(self, epoch, logs=None):
        rate = self.schedule(epoch, float(self.model.optimizer.lr))
        try:
            rate = float(rate)
        except (TypeError, ValueError):
            raise TypeError(f"[LearningRateScheduler] schedule must give a number, got {rate!r}") from None
        self.model.optimizer.lr = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:g}")

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.lr)


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by factor when a metric has stopped improving.

    Args:
        monitor: name in the logs.
        factor: in (0, 1).
        patience: epochs without improvement that are waited.
        verbose: 1 prints each change.
        mode: "min", "max" or "auto".
        min_delta: what counts as an improvement.
        cooldown: epochs after a change that do not count.
        min_lr: where to stop.

    Raises:
        ValueError: a number is out of its range, or mode is unknown.
    """

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
    ):
        self._monitor = Monitor("ReduceLROnPlateau", monitor, mode, min_delta)
        self.factor = checks.number("ReduceLROnPlateau", "factor", factor, "(0, 1)")
        self.patience = checks.integer("ReduceLROnPlateau", "patience", patience, 0)
        self.cooldown = checks.integer("ReduceLROnPlateau", "cooldown", cooldown, 0)
        self.min_lr = checks.number("ReduceLROnPlateau", "min_lr", min_lr, "[0, inf)")
        self.verbose = checked_verbose("ReduceLROnPlateau", verbose)

    def on_train_begin(self, logs=None):
        self._monitor.reset()
        self._wait = self._cooling = 0

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = rate = float(self.model.optimizer.lr)
        value = self._monitor.value(logs)
        if value is None:
            return
        if self._cooling > 0:
            self._cooling -= 1
            self._wait = 0
        if self._monitor.improves(value):
            self._wait = 0
        elif self._cooling <= 0:
            self._wait += 1
            if self._wait >= self.patience and rate > self.min_lr:
                self.model.optimizer.lr = max(rate * self.factor, self.min_lr)
                self._cooling, self._wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {self.model.optimizer.lr:g}")
