"""Tables of wrong calls: what makes arrays and Tensors, their methods, and settings."""

import operator

import numpy as np
from tests.proofs.parts.wrong_objects import INF, MATRIX, VECTOR, Entry, dtype, tensors
from tests.proofs.parts.wrong_values import (
    Kind,
    any_number,
    choice,
    flag,
    is_real_array,
    number,
    path,
    reals,
    sizes,
    text,
    whole,
)

import hotloop as hl
from hotloop.nn import functional

DEVICE = Kind(
    lambda v: v in ("cpu", "auto") if isinstance(v, str) else False, ("cpu", "auto"), ("cuda", "gpu", "CPU", 0)
)


def functions():
    yield Entry("array", hl.array, {"x": reals(VECTOR), "device": DEVICE})
    yield Entry("device", hl.device, {"name": DEVICE})
    yield Entry(
        "from_dlpack",
        hl.from_dlpack,
        {"x": Kind(lambda v: hasattr(v, "__dlpack__") or isinstance(v, hl.Tensor), (VECTOR,))},
    )
    arrays = Kind(lambda v: isinstance(v, np.ndarray) and is_real_array(v), (VECTOR,))
    yield Entry("from_numpy", hl.from_numpy, {"array": arrays}, also=("Tensor",))
    yield Entry(
        "tensor",
        hl.tensor,
        {"data": reals(VECTOR), "dtype": dtype(real=True), "requires_grad": flag()},
        also=("Tensor",),
    )
    yield Entry("Tensor", hl.Tensor, {"data": reals(VECTOR), "requires_grad": flag(), "name": text(None, "w")})
    yield Entry("Parameter", hl.nn.Parameter, {"data": reals(VECTOR), "requires_grad": flag()}, also=("Tensor",))
    bound = number(-INF, INF, 0.0, 5.0, open_low=True, open_high=True)
    steps = number(-INF, INF, 1.0, 0.5, open_low=True, open_high=True)
    yield Entry(
        "arange",
        hl.arange,
        {"start": bound, "end": Kind(lambda v: v is None or bound.accepts(v), (3, None)), "step": steps},
    )
    count = whole(0, 3, costly=True)
    ends = {"start": any_number(), "end": any_number()}
    yield Entry("linspace", hl.linspace, {**ends, "steps": count, "requires_grad": flag()}, also=("Tensor",))
    for name in ("zeros", "ones", "rand", "randn"):

        def make(shape, requires_grad, name=name, **wrong):
            return getattr(hl, name)(shape, requires_grad=requires_grad, **wrong)

        yield Entry(
            name, make, {"shape": sizes((2, 3), 4), "requires_grad": flag()}, also=("make", "Tensor", "functions")
        )
    yield Entry("set_num_threads", hl.set_num_threads, {"n": whole(1, 1, 2, costly=True)})
    yield Entry("set_precision", hl.set_precision, {"name": choice("float32", "bfloat16")})
    for name in ("set_seed", "manual_seed"):
        yield Entry(name, getattr(hl, name), {"n": whole(0, 3)}, also=("set_seed",))
    yield Entry("clip_grad_norm", hl.clip_grad_norm, {"params": tensors(), "max_norm": number(0, INF, 1.0)})
    custom = Kind(lambda v: v is None or isinstance(v, dict), (None, {}), (3, "ab"))
    yield Entry(
        "load_model",
        hl.load_model,
        {"path": path("missing"), "custom_objects": custom},
        takes_files=True,
        also=("load",),
    )
    files = Kind(path().accepts, ("missing",), ("", 3, -1, ["a"], 1.5, b"x"), avoid=lambda v: v is None)
    yield Entry("mnist", hl.data.mnist, {"path": files, "check": flag()}, takes_files=True)
    for name in ("digits", "diabetes", "show_config", "no_grad"):
        yield Entry(name, getattr(hl.data, name, None) or getattr(hl, name), {})


def functional_ones():
    scores, ids = reals(MATRIX, fits=lambda shape: True), np.array([0, 2, 1, 2])
    reduction = choice("mean", "sum", "none")
    target = Kind(is_real_array, (ids, MATRIX))
    weight = reals(VECTOR, None, none=True)
    entropy = {
        "weight": weight,
        "ignore_index": whole(-INF, -100),
        "reduction": reduction,
        "label_smoothing": number(0, 1, 0.1),
    }
    names = ("CrossEntropyLoss", "softmax_cross_entropy")
    yield Entry("cross_entropy", functional.cross_entropy, {"input": scores, "target": target, **entropy}, also=names)
    yield Entry("softmax", functional.softmax, {"input": scores, "dim": whole(-2, -1, most=1)})
    yield Entry("log_softmax", functional.log_softmax, {"input": scores, "dim": whole(-2, -1, most=1)})
    yield Entry("dropout", functional.dropout, {"input": scores, "p": number(0, 1, 0.5), "training": flag()})
    for name in ("MSELoss", "L1Loss", "BCEWithLogitsLoss", "BCELoss"):
        ops = ("mse_loss", "mae_loss", "binary_cross_entropy_with_logits", "_Loss")
        yield Entry(name, getattr(hl.nn, name), {"reduction": reduction}, lambda loss: loss(MATRIX, MATRIX), ops)
        both = {"input": reals(MATRIX), "target": reals(MATRIX)}
        yield Entry(
            name,
            lambda name=name, **values: getattr(hl.nn, name)()(**values),
            both,
            also=(*ops, "__call__"),
        )
    yield Entry(
        "HuberLoss",
        hl.nn.HuberLoss,
        {"reduction": reduction, "delta": number(0, INF, 1.0, open_low=True)},
        lambda loss: loss(MATRIX, MATRIX),
        ("huber_loss", "_Loss"),
    )
    yield Entry("CrossEntropyLoss", hl.nn.CrossEntropyLoss, entropy, lambda loss: loss(MATRIX, ids), names)


# ---- methods of Tensor -----------------------------------------------------------------------------------------------


def method(name, *also, use=lambda made: made, **kinds):
    """An entry that calls a method of a new Tensor (4, 3)."""

    def make(*args, **values):
        return getattr(hl.Tensor(MATRIX, requires_grad=True), name)(*args, **values)

    return Entry(name, make, kinds, use, also)


def starred(name, **kinds):
    """The same for a method that takes sizes one by one."""
    ((argument, kind),) = kinds.items()

    def make(*args, **values):
        given = values.pop(argument) if argument in values else ()
        return getattr(hl.Tensor(MATRIX), name)(*(given if isinstance(given, tuple) else (given,)), *args, **values)

    return Entry(name, make, {argument: kind}, also=("reshape", "_reshape", "_transpose"))


def methods():
    axis = Kind(lambda v: v is None or whole(-2, most=1).accepts(v), (0, -1, None), whole(-2, most=1).near)
    many = Kind(
        lambda v: axis.accepts(v) or (isinstance(v, tuple | list) and all(map(whole(-2, most=1).accepts, v))),
        (0, (0, 1)),
        ((0, 0), (2,), 1.5, "0"),
    )
    for name in ("sum", "mean", "max", "min"):
        yield method(name, "method", "_over_axes", axis=many, keepdims=flag())
        yield method(name, "method", "_over_axes", dim=many, keepdim=flag())
    yield method("argmax", "method", "_over_axes", axis=axis, keepdims=flag())
    for name in ("softmax", "log_softmax"):
        yield method(name, "method", "_along_axis", axis=whole(-2, -1, most=1))
    shape = Kind(
        lambda v: sizes().accepts(v) or v == -1 or (isinstance(v, tuple | list) and -1 in v),
        ((3, 4), (-1, 2), 12),
        ((5, -1), (2.0, 6), "ab", (-1, -1)),
    )
    yield starred("reshape", shape=shape)
    yield starred("view", shape=shape)
    order = Kind(
        lambda v: v == () or v is None or (isinstance(v, tuple | list) and sorted(_counted(v)) == [0, 1]),
        ((1, 0), (0, -1)),
        ((0, 0), (2, 0), "ab", 1.5),
    )
    yield starred("transpose", axes=order)
    yield method("flatten", "_flatten", start_dim=whole(-2, 0, most=1), end_dim=whole(-2, -1, most=1))
    yield method("unsqueeze", "_unsqueeze", dim=whole(-3, 0, most=2))
    yield method("squeeze", "_squeeze", axis=Kind(lambda v: v is None, (None,), (0, 5, "a", 1.5)))
    yield method("astype", "_astype", dtype=dtype(none=True))
    yield method("to", "_to", "Tensor", device=DEVICE)
    yield method("requires_grad_", requires_grad=flag())
    yield Entry(
        "backward",
        lambda gradient, retain_graph, **wrong: (hl.Tensor(MATRIX, True) * 2).backward(
            gradient, retain_graph=retain_graph, **wrong
        ),
        {"gradient": reals(MATRIX, fits=lambda shape: shape == MATRIX.shape), "retain_graph": flag()},
        also=("functions", "methods", "<lambda>"),
    )
    key = Kind(_is_key, (1, slice(1, 3), (0, ...), np.array([0, 2]), None), ("a", 9, 1.5, (0, 0, 0), [9], object()))
    yield Entry("getitem", lambda key: hl.Tensor(MATRIX)[key], {"key": key}, also=("<lambda>",))


def operators():
    """Arithmetic and comparisons of a Tensor (4, 3), on either side."""
    names = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power"}
    for symbol, name in names.items():
        other = reals(VECTOR, fits=_broadcasts)
        yield between(name, getattr(operator, symbol), other, left=False)
        yield between(name, getattr(operator, symbol), other, left=True)
    right = reals(np.ones((3, 2)), fits=lambda shape: shape in ((3,), (3, 2)))
    yield between("matmul", operator.matmul, right, left=False)
    yield between(
        "matmul", operator.matmul, reals(np.ones((2, 4)), fits=lambda shape: shape in ((4,), (2, 4))), left=True
    )
    yield between("less", operator.lt, reals(VECTOR, fits=_broadcasts), left=False)
    # Nothing and words are equal to no Tensor, as Python has it.
    equal = reals(VECTOR, fits=_broadcasts)
    equal = Kind(lambda v: v is None or isinstance(v, str) or reals(fits=_broadcasts).accepts(v), equal.valid)
    yield between("equal", operator.eq, equal, left=False)


def between(name, symbol, other, left):
    """An entry of an operator; `left` says on which side the wrong operand stands."""

    def make(other):
        return symbol(other, hl.Tensor(MATRIX)) if left else symbol(hl.Tensor(MATRIX), other)

    return Entry(name, make, {"other": other}, also=("make",))


def attributes():
    for name in ("data", "grad"):

        def make(value, name=name):
            setattr(hl.Tensor(MATRIX, True), name, value)

        none = name == "grad"
        kind = Kind(
            lambda v, none=none: (v is None and none) or (is_real_array(v) and np.shape(v) == MATRIX.shape),
            (MATRIX,),
            (VECTOR,),
        )
        yield Entry(name, make, {"value": kind}, also=("make",))
    yield Entry(
        "item",
        lambda size: hl.ones(size).item(),
        {"size": Kind(lambda v: v in (1, (), (1,), []), (1,), ((2,), 3))},
        also=("ones", "Tensor"),
    )


def _counted(axes):
    """The axes of a matrix, counted from the front; -1 where there is no such."""
    return [axis % 2 if whole(-2, most=1).accepts(axis) else -1 for axis in axes]


def _broadcasts(shape):
    try:
        np.broadcast_shapes(shape, MATRIX.shape)
    except ValueError:
        return False
    return True


def _is_key(key):
    """Whether NumPy takes it."""
    try:
        MATRIX[key.numpy() if isinstance(key, hl.Tensor) else key]
    except Exception:
        return False
    return True


TABLE = [*functions(), *functional_ones(), *methods(), *operators(), *attributes()]
