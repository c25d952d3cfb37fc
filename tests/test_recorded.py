"""Recorded steps: whatever a model is made of, a replay gives the bits of a step that runs op by op, and whatever
changes between two steps counts in the next one."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest

import hotloop as hl
from fit_models import X as POINTS
from fit_models import Y as CLASSES
from hotloop.optim.base import Optimizer

L = hl.layers
IMAGES = np.random.default_rng(1).standard_normal((48, 12, 12, 3)).astype(np.float32)
BYTES = np.random.default_rng(2).integers(0, 256, (48, 12, 12, 3), np.uint8)
LABELS = np.random.default_rng(3).integers(0, 4, 48)
STEPS = 6


class OpByOp(hl.Sequential):
    """A Sequential of somebody else's, whose steps nobody records."""


@pytest.fixture
def replays(monkeypatch):
    """A list that grows with every replay."""
    made, replay = [], Optimizer.replay

    def counted(self, *calls):
        made.append(self)
        return replay(self, *calls)

    monkeypatch.setattr(Optimizer, "replay", counted)
    return made


def bits(model):
    state = model.optimizer.state_dict()["arrays"]
    return [array.tobytes() for array in (*model.get_weights(), *state.values())]


def trained(kind, layers, x, y, change=lambda model, step: None, batch=16, weight=None, steps=STEPS, **compiled):
    """(model, its losses): a few steps of train_on_batch; `change` is called before each."""
    hl.set_seed(7)
    model = kind(layers())
    model.build((None, *x.shape[1:]))
    model.compile(**({"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "device": "cpu"} | compiled))
    losses = []
    for step in range(steps):
        change(model, step)
        rows = slice(step * batch % len(x), step * batch % len(x) + batch)
        losses.append(model.train_on_batch(x[rows], y[rows], None if weight is None else weight[rows]))
    return model, losses


def check_same(replays, least, *args, **kwargs):
    """That recorded training gives the bits of training op by op, with at least so many replays; returns both."""
    recorded, losses = trained(hl.Sequential, *args, **kwargs)
    count = len(replays)
    other, wanted = trained(OpByOp, *args, **kwargs)
    assert len(replays) == count, "a foreign model was recorded"
    assert losses == wanted
    assert bits(recorded) == bits(other)
    assert count >= least
    return recorded, other


def classifier():
    return [L.Dense(16, activation="relu"), L.Dense(3, activation="softmax")]


# ---- what models are made of ----------------------------------------------------------------------------------------

HEAD = (L.Flatten, lambda: L.Dense(4, activation="softmax"))
BLOCKS = {
    "conv": [lambda: L.Conv2D(8, 3, activation="relu")],
    "conv of many channels": [lambda: L.Conv2D(32, 3), lambda: L.Conv2D(32, 3, padding="same", activation="tanh")],
    "conv strided": [lambda: L.Conv2D(8, 3, strides=2, padding="same", activation="elu", use_bias=False)],
    "conv gelu": [lambda: L.Conv2D(6, 3, activation="gelu")],
    "conv channels first": [lambda: L.Conv2D(6, 3, data_format="channels_first", padding="same")],
    "conv and pool": [lambda: L.Conv2D(16, 3, activation="relu"), lambda: L.MaxPooling2D(2)],
    "two blocks": [
        lambda: L.Conv2D(16, 3, activation="relu"),
        lambda: L.MaxPooling2D(2),
        lambda: L.Conv2D(16, 3, activation="relu"),
        lambda: L.MaxPooling2D(2),
    ],
    "max pool": [lambda: L.Conv2D(8, 3), lambda: L.MaxPooling2D(3, strides=2, padding="same")],
    "average pool": [lambda: L.Conv2D(8, 3), lambda: L.AveragePooling2D(2)],
    "global average": [lambda: L.Conv2D(8, 3), L.GlobalAveragePooling2D],
    "global max": [lambda: L.Conv2D(8, 3), lambda: L.GlobalMaxPooling2D(keepdims=True)],
    "dropout": [lambda: L.Conv2D(8, 3), lambda: L.Dropout(0.4), lambda: L.Dropout(0.3)],
    "own dropout": [lambda: L.Dropout(0.4, seed=5), lambda: L.Conv2D(8, 3), lambda: L.Dropout(0.4)],
    "activations": [
        lambda: L.Dense(5, activation="silu"),
        L.ReLU,
        lambda: L.LeakyReLU(0.1),
        lambda: L.ELU(0.7),
        lambda: L.Activation("softplus"),
        lambda: L.Softmax(axis=1),
    ],
    "rescaling": [lambda: L.Rescaling(0.5, -1.0), lambda: L.Conv2D(8, 3)],
    "reshape": [lambda: L.Reshape((36, 12)), lambda: L.Dense(7, activation="sigmoid")],
    "model in model": [lambda: hl.Sequential([L.Conv2D(8, 3), L.ReLU()]), lambda: L.MaxPooling2D(2)],
}


@pytest.mark.parametrize("name", BLOCKS)
def test_every_layer(replays, name, tier):
    check_same(replays, STEPS - 2, lambda: [make() for make in (*BLOCKS[name], *HEAD)], IMAGES, LABELS)


def test_float64(replays):
    def layers():
        return [L.Dense(9, activation="tanh", dtype="float64"), L.Dense(3, activation="softmax", dtype="float64")]

    check_same(replays, STEPS - 2, layers, POINTS.astype(np.float64), CLASSES)


@pytest.mark.parametrize("x", [BYTES, IMAGES.astype(np.float64), IMAGES[:, ::-1], IMAGES[::-1]], ids=str)
def test_inputs_of_other_kinds(replays, x):
    check_same(replays, 0, lambda: [L.Conv2D(8, 3, activation="relu"), L.Flatten(), L.Dense(4)], x, LABELS)


def test_bytes_are_rescaled_in_a_replay(replays):
    def layers():
        return [L.Rescaling(1 / 255), L.Conv2D(8, 3), L.Flatten(), L.Dense(4, activation="softmax")]

    check_same(replays, STEPS - 2, layers, BYTES, LABELS)


# ---- losses, metrics, optimizers ------------------------------------------------------------------------------------

ONE_HOT = np.eye(3)[CLASSES]
LOSSES = {
    "mse": ("mse", ONE_HOT),
    "mae": ("mae", ONE_HOT.astype(np.float32)),
    "huber": (hl.losses.Huber(0.3), ONE_HOT.astype(np.int64)),
    "sum": (hl.losses.MeanSquaredError(reduction="sum"), ONE_HOT),
    "binary": ("binary_crossentropy", ONE_HOT),
    "smoothed": (hl.losses.BinaryCrossentropy(label_smoothing=0.1), ONE_HOT),
    "categorical": ("categorical_crossentropy", ONE_HOT),
    "categorical smoothed": (hl.losses.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT),
    "sparse": ("sparse_categorical_crossentropy", CLASSES.astype(np.int32)),
    "sparse column": ("sparse_categorical_crossentropy", CLASSES[:, None]),
    "sparse ignoring": (hl.losses.SparseCategoricalCrossentropy(ignore_class=1), CLASSES),
    "sparse sum": (hl.losses.SparseCategoricalCrossentropy(reduction="sum"), CLASSES),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("squashing", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(replays, name, squashing, weighted):
    loss, y = LOSSES[name]

    def layers():
        return [L.Dense(16, activation="relu"), L.Dense(3, activation=squashing)]

    weight = np.random.default_rng(4).random(len(y)) if weighted else None
    check_same(replays, STEPS - 2, layers, POINTS, y, loss=loss, weight=weight)


@pytest.mark.parametrize("metric", ["accuracy", "mae", hl.metrics.SparseTopKCategoricalAccuracy(2)], ids=str)
def test_metrics(replays, metric):
    y = ONE_HOT if metric == "mae" else CLASSES
    loss = "mse" if metric == "mae" else "sparse_categorical_crossentropy"
    check_same(replays, STEPS - 2, classifier, POINTS, y, loss=loss, metrics=[metric])


OPTIMIZERS = {
    "sgd": lambda: hl.optim.SGD(0.1),
    "momentum": lambda: hl.optim.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: hl.optim.Adam(0.01, amsgrad=True),
    "adamw": lambda: hl.optim.AdamW(0.01, weight_decay=0.1),
    "nadam": lambda: hl.optim.Nadam(0.01),
    "rmsprop": lambda: hl.optim.RMSprop(0.01, centered=True, momentum=0.5),
    "adagrad": lambda: hl.optim.Adagrad(0.01, lr_decay=0.1),
    "lion": lambda: hl.optim.Lion(0.01),
    "schedule": lambda: hl.optim.Adam(hl.optim.schedules.cosine(0.1, 5)),
    "function": lambda: hl.optim.SGD(lambda step: 0.1 / (1 + step)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(replays, name):
    hl.set_seed(0)
    make = OPTIMIZERS[name]
    model, losses = trained(hl.Sequential, classifier, POINTS, CLASSES, optimizer=make())
    other, wanted = trained(OpByOp, classifier, POINTS, CLASSES, optimizer=make())
    assert losses == wanted
    assert bits(model) == bits(other)
    assert len(replays) == STEPS - 2


# ---- what changes between steps -------------------------------------------------------------------------------------


def at(number, change):
    """A change that is made before one step."""
    return lambda model, step: change(model) if step == number else None


def dropping():
    return [L.Dense(16, activation="relu"), L.Dropout(0.5), L.Dense(3, activation="softmax")]


def seeded(model):
    hl.set_seed(9)


def frozen(model):
    model.layers[0].trainable = False


def fixed_bias(model):
    model.layers[0].bias.requires_grad = False


def rate(model):
    model.layers[1].rate = 0.2


def activation(model):
    model.layers[0].activation = "tanh"


def weights(model):
    model.set_weights([0.5 * w for w in model.get_weights()])


def replaced_weight(model):
    model.layers[0].kernel = hl.Tensor(np.full((6, 16), 0.1, np.float32), requires_grad=True)


def grown(model):
    model.add(L.Dense(3, activation="softmax"))


def shrunk(model):
    model.pop()
    model.add(L.Dense(3, name="last"))


def faster(model):
    model.optimizer.lr = 0.1


def other_optimizer(model):
    model.optimizer = hl.optim.SGD(0.1)


def restored(model):
    state = model.optimizer.state_dict()
    model.optimizer.load_state_dict(state | {"options": state["options"] | {"betas": (0.5, 0.9)}})


def no_gradients(model):
    for weight in model.weights:
        weight.grad = None


def compiled_again(model):
    model.compile("sgd", "mse", device="cpu")


def smoothed(model):
    model._compiled.loss.label_smoothing = 0.2


def evaluated(model):
    model.evaluate(POINTS, CLASSES, verbose=0)
    model.predict(POINTS)


def trained_between(model):
    model.fit(POINTS[:64], CLASSES[:64], batch_size=32, epochs=2, verbose=0)


CHANGES = (
    *(seeded, frozen, fixed_bias, rate, activation, weights, replaced_weight, grown, shrunk, faster, other_optimizer),
    *(restored, no_gradients, smoothed, evaluated, trained_between),
)


@pytest.mark.parametrize("when", [1, 2, 3, 4])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_counts_in_the_next_step(replays, change, when):
    # Where weights come and go their counts of updates differ, and the optimizer goes from one to the next.
    least = 0 if change in (replaced_weight, grown, shrunk) else 1
    check_same(replays, least, dropping, POINTS, CLASSES, at(when, change), steps=9)


def test_another_precision(replays):
    def change(model, step):
        hl.set_precision("bfloat16" if step in (3, 4) else "float32")

    try:
        check_same(replays, 3, classifier, POINTS, CLASSES, change, steps=9)
    finally:
        hl.set_precision("float32")


def test_compiled_again(replays):
    y = ONE_HOT.astype(np.float32)
    check_same(replays, 4, classifier, POINTS, y, at(4, compiled_again), loss="categorical_crossentropy", steps=9)


def test_a_gradient_is_seen_and_may_be_replaced(replays):
    def look(model, step):
        kernel = model.layers[0].kernel
        if step:
            seen[type(model)].append(np.array(kernel.grad))
        if step == 5:
            kernel.grad = np.ones(kernel.shape, np.float32)

    seen = {hl.Sequential: [], OpByOp: []}
    check_same(replays, 1, classifier, POINTS, CLASSES, look, steps=9)
    assert np.array_equal(seen[hl.Sequential], seen[OpByOp])


def test_batches_of_many_sizes(replays):
    hl.set_seed(0)
    models = []
    for kind in (hl.Sequential, OpByOp):
        hl.set_seed(3)
        model = kind(classifier())
        model.compile("adam", "sparse_categorical_crossentropy", device="cpu")
        sizes = [1, 2, 3, 4, 5, 6] * 4
        models.append((model, [model.train_on_batch(POINTS[:n], CLASSES[:n]) for n in sizes]))
    assert models[0][1] == models[1][1]
    assert bits(models[0][0]) == bits(models[1][0])
    assert len(replays) == 4 * 2  # of four sizes, the last two times of four


# ---- what is refused or left alone ----------------------------------------------------------------------------------


def test_a_label_out_of_range_changes_nothing(replays):
    model, _ = trained(hl.Sequential, classifier, POINTS, CLASSES)
    before, count = bits(model), len(replays)
    wrong = CLASSES[:16].copy()
    wrong[5] = 3
    with pytest.raises(ValueError, match="row 5 of y is 3"):
        model.train_on_batch(POINTS[:16], wrong)
    assert bits(model) == before
    assert len(replays) == count


def test_no_grad_is_refused_as_ever():
    model, _ = trained(hl.Sequential, classifier, POINTS, CLASSES)
    before = bits(model)
    with pytest.raises(RuntimeError, match="backward"), hl.no_grad():
        model.train_on_batch(POINTS[:16], CLASSES[:16])
    assert bits(model) == before


def test_what_is_not_hotloops_own_is_never_recorded(replays):
    calls = []

    class Noted(L.Dense):
        def call(self, x):
            calls.append(x.shape)
            return super().call(x)

    def noting(x):
        calls.append(x.shape)
        return hl.tanh(x)

    def loss(y_true, y_pred):
        calls.append(y_pred.shape)
        return ((y_pred - y_true) ** 2).mean(axis=-1)

    def metric(y_true, y_pred):
        kept.append(y_pred)
        return y_pred.max(axis=-1)

    kept = []
    layer = L.Dense(3)
    layer.call = lambda x: calls.append(x.shape) or L.Dense.call(layer, x)
    y = ONE_HOT.astype(np.float32)
    for layers, options in (
        ([Noted(3)], {}),
        ([L.Dense(3, activation=noting)], {}),
        ([layer], {}),
        ([L.Dense(3)], {"loss": loss}),
    ):
        calls.clear()
        trained(hl.Sequential, lambda layers=layers: layers, POINTS, y, **{"loss": "mse"} | options)
        assert len(calls) >= STEPS
    trained(hl.Sequential, classifier, POINTS, CLASSES, metrics=[metric])
    assert len({array.tobytes() for array in kept}) == STEPS
    assert not replays


def test_copies_train_on_their_own(tmp_path, replays):
    model, _ = trained(hl.Sequential, classifier, POINTS, CLASSES)
    model.save(tmp_path / "model.hotloop")
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), hl.load_model(tmp_path / "model.hotloop")]
    before = bits(model)
    losses = [[one.train_on_batch(POINTS[:16], CLASSES[:16]) for _ in range(4)] for one in copies]
    assert losses[0] == losses[1] == losses[2]
    assert bits(model) == before
    assert [model.train_on_batch(POINTS[:16], CLASSES[:16]) for _ in range(4)] == losses[0]


def test_models_in_threads_of_their_own(replays):
    model = hl.Sequential(classifier())
    model.build((None, 6))
    start, found = model.get_weights(), []

    def one():
        built = hl.Sequential([L.Dense(16, activation="relu", input_shape=(6,)), L.Dense(3, activation="softmax")])
        built.set_weights(start)
        built.compile("adam", "sparse_categorical_crossentropy", device="cpu")
        found.append([built.train_on_batch(POINTS, CLASSES) for _ in range(40)])

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one()
    assert len(found) == 5
    assert len(replays) == 5 * 38
    assert all(losses == found[-1] for losses in found)


def test_a_forked_child_goes_on(replays):
    model, _ = trained(hl.Sequential, classifier, POINTS, CLASSES)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, repr([model.train_on_batch(POINTS[:16], CLASSES[:16]) for _ in range(3)]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    assert told == repr([model.train_on_batch(POINTS[:16], CLASSES[:16]) for _ in range(3)])


# ---- fit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_fit(replays, weighted):
    """200 rows in batches of 32 and one of 8, in a new order each epoch."""
    models = []
    for kind in (hl.Sequential, OpByOp):
        hl.set_seed(11)
        model = kind(dropping())
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], device="cpu")
        lr = hl.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.9)
        weight = np.linspace(0, 2, 200) if weighted else None
        options = {"epochs": 4, "batch_size": 32, "verbose": 0, "sample_weight": weight, "callbacks": [lr]}
        model.fit(POINTS, CLASSES, validation_data=(POINTS[:50], CLASSES[:50]), **options)
        models.append(model)
    assert models[0].history.history == models[1].history.history
    assert bits(models[0]) == bits(models[1])
    assert len(replays) == 4 * 7 - 2 * 2


def test_a_callback_that_freezes_a_layer(replays):
    class Freezes(hl.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 4:
                self.model.layers[0].trainable = False

    models = []
    for kind in (hl.Sequential, OpByOp):
        hl.set_seed(11)
        model = kind(classifier())
        model.compile("adam", "sparse_categorical_crossentropy", device="cpu")
        model.fit(POINTS, CLASSES, batch_size=20, epochs=1, verbose=0, callbacks=[Freezes()])
        models.append(model)
    assert bits(models[0]) == bits(models[1])
    assert replays
