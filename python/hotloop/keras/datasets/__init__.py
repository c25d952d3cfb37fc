"""keras.datasets."""

from hotloop.keras.datasets import mnist

__all__ = ["mnist"]
