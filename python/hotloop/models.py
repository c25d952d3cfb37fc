"""Model, to be subclassed, and Sequential, a chain of layers."""

import numpy as np

from hotloop import checks
from hotloop import layers as layer_module
from hotloop._core import CudaArray
from hotloop.autograd import Tensor, no_grad
from hotloop.devices import as_batch, choose_device, move_tensor, moved
from hotloop.layers.base import Layer, as_input, derived
from hotloop.layers.config import classes_by_name, from_json, to_json
from hotloop.layers.context import context
from hotloop.layers.tree import direct_layers
from hotloop.plan import make_plan
from hotloop.serialization import Saving
from hotloop.summary import format_summary
from hotloop.training import Training

__all__ = ["Model", "Sequential"]


class Model(Training, Saving, Layer):
    """Base of models: layers as attributes (also in lists and dicts), `call(self, x)` says what they do.

    Weights are made at the first call, or by build(). A call outside fit runs as in evaluation unless train() was
    called or training=True is given.

    Args:
        name: str.
    """

    device = "cpu"
    history = None
    stop_training = False

    @derived
    def layers(self):
        """The layers that the model holds directly."""
        return direct_layers(self)

    def build(self, input_shape):
        """Makes the weights for inputs of a shape (batch or None, ...), by a call on zeros."""
        if not self.built:
            input_shape = checks.sizes(self.name, "input_shape", input_shape)
            self._note_built(input_shape)
            with no_grad():
                self(self.probe(input_shape), training=False)

    def build_for(self, shape):
        """Notes the shape; the call that follows builds the layers."""
        if not self.built:
            self._note_built(shape)
            if type(self).build is not Model.build:
                self.build(shape)

    def _note_built(self, shape):
        self.built = True
        self._built_shape = (None, *shape[1:])

    def get_layer(self, name=None, index=None):
        """The layer of a name or an index.

        Raises:
            ValueError: there is none, or neither is given.
        """
        layers = direct_layers(self)
        if index is not None:
            index = checks.integer(f"{self.name}.get_layer", "index", index)
        if name is not None:
            checks.text(f"{self.name}.get_layer", "name", name)
        if index is not None and -len(layers) <= index < len(layers):
            return layers[index]
        for layer in layers if index is None else ():
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in layers)
        raise ValueError(f"[{self.name}] no such layer: {(name if index is None else index)!r} (layers: {names})")

    def summary(self, print_fn=print):
        """Prints a table of the layers, their output shapes and how many parameters they have."""
        if not callable(print_fn):
            raise TypeError(f"[{self.name}.summary] print_fn must be a function, got {print_fn!r}")
        print_fn(format_summary(self))

    def to(self, device):
        """Moves the model to "cpu", "cuda" or what "auto" finds; returns it.

        Raises:
            ValueError: unknown device.
            RuntimeError: this build does not have the device.
        """
        self._move(f"{self.name}.to", choose_device(f"{self.name}.to", device))
        return self

    def _move(self, where, device):
        for weight in self.weights:
            move_tensor(where, weight, device)
        self.device = device

    def __call__(self, x, *args, training=None, **kwargs):
        outer = context.device
        context.device = self.device if outer is None else outer
        try:
            return super().__call__(x, *args, training=training, **kwargs)
        finally:
            context.device = outer

    def prepare(self, x):
        """x as call() gets it: on the model's device, see Layer."""
        if not isinstance(x, Tensor):
            x = as_input(self.name, x)
            if context.device == "cuda" and not isinstance(x, CudaArray):
                x = moved(self.name, as_batch(x), "cuda")
        return super().prepare(x)

    def __repr__(self):
        children = [(path, item) for path, item in self.named_children() if isinstance(item, Layer)]
        lines = [f"  ({path}): {_indented(repr(item))}" for path, item in children]
        return "\n".join([f"{type(self).__name__}({self.name!r}", *lines, ")"]) if lines else super().__repr__()


def _indented(text):
    return text.replace("\n", "\n  ")


class Sequential(Model):
    """Layers applied one after the other.

    Built at once where the first layer has input_shape= or is Input(shape), else at the first call. Conv2D followed by
    MaxPooling2D runs as one op, see plan.py.

    Args:
        layers: list of layers, or None.
        name: str.

    Raises:
        TypeError: one is not a layer.
        ValueError: two have the same name, or a layer does not fit what the one before it gives.
    """

    def __init__(self, layers=None, *, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self._layers = []
        if layers is not None and (
            isinstance(layers, Layer | str | Tensor | np.ndarray) or not hasattr(layers, "__iter__")
        ):
            layers = [layers]
        for layer in () if layers is None else layers:
            self.add(layer)

    def named_children(self):
        return [(str(i), layer) for i, layer in enumerate(self._layers)]

    def add(self, layer):
        """Appends a layer; builds it if the shape of its input is known.

        Raises:
            TypeError: it is not a layer.
            ValueError: its name is taken, or it does not fit.
        """
        if not isinstance(layer, Layer):
            raise TypeError(f"[{self.name}] add wants a layer: got {layer!r}")
        if any([layer.name == other.name for other in self._layers]):
            raise ValueError(f"[{self.name}] the name {layer.name!r} is taken: names of layers must differ")
        if isinstance(layer, Model) and not self.weights:
            self.device = layer.device  # a model around a trained one runs where that does
        self._layers.append(layer)
        try:
            if self.built:
                self._build_layers(self._built_shape)
            elif self.declared_shape is not None or self._layers[0].declared_shape is not None:
                self.build(self.declared_shape or self._layers[0].declared_shape)
        except Exception:
            self._layers.pop()
            raise

    def pop(self):
        """Removes and returns the last layer.

        Raises:
            ValueError: there is none.
        """
        if not self._layers:
            raise ValueError(f"[{self.name}] pop: there are no layers")
        return self._layers.pop()

    def build(self, input_shape=None):
        """Makes the weights of all layers for inputs of a shape (batch or None, ...)."""
        if input_shape is None:
            raise ValueError(f"[{self.name}] build wants the inputs' shape, batch included, e.g. (None, 28, 28, 1)")
        if not self.built and self._layers:
            self._build_layers((None, *checks.sizes(self.name, "input_shape", input_shape)[1:]))

    def build_for(self, shape):
        self.build(shape)

    def _build_layers(self, shape):
        inputs, outer = shape, context.device
        context.device = self.device if outer is None else outer
        try:
            for layer in self._layers:
                layer.build_for(shape)
                shape = layer.compute_output_shape(shape)
        finally:
            context.device = outer
        self._note_built(inputs)

    def check_shape(self, shape):
        declared = self.declared_shape or (self._layers[0].declared_shape if self._layers else None)
        if declared is None or (shape and shape[1:] == declared[1:]):
            return
        if len(shape) != len(declared) or any(
            [want not in (None, got) for want, got in zip(declared[1:], shape[1:], strict=True)]
        ):
            raise ValueError(f"[{self.name}] input shape differs: expected {declared}, got {tuple(shape)}")

    @property
    def input_shape(self):
        """(None, ...) that the model was built for, or None."""
        return self._built_shape

    @property
    def output_shape(self):
        """(None, ...) of the result, or None before the model is built."""
        return self.compute_output_shape(self._built_shape) if self.built else None

    def compute_output_shape(self, input_shape):
        for layer in self._layers:
            input_shape = layer.compute_output_shape(input_shape)
        return tuple(input_shape)

    def plan(self):
        """The steps that a call runs: layers, and joined layers."""
        return make_plan(self._layers)

    def call(self, x):
        for step in make_plan(self._layers):
            x = step(x)
        return x

    def get_config(self):
        """Name, input shape and the layers' configs, as JSON can hold them."""
        return {
            "name": self.name,
            "input_shape": self._built_shape and list(self._built_shape[1:]),
            "layers": to_json(self._layers),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A Sequential made from get_config()'s result, built if that one was."""
        model = cls(name=config["name"])
        model._layers = from_json(config["layers"], custom_objects, MODELS)
        if config["input_shape"] is not None:
            model.build((None, *config["input_shape"]))
        return model


_LAYERS = [cls for cls in vars(layer_module).values() if isinstance(cls, type) and issubclass(cls, Layer)]
MODELS = classes_by_name([*_LAYERS, Sequential])
