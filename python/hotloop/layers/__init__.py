"""Layers, one file an idea. Arguments and defaults are Keras'."""

from hotloop.layers.activation import *  # noqa: F403
from hotloop.layers.base import *  # noqa: F403
from hotloop.layers.conv2d import *  # noqa: F403
from hotloop.layers.dense import *  # noqa: F403
from hotloop.layers.dropout import *  # noqa: F403
from hotloop.layers.global_pooling import *  # noqa: F403
from hotloop.layers.input import *  # noqa: F403
from hotloop.layers.pooling import *  # noqa: F403
from hotloop.layers.rescaling import *  # noqa: F403
from hotloop.layers.reshape import *  # noqa: F403
