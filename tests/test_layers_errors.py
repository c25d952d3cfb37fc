"""Layers: bad arguments and inputs are named."""

import numpy as np
import pytest

import hotloop as hl

L = hl.layers


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: L.Dense(0, name="d"), ValueError, r"\[d\] units must be at least 1, got 0"),
        (lambda: L.Dense(2.5, name="d"), TypeError, r"\[d\] units must be an integer, got 2.5"),
        (
            lambda: L.Dense(2, activation="rleu", name="d"),
            ValueError,
            r"\[d\] unknown activation 'rleu'; did you mean 'relu'",
        ),
        (lambda: L.Dense(2, kernel_initializer="glorot", name="d"), ValueError, r"\[d\] unknown initializer 'glorot'"),
        (lambda: L.Conv2D(3, 2, groups=2, name="c"), ValueError, r"\[c\] groups do not divide filters"),
        (lambda: L.Conv2D(3, 2, strides=0, name="c"), ValueError, r"\[c\] strides must be at least 1, got 0"),
        (lambda: L.Conv2D(3, 2, strides=-1, name="c"), ValueError, r"\[c\] strides must be at least 1, got -1"),
        (lambda: L.Conv2D(3, (2, 2, 2), name="c"), TypeError, r"\[c\] kernel_size"),
        (
            lambda: L.Conv2D(3, 2, padding="smae", name="c"),
            ValueError,
            r"\[c\] unknown padding 'smae'; did you mean 'same'",
        ),
        (lambda: L.Conv2D(3, 2, data_format="channel_last", name="c"), ValueError, "did you mean 'channels_last'"),
        (lambda: L.MaxPooling2D(2, padding=2, name="p"), ValueError, r"\[p\] padding"),
        (lambda: L.Dropout(1.0, name="d"), ValueError, r"\[d\] rate must be in \[0, 1\), got 1.0"),
        (lambda: L.Reshape((-1, -1), name="r"), ValueError, r"\[r\] target_shape wants"),
        (lambda: L.Dense(2, dtype="float16", name="d"), ValueError, "unknown dtype 'float16'"),
        (lambda: L.Dense(2, input_shape="28", name="d"), TypeError, r"\[d\] input_shape must be a tuple"),
        (lambda: L.Dense(2, dtype="flaot32", name="d"), ValueError, "unknown dtype 'flaot32'; did you mean 'float32'"),
        (lambda: L.Dense(2, input_shape=(-3,), name="d"), TypeError, r"\[d\] input_shape must be a tuple"),
        (lambda: L.Dropout("half", name="d"), TypeError, r"\[d\] rate must be a number, got 'half'"),
        (lambda: L.Rescaling("a", name="r"), TypeError, r"\[r\] scale must be a number"),
        (lambda: L.LeakyReLU(-1, name="l"), ValueError, r"\[l\] negative_slope must be in \[0, inf\), got -1"),
        (lambda: L.ELU(None, name="e"), TypeError, r"\[e\] alpha must be a number, got None"),
        (lambda: L.Softmax(0.5, name="s"), TypeError, r"\[s\] axis must be an integer"),
        (lambda: L.Reshape("a", name="r"), TypeError, r"\[r\] target_shape must be an integer, got 'a'"),
        (lambda: L.Reshape((2, -2), name="r"), ValueError, r"\[r\] target_shape must be at least -1, got -2"),
        (lambda: L.Input(None, name="i"), TypeError, r"\[i\] shape must be a tuple of sizes, got None"),
        (lambda: hl.Sequential("relu"), TypeError, "add wants a layer: got 'relu'"),
        (lambda: hl.Sequential(3), TypeError, "add wants a layer: got 3"),
        (lambda: hl.Sequential([L.Dense(2)], name="s").build("a"), TypeError, r"\[s\] input_shape must be a tuple"),
        (lambda: hl.Sequential([L.Dense(2)], name="s").build((None, -3)), TypeError, r"\[s\] input_shape must be"),
        (lambda: L.Dense(2, name="d").add_weight((2, -1)), TypeError, r"\[d\] a weight's shape must be a tuple"),
        (lambda: hl.initializers.VarianceScaling("a"), TypeError, r"\[VarianceScaling\] scale must be a number"),
        (lambda: hl.initializers.VarianceScaling(mode="fan"), ValueError, "unknown mode 'fan'"),
    ],
)
def test_bad_arguments_are_named(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_bad_inputs_are_named():
    dense, convolution = L.Dense(2, name="d"), L.Conv2D(2, 3, name="c")
    dense(normal(1, 3))
    convolution(normal(1, 5, 5, 2))
    cases = [
        (dense, normal(1, 4), ValueError, r"\[d\] input shape differs: built for size 3 along axis -1, got \(1, 4\)"),
        (convolution, normal(5, 5, 2), ValueError, r"\[c\] rank differs: input \(5, 5, 2\) has 3 dimensions"),
        (convolution, normal(1, 5, 5, 3), ValueError, r"\[c\] input shape differs"),
        (convolution, normal(1, 2, 2, 2), ValueError, "larger than the padded input"),
        (L.Dense(2, name="e"), normal(3), ValueError, r"\[e\] rank differs"),
        (L.MaxPooling2D(name="p"), normal(3, 3), ValueError, r"\[p\] rank differs"),
        (dense, np.array([["a", "b", "c"]]), TypeError, r"\[d\] input has dtype <U1"),
        (dense, np.array([[object()] * 3]), TypeError, r"\[d\] input has dtype object"),
        (dense, normal(1, 3) + 1j, TypeError, r"\[d\] input has dtype complex"),
        (dense, [[1, 2], [3]], TypeError, r"\[d\] input must be an array, got a list whose items differ in shape"),
        (dense, L.Input((3,), name="i"), TypeError, r"\[d\] called on the layer 'i', not on data"),
    ]
    for layer, x, error, text in cases:
        with pytest.raises(error, match=text):
            layer(x)
