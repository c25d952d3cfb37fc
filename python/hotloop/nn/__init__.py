"""PyTorch's names: layers, losses and Module, so that ported code changes its import lines only.

Images are (N, C, H, W) here. Weights keep hotloop's layouts: Linear (in, out), Conv2d (kh, kw, in / groups, out).
"""

from hotloop.nn import functional as functional
from hotloop.nn.layers import *  # noqa: F403
from hotloop.nn.losses import *  # noqa: F403
from hotloop.nn.module import *  # noqa: F403
