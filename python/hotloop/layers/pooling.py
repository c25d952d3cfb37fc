"""Max and average pooling over windows."""

from hotloop import ops
from hotloop.layers.arguments import axes_of, check_padding, image_shape, image_sizes, layout, op_layout, windows_in
from hotloop.layers.base import Layer
from hotloop.ops.geometry import pair

__all__ = ["AveragePooling2D", "MaxPooling2D"]


class _Pooling2D(Layer):
    config_names = ("pool_size", "strides", "padding", "data_format")
    input_rank = 4

    def __init__(self, pool_size=(2, 2), strides=None, padding="valid", data_format="channels_last", **kwargs):
        super().__init__(**kwargs)
        self.pool_size = pair(self.name, "pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair(self.name, "strides", strides)
        self.padding = check_padding(self.name, self.pool_size, self.strides, padding, pooling=True)
        self.data_format = layout(self.name, data_format)

    @property
    def input_axes(self):
        return axes_of(self.data_format)

    def compute_output_shape(self, input_shape):
        sizes, channels = image_sizes(input_shape, self.data_format)
        counts = windows_in(self.name, sizes, self.pool_size, self.strides, self.padding, pooling=True)
        return image_shape(counts, channels, self.data_format)


class MaxPooling2D(_Pooling2D):
    """y = the largest value in each window; the first of equals takes the gradient.

    Args:
        pool_size: int or (height, width) of the window.
        strides: int or pair; None is pool_size.
        padding: "valid", "same" (Keras' rule), an int, a pair, or ((top, bottom), (left, right)).
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ValueError: a size is not positive, a name is unknown, or the window does not fit.
    """

    def call(self, x):
        return ops.max_pool2d(
            x, self.pool_size, stride=self.strides, padding=self.padding, data_format=op_layout(self.data_format)
        )


class AveragePooling2D(_Pooling2D):
    """y = the mean of each window; padding is not counted.

    Args:
        pool_size: int or (height, width) of the window.
        strides: int or pair; None is pool_size.
        padding: "valid", "same" (Keras' rule), an int, a pair, or ((top, bottom), (left, right)).
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ValueError: a size is not positive, a name is unknown, or the window does not fit.
    """

    def call(self, x):
        return ops.avg_pool2d(
            x, self.pool_size, stride=self.strides, padding=self.padding, data_format=op_layout(self.data_format)
        )
