"""Learning rates that change: lr= of an optimizer takes a number or one of these.

A schedule is called with the number of steps already made, 0 at the first. Each is a small value that a file can hold:
`config()` gives a dict for JSON, `from_config` makes the schedule again.
"""

import math
from dataclasses import dataclass, fields

from hotloop import checks
from hotloop.names import choose

__all__ = [
    "constant",
    "cosine",
    "exponential_decay",
    "from_config",
    "inverse_time_decay",
    "linear_decay",
    "linear_warmup",
    "step_decay",
]

_table = {}


class Schedule:
    """Base of the schedules: a frozen dataclass with a rate in every field but counts of steps; all are checked."""

    _counts = ("steps", "every")

    def __init_subclass__(cls):
        _table[cls.__name__] = cls

    def __post_init__(self):
        for field in fields(self):
            where, name, value = type(self).__name__, field.name, getattr(self, field.name)
            is_count = name in self._counts
            value = checks.integer(where, name, value, 1) if is_count else checks.number(where, name, value, "[0, inf)")
            object.__setattr__(self, name, value)

    def config(self):
        """{"name": ..., field: value, ...}, for from_config."""
        return {"name": type(self).__name__} | {field.name: getattr(self, field.name) for field in fields(self)}


def from_config(config):
    """The schedule that a config() describes."""
    options = {key: from_config(value) if isinstance(value, dict) else value for key, value in config.items()}
    return choose("schedules", "schedule", options.pop("name", None), _table)(**options)


def _power(base, exponent):
    """base ** exponent, infinite where Python raises OverflowError: optimizers refuse such a rate by name."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf


@dataclass(frozen=True)
class constant(Schedule):
    """lr = value."""

    value: float

    def __call__(self, step):
        return self.value


@dataclass(frozen=True)
class linear_decay(Schedule):
    """lr = initial + (final - initial) * step / steps, then final."""

    initial: float
    steps: int
    final: float = 0.0

    def __call__(self, step):
        return self.initial + (self.final - self.initial) * min(step / self.steps, 1.0)


@dataclass(frozen=True)
class cosine(Schedule):
    """lr = final + (initial - final) * (1 + cos(pi * step / steps)) / 2, then final.

    Source: Loshchilov and Hutter, SGDR, 2017, without restarts.
    """

    initial: float
    steps: int
    final: float = 0.0

    def __call__(self, step):
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * min(step / self.steps, 1.0))) / 2


@dataclass(frozen=True)
class exponential_decay(Schedule):
    """lr = initial * rate ** (step / steps)."""

    initial: float
    rate: float
    steps: int

    def __call__(self, step):
        return self.initial * _power(self.rate, step / self.steps)


@dataclass(frozen=True)
class inverse_time_decay(Schedule):
    """lr = initial / (1 + rate * step / steps)."""

    initial: float
    rate: float
    steps: int

    def __call__(self, step):
        return self.initial / (1 + self.rate * step / self.steps)


@dataclass(frozen=True)
class step_decay(Schedule):
    """lr = initial * factor ** floor(step / every)."""

    initial: float
    factor: float
    every: int

    def __call__(self, step):
        return self.initial * _power(self.factor, step // self.every)


@dataclass(frozen=True)
class linear_warmup(Schedule):
    """Rises to the first rate of `schedule` in even steps, then follows it.

    lr = schedule(0) * (step + 1) / steps while step < steps, then schedule(step - steps).

    Args:
        schedule: what follows; a number is a constant.
        steps: how many steps the rise takes.
    """

    schedule: Schedule
    steps: int

    def __post_init__(self):
        if not callable(self.schedule):
            rate = checks.number("linear_warmup", "schedule", self.schedule, "[0, inf)")
            object.__setattr__(self, "schedule", constant(rate))
        object.__setattr__(self, "steps", checks.integer("linear_warmup", "steps", self.steps, 1))

    def __call__(self, step):
        if step < self.steps:
            return self.schedule(0) * (step + 1) / self.steps
        return self.schedule(step - self.steps)

    def config(self):
        if not isinstance(self.schedule, Schedule):
            raise TypeError("[linear_warmup] a plain function can't be saved: use one of hotloop.optim.schedules")
        return {"name": "linear_warmup", "schedule": self.schedule.config(), "steps": self.steps}
