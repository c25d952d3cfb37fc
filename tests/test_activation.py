"""Activations: limits, kinks, NaN, parameters. The table of cases does the rest."""

import math

import numpy as np
import pytest

import hotloop as hl
from hotloop.autograd import Tensor

INF, NAN = math.inf, math.nan
FUNCTIONS = {
    "relu": hl.relu,
    "leaky_relu": hl.leaky_relu,
    "elu": hl.elu,
    "selu": hl.selu,
    "gelu": hl.gelu,
    "gelu_tanh": lambda x: hl.gelu(x, "tanh"),
    "silu": hl.silu,
    "sigmoid": hl.sigmoid,
    "tanh": hl.tanh,
    "softplus": hl.softplus,
    "hard_sigmoid": hl.hard_sigmoid,
    "hard_swish": hl.hard_swish,
}
# At -inf and +inf: the limits of the function, then of its derivative.
LIMITS = {
    "relu": (0, INF, 0, 1),
    "leaky_relu": (-INF, INF, 0.01, 1),
    "elu": (-1, INF, 0, 1),
    "selu": (-1.0507009873554805 * 1.6732632423543772, INF, 0, 1.0507009873554805),
    "gelu": (-0.0, INF, 0, 1),
    "gelu_tanh": (-0.0, INF, 0, 1),
    "silu": (-0.0, INF, 0, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "softplus": (0, INF, 0, 1),
    "hard_sigmoid": (0, 1, 0, 0),
    "hard_swish": (-0.0, INF, 0, 1),
}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

pytestmark = pytest.mark.usefixtures("tier")


@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_limits_and_nan(name, dtype):
    low, high, low_slope, high_slope = LIMITS[name]
    tiny = 4 * np.finfo(dtype).eps
    for far in (INF, float(np.finfo(dtype).max), 1e16):
        x = Tensor(np.array([-far, far, NAN], dtype), requires_grad=True)
        y = FUNCTIONS[name](x)
        y.backward(np.ones(3, dtype))
        for found, limit in zip(y.numpy()[:2], (low, high), strict=True):
            if math.isinf(limit):
                assert math.copysign(1, limit) * found >= 0.0099 * far
            else:
                assert abs(found - limit) <= tiny
        assert np.isnan(y.numpy()[2])
        assert abs(x.grad[0] - low_slope) <= tiny
        assert abs(x.grad[1] - high_slope) <= tiny


@DTYPES
@pytest.mark.parametrize("name", ["tanh", "elu", "selu", "relu", "leaky_relu", "gelu", "silu", "hard_swish"])
def test_zeros_keep_their_sign(name, dtype):
    y = FUNCTIONS[name](np.array([-0.0, 0.0], dtype))
    assert (y == 0).all()
    assert list(np.signbit(y)) == [True, False]


@DTYPES
@pytest.mark.parametrize(
    ("function", "x", "slope"),
    [
        (hl.relu, 0.0, 0.0),
        (lambda x: hl.leaky_relu(x, 0.3), 0.0, 0.3),
        (lambda x: hl.leaky_relu(x, 0.0), -2.0, 0.0),
        (lambda x: hl.elu(x, 0.7), 0.0, 0.7),
        (lambda x: hl.elu(x, 0.0), -2.0, 0.0),
        (hl.hard_sigmoid, -3.0, 0.0),
        (hl.hard_sigmoid, 3.0, 0.0),
        (hl.hard_swish, -3.0, 0.0),
        (hl.hard_swish, 3.0, 1.0),
    ],
)
def test_gradient_at_a_kink(function, x, slope, dtype):
    x = Tensor(np.full(5, x, dtype), requires_grad=True)
    function(x).backward(np.full(5, 2, dtype))
    assert np.array_equal(x.grad, np.full(5, 2 * dtype(slope), dtype))


def test_gradient_of_nan_and_of_nan_dy():
    for function in FUNCTIONS.values():
        x = Tensor(np.ones(3, np.float32), requires_grad=True)
        function(x).backward(np.array([NAN, 1, NAN], np.float32))
        assert list(np.isnan(x.grad)) == [True, False, True]


@pytest.mark.parametrize("value", [-0.1, NAN, INF])
def test_parameters_are_checked(value):
    with pytest.raises(ValueError, match=r"\[leaky_relu\] slope must be in \[0, inf\), got"):
        hl.leaky_relu(np.ones(3), value)
    with pytest.raises(ValueError, match=r"\[elu\] alpha must be in \[0, inf\), got"):
        hl.elu(np.ones(3), value)


def test_unknown_approximation_names_the_choices():
    with pytest.raises(ValueError, match=r"\[gelu\] unknown approximation 'tanhh'; did you mean 'tanh'\?"):
        hl.gelu(np.ones(3), "tanhh")


def test_out_may_be_the_input():
    x = np.linspace(-3, 3, 1001, dtype=np.float32)
    want = hl.silu(x)
    assert hl.silu(x, out=x) is x
    assert np.array_equal(x, want)


@pytest.mark.parametrize("n", [*range(35), 63, 64, 65, 127, 128, 129])
@DTYPES
def test_every_length_gives_the_same_bits(n, dtype):
    x = np.random.default_rng(3).standard_normal(129).astype(dtype)
    for function in FUNCTIONS.values():
        assert np.array_equal(function(x[:n]), function(x)[:n])


def test_relu6_form_of_the_hard_functions():
    x = np.linspace(-4, 4, 4001)
    step = np.clip(x + 3, 0, 6) / 6
    assert np.array_equal(hl.hard_sigmoid(x), step)
    assert np.abs(hl.hard_swish(x) - x * step).max() <= 1e-15
