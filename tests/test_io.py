"""Saving and loading arrays: round trips, another implementation of the format, and what can't be saved."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest

from hotloop.io import load_arrays, save_arrays

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
METADATA = {"layers": [{"name": "dense", "units": 3, "rate": 0.25}], "text": 'é "\\ \n\0 😀', "none": None, "yes": True}


def small_arrays():
    return {
        "bias": np.array([True, False, True]),
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "größe/1": np.array(-5, dtype=np.int64),
        "empty": np.zeros((0, 7), dtype=np.float16),
        "": np.array([1, 2, 255], dtype=np.uint8),
    }


def assert_same(got, want):
    assert list(got) == list(want)
    for name, array in want.items():
        assert got[name].dtype == array.dtype.newbyteorder("=") and got[name].dtype.isnative
        assert got[name].shape == array.shape
        np.testing.assert_array_equal(got[name], array)


def split(content):
    """Header as a dict, and the tensors' bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "arrays.safetensors"


# Round trips


def test_round_trip(file):
    save_arrays(file, small_arrays(), METADATA)
    arrays, metadata = load_arrays(file)
    assert_same(arrays, small_arrays())
    assert metadata == METADATA
    for array in arrays.values():
        assert array.flags.owndata and array.flags.writeable and array.flags.c_contiguous and array.flags.aligned


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 0, 3), (1,) * 64])
def test_every_dtype(file, dtype, shape):
    count = int(np.prod(shape))
    array = (np.arange(count) % 2 if dtype == "?" else np.arange(count) * 37).astype(dtype).reshape(shape)
    save_arrays(str(file), {"x": array, "swapped": array.astype(array.dtype.newbyteorder(">"))})
    assert_same(load_arrays(str(file))[0], {"x": array, "swapped": array})


def test_extreme_values(file):
    floats = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324, 1.7976931348623157e308])
    signalling = np.array([0x7FA00001], np.uint32).view(np.float32)
    arrays = {"floats": floats, "signalling": signalling, "u8": np.array([2**64 - 1], np.uint64)}
    save_arrays(file, arrays)
    got = load_arrays(file)[0]
    assert all(got[name].tobytes() == arrays[name].tobytes() for name in arrays)


def test_memory_order_does_not_matter(file):
    base = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    read_only = base.copy()
    read_only.flags.writeable = False
    arrays = {
        "transposed": base.T,
        "fortran": np.asfortranarray(base),
        "strided": base[::2, ::-1, 1::3],
        "broadcast": np.broadcast_to(base[0, 0], (3, 6)),
        "unaligned": np.frombuffer(b"\0" + base.tobytes(), np.float32, offset=1),
        "read-only": read_only,
        "big-endian, transposed": base.astype(">f4").T,
    }
    save_arrays(file, arrays)
    assert_same(load_arrays(file)[0], arrays)


def test_nothing_to_save(file):
    save_arrays(file, {})
    assert load_arrays(file) == ({}, {})


def test_same_content_same_bytes(file, tmp_path):
    save_arrays(file, small_arrays(), METADATA)
    save_arrays(tmp_path / "again", small_arrays(), METADATA)
    assert file.read_bytes() == (tmp_path / "again").read_bytes()


def test_tensors_are_aligned_in_the_file(file):
    save_arrays(file, small_arrays(), METADATA)
    content = file.read_bytes()
    header, data = split(content)
    assert (len(content) - len(data)) % 8 == 0
    for name, array in small_arrays().items():
        assert header[name]["data_offsets"][0] % array.itemsize == 0


def test_checksum_is_as_documented(file):
    """Recomputed from the words of the docstring, so that other programs can."""
    save_arrays(file, small_arrays(), METADATA)
    header, _ = split(file.read_bytes())
    strings = header.pop("__metadata__")
    order = ["größe/1", "weight", "empty", "", "bias"]
    first = json.dumps([strings["hotloop"], [[n, header[n]["dtype"], header[n]["shape"]] for n in order]])
    items = b"".join(small_arrays()[name].tobytes() for name in order)
    assert strings["hotloop.sha256"] == hashlib.sha256(first.encode() + b"\n" + items).hexdigest()
    assert json.loads(strings["hotloop"]) == METADATA


# The safetensors package


def test_read_by_safetensors(file):
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    save_arrays(file, small_arrays(), METADATA)
    got = load_file(file)
    assert_same({name: got[name] for name in small_arrays()}, small_arrays())
    with safetensors.safe_open(file, "np") as opened:
        assert json.loads(opened.metadata()["hotloop"]) == METADATA


def test_written_by_safetensors(file):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(small_arrays(), file, {"format": "np"})
    arrays, metadata = load_arrays(file)
    assert_same({name: arrays[name] for name in small_arrays()}, small_arrays())
    assert metadata == {"format": "np"}
    numpy.save_file({}, file)
    assert load_arrays(file) == ({}, {})


def test_rewritten_by_safetensors(file):
    """Another order of the tensors keeps the checksum, another value breaks it."""
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file, save_file

    save_arrays(file, small_arrays(), METADATA)
    with safetensors.safe_open(file, "np") as opened:
        strings = opened.metadata()
    arrays = load_file(file)
    save_file(arrays, file, strings)
    assert load_arrays(file)[1] == METADATA
    arrays["weight"][1, 1] += 1
    save_file(arrays, file, strings)
    with pytest.raises(ValueError, match="checksum differs"):
        load_arrays(file)


# Refused at saving


@pytest.mark.parametrize(
    ("arrays", "rule"),
    [
        ([np.zeros(1)], "arrays must be a dict"),
        ({1: np.zeros(1)}, "names must be str"),
        ({"a": [1.0]}, "must be an ndarray: got list"),
        ({"a": np.float32(1)}, "must be an ndarray: got float32"),
        ({"a": np.zeros(1, complex)}, "is complex128"),
        ({"a": np.array([None])}, "is object"),
        ({"a": np.array(["x"])}, "is <U1"),
        ({"a": np.array([b"x"])}, "is |S1"),
        ({"a": np.zeros(1, "M8[s]")}, "datetime64"),
        ({"a": np.zeros(1, "f4,f4")}, "dtype can't be stored"),
        ({"a": np.zeros(1, np.longdouble)}, "dtype can't be stored"),
    ],
)
def test_save_refuses_arrays(file, arrays, rule):
    with pytest.raises(TypeError, match=r"^\[save_arrays\] ") as caught:
        save_arrays(file, arrays)
    assert rule in str(caught.value)
    assert not file.exists()


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"])
def test_save_refuses_names(file, name):
    with pytest.raises(ValueError, match="name can't be stored"):
        save_arrays(file, {name: np.zeros(1)})


def circular():
    value = {}
    value["self"] = value
    return value


def nested(depth):
    value = 0
    for _ in range(depth):
        value = {"v": value}
    return value


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ([1], TypeError),
        ("text", TypeError),
        ({"a": {1, 2}}, TypeError),
        ({"a": np.zeros(1)}, TypeError),
        ({"a": np.float32(1)}, TypeError),
        ({1: "a"}, TypeError),
        ({"a": [{None: 1}]}, TypeError),
        ({"a": ({1: 1},)}, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": [float("inf")]}, ValueError),
        (circular(), ValueError),
        (nested(100_000), ValueError),
        ({"a": "x" * (1 << 24)}, ValueError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_save_refuses_metadata(file, metadata, error):
    with pytest.raises(error, match=r"^\[save_arrays\] .*metadata"):
        save_arrays(file, {}, metadata)
    assert not file.exists()


def test_a_header_may_grow_with_the_arrays(file):
    metadata = {"a": "x" * (1 << 20)}
    with pytest.raises(ValueError, match=r"^\[save_arrays\] names and metadata too large"):
        save_arrays(file, {}, metadata)
    items = np.ones(16 << 20, np.uint8)
    save_arrays(file, {"items": items}, metadata)
    assert load_arrays(file)[1] == metadata
    content = file.read_bytes()
    file.write_bytes(content[: -len(items)])
    with pytest.raises(ValueError, match=r"^\[load_arrays\] header too long"):
        load_arrays(file)


def test_tuples_become_lists(file):
    save_arrays(file, {}, {"shape": (28, 28, 1)})
    assert load_arrays(file)[1] == {"shape": [28, 28, 1]}


# All or nothing


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_failure_leaves_the_old_file(file, monkeypatch, failing, error):
    save_arrays(file, small_arrays(), METADATA)
    before = file.read_bytes()

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(type(error)):
            save_arrays(file, {"x": np.zeros(1000)})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_replaces_the_old_file(file):
    save_arrays(file, small_arrays(), METADATA)
    file.chmod(0o640)
    save_arrays(file, {"x": np.zeros(1)})
    assert list(load_arrays(file)[0]) == ["x"]
    assert list(file.parent.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o640


def test_saves_through_a_link(file, tmp_path):
    (tmp_path / "link").symlink_to(file)
    save_arrays(tmp_path / "link", {"x": np.zeros(1)})
    assert (tmp_path / "link").is_symlink() and not file.is_symlink()
    assert list(load_arrays(file)[0]) == ["x"]


def test_save_to_no_file(tmp_path):
    with pytest.raises(ValueError, match="not a regular file"):
        save_arrays(tmp_path, {})
    with pytest.raises(ValueError, match="not a regular file"):
        save_arrays(os.devnull, {})
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*nowhere"):
        save_arrays(tmp_path / "nowhere" / "file", {})
    assert list(tmp_path.iterdir()) == []


def test_relative_path(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    save_arrays(file.name, {"x": np.ones(2)})
    assert load_arrays(file.name)[0]["x"].tolist() == [1, 1]
