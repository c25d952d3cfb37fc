"""Saving models: weights, config, how it was compiled, and the optimizer's state, in one checked file (see io.py)."""

import warnings

import numpy as np

from hotloop import checks
from hotloop.io import load_arrays, save_arrays
from hotloop.layers.config import to_json
from hotloop.layers.tree import named_weights

WEIGHTS, OPTIMIZER = "weights/", "optimizer/"
MODEL_FORMAT, WEIGHTS_FORMAT = "hotloop.model.1", "hotloop.weights.1"


class Saving:
    """Mixin of Model."""

    def save(self, path):
        """Writes the whole model; hotloop.load_model reads it. An old file stays until the new one is complete.

        Args:
            path: the file.

        Raises:
            TypeError: a Model subclass without get_config, or a layer's config that JSON can't hold.
            OSError: the file can't be written.
        """
        checks.path("save", "path", path)
        metadata = {"format": MODEL_FORMAT, "model": to_json(self), "built": list(self._built_shape or ()) or None}
        arrays = self._weight_arrays()
        metadata["compiled"] = self._compiled_config()
        if metadata["compiled"] is not None:
            state = self.optimizer.state_dict()
            arrays |= {OPTIMIZER + name: array for name, array in state.pop("arrays").items()}
            metadata["optimizer"] = state
        save_arrays(path, arrays, metadata)

    def _compiled_config(self):
        if self._compiled is None:
            return None
        try:
            return {"optimizer": self.optimizer.config(), **self._compiled.get_config()}
        except TypeError as error:
            warnings.warn(f"[save] saved without optimizer, loss and metrics: {error}", stacklevel=3)
            return None

    def save_weights(self, path):
        """Writes the weights; load_weights reads them into a model of the same structure.

        Args:
            path: the file.

        Raises:
            OSError: the file can't be written.
        """
        checks.path("save_weights", "path", path)
        save_arrays(path, self._weight_arrays(), {"format": WEIGHTS_FORMAT})

    def load_weights(self, path):
        """Reads the weights that save_weights or save wrote; nothing changes where one does not fit.

        Args:
            path: the file.

        Raises:
            ValueError: the file is damaged, or names or shapes differ.
            RuntimeError: the model has no weights yet.
        """
        arrays, metadata = load_arrays(checks.path("load_weights", "path", path))
        if metadata.get("format") in (MODEL_FORMAT, WEIGHTS_FORMAT):
            arrays = under(WEIGHTS, arrays)
        load_named(f"{self.name}.load_weights", self, arrays)

    def state_dict(self):
        """Copies of the weights by path, e.g. {"0.kernel": ...}."""
        return {path: np.array(weight.data) for path, weight in named_weights(self)}

    def load_state_dict(self, state):
        """Copies weights in by path; nothing changes where one does not fit.

        Raises:
            ValueError: names or shapes differ.
        """
        load_named(f"{self.name}.load_state_dict", self, state)

    def get_config(self):
        raise TypeError(
            f"[{self.name}] {type(self).__name__} is code, which a file does not hold: use save_weights and "
            "load_weights, or define get_config()"
        )

    def _weight_arrays(self):
        return {WEIGHTS + path: weight.numpy() for path, weight in named_weights(self)}


def under(prefix, arrays):
    """The arrays whose names begin with a prefix, by the rest of the name."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def load_named(where, model, arrays):
    """Copies arrays into the weights of the same paths.

    Raises:
        ValueError: names or shapes differ.
        RuntimeError: the model has no weights yet.
    """
    if not isinstance(arrays, dict):
        raise TypeError(f"[{where}] wants a dict of arrays, got {type(arrays).__name__}")
    named = dict(named_weights(model))
    if not named and arrays:
        raise RuntimeError(f"[{where}] the model has no weights yet: call it on data, or build(input_shape), first")
    missing, unknown = sorted(named.keys() - arrays.keys()), sorted(arrays.keys() - named.keys())
    if missing or unknown:
        raise ValueError(f"[{where}] weights differ: missing {missing or 'none'}, unknown {unknown or 'none'}")
    arrays = {path: checks.real_array(where, path, arrays[path]) for path in named}
    for path, weight in named.items():
        if np.shape(arrays[path]) != weight.shape:
            raise ValueError(
                f"[{where}] shape differs: {path} has {weight.shape} in the model, {np.shape(arrays[path])} in the file"
            )
    for path, weight in named.items():
        weight.data = arrays[path]
