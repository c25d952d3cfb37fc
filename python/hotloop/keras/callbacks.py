"""keras.callbacks."""

from hotloop.callbacks import *  # noqa: F403
