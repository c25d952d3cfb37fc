"""Arrays put on a device and taken through DLPack; what is said where there is no such device."""

import numpy as np
import pytest

import hotloop as hl


class Foreign:
    """Another library's array: DLPack and nothing else."""

    def __init__(self, array, device=(1, 0)):
        self._array, self._device = array, device

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._device


def test_the_cpu_gives_an_ndarray_back(no_cuda):
    x = np.arange(3.0)
    assert hl.array(x) is x and hl.array(x, device="auto") is x
    assert hl.array(hl.Tensor(x)) is x
    made = hl.array([[1, 2], [3, 4]])
    assert isinstance(made, np.ndarray) and made.tolist() == [[1, 2], [3, 4]]


def test_what_can_not_be_an_array_there(no_cuda):
    with pytest.raises(
        RuntimeError, match=r'^\[array\] device "cuda" was asked for, but this machine has none; use "cpu"'
    ):
        hl.array(np.zeros(3), device="cuda")
    with pytest.raises(ValueError, match=r"^\[array\] unknown device 'cudaa'; did you mean 'cuda'\? \(choices: 'auto'"):
        hl.array(np.zeros(3), device="cudaa")
    with pytest.raises(TypeError, match=r"^\[array\] x has dtype <U1"):
        hl.array(["a"])


def test_dlpack_shares_memory():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    y = hl.from_dlpack(Foreign(x))
    assert isinstance(y, np.ndarray) and np.shares_memory(x, y) and np.array_equal(x, y)
    assert np.shares_memory(hl.from_dlpack(x[:, ::2]), x)
    assert np.shares_memory(hl.from_dlpack(hl.Tensor(x)), x)
    assert np.array_equal(hl.relu(y), x)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: [1.0], TypeError, "wants an object with __dlpack__, got list"),
        (lambda: Foreign(np.zeros(3), device=(2, 1)), ValueError, "wants memory of the CPU .* got device type 2:1"),
        (lambda: np.array(["a"]), ValueError, "this ndarray can't be shared: "),
        (lambda: Foreign(np.zeros(3, ">f4")), ValueError, "this Foreign can't be shared: .*byte order"),
    ],
)
def test_what_dlpack_refuses(no_cuda, make, error, words):
    with pytest.raises(error, match=rf"^\[from_dlpack\] {words}"):
        hl.from_dlpack(make())


def test_cuda_is_not_there(no_cuda):
    assert hl.cuda.is_available() is False
    assert hl.cuda.empty_cache() is None


@pytest.mark.skipif(hl.cuda.library() is not None, reason="this installation has a CUDA library")
def test_an_installation_without_cuda_says_so():
    with pytest.raises(RuntimeError, match=r"but this hotloop was built without CUDA: its CUDA library is not there;"):
        hl.array(np.zeros(3), device="cuda")
