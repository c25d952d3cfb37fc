"""What runs out of memory: ops and their gradients, updates, training, files. Each can be made afresh at any time."""

import gzip
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.proofs.parts.kernel_cases import KERNELS

import hotloop as hl
from hotloop import _core
from hotloop.data.idx import read_idx
from hotloop.io import load_arrays, save_arrays
from op_cases import CASES
from test_ops import arrays, converted


@dataclass
class Scenario:
    """A call that can be made again and again.

    Attributes:
        fresh: () -> () -> arrays: makes new objects, and gives the call on them.
        deep: whether it makes so many allocations that a few of them, drawn anew each time, have to do.
    """

    name: str
    fresh: object
    deep: bool = False


def op_row(case, dtype, large):
    args, options = case.arguments(case.large if large else case.sizes[0])
    args, options = converted(args, dtype), converted(options, dtype)
    y = arrays(case.function(*args, **options))[0]
    dy = np.random.default_rng(4).standard_normal(y.shape).astype(y.dtype)

    def call():
        given = list(args)
        for i in case.grad:
            given[i] = hl.Tensor(args[i], requires_grad=True)
        results = case.function(*given, **options)
        # Lists throughout: a tuple made of a generator loses its items where Python has no memory to cut it to size.
        results = list(results) if isinstance(results, tuple) else [results]
        if case.grad:
            results[0].backward(dy)
        return [*[np.asarray(y) for y in results], *[given[i].grad for i in case.grad]]

    return Scenario(f"{case} {[np.shape(x) for x in args]}", lambda: call)


def as_list(result):
    return list(result) if isinstance(result, tuple) else [np.asarray(result)]


def kernel_row(kernel, rng, dtype):
    given = kernel.make(rng, dtype)

    def fresh():
        args = [x.copy() if isinstance(x, np.ndarray) else x for x in given]
        return lambda: [*as_list(kernel.call(*args)), *[x for x in args if isinstance(x, np.ndarray)]]

    return Scenario(kernel.name, fresh)


def new_pool_of_threads(threads):
    """A product that first has to start the threads it runs on."""
    a = np.random.default_rng(0).standard_normal((200, 200)).astype(np.float32)

    def call():
        hl.set_num_threads(threads)
        y = hl.matmul(a, a)
        hl.set_num_threads(2)
        hl.matmul(a, a)
        return [y]

    return Scenario(f"{threads} threads", lambda: call)


# ---- training -------------------------------------------------------------------------------------------------------


def _small_model(images):
    if images:
        head = [hl.layers.Conv2D(3, 3, activation="relu", input_shape=(8, 8, 1)), hl.layers.MaxPooling2D(2)]
        layers = [*head, hl.layers.Flatten(), hl.layers.Dense(3, activation="softmax")]
    else:
        layers = [
            hl.layers.Dense(8, activation="tanh", input_shape=(5,)),
            hl.layers.Dropout(0.3),
            hl.layers.Dense(3, activation="softmax"),
        ]
    model = hl.Sequential(layers)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"], device="cpu")
    return model


def _seeded_model(images):
    hl.set_seed(3)
    return _small_model(images)


def _samples(images):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((20, 8, 8, 1) if images else (20, 5)).astype(np.float32)
    return x, rng.integers(0, 3, 20)


def fit(images):
    x, y = _samples(images)

    def fresh():
        model = _seeded_model(images)

        def call():
            history = model.fit(x, y, epochs=2, batch_size=8, validation_split=0.2, verbose=0).history
            return [*model.get_weights(), *map(np.array, history.values())]

        return call

    return Scenario(f"fit {'images' if images else 'rows'}", fresh, deep=True)


def evaluate(images):
    x, y = _samples(images)
    model = _seeded_model(images)
    call = lambda: [np.array(model.evaluate(x, y, verbose=0)), model.predict(x, verbose=0)]  # noqa: E731
    return Scenario(f"evaluate {'images' if images else 'rows'}", lambda: call, deep=True)


def steps(name):
    """Two steps of an optimizer, the first of which packs the parameters, around its state being saved and loaded."""
    rng = np.random.default_rng(2)
    x, y, *start = (rng.standard_normal(shape).astype(np.float32) for shape in ((6, 4), (6, 3), (4, 3), (3,)))

    def fresh():
        w, b = (hl.Tensor(array.copy(), requires_grad=True) for array in start)
        optimizer = getattr(hl.optim, name)([w, b], lr=0.05)

        def call():
            for _ in range(2):
                optimizer.zero_grad()
                hl.mse_loss(hl.linear(x, w, b, activation="tanh"), y).backward()
                optimizer.step()
                optimizer.load_state_dict(optimizer.state_dict())
            return [w.numpy().copy(), b.numpy().copy()]

        return call

    return Scenario(f"steps {name}", fresh, deep=True)


def tape():
    """Many small ops that share Tensors, by operators and methods."""
    rng = np.random.default_rng(5)
    start = [rng.standard_normal((3, 4)).astype(np.float32) for _ in range(2)]

    def call():
        a, b = (hl.Tensor(array, requires_grad=True) for array in start)
        c = (a * b + 2.0 * a - b / 3.0).exp()
        d = hl.concatenate([c.reshape(12)[2:8], (a @ b.transpose()).reshape(9)])
        loss = (d**2).mean() + c.max() + (a - b).sum(axis=0).mean()
        loss.backward()
        return [loss.numpy(), a.grad, b.grad]

    return Scenario("tape", lambda: call, deep=True)


# ---- files ----------------------------------------------------------------------------------------------------------

_FOLDER = tempfile.TemporaryDirectory(prefix="hotloop-memory-")


def _path(name):
    return os.path.join(_FOLDER.name, name)


def _no_litter():
    found = [name for name in os.listdir(_FOLDER.name) if name.endswith(".tmp")]
    assert not found, f"a failed save left {found}"


def save_and_load(what):
    path = _path(what)
    given = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "c": np.zeros((0, 3), np.int8)}
    model = _seeded_model(images=False)

    def saved_arrays():
        _no_litter()
        save_arrays(path, given, {"n": [1, 2.5, "x"]})
        loaded, metadata = load_arrays(path)
        assert metadata == {"n": [1, 2.5, "x"]}
        return list(loaded.values())

    def saved_weights():
        _no_litter()
        model.save_weights(path)
        other = _small_model(images=False)
        other.load_weights(path)
        return other.get_weights()

    def saved_model():
        _no_litter()
        model.save(path)
        return hl.load_model(path).get_weights()

    call = {"arrays": saved_arrays, "weights": saved_weights, "model": saved_model}[what]
    return Scenario(f"save {what}", lambda: call, deep=True)


def read_digits(packed):
    path = Path(_path(f"digits{packed}"))
    content = struct.pack(">HBBII", 0, 0x0C, 2, 3, 4) + np.arange(12, dtype=">i4").tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    return Scenario(f"read_idx {'gzip' if packed else 'plain'}", lambda: lambda: [read_idx(path)], deep=True)


OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Nadam", "Lion")
WHOLE = [
    *[(fit, images) for images in (False, True)],
    *[(evaluate, images) for images in (False, True)],
    *[(steps, name) for name in OPTIMIZERS],
    *[(save_and_load, what) for what in ("arrays", "weights", "model")],
    *[(read_digits, packed) for packed in (False, True)],
    *[(new_pool_of_threads, threads) for threads in (3, 4, 7)],
    (tape,),
]
_MADE = len(CASES) + len(KERNELS) + 8 * len(WHOLE)


def scenario(trial):
    """That of a trial; as many trials as there are meet each."""
    rng, number = trial.rng, trial.index(_MADE)
    dtype = np.float32 if rng.random() < 0.7 else np.float64
    if number < len(CASES):
        return op_row(CASES[number], dtype, large=rng.random() < 0.1)
    number -= len(CASES)
    if number < len(KERNELS):
        return kernel_row(KERNELS[number], rng, dtype)
    make, *arguments = WHOLE[number % len(WHOLE)]
    return make(*arguments)


def in_use():
    """Bytes of the pool that somebody holds."""
    return _core.memory_stats()["bytes_in_use"]
