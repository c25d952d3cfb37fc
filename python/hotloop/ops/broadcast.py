"""What the gradients of broadcasting ops share."""

from hotloop import _core

_SUM = _core.reduce_ops["sum"]


def summed_to(gradient, shape):
    """Adds up the axes along which broadcasting repeated an operand of the shape."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    repeated = [*range(extra)]
    repeated += [i + extra for i, size in enumerate(shape) if size == 1 and gradient.shape[i + extra] != 1]
    return _core.reduce(gradient, repeated, _SUM).reshape(shape)
