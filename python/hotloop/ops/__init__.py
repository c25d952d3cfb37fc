"""The public ops, one file a family: each function beside its gradient.

NumPy in, NumPy out; Tensor in, Tensor out.
"""

from hotloop.ops.activation import *  # noqa: F403
from hotloop.ops.batch import *  # noqa: F403
from hotloop.ops.conv import *  # noqa: F403
from hotloop.ops.dropout import *  # noqa: F403
from hotloop.ops.elementwise import *  # noqa: F403
from hotloop.ops.loss import *  # noqa: F403
from hotloop.ops.matmul import *  # noqa: F403
from hotloop.ops.pool import *  # noqa: F403
from hotloop.ops.reduce import *  # noqa: F403
from hotloop.ops.shape import *  # noqa: F403
from hotloop.ops.softmax import *  # noqa: F403
from hotloop.ops.tensor_methods import *  # noqa: F403
