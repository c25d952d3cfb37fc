"""keras.metrics."""

from hotloop.metrics import *  # noqa: F403
