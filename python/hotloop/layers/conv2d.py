"""Two-dimensional convolution layer."""

from hotloop import checks, ops
from hotloop.layers.affine import Affine
from hotloop.layers.arguments import (
    axes_of,
    check_padding,
    image_shape,
    image_sizes,
    layout,
    op_layout,
    windows_in,
)
from hotloop.ops.geometry import pair

__all__ = ["Conv2D"]


class Conv2D(Affine):
    """y = act(conv(x, kernel) + bias), a cross-correlation over height and width.

    Args:
        filters: channels of the result.
        kernel_size: int or (height, width).
        strides: int or pair.
        padding: "valid", "same" (Keras' rule), an int, a pair, or ((top, bottom), (left, right)).
        data_format: "channels_last" (default) or "channels_first"; the kernel's shape is the same for both.
        dilation_rate: int or pair.
        groups: into how many groups the channels are split.
        activation: name, callable or None.
        use_bias: whether there is a bias (filters,).
        kernel_initializer: of the kernel (kernel height, kernel width, channels / groups, filters).
        bias_initializer: of the bias.

    Raises:
        ValueError: a size is not positive, a name is unknown, or groups divide neither channels nor filters.
    """

    config_names = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
    )
    input_rank = 4

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        data_format="channels_last",
        dilation_rate=(1, 1),
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = checks.integer(self.name, "filters", filters, 1)
        self.kernel_size = pair(self.name, "kernel_size", kernel_size)
        self.strides = pair(self.name, "strides", strides)
        self.dilation_rate = pair(self.name, "dilation_rate", dilation_rate)
        self.padding = check_padding(self.name, self.kernel_size, self.strides, padding, self.dilation_rate)
        self.data_format = layout(self.name, data_format)
        self.groups = checks.integer(self.name, "groups", groups, 1)
        if self.filters % self.groups:
            raise ValueError(
                f"[{self.name}] groups do not divide filters: {self.filters} filters, {self.groups} groups"
            )
        self.configure(activation, use_bias, kernel_initializer, bias_initializer)

    @property
    def input_axes(self):
        return axes_of(self.data_format)

    def build(self, input_shape):
        _, channels = image_sizes(input_shape, self.data_format)
        if channels is None:
            raise ValueError(f"[{self.name}] the number of channels must be known: got shape {input_shape}")
        if channels % self.groups:
            raise ValueError(f"[{self.name}] groups do not divide channels: {channels} channels, {self.groups} groups")
        self._features = (-1 if self.data_format == "channels_last" else -3, channels)
        self.make_weights((*self.kernel_size, channels // self.groups, self.filters))

    def apply(self, x, activation):
        return ops.conv2d(
            x,
            self.kernel,
            self.bias,
            stride=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            groups=self.groups,
            activation=activation,
            data_format=op_layout(self.data_format),
        )

    def compute_output_shape(self, input_shape):
        sizes, _ = image_sizes(input_shape, self.data_format)
        counts = windows_in(self.name, sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return image_shape(counts, self.filters, self.data_format)
