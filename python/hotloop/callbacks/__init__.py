"""Callbacks for fit and evaluate, with Keras' hooks and arguments."""

from hotloop.callbacks.base import *  # noqa: F403
from hotloop.callbacks.csv_logger import *  # noqa: F403
from hotloop.callbacks.learning_rate import *  # noqa: F403
from hotloop.callbacks.monitors import *  # noqa: F403
