"""keras.optimizers: hotloop's optimizers under Keras' argument names and defaults; the arithmetic is PyTorch's."""

from hotloop import optim
from hotloop.keras.optimizers import schedules
from hotloop.optim import Optimizer, get

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Nadam", "Optimizer", "RMSprop", "get", "schedules"]


def SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=None):
    """optim.SGD."""
    return optim.SGD(lr=learning_rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay or 0.0)


def Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, weight_decay=None):
    """optim.Adam, or AdamW where weight_decay is given: Keras' is decoupled."""
    if weight_decay:
        return AdamW(learning_rate, weight_decay, beta_1, beta_2, epsilon, amsgrad)
    return optim.Adam(lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon, amsgrad=amsgrad)


def AdamW(learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
    """optim.AdamW."""
    return optim.AdamW(
        lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon, weight_decay=weight_decay, amsgrad=amsgrad
    )


def Nadam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """optim.Nadam."""
    return optim.Nadam(lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


def RMSprop(learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    """optim.RMSprop."""
    return optim.RMSprop(lr=learning_rate, alpha=rho, momentum=momentum, eps=epsilon, centered=centered)


def Adagrad(learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7):
    """optim.Adagrad."""
    return optim.Adagrad(lr=learning_rate, initial_accumulator_value=initial_accumulator_value, eps=epsilon)


def Lion(learning_rate=0.001, beta_1=0.9, beta_2=0.99, weight_decay=None):
    """optim.Lion."""
    return optim.Lion(lr=learning_rate, betas=(beta_1, beta_2), weight_decay=weight_decay or 0.0)
