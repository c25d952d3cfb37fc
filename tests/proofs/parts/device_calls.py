"""Calling ops on a device, and getting ndarrays back."""

import numpy as np

import hotloop as hl
from hotloop.autograd import Tensor, data


def there(array, device):
    """An ndarray's copy on the device, or the ndarray itself on the CPU."""
    return hl.array(array, device=device) if device == "cuda" else array


def here(result, device):
    """An op's result, which must lie on the device, as an ndarray."""
    array = data(result)
    kind = np.ndarray if device == "cpu" else hl.CudaArray
    assert isinstance(array, kind), f"a result of {device} is a {type(array).__name__}"
    return array if device == "cpu" else array.numpy()


def differentiated(op, arrays, dy, device):
    """(y, gradients) of y = op(*arrays) on Tensors, from the gradient dy of y; all ndarrays."""
    leaves = [Tensor(there(array, device), requires_grad=True) for array in arrays]
    y = op(*leaves)
    result = here(y, device)
    y.backward(there(dy, device))
    for leaf in leaves:
        assert leaf.grad is not None, f"no gradient for the operand of shape {leaf.shape}"
    return result, [here(leaf.grad, device) for leaf in leaves]
