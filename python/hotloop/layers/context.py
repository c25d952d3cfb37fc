"""What a running call tells the layers inside it, and what they tell the loss: one record per thread."""

import threading
import weakref


class _Context(threading.local):
    training = None  # what the enclosing call resolved `training` to; None outside of one
    device = None  # where the enclosing model runs; None outside of one
    squashed = None  # the last softmax or sigmoid a layer applied, see `remember_logits`


context = _Context()


def remember_logits(y, logits, activation):
    """Notes that y = activation(logits), so that a loss can be computed from the logits for as long as y lives."""

    def forget(reference):
        if context.squashed is not None and context.squashed[0] is reference:
            context.squashed = None

    context.squashed = (weakref.ref(y, forget), logits, activation)


def logits_of(y, activation):
    """The logits from which a layer just computed y = activation(logits), or None."""
    found = context.squashed
    if found is None or found[2] != activation or found[0]() is not y:
        return None
    return found[1]
