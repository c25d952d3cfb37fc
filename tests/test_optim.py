"""Optimizers against NumPy float64 loops written from PyTorch's documentation, and the flat buffers they live in."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

import hotloop as hl
from hotloop import io, optim
from hotloop.optim import schedules

DTYPES = [np.float32, np.float64]
SHAPES = [(3, 5), (7,), (), (2, 2, 3), (33,)]


# ---- references: one parameter, w and the gradients of every step, float64 -------------------------------------------


def decayed(g, w, weight_decay):
    """PyTorch adds no penalty of 0, which would be NaN where w is infinite."""
    return g + weight_decay * w if weight_decay else g


def sgd(w, gradients, lr=1e-2, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    velocity = None
    for g in gradients:
        g = decayed(g, w, weight_decay)
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        w = w - lr * g
    return w


def adam(w, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=False):
    m = v = v_max = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        if decoupled:
            w = (1 - lr * weight_decay) * w
        else:
            g = decayed(g, w, weight_decay)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        v_max = np.maximum(v_max, v)
        root = np.sqrt((v_max if amsgrad else v) / (1 - betas[1] ** t))
        w = w - lr * m / (1 - betas[0] ** t) / (root + eps)
    return w


def adamw(w, gradients, weight_decay=1e-2, **options):
    return adam(w, gradients, weight_decay=weight_decay, decoupled=True, **options)


def nadam(w, gradients, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3):
    def mu(t):
        return betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        g = decayed(g, w, weight_decay)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        product = math.prod(mu(i) for i in range(1, t + 1))
        ahead = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        w = w - lr * ahead / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def rmsprop(w, gradients, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    v = mean = velocity = np.zeros_like(w)
    for g in gradients:
        g = decayed(g, w, weight_decay)
        v = alpha * v + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        velocity = momentum * velocity + g / (np.sqrt(v - mean**2 if centered else v) + eps)
        w = w - lr * velocity
    return w


def adagrad(w, gradients, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    total = np.full_like(w, initial_accumulator_value)
    for t, g in enumerate(gradients):
        g = decayed(g, w, weight_decay)
        total = total + g**2
        w = w - lr / (1 + t * lr_decay) * g / (np.sqrt(total) + eps)
    return w


def lion(w, gradients, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
    m = np.zeros_like(w)
    for g in gradients:
        w = (1 - lr * weight_decay) * w - lr * np.sign(betas[0] * m + (1 - betas[0]) * g)
        m = betas[1] * m + (1 - betas[1]) * g
    return w


CASES = [
    (optim.SGD, sgd, {}),
    (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.2}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.Adam, adam, {}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.6), "amsgrad": True}),
    (optim.AdamW, adamw, {"lr": 0.1}),
    (optim.AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    (optim.Nadam, nadam, {}),
    (optim.Nadam, nadam, {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.5}),
    (optim.RMSprop, rmsprop, {}),
    (optim.RMSprop, rmsprop, {"lr": 0.1, "alpha": 0.8, "momentum": 0.9, "weight_decay": 0.1}),
    (optim.RMSprop, rmsprop, {"lr": 0.1, "alpha": 0.8, "centered": True, "eps": 1e-2}),
    (optim.RMSprop, rmsprop, {"lr": 0.1, "alpha": 0.8, "centered": True, "momentum": 0.5, "eps": 1e-2}),
    (optim.Adagrad, adagrad, {}),
    (optim.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    (optim.Lion, lion, {}),
    (optim.Lion, lion, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1}),
]
EVERY = [optim.SGD, optim.Adam, optim.AdamW, optim.Nadam, optim.RMSprop, optim.Adagrad, optim.Lion]


def close(found, wanted, tolerance):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    return found.shape == wanted.shape and bool(np.all(np.abs(found - wanted) <= tolerance * scale))


def make_params(dtype=np.float32, shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [hl.Tensor(np.asarray(rng.standard_normal(shape), dtype), requires_grad=True) for shape in shapes]


def make_gradients(params, steps, seed=1):
    rng = np.random.default_rng(seed)
    return [[np.asarray(rng.standard_normal(p.shape), p.dtype) for p in params] for _ in range(steps)]


def give(params, gradients):
    for tensor, gradient in zip(params, gradients, strict=True):
        tensor.grad = gradient


def run(optimizer, params, steps):
    for gradients in steps:
        give(params, gradients)
        optimizer.step()
        optimizer.zero_grad()


def values(params):
    return [tensor.numpy().copy() for tensor in params]


def same(left, right):
    return len(left) == len(right) and all(a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))


# ---- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "reference", "options"), CASES)
def test_several_steps(tier, dtype, kind, reference, options):
    params = make_params(dtype)
    before = values(params)
    steps = make_gradients(params, 6)
    run(kind(params, **options), params, steps)
    for number, (tensor, start) in enumerate(zip(params, before, strict=True)):
        wanted = reference(start.astype(np.float64), [s[number].astype(np.float64) for s in steps], **options)
        assert tensor.dtype == dtype and close(tensor.numpy(), wanted, 5e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("kind", EVERY)
def test_the_bits_do_not_depend_on_threads(kind, on_threads):
    def train():
        params = make_params(shapes=[(300, 301), (7,)])
        run(kind(params), params, make_gradients(params, 3))
        return values(params)

    one, two, four = on_threads(train)
    assert same(one, two) and same(one, four)


@pytest.mark.parametrize("kind", EVERY)
def test_nan_in_a_gradient_reaches_its_weight_alone(tier, kind):
    params = make_params(shapes=[(40,)])
    gradient = np.ones(40, np.float32)
    gradient[17] = np.nan
    run(kind(params), params, [[gradient]] * 2)
    assert np.flatnonzero(np.isnan(params[0].numpy())).tolist() == [17]


def test_centered_rmsprop_stays_finite_where_the_variance_vanishes(tier):
    params = make_params(shapes=[(64,)])
    gradient = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    run(optim.RMSprop(params, alpha=0.5, centered=True), params, [[gradient]] * 100)
    assert np.isfinite(params[0].numpy()).all()


def test_infinite_weight_without_decay_stays(tier):
    params = [hl.Tensor(np.full(9, np.inf, np.float32), requires_grad=True)]
    run(optim.SGD(params), params, [[np.ones(9, np.float32)]])
    assert np.isposinf(params[0].numpy()).all()


def test_an_infinite_gradient_moves_lion_by_its_sign(tier):
    params = [hl.Tensor(np.zeros(9, np.float32), requires_grad=True)]
    run(optim.Lion(params, lr=0.25), params, [[np.full(9, np.inf, np.float32)]] * 2)
    assert np.all(params[0].numpy() == -0.5)


def test_it_learns_a_line():
    rng = np.random.default_rng(0)
    x = hl.Tensor(rng.standard_normal((100, 1)).astype(np.float32))
    w, b = hl.Tensor(np.zeros((1, 1), np.float32), True), hl.Tensor(np.zeros(1, np.float32), True)
    opt = optim.SGD([w, b], lr=0.1)
    for _ in range(200):
        loss = hl.mse_loss(hl.linear(x, w, b), 4 * x.numpy() + 2)
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert close([w.item(), b.item()], [4, 2], 1e-4)


# ---- parameters ------------------------------------------------------------------------------------------------------


def test_the_ways_to_pass_parameters_and_rates():
    theta = hl.Tensor(np.ones(1, np.float32), requires_grad=True)
    assert optim.SGD(params=theta, lr=0.01).parameters == [theta]
    assert optim.Adam().lr == 1e-3 and optim.Adam(0.5).lr == 0.5 and optim.Adam(learning_rate=0.2).lr == 0.2
    assert optim.Adam(p for p in [theta]).parameters == [theta]
    assert optim.SGD(schedules.cosine(0.5, 10)).lr == 0.5
    assert optim.SGD([theta], 0.1, 0.9).options["momentum"] == 0.9


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda p: optim.Adam(p, lr=math.nan), ValueError, r"\[Adam\] lr must be .* got nan"),
        (lambda p: optim.Adam(p, lr=-1.0), ValueError, r"\[Adam\] lr must be .* got -1.0"),
        (lambda p: optim.Adam(p, lr=math.inf), ValueError, r"\[Adam\] lr"),
        (lambda p: optim.Adam(p, lr="fast"), TypeError, r"\[Adam\] lr must be .* got 'fast'"),
        (lambda p: optim.Adam(p, lr=None), TypeError, r"\[Adam\] lr must be .* got None"),
        (lambda p: optim.Adam(0.1, lr=0.2), TypeError, "given twice: 0.1 and 0.2"),
        (lambda p: optim.SGD(p, lr=0.1, learning_rate=0.2), TypeError, "given twice"),
        (lambda p: optim.SGD(p, lr=lambda step: math.nan), ValueError, r"\[SGD\] lr"),
        (lambda p: optim.SGD([]), ValueError, "params is empty"),
        (lambda p: optim.SGD([p[0], p[1], p[0]]), ValueError, "parameters 0 and 2 are the same"),
        (lambda p: optim.SGD([p[0], np.ones(3)]), TypeError, "number 1 is a ndarray"),
        (lambda p: optim.SGD([hl.relu(p[0])]), ValueError, "is the result of relu"),
        (lambda p: optim.SGD(None).step(), RuntimeError, "no parameters"),
        (lambda p: optim.SGD(p, momentum=-1), ValueError, r"momentum must be in \[0, inf\), got -1"),
        (lambda p: optim.SGD(p, nesterov=True), ValueError, "nesterov wants momentum"),
        (lambda p: optim.Adam(p, betas=(1.0, 0.9)), ValueError, r"betas\[0\] must be in \[0, 1\), got 1.0"),
        (lambda p: optim.Adam(p, betas=0.9), ValueError, "betas must be two numbers"),
        (lambda p: optim.Adam(p, eps=-1e-8), ValueError, "eps"),
        (lambda p: optim.AdamW(p, weight_decay=math.nan), ValueError, r"\[AdamW\] weight_decay"),
        (lambda p: optim.RMSprop(p, alpha=2), ValueError, "alpha"),
        (lambda p: optim.Nadam(p, momentum_decay=-1), ValueError, "momentum_decay"),
        (lambda p: optim.Adagrad(p, initial_accumulator_value=-1), ValueError, "initial_accumulator_value"),
        (lambda p: optim.Lion(p, weight_decay=-1), ValueError, "weight_decay"),
    ],
)
def test_refuses(call, error, words):
    with pytest.raises(error, match=words):
        call(make_params())


def test_a_schedule_that_turns_nan_stops_the_step_before_anything_changes():
    params = make_params()
    opt = optim.SGD(params, lr=lambda step: 0.1 if step < 1 else math.nan)
    steps = make_gradients(params, 2)
    run(opt, params, steps[:1])
    before = values(params)
    give(params, steps[1])
    with pytest.raises(ValueError, match="got nan"):
        opt.step()
    assert same(values(params), before) and opt.step_count == 1


def test_the_rate_follows_its_schedule_from_the_first_step():
    w = hl.Tensor(np.zeros(1), requires_grad=True)
    opt = optim.SGD(w, lr=lambda step: 1.0 / (1 + step))
    run(opt, [w], [[np.ones(1)]] * 3)
    assert close(w.numpy(), [-(1 + 1 / 2 + 1 / 3)], 1e-15)
    assert opt.lr == 0.25 and opt.step_count == 3
    opt.lr = 10
    run(opt, [w], [[np.ones(1)]])
    assert close(w.numpy(), [-(1 + 1 / 2 + 1 / 3) - 10], 1e-15)


@pytest.mark.parametrize("kind", EVERY)
def test_a_parameter_without_gradient_is_skipped_and_counts_for_itself(kind):
    # Each parameter's weights are those it would have alone.
    params, alone = make_params(), make_params()
    steps = make_gradients(params, 6)
    present = np.array(
        [[1, 1, 0, 1, 1], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 1, 1], [1, 1, 1, 1, 1]]
    )
    together = kind(params)
    separate = [kind(tensor) for tensor in alone]
    for gradients, mask in zip(steps, present, strict=True):
        for i, there in enumerate(mask):
            if there:
                params[i].grad = gradients[i]
                alone[i].grad = gradients[i]
                separate[i].step()
        versions = [p._version for p in params]
        together.step()
        assert [p._version - v for p, v in zip(params, versions, strict=True)] == mask.tolist()
        together.zero_grad()
        for optimizer in separate:
            optimizer.zero_grad()
    assert same(values(params), values(alone))
    assert together.step_count == 6


def test_frozen_parameters_stay():
    params = make_params()
    params[1].requires_grad_(False)
    before = params[1].numpy().copy()
    opt = optim.Adam(params)
    loss = hl.mse_loss(hl.linear(np.ones((2, 3), np.float32), params[0]), np.zeros((2, 5), np.float32))
    loss.backward()
    opt.step()
    assert same([params[1].numpy()], [before]) and params[0]._version == 1 and params[1]._version == 0


# ---- flat buffers ----------------------------------------------------------------------------------------------------


def test_the_first_step_packs_data_and_gradients():
    params = make_params()
    opt = optim.SGD(params)
    run(opt, params, make_gradients(params, 1))
    flat = params[0].numpy().base
    assert all(p.numpy().base is flat and p.numpy().ctypes.data % 64 == 0 for p in params)
    slots = [p._grad_slot for p in params]
    loss = hl.mse_loss(hl.linear(np.ones((2, 3), np.float32), params[0]), np.zeros((2, 5), np.float32))
    loss.backward()
    assert params[0].grad is slots[0] and params[1].grad is None


def test_each_dtype_has_its_own_buffer():
    params = make_params(np.float32) + make_params(np.float64)
    mixed = [params[i] for i in (0, 5, 1, 6, 2, 7)]
    others = [hl.Tensor(p.numpy().copy(), requires_grad=True) for p in mixed]
    steps = make_gradients(mixed, 3)
    run(optim.Adam(mixed), mixed, steps)
    for tensor, gradients in zip(others, zip(*steps, strict=True), strict=True):
        run(optim.Adam(tensor), [tensor], [[g] for g in gradients])
    assert same(values(mixed), values(others))
    assert [p.dtype for p in mixed] == [np.float32, np.float64] * 3


def test_assignment_to_data_and_grad_copies_in():
    params = make_params()
    opt = optim.SGD(params, lr=1.0)
    run(opt, params, make_gradients(params, 1))
    flat = params[0].numpy().base
    params[0].data = np.ones((3, 5))
    give(params, [np.ones(p.shape) for p in params])
    opt.step()
    assert params[0].numpy().base is flat and not params[0].numpy().any()


def test_two_optimizers_over_the_same_parameters():
    # As if their updates were made by one after the other on separate arrays.
    params = make_params(np.float64)
    first, second = optim.SGD(params, lr=0.5), optim.SGD(params[1:4], lr=0.25)
    start = values(params)
    steps = make_gradients(params, 2)
    for gradients in steps:
        give(params, gradients)
        first.step()
        second.step()
    for i, tensor in enumerate(params):
        rate = 0.75 if 1 <= i < 4 else 0.5
        assert close(tensor.numpy(), start[i] - rate * (steps[0][i] + steps[1][i]), 1e-14)


def test_parameters_packed_by_another_optimizer_do_not_move():
    params = make_params()
    steps = make_gradients(params, 2)
    run(optim.SGD(params[2:]), params[2:], [steps[0][2:]])
    arrays = [p.numpy() for p in params]
    copies = [hl.Tensor(p.numpy().copy(), requires_grad=True) for p in params]
    run(optim.Adam(params), params, steps)
    assert all(p.numpy() is a for p, a in zip(params[2:], arrays[2:], strict=True))
    run(optim.Adam(copies), copies, steps)
    assert same(values(params), values(copies))


def test_an_optimizer_survives_other_arrays_in_its_parameters():
    params, twins = make_params(), make_params()
    steps = make_gradients(params, 4)
    opt, twin = optim.Adam(params), optim.Adam(twins)
    run(opt, params, steps[:2])
    params[1]._data, params[1]._grad_slot = params[1]._data.copy(), None
    run(opt, params, steps[2:])
    run(twin, twins, steps)
    assert same(values(params), values(twins))


def test_binding_again_keeps_the_state_of_those_that_stay():
    params, twins = make_params(), make_params()
    steps = make_gradients(params, 4)
    opt = optim.Adam(params[:3])
    run(opt, params[:3], [s[:3] for s in steps[:2]])
    opt.bind(params[1:])
    opt.bind(p for p in params[1:])
    run(opt, params[1:], [s[1:] for s in steps[2:]])
    run(optim.Adam(twins[0]), twins[:1], [s[:1] for s in steps[:2]])
    run(optim.Adam(twins[1:3]), twins[1:3], [s[1:3] for s in steps])
    run(optim.Adam(twins[3:]), twins[3:], [s[3:] for s in steps[2:]])
    assert same(values(params), values(twins))


def test_binding_later():
    params, twins = make_params(), make_params()
    steps = make_gradients(params, 2)
    opt = optim.Adam(0.1)
    opt.bind(params)
    run(opt, params, steps)
    run(optim.Adam(twins, lr=0.1), twins, steps)
    assert same(values(params), values(twins))


def test_a_step_is_noticed_by_the_tape():
    w = hl.Tensor(np.ones((3, 3), np.float32), requires_grad=True)
    opt = optim.SGD(w)
    y = hl.matmul(w, w)
    w.grad = np.ones((3, 3))
    opt.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward(np.ones((3, 3)))


@pytest.mark.parametrize("shapes", [[(0,), (3,), (2, 0)], [(3,), (0,), (0,)], [(0,), (2, 0)], [(3,), (0,), (20,)]])
def test_empty_parameters_are_carried_along(shapes):
    params = make_params(shapes=shapes)
    before, steps = values(params), make_gradients(params, 2)
    run(optim.Adam(params), params, steps)
    for number, (tensor, start) in enumerate(zip(params, before, strict=True)):
        assert close(tensor.numpy(), adam(start, [gradients[number] for gradients in steps]), 5e-6)


# ---- saving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "reference", "options"), CASES)
def test_a_saved_state_resumes_exactly(kind, reference, options, tmp_path):
    params, twins = make_params(), make_params()
    steps = make_gradients(params, 5)
    opt = kind(params, **options)
    run(opt, params, steps[:2])
    give(params[1:], steps[2][1:])  # the first is skipped once
    opt.step()
    opt.zero_grad()

    state = opt.state_dict()
    arrays = state.pop("arrays")
    io.save_arrays(tmp_path / "state", arrays, state)
    arrays, state = io.load_arrays(tmp_path / "state")
    for twin, tensor in zip(twins, params, strict=True):
        twin.data = tensor
    resumed = kind(twins)
    resumed.load_state_dict({**state, "arrays": arrays})
    assert resumed.options == opt.options and resumed.step_count == 3
    run(opt, params, steps[3:])
    run(resumed, twins, steps[3:])
    assert same(values(params), values(twins))


def test_loading_takes_the_schedule_along():
    opt = optim.SGD(make_params(), lr=schedules.linear_warmup(schedules.cosine(0.5, 10), 3))
    other = optim.SGD(make_params())
    other.load_state_dict(json.loads(json.dumps(opt.state_dict())))
    assert other.config() == opt.config() and other.lr == opt.lr
    plain = optim.SGD(make_params(), lr=lambda step: 0.1)
    other.load_state_dict(plain.state_dict())
    assert other.config() == opt.config()
    with pytest.raises(TypeError, match="plain function"):
        plain.config()


def test_loading_what_does_not_fit():
    params = make_params()
    opt = optim.Adam(params)
    run(opt, params, make_gradients(params, 1))
    state = opt.state_dict()
    with pytest.raises(ValueError, match="belongs to Adam"):
        optim.SGD(params).load_state_dict(state)
    with pytest.raises(ValueError, match="of 5 parameters, 2 are bound"):
        optim.Adam(params[:2]).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state 0.m has shape \(3, 5\), its parameter \(7,\)"):
        optim.Adam([params[i] for i in (1, 0, 2, 3, 4)]).load_state_dict(state)
    state["arrays"]["1.speed"] = np.zeros(7)
    with pytest.raises(ValueError, match=r"unknown state 1\.speed"):
        optim.Adam(params).load_state_dict(state)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_go_on_like_the_original(duplicate):
    params = make_params()
    steps = make_gradients(params, 4)
    opt = optim.Nadam(params, lr=schedules.cosine(0.1, 8))
    run(opt, params, steps[:2])
    twins, twin = duplicate((params, opt))
    assert all(a is b for a, b in zip(twins, twin.parameters, strict=True))
    run(opt, params, steps[2:])
    run(twin, twins, steps[2:])
    assert same(values(params), values(twins))
    assert duplicate(optim.SGD(0.3)).lr == 0.3


@pytest.mark.parametrize("kind", EVERY)
def test_names_and_configs(kind):
    opt = optim.get(kind.__name__.upper())
    assert type(opt) is kind
    again = optim.get(json.loads(json.dumps(opt.config())))
    assert type(again) is kind and again.config() == opt.config()
    assert optim.get(opt) is opt
    assert repr(opt).startswith(f"{kind.__name__}(lr=")


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown optimizer 'adm'; did you mean 'adam'"):
        optim.get("adm")
    with pytest.raises(TypeError, match="optimizer must be a name"):
        optim.get(3)


# ---- clipping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_grad_norm(tier, dtype, packed):
    params = make_params(dtype, [*SHAPES, (200, 201)])
    if packed:
        run(optim.SGD(params), params, make_gradients(params, 1))
    gradients = make_gradients(params, 1)[0]
    give(params, gradients)
    params[1].grad = None
    norm = math.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for i, g in enumerate(gradients) if i != 1))
    found = hl.clip_grad_norm(params, 1.5)
    assert isinstance(found, float) and close(found, norm, 1e-12)
    for i, (tensor, gradient) in enumerate(zip(params, gradients, strict=True)):
        if i != 1:
            assert close(tensor.grad, gradient * (1.5 / (norm + 1e-6)), 1e-6)
    assert close(hl.clip_grad_norm(params, 100.0), 1.5, 1e-5)


def test_clip_grad_norm_has_the_same_bits_on_any_number_of_threads(on_threads):
    def run_once():
        params = make_params(shapes=[(700, 501), (3,)])
        give(params, make_gradients(params, 1)[0])
        return hl.clip_grad_norm(params, 1.0), params[0].grad.tobytes()

    one, two, four = on_threads(run_once)
    assert one == two == four


def test_clip_grad_norm_at_the_edges():
    w = make_params(shapes=[(3,)])[0]
    assert hl.clip_grad_norm(w, 1.0) == 0
    w.grad = np.array([1e30, 0, 0])
    assert close(hl.clip_grad_norm(w, math.inf) / 1e30, 1, 1e-6)
    w.grad = np.array([np.nan, 1, 1])
    assert math.isnan(hl.clip_grad_norm(w, 1.0)) and np.isnan(w.grad).all()
    with pytest.raises(ValueError, match="max_norm"):
        hl.clip_grad_norm(w, -1)
    with pytest.raises(ValueError, match="max_norm"):
        hl.clip_grad_norm(w, math.nan)
