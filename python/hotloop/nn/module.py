"""Module, Sequential and Parameter: hotloop's models as PyTorch's users write them."""

from hotloop import models
from hotloop.autograd import Tensor
from hotloop.layers.base import Layer

__all__ = ["Module", "Parameter", "Sequential"]


class _Torch:
    """What PyTorch's modules have and Keras' layers lack. Modules start in training mode."""

    _training = True

    @property
    def training(self):
        return self._training

    def named_parameters(self):
        """(path, Tensor) of the weights that take gradients."""
        return ((path, weight) for path, weight in self.named_weights() if weight.requires_grad)

    def children(self):
        """The modules that this one holds directly."""
        return (item for _, item in self.named_children() if isinstance(item, Layer))

    def zero_grad(self):
        """Forgets the gradients of all weights."""
        for weight in self.parameters():
            weight.grad = None


class Module(_Torch, models.Model):
    """Base of models: layers as attributes, forward(self, x) says what they do."""

    def forward(self, x):
        raise NotImplementedError(f"[{self.name}] {type(self).__name__} does not define forward(self, x)")

    def call(self, *args):
        return self.forward(*args)


class Sequential(_Torch, models.Sequential):
    """Modules applied one after the other: Sequential(a, b, ...), or of one dict of them."""

    def __init__(self, *modules, name=None):
        if len(modules) == 1 and isinstance(modules[0], dict | list):
            modules = modules[0].values() if isinstance(modules[0], dict) else modules[0]
        super().__init__(list(modules), name=name)

    def __len__(self):
        return len(self._layers)

    def __iter__(self):
        return iter(self._layers)

    def __getitem__(self, index):
        return Sequential(self._layers[index]) if isinstance(index, slice) else self._layers[index]


def Parameter(data, requires_grad=True):
    """A Tensor that is a weight of the module that holds it."""
    return Tensor(data, requires_grad=requires_grad, name="parameter")
