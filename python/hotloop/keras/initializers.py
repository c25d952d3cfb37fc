"""keras.initializers."""

from hotloop.initializers import *  # noqa: F403
