"""What happens to a batch before its first layer: rows picked by index, pixels scaled."""

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import data, record

__all__ = ["rescale", "take"]


def take(x, indices):
    """Rows of x by index: y[i] = x[indices[i]].

    Args:
        x: (rows, ...), any dtype but object.
        indices: integers of any shape, in [0, rows).

    Returns:
        indices.shape + x.shape[1:], of x's dtype.

    Raises:
        IndexError: an index is negative or too large; names the first.
        TypeError: indices are not integers.
    """
    array, ids = data(x), checks.array("take", "indices", data(indices))
    if isinstance(ids, _core.CudaArray):
        ids = ids.numpy()  # to be checked

    def backward(dy, need):
        return (_core.gather_rows_grad(dy, ids, array.shape[0]),)

    return record("take", _core.gather_rows(array, ids), (x,), backward)


def rescale(x, scale, offset=0.0):
    """Linear scaling: y = x * scale + offset. Bytes become float32 in the same pass.

    Args:
        x: array of any shape: uint8, as images come, or any other real dtype.
        scale: number, e.g. 1 / 255.
        offset: number.

    Returns:
        Array of x's shape; float64 for float64, else float32.
    """
    array = checks.operand("rescale", "x", data(x))
    scale, offset = checks.number("rescale", "scale", scale), checks.number("rescale", "offset", offset)
    if array.dtype == np.uint8:
        return _core.rescale_bytes(array, scale, offset)
    multiply, add = _core.binary_ops["multiply"], _core.binary_ops["add"]
    y = _core.binary(array, scale, multiply)
    if offset != 0:
        y = _core.binary(y, offset, add)

    def backward(dy, need):
        return (_core.binary(dy, scale, multiply),)

    return record("rescale", y, (x,), backward)
