"""What Sequential runs instead of its layers one by one: neighbours that one op can do are joined.

A pattern looks at the layers from a position on and gives (step, how many layers it takes), or None. Only hotloop's own
layers are joined, never subclasses of them; a joined step reads the same layers' weights and leaves them as they are.
Planning is a few type look-ups, so it is done at every call, and no change to a layer can be missed.
"""

from hotloop import ops
from hotloop.layers import Activation, Conv2D, MaxPooling2D, ReLU
from hotloop.layers.arguments import op_layout

# Pooling before or after one of these gives the same, because they never fall.
_RISING = {None, "relu", "leaky_relu", "elu", "selu", "tanh", "softplus", "hard_sigmoid"}
_LARGEST_WINDOW = 255  # positions


class ConvPool:
    """Conv2D, activation and MaxPooling2D as one op."""

    def __init__(self, conv, activation, pool):
        self.conv, self.activation, self.pool = conv, activation, pool

    def __call__(self, x):
        conv = self.conv
        return ops.conv2d_max_pool2d(
            conv.prepare(x),
            conv.kernel,
            conv.bias,
            pool=self.pool.pool_size,
            activation=self.activation,
            stride=conv.strides,
            padding=conv.padding,
            dilation=conv.dilation_rate,
            groups=conv.groups,
            data_format=op_layout(conv.data_format),
        )

    def __repr__(self):
        return f"ConvPool({self.conv.name}, {self.activation}, {self.pool.name})"


def _conv_pool(layers, i):
    conv, after = layers[i], i + 1
    activation = conv.activation
    if activation is None and after < len(layers) and type(layers[after]) in (Activation, ReLU):
        activation, after = layers[after].activation, after + 1
    if after >= len(layers) or not (isinstance(activation, str | None) and activation in _RISING):
        return None
    pool = layers[after]
    joins = (
        type(pool) is MaxPooling2D
        and pool.strides == pool.pool_size
        and pool.padding in ("valid", 0)
        and pool.data_format == conv.data_format
        and pool.pool_size[0] * pool.pool_size[1] <= _LARGEST_WINDOW
    )
    return (ConvPool(conv, activation, pool), after + 1 - i) if joins else None


_PATTERNS = {Conv2D: (_conv_pool,)}


def make_plan(layers):
    """The steps, callables of x, that do what the layers do one after the other."""
    steps, i = [], 0
    while i < len(layers):
        for pattern in _PATTERNS.get(type(layers[i]), ()):
            if found := pattern(layers, i):
                step, taken = found
                break
        else:
            step, taken = layers[i], 1
        steps.append(step)
        i += taken
    return steps
