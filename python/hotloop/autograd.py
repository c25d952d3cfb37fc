"""Reverse-mode differentiation: Tensor, the tape, backward().

The tape knows no op. An op computes its result on plain arrays and calls `record` with a closure that turns the
gradient of the result into the gradients of its inputs; what backward needs is visibly captured there.

A recorded op is a Node: its name, its closure, and an edge for each input. Nodes point at the nodes of their inputs, or
at the Tensors that no op made (leaves), never at the arrays in between: those live as long as a closure or the caller
holds them. Nodes are numbered as they are made, so that sorting by number puts each op behind those it depends on.

Tensors that share memory share a version, which counts changes in place. A node notes the versions of its inputs and of
its result, and can't be differentiated once one of them has changed.

What runs for every op is compiled: the fields of a Tensor, recording, and the walk over the nodes
(csrc/bindings/tape.cpp and tape_backward.cpp). The rest is here.
"""

from contextlib import ContextDecorator

import numpy as np

from hotloop import _core, checks


class no_grad(ContextDecorator):
    """Context manager and decorator under which ops record nothing, in the thread that enters it."""

    # Compiled functions, at whose beginning Python handles no signal: Ctrl-C can't leave it entered.
    __enter__ = _core.pause_recording
    __exit__ = _core.resume_recording


# is_grad_enabled() -> bool
#
# True where ops record what backward() needs.
is_grad_enabled = _core.is_grad_enabled

# wants_gradient(*inputs) -> bool
#
# True where `record` would record an op of these inputs: Tensors, arrays, numbers or None.
wants_gradient = _core.wants_gradient

# record(name, result, inputs, backward, gives_away=False) -> `result` itself where no input is a Tensor, else a Tensor
#
# Wraps an op's result for the tape.
#   name: the op's name, for errors.
#   result: array, the op's result.
#   inputs: the op's differentiable arguments as they came: Tensors, arrays, numbers or None.
#   backward: (dy, need) -> gradients, one per input; `need[i]` says whether input i wants one, None is no gradient.
#       dy must stay as it is. The tape adds into the arrays it is given, so each must be new; dy itself, or a view of
#       an array that the op keeps, is copied first.
#   gives_away: what backward returns may also be arrays that nothing but the closure holds, or views of them: they are
#       the tape's once it drops the closure.
record = _core.record

# record_view(name, result, x, backward)
#
# As `record`, for an op of one input whose result may be a view of it: both then change in place together.
record_view = _core.record_view

# data(x)
#
# The array of a Tensor; anything else as it is.
data = _core.data


class Tensor(_core.TensorBase):
    """An array with a gradient and a place on the tape.

    Args:
        data: array-like; float32 and float64 stay, other real dtypes become float32. A Tensor that requires a gradient
            copies it; one that doesn't may share the array's memory.
        requires_grad: whether backward() leaves a gradient in `grad`.
        name: a name for messages and files, or None.

    Raises:
        TypeError: data is not real numbers.
    """

    # The base has _data, _grad, _grad_slot (where an optimizer wants the gradient), _node, _version, name and
    # requires_grad.
    __slots__ = ()
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False, name=None):
        array = _as_float_array(data._data if isinstance(data, Tensor) else data)
        if requires_grad is not False:
            requires_grad = checks.flag("Tensor", "requires_grad", requires_grad)
        if name is not None:
            checks.text("Tensor", "name", name)
        self._data = array.copy() if requires_grad else array
        self.requires_grad = requires_grad
        self.name = name

    # -- the array ----------------------------------------------------------------------------------------------------

    @property
    def data(self):
        """The array; assignment copies in and counts as a change in place."""
        return self._data

    @data.setter
    def data(self, value):
        value = data(value)
        if value is not self._data:
            self._copy_in("Tensor.data", self._data, value)
        self._version += 1

    def _copy_in(self, what, target, value):
        value = checks.real_array(what, "value", value)
        if value.shape != self._data.shape:
            raise ValueError(f"[{what}] shape differs: tensor {self._data.shape}, value {value.shape}")
        target[...] = value

    def numpy(self):
        """The array itself, without a copy; of a CudaArray, a copy on the host."""
        return self._data if isinstance(self._data, np.ndarray) else self._data.numpy()

    def item(self):
        """The only element as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"[Tensor.item] wants one element, shape {self._data.shape} has {self._data.size}")
        return self._data.item()

    def tolist(self):
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    def detach(self):
        """The same array off the tape."""
        return _core.detach(self)

    @property
    def shape(self):
        return self._data.shape

    @property
    def dtype(self):
        return self._data.dtype

    @property
    def ndim(self):
        return self._data.ndim

    @property
    def size(self):
        return self._data.size

    def __len__(self):
        if not self._data.ndim:
            raise TypeError("[len] a Tensor of shape () has no length")
        return self._data.shape[0]

    def __array__(self, dtype=None, copy=None):
        if copy is False and dtype not in (None, self._data.dtype):
            raise ValueError(f"[Tensor] {self._data.dtype} cannot become {dtype} without a copy")
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        extra = ", requires_grad=True" if self.requires_grad else ""
        body = np.array2string(self.numpy(), separator=", ", prefix="Tensor(", threshold=200)
        return f"Tensor({body}{'' if self._data.dtype == np.float32 else f', dtype={self._data.dtype}'}{extra})"

    def __reduce__(self):
        return _restore, (self._data.copy(), self.requires_grad and self.is_leaf, self.name)

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise RuntimeError("[deepcopy] only Tensors that no op made can be copied; use detach()")
        made = _restore(self._data.copy(), self.requires_grad, self.name)
        if self._grad is not None:
            made._grad = self._grad.copy()
        memo[id(self)] = made
        return made

    # -- the gradient -------------------------------------------------------------------------------------------------

    @property
    def is_leaf(self):
        """True where no recorded op made this Tensor: where backward() leaves gradients."""
        return self._node is None

    @property
    def grad(self):
        """The gradient that backward() left, an array of the data's shape, or None; assignment copies in."""
        return self._grad

    @grad.setter
    def grad(self, value):
        value = data(value)
        if value is None or value is self._grad:
            self._grad = value
            return
        target = _core.empty_like(self._data, self.shape) if self._grad_slot is None else self._grad_slot
        self._copy_in("Tensor.grad", target, value)
        self._grad = target

    def requires_grad_(self, requires_grad=True):
        """Sets requires_grad, returns the Tensor."""
        self.requires_grad = checks.flag("requires_grad_", "requires_grad", requires_grad)
        return self

    def zero_grad(self):
        """Forgets the gradient."""
        self._grad = None

    def backward(self, gradient=None, *, retain_graph=False):
        """Adds d(self)/d(leaf) * gradient to the grad of every leaf that requires one.

        Args:
            gradient: array of this Tensor's shape; may be left out for a single element, and is then 1.
            retain_graph: keep the tape, so that backward() can run again.

        Raises:
            RuntimeError: nothing was recorded, the tape was used already, or a recorded input changed in place.
            ValueError: the gradient's shape is not this Tensor's.
        """
        if retain_graph is not False:
            retain_graph = checks.flag("backward", "retain_graph", retain_graph)
        _core.backward(self, gradient, retain_graph)


def _restore(array, requires_grad, name):
    tensor = _core.wrap(array)
    tensor.requires_grad = requires_grad
    tensor.name = name
    return tensor


def _as_float_array(value):
    array = checks.real_array("Tensor", "data", value)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        wide = array.dtype.kind == "f" and array.dtype.itemsize == 8
        return array.astype(np.float64 if wide else np.float32)
    if array is value:
        return array
    # A Python number or list: float32, as hl.array and PyTorch take it.
    return array if isinstance(value, np.generic | np.ndarray) else array.astype(np.float32)


_one_there = None  # the CudaArray that backward() of a loss starts from: known to be 1 without reading it


def is_one(dy):
    """Whether a gradient of shape () is known to be 1."""
    return dy is _one_there if isinstance(dy, _core.CudaArray) else dy.item() == 1


def _first_gradient(y, gradient):
    """The array that backward() starts from, where it is neither a number nor given one of y's shape and dtype."""
    global _one_there
    if gradient is None:
        array = y._data
        if array.size != 1:
            raise ValueError(f"[backward] shape {y.shape} is not a single element: pass the gradient to start from")
        if array.ndim:
            return _core.full_like(array, y.shape, 1)
        if _one_there is None:
            _one_there = _core.full_like(array, (), 1)
        return _one_there
    gradient = checks.real_array("backward", "gradient", data(gradient)).astype(y.dtype, copy=False)
    if gradient.shape != y.shape:
        raise ValueError(f"[backward] gradient has shape {gradient.shape}, this Tensor {y.shape}")
    return gradient


def _copied(gradient, array):
    """A gradient as a new array like `array`, from the pool: fresh pages would cost more than the copy."""
    copy = _core.empty_like(array, array.shape)
    copy[...] = gradient
    return copy


_core.define_tape(Tensor, _first_gradient, _copied)
