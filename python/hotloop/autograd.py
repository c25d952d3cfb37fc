"""Reverse-mode differentiation: Tensor, the tape, backward().

The tape knows no op. An op computes its result on plain arrays and calls `record` with a closure that turns the
gradient of the result into the gradients of its inputs; what backward needs is visibly captured there.
"""

import threading
from contextlib import ContextDecorator

import numpy as np

from hotloop import _core


class _State(threading.local):
    grad_enabled = True


_state = _State()


class no_grad(ContextDecorator):
    """Context manager and decorator under which ops record nothing."""

    def __enter__(self):
        self._previous = _state.grad_enabled
        _state.grad_enabled = False

    def __exit__(self, *_):
        _state.grad_enabled = self._previous


def is_grad_enabled():
    """True where ops record what backward() needs."""
    return _state.grad_enabled


class _Node:
    """One recorded op: its inputs, the closure over what backward needs, and the inputs' versions at that time."""

    __slots__ = ("backward", "inputs", "name", "versions")

    def __init__(self, name, inputs, backward):
        self.name = name
        self.inputs = inputs
        self.backward = backward
        self.versions = tuple(x._version if isinstance(x, Tensor) else 0 for x in inputs)

    def check_versions(self):
        for x, version in zip(self.inputs, self.versions, strict=True):
            if isinstance(x, Tensor) and x._version != version:
                raise RuntimeError(
                    f"[backward] an input {x.shape} of {self.name} was changed in place after the op used it "
                    f"(version {version} then, {x._version} now); run the forward pass again"
                )


def record(name, result, inputs, backward):
    """Wraps an op's result for the tape.

    Args:
        name: the op's name, for errors.
        result: ndarray, the op's result.
        inputs: the op's differentiable arguments as they came: Tensors, arrays, numbers or None.
        backward: (dy, need) -> gradients, one per input; `need[i]` says whether input i wants one, None is no gradient.

    Returns:
        `result` itself where no input is a Tensor, else a Tensor.
    """
    wants = False
    any_tensor = False
    for x in inputs:
        if isinstance(x, Tensor):
            any_tensor = True
            wants = wants or x.requires_grad
    if not any_tensor:
        return result
    y = Tensor._wrap(result)
    if wants and _state.grad_enabled:
        y.requires_grad = True
        y._node = _Node(name, tuple(inputs), backward)
    return y


def data(x):
    """The array of a Tensor; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


class Tensor:
    """An array with a gradient and a place on the tape.

    Args:
        data: array-like; float32 and float64 stay, other real dtypes become float32.
        requires_grad: whether backward() leaves a gradient in `grad`.

    Raises:
        TypeError: data is not real numbers.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_grad_slot", "_node", "_spent", "_version", "name", "requires_grad")
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False, name=None):
        if isinstance(data, Tensor):
            data = data._data
        self._set(_as_float_array(data), bool(requires_grad), name)

    def _set(self, array, requires_grad, name):
        self._data = array
        self.requires_grad = requires_grad
        self.name = name
        self._grad = None
        self._grad_slot = None
        self._node = None
        self._spent = False
        self._version = 0

    @classmethod
    def _wrap(cls, array):
        self = cls.__new__(cls)
        self._set(array, False, None)
        return self

    # -- the array ----------------------------------------------------------------------------------------------------

    @property
    def data(self):
        """The array; assignment copies in and counts as a change in place."""
        return self._data

    @data.setter
    def data(self, value):
        value = np.asarray(value._data if isinstance(value, Tensor) else value)
        if value.shape != self._data.shape:
            raise ValueError(f"[Tensor.data] shape differs: tensor {self._data.shape}, value {value.shape}")
        self._data[...] = value
        self._version += 1

    def numpy(self):
        """The array itself, without a copy."""
        return self._data

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
        return Tensor._wrap(self._data)

    def astype(self, dtype):
        """A Tensor of another floating dtype, off the tape."""
        return Tensor._wrap(self._data.astype(dtype))

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
        return np.array(self._data, dtype=dtype, copy=copy)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __repr__(self):
        extra = ", requires_grad=True" if self.requires_grad else ""
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=200)
        return f"Tensor({body}{'' if self._data.dtype == np.float32 else f', dtype={self._data.dtype}'}{extra})"

    def __reduce__(self):
        return _restore, (self._data.copy(), self.requires_grad, self.name)

    def __deepcopy__(self, memo):
        if self._node is not None:
            raise RuntimeError("[deepcopy] only Tensors that no op made can be copied; use detach()")
        made = _restore(self._data.copy(), self.requires_grad, self.name)
        memo[id(self)] = made
        return made

    # -- the gradient -------------------------------------------------------------------------------------------------

    @property
    def grad(self):
        """The gradient that backward() left, an array of the data's shape, or None."""
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is None:
            self._grad = None
            return
        value = np.asarray(value._data if isinstance(value, Tensor) else value, dtype=self._data.dtype)
        if value.shape != self._data.shape:
            raise ValueError(f"[Tensor.grad] shape differs: tensor {self._data.shape}, gradient {value.shape}")
        if self._grad_slot is None:
            self._grad = value.copy()
        else:
            self._grad_slot[...] = value
            self._grad = self._grad_slot

    def requires_grad_(self, requires_grad=True):
        """Sets requires_grad, returns the Tensor."""
        self.requires_grad = bool(requires_grad)
        return self

    def zero_grad(self):
        """Forgets the gradient."""
        self._grad = None

    def _add_grad(self, gradient, owned):
        if gradient.dtype != self._data.dtype:
            gradient, owned = gradient.astype(self._data.dtype), True
        if self._grad is not None:
            _core.accumulate(gradient, self._grad)
        elif self._grad_slot is not None:
            self._grad_slot[...] = gradient
            self._grad = self._grad_slot
        else:
            self._grad = gradient if owned else gradient.copy()

    def backward(self, gradient=None, *, retain_graph=False):
        """Adds d(self)/d(leaf) * gradient to the grad of every leaf that requires one.

        Args:
            gradient: array of this Tensor's shape; may be left out for a single element, and is then 1.
            retain_graph: keep the tape, so that backward() can run again.

        Raises:
            RuntimeError: nothing was recorded, the tape was used already, or a recorded input changed in place.
            ValueError: the gradient's shape is not this Tensor's.
        """
        if self._spent:
            raise RuntimeError(
                "[backward] the tape of this Tensor was freed by an earlier backward(); run the forward pass again, or "
                "pass retain_graph=True to the first call"
            )
        if not self.requires_grad:
            raise RuntimeError("[backward] this Tensor does not require a gradient: no input of its ops did")
        _run_backward(self, _first_gradient(self, gradient), retain_graph)


def _restore(array, requires_grad, name):
    tensor = Tensor._wrap(array)
    tensor.requires_grad = requires_grad
    tensor.name = name
    return tensor


def _as_float_array(value):
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[Tensor] dtype {array.dtype} is not supported; wants real numbers")
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        wide = array.dtype.kind == "f" and array.dtype.itemsize == 8
        return array.astype(np.float64 if wide else np.float32)
    if array is value:
        return array
    # A Python number or list: float32, as hl.array and PyTorch take it.
    return array.astype(np.float32) if not isinstance(value, np.generic) else array


def _first_gradient(y, gradient):
    if gradient is None:
        if y._data.size != 1:
            raise ValueError(f"[backward] shape {y.shape} is not a single element: pass the gradient to start from")
        return np.ones(y.shape, y.dtype)
    gradient = np.asarray(data(gradient), dtype=y.dtype)
    if gradient.shape != y.shape:
        raise ValueError(f"[backward] gradient has shape {gradient.shape}, this Tensor {y.shape}")
    return gradient


def _recorded_order(root):
    """Tensors with a recorded op that lead to root, each behind everything that it was made from."""
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        tensor, done = stack.pop()
        if done:
            order.append(tensor)
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            stack.append((tensor, True))
            if tensor._node is not None:
                stack.extend((x, False) for x in tensor._node.inputs if isinstance(x, Tensor) and x.requires_grad)
            elif tensor._spent:
                raise RuntimeError("[backward] part of the tape was freed by an earlier backward(); run forward again")
    return order


def _run_backward(root, gradient, retain_graph):
    order = _recorded_order(root)
    for tensor in order:
        if tensor._node is not None:
            tensor._node.check_versions()
    gradients = {id(root): gradient}
    owned = set()  # tensors whose gradient is an array that nobody else holds
    for tensor in reversed(order):
        dy = gradients.pop(id(tensor), None)
        node = tensor._node
        if node is None:
            if dy is not None:
                tensor._add_grad(dy, id(tensor) in owned)
            continue
        if dy is not None:
            need = tuple(isinstance(x, Tensor) and x.requires_grad for x in node.inputs)
            for x, wanted, dx in zip(node.inputs, need, node.backward(dy, need), strict=True):
                if not wanted or dx is None:
                    continue
                key = id(x)
                held = gradients.get(key)
                if held is None:
                    gradients[key] = dx
                    if dx is not dy and not isinstance(dx.base, np.ndarray):
                        owned.add(key)
                elif key in owned and held.dtype == dx.dtype:
                    _core.accumulate(dx, held)
                else:
                    gradients[key] = _core.binary(held, dx, _core.binary_ops["add"])
                    owned.add(key)
        if not retain_graph:
            tensor._node = None
            tensor._spent = True
