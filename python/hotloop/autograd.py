"""Reverse-mode differentiation: Tensor, the tape, backward().

The tape knows no op. An op computes its result on plain arrays and calls `record` with a closure that turns the
gradient of the result into the gradients of its inputs; what backward needs is visibly captured there.

A recorded op is a _Node. Nodes point at the nodes of their inputs, or at the Tensors that no op made (leaves), never at
the arrays in between: those live as long as a closure or the caller holds them.
"""

import itertools
import operator
import threading
from contextlib import ContextDecorator

import numpy as np

from hotloop import _core, checks

_ADD = _core.binary_ops["add"]
_NUMBER = operator.attrgetter("number")


class _State(threading.local):
    def __init__(self):
        self.grad_enabled = True
        self.outside = []  # grad_enabled before each no_grad() of this thread that is still open


_state = _State()


class no_grad(ContextDecorator):
    """Context manager and decorator under which ops record nothing, in the thread that enters it."""

    def __enter__(self):
        _state.outside.append(_state.grad_enabled)
        _state.grad_enabled = False

    def __exit__(self, *_):
        _state.grad_enabled = _state.outside.pop()


def is_grad_enabled():
    """True where ops record what backward() needs."""
    return _state.grad_enabled


_numbers = itertools.count()


class _Node:
    """One recorded op.

    `edges[i]` is where the gradient of input i goes: a node, a leaf Tensor, or None. `number` grows with every op, so
    that sorting by it puts each op behind those it depends on.
    """

    __slots__ = ("backward", "edges", "gives_away", "name", "need", "number", "versions")

    def __init__(self, name, inputs, output, backward, gives_away=False):
        edges, versions = [], [(-1, output._versions, output._versions[0])]
        for i, x in enumerate(inputs):
            edge = None
            if isinstance(x, Tensor):
                if x.requires_grad:
                    edge = x if x._node is None else x._node
                versions.append((i, x._versions, x._versions[0]))
            edges.append(edge)
        self.number = next(_numbers)
        self.name = name
        self.edges = edges
        self.need = tuple([edge is not None for edge in edges])
        self.backward = backward
        self.gives_away = gives_away
        self.versions = versions

    def check(self):
        """Raises RuntimeError where the op can't be differentiated any more."""
        if self.backward is None:
            raise RuntimeError(
                f"[backward] the tape was freed at {self.name} by an earlier backward(): run the forward pass again, "
                "or pass retain_graph=True to the first call"
            )
        for i, cell, version in self.versions:
            if cell[0] != version:
                what = f"input {i} of {self.name}" if i >= 0 else f"the result of {self.name}"
                raise RuntimeError(
                    f"[backward] {what} was changed in place after the op ran (version {version} then, {cell[0]} now): "
                    "run the forward pass again"
                )

    def free(self):
        """Lets go of what backward needed."""
        self.backward = None
        self.edges = ()
        self.versions = ()


def record(name, result, inputs, backward, gives_away=False):
    """Wraps an op's result for the tape.

    Args:
        name: the op's name, for errors.
        result: ndarray, the op's result.
        inputs: the op's differentiable arguments as they came: Tensors, arrays, numbers or None.
        backward: (dy, need) -> gradients, one per input; `need[i]` says whether input i wants one, None is no gradient.
            dy must stay as it is. The tape adds into the arrays it is given, so each must be new; dy itself, or a view
            of an array that the op keeps, is copied first.
        gives_away: the views that backward returns are of arrays that nothing but the closure holds: they are the
            tape's once it drops the closure.

    Returns:
        `result` itself where no input is a Tensor, else a Tensor.
    """
    wants = any_tensor = False
    for x in inputs:
        if isinstance(x, Tensor):
            any_tensor = True
            if x.requires_grad:
                wants = True
    if not any_tensor:
        return result
    y = Tensor._wrap(result)
    if wants and _state.grad_enabled:
        y.requires_grad = True
        y._node = _Node(name, inputs, y, backward, gives_away)
    return y


def record_view(name, result, x, backward):
    """As `record`, for an op of one input whose result may be a view of it: both then change in place together."""
    if not isinstance(x, Tensor):
        return result
    y = Tensor._wrap(result)
    y._versions = x._versions
    if x.requires_grad and _state.grad_enabled:
        y.requires_grad = True
        y._node = _Node(name, (x,), y, backward)
    return y


def data(x):
    """The array of a Tensor; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


class Tensor:
    """An array with a gradient and a place on the tape.

    Args:
        data: array-like; float32 and float64 stay, other real dtypes become float32. A Tensor that requires a gradient
            copies it; one that doesn't may share the array's memory.
        requires_grad: whether backward() leaves a gradient in `grad`.
        name: a name for messages and files, or None.

    Raises:
        TypeError: data is not real numbers.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_grad_slot", "_node", "_versions", "name", "requires_grad")
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False, name=None):
        array = _as_float_array(data._data if isinstance(data, Tensor) else data)
        requires_grad = bool(requires_grad)
        self._set(np.array(array) if requires_grad else array)
        self.requires_grad = requires_grad
        self.name = name

    def _set(self, array):
        self._data = array
        self._grad = None
        self._grad_slot = None  # where an optimizer wants the gradient
        self._node = None
        self._versions = [0]  # one cell for all Tensors that share memory
        self.requires_grad = False
        self.name = None

    @classmethod
    def _wrap(cls, array):
        self = cls.__new__(cls)
        self._set(array)
        return self

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
        self._versions[0] += 1

    def _copy_in(self, what, target, value):
        value = checks.real_array(what, "value", value)
        if value.shape != self._data.shape:
            raise ValueError(f"[{what}] shape differs: tensor {self._data.shape}, value {value.shape}")
        target[...] = value

    @property
    def _version(self):
        """How often the data changed in place; a change that an op recorded before it makes backward() refuse."""
        return self._versions[0]

    @_version.setter
    def _version(self, value):
        self._versions[0] = value

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
        y = Tensor._wrap(self._data)
        y._versions = self._versions
        return y

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

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        extra = ", requires_grad=True" if self.requires_grad else ""
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=200)
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
        target = np.empty(self.shape, self.dtype) if self._grad_slot is None else self._grad_slot
        self._copy_in("Tensor.grad", target, value)
        self._grad = target

    def requires_grad_(self, requires_grad=True):
        """Sets requires_grad, returns the Tensor."""
        self.requires_grad = bool(requires_grad)
        return self

    def zero_grad(self):
        """Forgets the gradient."""
        self._grad = None

    def _add_grad(self, gradient, owned):
        """Adds to grad; `owned` says that nobody else holds the array."""
        if not self.requires_grad:
            return
        if self._grad is not None:
            _core.accumulate(gradient, self._grad)
        elif self._grad_slot is not None:
            self._grad_slot[...] = gradient
            self._grad = self._grad_slot
        elif owned and gradient.dtype is self._data.dtype and gradient.flags.c_contiguous:
            self._grad = gradient
        else:
            # From the pool: pages fresh from the system would cost more than the copy.
            self._grad = _core.empty(self._data.shape, self._data.dtype == np.float64)
            self._grad[...] = gradient

    def backward(self, gradient=None, *, retain_graph=False):
        """Adds d(self)/d(leaf) * gradient to the grad of every leaf that requires one.

        Args:
            gradient: array of this Tensor's shape; may be left out for a single element, and is then 1.
            retain_graph: keep the tape, so that backward() can run again.

        Raises:
            RuntimeError: nothing was recorded, the tape was used already, or a recorded input changed in place.
            ValueError: the gradient's shape is not this Tensor's.
        """
        if not self.requires_grad:
            raise RuntimeError("[backward] this Tensor does not require a gradient: no input of its ops did")
        gradient = _first_gradient(self, gradient)
        if self._node is None:
            self._add_grad(gradient, False)
        else:
            _run_backward(self._node, gradient, retain_graph)


def _restore(array, requires_grad, name):
    tensor = Tensor._wrap(array)
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


_ONES = {np.dtype(kind): np.ones((), kind) for kind in (np.float32, np.float64)}


def _first_gradient(y, gradient):
    if gradient is None:
        array = y._data
        if not array.ndim:
            return _ONES[array.dtype]  # nobody writes to it: gradients that are not owned are only read
        if array.size != 1:
            raise ValueError(f"[backward] shape {y.shape} is not a single element: pass the gradient to start from")
        return np.ones(y.shape, y.dtype)
    gradient = checks.real_array("backward", "gradient", data(gradient)).astype(y.dtype, copy=False)
    if gradient.shape != y.shape:
        raise ValueError(f"[backward] gradient has shape {gradient.shape}, this Tensor {y.shape}")
    return gradient


def _recorded(root):
    """The nodes that lead to root, each before everything that it was made from."""
    seen, stack = {root}, [root]
    while stack:
        for edge in stack.pop().edges:
            if type(edge) is _Node and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=_NUMBER, reverse=True) if len(seen) > 1 else (root,)


class _Sums:
    """Gradients on their way: one for each node or leaf, added up over all its uses."""

    __slots__ = ("_owned", "_sums", "leaves")

    def __init__(self):
        self.leaves = {}
        self._sums = {}
        self._owned = set()  # whose sum is an array that nobody else holds

    def add(self, target, gradient, owned):
        key = id(target)
        held = self._sums.get(key)
        if held is None:
            self._sums[key] = gradient
            if owned:
                self._owned.add(key)
            if type(target) is not _Node:
                self.leaves[key] = target
        elif key in self._owned and held.dtype is gradient.dtype and held.flags.c_contiguous:
            _core.accumulate(gradient, held)
        else:
            self._sums[key] = _core.binary(held, gradient, _ADD)
            self._owned.add(key)

    def take(self, target):
        """(the sum or None, whether nobody else holds it)"""
        key = id(target)
        return self._sums.pop(key, None), key in self._owned


def _pass_on(node, dy, sums, retain_graph):
    """Runs one op backwards."""
    gradients = node.backward(dy, node.need)
    alone = len(gradients) == 1
    views_are_new = node.gives_away and not retain_graph
    for edge, dx in zip(node.edges, gradients, strict=True):
        if edge is not None and dx is not None:
            new = dx is not dy and (views_are_new or not isinstance(dx.base, np.ndarray))
            sums.add(edge, dx, new and (alone or sum([dx is other for other in gradients]) == 1))


def _run_backward(root, gradient, retain_graph):
    order = _recorded(root)
    for node in order:
        node.check()
    sums = _Sums()
    sums.add(root, gradient, False)
    for node in order:
        dy, _ = sums.take(node)
        if dy is not None:
            _pass_on(node, dy, sums, retain_graph)
        if not retain_graph:
            node.free()
    # At the end, so that an op that fails leaves the gradients as they were.
    for leaf in sums.leaves.values():
        leaf._add_grad(*sums.take(leaf))
