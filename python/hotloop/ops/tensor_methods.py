"""Gives Tensor its operators and methods, each one a public function of this package."""

import math

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import Tensor, data, is_grad_enabled, record
from hotloop.devices import choose_device, device_of, moved
from hotloop.ops import activation, elementwise, reduce
from hotloop.ops.elementwise import add, divide, multiply, negative, power, subtract
from hotloop.ops.matmul import matmul
from hotloop.ops.shape import getitem, reshape, transpose
from hotloop.ops.softmax import log_softmax, softmax

__all__ = []


def _reflected(function):
    return lambda self, other: function(other, self)


def _in_place(symbol, function):
    """A new Tensor, as everywhere on the tape; under no_grad() the Tensor itself, changed in place."""

    def operator(self, other):
        if is_grad_enabled():
            if self.requires_grad and self.is_leaf:
                raise RuntimeError(
                    f"[{symbol}] this Tensor {self.shape} requires a gradient and can't be changed while ops are "
                    "recorded: do it under no_grad()"
                )
            return function(self, other)
        self.data = function(self, other)
        return self

    return operator


def _comparison(name):
    kind = _core.compare_ops[name]

    def operator(self, other):
        """Element by element: a boolean ndarray."""
        if other is None or isinstance(other, str):
            return NotImplemented
        return _core.compare(self._data, data(other), kind)

    return operator


def _over_axes(function):
    """A reduction as NumPy's users call it, and as PyTorch's do."""

    def method(self, axis=None, keepdims=False, *, dim=None, keepdim=False):
        return function(self, axis if dim is None else dim, keepdims if keepdim is False else keepdim)

    method.__doc__ = function.__doc__
    return method


def _along_axis(function):
    """softmax and its logarithm as NumPy's users call them, and as PyTorch's do."""

    def method(self, axis=-1, *, dim=None):
        return function(self, axis if dim is None else dim)

    method.__doc__ = function.__doc__
    return method


def _shape_of(shape):
    return shape[0] if len(shape) == 1 else shape


def _reshape(self, *shape):
    """The same elements in another shape; sizes as numbers or as one tuple."""
    return reshape(self, _shape_of(shape))


def _transpose(self, *axes):
    """The axes in another order, as numbers or as one tuple; without them, reversed."""
    return transpose(self, _shape_of(axes) if axes else None)


def _flatten(self, start_dim=0, end_dim=-1):
    """Axes start_dim .. end_dim as one."""
    shape = self.shape or (1,)
    first = checks.axis("flatten", start_dim, shape, "start_dim")
    last = checks.axis("flatten", end_dim, shape, "end_dim")
    if first > last:
        raise ValueError(f"[flatten] start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(self, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def _squeeze(self, axis=None):
    """Without the axes of size 1, or without this one."""
    if axis is not None and self.shape[checks.axis("squeeze", axis, self.shape)] != 1:
        raise ValueError(f"[squeeze] axis {axis} of shape {self.shape} has not size 1")
    if axis is None:
        return reshape(self, tuple([size for size in self.shape if size != 1]))
    at = axis % self.ndim
    return reshape(self, (*self.shape[:at], *self.shape[at + 1 :]))


def _unsqueeze(self, dim):
    """With a new axis of size 1 there."""
    at = checks.axis("unsqueeze", dim, (*self.shape, 1), "dim")
    return reshape(self, (*self.shape[:at], 1, *self.shape[at:]))


def _astype(self, dtype):
    """The Tensor in float32 or float64.

    Raises:
        TypeError: dtype is neither.
    """
    own = self.dtype
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        dtype = repr(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"[astype] a Tensor is float32 or float64, not {dtype}; take .numpy() for others")
    return record("astype", self._data.astype(dtype), (self,), lambda dy, need: (dy.astype(own),))


def _to(self, device):
    """The Tensor on "cpu" or "cuda", on the tape: itself, where it is there already."""
    device = choose_device("Tensor.to", device)
    if device == device_of(self._data):
        return self
    back = device_of(self._data)
    return record("to", moved("Tensor.to", self._data, device), (self,), lambda dy, need: (moved("to", dy, back),))


def _clone(self):
    """A copy, on the tape."""
    return record("clone", self._data.copy(), (self,), lambda dy, need: (dy,))


_METHODS = {
    "__neg__": negative,
    "__pos__": lambda self: self,
    "__abs__": elementwise.abs,
    "__matmul__": matmul,
    "__rmatmul__": _reflected(matmul),
    "__getitem__": getitem,
    "T": property(transpose),
    "astype": _astype,
    "clone": _clone,
    "flatten": _flatten,
    "matmul": matmul,
    "pow": power,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "to": _to,
    "unsqueeze": _unsqueeze,
    "view": _reshape,
}

for _name, _function in _METHODS.items():
    setattr(Tensor, _name, _function)
for _name in ("argmax", "sum", "mean", "max", "min"):
    setattr(Tensor, _name, _over_axes(getattr(reduce, _name)))
for _function in (softmax, log_softmax):
    setattr(Tensor, _function.__name__, _along_axis(_function))
for _name in ("abs", "cos", "exp", "log", "reciprocal", "sign", "sin", "sqrt", "square"):
    setattr(Tensor, _name, getattr(elementwise, _name))
for _name in ("relu", "sigmoid", "tanh"):
    setattr(Tensor, _name, getattr(activation, _name))
for _name, _symbol, _function in (
    ("add", "+=", add),
    ("sub", "-=", subtract),
    ("mul", "*=", multiply),
    ("truediv", "/=", divide),
    ("pow", "**=", power),
):
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", _reflected(_function))
    setattr(Tensor, f"__i{_name}__", _in_place(_symbol, _function))
for _name, _kind in (
    ("__eq__", "equal"),
    ("__ne__", "not_equal"),
    ("__lt__", "less"),
    ("__le__", "less_equal"),
    ("__gt__", "greater"),
    ("__ge__", "greater_equal"),
):
    setattr(Tensor, _name, _comparison(_kind))
