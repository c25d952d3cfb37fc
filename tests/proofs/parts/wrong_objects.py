"""Public functions and classes that no row of the op table calls, with a wrong argument: the kinds of their arguments,
and a use of what they make, which must refuse what its maker let pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tests.proofs.parts.wrong_values import (
    Kind,
    any_number,
    anything,
    choice,
    flag,
    is_number,
    number,
    pair,
    seed,
    sizes,
    text,
    whole,
)

import hotloop as hl
from hotloop import initializers, layers, nn

INF = np.inf
VECTOR, MATRIX = np.ones(3, np.float32), np.ones((4, 3), np.float32)
IMAGES, PLANES = np.ones((2, 6, 7, 3), np.float32), np.ones((2, 3, 6, 7), np.float32)
IDS, ONE_HOT = np.array([0, 2, 1, 2]), np.eye(3, dtype=np.float32)[[0, 2, 1, 2]]


@dataclass(frozen=True)
class Entry:
    """A function or class.

    Attributes:
        name: what errors call it.
        make: (**arguments) -> result, or object.
        kinds: of the arguments, by name.
        use: object -> what calls of it give.
        also: other names that errors may have: of what it stands for or hands on to.
        takes_files: whether an OSError that names a file is an answer.
    """

    name: str
    make: Callable
    kinds: dict
    use: Callable = lambda made: made
    also: tuple = ()
    takes_files: bool = False


class ObjectCall:
    """A call with something wrong.

    Attributes:
        names: what errors may call whom.
    """

    def __init__(self, rng, entries):
        self.entry = entry = entries[rng.integers(len(entries))]
        self.names, self.takes_files = [entry.name, *entry.also], entry.takes_files
        self.args, self.wrong = (), []
        self.values = {name: kind.valid[rng.integers(len(kind.valid))] for name, kind in entry.kinds.items()}
        way = rng.random()
        names = list(entry.kinds)
        if way < 0.85 and names:
            self.wrong.append(names[rng.integers(len(names))])
            self.values[self.wrong[0]] = entry.kinds[self.wrong[0]].wrong(rng)
        elif way < 0.9 and names:
            del self.values[names[rng.integers(len(names))]]
        elif way < 0.95:
            self.values["wrong"] = 1
        else:
            self.args = (anything(rng),) * (1 + len(names))
        if isinstance(self.values.get("name"), str):
            self.names.append(self.values["name"])

    def __str__(self):
        shown = {name: f"{value!r:.80}" if name in self.wrong else "..." for name, value in self.values.items()}
        extra = f"*{self.args[:1]!r:.60}, " if self.args else ""
        return f"{self.entry.name}({extra}{', '.join(f'{name}={value}' for name, value in shown.items())})"

    def __call__(self):
        return self.entry.use(self.entry.make(*self.args, **self.values))

    def called_what_was_given(self):
        """Whether something callable was wrong but of the right kind: what it raises when called is its own."""
        kinds = self.entry.kinds
        return any(callable(self.values[name]) and kinds[name].accepts(self.values[name]) for name in self.wrong)

    def judge(self, result):
        """Raises AssertionError where the call should not have gone well."""
        for name in self.wrong:
            assert self.entry.kinds[name].accepts(self.values[name]), f"{name} was taken"
        assert "wrong" not in self.values, "an unknown argument was taken"


# ---- kinds that these have of their own ------------------------------------------------------------------------------


def is_floating(v):
    try:
        return np.dtype(v) in (np.float32, np.float64)
    except TypeError:
        return False


def dtype(none=True, real=False):
    """float32 or float64, or any dtype of real numbers."""

    def is_real(v):
        try:
            return np.dtype(v).kind in "biuf" and np.dtype(v).itemsize <= 8
        except (TypeError, ValueError):
            return False

    if real:
        return Kind(
            lambda v: is_real(v) or (v is None and none), ("float32", np.float64, "int8"), ("x", "M8[s]", "c8", "g")
        )
    return Kind(
        lambda v: (v is None and none) or (v is not None and is_floating(v)),
        ("float32", np.float64),
        ("int8", "f2", "x"),
    )


def one_of(base, names, *valid, classes=True, none=True):
    """A name, an object of the base, a class of it, or a function."""

    def accepts(v):
        return (v is None and none) or (isinstance(v, str) and v in names) or isinstance(v, base) or callable(v)

    return Kind(accepts, valid, ("relux", 3, ["relu"], b"relu", ("a", "b")))


def activation():
    names = {*layers.activation._NAMES}
    return Kind(
        lambda v: v is None or callable(v) or (isinstance(v, str) and v in names), ("relu", None, hl.tanh), ("reul", 3)
    )


def initializer():
    return one_of(initializers.Initializer, {*initializers.BY_NAME}, "zeros", "he_normal", initializers.Ones())


def tensors(rate=False):
    """Tensors for an optimizer, which takes a learning rate in their place."""

    def accepts(v):
        if rate and (callable(v) or (is_number(v) and v >= 0)):
            return True
        items = [v] if isinstance(v, hl.Tensor) else v
        return isinstance(items, list | tuple) and bool(items) and all(isinstance(i, hl.Tensor) for i in items)

    near = (lambda: [hl.ones(2), 3], lambda: [np.ones(2)], lambda: [hl.ones(2) * 2], lambda: "ab", list)
    return Kind(accepts, ([hl.ones(3, requires_grad=True)],), near)


def items(accepts, *valid):
    """A list whose items are right."""
    return Kind(
        lambda v: v is None or (isinstance(v, list | tuple) and all(map(accepts, v))), valid, ([3], ["a"], 3, "ab")
    )


def anything_at_all(*valid):
    return Kind(lambda v: True, valid)


COMMON = {"name": text(None, "n"), "trainable": flag(), "dtype": dtype()}
PADDING = Kind(
    lambda v: (
        (isinstance(v, str) and v.lower() in ("same", "valid"))
        or pair(0).accepts(v)
        or (
            isinstance(v, list | tuple)
            and len(v) == 2
            and all(isinstance(p, list | tuple) and pair(0).accepts(p) for p in v)
        )
    ),
    ("same", "valid"),
    (-1, "smae", (1, -1), ((1, 1), 1), 1.5, (1, 2, 3), None, b"same"),
)
FORMAT = choice("channels_last", "channels_first", "NHWC", "NCHW", valid=("channels_last", None), none=True)


def layer(kind, x=MATRIX, also=(), common=True, **kinds):
    """An entry that makes a layer, and applies it."""
    module = "nn." if kind.__module__.startswith("hotloop.nn") else ""
    relatives = [base.__name__ for base in getattr(kind, "__mro__", ())]
    return Entry(
        module + kind.__name__, kind, (COMMON if common else {}) | kinds, lambda made: made(x), (*relatives, *also, "n")
    )


def _filled_in(shape):
    """A shape whose only -1, if it has one, is a size."""
    items = list(shape) if isinstance(shape, list | tuple) else [shape]
    if sum(type(item) is int and item == -1 for item in items) == 1:
        return tuple(1 if type(item) is int and item == -1 else item for item in items)
    return shape


def keras_layers():
    start = {"kernel_initializer": initializer(), "bias_initializer": initializer()}
    dense = {"units": whole(1, 2, costly=True), "activation": activation(), "use_bias": flag(), **start}
    yield layer(layers.Dense, **dense, input_dim=whole(0, 3, None, none=True, costly=True), also=("linear",))
    window = {"padding": PADDING, "data_format": FORMAT}
    convolution = {"filters": whole(1, 4, costly=True), "kernel_size": pair(1, 2, (3, 2)), "strides": pair(1, 1)}
    convolution |= {"dilation_rate": pair(1, 1), "groups": whole(1, 1), "activation": activation(), "use_bias": flag()}
    yield layer(layers.Conv2D, IMAGES, **convolution, **start, **window, also=("conv2d",))
    for kind in (layers.MaxPooling2D, layers.AveragePooling2D):
        sizes_ = {"pool_size": pair(1, 2, (1, 3)), "strides": pair(1, None, 2, none=True)}
        yield layer(kind, IMAGES, **sizes_, **window, also=("max_pool2d", "avg_pool2d"))
    for kind in (layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D):
        yield layer(kind, IMAGES, data_format=FORMAT, keepdims=flag())
    yield layer(layers.Activation, activation=activation())
    yield layer(layers.ReLU)
    yield layer(layers.Flatten, IMAGES)
    yield layer(layers.LeakyReLU, negative_slope=number(0, INF, 0.1, open_high=True))
    yield layer(layers.ELU, alpha=number(0, INF, 0.1, open_high=True))
    yield layer(layers.Softmax, axis=whole(-2, -1, 1, most=1), also=("softmax",))
    yield layer(layers.Dropout, rate=number(0, 1, 0.5, open_high=True), seed=seed())
    yield layer(layers.Rescaling, scale=any_number(), offset=any_number())
    known = sizes((3, 1), (1, 3), 3)
    yield layer(layers.Reshape, target_shape=replace(known, accepts=lambda v: known.accepts(_filled_in(v))))
    yield layer(layers.InputLayer, shape=sizes((3,), unknown=True))
    yield layer(
        layers.Input,
        common=False,
        shape=sizes((3,), unknown=True),
        name=text(None, "n"),
        dtype=dtype(),
        also=("InputLayer", "Layer"),
    )
    yield layer(layers.Layer, input_shape=sizes((3,), None, none=True, unknown=True))


def torch_layers():
    yield layer(
        nn.Linear,
        in_features=whole(0, 3, costly=True),
        out_features=whole(1, 2, costly=True),
        bias=flag(),
        also=("Dense", "linear"),
    )
    window = {"stride": pair(1, 1), "padding": PADDING}
    planes = {
        "in_channels": whole(1, 3, costly=True),
        "out_channels": whole(1, 2, costly=True),
        "kernel_size": pair(1, 2),
    }
    yield layer(
        nn.Conv2d, PLANES, **planes, **window, dilation=pair(1, 1), groups=whole(1, 1), bias=flag(), also=("conv2d",)
    )
    window = {"kernel_size": pair(1, 2), "stride": pair(1, None, 2, none=True), "padding": PADDING, "ceil_mode": flag()}
    window["padding"] = Kind(PADDING.accepts, (0, "valid"), PADDING.near)
    yield layer(nn.MaxPool2d, PLANES, **window, dilation=pair(1, 1), also=("max_pool2d",))
    yield layer(nn.AvgPool2d, PLANES, **window, count_include_pad=flag(), also=("avg_pool2d",))
    yield layer(nn.Dropout, p=number(0, 1, 0.5, open_high=True))
    yield layer(nn.GELU, approximate=choice("none", "tanh"), also=("gelu",))
    yield layer(nn.LeakyReLU, negative_slope=number(0, INF, 0.1, open_high=True))
    yield layer(nn.ELU, alpha=number(0, INF, 0.1, open_high=True))
    for kind in (nn.Softmax, nn.LogSoftmax):
        yield layer(kind, dim=whole(-2, -1, most=1), also=("softmax", "log_softmax"))
    for kind in (
        nn.ReLU,
        nn.SELU,
        nn.SiLU,
        nn.Sigmoid,
        nn.Tanh,
        nn.Softplus,
        nn.Hardsigmoid,
        nn.Hardswish,
        nn.Identity,
    ):
        yield layer(kind)
    yield layer(nn.Flatten, PLANES)
