"""Sequential and Model: building, calling, plans, summaries, weights, copies, errors."""

import copy
import pickle

import numpy as np
import pytest

import hotloop as hl
from hotloop.layers.auto_name import reset_names
from hotloop.plan import ConvPool

L = hl.layers


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def cnn(**conv):
    return hl.Sequential(
        [
            L.Conv2D(4, (3, 3), activation="relu", input_shape=(10, 10, 1), **conv),
            L.MaxPooling2D((2, 2)),
            L.Flatten(),
            L.Dense(8, activation="relu"),
            L.Dropout(0.5),
            L.Dense(3, activation="softmax"),
        ]
    )


class Mlp(hl.Model):
    def __init__(self):
        super().__init__()
        self.first = L.Dense(4, activation="relu")
        self.more = [L.Dense(5), {"inner": L.Dense(2)}]
        self.drop = L.Dropout(0.5)

    def call(self, x):
        x = self.more[0](self.first(x))
        return self.more[1]["inner"](self.drop(x))


def one_by_one(model, x):
    for layer in model.layers:
        x = layer(x)
    return x.numpy()


def test_sequential_with_input_shape_is_built_at_once():
    model = cnn()
    assert model.built and model.count_params() == 40 + 4 * 4 * 4 * 8 + 8 + 27
    assert model.input_shape == (None, 10, 10, 1) and model.output_shape == (None, 3)
    y = model(normal(2, 10, 10, 1))
    assert isinstance(y, hl.Tensor) and np.abs(y.numpy().sum(-1) - 1).max() <= 1e-6


@pytest.mark.parametrize("first", [L.Input((6,), name="in"), L.InputLayer((6,), name="in"), None])
def test_ways_to_tell_the_input_shape(first):
    model = hl.Sequential([first] if first is not None else None)
    if first is None:
        model.build((None, 6))
    model.add(L.Dense(3))
    if first is None:
        assert not model.weights
        model.build((None, 6))
    assert [w.shape for w in model.weights] == [(6, 3), (3,)]


def test_sequential_without_input_shape_is_built_by_the_first_call():
    model = hl.Sequential([L.Dense(3), L.Dense(2)])
    assert not model.built and model.weights == []
    x = normal(4, 5)
    assert np.array_equal(model(x).numpy(), one_by_one(model, x))
    assert len(model.weights) == 4


def test_add_and_pop():
    model = hl.Sequential([L.Dense(3, input_dim=4)])
    model.add(L.Dense(2, name="last"))
    assert model.output_shape == (None, 2) and len(model.weights) == 4
    assert model.pop().name == "last" and model.output_shape == (None, 3)
    with pytest.raises(TypeError, match="add wants a layer: got 3"):
        model.add(3)
    with pytest.raises(ValueError, match="is taken"):
        model.add(L.Dense(2, name=model.layers[0].name))
    with pytest.raises(ValueError, match="rank differs"):
        model.add(L.Conv2D(2, 2))
    assert len(model.layers) == 1


@pytest.mark.parametrize("padding", ["valid", "same", 1])
def test_joined_steps_give_the_same_bits_as_layers_alone_up_to_rounding(padding):
    model = cnn(padding=padding)
    assert isinstance(model.plan()[0], ConvPool) and len(model.plan()) == 5
    x = normal(3, 10, 10, 1)
    err = np.abs(model(x).numpy() - one_by_one(model, x)).max()
    assert err <= 1e-6


def test_joined_steps_give_the_same_gradients():
    model = cnn()
    x = normal(3, 10, 10, 1)
    gradients = []
    for forward in (model, lambda x: x):
        y = x
        if forward is model:
            y = model(x)
        else:
            for layer in model.layers:
                y = layer(y)
        (y * normal(3, 3)).sum().backward()
        gradients.append([w.grad.copy() for w in model.parameters()])
        for w in model.parameters():
            w.grad = None
    for a, b in zip(*gradients, strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(1.0, np.abs(b).max())


def test_what_is_joined():
    def joined(*layers):
        return any(isinstance(step, ConvPool) for step in hl.Sequential(list(layers)).plan())

    class Own(L.Conv2D):
        pass

    assert joined(L.Conv2D(2, 3), L.MaxPooling2D())
    assert joined(L.Conv2D(2, 3), L.Activation("tanh"), L.MaxPooling2D())
    assert joined(L.Conv2D(2, 3), L.ReLU(), L.MaxPooling2D(3))
    assert not joined(L.Conv2D(2, 3, activation="gelu"), L.MaxPooling2D())
    assert not joined(L.Conv2D(2, 3, activation=lambda x: x), L.MaxPooling2D())
    assert not joined(L.Conv2D(2, 3), L.MaxPooling2D(3, strides=2))
    assert not joined(L.Conv2D(2, 3), L.MaxPooling2D(padding="same"))
    assert not joined(L.Conv2D(2, 3), L.MaxPooling2D(16))
    assert not joined(L.Conv2D(2, 3), L.AveragePooling2D())
    assert not joined(L.Conv2D(2, 3, data_format="channels_first"), L.MaxPooling2D())
    assert not joined(Own(2, 3), L.MaxPooling2D())
    assert not joined(L.Conv2D(2, 3))


def test_a_changed_layer_changes_the_plan():
    model = cnn()
    x = normal(2, 10, 10, 1)
    model.layers[0].activation = "gelu"
    assert not isinstance(model.plan()[0], ConvPool)
    assert np.array_equal(model(x).numpy(), one_by_one(model, x))


def test_subclassed_model():
    model = Mlp()
    assert model.weights == []
    x = normal(2, 3)
    y = model(x)
    assert y.shape == (2, 2)
    assert [path for path, _ in model.named_weights()] == [
        "first.kernel",
        "first.bias",
        "more.0.kernel",
        "more.0.bias",
        "more.1.inner.kernel",
        "more.1.inner.bias",
    ]
    assert len(model.parameters()) == 6 and len(model.layers) == 4
    again = Mlp()
    again.build((None, 3))
    again.set_weights(model.get_weights())
    assert np.array_equal(again(x).numpy(), y.numpy())


def test_shared_layers_count_once():
    class Twice(hl.Model):
        def __init__(self):
            super().__init__()
            self.a = self.b = L.Dense(3)

        def call(self, x):
            return self.b(self.a(x))

    model = Twice()
    model(normal(1, 3))
    assert len(model.weights) == 2


def test_models_nest():
    inner = Mlp()
    model = hl.Sequential([L.Dense(3, input_shape=(4,)), inner, hl.Sequential([L.Dense(2)])])
    assert len(model.weights) == 2 + 6 + 2
    x = normal(2, 4)
    assert np.array_equal(model(x).numpy(), one_by_one(model, x))


def test_training_reaches_layers_inside():
    model = hl.Sequential([hl.Sequential([L.Dropout(0.5)])])
    x = np.ones((40, 40), np.float32)

    def dropped(y):
        return bool((np.asarray(y) == 0).any())

    assert not dropped(model(x)) and dropped(model(x, training=True))
    model.train()
    assert dropped(model(x)) and not dropped(model(x, training=False))
    model.eval()
    assert not dropped(model(x))


def test_call_may_take_training():
    class Net(hl.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x, training=False):
            return self.dense(x) * (1.0 if training else 0.0)

    model = Net()
    assert not model(normal(1, 2)).numpy().any() and model(normal(1, 2), training=True).numpy().any()


def test_summary():
    reset_names()
    lines = []
    cnn().summary(print_fn=lines.append)
    text = "\n".join(lines)
    for part in ('Model: "sequential"', "conv2d (Conv2D)", "(None, 8, 8, 4)", "max_pooling2d (MaxPooling2D)", "40"):
        assert part in text
    assert "Total params: 587 (2.29 KB)" in text and "Non-trainable params: 0 (0.00 B)" in text
    model = Mlp()
    model.summary(print_fn=lines.append)
    assert "?" in lines[-1]
    model(normal(1, 3))
    model.first.trainable = False
    model.summary(print_fn=lines.append)
    assert "(None, 4)" in lines[-1] and "Non-trainable params: 16" in lines[-1]


def test_repr():
    reset_names()
    assert repr(hl.Sequential([L.Dense(2)])) == "Sequential('sequential'\n  (0): Dense(units=2, name='dense')\n)"


def test_get_layer():
    model = cnn()
    assert model.get_layer(index=0) is model.layers[0]
    assert model.get_layer(model.layers[2].name) is model.layers[2]
    with pytest.raises(ValueError, match="no such layer: 'dens'"):
        model.get_layer("dens")


def test_pickle_and_deepcopy():
    model = cnn()
    x = normal(2, 10, 10, 1)
    y = model(x).numpy().copy()
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(again(x).numpy(), y)
        again.set_weights([np.zeros_like(w) for w in again.get_weights()])
    assert np.array_equal(model(x).numpy(), y)


def test_state_dict():
    model, other = cnn(), cnn()
    other.load_state_dict(model.state_dict())
    x = normal(2, 10, 10, 1)
    assert np.array_equal(model(x).numpy(), other(x).numpy())
    state = model.state_dict()
    state["0.kernl"] = state.pop("0.kernel")
    with pytest.raises(ValueError, match=r"missing \['0.kernel'\], unknown \['0.kernl'\]"):
        other.load_state_dict(state)


def test_devices(no_cuda):
    model = cnn()
    assert model.to("auto").device == "cpu" and model.to("cpu") is model
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        model.to("gpu")
    with pytest.raises(RuntimeError, match="asked for, but this machine has none"):
        model.to("cuda")


def test_wrong_inputs_are_named():
    model = cnn()
    with pytest.raises(ValueError, match=r"input shape differs: expected \(None, 10, 10, 1\), got \(3, 10, 10\)"):
        model(normal(3, 10, 10))
    with pytest.raises(ValueError, match=r"expected \(None, 10, 10, 1\), got \(3, 9, 10, 1\)"):
        model(normal(3, 9, 10, 1))
    with pytest.raises(ValueError, match="window"):
        hl.Sequential([L.Conv2D(2, 5, input_shape=(4, 4, 1))])
    with pytest.raises(NotImplementedError, match="does not define call"):
        hl.Model()(normal(1, 2))
    with pytest.raises(ValueError, match="build wants the inputs' shape"):
        hl.Sequential([L.Dense(1)]).build()


def test_a_layer_with_a_bad_shape_is_named_when_built():
    with pytest.raises(ValueError, match=r"\[late\] rank differs: input \(None, 3\) has 2 dimensions"):
        hl.Sequential([L.Dense(3, input_shape=(4,)), L.Conv2D(2, 2, name="late")])


def test_a_model_may_call_its_own_attributes_layers_name_and_loss():
    class Net(hl.nn.Module):
        def __init__(self):
            super().__init__()
            self.name = "mine"
            self.loss = hl.nn.MSELoss()
            self.layers = [hl.nn.Linear(3, 3), hl.nn.Linear(3, 2)]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model = Net()
    assert model(normal(2, 3)).shape == (2, 2) and len(model.parameters()) == 4
    assert model.name == "mine" and repr(model).count("Linear") == 2


def test_a_forgotten_super_init():
    class Net(hl.Model):
        def __init__(self):
            self.out = L.Dense(2)

        def call(self, x):
            return self.out(x)

    model = Net()
    assert model(normal(1, 3)).shape == (1, 2) and model.name.startswith("net")
