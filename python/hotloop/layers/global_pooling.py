"""Pooling over all of height and width."""

from hotloop import checks, ops
from hotloop.layers.arguments import axes_of, image_shape, image_sizes, layout, op_layout
from hotloop.layers.base import Layer
from hotloop.ops.geometry import to_nhwc

__all__ = ["GlobalAveragePooling2D", "GlobalMaxPooling2D"]


class _GlobalPooling2D(Layer):
    config_names = ("data_format", "keepdims")
    input_rank = 4

    def __init__(self, data_format="channels_last", keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = layout(self.name, data_format)
        self.keepdims = checks.flag(self.name, "keepdims", keepdims)

    @property
    def input_axes(self):
        return axes_of(self.data_format)

    def call(self, x):
        y = self.pool(to_nhwc(self.name, x, op_layout(self.data_format)))
        if not self.keepdims:
            return y
        batch, channels = y.shape
        return y.reshape((batch, 1, 1, channels) if self.data_format == "channels_last" else (batch, channels, 1, 1))

    def compute_output_shape(self, input_shape):
        _, channels = image_sizes(input_shape, self.data_format)
        return image_shape((1, 1), channels, self.data_format) if self.keepdims else (None, channels)


class GlobalAveragePooling2D(_GlobalPooling2D):
    """y (batch, channels) = the mean over height and width; keepdims keeps both axes with size 1."""

    def pool(self, x):
        return ops.global_avg_pool2d(x)


class GlobalMaxPooling2D(_GlobalPooling2D):
    """y (batch, channels) = the maximum over height and width; keepdims keeps both axes with size 1."""

    def pool(self, x):
        return ops.global_max_pool2d(x)
