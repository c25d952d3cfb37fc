"""Keras' automatic names: dense, dense_1, max_pooling2d, ..."""

import itertools
import re

_counters = {}


def snake_case(class_name):
    """MaxPooling2D -> max_pooling2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(class_name):
    """The next free name for an object of a class."""
    stem = snake_case(class_name)
    number = next(_counters.setdefault(stem, itertools.count()))
    return stem if number == 0 else f"{stem}_{number}"


def reset_names():
    """Starts counting again."""
    _counters.clear()
