"""What weights start from: Keras' initialisers, by name, class or any function of (shape, dtype).

Without a seed an initialiser draws from the stream that `hotloop.set_seed` starts; with one it gives the same values at
every call.
"""

import math

import numpy as np

from hotloop import checks
from hotloop.names import choose, resolve
from hotloop.random import generator

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
]

# The standard deviation of a standard normal that is cut off at two: what is drawn is divided by it.
_TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer:
    """Base: a callable (shape, dtype) -> ndarray with a config."""

    config_names = ()

    def __call__(self, shape, dtype=np.float32):
        """An array of `shape` and `dtype`."""
        raise NotImplementedError(f"[{type(self).__name__}] has no __call__")

    @property
    def _kind(self):
        return type(self).__name__

    def _checked(self, shape, dtype):
        """(shape, dtype), if there are arrays of them; None is float32."""
        shape = checks.sizes(self._kind, "shape", shape)
        if None in shape:
            raise ValueError(f"[{self._kind}] shape {shape} has an unknown size")
        checks.addressable(self._kind, "shape", shape, 8)  # they are drawn in float64
        return shape, checks.dtype(self._kind, np.float32 if dtype is None else dtype)

    def get_config(self):
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in self.config_names}

    def __repr__(self):
        inner = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items() if value is not None)
        return f"{type(self).__name__}({inner})"


class Zeros(Initializer):
    """w = 0."""

    def __call__(self, shape, dtype=np.float32):
        return np.zeros(*self._checked(shape, dtype))


class Ones(Initializer):
    """w = 1."""

    def __call__(self, shape, dtype=np.float32):
        return np.ones(*self._checked(shape, dtype))


class Constant(Initializer):
    """w = value."""

    config_names = ("value",)

    def __init__(self, value=0.0):
        self.value = checks.number(self._kind, "value", value)

    def __call__(self, shape, dtype=np.float32):
        shape, dtype = self._checked(shape, dtype)
        return np.full(shape, self.value, dtype)


class _Random(Initializer):
    def __init__(self, seed=None):
        self.seed = None if seed is None else checks.integer(self._kind, "seed", seed, 0)

    def __call__(self, shape, dtype=np.float32):
        shape, dtype = self._checked(shape, dtype)
        return self._drawn(self._generator(), shape).astype(dtype)

    def _drawn(self, source, shape):
        """float64 numbers from a numpy.random.Generator."""
        raise NotImplementedError

    def _generator(self):
        return generator() if self.seed is None else np.random.default_rng(self.seed)


class RandomNormal(_Random):
    """w ~ N(mean, stddev^2)."""

    config_names = ("mean", "stddev", "seed")

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        super().__init__(seed)
        self.mean = checks.number(self._kind, "mean", mean, "(-inf, inf)")
        self.stddev = checks.number(self._kind, "stddev", stddev, "[0, inf)")

    def _drawn(self, source, shape):
        return source.normal(self.mean, self.stddev, shape)


class RandomUniform(_Random):
    """w ~ U[minval, maxval)."""

    config_names = ("minval", "maxval", "seed")

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        super().__init__(seed)
        self.minval = checks.number(self._kind, "minval", minval, "(-inf, inf)")
        self.maxval = checks.number(self._kind, "maxval", maxval, "(-inf, inf)")
        if not 0 <= self.maxval - self.minval < math.inf:
            raise ValueError(f"[{self._kind}] maxval {maxval} is less than minval {minval}, or too far from it")

    def _drawn(self, source, shape):
        return source.uniform(self.minval, self.maxval, shape)


class TruncatedNormal(_Random):
    """w ~ N(mean, stddev^2), drawn again where further than two stddev from the mean."""

    config_names = ("mean", "stddev", "seed")

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        super().__init__(seed)
        self.mean = checks.number(self._kind, "mean", mean, "(-inf, inf)")
        self.stddev = checks.number(self._kind, "stddev", stddev, "[0, inf)")

    def _drawn(self, source, shape):
        return self.mean + self.stddev * _truncated_normal(source, shape)


def _truncated_normal(source, shape):
    values = source.standard_normal(shape)
    while (outside := np.abs(values) > 2.0).any():
        values = np.where(outside, source.standard_normal(shape), values)
    return values


def fans(shape):
    """(fan in, fan out) of a weight: a dense (in, out) or a convolution's (..., in, out)."""
    if len(shape) < 2:
        size = int(np.prod(shape))
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class VarianceScaling(_Random):
    """Zero mean and variance scale / n, where n is the fan that mode names.

    Args:
        scale: positive factor of the variance.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal", "untruncated_normal" or "uniform".
        seed: int, or None for the stream of hotloop.set_seed.

    Raises:
        ValueError: scale is not positive, mode or distribution is unknown.
    """

    config_names = ("scale", "mode", "distribution", "seed")

    def __init__(self, scale=1.0, mode="fan_in", distribution="truncated_normal", seed=None):
        super().__init__(seed)
        scale = checks.number(self._kind, "scale", scale, "(0, inf)")
        self._fan = choose(self._kind, "mode", mode, _FANS)
        self._draw = choose(self._kind, "distribution", distribution, _DRAWS)
        self.scale, self.mode, self.distribution = scale, mode, distribution

    def _drawn(self, source, shape):
        variance = self.scale / max(1.0, self._fan(*fans(shape)))
        return self._draw(source, variance, shape)


_FANS = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}


def _draw_uniform(source, variance, shape):
    limit = math.sqrt(3.0 * variance)
    return source.uniform(-limit, limit, shape)


def _draw_truncated(source, variance, shape):
    return math.sqrt(variance) / _TRUNCATED_DEVIATION * _truncated_normal(source, shape)


def _draw_normal(source, variance, shape):
    return source.normal(0.0, math.sqrt(variance), shape)


_DRAWS = {"truncated_normal": _draw_truncated, "untruncated_normal": _draw_normal, "uniform": _draw_uniform}


class _Scaled(VarianceScaling):
    """A VarianceScaling with all but the seed fixed."""

    config_names = ("seed",)
    fixed = ()

    def __init__(self, seed=None):
        super().__init__(*self.fixed, seed)


class GlorotUniform(_Scaled):
    """U[-l, l], l = sqrt(6 / (fan_in + fan_out)). Source: Glorot, Bengio, AISTATS 2010."""

    fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan_in + fan_out). Source: Glorot, Bengio, AISTATS 2010."""

    fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """U[-l, l], l = sqrt(6 / fan_in). Source: He et al., ICCV 2015."""

    fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan_in. Source: He et al., ICCV 2015."""

    fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """U[-l, l], l = sqrt(3 / fan_in). Source: LeCun et al., Efficient BackProp, 1998."""

    fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan_in. Source: LeCun et al., Efficient BackProp, 1998."""

    fixed = (1.0, "fan_in", "truncated_normal")


BY_NAME = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
}


def get(identifier, where="initializers.get"):
    """The initialiser that a name, a class or a callable (shape, dtype) stands for; None stays None.

    Raises:
        ValueError: the name is unknown.
        TypeError: it is none of these.
    """
    if identifier is None:
        return None
    return resolve(where, "initializer", identifier, Initializer, BY_NAME, lambda function: function, "(shape, dtype)")
