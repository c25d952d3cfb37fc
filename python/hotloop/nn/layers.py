"""PyTorch's layers over hotloop's: its argument names, defaults and initial weights, images (N, C, H, W)."""

import math

from hotloop import checks, layers, ops
from hotloop.initializers import RandomUniform
from hotloop.layers.activation import apply_activation
from hotloop.layers.base import Layer, Pointwise
from hotloop.nn.module import Sequential, _Torch
from hotloop.ops.geometry import pair

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "AvgPool2d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "Hardsigmoid",
    "Hardswish",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


def _uniform(fan_in):
    """PyTorch's initial weights and biases: U[-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    limit = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    return RandomUniform(-limit, limit)


class Linear(_Torch, layers.Dense):
    """y = x @ weight + bias; weight is (in_features, out_features).

    Args:
        in_features, out_features: sizes of the last axis before and after.
        bias: whether there is a bias.
    """

    def __init__(self, in_features, out_features, bias=True, **kwargs):
        in_features = checks.integer("Linear", "in_features", in_features, 0)
        start = _uniform(in_features)
        super().__init__(
            out_features,
            use_bias=bias,
            kernel_initializer=start,
            bias_initializer=start,
            input_dim=in_features,
            **kwargs,
        )
        self.in_features, self.out_features = in_features, out_features
        self.build_for((None, in_features))

    @property
    def weight(self):
        return self.kernel

    def get_config(self):
        common = Layer.get_config(self)
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.use_bias,
            **{name: common[name] for name in ("name", "trainable", "dtype")},
        }


class Conv2d(_Torch, layers.Conv2D):
    """Convolution of (N, C, H, W); weight is (kh, kw, in_channels / groups, out_channels).

    Args:
        in_channels, out_channels: before and after.
        kernel_size, stride, dilation: int or pair.
        padding: int, pair, "valid" or "same".
        groups: into how many groups the channels are split.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, **kwargs
    ):
        in_channels = checks.integer("Conv2d", "in_channels", in_channels, 1)
        groups = checks.integer("Conv2d", "groups", groups, 1)
        start = _uniform(in_channels // groups * math.prod(pair("Conv2d", "kernel_size", kernel_size)))
        super().__init__(
            out_channels,
            kernel_size,
            stride,
            padding,
            "channels_first",
            dilation,
            groups,
            use_bias=bias,
            kernel_initializer=start,
            bias_initializer=start,
            **kwargs,
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.build_for((None, in_channels, None, None))

    @property
    def weight(self):
        return self.kernel

    def get_config(self):
        common = Layer.get_config(self)
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": common["kernel_size"],
            "stride": common["strides"],
            "padding": common["padding"],
            "dilation": common["dilation_rate"],
            "groups": self.groups,
            "bias": self.use_bias,
            **{name: common[name] for name in ("name", "trainable", "dtype")},
        }


class _Pool2d(_Torch, Layer):
    input_rank = 4
    input_axes = "(batch, channels, height, width)"

    def __init__(self, kernel_size, stride=None, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = pair(self.name, "kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair(self.name, "stride", stride)
        self.padding = padding


class MaxPool2d(_Pool2d):
    """Maximum of each window of (N, C, H, W); arguments as in hotloop.max_pool2d."""

    config_names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **kwargs):
        super().__init__(kernel_size, stride, padding, **kwargs)
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def call(self, x):
        return ops.max_pool2d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
            data_format="NCHW",
        )


class AvgPool2d(_Pool2d):
    """Mean of each window of (N, C, H, W); arguments as in hotloop.avg_pool2d."""

    config_names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, **kwargs):
        super().__init__(kernel_size, stride, padding, **kwargs)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def call(self, x):
        return ops.avg_pool2d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
            data_format="NCHW",
        )


class Dropout(_Torch, layers.Dropout):
    """In training y = x / (1 - p) where kept, else 0; otherwise y = x."""

    def __init__(self, p=0.5, **kwargs):
        super().__init__(p, **kwargs)

    def get_config(self):
        config = super().get_config()
        config["p"] = config.pop("rate")
        return config


class Flatten(_Torch, layers.Flatten):
    """y (N, product of the other sizes)."""


class Identity(_Torch, Pointwise):
    """y = x."""

    def call(self, x):
        return x


class _Activation(Identity):
    activation = None

    def call(self, x):
        return apply_activation(self.activation, x)


class ReLU(_Activation):
    """y = max(x, 0)."""

    activation = "relu"


class SELU(_Activation):
    """Scaled exponential linear unit."""

    activation = "selu"


class SiLU(_Activation):
    """y = x * sigmoid(x)."""

    activation = "silu"


class Sigmoid(_Activation):
    """y = 1 / (1 + exp(-x))."""

    activation = "sigmoid"


class Tanh(_Activation):
    """y = tanh(x)."""

    activation = "tanh"


class Softplus(_Activation):
    """y = log(1 + exp(x))."""

    activation = "softplus"


class Hardsigmoid(_Activation):
    """y = min(max(x / 6 + 1 / 2, 0), 1)."""

    activation = "hard_sigmoid"


class Hardswish(_Activation):
    """y = x * hard_sigmoid(x)."""

    activation = "hard_swish"


class GELU(Identity):
    """y = x * P(X <= x) for a standard normal X; approximate is "none" or "tanh"."""

    config_names = ("approximate",)

    def __init__(self, approximate="none", **kwargs):
        super().__init__(**kwargs)
        self.approximate = approximate

    def call(self, x):
        return ops.gelu(x, approximate=self.approximate)


class LeakyReLU(_Torch, layers.LeakyReLU):
    """y = x where x > 0, else negative_slope * x."""

    def __init__(self, negative_slope=0.01, **kwargs):
        super().__init__(negative_slope, **kwargs)


class ELU(_Torch, layers.ELU):
    """y = x where x > 0, else alpha * (exp(x) - 1)."""


class Softmax(_Torch, layers.Softmax):
    """y = exp(x) / sum(exp(x)) along one axis."""

    config_names = ("dim",)

    def __init__(self, dim=-1, **kwargs):
        super().__init__(dim, **kwargs)
        self.dim = dim


class LogSoftmax(Identity):
    """y = log softmax(x) along one axis."""

    config_names = ("dim",)

    def __init__(self, dim=-1, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def call(self, x):
        return ops.log_softmax(x, axis=self.dim)


# Files tell these from the layers of the same names in hotloop.layers.
NN_CLASSES = {f"nn.{name}": globals()[name] for name in __all__} | {"nn.Sequential": Sequential}
for _name, _class in NN_CLASSES.items():
    _class.json_name = _name
