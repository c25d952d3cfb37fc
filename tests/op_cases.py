"""The one table of op cases: what a row of it is, and all rows.

A row says how to call an op and what should come of it; tests/test_ops.py then compares it with NumPy in both dtypes on
every instruction tier, differentiates it numerically, and runs it with other thread counts, memory layouts, outputs and
NaN. A new op needs one row here and nothing else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

import hotloop as hl
import references as ref
from op_inputs import away, distinct, normal, single, spread


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One row.

    Attributes:
        op: name in hotloop.ops.
        label: what sets this row apart from others of the op.
        reference: the op in NumPy, float64 in and out.
        sizes: the shapes of the array arguments, one tuple a run; the first is small and is differentiated.
        large: shapes large enough to be shared among threads.
        make: (rng, *shapes) -> the positional arguments; floats as float64.
        options: keyword arguments; a callable is (rng, *shapes) -> array.
        grad: positions of the differentiable arguments.
        depth: (*shapes) -> number of terms in the longest sum, forward or backward.
        scale: the least magnitude that rounding errors are relative to; the largest value's otherwise.
        inf: whether infinities give what the reference gives.
        moves: the op only moves elements, of any dtype and byte order, which its result keeps.
        call: how to pass the arguments to the op, where it takes them otherwise: (op, *args, **options) -> its results.
    """

    op: str
    label: str = ""
    reference: Callable
    sizes: tuple
    large: tuple
    make: Callable = None
    options: dict = field(default_factory=dict)
    grad: tuple = (0,)
    depth: Callable = lambda *shapes: 1
    scale: float = 0.0
    inf: bool = True
    moves: bool = False
    call: Callable = None

    def __str__(self):
        return f"{self.op}-{self.label}" if self.label else self.op

    @property
    def function(self):
        op = getattr(hl, self.op)
        return op if self.call is None else partial(self.call, op)

    def arguments(self, shapes):
        """Positional arguments and options of one run: the same at every call."""
        rng = np.random.default_rng(20)
        args = list((self.make or normal)(rng, *shapes))
        options = {k: v(rng, *shapes) if callable(v) else v for k, v in self.options.items()}
        return args, options


# ---- elementwise -----------------------------------------------------------------------------------------------------

RUNS = (((3, 5),), ((1,),), ((7,),), ((16,),), ((2, 3, 33),), ((),), ((0,),), ((4, 0, 3),))


def elementwise(op, reference, label="", **fields):
    """A row of an op that keeps its input's shape."""
    return Case(**{"op": op, "label": label, "reference": reference, "sizes": RUNS, "large": ((50, 1003),)} | fields)


def activations():
    kinks = {
        "relu": (0,),
        "leaky_relu": (0,),
        "elu": (0,),
        "selu": (0,),
        "hard_sigmoid": (-3, 3),
        "hard_swish": (-3, 3),
    }
    unbounded = {"silu", "hard_swish"}  # -inf * 0
    for op in (
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "silu",
        "sigmoid",
        "tanh",
        "softplus",
        "hard_sigmoid",
        "hard_swish",
    ):
        make = away(*kinks.get(op, ()))
        yield elementwise(op, ref.ACTIVATIONS[op], make=make, inf=op not in unbounded)
    yield elementwise("leaky_relu", ref.ACTIVATIONS["leaky_relu"], "slope", make=away(0), options={"slope": 0.3})
    yield elementwise("elu", ref.ACTIVATIONS["elu"], "alpha", make=away(0), options={"alpha": 0.7})
    yield elementwise("gelu", ref.gelu, make=away(), inf=False)
    yield elementwise("gelu", ref.gelu, "tanh", make=away(), options={"approximate": "tanh"}, inf=False)


def positive(rng, *shapes):
    return [single(rng.uniform(0.1, 4.0, shape)) for shape in shapes]


def unaries():
    makers = {
        "negative": normal,
        "exp": away(),
        "log": positive,
        "sqrt": positive,
        "abs": away(0),
        "square": normal,
        "sign": away(0),
        "reciprocal": away(0),
        "sin": away(low=-20.0, high=20.0),
        "cos": away(low=-20.0, high=20.0),
    }
    for op, make in makers.items():
        yield elementwise(op, getattr(np, op), make=make)


def _apart(rng, *shapes):
    """Operands of which no two elements are equal, nor a divisor near 0."""
    a, b = distinct(rng, (math.prod(shapes[0]),)), distinct(rng, (math.prod(shapes[1]),))
    return [a[0].reshape(shapes[0]), single(b[0] * 0.75 + 1e-3).reshape(shapes[1])]


PAIRS = (
    ((3, 5), (3, 5)),
    ((3, 5), (5,)),
    ((5,), (3, 1)),
    ((2, 1, 7), (3, 1)),
    ((4, 33), (4, 1)),
    ((), (4,)),
    ((1,), (1,)),
    ((), ()),
    ((0, 3), (3,)),
    ((2, 1), (1, 0)),
)
LARGE_PAIRS = {
    "": ((50, 1003), (50, 1003)),
    "row": ((50, 1003), (1003,)),
    "column": ((1003, 1), (1003, 50)),
    "short-row": ((6000, 10), (10,)),
    "short-column": ((6000, 10), (6000, 1)),
    "outer": ((300, 1), (1, 300)),
    "middle": ((40, 1, 60), (40, 30, 1)),
    "number": ((), (50, 1003)),
}


def binaries():
    makers = dict.fromkeys(("add", "subtract", "multiply", "divide", "maximum", "minimum"), _apart)
    for op, make in (makers | {"power": positive}).items():
        for label, large in LARGE_PAIRS.items():
            yield Case(
                op=op,
                label=label,
                reference=getattr(np, op),
                sizes=PAIRS if not label else PAIRS[:1],
                large=large,
                make=make,
                grad=(0, 1),
                depth=lambda a, b: max(math.prod(a), math.prod(b)),
                scale=1.0,
            )
    for exponent in (0, 1, 2, 3, 8, 9, -1, -2, 0.5, 1.7):

        def make(rng, shape, exponent=exponent):
            return [*positive(rng, shape), exponent]

        # An array of exponents: of a single 1/2 NumPy takes the root, which -inf has none of.
        yield elementwise("power", lambda x, e: np.power(x, e + np.zeros_like(x)), f"{exponent}", make=make)


def choices():
    def make(rng, *shapes):
        return [rng.random(shapes[0]) < 0.5, *normal(rng, *shapes[1:])]

    yield Case(
        op="where",
        reference=np.where,
        sizes=(((3, 5), (3, 5), (3, 5)), ((5,), (3, 1), ()), ((0, 3), (3,), (1,))),
        large=((50, 1003), (1003,), (50, 1)),
        make=make,
        grad=(1, 2),
        depth=lambda *shapes: 50 * 1003,
    )


AXIS_SIZES = (((3, 5),), ((1, 1),), ((4, 17),), ((2, 9, 33),), ((7,),))


def softmaxes():
    for op in ("softmax", "log_softmax"):
        f = getattr(ref, op)
        common = {"op": op, "reference": f, "depth": lambda shape: max(shape), "scale": 1.0, "inf": False}
        yield Case(**common, sizes=(*AXIS_SIZES, ((0, 5),)), large=((700, 60),))
        yield Case(
            **common, label="first-axis", sizes=(*AXIS_SIZES, ((5, 0),)), large=((60, 700),), options={"axis": 0}
        )
        middle = (((2, 4, 3),), ((3, 17, 9),), ((2, 5, 0),), ((0, 5, 2),))
        yield Case(**common, label="middle-axis", sizes=middle, large=((40, 30, 40),), options={"axis": 1})
        wide = partial(spread, factor=80.0)
        yield Case(**common, label="far-apart", sizes=(((3, 5),), ((2, 40),)), large=((700, 60),), make=wide)


def reductions():
    axes = {
        "all": (None, (((3, 5),), ((7,),), ((),), ((1, 1),), ((2, 3, 33),)), (50, 2003)),
        "last": (-1, (((3, 5),), ((4, 17),), ((2, 9, 133),), ((6, 1),), ((1, 600),), ((0, 5),)), (300, 333)),
        "last-long": (1, (((3, 5),),), (3, 60001)),
        "first": (0, (((3, 5),), ((4, 17),), ((40, 9, 3),), ((1, 6),), ((600, 1),), ((5, 0),)), (6001, 32)),
        "first-narrow": (0, (((3, 5),),), (20003, 3)),
        "first-wide": (0, (((3, 5),),), (33, 3001)),
        "middle": (1, (((2, 4, 3),), ((3, 17, 9),), ((2, 5, 0),)), (40, 30, 50)),
        "outside": ((0, 2), (((2, 4, 3),), ((3, 1, 9),)), (30, 40, 50)),
        "kept": ((-1, 0), (((2, 4, 3, 5),),), (7, 20, 30, 11)),
        "none": ((), (((3, 5),),), (50, 1003)),
    }
    for op in ("sum", "mean", "max", "min"):
        for label, (axis, sizes, large) in axes.items():
            yield Case(
                op=op,
                label=label,
                reference=getattr(np, op),
                sizes=sizes,
                large=(large,),
                make=distinct,
                options={"axis": axis, "keepdims": label == "kept"},
                depth=lambda shape: math.prod(shape),
                scale=1.0,
            )

    for label, axis in {"all": None, "first": 0, "middle": 1, "last": -1}.items():
        yield Case(
            op="argmax",
            label=label,
            reference=np.argmax,
            sizes=(((3, 4, 5),), ((1, 1, 1),), ((2, 17, 33),)),
            large=((37, 41, 43),),
            make=distinct,
            options={"axis": axis},
            grad=(),
        )


def batches():
    def rows(rng, x, indices):
        return [*normal(rng, x), rng.integers(0, x[0], indices)]

    yield Case(
        op="take",
        reference=lambda x, indices: x[indices],
        sizes=(((4, 3), (7,)), ((5, 2, 3), (2, 3)), ((6,), (4,)), ((3, 17), (0,)), ((3, 0), (2,))),
        large=((300, 70), (900,)),
        make=rows,
        depth=lambda x, indices: math.prod(indices),
        moves=True,
    )
    yield elementwise(
        "rescale", lambda x, a, b=0.0: x * a + b, make=lambda rng, shape: [*normal(rng, shape), 0.5, -0.25]
    )

    def pixels(rng, shape):
        return [rng.integers(0, 256, shape, np.uint8), 1 / 255]

    yield elementwise("rescale", lambda x, scale, offset=0.0: x * scale + offset, "bytes", make=pixels, grad=())


def shapes():
    def joined(op, *arrays, **options):
        return op(arrays, **options)

    yield elementwise("reshape", lambda x, shape: np.reshape(x, shape), make=lambda rng, s: [*normal(rng, s), -1])
    volumes = (((2, 4, 3),), ((3, 17, 9),), ((1, 1, 5),), ((2, 0, 3),))
    for label, axes in {"": None, "last-two": (0, 2, 1), "rotated": (2, -3, 1)}.items():
        options = {"axes": axes}
        yield Case(
            op="transpose", label=label, reference=np.transpose, sizes=volumes, large=((30, 40, 50),), options=options
        )
    for op in ("concatenate", "stack"):
        for axis in (0, 1, -1):
            more = [((2, 0, 3),) * 2] + [((2, 3, 1), (2, 3, 4))] * (op == "concatenate" and axis == -1)
            yield Case(
                op=op,
                label=f"axis{axis}",
                reference=lambda *arrays, axis, op=op: getattr(np, op)(arrays, axis),
                sizes=(((2, 4, 3),) * 3, *more),
                large=((30, 40, 50),) * 2,
                options={"axis": axis},
                grad=(0, 1),
                call=joined,
            )


def dropouts():
    def reference(x, rate, seed):
        kept = hl.dropout(np.ones_like(x), rate, seed=seed) != 0  # which ones is tested by their statistics
        return np.where(kept, x / (1 - rate), 0.0)

    def make(rng, shape):
        return [*normal(rng, shape), 0.4]

    yield elementwise("dropout", reference, make=make, options={"seed": 7}, inf=False)
    yield elementwise(
        "dropout", lambda x, rate, seed=None: x, "rate-0", make=lambda rng, shape: [*normal(rng, shape), 0.0]
    )


# ---- products --------------------------------------------------------------------------------------------------------


def matmul_depth(a, b):
    return max(a[-1], *a, *b)


def matmuls():
    common = {"op": "matmul", "reference": np.matmul, "grad": (0, 1), "depth": matmul_depth, "inf": False}
    yield Case(
        **common,
        label="2d",
        sizes=(
            ((5, 7), (7, 3)),
            ((1, 1), (1, 1)),
            ((1, 9), (9, 17)),
            ((17, 33), (33, 9)),
            ((64, 100), (100, 70)),
            ((0, 4), (4, 3)),
            ((3, 0), (0, 5)),
            ((2, 3), (3, 0)),
        ),
        large=((300, 257), (257, 190)),
    )
    yield Case(
        **common,
        label="batched",
        sizes=(((3, 4, 6), (3, 6, 2)), ((0, 2, 3), (0, 3, 4)), ((2, 3, 5, 17), (2, 3, 17, 9))),
        large=((24, 70, 64), (24, 64, 66)),
    )
    yield Case(
        **common,
        label="broadcast",
        sizes=(
            ((2, 1, 3, 4), (5, 4, 2)),
            ((3, 4), (2, 4, 5)),
            ((2, 3, 4), (4, 5)),
            ((1, 3, 4), (6, 4, 5)),
            ((0, 3, 4), (4, 5)),
        ),
        large=((6, 1, 80, 40), (5, 40, 90)),
    )
    vectors = {
        "vector-vector": (((7,), (7,)), ((300,), (300,))),
        "vector-matrix": (((7,), (7, 3)), ((300,), (300, 400))),
        "matrix-vector": (((5, 7), (7,)), ((400, 300), (300,))),
        "vector-batch": (((7,), (2, 7, 3)), ((100,), (40, 100, 60))),
        "batch-vector": (((2, 5, 7), (7,)), ((40, 60, 100), (100,))),
    }
    for label, (small, large) in vectors.items():
        yield Case(**common, label=label, sizes=(small,), large=large)


def linears():
    sizes = (((5, 7), (7, 3), (3,)), ((2, 3, 17), (17, 33), (33,)), ((0, 4), (4, 3), (3,)), ((7,), (7, 9), (9,)))
    common = {"op": "linear", "reference": ref.linear, "depth": lambda x, w, *b: max(*x, *w), "inf": False}
    for name in (None, *ref.ACTIVATIONS):
        yield Case(
            **common,
            label=name or "plain",
            sizes=sizes,
            large=((300, 90), (90, 130), (130,)),
            options={"activation": name},
            grad=(0, 1, 2),
        )
    unbiased = (((5, 7), (7, 3)), ((3, 0), (0, 5)))
    yield Case(**common, label="no-bias", sizes=unbiased, large=((300, 90), (90, 130)), grad=(0, 1))


# ---- convolution and pooling -----------------------------------------------------------------------------------------


def conv_depth(x, w, *bias):
    """Terms of an output, of a weight's gradient (all pixels), of an input's (all filters)."""
    return max(math.prod(w[:3]), math.prod(x[:3]), w[0] * w[1] * w[3])


def convolutions():
    small = (2, 6, 7, 4)
    rows = {
        "plain": ((small, (3, 2, 4, 5), (5,)), {}),
        "no-bias": ((small, (3, 3, 4, 5)), {}),
        "stride": ((small, (3, 3, 4, 5), (5,)), {"stride": (2, 3)}),
        "same": ((small, (3, 4, 4, 5), (5,)), {"padding": "same"}),
        "same-stride": ((small, (3, 2, 4, 5), (5,)), {"padding": "same", "stride": 2}),
        "padding": ((small, (3, 3, 4, 5), (5,)), {"padding": (2, 1)}),
        "asymmetric": ((small, (3, 3, 4, 5), (5,)), {"padding": ((0, 2), (3, 1))}),
        "dilation": ((small, (3, 2, 4, 5), (5,)), {"dilation": (2, 3)}),
        "dilation-same": ((small, (3, 3, 4, 5), (5,)), {"dilation": 2, "padding": "same", "stride": (1, 2)}),
        "groups": ((small, (3, 3, 2, 6), (6,)), {"groups": 2}),
        "depthwise": (((2, 5, 6, 34), (3, 3, 1, 34), (34,)), {"groups": 34, "padding": 1}),
        "depthwise-multiplier": ((small, (3, 3, 1, 8), (8,)), {"groups": 4, "stride": 2}),
        "1x1": ((small, (1, 1, 4, 5), (5,)), {}),
        "1x1-stride": ((small, (1, 1, 4, 5), (5,)), {"stride": 2}),
        "window-is-input": ((small, (6, 7, 4, 5), (5,)), {}),
        "one-channel": (((2, 7, 6, 1), (3, 3, 1, 9), (9,)), {}),
        "nchw": (((2, 4, 6, 7), (3, 2, 4, 5), (5,)), {"data_format": "NCHW", "padding": "same"}),
        "deep": (((2, 7, 8, 33), (3, 3, 33, 34), (34,)), {"padding": ((0, 2), (3, 1))}),
        "deep-tanh": (((1, 10, 11, 16), (3, 3, 16, 33)), {"activation": "tanh"}),
    }
    large = ((4, 19, 17, 4), (3, 3, 4, 40), (40,))
    sized = {
        "plain": ((3, 30, 31, 9), (3, 3, 9, 33), (33,)),
        "no-bias": large[:2],
        "groups": ((4, 19, 17, 16), (3, 3, 8, 22), (22,)),
        "depthwise": ((4, 25, 27, 34), (3, 3, 1, 34), (34,)),
        "depthwise-multiplier": ((4, 40, 41, 4), (3, 3, 1, 36), (36,)),
        "1x1": ((4, 25, 27, 18), (1, 1, 18, 40), (40,)),
        "1x1-stride": ((4, 25, 27, 18), (1, 1, 18, 40), (40,)),
        "window-is-input": ((70, 6, 7, 18), (6, 7, 18, 20), (20,)),
        "one-channel": ((6, 28, 28, 1), (3, 3, 1, 32), (32,)),
        "nchw": ((4, 4, 19, 17), (3, 3, 4, 40), (40,)),
        "deep": ((9, 19, 17, 33), (3, 3, 33, 40), (40,)),
        "deep-tanh": ((2, 11, 10, 300), (3, 3, 300, 16)),
    }
    common = {"op": "conv2d", "reference": ref.conv2d, "depth": conv_depth, "inf": False}
    for label, (shapes, options) in rows.items():
        empty = [((0, *shapes[0][1:]), *shapes[1:])]
        if "same" in label:
            empty.append(((2, 0, *shapes[0][2:]), *shapes[1:]))
        if label == "plain":
            empty.append((small, (3, 2, 4, 0), (0,)))
        grad = tuple(range(len(shapes)))
        sizes = (shapes, *empty)
        yield Case(**common, label=label, sizes=sizes, large=sized.get(label, large), options=options, grad=grad)
    shapes = (small, (3, 3, 4, 5), (5,))
    for name in ref.ACTIVATIONS:
        yield Case(**common, label=name, sizes=(shapes,), large=large, options={"activation": name}, grad=(0, 1, 2))


def fused_pools():
    rows = {
        "relu": {"pool": 2, "activation": "relu"},
        "plain": {"pool": (2, 3)},
        "same": {"pool": 2, "padding": "same", "activation": "tanh"},
        "stride": {"pool": 2, "stride": (1, 2), "padding": ((0, 2), (3, 1)), "activation": "leaky_relu"},
        "dilation": {"pool": (1, 2), "dilation": (2, 1), "activation": "relu"},
        "groups": {"pool": 2, "groups": 2, "activation": "relu"},
        "whole-map": {"pool": (5, 6), "activation": "elu"},
        "nchw": {"pool": 2, "data_format": "NCHW", "activation": "relu"},
    }
    common = {"op": "conv2d_max_pool2d", "reference": ref.conv2d_max_pool2d, "depth": conv_depth, "inf": False}
    for label, options in rows.items():
        channels = 2 if "groups" in options else 4
        x, large = (2, 7, 8, 4), (5, 17, 19, 4)
        if label == "nchw":
            x, large = (2, 4, 7, 8), (5, 4, 17, 19)
        rest = ((3, 3, channels, 6), (6,))
        sizes = ((x, *rest), ((0, *x[1:]), *rest))
        large_rest = ((3, 3, channels, 34), (34,))
        yield Case(**common, label=label, sizes=sizes, large=(large, *large_rest), options=options, grad=(0, 1, 2))
    one = ((2, 8, 8, 1), (3, 3, 1, 5), (5,))
    large = ((6, 28, 28, 1), (3, 3, 1, 32), (32,))
    options = {"pool": 2, "activation": "relu"}
    yield Case(**common, label="one-channel", sizes=(one,), large=large, options=options, grad=(0, 1, 2))
    yield Case(**common, label="no-bias", sizes=(one[:2],), large=large[:2], options=options, grad=(0, 1))
    deep = ((2, 10, 11, 17), (3, 3, 17, 18), (18,))
    large = ((20, 13, 13, 32), (3, 3, 32, 64), (64,))
    yield Case(**common, label="deep", sizes=(deep,), large=large, options=options, grad=(0, 1, 2))
    options = {"pool": 2, "activation": "tanh", "padding": ((1, 0), (2, 1))}
    yield Case(**common, label="deep-tanh", sizes=(deep,), large=large, options=options, grad=(0, 1, 2))


def pools():
    small, large = (2, 7, 8, 3), (6, 33, 31, 35)
    both = {
        "window-2": {"window": 2},
        "window-3x2": {"window": (3, 2)},
        "overlap": {"window": 3, "stride": 2},
        "gaps": {"window": 2, "stride": (3, 4)},
        "same": {"window": 3, "padding": "same"},
        "same-stride": {"window": 2, "stride": 2, "padding": "same"},
        "padding": {"window": 3, "stride": 1, "padding": ((1, 0), (0, 2))},
        "ceil": {"window": (2, 3), "ceil_mode": True},
        "ceil-padding": {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        "whole-input": {"window": (7, 8)},
        "nchw": {"window": 2, "padding": 1, "data_format": "NCHW"},
    }
    only_max = {
        "dilation": {"window": 2, "dilation": (2, 3)},
        "dilation-padding": {"window": 3, "dilation": 2, "padding": 2, "stride": 2},
        "indices": {"window": 2, "return_indices": True},
        "indices-padding": {"window": 3, "stride": 2, "padding": "same", "return_indices": True},
        "indices-nchw": {"window": 2, "data_format": "NCHW", "return_indices": True},
    }
    only_avg = {
        "count-padding": {"window": 3, "padding": 1, "count_include_pad": True},
        "count-ceil": {"window": (3, 2), "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": True},
    }
    for op, rows in (("max_pool2d", both | only_max), ("avg_pool2d", both | only_avg)):
        for label, options in rows.items():
            x, many = ((2, 3, 7, 8), (6, 35, 33, 31)) if "nchw" in label else (small, large)
            yield Case(
                op=op,
                label=label,
                reference=getattr(ref, op),
                sizes=((x,), ((0, *x[1:]),)),
                large=(many,),
                make=distinct,
                options=options,
                depth=lambda shape: 9,
                inf=op == "max_pool2d",
            )
    layouts = {"": {}, "keepdims": {"keepdims": True}, "nchw": {"data_format": "NCHW"}}
    layouts["nchw-keepdims"] = layouts["keepdims"] | layouts["nchw"]
    for op in ("global_avg_pool2d", "global_max_pool2d"):
        for label, options in layouts.items():
            yield Case(
                op=op,
                label=label,
                reference=getattr(ref, op),
                sizes=((small,), ((1, 1, 1, 1),), ((3, 2, 5, 17),), ((0, 2, 2, 3),), ((2, 3, 3, 1),)),
                large=((9, 21, 23, 35),),
                make=distinct,
                options=options,
                depth=lambda shape: shape[1] * shape[2],
            )


# ---- losses ----------------------------------------------------------------------------------------------------------

REDUCTIONS = ("none", "sum", "mean")


def _labels(rng, logits, column=False, ignored=None):
    labels = rng.integers(0, max(logits[-1], 1), (*logits[:-1], 1) if column else logits[:-1])
    if ignored is not None:
        labels = np.where(rng.random(labels.shape) < 0.3, ignored, labels)
        labels.reshape(-1)[:1] = 0  # one at least counts
    return [*normal(rng, logits), labels]


def _probabilities(rng, logits):
    p = rng.random(logits) + 0.1
    return [*normal(rng, logits), single(p / p.sum(-1, keepdims=True))]


def _class_weight(rng, logits):
    return single(rng.random(logits[-1]) + 0.5)


def _row_weight(rng, logits):
    return single(rng.random(logits[:-1]) + 0.5)


def cross_entropies():
    rows = {
        "labels": (_labels, {}),
        "column": (partial(_labels, column=True), {}),
        "smoothing": (_labels, {"label_smoothing": 0.1}),
        "class-weight": (_labels, {"class_weight": _class_weight}),
        "ignore": (partial(_labels, ignored=-100), {"ignore_index": -100}),
        "ignore-class": (partial(_labels, ignored=2), {"ignore_index": 2}),
        "sample-weight": (_labels, {"sample_weight": _row_weight}),
        "everything": (
            partial(_labels, ignored=3),
            {"label_smoothing": 0.2, "class_weight": _class_weight, "ignore_index": 3, "sample_weight": _row_weight},
        ),
        "soft": (_probabilities, {}),
        "soft-weights": (
            _probabilities,
            {"label_smoothing": 0.1, "class_weight": _class_weight, "sample_weight": _row_weight},
        ),
    }
    for label, (make, options) in rows.items():
        for reduction in REDUCTIONS:
            yield Case(
                op="softmax_cross_entropy",
                label=f"{label}-{reduction}",
                reference=ref.softmax_cross_entropy,
                sizes=(((4, 5),), ((1, 3),), ((9, 17),), ((2, 3, 7),), ((6,),), ((0, 5),)),
                large=((700, 60),),
                make=make,
                options=options | {"reduction": reduction},
                depth=lambda shape: math.prod(shape),
                scale=1.0,
                inf=False,
            )


def _with_target(rng, shape, kinks=()):
    """Predictions whose distance from the target is nowhere at a kink."""
    (target,) = normal(rng, shape)
    (distance,) = away(0, *kinks, *(-k for k in kinks))(rng, shape)
    return [single(target + distance), target]


def _logits_and_targets(rng, shape):
    return [single(4 * rng.standard_normal(shape)), single(rng.random(shape))]


def pointwise_losses():
    rows = {
        "mse_loss": (_with_target, {}),
        "mae_loss": (_with_target, {}),
        "huber_loss": (partial(_with_target, kinks=(1.0,)), {}),
        "huber_loss-delta": (partial(_with_target, kinks=(2.5,)), {"delta": 2.5}),
        "binary_cross_entropy_with_logits": (_logits_and_targets, {}),
    }
    for name, (make, options) in rows.items():
        op, _, label = name.partition("-")
        for reduction in REDUCTIONS:
            for weight in ("", "weighted"):
                weights = {"sample_weight": lambda rng, shape: single(rng.random(shape) + 0.5)} if weight else {}
                yield Case(
                    op=op,
                    label="-".join(filter(None, (label, reduction, weight))),
                    reference=getattr(ref, op),
                    sizes=(((4, 5),), ((1,),), ((33,),), ((2, 3, 7),), ((0, 5),)),
                    large=((50, 1003),),
                    make=make,
                    options=options | weights | {"reduction": reduction},
                    grad=(0,) if op.startswith("binary") else (0, 1),
                    depth=lambda shape, *_: math.prod(shape),
                    inf=False,
                )


CASES = [
    *activations(),
    *unaries(),
    *binaries(),
    *choices(),
    *softmaxes(),
    *reductions(),
    *shapes(),
    *batches(),
    *dropouts(),
    *matmuls(),
    *linears(),
    *convolutions(),
    *fused_pools(),
    *pools(),
    *cross_entropies(),
    *pointwise_losses(),
]
