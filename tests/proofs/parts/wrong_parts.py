"""Tables of wrong calls: layers, losses, metrics, initialisers, optimizers, schedules."""

import numpy as np
from tests.proofs.parts.wrong_objects import (
    IDS,
    INF,
    ONE_HOT,
    VECTOR,
    Entry,
    dtype,
    initializer,
    keras_layers,
    one_of,
    tensors,
    torch_layers,
)
from tests.proofs.parts.wrong_values import (
    Kind,
    any_number,
    choice,
    flag,
    is_number,
    number,
    reals,
    seed,
    sizes,
    text,
    whole,
)

import hotloop as hl
from hotloop import initializers, losses, metrics, optim

L = hl.layers
NAME = text(None, "n")
REDUCTION = choice("sum_over_batch_size", "mean", "sum", "none", "auto", none=True)


def rows(array, none=False):
    """As many rows as the data of `fit` have."""
    return reals(*(array, None) if none else (array,), fits=lambda shape: shape == array.shape, none=none)


WEIGHTS = reals(np.ones(4), None, fits=lambda shape: shape in ((4,), (4, 1)), none=True)


def all_losses():
    weights = reals(
        np.ones(4), None, fits=lambda shape: set(shape) <= {1} or shape in ((4,), (4, 1), (4, 3)), none=True
    )
    smoothing, logits = number(0, 1, 0.1), flag()
    kinds = {
        losses.MeanSquaredError: {},
        losses.MeanAbsoluteError: {},
        losses.Huber: {"delta": number(0, INF, 1.0, open_low=True)},
        losses.BinaryCrossentropy: {"from_logits": logits, "label_smoothing": smoothing},
        losses.CategoricalCrossentropy: {"from_logits": logits, "label_smoothing": smoothing},
        losses.SparseCategoricalCrossentropy: {
            "from_logits": logits,
            "ignore_class": whole(-INF, None, 0, none=True),
            "label_smoothing": smoothing,
        },
    }
    for kind, options in kinds.items():
        sparse = kind is losses.SparseCategoricalCrossentropy
        truth, predicted = IDS if sparse else ONE_HOT, ONE_HOT * 0.5 + 0.1
        name = kind.__name__
        made = {"reduction": REDUCTION, "name": NAME, **options}
        also = (
            "n",
            kind().name,
            "softmax_cross_entropy",
            "mse_loss",
            "mae_loss",
            "huber_loss",
            "binary_cross_entropy_with_logits",
            "loss",
            "__call__",
            "Loss",
        )
        yield Entry(name, kind, made, lambda loss, t=truth, p=predicted: loss(t, p), also)
        arguments = {"y_true": rows(truth), "y_pred": rows(predicted), "sample_weight": weights}
        if not sparse:
            arguments["y_true"] = reals(truth, fits=lambda shape: shape in ((4, 3), (4, 3, 1)))
            arguments["y_pred"] = reals(predicted, fits=lambda shape: shape in ((4, 3), (4, 3, 1)))
        else:
            arguments["y_true"] = reals(truth, fits=lambda shape: shape in ((4,), (4, 1)))
        yield Entry(name, lambda kind=kind, **values: kind()(**values), arguments, also=also)
    base = {"name": NAME, "reduction": REDUCTION}
    yield Entry("Loss", losses.Loss, base, lambda loss: loss(ONE_HOT, ONE_HOT), ("n",))
    yield Entry("losses.get", losses.get, {"identifier": one_of(losses.Loss, {*losses.BY_NAME}, "mse", none=False)})


def all_metrics():
    fitting = ((), (1,), (4,), (4, 1), (1, 1), (1, 3), (4, 3))
    spread = reals(np.ones(4), None, fits=lambda shape: shape in fitting, none=True)
    for kind in (
        metrics.Accuracy,
        metrics.CategoricalAccuracy,
        metrics.SparseCategoricalAccuracy,
        metrics.MeanSquaredError,
        metrics.MeanAbsoluteError,
        metrics.RootMeanSquaredError,
        metrics.BinaryAccuracy,
        metrics.TopKCategoricalAccuracy,
        metrics.SparseTopKCategoricalAccuracy,
    ):
        made = {"name": NAME}
        if "TopK" in kind.__name__:
            made["k"] = whole(1, 2)
        if kind is metrics.BinaryAccuracy:
            made["threshold"] = number(-INF, INF, 0.5)
        sparse = "Sparse" in kind.__name__
        truth = IDS if sparse else ONE_HOT
        also = (
            "n",
            kind().name,
            *[base.__name__ for base in kind.__mro__],
            "sparse_categorical_accuracy",
            "categorical_accuracy",
            "binary_accuracy",
        )
        yield Entry(kind.__name__, kind, made, lambda metric, t=truth: metric(t, ONE_HOT), also)
        values = {"y_true": reals(truth), "y_pred": reals(ONE_HOT), "sample_weight": spread}
        yield Entry(
            kind.__name__,
            lambda f=kind, **values: f()(**values),
            values,
            also=(*also, "update_state", "argmax", "__call__"),
        )
    mean = {
        "values": reals(VECTOR),
        "sample_weight": reals(VECTOR, None, fits=lambda shape: shape in ((), (1,), (3,)), none=True),
    }
    yield Entry("Mean", lambda **values: metrics.Mean()(**values), mean, also=("mean", "update_state", "__call__"))
    values = Kind(callable, (lambda y_true, y_pred: np.ones(4),), (3, "ab"))
    yield Entry(
        "MeanMetric",
        metrics.MeanMetric,
        {"function": values, "name": NAME},
        lambda metric: metric(ONE_HOT, ONE_HOT),
        ("n", "mean_metric"),
    )
    yield Entry("Metric", metrics.Metric, {"name": NAME}, lambda metric: metric(ONE_HOT, ONE_HOT), ("n",))
    yield Entry(
        "metrics.get", metrics.get, {"identifier": one_of(metrics.Metric, {*metrics.BY_NAME}, "mse", none=False)}
    )


def all_initializers():
    finite = number(-INF, INF, 0.1, open_low=True, open_high=True)
    deviation = number(0, INF, 0.1, open_high=True)
    kinds = {
        "Constant": {"value": any_number()},
        "RandomNormal": {"mean": finite, "stddev": deviation, "seed": seed()},
        "TruncatedNormal": {"mean": finite, "stddev": deviation, "seed": seed()},
        "RandomUniform": {
            "minval": number(-INF, 0.05, -0.1, open_low=True),
            "maxval": number(-0.05, INF, 0.1, open_high=True),
            "seed": seed(),
        },
        "VarianceScaling": {
            "scale": number(0, INF, 1.0, open_low=True, open_high=True),
            "mode": choice("fan_in", "fan_out", "fan_avg"),
            "distribution": choice("truncated_normal", "untruncated_normal", "uniform"),
            "seed": seed(),
        },
        **{
            name: {"seed": seed()}
            for name in ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")
        },
        "Zeros": {},
        "Ones": {},
    }
    for name, made in kinds.items():
        kind = getattr(initializers, name)
        yield Entry(name, kind, made, lambda start: start((3, 2)), tuple(base.__name__ for base in kind.__mro__))
        call = {"shape": sizes((3, 2), 4), "dtype": dtype(real=True)}
        yield Entry(name, lambda kind=kind, **values: kind()(**values), call, also=("VarianceScaling", "__call__"))
    yield Entry("initializers.get", initializers.get, {"identifier": initializer()})


def all_optimizers():
    rate = Kind(
        lambda v: callable(v) or (is_number(v) and 0 <= v < INF), (0.1, 1), (-1, np.nan, INF, "0.1", None, [0.1])
    )
    share, decay = number(0, 1, 0.5, open_high=True), number(0, INF, 0.1, open_high=True)
    betas = Kind(
        lambda v: isinstance(v, tuple | list) and len(v) == 2 and all(map(share.accepts, v)),
        ((0.9, 0.99),),
        ((1, 0.9), (0.5,), 0.9, "ab", (0.1, None)),
    )
    adam = {"betas": betas, "eps": decay, "weight_decay": decay}
    kinds = {
        "SGD": {
            "momentum": decay,
            "dampening": number(-INF, INF, 0.0, open_low=True, open_high=True),
            "weight_decay": decay,
        },
        "Adam": {**adam, "amsgrad": flag()},
        "AdamW": {**adam, "amsgrad": flag()},
        "Nadam": {**adam, "momentum_decay": decay},
        "RMSprop": {"alpha": share, "eps": decay, "weight_decay": decay, "momentum": decay, "centered": flag()},
        "Adagrad": {"lr_decay": decay, "weight_decay": decay, "initial_accumulator_value": decay, "eps": decay},
        "Lion": {"betas": betas, "weight_decay": decay},
    }

    def step(optimizer):
        for tensor in optimizer.parameters:
            tensor.grad = np.ones(tensor.shape, tensor.dtype)
        optimizer.step()

    for name, options in kinds.items():
        kind = getattr(optim, name)
        yield Entry(
            name,
            kind,
            {"params": tensors(rate=True), "lr": rate, **options},
            step,
            tuple(base.__name__ for base in kind.__mro__),
        )
    nesterov = Kind(flag().accepts, (False,), flag().near)
    yield Entry("SGD", optim.SGD, {"params": tensors(rate=True), "nesterov": nesterov}, step)
    known = Kind(
        lambda v: isinstance(v, optim.Optimizer) or (isinstance(v, str) and v.lower() in optim._table),
        ("adam", "SGD"),
        ("adma", {"name": "adam", "lr": "x"}, {"name": 3}, {}),
    )
    yield Entry("optim.get", optim.get, {"optimizer": known}, also=("optim", "Adam"))
    config = Kind(
        lambda v: False,
        ({"name": "adam", "lr": 0.1},),
        ({}, {"name": "adam", "x": 1}, {"name": "sgd", "lr": {"name": "cosin"}}, {"name": ["adam"]}),
    )
    yield Entry("optim.from_config", optim.from_config, {"config": config}, also=("optim", "Adam", "SGD", "schedules"))
    state = Kind(lambda v: False, (optim.SGD([hl.ones(2)]).state_dict(),), ({}, {"name": "Adam"}, 3, None))
    yield Entry(
        "load_state_dict",
        lambda **values: optim.SGD([hl.ones(2)]).load_state_dict(**values),
        {"state": state},
        also=("SGD",),
    )
    yield Entry("bind", lambda **values: optim.SGD().bind(**values), {"params": tensors()}, also=("SGD",))


def all_schedules():
    rate, count = number(0, INF, 0.1, open_high=True), whole(1, 10)
    kinds = {
        "constant": {"value": rate},
        "linear_decay": {"initial": rate, "steps": count, "final": rate},
        "cosine": {"initial": rate, "steps": count, "final": rate},
        "exponential_decay": {"initial": rate, "rate": rate, "steps": count},
        "inverse_time_decay": {"initial": rate, "rate": rate, "steps": count},
        "step_decay": {"initial": rate, "factor": rate, "every": count},
        "linear_warmup": {
            "schedule": Kind(lambda v: callable(v) or rate.accepts(v), (0.1,), rate.near),
            "steps": count,
        },
    }
    for name, made in kinds.items():
        yield Entry(name, getattr(optim.schedules, name), made, lambda schedule: [schedule(i) for i in (0, 5, 100)])


TABLE = [
    *keras_layers(),
    *torch_layers(),
    *all_losses(),
    *all_metrics(),
    *all_initializers(),
    *all_optimizers(),
    *all_schedules(),
]
