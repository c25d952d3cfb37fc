"""compile, fit, evaluate, predict and their steps: the part of Model that runs over data."""

import numpy as np

from hotloop import checks, optim
from hotloop.autograd import data, no_grad
from hotloop.batches import Samples
from hotloop.callbacks import History
from hotloop.callbacks.base import CallbackList
from hotloop.captured import DeviceSteps
from hotloop.compiled import Compiled
from hotloop.devices import choose_device
from hotloop.progress import Progress, level
from hotloop.random import generator
from hotloop.recorded import RecordedSteps

_BATCH_SIZE = 32


class Training:
    """Mixin of Model."""

    _compiled = None
    optimizer = None  # that of compile(); may be replaced

    def compile(self, optimizer="adam", loss=None, metrics=None, *, device="auto"):
        """Says how fit trains and what is measured.

        Args:
            optimizer: name ("adam", "sgd", ...) or hotloop.optim.Optimizer.
            loss: name ("mse", "sparse_categorical_crossentropy", ...), Loss, or function (y_true, y_pred) -> losses.
            metrics: list of names ("accuracy", ...), Metrics or functions (y_true, y_pred) -> values.
            device: "auto", "cpu" or "cuda".

        Raises:
            ValueError: a name is unknown; the error lists the choices.
            RuntimeError: this build does not have the device.
        """
        device = choose_device("compile", device)
        optimizer = optim.get(optimizer)
        self._move("compile", device)
        self._compiled = Compiled(loss, metrics if metrics is not None else [])
        self.optimizer = optimizer

    @property
    def metrics_names(self):
        """["loss", *names of the metrics]."""
        return list(self._need_compiled("metrics_names").names)

    def _need_compiled(self, where):
        if self._compiled is None:
            raise RuntimeError(f"[{where}] the model is not compiled: call compile(optimizer, loss, metrics) first")
        return self._compiled

    def fit(
        self,
        x,
        y,
        batch_size=None,
        epochs=1,
        verbose=1,
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Trains the model.

        Args:
            x: inputs (n, ...), any real dtype; converted batch by batch.
            y: targets (n, ...).
            batch_size: rows a step, 32 if None; the last batch of an epoch may be smaller.
            epochs: number of the last epoch.
            verbose: 0 silent, 1 a progress line, 2 a line an epoch.
            callbacks: list of hotloop.callbacks.Callback.
            validation_split: share of the data, taken from the end, that is only evaluated.
            validation_data: (x, y) or (x, y, sample weights) to evaluate after each epoch.
            shuffle: whether each epoch takes the rows in a new order, drawn from the stream of hotloop.set_seed.
            class_weight: dict of class number to the weight of its rows.
            sample_weight: (n,) weights that scale each row's loss; metrics do not see them.
            initial_epoch: number of epochs done before.
            validation_batch_size: batch_size if None.
            validation_freq: epochs from one validation to the next.

        Returns:
            History: `history` is a dict of lists, one value an epoch.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: no data, lengths that differ, shapes or labels that do not fit.
            TypeError: data that are not real numbers.
        """
        compiled = self._need_compiled("fit")
        samples = _samples("fit", compiled, x, y, sample_weight)
        batch_size = _batch_size("fit", batch_size)
        epochs = checks.integer("fit", "epochs", epochs, 0)
        initial_epoch = checks.integer("fit", "initial_epoch", initial_epoch, 0)
        validation_freq = checks.integer("fit", "validation_freq", validation_freq, 1)
        shuffle, verbose = checks.flag("fit", "shuffle", shuffle), level("fit", verbose)
        validation_split = checks.number("fit", "validation_split", validation_split, "[0, 1)")
        validation = None
        if validation_data is not None:
            validation = _samples("fit: validation_data", compiled, *_pair(validation_data))
        elif validation_split:
            samples, validation = samples.split(validation_split)
        if class_weight is not None:
            samples.scale_weights(class_weight)
        validation_size = _batch_size("fit", validation_batch_size, batch_size, "validation_batch_size")
        steps = -(-len(samples) // batch_size)
        params = {"epochs": epochs, "steps": steps, "verbose": verbose}
        self.history = History()
        callbacks = CallbackList([*_listed(callbacks), self.history], self, params)
        self.stop_training = False
        callbacks.call("on_train_begin", {})
        recorded = RecordedSteps()
        steps_there = DeviceSteps(self, self._train_on, samples) if self.device == "cuda" else None
        logs = {}
        for epoch in range(initial_epoch, epochs):
            if verbose and epochs > 1:
                print(f"Epoch {epoch + 1}/{epochs}")
            callbacks.call("on_epoch_begin", epoch, {})
            progress = Progress("fit", steps, verbose, compiled.logs)
            try:
                self._train_epoch(samples, validation, batch_size, shuffle, callbacks, progress, recorded, steps_there)
                logs = compiled.logs()
                if validation is not None and (epoch + 1) % validation_freq == 0:
                    logs |= self._evaluate_epoch(validation, validation_size, callbacks, None, "val_")
                progress.finish(logs)
            finally:
                progress.close()
            callbacks.call("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        callbacks.call("on_train_end", logs)
        return self.history

    def evaluate(self, x, y, batch_size=None, verbose=1, sample_weight=None, callbacks=None, return_dict=False):
        """Loss and metrics on data, without training.

        Args:
            x, y, sample_weight, batch_size, callbacks: as in fit.
            verbose: 0 silent, 1 a progress line, 2 a line at the end.
            return_dict: whether names come with the numbers.

        Returns:
            [loss, *metrics], the loss alone where there are no metrics, or a dict.

        Raises:
            RuntimeError, ValueError, TypeError: as in fit.
        """
        compiled = self._need_compiled("evaluate")
        samples = _samples("evaluate", compiled, x, y, sample_weight)
        return_dict = checks.flag("evaluate", "return_dict", return_dict)
        batch_size = _batch_size("evaluate", batch_size)
        steps = -(-len(samples) // batch_size)
        callbacks = CallbackList(callbacks, self, {"epochs": 1, "steps": steps, "verbose": verbose})
        progress = Progress("evaluate", steps, verbose, compiled.logs)
        try:
            logs = self._evaluate_epoch(samples, batch_size, callbacks, progress)
            progress.finish(logs)
        finally:
            progress.close()
        return logs if return_dict else _as_numbers(compiled.results())

    def predict(self, x, batch_size=None, verbose=0, callbacks=None):
        """The model's results for inputs, computed in batches.

        Args:
            x: inputs (n, ...).
            batch_size: rows at a time, 32 if None.
            verbose: 0 silent, 1 a progress line, 2 a line at the end.
            callbacks: list of hotloop.callbacks.Callback.

        Returns:
            ndarray (n, ...).

        Raises:
            ValueError, TypeError: x does not fit the model.
        """
        samples = Samples("predict", x)
        batch_size = _batch_size("predict", batch_size)
        steps = -(-len(samples) // batch_size)
        callbacks = CallbackList(callbacks, self, {"epochs": 1, "steps": steps, "verbose": verbose})
        callbacks.call("on_predict_begin", {})
        progress = Progress("predict", steps, verbose, dict)
        result = None
        try:
            for step in range(max(steps, 1)):  # no rows at all still have a shape
                rows = slice(step * batch_size, (step + 1) * batch_size)
                callbacks.batch("on_predict_batch_begin", step, dict)
                outputs = self.predict_on_batch(samples.x[rows])
                if result is None:
                    result = np.empty((len(samples), *outputs.shape[1:]), outputs.dtype)
                result[rows] = outputs
                callbacks.batch("on_predict_batch_end", step, lambda outputs=outputs: {"outputs": outputs})
                progress.advance()
            progress.finish({})
        finally:
            progress.close()
        callbacks.call("on_predict_end", {})
        return result

    def predict_on_batch(self, x):
        """The model's results (n, ...) for one batch of inputs, an ndarray."""
        with no_grad():
            return np.asarray(data(self(x, training=False)))

    def train_on_batch(self, x, y, sample_weight=None, class_weight=None, return_dict=False):
        """One training step on one batch; arguments, results and errors are those of fit and evaluate."""
        compiled = self._need_compiled("train_on_batch")
        samples = _samples("train_on_batch", compiled, x, y, sample_weight)
        return_dict = checks.flag("train_on_batch", "return_dict", return_dict)
        if class_weight is not None:
            samples.scale_weights(class_weight)
        compiled.reset()
        self._train_step(samples, slice(None), compiled.recorded)
        return compiled.logs() if return_dict else _as_numbers(compiled.results())

    def test_on_batch(self, x, y, sample_weight=None, return_dict=False):
        """Loss and metrics on one batch; arguments, results and errors are those of evaluate."""
        compiled = self._need_compiled("test_on_batch")
        samples = _samples("test_on_batch", compiled, x, y, sample_weight)
        return_dict = checks.flag("test_on_batch", "return_dict", return_dict)
        compiled.reset()
        self._test_step(samples, slice(None))
        return compiled.logs() if return_dict else _as_numbers(compiled.results())

    def _train_epoch(self, samples, validation, batch_size, shuffle, callbacks, progress, recorded, steps_there):
        compiled, others = self._compiled, () if validation is None else (validation,)
        compiled.reset()
        order = generator().permutation(len(samples)) if shuffle else None
        if steps_there is not None:
            steps_there.begin_epoch(order)
        for step, start in enumerate(range(0, len(samples), batch_size)):
            stop = start + batch_size
            callbacks.batch("on_train_batch_begin", step, dict)
            if steps_there is None or not samples.checked:
                rows = slice(start, stop) if order is None else order[start:stop]
                self._train_step(samples, rows, recorded, *others)
            else:
                steps_there.run(start, stop)
            callbacks.batch("on_train_batch_end", step, compiled.logs)
            progress.advance()
            if self.stop_training:
                break

    def _train_step(self, samples, rows, recorded, *others):
        """One step on some rows; `others` are Samples whose targets are checked with those of the first."""

        def check(predictions):
            for part in (samples, *others):
                part.check(self._compiled.loss, predictions.shape)

        def train(x, y, weight):
            return self._train_on(x, y, weight, None if samples.checked else check)

        x, y, weight = self._batch(samples, rows)
        if self.device == "cpu":
            loss, predictions = recorded.run(self, train, check, x, y, weight)
        else:
            loss, predictions = train(x, y, weight)
        self._compiled.update(loss, y, predictions)

    def _train_on(self, x, y, weight, check=None):
        """One step on arrays of the model's device; `check` sees the first predictions. Returns (loss, predictions)."""
        predictions = self(x, training=True)
        if check is not None:
            check(predictions)
            self._bind()
        loss = self._compiled.loss(y, predictions, weight)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss, predictions

    def _batch(self, samples, rows):
        """(x, y, weights) of some rows on the model's device."""
        batch = samples.batch(rows)
        return batch if self.device == "cpu" else samples.on_device(*batch)

    def _bind(self):
        """Gives the optimizer the weights to train, where they are not those that it has."""
        parameters, bound = self.parameters(), self.optimizer.parameters
        if not parameters:
            raise ValueError("[fit] the model has no weights to train")
        if len(bound) != len(parameters) or any([a is not b for a, b in zip(bound, parameters, strict=True)]):
            self.optimizer.bind(parameters)

    def _evaluate_epoch(self, samples, batch_size, callbacks, progress, prefix=""):
        compiled = self._compiled
        compiled.reset()
        callbacks.call("on_test_begin", {})
        for step, start in enumerate(range(0, len(samples), batch_size)):
            callbacks.batch("on_test_batch_begin", step, dict)
            self._test_step(samples, slice(start, start + batch_size))
            callbacks.batch("on_test_batch_end", step, compiled.logs)
            if progress is not None:
                progress.advance()
        callbacks.call("on_test_end", compiled.logs())
        return compiled.logs(prefix)

    def _test_step(self, samples, rows):
        compiled = self._compiled
        x, y, weight = self._batch(samples, rows)
        with no_grad():
            predictions = self(x, training=False)
            samples.check(compiled.loss, predictions.shape)
            compiled.update(compiled.loss(y, predictions, weight), y, predictions)


def _batch_size(where, value, default=_BATCH_SIZE, what="batch_size"):
    return default if value is None else checks.integer(where, what, value, 1)


def _samples(where, compiled, x, y, sample_weight=None):
    if y is None:
        raise TypeError(f"[{where}] y must be an array, got None")
    samples = Samples(where, x, y, sample_weight, compiled.loss.class_numbers)
    if not len(samples):
        raise ValueError(f"[{where}] there are no data: x has shape {samples.x.shape}")
    samples.y = compiled.loss.targets(where, samples.y)
    return samples


def _pair(validation_data):
    if not isinstance(validation_data, list | tuple) or len(validation_data) not in (2, 3):
        raise TypeError(f"[fit] validation_data wants (x, y) or (x, y, weights): got {type(validation_data).__name__}")
    return validation_data


def _listed(callbacks):
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, list | tuple) else [callbacks]


def _as_numbers(results):
    return results if len(results) > 1 else results[0]
