"""What ops come to in the arithmetic of their arrays: int64, which knows no rounding, or a wide float.

It shares nothing with the kernels. Images are (n, h, w, c), weights (kh, kw, c / groups, f).
"""

import math

import numpy as np

from references import paddings, pair


def lowest(dtype):
    """What a window without elements has as its maximum."""
    return -np.inf if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min


class Windows:
    """Where windows lie on images of one shape: what each sees, and the way back.

    Attributes:
        grid: (oh, ow), how many there are.
    """

    def __init__(self, images, window, stride=1, padding="valid", dilation=1, ceil_mode=False):
        self.images, self.window, self.stride, self.dilation = images, pair(window), pair(stride), pair(dilation)
        self.pads = paddings(padding, images[1:3], self.window, self.stride, self.dilation)
        self.span = [(k - 1) * d + 1 for k, d in zip(self.window, self.dilation, strict=True)]
        self.grid = tuple(self._count(axis, ceil_mode and padding != "same") for axis in (0, 1))
        # What the last windows of ceil mode reach over, too.
        self.extent = [
            max(images[1 + i] + sum(self.pads[i]), (self.grid[i] - 1) * self.stride[i] + self.span[i]) for i in (0, 1)
        ]

    def _count(self, axis, ceil_mode):
        size, stride, (before, after) = self.images[1 + axis], self.stride[axis], self.pads[axis]
        room = size + before + after - self.span[axis]
        if not ceil_mode:
            return len(range(0, room + 1, stride))
        # Up to a stride less than a whole window may hang over, but each begins before the padding behind the input.
        return len([at for at in range(0, room + stride, stride) if at < size + before])

    def _seen(self, frame):
        """A view of the padded images (n, h, w, c) as (n, oh, ow, kh, kw, c)."""
        n, row, column, channel = frame.strides
        (sh, sw), (dh, dw) = self.stride, self.dilation
        shape = (frame.shape[0], *self.grid, *self.window, frame.shape[3])
        return np.ndarray(shape, frame.dtype, frame, 0, (n, sh * row, sw * column, dh * row, dw * column, channel))

    def _frame(self, n, c, fill, dtype):
        return np.full((n, *self.extent, c), fill, dtype)

    def _inside(self, frame):
        (top, _), (left, _) = self.pads
        return frame[:, top : top + self.images[1], left : left + self.images[2]]

    def of(self, x, fill=0):
        """(n, oh, ow, kh, kw, c): what windows see of x; `fill` outside."""
        frame = self._frame(x.shape[0], x.shape[3], fill, x.dtype)
        self._inside(frame)[...] = x
        return self._seen(frame)

    def back(self, parts):
        """The images that `parts` (n, oh, ow, kh, kw, c) add up to, each where its window saw it."""
        frame = self._frame(parts.shape[0], parts.shape[5], 0, parts.dtype)
        seen = self._seen(frame)
        for i in range(self.window[0]):
            for j in range(self.window[1]):
                seen[:, :, :, i, j] += parts[:, :, :, i, j]  # windows may overlap, the same tap of them never
        return self._inside(frame)

    def counts(self, with_padding):
        """(oh, ow): how many elements each averages; at least 1."""
        frame = self._frame(1, 1, 0, np.int64)
        if with_padding:
            frame[:, : self.images[1] + sum(self.pads[0]), : self.images[2] + sum(self.pads[1])] = 1
        else:
            self._inside(frame)[...] = 1
        return np.maximum(self._seen(frame).sum((3, 4))[0, :, :, 0], 1)


# ---- convolution -----------------------------------------------------------------------------------------------------


def _by_group(x, groups):
    """(pixels, ..., channels) as (groups, pixels, ... * channels of a group)."""
    channels = x.shape[-1] // groups
    taps = math.prod(x.shape[1:-1])
    x = x.reshape(x.shape[0], taps, groups, channels)
    return x.transpose(2, 0, 1, 3).reshape(groups, x.shape[0], taps * channels)


def _weights_by_group(w, groups):
    """(groups, kh * kw * channels of a group, filters of a group)"""
    return w.reshape(math.prod(w.shape[:3]), groups, w.shape[3] // groups).transpose(1, 0, 2)


def conv2d(x, w, windows, groups):
    """y (n, oh, ow, f)"""
    n, (oh, ow) = x.shape[0], windows.grid
    seen = windows.of(x).reshape(n * oh * ow, math.prod(windows.window), x.shape[3])
    y = _by_group(seen, groups) @ _weights_by_group(w, groups)
    return y.transpose(1, 0, 2).reshape(n, oh, ow, w.shape[3])


def conv2d_grads(x, w, dy, windows, groups):
    """(dx, dw) from dy (n, oh, ow, f)"""
    n, (oh, ow), channels = x.shape[0], windows.grid, x.shape[3]
    seen = _by_group(windows.of(x).reshape(n * oh * ow, math.prod(windows.window), channels), groups)
    slopes = _by_group(dy.reshape(n * oh * ow, 1, w.shape[3]), groups)
    dw = (seen.transpose(0, 2, 1) @ slopes).transpose(1, 0, 2).reshape(w.shape)
    parts = slopes @ _weights_by_group(w, groups).transpose(0, 2, 1)
    parts = parts.reshape(groups, n, oh, ow, *w.shape[:2], channels // groups)
    parts = parts.transpose(1, 2, 3, 4, 5, 0, 6).reshape(n, oh, ow, *w.shape[:2], channels)
    return windows.back(parts), dw


# ---- pooling ---------------------------------------------------------------------------------------------------------


def max_pool2d(x, windows):
    """(y, places), both (n, oh, ow, c); lowest() and -1 where a window sees nothing of x."""
    n, h, w, c = x.shape
    taps = math.prod(windows.window)
    seen = windows.of(x, lowest(x.dtype)).reshape(n, *windows.grid, taps, c)
    places = windows.of(np.arange(h * w).reshape(1, h, w, 1), -1).reshape(1, *windows.grid, taps, 1)
    places = np.broadcast_to(places, seen.shape)
    best = seen.max(3, keepdims=True)
    # What lies outside is never the maximum, not even beside nothing but -inf; NaN is one.
    first = ((places >= 0) & ((seen == best) | (seen != seen))).argmax(3)[:, :, :, None]
    return np.take_along_axis(seen, first, 3)[:, :, :, 0], np.take_along_axis(places, first, 3)[:, :, :, 0]


def max_pool2d_grad(shape, dy, places):
    """dx of the shape, from dy (n, oh, ow, c)"""
    n, h, w, c = shape
    dx = np.zeros((n, h * w, c), dy.dtype)
    image, _, _, channel = np.indices(dy.shape, sparse=True)
    kept = places >= 0
    image, channel = np.broadcast_to(image, dy.shape)[kept], np.broadcast_to(channel, dy.shape)[kept]
    np.add.at(dx, (image, places[kept], channel), dy[kept])
    return dx.reshape(shape)


def pool_sums(x, windows):
    """(n, oh, ow, c): the sum of each window."""
    return windows.of(x).sum((3, 4))


def spread(dy, windows):
    """dx from dy (n, oh, ow, c): each element of a window gets all of its slope."""
    n, oh, ow, c = dy.shape
    return windows.back(np.broadcast_to(dy[:, :, :, None, None], (n, oh, ow, *windows.window, c)))


# ---- reductions ------------------------------------------------------------------------------------------------------


def first_extremes(x, axes, largest):
    """1 where an element is the first maximum (or minimum) over the axes, else 0."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    order = [*kept, *sorted(axes)]
    moved = x.transpose(order)
    rows = moved.reshape(*moved.shape[: len(kept)], math.prod(moved.shape[len(kept) :]))
    places = (rows.argmax if largest else rows.argmin)(-1)
    marks = np.zeros_like(rows)
    np.put_along_axis(marks, places[..., None], 1, -1)
    return marks.reshape(moved.shape).transpose(np.argsort(order))


def summed_to(gradient, shape):
    """Adds up what broadcasting repeated of an operand of the shape."""
    extra = gradient.ndim - len(shape)
    axes = [i for i in range(gradient.ndim) if i < extra or (shape[i - extra] == 1 and gradient.shape[i] != 1)]
    return gradient.sum(tuple(axes)).reshape(shape)
