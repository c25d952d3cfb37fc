"""Fully connected layer."""

from hotloop import checks, ops
from hotloop.layers.affine import Affine

__all__ = ["Dense"]


class Dense(Affine):
    """y = act(x @ kernel + bias), along the last axis.

    Args:
        units: size of the result's last axis.
        activation: name, callable or None.
        use_bias: whether there is a bias (units,).
        kernel_initializer: of the kernel (inputs, units).
        bias_initializer: of the bias.
        input_dim: same as input_shape=(input_dim,).

    Raises:
        ValueError: units is not positive, a name is unknown, or the input's last size differs from the kernel's.
    """

    config_names = ("units", "activation", "use_bias", "kernel_initializer", "bias_initializer")

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        *,
        input_dim=None,
        **kwargs,
    ):
        if input_dim is not None:
            kwargs.setdefault("input_shape", (input_dim,))
        super().__init__(**kwargs)
        self.units = checks.integer(self.name, "units", units, 1)
        self.configure(activation, use_bias, kernel_initializer, bias_initializer)

    def build(self, input_shape):
        if len(input_shape) < 2:
            raise ValueError(
                f"[{self.name}] rank differs: input {input_shape} has {len(input_shape)}, wants at least 2"
            )
        if input_shape[-1] is None:
            raise ValueError(f"[{self.name}] the input's last size must be known: got shape {input_shape}")
        self._features = (-1, input_shape[-1])
        self.make_weights((input_shape[-1], self.units))

    def apply(self, x, activation):
        return ops.linear(x, self.kernel, self.bias, activation=activation)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)
