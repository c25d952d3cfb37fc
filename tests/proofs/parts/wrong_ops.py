"""Rows of the op table called with a wrong argument; what goes well all the same must be what NumPy makes of it."""

import inspect
import operator

import numpy as np
from tests.proofs.parts import wrong_values as kinds
from tests.proofs.parts.wrong_values import anything, is_number, is_real_array, is_whole

import hotloop as hl
from op_cases import CASES
from test_ops import arrays, as_tuple, converted

# What the references do not judge, by the name of an argument.
JUDGED = {
    **dict.fromkeys(("keepdims", "ceil_mode", "count_include_pad", "return_indices"), kinds.flag()),
    **dict.fromkeys(("stride", "dilation"), kinds.pair(1, 1, none=True)),
    **dict.fromkeys(("window", "pool"), kinds.pair(1, 1)),
    "groups": kinds.whole(1),
    "axis": kinds.Kind(lambda v: v is None or kinds.is_whole(v) or isinstance(v, tuple | list), ()),
    "slope": kinds.number(0, np.inf, open_high=True),
    "alpha": kinds.number(0, np.inf, open_high=True),
    "rate": kinds.number(0, 1),
    "seed": kinds.seed(),
    "delta": kinds.number(0, np.inf, open_low=True),
    "label_smoothing": kinds.number(0, 1),
    "ignore_index": kinds.whole(-np.inf, 0, none=True),
    "reduction": kinds.choice("none", "sum", "mean"),
    "approximate": kinds.choice("none", "tanh"),
    "data_format": kinds.choice("NHWC", "NCHW"),
    "scale": kinds.any_number(),
    "offset": kinds.any_number(),
    "class_weight": kinds.reals(none=True),
    "sample_weight": kinds.reals(none=True),
}


def misshapen(rng, x):
    """An array like x but for its shape."""
    ways = [
        lambda: x[None],
        lambda: x[..., None],
        lambda: x.reshape(-1),
        lambda: x[..., :-1],
        lambda: x[:0],
        lambda: x.T,
    ]
    ways += [
        lambda: np.concatenate([x, x]),
        lambda: x[0],
        lambda: np.stack([x] * 3),
        lambda: x.reshape((1,) * 7 + x.shape),
    ]
    ways = ways if x.ndim else ways[:3]
    return ways[rng.integers(len(ways))]()


def mistyped(rng, x):
    """An array like x but for its dtype."""
    dtypes = ("f2", "f8", "i1", "u8", "?", "c8", "c16", "S3", "U3", "O", "M8[s]", "m8[s]", "V4", "g", ">f4")
    with np.errstate(all="ignore"):
        return np.zeros(x.shape, "V4") if (d := dtypes[rng.integers(len(dtypes))]) == "V4" else x.astype("i8").astype(d)


def as_documented(op, args, options):
    """Targets and weights in the shapes that the references want, where the losses take others too."""
    x, y, weight = np.asarray(args[0]), np.asarray(args[1]), options.get("sample_weight")
    if op == "softmax_cross_entropy":
        if y.dtype.kind in "iub" and y.shape == x.shape and y.shape[-1:] != (1,):
            args = [x, y.astype(np.float64)]  # one-hot rows
        weight = None if weight is None else np.asarray(weight)
        if weight is not None and weight.ndim == x.ndim and weight.shape[-1] == 1:
            options["sample_weight"] = weight[..., 0]
        return args, options
    longer, shorter = sorted((x.shape, y.shape), key=len, reverse=True)
    if longer == (*shorter, 1):
        args = [x, y.reshape(x.shape)]
    if weight is not None:
        weight = np.asarray(weight)
        shape = np.trim_zeros([n - 1 for n in weight.shape], "b")
        leading = tuple(n + 1 for n in shape)
        assert leading == x.shape[: len(leading)], f"weights {weight.shape} for {x.shape}"
        spread = weight.reshape(leading + (1,) * (x.ndim - len(leading)))
        options["sample_weight"] = weight if weight.shape == x.shape else np.broadcast_to(spread, x.shape)
    return args, options


def wrong_argument(rng, value, name):
    if isinstance(value, np.ndarray) and rng.random() < 0.6:
        return (misshapen if rng.random() < 0.5 else mistyped)(rng, value)
    if name in JUDGED:
        return JUDGED[name].wrong(rng)
    return anything(rng)


class OpCall:
    """A call of a row with one thing wrong.

    Attributes:
        names: what errors may call the op.
    """

    def __init__(self, rng):
        self.case = case = CASES[rng.integers(len(CASES))]
        self.names, self.takes_files = [case.op], False
        args, options = case.arguments(case.sizes[0])
        args, options = converted(args, np.float32), converted(options, np.float32)
        parameters = list(inspect.signature(getattr(hl, case.op)).parameters.values())
        keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY or p.name in options]
        self.wrong = None  # the name of the argument, where it is judged here
        way = rng.random()
        self._are_arrays = [isinstance(x, np.ndarray) for x in args]
        if way < 0.5:
            at = int(rng.integers(len(args)))
            names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
            self.wrong = names[at] if case.call is None and at < len(names) else None
            args[at] = wrong_argument(rng, args[at], self.wrong)
        elif way < 0.85 and keywords:
            self.wrong = keywords[rng.integers(len(keywords))]
            options[self.wrong] = wrong_argument(rng, options.get(self.wrong), self.wrong)
        elif way < 0.9:
            del args[rng.integers(len(args))]
        elif way < 0.93:
            args.append(anything(rng))
        elif way < 0.96:
            options["wrong"] = 1
        else:
            args = [args[i] for i in rng.permutation(len(args))]
        self.args, self.options = args, options

    def __str__(self):
        shown = [
            f"{type(x).__name__} {getattr(x, 'dtype', '')}{np.shape(x)}" if _is_array(x) else f"{x!r:.60}"
            for x in self.args
        ]
        return f"{self.case}({', '.join(shown)}, {', '.join(f'{k}={v!r:.60}' for k, v in self.options.items())})"

    def called_what_was_given(self):
        """No op calls its arguments."""
        return False

    def __call__(self):
        return self.case.function(*self.args, **self.options)

    def judge(self, result):
        """Raises AssertionError where the call should not have gone well."""
        options = dict(self.options)
        out = options.pop("out", None)
        if self.wrong in JUDGED:
            value = self.options[self.wrong] if self.wrong in self.options else self._positional()
            assert JUDGED[self.wrong].accepts(value), f"{self.wrong} was taken"
        if out is not None:
            assert as_tuple(result)[0] is out, "out was passed over"
        try:
            args, want = self._wanted(options)
        except MemoryError:
            return  # the references take more than the ops
        if self.case.op == "dropout" and options.get("seed") is None:
            return
        for got, y in zip(arrays(result), want, strict=True):
            assert got.shape == y.shape, f"shape {got.shape}, NumPy has {y.shape}"
            if y.dtype.kind not in "biuf":
                assert np.array_equal(got, y), "other elements than NumPy has"
                continue
            size = np.max(np.abs(y[np.isfinite(y)], dtype=np.float64), initial=1.0) if y.dtype.kind == "f" else 1.0
            close = np.isclose(got, y, 1e-3, 1e-3 * size, equal_nan=True) | (np.abs(y) > 1e30)
            if any(_is_array(x) and x.dtype.kind == "f" and np.isinf(x).any() for x in args):
                close |= np.isnan(y)  # where an op has a limit
            assert close.all(), f"{got.ravel()[:3]}, NumPy has {y.ravel()[:3]}"

    def _wanted(self, options):
        """The arguments as the reference takes them, and the arrays it makes of them."""
        if isinstance(options.get("axis"), list):
            options["axis"] = tuple(options["axis"])
        options = {key: _plain(x) for key, x in options.items()}
        for name in ("axis", "seed"):
            if is_whole(options.get(name)):
                options[name] = operator.index(options[name])
        options = {key: bool(x) if isinstance(x, np.bool_) else x for key, x in options.items()}
        args = [self._wide(_plain(x), position=i) for i, x in enumerate(self.args)]
        if len(args) == len(self._are_arrays):
            pairs = zip(args, self._are_arrays, strict=True)
            args = [
                x if x is None or not is_array or _is_array(x) else self._wide(_as_array(x), position=i)
                for i, (x, is_array) in enumerate(pairs)
            ]
        weights = ("class_weight", "sample_weight")
        options = {key: self._wide(x, key) if _is_array(x) or key in weights else x for key, x in options.items()}
        if "loss" in self.case.op or "entropy" in self.case.op:
            args, options = as_documented(self.case.op, args, options)
        return args, [np.asarray(y) for y in as_tuple(self.case.reference(*args, **options))]

    def _positional(self):
        names = list(inspect.signature(getattr(hl, self.case.op)).parameters)
        return self.args[names.index(self.wrong)]

    def _wide(self, x, name=None, position=0):
        """An argument as the references take it."""
        if x is None or is_number(x) or isinstance(x, str | tuple | bool) or (name in JUDGED and not _is_array(x)):
            return x
        x = _as_array(x) if is_number(x) else x
        if self.case.op == "take" and position == 0:
            return np.asarray(x)  # of any dtype
        assert is_real_array(x), f"{type(x).__name__} was taken for an array"
        made = np.asarray(x.data if isinstance(x, hl.Tensor) else x)
        numbers = {"softmax_cross_entropy": 1, "take": 1, "where": 0}.get(self.case.op) == position
        made = made.astype(np.int64) if made.dtype.kind in "iub" and numbers and self.case.op != "where" else made
        return made if made.dtype.kind in "iub" and numbers and name is None else made.astype(np.float64)


def _plain(x):
    """Fractions and such as floats, which NumPy would make objects of."""
    return float(x) if is_number(x) and not is_whole(x) else x


def _as_array(x):
    made = np.asarray(x)
    # A Python number becomes the float32 that stands for it.
    return np.asarray(np.float32(x)) if is_number(x) and made.dtype.kind in "fO" else made


def _is_array(x):
    return isinstance(x, np.ndarray | hl.Tensor)
