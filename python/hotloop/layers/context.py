"""What a running call tells the layers inside it, and what they tell the loss: one record per thread."""

import threading
import weakref


class _Context(threading.local):
    training = None  # what the enclosing call resolved `training` to; None outside of one
    device = None  # where the enclosing model runs; None outside of one
    weights_left = None  # how many elements the weights still to be made may have; None for any number
    squashed = ()  # a list of the last softmax or sigmoid that a layer applied, while it lives: see `remember_logits`


context = _Context()


class _Squashed(weakref.ref):
    """The result of a softmax or sigmoid, with what it was computed from."""

    __slots__ = ("activation", "logits")


def remember_logits(y, logits, activation):
    """Notes that y = activation(logits), so that a loss can be computed from the logits for as long as y lives."""
    if context.squashed:
        context.squashed.clear()
    context.squashed = found = []
    # Compiled: a Ctrl-C that Python handles within a callback is printed and forgotten.
    reference = _Squashed(y, found.remove)
    reference.logits, reference.activation = logits, activation
    found.append(reference)


def logits_of(y, activation):
    """The logits from which a layer just computed y = activation(logits), or None."""
    for found in context.squashed:
        if found.activation == activation and found() is y:
            return found.logits
    return None
