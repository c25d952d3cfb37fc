"""What Dense and Conv2D share: a kernel, a bias, and an activation of which the op does what it can."""

from hotloop import checks, initializers
from hotloop.layers.activation import apply_activation, epilogue, resolve_activation
from hotloop.layers.base import Layer


class Affine(Layer):
    """y = act(op(x, kernel) + bias).

    A subclass calls `configure` last in its constructor, `make_weights` in build(), and says what the op is in
    `apply(x, activation)`.
    """

    def configure(self, activation, use_bias, kernel_initializer, bias_initializer):
        """Checks and keeps the arguments of these names."""
        self.activation = resolve_activation(self.name, activation)
        self.use_bias = checks.flag(self.name, "use_bias", use_bias)
        initializers.get(kernel_initializer, self.name)
        initializers.get(bias_initializer, self.name)
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel = self.bias = None

    def make_weights(self, shape):
        """Makes the kernel of a shape (..., outputs), and the bias (outputs,) where there is one."""
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape[-1:], self.bias_initializer, name="bias")

    def apply(self, x, activation):
        """The op, with bias and an activation it takes by name, or None."""
        raise NotImplementedError

    def call(self, x):
        fused, rest = epilogue(self.activation)
        return apply_activation(rest, self.apply(x, fused))
