"""Layers: formulas against NumPy, shapes, weights, configs, errors."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

import hotloop as hl
from hotloop.autograd import Tensor
from hotloop.layers.auto_name import reset_names

L = hl.layers


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(got, wanted, tolerance=1e-5):
    got = got.numpy() if isinstance(got, Tensor) else got
    assert got.shape == wanted.shape
    err = np.abs(got - wanted).max() if wanted.size else 0.0
    assert err <= tolerance * max(1.0, np.abs(wanted).max(initial=0.0))


def test_dense_is_an_affine_map():
    layer = L.Dense(4, activation="relu")
    x = normal(3, 5)
    y = layer(x)
    w, b = layer.get_weights()
    assert w.shape == (5, 4) and b.shape == (4,) and not b.any()
    close(y, np.maximum(x.astype(float) @ w + b, 0))


def test_dense_works_along_the_last_axis():
    layer = L.Dense(4)
    x = normal(2, 3, 5)
    close(layer(x), x.astype(float) @ layer.get_weights()[0])
    assert layer.compute_output_shape((None, 3, 5)) == (None, 3, 4)


def test_dense_without_bias():
    layer = L.Dense(2, use_bias=False)
    layer(normal(1, 3))
    assert [w.shape for w in layer.weights] == [(3, 2)]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softmax", "gelu", "silu", "elu", "linear", None])
def test_dense_applies_any_activation(activation):
    layer = L.Dense(6, activation=activation)
    x = normal(3, 5)
    y = layer(x).numpy()
    z = x.astype(float) @ layer.get_weights()[0]
    reference = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "softmax": lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True),
        "gelu": lambda z: z * 0.5 * (1 + np.vectorize(math.erf)(z / np.sqrt(2))),
        "silu": lambda z: z / (1 + np.exp(-z)),
        "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    }.get(activation, lambda z: z)
    close(y, reference(z), 1e-5)


def test_dense_takes_a_function_as_activation():
    named, custom = L.Dense(3, activation=hl.relu), L.Dense(3, activation=lambda z: z * 2.0)
    assert named.activation == "relu"
    x = normal(2, 4)
    close(custom(x), 2 * (x.astype(float) @ custom.get_weights()[0]))


def conv(x, w, stride, padding, dilation, groups):
    """y[n, i, j, f], by loops in float64."""
    x = np.pad(x.astype(float), ((0, 0), padding[0], padding[1], (0, 0)))
    kh, kw, cg, f = w.shape
    oh = (x.shape[1] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (x.shape[2] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((x.shape[0], oh, ow, f))
    for k in range(f):
        group = k // (f // groups)
        channels = slice(group * cg, (group + 1) * cg)
        for i in range(oh):
            for j in range(ow):
                for r in range(kh):
                    for s in range(kw):
                        row, column = i * stride[0] + r * dilation[0], j * stride[1] + s * dilation[1]
                        y[:, i, j, k] += (x[:, row, column, channels] * w[r, s, :, k]).sum(-1)
    return y


@pytest.mark.parametrize(
    ("options", "padding"),
    [
        ({}, ((0, 0), (0, 0))),
        ({"padding": "same"}, ((1, 1), (1, 1))),
        ({"strides": (2, 1), "padding": 1}, ((1, 1), (1, 1))),
        ({"dilation_rate": 2, "groups": 2, "padding": ((2, 0), (1, 3))}, ((2, 0), (1, 3))),
    ],
)
def test_conv2d_is_a_cross_correlation(options, padding):
    layer = L.Conv2D(4, 3, **options)
    x = normal(2, 7, 8, 2)
    y = layer(x)
    w = layer.get_weights()[0]
    stride = options.get("strides", (1, 1))
    dilation = (2, 2) if "dilation_rate" in options else (1, 1)
    close(y, conv(x, w, stride, padding, dilation, options.get("groups", 1)))
    assert layer.compute_output_shape((None, 7, 8, 2)) == (None, *y.shape[1:])


def test_conv2d_takes_channels_first():
    last, first = L.Conv2D(3, 2, data_format="channels_last"), L.Conv2D(3, 2, data_format="channels_first")
    x = normal(2, 5, 6, 4)
    y = last(x).numpy()
    first(x.transpose(0, 3, 1, 2))
    first.set_weights(last.get_weights())
    close(first(x.transpose(0, 3, 1, 2)), y.transpose(0, 3, 1, 2))
    assert first.compute_output_shape((None, 4, None, 6)) == (None, 3, None, 5)


def test_pooling_takes_windows():
    x = normal(2, 6, 4, 3)
    blocks = x.reshape(2, 3, 2, 2, 2, 3)
    close(L.MaxPooling2D()(x), blocks.max(axis=(2, 4)))
    close(L.AveragePooling2D((2, 2))(x), blocks.astype(float).mean(axis=(2, 4)))
    assert L.MaxPooling2D(3, strides=1, padding="same").compute_output_shape((None, 6, 4, 3)) == (None, 6, 4, 3)


def test_global_pooling():
    x = normal(2, 6, 4, 3)
    close(L.GlobalAveragePooling2D()(x), x.astype(float).mean(axis=(1, 2)))
    close(L.GlobalMaxPooling2D(keepdims=True)(x), x.max(axis=(1, 2), keepdims=True))
    first = x.transpose(0, 3, 1, 2)
    close(L.GlobalMaxPooling2D("channels_first")(first), x.max(axis=(1, 2)))
    assert L.GlobalMaxPooling2D("channels_first", keepdims=True).compute_output_shape((None, 3, 6, 4)) == (
        None,
        3,
        1,
        1,
    )


def test_flatten_and_reshape():
    x = normal(2, 3, 4)
    close(L.Flatten()(x), x.reshape(2, 12))
    close(L.Flatten()(x[:, 0, 0]), x[:, :1, 0])
    close(L.Reshape((4, -1))(x), x.reshape(2, 4, 3))
    assert L.Flatten()(x[:0]).shape == (0, 12)
    assert L.Reshape((4, -1)).compute_output_shape((None, 3, 4)) == (None, 4, 3)
    with pytest.raises(ValueError, match=r"\[re\] sizes differ: input \(3, 4\) has 12 elements, wanted \(5,\)"):
        L.Reshape((5,), name="re")(x)


def test_dropout_drops_only_in_training():
    layer = L.Dropout(0.25, seed=3)
    x = np.ones((100, 100), np.float32)
    assert (np.asarray(layer(x)) == x).all()
    y = np.asarray(layer(x, training=True))
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) <= 0.02
    assert not (np.asarray(layer(x, training=True)) == y).all()
    assert (np.asarray(L.Dropout(0.25, seed=3)(x, training=True)) == y).all()


def test_train_and_eval_set_what_a_call_does():
    layer = L.Dropout(0.5).train()
    x = np.ones((50, 50), np.float32)
    assert (np.asarray(layer(x)) == 0).any()
    assert not (np.asarray(layer.eval()(x)) == 0).any()


def test_rescaling_takes_bytes():
    x = np.arange(256, dtype=np.uint8).reshape(16, 16)
    y = L.Rescaling(1 / 127.5, offset=-1)(x)
    assert y.dtype == np.float32
    close(y, x.astype(float) / 127.5 - 1, 1e-6)


def test_named_activation_layers():
    x = normal(4, 5)
    close(L.Activation("tanh")(x), np.tanh(x.astype(float)))
    close(L.ReLU()(x), np.maximum(x, 0))
    close(L.LeakyReLU(0.2)(x), np.where(x > 0, x, 0.2 * x.astype(float)))
    close(L.ELU(0.5)(x), np.where(x > 0, x, 0.5 * np.expm1(x.astype(float))))
    e = np.exp(x.astype(float))
    close(L.Softmax()(x), e / e.sum(-1, keepdims=True))
    close(L.Softmax(axis=0)(x), e / e.sum(0))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64, ">f4", bool])
def test_inputs_are_cast_to_the_weights_dtype(dtype):
    layer = L.Dense(2)
    x = np.arange(6).reshape(2, 3).astype(dtype)
    y = layer(x)
    assert y.dtype == np.float32
    close(y, x.astype(float) @ layer.get_weights()[0])


def test_float64_weights():
    layer = L.Dense(2, dtype="float64")
    assert layer(normal(2, 3)).dtype == np.float64
    assert layer.get_weights()[0].dtype == np.float64


def test_lists_and_strided_inputs():
    layer = L.Dense(2)
    x = normal(6, 8)
    layer(x[:, ::2])
    close(layer(x[::2, ::2]), x[::2, ::2].astype(float) @ layer.get_weights()[0])
    close(layer([[1, 2, 3, 4]]), np.array([[1.0, 2, 3, 4]]) @ layer.get_weights()[0])


def test_names_count_up():
    reset_names()
    assert [L.Dense(1).name, L.Dense(1).name, L.MaxPooling2D().name, L.Conv2D(1, 1).name] == [
        "dense",
        "dense_1",
        "max_pooling2d",
        "conv2d",
    ]
    assert L.Dense(1, name="mine").name == "mine"


def test_repr_shows_what_is_not_default():
    assert repr(L.Dense(3, activation="relu", name="d")) == "Dense(units=3, activation='relu', name='d')"
    assert repr(L.Conv2D(2, 3, name="c")) == "Conv2D(filters=2, kernel_size=(3, 3), name='c')"


@pytest.mark.parametrize(
    "layer",
    [
        L.Dense(3, "relu", kernel_initializer=hl.initializers.HeNormal(seed=4), name="a"),
        L.Conv2D(4, (3, 2), padding=((1, 0), (2, 2)), groups=2, activation="gelu_tanh", dtype="float64"),
        L.MaxPooling2D(3, 2, "same", "channels_first"),
        L.AveragePooling2D(),
        L.GlobalAveragePooling2D(keepdims=True),
        L.GlobalMaxPooling2D(),
        L.Flatten(),
        L.Reshape((2, -1)),
        L.Dropout(0.3, seed=1),
        L.Activation("softmax"),
        L.ReLU(),
        L.LeakyReLU(0.1),
        L.ELU(2.0),
        L.Softmax(1),
        L.Rescaling(1 / 255, -1),
        L.Input((3, 4)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_config_round_trip(layer):
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()


def test_custom_activation_needs_its_name_back():
    def double(x):
        return x * 2.0

    config = L.Dense(2, activation=double).get_config()
    assert L.Dense.from_config(config, {"double": double}).activation is double
    with pytest.raises(ValueError, match="unknown function 'double'"):
        L.Dense.from_config(config)


def test_weights_copy_in_and_out():
    layer = L.Dense(2)
    layer(normal(1, 3))
    values = [np.full((3, 2), 2.0), np.array([1, -1])]
    layer.set_weights(values)
    close(layer(np.ones((1, 3))), np.array([[7.0, 5.0]]))
    layer.get_weights()[0][:] = 9
    assert (layer.get_weights()[0] == 2).all()
    with pytest.raises(ValueError, match="kernel has shape"):
        layer.set_weights([np.zeros((2, 3)), np.zeros(2)])
    with pytest.raises(ValueError, match="2 weights, got 1"):
        layer.set_weights(values[:1])
    assert (layer.get_weights()[0] == 2).all()


def test_frozen_layers_take_no_gradient():
    layer = L.Dense(2)
    layer(normal(1, 3))
    layer.trainable = False
    assert layer.parameters() == [] and len(layer.weights) == 2 and len(layer.non_trainable_weights) == 2
    layer.trainable = True
    assert len(layer.parameters()) == 2
    early = L.Dense(2, trainable=False)
    early(normal(1, 3))
    assert early.parameters() == [] and len(early.weights) == 2


class Scaled(L.Layer):
    """A layer as a user writes it, with a weight that is never trained and a layer inside."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = [L.Dense(units)]

    def build(self, input_shape):
        self.gain = self.add_weight((self.units,), "ones", name="gain")
        self.shift = self.add_weight((self.units,), "zeros", name="shift", trainable=False)

    def call(self, x):
        return self.inner[0](x) * self.gain + self.shift


def test_own_layers():
    layer = Scaled(4)
    x = normal(2, 3)
    y = layer(x)
    assert y.shape == (2, 4) and layer.compute_output_shape((None, 3)) == (None, 4)
    assert [path for path, _ in layer.named_weights()] == ["inner.0.kernel", "inner.0.bias", "gain", "shift"]
    assert len(layer.parameters()) == 3
    layer.trainable = False
    layer.trainable = True
    assert len(layer.parameters()) == 3
    assert layer.count_params() == 12 + 4 + 4 + 4


def test_layers_pickle_and_deepcopy():
    layer = L.Dense(2)
    x = normal(2, 3)
    y = layer(x).numpy().copy()
    for again in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        close(again(x), y)
        again.weights[0].data = np.zeros((3, 2))
    close(layer(x), y)


def test_gradients_reach_the_weights():
    layer = L.Dense(2, activation="relu")
    x = normal(4, 3)
    y = layer(x)
    y.backward(np.ones((4, 2), np.float32))
    z = x.astype(float) @ layer.get_weights()[0]
    close(layer.kernel.grad, x.T.astype(float) @ (z > 0))
    close(layer.bias.grad, (z > 0).sum(0).astype(float))
