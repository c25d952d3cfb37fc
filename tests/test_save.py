"""save, load_model, save_weights, load_weights: whole round trips, damage, mismatches, custom objects."""

import numpy as np
import pytest

import hotloop as hl
from hotloop.io import load_arrays, save_arrays

L = hl.layers
X = np.random.default_rng(0).standard_normal((40, 6, 6, 1)).astype(np.float32)
Y = np.arange(40) % 3


def model():
    hl.set_seed(0)
    made = hl.Sequential(
        [
            L.Rescaling(2.0, input_shape=(6, 6, 1)),
            L.Conv2D(3, (2, 3), padding="same", activation="leaky_relu"),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dropout(0.25),
            L.Dense(5, activation="tanh", kernel_initializer=hl.initializers.HeNormal(seed=1), name="hidden"),
            L.Dense(3, activation="softmax"),
        ],
        name="net",
    )
    made.compile(hl.optim.Adam(2e-3), hl.losses.SparseCategoricalCrossentropy(label_smoothing=0.1), ["accuracy"])
    return made


def fitted(model, epochs=1):
    hl.set_seed(5)
    model.fit(X, Y, batch_size=16, epochs=epochs, verbose=0)
    return model


def test_sequential_round_trip(tmp_path):
    made = fitted(model())
    made.save(tmp_path / "m.safetensors")
    again = hl.load_model(tmp_path / "m.safetensors")
    assert again.name == "net" and again.get_config() == made.get_config()
    assert np.array_equal(again.predict(X), made.predict(X))
    assert again.evaluate(X, Y, verbose=0) == made.evaluate(X, Y, verbose=0)
    # The optimizer goes on where it was.
    for a, b in zip(fitted(again).get_weights(), fitted(made).get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_before_the_first_step_and_before_compile(tmp_path):
    made = model()
    made.save(tmp_path / "m")
    again = hl.load_model(tmp_path / "m")
    for a, b in zip(fitted(again).get_weights(), fitted(made).get_weights(), strict=True):
        assert np.array_equal(a, b)
    plain = hl.Sequential([L.Dense(2, input_shape=(3,))])
    plain.save(tmp_path / "m")
    with pytest.raises(RuntimeError, match="not compiled"):
        hl.load_model(tmp_path / "m").evaluate(X, Y)
    unbuilt = hl.Sequential([L.Dense(2)])
    unbuilt.save(tmp_path / "m")
    assert not hl.load_model(tmp_path / "m").built


def test_nested_models_and_torch_names(tmp_path):
    made = hl.Sequential(
        [hl.Sequential([L.Dense(4, input_shape=(3,))]), hl.nn.Sequential(hl.nn.Linear(4, 2), hl.nn.ReLU())]
    )
    made.build((None, 3))
    made.save(tmp_path / "m")
    x = np.ones((2, 3), np.float32)
    again = hl.load_model(tmp_path / "m")
    assert np.array_equal(again.predict(x), made.predict(x))
    assert isinstance(again.layers[1].layers[0], hl.nn.Linear)


class Twice(L.Layer):
    """A user's layer, with the config of Keras' habit."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def halved(y_true, y_pred):
    return (y_pred - y_true) * (y_pred - y_true) * 0.5


def test_custom_objects(tmp_path):
    made = hl.Sequential([L.Dense(1, input_shape=(2,)), Twice(3.0)])
    made.compile("sgd", halved)
    made.save(tmp_path / "m")
    with pytest.raises(ValueError, match="unknown class 'Twice'"):
        hl.load_model(tmp_path / "m")
    again = hl.load_model(tmp_path / "m", custom_objects={"Twice": Twice, "halved": halved})
    x = np.ones((2, 2), np.float32)
    assert np.array_equal(again.predict(x), made.predict(x))
    assert again.evaluate(x, x[:, :1], verbose=0) == made.evaluate(x, x[:, :1], verbose=0)


def test_a_loss_without_a_name_is_left_out_aloud(tmp_path):
    made = hl.Sequential([L.Dense(1, input_shape=(2,))])
    made.compile("sgd", lambda y_true, y_pred: y_pred - y_true)
    with pytest.warns(UserWarning, match="saved without optimizer, loss and metrics"):
        made.save(tmp_path / "m")
    assert hl.load_model(tmp_path / "m").count_params() == 3


class Net(hl.Model):
    def __init__(self, units=4):
        super().__init__()
        self.hidden = [L.Dense(units, activation="relu"), L.Dense(units)]
        self.out = L.Dense(2)

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)


def test_subclass_weights(tmp_path):
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    made, again = Net(), Net()
    y = made(x).numpy()
    made.save_weights(tmp_path / "w")
    with pytest.raises(RuntimeError, match="has no weights yet"):
        again.load_weights(tmp_path / "w")
    again.build((None, 5))
    again.load_weights(tmp_path / "w")
    assert np.array_equal(again(x).numpy(), y)
    with pytest.raises(TypeError, match="use save_weights and load_weights"):
        made.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_weights_of_a_saved_model_and_plain_files(tmp_path):
    made, other = model(), model()
    fitted(made).save(tmp_path / "m")
    other.load_weights(tmp_path / "m")
    assert np.array_equal(made.predict(X), other.predict(X))
    from hotloop.io import save_arrays

    save_arrays(tmp_path / "w", {name: 2 * array for name, array in made.state_dict().items()})
    other.load_weights(tmp_path / "w")
    assert np.array_equal(other.get_weights()[0], 2 * made.get_weights()[0])


def test_mismatches_change_nothing(tmp_path):
    made = Net(4)
    made.build((None, 5))
    made.save_weights(tmp_path / "w")
    other = Net(3)
    other.build((None, 5))
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"shape differs: hidden.0.kernel has \(5, 3\) in the model, \(5, 4\)"):
        other.load_weights(tmp_path / "w")
    dense = hl.Sequential([L.Dense(4, input_shape=(5,))])
    with pytest.raises(ValueError, match=r"weights differ: missing \['0.bias', '0.kernel'\], unknown"):
        dense.load_weights(tmp_path / "w")
    assert all(np.array_equal(a, b) for a, b in zip(before, other.get_weights(), strict=True))
    with pytest.raises(ValueError, match="not a model"):
        hl.load_model(tmp_path / "w")


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "m"
    model().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="load_arrays"):
        hl.load_model(path)
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(ValueError, match="checksum differs"):
        hl.load_model(path)
    with pytest.raises(FileNotFoundError):
        hl.load_model(tmp_path / "none")


def test_a_model_larger_than_its_file_is_never_made(tmp_path):
    path = tmp_path / "m"
    model().save(path)
    arrays, metadata = load_arrays(path)
    layers = metadata["model"]["config"]["layers"]
    next(layer["config"] for layer in layers if "units" in layer["config"])["units"] = 1 << 40
    save_arrays(path, arrays, metadata)
    with pytest.raises(ValueError, match="has more elements than were saved"):
        hl.load_model(path)


def lost(key):
    return lambda metadata: metadata.pop(key)


@pytest.mark.parametrize(
    "damage",
    [
        lost("model"),
        lost("compiled"),
        lambda metadata: metadata.update(model=[]),
        lambda metadata: metadata["model"].update(config={}),
        lambda metadata: metadata["model"]["config"].update(layers=3),
        lambda metadata: metadata["model"]["config"]["layers"][0].update(config={"units": "many"}),
        lambda metadata: metadata["model"]["config"].update(input_shape=["a"]),
        lambda metadata: metadata["compiled"].update(loss=7),
        lambda metadata: metadata["compiled"].update(optimizer=7),
        lambda metadata: metadata["optimizer"].update(updates="x"),
    ],
)
def test_a_sound_file_that_describes_no_model(tmp_path, damage):
    path = tmp_path / "m"
    fitted(model()).save(path)
    arrays, metadata = load_arrays(path)
    damage(metadata)
    save_arrays(path, arrays, metadata)
    with pytest.raises(ValueError, match=r"^\[load_model\] .* can't be made into a model: "):
        hl.load_model(path)


def test_a_state_that_lacks_an_array(tmp_path):
    path = tmp_path / "m"
    fitted(model()).save(path)
    arrays, metadata = load_arrays(path)
    arrays.pop("optimizer/0.m")
    save_arrays(path, arrays, metadata)
    with pytest.raises(ValueError, match=r"\[Adam\] the state lacks 0.m"):
        hl.load_model(path)


def test_saving_again_replaces_the_file(tmp_path):
    path = tmp_path / "m"
    made = model()
    made.save(path)
    fitted(made).save(path)
    assert np.array_equal(hl.load_model(path).predict(X), made.predict(X))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_schedules_are_saved(tmp_path):
    made = model()
    made.compile(
        hl.optim.SGD(lr=hl.optim.schedules.exponential_decay(0.1, rate=0.5, steps=10)),
        "sparse_categorical_crossentropy",
    )
    fitted(made).save(tmp_path / "m")
    again = hl.load_model(tmp_path / "m")
    for a, b in zip(fitted(again).get_weights(), fitted(made).get_weights(), strict=True):
        assert np.array_equal(a, b)
