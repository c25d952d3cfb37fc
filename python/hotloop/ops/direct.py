"""The short way for plain arrays."""

import functools

from hotloop import _core


def direct(family, kind):
    """Decorator: calls with nothing but plain float32 arrays of one shape go straight to the kernel.

    Args:
        family: "unary", "binary" or "activation".
        kind: the number the kernels know the op by.
    """

    def decorate(function):
        return functools.update_wrapper(_core.direct(function, family, kind), function)

    return decorate
