"""Flat buffers: Tensors of one dtype beside each other in one array, their gradients likewise in a second.

Each Tensor's data and gradient become views, so that one kernel call updates a whole model. A Tensor that was packed
once stays where it is, whoever uses it next. Every Tensor starts on a cache line; the gaps hold zeros.
"""

import numpy as np

from hotloop import _core
from hotloop._core import CudaArray

_ARRAYS = (np.ndarray, CudaArray)
_LINE = 64  # bytes


def _aligned(elements, dtype):
    line = _LINE // dtype.itemsize
    return -(-elements // line) * line


class Place:
    """Where a packed Tensor lies: elements [begin, end) of the flat arrays `data` and `grad`."""

    __slots__ = ("begin", "data", "end", "grad")

    def __init__(self, data, grad, begin, end):
        self.data, self.grad, self.begin, self.end = data, grad, begin, end


def place_of(tensor):
    """The Place of a Tensor, or None where it is not packed (or its data was replaced since)."""
    array, slot = tensor._data, tensor._grad_slot
    if slot is None or type(slot) is not type(array):
        return None
    data, grad = array.base, slot.base
    if not isinstance(data, _ARRAYS) or not isinstance(grad, _ARRAYS):
        return None
    if data.shape != grad.shape or data.dtype != grad.dtype or array.dtype != data.dtype or array.shape != slot.shape:
        return None
    begin = (_core.address(array) - _core.address(data)) // data.itemsize
    slot_begin = (_core.address(slot) - _core.address(grad)) // grad.itemsize
    if data.ndim != 1 or begin != slot_begin or not array.flags.c_contiguous:
        return None
    return Place(data, grad, begin, begin + array.size)


def _pack_alike(tensors, dtype):
    length = sum(_aligned(tensor.size, dtype) for tensor in tensors)
    data, grad = (_core.full_like(tensors[0]._data, (length,), 0) for _ in range(2))
    begin = 0
    for tensor in tensors:
        end = begin + tensor.size
        view, slot = data[begin:end].reshape(tensor.shape), grad[begin:end].reshape(tensor.shape)
        view[...] = tensor._data
        tensor._data, tensor._grad_slot = view, slot
        if tensor._grad is not None:
            slot[...] = tensor._grad
            tensor._grad = slot
        begin += _aligned(tensor.size, dtype)


def pack(tensors):
    """Moves those Tensors that have no Place into new flat arrays, one pair a dtype and device, in the order given."""
    loose = [tensor for tensor in tensors if place_of(tensor) is None]
    kinds = [(tensor.dtype, type(tensor._data)) for tensor in loose]
    for kind in dict.fromkeys(kinds):
        _pack_alike([tensor for tensor, own in zip(loose, kinds, strict=True) if own == kind], kind[0])


class Member:
    """A Tensor of a Group: its number with the optimizer, its views, and its elements [begin, end) of the Group."""

    __slots__ = ("begin", "data", "end", "number", "slot", "tensor")

    def __init__(self, number, tensor, begin, end):
        self.number, self.tensor, self.begin, self.end = number, tensor, begin, end
        self.data, self.slot = tensor._data, tensor._grad_slot

    def stays(self):
        """True where nobody gave the Tensor other arrays since."""
        return self.tensor._data is self.data and self.tensor._grad_slot is self.slot


class Group:
    """The Tensors of an optimizer that lie in one pair of flat arrays, and the optimizer's state for them.

    Args:
        numbered: [(number, Tensor, Place)] with the same flat arrays.
        state_fill: {name of a state array: value it starts at}.
    """

    def __init__(self, numbered, state_fill):
        # A view of nothing begins at 0, wherever it was made: before the Tensor that really lies there.
        numbered = sorted(numbered, key=lambda entry: (entry[2].begin, entry[2].end))
        first = numbered[0][2]
        low, high = first.begin, numbered[-1][2].end
        self.data, self.grad = first.data[low:high], first.grad[low:high]
        self.members = [Member(n, tensor, place.begin - low, place.end - low) for n, tensor, place in numbered]
        self.state = {name: _core.full_like(self.data, (high - low,), value) for name, value in state_fill.items()}
        self.whole = self.runs(self.members)

    def runs(self, members):
        """[(gradient, weight, *state)]: views of the longest stretches that hold these members and no others.

        Args:
            members: some of self.members, in order.
        """
        spans = []
        for member in members:
            if spans and member.begin == _aligned(spans[-1][1], self.data.dtype):
                spans[-1][1] = member.end
            else:
                spans.append([member.begin, member.end])
        arrays = (self.grad, self.data, *self.state.values())
        return [tuple(array[begin:end] for array in arrays) for begin, end in spans if begin < end]


def group(tensors, state_fill):
    """Packs the Tensors and returns their Groups; a Tensor's number is its position."""
    pack(tensors)
    numbered = {}
    for number, tensor in enumerate(tensors):
        place = place_of(tensor)
        numbered.setdefault((_core.address(place.data), _core.address(place.grad)), []).append((number, tensor, place))
    return [Group(entries, state_fill) for entries in numbered.values()]
