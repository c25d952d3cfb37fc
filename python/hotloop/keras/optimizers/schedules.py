"""keras.optimizers.schedules: hotloop's schedules under Keras' names and arguments."""

from hotloop import checks
from hotloop.optim import schedules

__all__ = ["CosineDecay", "ExponentialDecay", "InverseTimeDecay", "PolynomialDecay"]


def ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, staircase=False):
    """lr = initial * rate ^ (step / steps), in whole powers with staircase."""
    if staircase:
        return schedules.step_decay(initial_learning_rate, factor=decay_rate, every=decay_steps)
    return schedules.exponential_decay(initial_learning_rate, rate=decay_rate, steps=decay_steps)


def InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate):
    """lr = initial / (1 + rate * step / steps)."""
    return schedules.inverse_time_decay(initial_learning_rate, rate=decay_rate, steps=decay_steps)


def CosineDecay(initial_learning_rate, decay_steps, alpha=0.0):
    """lr falls along half a cosine to alpha * initial."""
    initial_learning_rate = checks.number("CosineDecay", "initial_learning_rate", initial_learning_rate, "[0, inf)")
    alpha = checks.number("CosineDecay", "alpha", alpha, "[0, inf)")
    return schedules.cosine(initial_learning_rate, steps=decay_steps, final=alpha * initial_learning_rate)


def PolynomialDecay(initial_learning_rate, decay_steps, end_learning_rate=0.0001):
    """lr falls along a line to end_learning_rate: Keras' with power 1."""
    return schedules.linear_decay(initial_learning_rate, steps=decay_steps, final=end_learning_rate)
