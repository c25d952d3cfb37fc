"""hotloop: hand-written kernels behind plain NumPy arrays, and a thin API that trains small networks."""

from hotloop import optim
from hotloop._core import set_num_threads
from hotloop.autograd import Tensor, no_grad
from hotloop.config import show_config
from hotloop.ops import *  # noqa: F403
from hotloop.optim import clip_grad_norm
from hotloop.random import *  # noqa: F403

__version__ = "0.1.0"
