"""Callback, the list that fit drives, and the callbacks that only listen."""

import math

from hotloop import checks

__all__ = ["Callback", "History", "LambdaCallback", "TerminateOnNaN"]


class Callback:
    """Base: override the hooks that are wanted.

    `self.model` is the model, `self.params` a dict with epochs, steps and verbose. Logs of a batch are the means of the
    epoch so far.
    """

    model = None
    params = None

    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        self.params = params

    def on_train_begin(self, logs=None):
        """Before the first epoch."""

    def on_train_end(self, logs=None):
        """After the last epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch; the first is 0."""

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch and its validation; logs hold loss, metrics and val_*."""

    def on_batch_begin(self, batch, logs=None):
        """Older name of on_train_batch_begin."""

    def on_batch_end(self, batch, logs=None):
        """Older name of on_train_batch_end."""

    def on_train_batch_begin(self, batch, logs=None):
        """Before a training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """After a training step."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs=None):
        """Before evaluation or validation."""

    def on_test_end(self, logs=None):
        """After evaluation or validation."""

    def on_test_batch_begin(self, batch, logs=None):
        """Before a batch is evaluated."""

    def on_test_batch_end(self, batch, logs=None):
        """After a batch was evaluated."""

    def on_predict_begin(self, logs=None):
        """Before predict."""

    def on_predict_end(self, logs=None):
        """After predict."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before a batch is predicted."""

    def on_predict_batch_end(self, batch, logs=None):
        """After a batch was predicted; logs hold outputs."""


_BATCH_HOOKS = {
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
    "on_test_batch_begin": None,
    "on_test_batch_end": None,
    "on_predict_batch_begin": None,
    "on_predict_batch_end": None,
}


def checked_verbose(where, value):
    """How much a callback says: an integer, 0 for nothing; or True or False.

    Raises:
        TypeError: it is neither.
    """
    return value if value is True or value is False else checks.integer(where, "verbose", value, 0)


class CallbackList:
    """Calls the hooks of several callbacks; a batch hook that nobody overrides costs nothing.

    Args:
        callbacks: Callback or list of them, or None.
        model: what they get as self.model.
        params: what they get as self.params.

    Raises:
        TypeError: one is not a Callback.
    """

    def __init__(self, callbacks, model, params):
        callbacks = [] if callbacks is None else callbacks
        self.callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"[callbacks] wants hotloop.callbacks.Callback objects: got {callback!r}")
            callback.set_model(model)
            callback.set_params(params)
        self._batch_hooks = {
            name: [getattr(callback, name) for callback in self.callbacks if _overrides(callback, name, older)]
            for name, older in _BATCH_HOOKS.items()
        }

    def call(self, hook, *args):
        """Calls one hook of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, hook)(*args)

    def batch(self, hook, number, logs):
        """Calls a batch hook of those that override it; logs is a function, asked only then."""
        hooks = self._batch_hooks[hook]
        if hooks:
            values = logs()
            for function in hooks:
                function(number, values)


def _overrides(callback, *names):
    return any(
        [
            name is not None
            and (name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name))
            for name in names
        ]
    )


class History(Callback):
    """What fit returns: `history`, a dict of lists with one value an epoch, and `epoch`, their numbers."""

    def __init__(self):
        self.history = {}
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self):
        return f"History(epochs={len(self.epoch)}, {', '.join(self.history)})"


class LambdaCallback(Callback):
    """A callback from functions, given under the names of the hooks: LambdaCallback(on_epoch_end=f).

    Raises:
        TypeError: a name is not that of a hook, or its value no function.
    """

    def __init__(self, **hooks):
        for name, function in hooks.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(f"[LambdaCallback] no such hook: {name}")
            if function is not None and not callable(function):
                raise TypeError(f"[LambdaCallback] {name} must be a function, got {function!r}")
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Stops training at the step whose loss is NaN or infinite."""

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: the loss is {loss}, training stops")
            self.model.stop_training = True
