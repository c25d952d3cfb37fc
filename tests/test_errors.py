"""Bad input to the public ops: each row is a call, the exception it raises, and what the message has to say."""

import numpy as np
import pytest

import hotloop as hl

IMAGES = np.ones((2, 6, 7, 4), np.float32)
FILTERS = np.ones((3, 3, 4, 5), np.float32)
MATRIX = np.ones((4, 3), np.float32)
LABELS = np.zeros(4, np.int64)
TALL = np.empty((2**31, 0), np.float32)

NAN = float("nan")
STRINGS = np.array(["a", "b"])
OBJECTS = np.array([object(), None])
COMPLEX = np.array([1j])
RAGGED = [[1], [2, 3]]


def conv(x=IMAGES, w=FILTERS, b=None, **options):
    return lambda: hl.conv2d(x, w, b, **options)


def fused(x=IMAGES, w=FILTERS, b=None, **options):
    return lambda: hl.conv2d_max_pool2d(x, w, b, **({"pool": 2} | options))


def pool(op, x=IMAGES, window=2, **options):
    return lambda: getattr(hl, op)(x, window, **options)


def cross_entropy(logits=MATRIX, labels=LABELS, **options):
    return lambda: hl.softmax_cross_entropy(logits, labels, **options)


ROWS = {
    # dtypes
    "relu of strings": (lambda: hl.relu(STRINGS), TypeError, "[relu]", "<U1"),
    "relu of objects": (lambda: hl.relu(OBJECTS), TypeError, "[relu]", "object"),
    "relu of complex": (lambda: hl.relu(COMPLEX), TypeError, "[relu]", "complex128"),
    "matmul of strings": (lambda: hl.matmul(STRINGS, MATRIX), TypeError, "[matmul] a", "<U1"),
    "matmul of objects": (lambda: hl.matmul(MATRIX, OBJECTS), TypeError, "[matmul] b", "object"),
    "conv2d of complex": (conv(IMAGES * 1j), TypeError, "[conv2d] x", "complex"),
    "max_pool2d of objects": (pool("max_pool2d", IMAGES.astype(object)), TypeError, "[max_pool2d]", "object"),
    "softmax of strings": (lambda: hl.softmax(STRINGS), TypeError, "[softmax]", "<U1"),
    "add of strings": (lambda: hl.add(MATRIX, "a"), TypeError, "[add]"),
    "sum of objects": (lambda: hl.sum(OBJECTS), TypeError, "[sum]", "object"),
    "Tensor of strings": (lambda: hl.Tensor(STRINGS), TypeError, "[Tensor]", "<U1"),
    "labels of floats": (cross_entropy(labels=LABELS * 1.0), TypeError, "[softmax_cross_entropy] labels", "float64"),
    "relu of nothing": (lambda: hl.relu(None), TypeError, "[relu] x must be an array, got None"),
    "matmul of nothing": (lambda: hl.matmul(MATRIX, None), TypeError, "[matmul] b must be an array, got None"),
    "linear without weights": (lambda: hl.linear(MATRIX, None), TypeError, "[linear] w must be an array, got None"),
    "softmax of nothing": (lambda: hl.softmax(None), TypeError, "[softmax] x must be an array, got None"),
    "conv2d of nothing": (conv(None), TypeError, "[conv2d] x must be an array, got None"),
    "conv2d without weights": (conv(w=None), TypeError, "[conv2d] weight must be an array, got None"),
    "relu of long doubles": (lambda: hl.relu(np.ones(2, np.longdouble)), TypeError, "[relu] x has dtype float128"),
    "dropout of nothing": (lambda: hl.dropout(None, 0.5), TypeError, "[dropout] x must be an array, got None"),
    "max_pool2d of nothing": (pool("max_pool2d", None), TypeError, "[max_pool2d] x must be an array, got None"),
    "argmax of nothing at all": (lambda: hl.argmax(None), TypeError, "[argmax] x must be an array, got None"),
    "rescale of strings": (lambda: hl.rescale(STRINGS, 2.0), TypeError, "[rescale] x has dtype <U1"),
    "conv2d of a ragged list": (conv(RAGGED), TypeError, "[conv2d] x must be an array, got a list whose items differ"),
    "conv2d with ragged weights": (conv(w=RAGGED), TypeError, "[conv2d] weight must be an array, got a list"),
    "avg_pool2d of a ragged list": (pool("avg_pool2d", RAGGED), TypeError, "[avg_pool2d] x must be an array"),
    "cross-entropy of a ragged list": (cross_entropy(RAGGED), TypeError, "[softmax_cross_entropy] logits must be"),
    "labels in a ragged list": (cross_entropy(labels=RAGGED), TypeError, "[softmax_cross_entropy] labels must be"),
    "mse of a ragged list": (lambda: hl.mse_loss(RAGGED, MATRIX), TypeError, "[mse_loss] predictions must be"),
    "mae of ragged targets": (lambda: hl.mae_loss(MATRIX, RAGGED), TypeError, "[mae_loss] targets must be"),
    "where by a ragged list": (lambda: hl.where(RAGGED, 1, 2), TypeError, "[where] condition must be an array"),
    "Tensor of a ragged list": (lambda: hl.Tensor(RAGGED), TypeError, "[Tensor] data must be an array"),
    "tensor of another dtype": (lambda: hl.tensor([1], dtype="flaot32"), TypeError, "[tensor] dtype", "'flaot32'"),
    "astype": (lambda: hl.zeros(2).astype("flaot32"), TypeError, "[astype]", "'flaot32'"),
    "concatenate of None": (lambda: hl.concatenate(None), TypeError, "[concatenate] arrays must be a sequence"),
    "relu of a ragged list": (lambda: hl.relu([[1], [2, 3]]), TypeError, "[relu] x must be an array, got list"),
    # what is true or false, numbers beyond 64 bits, axes
    "sum keepdims": (
        lambda: hl.sum(MATRIX, keepdims="no"),
        TypeError,
        "[sum] keepdims must be True or False, got 'no'",
    ),
    "mean keepdim": (lambda: hl.ones(2).mean(keepdim=0.0), TypeError, "[mean] keepdims must be True or False"),
    "argmax keepdims": (lambda: hl.argmax(MATRIX, keepdims=[]), TypeError, "[argmax] keepdims must be True or False"),
    "ceil_mode": (pool("max_pool2d", ceil_mode="False"), TypeError, "[max_pool2d] ceil_mode must be True or False"),
    "return_indices": (pool("max_pool2d", return_indices=3), TypeError, "[max_pool2d] return_indices must be"),
    "count_include_pad": (pool("avg_pool2d", count_include_pad=None), TypeError, "[avg_pool2d] count_include_pad"),
    "requires_grad": (lambda: hl.Tensor(MATRIX, "no"), TypeError, "[Tensor] requires_grad must be True or False"),
    "Tensor name": (lambda: hl.Tensor(MATRIX, name=3), TypeError, "[Tensor] name must be a string, got 3"),
    "sum axis True": (lambda: hl.sum(MATRIX, axis=True), TypeError, "[sum] axis wants None, an int or a tuple", "True"),
    "sum axis array": (lambda: hl.sum(MATRIX, axis=np.ones(2)), TypeError, "[sum] axis wants None, an int or a tuple"),
    "sum axis beyond": (lambda: hl.sum(MATRIX, axis=-(10**30)), ValueError, "[sum] axis", "(4, 3)"),
    "softmax axis beyond": (lambda: hl.softmax(MATRIX, 2**64), ValueError, "[softmax] axis 18446744073709551616"),
    "conv2d groups beyond": (conv(groups=2**64), ValueError, "[conv2d] groups 18446744073709551616 must divide 4"),
    "ignore_index beyond": (cross_entropy(ignore_index=2**64), ValueError, "[softmax_cross_entropy] ignore_index"),
    "set_num_threads beyond": (lambda: hl.set_num_threads(-(10**30)), ValueError, "[set_num_threads] wants 1 to 1024"),
    "reduction array": (lambda: hl.mse_loss(MATRIX, MATRIX, reduction=MATRIX), ValueError, "[mse_loss] unknown reduct"),
    "data_format array": (conv(data_format=MATRIX), ValueError, "[conv2d] unknown data_format"),
    "reshape to None": (lambda: hl.reshape(MATRIX, None), TypeError, "[reshape] shape must be", "None"),
    "reshape below -1": (lambda: hl.reshape(MATRIX, -3), ValueError, "[reshape] shape (4, 3)", "-3"),
    "transpose by nothing": (lambda: hl.transpose(MATRIX, ()), ValueError, "[transpose] axes ()"),
    "getitem": (lambda: hl.ones(2, 3)[5], IndexError, "[getitem] index 5 is out of bounds"),
    "global pool of strings": (lambda: hl.global_max_pool2d(IMAGES.astype(str)), TypeError, "[global_max_pool2d] x"),
    "weights of objects": (
        lambda: hl.mse_loss(MATRIX, MATRIX, sample_weight={"a": 1}),
        TypeError,
        "[mse_loss] sample_weight has dtype object",
    ),
    # matmul, linear
    "matmul of a number": (lambda: hl.matmul(3.0, MATRIX), ValueError, "[matmul] a is a scalar"),
    "matmul by a number": (lambda: hl.matmul(MATRIX, 3), ValueError, "[matmul] b is a scalar"),
    "linear of a number": (lambda: hl.linear(2**31, MATRIX), ValueError, "[linear] x is a scalar"),
    "linear by a number": (lambda: hl.linear(MATRIX, 3), ValueError, "[linear] w is a scalar"),
    "matmul sizes": (
        lambda: hl.matmul(MATRIX, MATRIX),
        ValueError,
        "[matmul] inner sizes differ: a (4, 3) has 3, b (4, 3) has 4",
    ),
    "matmul scalar": (lambda: hl.matmul(MATRIX, np.float32(2)), ValueError, "[matmul] b is a scalar"),
    "matmul batches": (
        lambda: hl.matmul(np.ones((2, 3, 4)), np.ones((3, 4, 5))),
        ValueError,
        "[matmul] batch axes do not broadcast: a is (2, 3, 4), b is (3, 4, 5)",
    ),
    "matmul rank": (lambda: hl.matmul(np.ones((1,) * 9), np.ones((1, 1))), ValueError, "[matmul]", "8"),
    "linear sizes": (lambda: hl.linear(MATRIX, MATRIX), ValueError, "[linear]", "(4, 3)"),
    "linear weight rank": (
        lambda: hl.linear(MATRIX, np.ones((2, 3, 5))),
        ValueError,
        "[linear] w (2, 3, 5) has 3 dimensions, wants 2",
    ),
    "linear bias": (lambda: hl.linear(MATRIX, MATRIX.T, np.ones(3)), ValueError, "[linear] bias (3,) wants shape (4,)"),
    "linear activation": (
        lambda: hl.linear(MATRIX, MATRIX.T, activation="rleu"),
        ValueError,
        "[linear] unknown activation 'rleu'; did you mean 'relu'?",
        "'hard_swish'",
    ),
    # conv2d
    "conv2d rank": (conv(IMAGES[0]), ValueError, "[conv2d] x (6, 7, 4) has 3 dimensions, wants 4"),
    "conv2d weight rank": (conv(w=FILTERS[0]), ValueError, "[conv2d] weight (3, 4, 5) has 3 dimensions, wants 4"),
    "conv2d channels": (
        conv(np.ones((32, 28, 28, 3), np.float32), np.ones((5, 5, 1, 8), np.float32)),
        ValueError,
        "[conv2d] channels differ: input (32, 28, 28, 3) has 3, weight (5, 5, 1, 8) wants 1",
    ),
    "conv2d bias": (conv(b=np.ones(4)), ValueError, "[conv2d] bias (4,)", "(5,)"),
    "conv2d window": (conv(w=np.ones((7, 3, 4, 5))), ValueError, "[conv2d] window (7, 3)", "(6, 7)"),
    "conv2d dilated window": (conv(dilation=3), ValueError, "[conv2d] window (3, 3) dilated by (3, 3)", "(6, 7)"),
    "conv2d stride 0": (conv(stride=0), ValueError, "[conv2d] stride must be at least 1, got 0"),
    "conv2d stride -1": (conv(stride=(1, -1)), ValueError, "[conv2d] stride must be at least 1, got (1, -1)"),
    "conv2d stride float": (conv(stride=1.5), TypeError, "[conv2d] stride wants an int or a pair", "1.5"),
    "conv2d dilation 0": (conv(dilation=0), ValueError, "[conv2d] dilation must be at least 1, got 0"),
    "conv2d padding -1": (conv(padding=-1), ValueError, "[conv2d] padding must be at least 0, got -1"),
    "conv2d padding name": (conv(padding="smae"), ValueError, "unknown padding 'smae'; did you mean 'same'?"),
    "conv2d padding kind": (conv(padding=(1, 2, 3)), TypeError, "[conv2d] padding wants", "(1, 2, 3)"),
    "conv2d groups": (conv(groups=3), ValueError, "[conv2d] groups 3 must divide 4 input channels and 5 filters"),
    "conv2d groups name": (conv(groups="all"), TypeError, "[conv2d] groups must be an integer, got 'all'"),
    "conv2d empty window": (conv(w=FILTERS[:0]), ValueError, "[conv2d] window must be at least 1, got (0, 3)"),
    "conv2d groups 0": (conv(groups=0), ValueError, "[conv2d] groups", "0"),
    "conv2d activation": (conv(activation="gleu"), ValueError, "did you mean 'gelu'?"),
    "conv2d data_format": (conv(data_format="NHCW"), ValueError, "[conv2d] unknown data_format 'NHCW'", "'NCHW'"),
    "conv2d large stride": (conv(stride=2**40), ValueError, "[conv2d] stride must be at most"),
    "fused pool": (fused(pool=5), ValueError, "[conv2d_max_pool2d]", "(5, 5)", "(4, 5)"),
    "fused pool 0": (fused(pool=0), ValueError, "[conv2d_max_pool2d] pool must be at least 1, got 0"),
    "fused activation": (fused(activation="gelu"), ValueError, "[conv2d_max_pool2d]", "gelu"),
    "fused channels": (fused(IMAGES[..., :3]), ValueError, "[conv2d_max_pool2d] channels differ"),
    # pooling
    "max_pool2d rank": (pool("max_pool2d", MATRIX), ValueError, "[max_pool2d] x (4, 3) has 2 dimensions, wants 4"),
    "max_pool2d window": (pool("max_pool2d", window=8), ValueError, "[max_pool2d] window (8, 8)", "(6, 7)"),
    "max_pool2d window 0": (pool("max_pool2d", window=0), ValueError, "[max_pool2d] window must be at least 1, got 0"),
    "max_pool2d stride": (pool("max_pool2d", stride=-2), ValueError, "[max_pool2d] stride must be at least 1, got -2"),
    "max_pool2d padding": (pool("max_pool2d", padding=2), ValueError, "[max_pool2d] padding", "(2, 2)"),
    "avg_pool2d padding": (pool("avg_pool2d", padding=((0, 3), 0)), (TypeError, ValueError), "[avg_pool2d] padding"),
    "avg_pool2d window": (pool("avg_pool2d", window=(7, 1)), ValueError, "[avg_pool2d] window (7, 1)", "(6, 7)"),
    "global_avg_pool2d read-only out": (
        lambda: hl.global_avg_pool2d(IMAGES, out=np.broadcast_to(np.float32(0), (2, 4))),
        ValueError,
        "[global_avg_pool2d] out is read-only",
    ),
    "leaky_relu slope name": (lambda: hl.leaky_relu(MATRIX, "a"), TypeError, "[leaky_relu] slope must be a number"),
    "elu alpha None": (lambda: hl.elu(MATRIX, None), TypeError, "[elu] alpha must be a number, got None"),
    "rescale scale": (lambda: hl.rescale(MATRIX, "a"), TypeError, "[rescale] scale must be a number, got 'a'"),
    "rescale offset": (lambda: hl.rescale(np.zeros(2, np.uint8), 1, None), TypeError, "[rescale] offset must be"),
    "global_avg_pool2d rank": (lambda: hl.global_avg_pool2d(MATRIX), ValueError, "[global_avg_pool2d]", "(4, 3)"),
    # softmax, reductions, arithmetic
    "softmax axis": (lambda: hl.softmax(MATRIX, axis=2), ValueError, "[softmax]", "2", "(4, 3)"),
    "log_softmax axis": (lambda: hl.log_softmax(MATRIX, axis=-3), ValueError, "[log_softmax]", "-3", "(4, 3)"),
    "gelu approximate": (lambda: hl.gelu(MATRIX, approximate="tahn"), ValueError, "[gelu]", "did you mean 'tanh'?"),
    "sum axis": (lambda: hl.sum(MATRIX, axis=2), ValueError, "[sum]", "2", "(4, 3)"),
    "sum axis twice": (lambda: hl.sum(MATRIX, axis=(0, -2)), ValueError, "[sum]"),
    "max of nothing": (lambda: hl.max(np.ones((0, 3))), ValueError, "[max]", "(0, 3)"),
    "max of nothing, for nothing": (lambda: hl.max(np.ones((0, 0)), axis=1), ValueError, "[max] shape (0, 0)"),
    "argmax of nothing": (lambda: hl.argmax(np.ones((0, 3)), axis=0), ValueError, "[argmax] shape (0, 3)"),
    "argmax of nothing, for nothing": (lambda: hl.argmax(np.ones((0, 0)), axis=1), ValueError, "[argmax] shape (0, 0)"),
    "argmax axis": (lambda: hl.argmax(MATRIX, axis=2), ValueError, "[argmax] axis 2 is not an axis of shape (4, 3)"),
    "argmax axis float": (lambda: hl.argmax(MATRIX, axis=1.5), TypeError, "[argmax] axis must be an integer, got 1.5"),
    "concatenate axis": (lambda: hl.concatenate([MATRIX], "a"), TypeError, "[concatenate] axis must be an integer"),
    "stack axis": (lambda: hl.stack([MATRIX], 3), ValueError, "[stack] axis 3 is not an axis of shape (1, 4, 3)"),
    "reshape to floats": (lambda: hl.reshape(MATRIX, (2.0, 6.0)), TypeError, "[reshape] shape must be", "(2.0, 6.0)"),
    "transpose by a name": (lambda: hl.transpose(MATRIX, "ab"), TypeError, "[transpose] axes must be", "'ab'"),
    "flatten": (lambda: hl.zeros(2, 3).flatten(2), ValueError, "[flatten] start_dim 2 is not an axis of shape (2, 3)"),
    "squeeze": (lambda: hl.zeros(2, 3).squeeze(0), ValueError, "[squeeze] axis 0 of shape (2, 3) has not size 1"),
    "unsqueeze": (lambda: hl.zeros(2, 3).unsqueeze(3), ValueError, "[unsqueeze] dim 3"),
    "backward from words": (
        lambda: hl.ones(2, requires_grad=True).backward("ab"),
        TypeError,
        "[backward] gradient has dtype <U2",
    ),
    "add shapes": (lambda: hl.add(MATRIX, np.ones(4)), ValueError, "[add]", "(4, 3)", "(4,)"),
    "where condition": (lambda: hl.where(MATRIX, 1, 2), TypeError, "[where] condition has dtype float32"),
    "reshape": (lambda: hl.reshape(MATRIX, (5, -1)), ValueError, "[reshape]", "(4, 3)", "(5, -1)"),
    "transpose": (lambda: hl.transpose(MATRIX, (0, 2)), ValueError, "[transpose]", "(0, 2)"),
    "concatenate": (lambda: hl.concatenate([MATRIX, MATRIX.T], 0), ValueError, "[concatenate]", "(3, 4)"),
    "concatenate nothing": (lambda: hl.concatenate([]), ValueError, "[concatenate]"),
    "stack": (lambda: hl.stack([MATRIX, MATRIX.T]), ValueError, "[stack]", "(3, 4)"),
    "take": (lambda: hl.take(MATRIX, np.array([0, 4])), IndexError, "[take]", "4"),
    "take negative": (lambda: hl.take(MATRIX, np.array([-1])), IndexError, "[take]", "-1"),
    "take floats": (lambda: hl.take(MATRIX, np.array([0.0])), TypeError, "[take]", "float64"),
    # losses
    "label too large": (
        cross_entropy(labels=np.array([0, 2, 3, 7])),
        ValueError,
        "[softmax_cross_entropy]",
        "row 2",
        "3 classes",
    ),
    "label negative": (cross_entropy(labels=np.array([0, -1, 0, 0])), ValueError, "row 1", "-1"),
    "labels of another length": (
        cross_entropy(labels=LABELS[:3]),
        ValueError,
        "[softmax_cross_entropy]",
        "(3,)",
        "(4, 3)",
    ),
    "probabilities of another shape": (cross_entropy(labels=MATRIX[:, :2]), (TypeError, ValueError), "(4, 2)"),
    "class weight": (cross_entropy(class_weight=np.ones(4)), ValueError, "class_weight", "(4,)", "3"),
    "sample weight": (cross_entropy(sample_weight=np.ones(3)), ValueError, "sample_weight", "(3,)"),
    "label smoothing name": (cross_entropy(label_smoothing="a"), TypeError, "label_smoothing must be a number"),
    "label smoothing NaN": (cross_entropy(label_smoothing=NAN), ValueError, "label_smoothing must be in [0, 1]"),
    "ignore_index": (cross_entropy(ignore_index=1.5), TypeError, "ignore_index must be an integer, got 1.5"),
    "huber delta NaN": (lambda: hl.huber_loss(MATRIX, MATRIX, delta=NAN), ValueError, "[huber_loss] delta", "nan"),
    "huber delta name": (lambda: hl.huber_loss(MATRIX, MATRIX, delta="a"), TypeError, "[huber_loss] delta must be"),
    "label smoothing": (cross_entropy(label_smoothing=1.5), ValueError, "label_smoothing", "1.5"),
    "reduction": (cross_entropy(reduction="maen"), ValueError, "unknown reduction 'maen'; did you mean 'mean'?"),
    "logits of one number": (cross_entropy(np.float32(1), LABELS[0]), ValueError, "[softmax_cross_entropy]"),
    "mse shapes": (lambda: hl.mse_loss(MATRIX, MATRIX.T), ValueError, "[mse_loss]", "(4, 3)", "(3, 4)"),
    "mae weight": (lambda: hl.mae_loss(MATRIX, MATRIX, sample_weight=np.ones(5)), ValueError, "[mae_loss]", "(5,)"),
    "huber delta": (lambda: hl.huber_loss(MATRIX, MATRIX, delta=0.0), ValueError, "[huber_loss] delta", "0.0"),
    "bce shapes": (
        lambda: hl.binary_cross_entropy_with_logits(MATRIX, MATRIX[0]),
        ValueError,
        "[binary_cross_entropy_with_logits]",
        "(3,)",
    ),
    # dropout
    "dropout rate": (lambda: hl.dropout(MATRIX, 1.5), ValueError, "[dropout]", "1.5"),
    "dropout NaN": (lambda: hl.dropout(MATRIX, float("nan")), ValueError, "[dropout]", "nan"),
    "dropout rate name": (lambda: hl.dropout(MATRIX, "half"), TypeError, "[dropout]", "half"),
    "dropout seed": (lambda: hl.dropout(MATRIX, 0.5, seed=-1), ValueError, "[dropout]", "-1"),
    # sizes that overflow
    "zeros overflow": (lambda: hl.zeros(2**40, 2**40), ValueError, "[zeros]", "more elements than memory can address"),
    "randn negative": (lambda: hl.randn(-1), ValueError, "[randn] size must be at least 0, got -1"),
    "ones by a name": (lambda: hl.ones("a"), TypeError, "[ones] size must be an integer, got 'a'"),
    "matmul overflow": (lambda: hl.matmul(TALL, TALL.T), ValueError, "[matmul]", "(2147483648, 2147483648)"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_bad_input(row):
    call, kinds, *parts = row
    with pytest.raises(kinds) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_errors_name_the_op(row):
    call, kinds, *_ = row
    with pytest.raises(kinds, match=r"^\[\w+\] "):
        call()
