"""The tape: what backward() leaves where, what it refuses, and what it never touches."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import hotloop as hl
from hotloop import Tensor
from hotloop.autograd import is_grad_enabled, record


def leaf(values, dtype=np.float64):
    return Tensor(np.asarray(values, dtype), requires_grad=True)


def assert_grad(tensor, want):
    assert tensor.grad.shape == tensor.shape
    assert tensor.grad.dtype == tensor.dtype
    assert np.array_equal(tensor.grad, np.broadcast_to(want, tensor.shape))


# ---- where gradients go ---------------------------------------------------------------------------------------------


def test_gradient_of_a_chain():
    x = leaf([1.0, 2.0, 3.0])
    ((x * 2 + 1) * x).sum().backward()
    assert_grad(x, 4 * x.numpy() + 1)


def test_a_tensor_used_in_several_places_adds_up():
    x = leaf([1.0, -2.0])
    y = x * x  # x twice in one op
    z = y + y * x + x
    z.sum().backward()
    assert_grad(x, 2 * x.numpy() + 3 * x.numpy() ** 2 + 1)


def test_diamond_runs_each_op_once():
    runs = []
    x = leaf([1.0])

    def counted(t):
        def backward(dy, need):
            runs.append(1)
            return (dy * 1.0,)

        return record("counted", t.numpy() * 1.0, (t,), backward)

    y = counted(x)
    for _ in range(6):
        y = y + y
    y.backward()
    assert len(runs) == 1
    assert_grad(x, 64.0)


def test_gradients_accumulate_over_backwards():
    x = leaf([3.0])
    (x * 2).backward()
    (x * 5).backward()
    assert_grad(x, 7.0)
    x.zero_grad()
    assert x.grad is None
    (x * 5).backward()
    assert_grad(x, 5.0)


def test_only_leaves_that_require_one_get_a_gradient():
    x, c = leaf([2.0]), Tensor(np.array([3.0]))
    y = x * c
    y.backward()
    assert_grad(x, 3.0)
    assert c.grad is None
    assert y.grad is None
    assert x.is_leaf and c.is_leaf and not y.is_leaf


def test_leaf_frozen_after_the_forward_pass_gets_none():
    x, w = leaf([2.0]), leaf([3.0])
    y = x * w
    w.requires_grad_(False)
    y.backward()
    assert w.grad is None
    assert_grad(x, 3.0)


def test_backward_of_a_leaf():
    x = leaf([1.0, 2.0])
    gradient = np.array([5.0, 6.0])
    x.backward(gradient)
    assert_grad(x, gradient)
    assert not np.shares_memory(x.grad, gradient)


def test_backward_with_a_gradient():
    x = leaf(np.ones((2, 3)))
    (x * 2).backward(np.arange(6.0).reshape(2, 3))
    assert_grad(x, 2 * np.arange(6.0).reshape(2, 3))
    x.zero_grad()
    (x * 2).backward(Tensor(np.full((2, 3), 4.0)))
    assert_grad(x, 8.0)


def test_single_element_of_any_rank_needs_no_gradient():
    x = leaf([[2.0]])
    (x * x).backward()
    assert_grad(x, 4.0)


def test_none_is_no_gradient():
    x = leaf([2.0])
    y = record("none", x.numpy() * 1.0, (x,), lambda dy, need: (None,))
    (y + x).backward()
    assert_grad(x, 1.0)


def test_frozen_inputs_make_no_node():
    x = Tensor(np.ones(2))
    y = x * 2
    assert not y.requires_grad and y.is_leaf
    y.requires_grad = 1  # any truth value will do
    assert y.requires_grad is True


class Foreign:
    """An array that is no ndarray, as those on other devices are."""

    dtype, ndim, size, shape = np.dtype(np.float32), 1, 2, (2,)

    def __init__(self, values, base=None):
        self.values, self.base = values, base


def test_arrays_may_be_of_any_kind():
    x = leaf([1.0, 2.0])
    array, seen = Foreign([1.0, 2.0]), []

    def backward(dy, need):
        seen.append(dy)
        return (np.array(dy.values),)

    y = record("foreign", array, (x,), backward)
    assert hl.autograd.data(y) is array
    z = record("view", array, (y,), lambda dy, need: (Foreign([3.0, 4.0], base=array),))
    z._data = np.zeros(2)
    z.backward(np.ones(2))
    assert seen[0].values == [3.0, 4.0]
    assert_grad(x, [3.0, 4.0])


# ---- dtypes ---------------------------------------------------------------------------------------------------------


def test_gradients_have_the_dtype_of_their_tensor():
    x, w = leaf([1.0, 2.0], np.float32), leaf([3.0, 4.0])
    y = x * w
    assert y.dtype == np.float64
    y.sum().backward()
    assert_grad(x, [3.0, 4.0])
    assert_grad(w, [1.0, 2.0])


def test_float32_and_float64_gradients_of_one_tensor_meet():
    x = leaf([1.0, 2.0], np.float32)
    y = x * 2  # used in both dtypes
    (y.sum() + (y * np.array([3.0, 4.0])).sum()).backward()
    assert_grad(x, [8.0, 10.0])


def test_astype_is_on_the_tape():
    x = leaf([1.0, 2.0], np.float32)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert_grad(x, [2.0, 4.0])
    with pytest.raises(TypeError, match=r"\[astype\].*int32"):
        x.astype(np.int32)


# ---- nothing aliases ------------------------------------------------------------------------------------------------


def assert_all_apart(*arrays):
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)


def test_gradients_share_no_memory():
    a, b, c = leaf(np.ones((2, 3))), leaf(np.ones((2, 3))), leaf(np.ones(6))
    gradient = np.full((2, 3), 2.0)
    (a + b + c.reshape(2, 3)).backward(gradient)
    assert_all_apart(a.grad, b.grad, c.grad, gradient, a.numpy(), b.numpy(), c.numpy())
    (a + b).backward(gradient)  # adds into a.grad and b.grad
    assert_grad(a, 4.0)
    assert_grad(b, 4.0)
    assert_grad(c, 2.0)
    assert np.array_equal(gradient, np.full((2, 3), 2.0))


def test_an_op_that_returns_one_array_twice():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])

    def both(x, y):
        def backward(dy, need):
            g = dy * 2
            return g, g

        return record("both", x.numpy() + y.numpy(), (x, y), backward)

    (both(a, b) + a * 10).backward(np.ones(2))
    assert_grad(a, 12.0)
    assert_grad(b, 2.0)
    assert_all_apart(a.grad, b.grad)


def test_an_op_that_returns_a_view_of_what_it_keeps():
    x = leaf([1.0, 2.0])
    kept = np.array([5.0, 6.0])
    y = record("kept", x.numpy() * 1.0, (x,), lambda dy, need: (kept[...],))
    y.backward(np.ones(2), retain_graph=True)
    y.backward(np.ones(2))
    assert_grad(x, [10.0, 12.0])
    assert np.array_equal(kept, [5.0, 6.0])


def test_gradient_in_fortran_order_is_added_to():
    x = leaf(np.ones((3, 4)))
    y = record("fortran", x.numpy() * 1.0, (x,), lambda dy, need: (np.asfortranarray(dy * 1.0),))
    (y + x * 2).sum().backward()
    assert_grad(x, 3.0)
    x.zero_grad()
    for _ in range(2):
        y = record("fortran", x.numpy() * 1.0, (x,), lambda dy, need: (np.asfortranarray(dy * 1.0),))
        y.sum().backward()
    assert_grad(x, 2.0)


def test_a_tensor_that_requires_a_gradient_owns_its_data():
    array = np.ones(3, np.float32)
    w, x = Tensor(array, requires_grad=True), Tensor(array)
    assert not np.shares_memory(w.numpy(), array)
    assert x.numpy() is array
    frozen = np.ones(3)
    frozen.flags.writeable = False
    assert Tensor(frozen, requires_grad=True).numpy().flags.writeable


def test_assigned_gradients_are_copied_in():
    w = leaf([1.0, 2.0])
    gradient = np.array([3.0, 4.0])
    w.grad = gradient
    assert not np.shares_memory(w.grad, gradient)
    held = w.grad
    w.grad *= 2
    assert w.grad is held
    assert_grad(w, [6.0, 8.0])
    w.grad = None
    assert w.grad is None
    with pytest.raises(ValueError, match=r"\[Tensor.grad\] shape differs: tensor \(2,\), value \(3,\)"):
        w.grad = np.ones(3)


# ---- the tape is used once ------------------------------------------------------------------------------------------


def test_second_backward_is_refused():
    x = leaf([2.0])
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"\[backward\] the tape was freed at multiply.*retain_graph=True"):
        y.backward()
    assert_grad(x, 4.0)


def test_retain_graph_keeps_the_tape():
    x = leaf([2.0])
    y = x.exp() * x
    y.backward(retain_graph=True)
    first = x.grad.copy()
    y.backward(retain_graph=True)
    assert_grad(x, 2 * first)
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_a_tape_that_was_freed_in_part_is_refused_before_anything_happens():
    x, w = leaf([2.0]), leaf([3.0])
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="freed at multiply"):
        (y * w).backward()
    assert w.grad is None
    assert_grad(x, 4.0)


def test_two_losses_over_one_hidden_layer():
    x = leaf([2.0])
    h = x * x
    a, b = h * 3, h * 5
    a.backward(retain_graph=True)
    b.backward()
    assert_grad(x, 32.0)


def test_nothing_to_differentiate():
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        (Tensor([1.0]) * 2).backward()
    with hl.no_grad():
        y = leaf([1.0]) * 2
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        y.backward()


def test_gradient_of_the_wrong_shape():
    y = leaf(np.ones((2, 3))) * 2
    with pytest.raises(ValueError, match=r"\[backward\] shape \(2, 3\) is not a single element"):
        y.backward()
    with pytest.raises(ValueError, match=r"\[backward\] gradient has shape \(3,\), this Tensor \(2, 3\)"):
        y.backward(np.ones(3))


# ---- changes in place -----------------------------------------------------------------------------------------------


def assert_stale(y):
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward(np.ones(y.shape))


def test_change_of_an_input_is_noticed():
    x, c = leaf([2.0]), Tensor(np.array([3.0]))
    y = x * c
    c.data = np.array([4.0])
    with pytest.raises(RuntimeError, match=r"input 1 of multiply was changed in place.*version 0 then, 1 now"):
        y.backward()
    assert x.grad is None
    assert_grad_after_rerun(x, c)


def assert_grad_after_rerun(x, c):
    (x * c).backward()
    assert_grad(x, c.numpy())


def test_change_of_a_result_is_noticed():
    x = leaf([2.0])
    y = x.exp()
    z = y * 1.0
    y.data = np.array([0.0])
    assert_stale(z)


def test_change_through_a_view_is_noticed():
    for view in (
        lambda t: t.reshape(2, 1),
        lambda t: t.T,
        lambda t: t[:1],
        lambda t: t.detach(),
        lambda t: t[0].reshape(1)[...],
    ):
        x, c = leaf([2.0]), Tensor(np.array([3.0, 4.0]))
        y = x * view(c)
        c.data = np.array([5.0, 6.0])
        assert_stale(y)
        y = x * c
        v = view(c)
        v.data = np.zeros(v.shape)
        assert_stale(y)


def test_change_under_no_grad_is_noticed():
    x = leaf([2.0])
    y = x * x
    with hl.no_grad():
        x -= 1.0
    assert_stale(y)


def test_change_before_the_op_is_fine():
    x = leaf([2.0])
    x.data = np.array([3.0])
    (x * x).backward()
    assert_grad(x, 6.0)


# ---- no_grad --------------------------------------------------------------------------------------------------------


def test_no_grad_nests_and_survives_errors():
    x = leaf([1.0])
    context = hl.no_grad()
    with context:
        with context:
            assert not is_grad_enabled()
        assert not is_grad_enabled()
        assert not (x * 2).requires_grad
    assert is_grad_enabled()
    with pytest.raises(ZeroDivisionError), hl.no_grad():
        raise ZeroDivisionError
    assert is_grad_enabled()
    assert (x * 2).requires_grad


def test_no_grad_decorates_recursive_functions():
    @hl.no_grad()
    def depth(n):
        assert not is_grad_enabled()
        return 0 if n == 0 else 1 + depth(n - 1)

    assert depth(5) == 5
    assert is_grad_enabled()


def test_no_grad_belongs_to_its_thread():
    seen = []
    inside, done = threading.Event(), threading.Event()

    def other():
        inside.wait()
        seen.append(is_grad_enabled())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with hl.no_grad():
        inside.set()
        done.wait()
    thread.join()
    assert seen == [True]


# ---- errors half-way ------------------------------------------------------------------------------------------------


def test_an_op_that_fails_leaves_gradients_as_they_were():
    x, w = leaf([2.0]), leaf([3.0])
    w.grad = np.array([7.0])

    def fails(dy, need):
        raise MemoryError

    y = record("fails", x.numpy() * 1.0, (x,), fails)
    with pytest.raises(MemoryError):
        (y * w).backward()
    assert x.grad is None
    assert_grad(w, 7.0)
    assert is_grad_enabled()
    (x * w).backward()
    assert_grad(x, 3.0)
    assert_grad(w, 9.0)


def test_wrong_number_of_gradients():
    x = leaf([2.0])
    y = record("short", x.numpy() * 1.0, (x, 1.0), lambda dy, need: (dy,))
    with pytest.raises(ValueError, match="zip"):
        y.backward()


# ---- depth, memory, threads -----------------------------------------------------------------------------------------

DEEP = 100_000


def test_deep_graphs_run_backwards():
    x = leaf(1.0)
    y = x
    for _ in range(DEEP):
        y = y + 1.0
    y.backward()
    assert_grad(x, 1.0)


def test_deep_graphs_are_thrown_away_unused():
    x = leaf(1.0)
    y = x
    for _ in range(DEEP):
        y = y * 1.0
    del y
    gc.collect()
    y = x
    for _ in range(DEEP):
        y = y.reshape(())
    holder = [y]
    holder.append(holder)  # only the collector can free it
    del y, holder
    gc.collect()


def test_arrays_between_ops_are_freed():
    hl_before = hl._core.memory_stats()["bytes_in_use"]
    x = leaf(np.ones(1 << 16))
    y = x
    for _ in range(10):
        y = y + 1.0  # keeps neither operand nor result
    in_use = hl._core.memory_stats()["bytes_in_use"] - hl_before
    assert in_use <= 2 * y.numpy().nbytes
    y.sum().backward()


def test_backward_in_many_threads():
    gradients = []

    def train():
        x = leaf(np.arange(1000.0))
        for _ in range(20):
            x.zero_grad()
            ((x * x).sum() * 0.5).backward()
        gradients.append(x.grad)

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gradients) == 4
    assert all(np.array_equal(g, np.arange(1000.0)) for g in gradients)


def test_deep_chains_through_closures_are_thrown_away():
    y = leaf(1.0)
    for _ in range(DEEP):
        y = record("holds", y.numpy(), (leaf(1.0),), lambda dy, need, y=y: (dy,))
    del y
    gc.collect()


def test_cycles_through_closures_are_collected():
    def cycle():
        x, kept = leaf([1.0]), []
        y = record("kept", x.numpy() * 1.0, (x,), lambda dy, need: (dy * len(kept),))
        kept.append(y)
        return weakref.ref(y)

    gone = cycle()
    gc.collect()
    assert gone() is None


def test_results_are_freed_without_the_collector():
    x = leaf([1.0])
    gc.disable()
    try:
        y = (x * 2).exp()
        gone = weakref.ref(y)
        y.backward()
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_backward_within_backward():
    x, w = leaf([2.0]), leaf([3.0])
    inner = w * w

    def backward(dy, need):
        inner.backward()
        return (dy * 1.0,)

    y = record("outer", x.numpy() * 1.0, (x,), backward)
    y.backward(retain_graph=True)
    assert_grad(x, 1.0)
    assert_grad(w, 6.0)
    inner = w * w
    y = record("outer", x.numpy() * 1.0, (x,), backward)
    with pytest.raises(RuntimeError, match=r"\[backward\] the tape was freed at multiply"):
        (y + inner).backward()
    assert_grad(x, 1.0)


def test_backward_of_shared_ops_in_many_threads():
    x = leaf(np.ones(100))
    shared = (x * 2).exp()
    weights = [leaf(np.full(100, float(i))) for i in range(8)]
    losses = [(shared * w).sum() for w in weights]
    threads = [threading.Thread(target=loss.backward, kwargs={"retain_graph": True}) for loss in losses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad is not None
    for w in weights:
        assert_grad(w, shared.numpy())


# ---- copies ---------------------------------------------------------------------------------------------------------


def test_pickle():
    w = Tensor(np.arange(3.0), requires_grad=True, name="w")
    again = pickle.loads(pickle.dumps(w))
    assert np.array_equal(again.numpy(), w.numpy())
    assert again.requires_grad and again.name == "w" and again.is_leaf
    y = pickle.loads(pickle.dumps(w * 2))
    assert np.array_equal(y.numpy(), [0.0, 2.0, 4.0])
    assert y.is_leaf and not y.requires_grad


def test_deepcopy():
    w = leaf([1.0, 2.0])
    w.grad = np.array([3.0, 4.0])
    pair = copy.deepcopy([w, w])
    assert pair[0] is pair[1]
    assert pair[0].requires_grad
    assert_all_apart(pair[0].numpy(), w.numpy(), pair[0].grad, w.grad)
    assert_grad(pair[0], [3.0, 4.0])
    with pytest.raises(RuntimeError, match=r"\[deepcopy\]"):
        copy.deepcopy(w * 2)
