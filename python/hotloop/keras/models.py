"""keras.models."""

from hotloop.loading import load_model
from hotloop.models import Model, Sequential

__all__ = ["Model", "Sequential", "load_model"]
