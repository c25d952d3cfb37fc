"""Keras' paths to hotloop's objects, so that ported code changes its import lines only.

`import hotloop as tf` gives tf.keras; `from hotloop import keras`, `from hotloop.keras.layers import Dense` work too.
"""

from hotloop.keras import (
    activations,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    saving,
    utils,
)
from hotloop.keras.layers import Input, InputLayer, Layer
from hotloop.keras.losses import Loss
from hotloop.keras.metrics import Metric
from hotloop.keras.models import Model, Sequential
from hotloop.keras.optimizers import Optimizer

__all__ = [
    "Input",
    "InputLayer",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "activations",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "saving",
    "utils",
]
