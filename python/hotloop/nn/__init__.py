"""PyTorch's names: layers, losses and Module, so that ported code changes its import lines only.

The functions are those of tf.nn, for code that has `import hotloop as tf` and `activation=tf.nn.relu`.
Images are (N, C, H, W) here. Weights keep hotloop's layouts: Linear (in, out), Conv2d (kh, kw, in / groups, out).
"""

from hotloop.nn import functional as functional
from hotloop.nn.layers import *  # noqa: F403
from hotloop.nn.losses import *  # noqa: F403
from hotloop.nn.module import *  # noqa: F403
from hotloop.ops import elu, log_softmax, relu, selu, sigmoid, softmax, softplus, tanh  # noqa: F401
