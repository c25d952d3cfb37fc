"""Tables of wrong calls: models, and the callbacks that watch their training."""

import numpy as np
from tests.proofs.parts.wrong_objects import IDS, INF, MATRIX, Entry, dtype, initializer, items, layer, one_of
from tests.proofs.parts.wrong_parts import WEIGHTS, rows
from tests.proofs.parts.wrong_values import (
    Kind,
    choice,
    flag,
    function,
    is_number,
    number,
    path,
    reals,
    sizes,
    text,
    whole,
)

import hotloop as hl
from hotloop import callbacks, losses, metrics, optim

L = hl.layers


def model(compiled=True):
    made = hl.Sequential([L.Dense(3, activation="softmax", input_shape=(3,))], name="m")
    if compiled:
        made.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    return made


def called(method, also=(), /, compiled=True, takes_files=False, **kinds):
    """An entry that calls a method of a new model."""
    names = (*also, "m", "dense", "sparse_categorical_crossentropy", "compile")
    return Entry(
        method,
        lambda *args, **values: getattr(model(compiled), method)(*args, **values),
        kinds,
        also=names,
        takes_files=takes_files,
    )


def all_callbacks():
    mode, patience = choice("min", "max", "auto"), whole(0, 1)
    least, verbose = number(-INF, INF, 0.0), how_much()
    value = number(-INF, INF, None, 0.1, none=True)
    early = {
        "monitor": text("loss", none=False),
        "min_delta": least,
        "patience": patience,
        "mode": mode,
        "verbose": verbose,
    }
    early |= {"baseline": value, "restore_best_weights": flag(), "start_from_epoch": whole(0, 0)}
    plateau = {
        "monitor": text("loss", none=False),
        "factor": number(0, 1, 0.5, open_low=True, open_high=True),
        "verbose": verbose,
    }
    plateau |= {
        "patience": patience,
        "mode": mode,
        "min_delta": least,
        "cooldown": patience,
        "min_lr": number(0, INF, 0.0),
    }
    keep = {
        "filepath": path("kept.hl"),
        "monitor": text("loss", none=False),
        "save_best_only": flag(),
        "mode": mode,
        "verbose": verbose,
    }
    keep |= {"save_weights_only": flag(), "initial_value_threshold": value}
    csv = {
        "filename": path("log.csv"),
        "separator": Kind(
            lambda v: isinstance(v, str) and len(v) == 1 and v not in "\r\n\0", (",",), ("", "ab", 3, None)
        ),
        "append": flag(),
    }
    yield watched(callbacks.EarlyStopping, early)
    yield watched(callbacks.ReduceLROnPlateau, plateau)
    yield watched(callbacks.ModelCheckpoint, keep, ("save", "save_weights"), takes_files=True)
    yield watched(callbacks.CSVLogger, csv, takes_files=True)
    hooks = {"on_epoch_end": function(lambda epoch, logs: None, none=True)}
    hooks["on_train_end"] = function(lambda logs: None, none=True)
    yield watched(callbacks.LambdaCallback, hooks)
    for kind in (callbacks.Callback, callbacks.History, callbacks.TerminateOnNaN):
        yield watched(kind, {})
    yield watched(callbacks.LearningRateScheduler, {"schedule": function(lambda epoch, lr: 0.1), "verbose": verbose})


def how_much():
    """An integer from 0 on, or a truth."""
    return Kind(lambda v: isinstance(v, bool) or whole(0).accepts(v), (0, 1, True), (-1, "1", 0.5, None, [1]))


def choice_of(*values):
    return Kind(lambda v: isinstance(v, int | np.integer | np.bool_) and v in values, values, (7, "1", 0.5, None, [1]))


def watched(kind, made, also=(), takes_files=False):
    def use(callback):
        return model().fit(MATRIX, IDS, epochs=2, verbose=0, callbacks=[callback])

    return Entry(kind.__name__, kind, made, use, ("fit", "callbacks", "SGD", *also), takes_files)


def is_callback(v):
    return isinstance(v, callbacks.Callback)


def training():
    verbose, batch = choice_of(0, 1, 2), whole(1, None, 2, none=True)
    given = Kind(
        lambda v: is_callback(v) or v is None or (isinstance(v, list | tuple) and all(map(is_callback, v))),
        (None, []),
        ([3], "ab", [callbacks.Callback]),
    )
    data = {"x": rows(MATRIX), "y": reals(IDS, fits=lambda shape: shape in ((4,), (4, 1)))}
    others = ("fit", "take", "callbacks")
    class_weight = Kind(
        lambda v: v is None or (isinstance(v, dict) and all(map(is_number, v.values()))),
        (None, {0: 2.0}),
        ([1, 2], {0: "a"}, {0: None}),
    )
    validation = Kind(
        lambda v: v is None, (None, (MATRIX, IDS)), ((MATRIX,), (MATRIX, IDS[:2]), MATRIX, (MATRIX, IDS + 9), "ab")
    )
    shown = {"batch_size": batch, "verbose": verbose, "callbacks": given}
    fit = {
        **data,
        **shown,
        "epochs": whole(0, 1, 2, costly=True),
        "validation_split": number(0, 1, 0.0, 0.5, open_high=True),
    }
    fit |= {"validation_data": validation, "shuffle": flag(), "class_weight": class_weight, "sample_weight": WEIGHTS}
    fit |= {"initial_epoch": whole(0, 0), "validation_batch_size": batch, "validation_freq": whole(1, 1)}
    yield called("fit", others, **fit)
    yield called("evaluate", others, **data, **shown, sample_weight=WEIGHTS, return_dict=flag())
    yield called("predict", others, x=reals(MATRIX, fits=_features), **shown)
    yield called("predict_on_batch", x=reals(MATRIX, fits=_features))
    yield called("train_on_batch", others, **data, sample_weight=WEIGHTS, class_weight=class_weight, return_dict=flag())
    yield called("test_on_batch", others, **data, sample_weight=WEIGHTS, return_dict=flag())
    yield called("__call__", ("Sequential",), x=reals(MATRIX, fits=_features), training=flag(none=True))


def compiling():
    loss = one_of(losses.Loss, {*losses.BY_NAME}, "mse", losses.Huber(), none=False)
    measures = items(
        lambda v: isinstance(v, metrics.Metric) or callable(v) or v in metrics.BY_NAME, ["accuracy"], [], None
    )
    known = Kind(
        lambda v: isinstance(v, optim.Optimizer) or (isinstance(v, str) and v.lower() in optim._table),
        ("adam",),
        ("adma", {}),
    )
    device = Kind(lambda v: isinstance(v, str) and v in ("cpu", "auto"), ("cpu", "auto"), ("cuda", "gpu", 0, None))
    yield called(
        "compile",
        ("optim", "losses", "metrics"),
        compiled=False,
        optimizer=known,
        loss=loss,
        metrics=measures,
        device=device,
    )
    yield called("to", device=device)
    yield called("train", mode=flag())


def weights():
    yield called("get_layer", name=text("dense_x", none=True), index=whole(-1, 0, None, none=True, most=0))
    values = Kind(
        lambda v: False, ([np.ones((3, 3)), np.ones(3)],), ([np.ones((3, 3))], [np.ones(3), np.ones(3)], [1, 2], None)
    )
    yield called("set_weights", values=values)
    state = Kind(
        lambda v: False,
        ({"0.kernel": np.ones((3, 3)), "0.bias": np.ones(3)},),
        ({"0.kernel": np.ones(3), "0.bias": np.ones(3)}, {}, {"0.kernel": "a", "0.bias": "b"}),
    )
    yield called("load_state_dict", state=state)
    for name in ("save", "save_weights"):
        yield called(name, ("save",), takes_files=True, path=path("saved"))
    yield called("load_weights", ("load",), takes_files=True, path=path("missing"))


def structure():
    yield Entry(
        "build",
        lambda **values: hl.Sequential([L.Dense(2, name="d")], name="s").build(**values),
        {"input_shape": sizes((None, 3), unknown=True)},
        also=("Sequential", "s", "d"),
    )
    yield called(
        "add", layer=Kind(lambda v: isinstance(v, L.Layer), (L.Dense(2, name="second"),), (L.Dense, "relu", 3))
    )
    yield called(
        "add_weight",
        ("Zeros", "Ones", "HeNormal", "GlorotUniform"),
        shape=sizes((2, 3)),
        initializer=initializer(),
        dtype=dtype(),
        trainable=flag(),
        name=text("w", None),
    )
    yield called("summary", print_fn=function(print))
    stack = Kind(_are_layers, ([L.Flatten()], None), ([3], ["relu"], [L.Flatten], "relu"))
    for kind in (hl.Model, hl.nn.Module):
        yield layer(kind)
    yield Entry(
        "Sequential", hl.Sequential, {"layers": stack, "name": text(None, "s")}, also=("sequential", "s", "Layer")
    )


def _are_layers(v):
    try:
        return v is None or isinstance(v, L.Layer) or all(isinstance(item, L.Layer) for item in v)
    except Exception:
        return False


def _features(shape):
    return len(shape) == 2 and shape[1] == 3


TABLE = [*all_callbacks(), *training(), *compiling(), *weights(), *structure()]
