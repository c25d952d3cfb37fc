"""Layer: what all layers and models share. Building, calling, weights, names, configs.

Weights are Tensors and sublayers are layers in ordinary attributes; whoever needs them walks the attributes (tree.py).
"""

import inspect
import math
from functools import cached_property

import numpy as np

from hotloop import checks, initializers
from hotloop.autograd import Tensor, no_grad
from hotloop.devices import device_of, moved
from hotloop.layers.auto_name import auto_name
from hotloop.layers.config import from_json, to_json
from hotloop.layers.context import context
from hotloop.layers.tree import Finder, all_layers, named_weights
from hotloop.names import choose

__all__ = ["Layer"]

_DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


class derived:
    """A property that gives way to an attribute of its name, which a user's layer may have for itself."""

    def __init__(self, function):
        self._function, self.__doc__ = function, function.__doc__

    def __get__(self, layer, owner):
        return self if layer is None else self._function(layer)


class Layer:
    """Base of all layers: override `call`, and `build` where there are weights.

    Args:
        name: str; by default made from the class: dense, dense_1, ...
        trainable: whether the weights take gradients.
        dtype: of the weights, "float32" or "float64"; inputs are cast to it.
        input_shape: shape of one input without the batch axis; lets Sequential build at once.

    Raises:
        ValueError: unknown dtype.
        TypeError: input_shape is not a tuple of sizes, name not a string, trainable neither True nor False.
    """

    config_names = ()  # constructor arguments kept as attributes of the same name
    input_rank = None  # how many axes an input has, batch included; None for any
    input_axes = ""  # their names, for errors

    built = False
    _trainable = True
    _training = False
    _casts = False  # whether inputs are cast to the weights' dtype
    _takes_training = False
    _fixed = frozenset()  # names of the weights that never take a gradient
    _features = None  # (axis, size) that the weights were built for
    _built_shape = None
    declared_shape = None
    dtype = _DTYPES["float32"]

    def __init__(self, *, name=None, trainable=True, dtype="float32", input_shape=None):
        kind = type(self).__name__
        self.name = auto_name(kind) if name is None else checks.text(kind, "name", name)
        self._trainable = checks.flag(self.name, "trainable", trainable)
        self.dtype = choose(kind, "dtype", _dtype_name(dtype), _DTYPES)
        if input_shape is not None:
            self.declared_shape = (None, *checks.sizes(self.name, "input_shape", input_shape))

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        parameters = inspect.signature(cls.call).parameters.values()
        cls._takes_training = any([p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters])

    @cached_property
    def name(self):
        """What errors, summaries and files call the layer; may be assigned."""
        return auto_name(type(self).__name__)

    # -- calling ------------------------------------------------------------------------------------------------------

    def call(self, x):
        """The layer's formula; `training` is passed where the signature has it."""
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define call(self, x)")

    def build(self, input_shape):
        """Makes the weights for inputs of a shape whose first size, the batch, is None."""

    def __call__(self, x, *args, training=None, **kwargs):
        """Applies the layer.

        Args:
            x: ndarray, Tensor or nested lists.
            training: True or False; None is what the enclosing call says, else what train() or eval() set last.

        Raises:
            ValueError: x does not have the rank or size that the layer wants.
            TypeError: x is not an array of real numbers.
        """
        x = self.prepare(x)
        outer = context.training
        if training is None:
            training = self._training if outer is None else outer
        elif training is not True and training is not False:
            training = checks.flag(self.name, "training", training)
        if self._takes_training:
            kwargs["training"] = training
        context.training = training
        try:
            return self.call(x, *args, **kwargs)
        finally:
            context.training = outer

    def prepare(self, x):
        """x as call() gets it: checked, in the weights' dtype, and the layer built for it."""
        if not isinstance(x, Tensor):
            x = as_input(self.name, x)
        if not self.built:
            self.build_for((None, *x.shape[1:]))
        else:
            self.check_shape(x.shape)
        if self._casts and x.dtype != self.dtype:
            x = x.astype(self.dtype)
        return x

    def build_for(self, shape):
        """Builds the layer for inputs of a shape (None, ...); if that has been done, checks that they fit."""
        self.check_shape(shape)
        if self.built:
            return
        self.build(shape)
        self.built = True
        self._built_shape = tuple(shape)

    def check_shape(self, shape):
        """Raises ValueError where inputs of this shape are not what the layer wants."""
        if self.input_rank is not None and len(shape) != self.input_rank:
            raise ValueError(
                f"[{self.name}] rank differs: input {tuple(shape)} has {len(shape)} dimensions, "
                f"{type(self).__name__} wants {self.input_rank}: {self.input_axes}"
            )
        if self._features is not None:
            axis, size = self._features
            if len(shape) < max(-axis, 1) or shape[axis] != size:
                raise ValueError(
                    f"[{self.name}] input shape differs: built for size {size} along axis {axis}, got {tuple(shape)}"
                )

    def compute_output_shape(self, input_shape):
        """Shape of the result for an input shape whose batch size is None; by default found by a call on zeros."""
        with no_grad():
            y = self(self.probe(input_shape), training=False)
        return (None, *y.shape[1:])

    def probe(self, input_shape):
        """Zeros of an input's shape, beside the weights."""
        shape = [1 if size is None else size for size in input_shape]
        checks.addressable(self.name, "input shape", shape, self.dtype.itemsize)
        zeros = checks.made(self.name, np.zeros, shape, self.dtype)
        devices = [device_of(w.data) for w in self.weights] or [context.device or "cpu"]
        return moved(self.name, zeros, devices[0])

    # -- weights ------------------------------------------------------------------------------------------------------

    def add_weight(self, shape=(), initializer="glorot_uniform", *, dtype=None, trainable=True, name=None):
        """Makes a weight; keep it as an attribute.

        Args:
            shape: tuple of sizes.
            initializer: name, Initializer or callable (shape, dtype); None is "glorot_uniform".
            dtype: the layer's unless given.
            trainable: whether it ever takes a gradient.
            name: what summaries and errors call it.
        """
        shape = checks.sizes(self.name, "a weight's shape", shape)
        if None in shape:
            raise ValueError(f"[{self.name}] weight {name!r} of shape {shape} can't be built: a size is unknown")
        if context.weights_left is not None:
            context.weights_left -= math.prod(shape)
            if context.weights_left < 0:
                raise ValueError(f"[{self.name}] weight {name!r} of shape {shape} has more elements than were saved")
        checks.addressable(self.name, f"weight {name!r} of shape", shape, 8)  # they are drawn in float64
        dtype = self.dtype if dtype is None else choose(self.name, "dtype", _dtype_name(dtype), _DTYPES)
        trainable = checks.flag(self.name, "a weight's trainable", trainable)
        initializer = initializers.get(initializer, self.name) or initializers.GlorotUniform()
        values = np.asarray(checks.made(self.name, initializer, shape, dtype), dtype)
        if values.shape != shape:
            raise ValueError(f"[{self.name}] initializer gave shape {values.shape}, weight {name!r} wants {shape}")
        self._casts = True
        name = "weight" if name is None else checks.text(self.name, "a weight's name", name)
        if not trainable:
            self._fixed |= {name}
        values = moved(self.name, values, context.device or "cpu")
        return Tensor(values, requires_grad=trainable and self._trainable, name=name)

    def named_children(self):
        """[(path, Tensor or Layer)] of what the layer holds directly."""
        return _children.among(vars(self).items())

    def named_weights(self):
        """[(path, Tensor)] of all weights, sublayers' too, e.g. ("dense1.kernel", Tensor)."""
        return named_weights(self)

    @derived
    def weights(self):
        """All weights, in order of the attributes."""
        return [weight for _, weight in named_weights(self)]

    @property
    def trainable_weights(self):
        """The weights that take gradients."""
        return [weight for _, weight in named_weights(self) if weight.requires_grad]

    @property
    def non_trainable_weights(self):
        """The weights that take none."""
        return [weight for _, weight in named_weights(self) if not weight.requires_grad]

    def parameters(self):
        """The weights that take gradients, for an optimizer."""
        return self.trainable_weights

    def count_params(self):
        """How many numbers the weights are."""
        return sum(weight.size for _, weight in named_weights(self))

    def get_weights(self):
        """Copies of the weights, in order of `weights`."""
        return [np.array(weight.data) for _, weight in named_weights(self)]

    def set_weights(self, values):
        """Copies arrays into the weights; nothing changes where one does not fit.

        Raises:
            ValueError: their number or a shape differs.
        """
        named = named_weights(self)
        if not isinstance(values, list | tuple):
            raise TypeError(f"[{self.name}] set_weights wants a list of arrays, got {type(values).__name__}")
        values = [checks.real_array(f"{self.name}.set_weights", "a weight", value) for value in values]
        if len(values) != len(named):
            raise ValueError(f"[{self.name}] set_weights: {len(named)} weights, got {len(values)} arrays")
        for (path, weight), value in zip(named, values, strict=True):
            if weight.shape != value.shape:
                raise ValueError(f"[{self.name}] set_weights: {path} has shape {weight.shape}, got {value.shape}")
        for (_, weight), value in zip(named, values, strict=True):
            weight.data = value

    @property
    def trainable(self):
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        value = checks.flag(self.name, "trainable", value)
        for layer in all_layers(self):
            layer._trainable = value
            for path, item in layer.named_children():
                if isinstance(item, Tensor):
                    item.name = item.name or path  # a Tensor that takes no gradient is a weight by its name
                    item.requires_grad = value and item.name not in layer._fixed

    def train(self, mode=True):
        """Makes calls outside fit run as in training; returns the layer."""
        mode = checks.flag(f"{self.name}.train", "mode", mode)
        for layer in all_layers(self):
            layer._training = mode
        return self

    def eval(self):
        """Makes calls outside fit run as in evaluation, which is the default; returns the layer."""
        return self.train(False)

    # -- configs ------------------------------------------------------------------------------------------------------

    def get_config(self):
        """The constructor's arguments, as JSON can hold them."""
        own = {name: to_json(getattr(self, name)) for name in self.config_names}
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype.name, **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A layer made from get_config()'s result."""
        return cls(**from_json(config, custom_objects))

    def __repr__(self):
        defaults = {p.name: p.default for p in inspect.signature(type(self).__init__).parameters.values()}
        shown = {name: getattr(self, name) for name in self.config_names}
        parts = [f"{name}={_brief(value)}" for name, value in shown.items() if value != defaults.get(name)]
        return f"{type(self).__name__}({', '.join([*parts, f'name={self.name!r}'])})"


_children = Finder(Layer)


class Pointwise(Layer):
    """Base of the layers whose results have the shape of their inputs."""

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


def as_input(where, x, what="input"):
    """x as an ndarray of real numbers, or a CudaArray as it is.

    Raises:
        TypeError: it is none.
    """
    if isinstance(x, Layer):
        raise TypeError(
            f"[{where}] called on the layer {x.name!r}, not on data: chain layers in Sequential, or in the call() "
            "of a Model subclass"
        )
    return checks.real_array(where, what, x)


def _dtype_name(dtype):
    """A dtype's name; of what is none, as it is."""
    try:
        return np.dtype("float32" if dtype is None else dtype).name
    except TypeError:
        return dtype


def _brief(value):
    return getattr(value, "__name__", None) or repr(value)
