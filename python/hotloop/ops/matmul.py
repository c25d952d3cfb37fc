"""Matrix products."""

import math

from hotloop import _core
from hotloop.autograd import Tensor, data, is_grad_enabled, record
from hotloop.ops.activation import activate, activation_number, default_alpha, needs_input
from hotloop.ops.broadcast import summed_to

__all__ = ["linear", "matmul"]


def _transposed(a):
    return a.swapaxes(-1, -2)


def _as_rows(a):
    """(..., K) as (rows, K); reshape(-1, K) can't where K is 0."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def matmul(a, b, *, out=None):
    """Matrix product with numpy.matmul's rules: y[..., i, j] = sum_k a[..., i, k] * b[..., k, j].

    Args:
        a: (..., M, K) or (K,), float32 or float64; its last two axes may be a transposed view.
        b: (..., K, N) or (K,); leading axes broadcast.
        out: where to write the result.

    Returns:
        (..., M, N), without the axis of a one-dimensional operand.

    Raises:
        ValueError: inner sizes differ, or batch axes do not broadcast.
    """
    left, right = data(a), data(b)
    y = _core.matmul(left, right, data(out))

    def backward(dy, need):
        left_rows = left[None, :] if left.ndim == 1 else left
        right_columns = right[:, None] if right.ndim == 1 else right
        if left.ndim == 1:
            dy = dy[..., None, :] if right.ndim > 1 else dy[..., None]
        if right.ndim == 1:
            dy = dy[..., None]
        da = db = None
        if need[0]:
            da = _core.matmul(dy, _transposed(right_columns))
            da = summed_to(da, left_rows.shape).reshape(left.shape)
        if need[1]:
            db = _core.matmul(_transposed(left_rows), dy)
            db = summed_to(db, right_columns.shape).reshape(right.shape)
        return da, db

    return record("matmul", y, (a, b), backward)


def linear(x, w, b=None, *, activation=None):
    """Fully connected layer: y = act(x @ w + b).

    Args:
        x: (..., K).
        w: (K, N).
        b: (N,) or None.
        activation: name of an activation, or None.

    Returns:
        (..., N).

    Raises:
        ValueError: sizes differ, or the activation is unknown.
    """
    kind, alpha = activation_number("linear", activation), default_alpha(activation)
    if needs_input(activation) and is_grad_enabled() and any([isinstance(t, Tensor) for t in (x, w, b)]):
        return activate("linear", activation, linear(x, w, b))
    x_, w_ = data(x), data(w)
    y = _core.linear(x_, w_, data(b), kind, alpha)

    def backward(dy, need):
        dz = dy if kind == 0 else _core.activation_grad(y, dy, kind, alpha)
        dz_rows = _as_rows(dz)
        dx = dw = db = None
        if need[0]:
            dx = _core.matmul(dz, w_.T)
        if need[1]:
            dw = _core.matmul(_as_rows(x_).T, dz_rows)
        if need[2]:
            db = _core.reduce(dz_rows, (0,), _core.reduce_ops["sum"])
        return dx, dw, db

    return record("linear", y, (x, w, b), backward)
