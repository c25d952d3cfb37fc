"""CudaArrays: copies, views, memory, other libraries' arrays, and what a bad call gets.

Runs where there is a device: a GPU, or with HOTLOOP_CUDA_BACKEND=emulated the emulation of tests/cuda_emulation.
"""

import gc
import pickle

import numpy as np
import pytest

import hotloop as hl
from hotloop import _core

if not hl.cuda.is_available():
    pytest.skip("no CUDA device, and no emulation asked for", allow_module_level=True)

L = hl.layers


def there(x):
    return hl.array(x, device="cuda")


@pytest.fixture
def x():
    return np.random.default_rng(3).standard_normal((4, 5, 6)).astype(np.float32)


# ---- arrays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "uint8", "bool"])
def test_there_and_back(dtype):
    host = np.arange(24).reshape(2, 3, 4).astype(dtype)
    array = there(host)
    assert (array.shape, array.dtype, array.ndim, array.size, array.nbytes) == (
        host.shape,
        host.dtype,
        3,
        24,
        host.nbytes,
    )
    assert len(array) == 2
    assert array.device == "cuda"
    assert np.array_equal(array.numpy(), host)
    assert array.numpy().dtype == host.dtype
    assert hl.array(array, device="cpu").tolist() == host.tolist()
    assert there(array) is array


def test_what_becomes_which_dtype():
    assert there([1.5, 2]).dtype == np.float32
    assert there(np.arange(3, dtype=np.int16)).dtype == np.int64
    assert there(np.ones(3, np.float16)).dtype == np.float32
    assert there(hl.Tensor([1.0])).dtype == np.float32


def test_views_share_memory(x):
    array = there(x)
    assert np.array_equal(array[1:3].numpy(), x[1:3])
    assert np.array_equal(array[..., ::-2].numpy(), x[..., ::-2])
    assert np.array_equal(array[2, None, :, 3].numpy(), x[2, None, :, 3])
    assert array[1, 2, 3].shape == ()
    assert array[1, 2, 3].item() == x[1, 2, 3]
    assert np.array_equal(array.T.numpy(), x.T)
    assert np.array_equal(array.transpose(2, 0, 1).reshape(6, 20).numpy(), x.transpose(2, 0, 1).reshape(6, 20))
    assert np.array_equal(array.swapaxes(0, 2).numpy(), x.swapaxes(0, 2))
    array.reshape(-1)[:30].fill(7)
    assert np.all(array.numpy().reshape(-1)[:30] == 7)
    array[1] = x[2]
    array[2] = array[3]
    assert np.array_equal(array.numpy()[1:3], x[2:4])
    kept = array[3]
    del array
    gc.collect()
    assert np.array_equal(kept.numpy(), x[3])


def test_copies_are_their_own(x):
    array = there(x)
    other = array.copy()
    array.fill(0)
    assert np.array_equal(other.numpy(), x)
    assert np.array_equal(pickle.loads(pickle.dumps(other)).numpy(), x)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda a: there(np.zeros(3)), TypeError, "float64 has no place on CUDA"),
        (lambda a: there(np.zeros(3, complex)), TypeError, "wants real numbers"),
        (lambda a: a[[0, 1]], TypeError, "an index must be of ints, slices, None and ..., got list"),
        (lambda a: a.item(), ValueError, "wants one element, got 120"),
        (lambda a: a.__setitem__(0, np.zeros(3, np.float32)), ValueError, r"shapes differ: \(5, 6\) = \(3,\)"),
        (lambda a: hl.add(a, np.zeros(6, np.float32)), ValueError, "devices differ: a lies on CUDA, b on the CPU"),
        (lambda a: hl.relu(there(np.arange(3))), TypeError, "dtype int64, wants float32 on CUDA"),
        (lambda a: hl.relu(a, out=np.zeros(a.shape, np.float32)), TypeError, "out must be a CudaArray"),
        (lambda a: hl.matmul(a[0], np.zeros((6, 2), np.float32)), ValueError, "devices differ"),
        (lambda a: hl.take(a, np.array([4])), IndexError, "position 0 is 4, x has 4 rows"),
        (lambda a: hl.take(a, there([4])), IndexError, "position 0 is 4, x has 4 rows"),
        (lambda a: hl.Tensor(a).astype(np.float64), TypeError, "float64 has no place on CUDA"),
        (lambda a: np.add(a, 1), TypeError, "__array_ufunc__"),
    ],
)
def test_bad_calls(x, call, error, match):
    with pytest.raises(error, match=match):
        call(there(x))


def test_a_label_out_of_range_is_named_at_the_next_synchronisation():
    logits, labels = there(np.zeros((4, 3), np.float32)), there([0, 2, 5, 1])
    t = hl.Tensor(logits, requires_grad=True)
    hl.softmax_cross_entropy(t, labels).backward()
    with pytest.raises(ValueError, match=r"label out of range: row 2 is 5, wants 0 .. 2 for 3 classes"):
        hl.cuda.synchronize()
    assert np.all(t.grad.numpy()[2] == 0)  # and the next read is fine


def test_out_of_memory_raises_and_the_process_goes_on():
    size = hl.cuda.device_info()["memory_bytes"]
    with pytest.raises(MemoryError, match=r"out of device memory: \d+ bytes wanted"):
        _core.empty_like(there([1.0]), (size,))
    assert hl.add(there([1.0]), 2).item() == 3


def test_memory_comes_from_the_pool():
    array = there(np.zeros((100, 100), np.float32))
    hl.relu(array)
    before = hl.cuda.memory_stats()["system_allocations"]
    for _ in range(5):
        hl.relu(array)
    assert hl.cuda.memory_stats()["system_allocations"] == before
    hl.cuda.empty_cache()


# ---- other libraries ------------------------------------------------------------------------------------------------


class Foreign:
    """What another library's array is: one that has the protocols and keeps the memory."""

    def __init__(self, array, **interface):
        self.array = array
        self.__cuda_array_interface__ = dict(array.__cuda_array_interface__, **interface)


def test_cuda_array_interface(x):
    array = there(x)
    taken = hl.array(Foreign(array), device="cuda")
    taken.fill(3)
    assert np.all(array.numpy() == 3)
    turned = hl.array(Foreign(array.T), device="cuda")
    assert turned.shape == (6, 5, 4)
    interface = array[1:, 2].__cuda_array_interface__
    assert interface["version"] == 3
    assert interface["shape"] == (3, 6)
    assert interface["strides"] == (120, 4)
    with pytest.raises(TypeError, match="float64 has no place on CUDA"):
        hl.array(Foreign(array, typestr="<f8"), device="cuda")


class Producer:
    """Another library's array that speaks DLPack 1, or what was before it."""

    def __init__(self, array, version):
        self.array, self.version = array, version

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, *, stream=None, **options):
        if self.version is None and options:
            raise TypeError("no such arguments before DLPack 1")
        return self.array.__dlpack__(stream=stream, max_version=self.version)


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_dlpack(x, version):
    array = there(x)

    taken = hl.from_dlpack(Producer(array, version))
    assert taken.shape == x.shape
    taken[1].fill(9)
    assert np.all(array.numpy()[1] == 9)
    del array
    gc.collect()
    assert np.all(taken.numpy()[1] == 9)


def test_dlpack_that_nobody_takes_is_freed(x):
    array = there(x)
    in_use = hl.cuda.memory_stats()["bytes_in_use"]
    for versions in (None, (1, 0)):
        capsule = array.__dlpack__(max_version=versions)
        del capsule
    del array
    gc.collect()
    assert hl.cuda.memory_stats()["bytes_in_use"] < in_use
    with pytest.raises(BufferError, match=r"use \.numpy"):
        there(x).__dlpack__(dl_device=(1, 0))
