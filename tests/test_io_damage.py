"""Damaged and hostile files: load_arrays refuses them by rule and name, within bounded memory."""

import hashlib
import json
import os
import struct
import tracemalloc

import numpy as np
import pytest

from hotloop.io import load_arrays, save_arrays
from test_io import METADATA, small_arrays, split


def join(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def rule_only(value):
    """Test ids without the files' bytes."""
    return value if isinstance(value, str) else ""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "arrays.safetensors"


@pytest.fixture
def refused(file):
    """Function: write bytes to the file, expect load_arrays to refuse it, return the message."""

    def check(content):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"^\[load_arrays\] ") as caught:
            load_arrays(file)
        assert repr(str(file)) in str(caught.value)
        return str(caught.value)

    return check


def test_truncated_at_every_length(file, refused):
    save_arrays(file, small_arrays(), METADATA)
    content = file.read_bytes()
    for length in range(len(content)):
        refused(content[:length])


def test_every_bit_flipped(file, refused):
    save_arrays(file, {"w": np.array([1.5, -2], np.float32), "b": np.array([True])}, {"n": 1})
    content = file.read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        refused(bytes(flipped))


@pytest.mark.parametrize("extra", [b"\0", b" ", b"{}", bytes(1000)])
def test_trailing_bytes(file, refused, extra):
    save_arrays(file, small_arrays(), METADATA)
    assert "trailing bytes" in refused(file.read_bytes() + extra)


def test_checksum_covers_names_shapes_and_metadata(file, refused):
    save_arrays(file, {"a": np.zeros((2, 3), "f4"), "b": np.ones((2, 3), "f4")}, {"epoch": 1})
    header, data = split(file.read_bytes())
    a, b, strings = header["a"], header["b"], header["__metadata__"]
    offsets = {"a": a | {"data_offsets": b["data_offsets"]}, "b": b | {"data_offsets": a["data_offsets"]}}
    for changed in [
        header | offsets,
        header | {"a": a | {"shape": [3, 2]}},
        header | {"a": a | {"dtype": "I32"}},
        {"__metadata__": strings, "c": a, "b": b},
        header | {"__metadata__": strings | {"hotloop": '{"epoch": 2}'}},
        header | {"__metadata__": strings | {"hotloop.sha256": strings["hotloop.sha256"].upper()}},
    ]:
        assert "checksum differs" in refused(join(changed, data))
    assert load_arrays_from(file, join(header, data))[1] == {"epoch": 1}


def load_arrays_from(file, content):
    file.write_bytes(content)
    return load_arrays(file)


def test_metadata_is_strict_json(file, refused):
    """Even with a right checksum, since anybody can compute one."""
    for text, rule in [
        ("{", "metadata is not valid JSON"),
        ("[1]", "metadata is not a JSON object"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": ' + "[" * 100_000, "metadata is not valid JSON"),
    ]:
        digest = hashlib.sha256(json.dumps([text, []]).encode() + b"\n").hexdigest()
        assert rule in refused(join({"__metadata__": {"hotloop": text, "hotloop.sha256": digest}}))


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "truncated"),
        (b"\0" * 7, "truncated"),
        (b"\0" * 8, "not a JSON object"),
        (b"\xff" * 8, "header too long"),
        (struct.pack("<Q", 3) + b"{}", "header too long"),
        (struct.pack("<Q", 2**63) + b"{}", "header too long"),
        (struct.pack("<Q", 1 << 25) + b"{}" + b" " * (1 << 25), "header too long"),
        (join(b" {}"), "not a JSON object"),
        (join(b"[]"), "not a JSON object"),
        (join(b"{"), "not valid JSON"),
        (join(b"{}\0"), "not valid JSON"),
        (join(b"{}{}"), "not valid JSON"),
        (join(b'{"\xff":1}'), "not UTF-8"),
        (join('{"a":1}'.encode("utf-16-le")), "not valid JSON"),
        (join(b'{"a":' * 100_000), "not valid JSON"),
        (join(b'{"a":' + b"[" * 1_000_000), "not valid JSON"),
        (join(b'{"a":' + b"9" * 10_000 + b"}"), "not valid JSON"),
        (join(b'{"a":NaN}'), "not valid JSON"),
        (join(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "duplicate key"),
        (join(b'{"a":{},"a":{}}'), "duplicate key"),
        (join({"__metadata__": []}), "__metadata__"),
        (join({"__metadata__": None}), "__metadata__"),
        (join({"__metadata__": {"a": 1}}), "__metadata__"),
        (join({"__metadata__": {"hotloop": "{}"}}), "together"),
        (join({"__metadata__": {"hotloop.sha256": ""}}), "together"),
    ],
    ids=rule_only,
)
def test_header(refused, content, rule):
    assert rule in refused(content)


@pytest.mark.parametrize(
    ("tensors", "rule"),
    [
        ({"a": 1}, "entry is not"),
        ({"a": None}, "entry is not"),
        ({"a": {}}, "entry is not"),
        ({"a": {"dtype": "F32", "shape": [2]}}, "entry is not"),
        ({"a": entry(more=1)}, "entry is not"),
        ({"a": entry("BF16", (4,))}, "unknown dtype: .*'a' has 'BF16'"),
        ({"a": entry("f32")}, "unknown dtype"),
        ({"a": entry(["F32"])}, "unknown dtype"),
        ({"a": entry(None)}, "unknown dtype"),
        ({"a": entry() | {"shape": 2}}, "shape is not"),
        ({"a": entry(shape=(-2,))}, "shape is not"),
        ({"a": entry(shape=(-1, -2))}, "shape is not"),
        ({"a": entry(shape=(2.0,))}, "shape is not"),
        ({"a": entry(shape=("2",))}, "shape is not"),
        ({"a": entry(shape=(True, 2))}, "shape is not"),
        ({"a": entry(shape=([2],))}, "shape is not"),
        ({"a": entry(shape=(2,) + (1,) * 64)}, "shape is not at most 64"),
        ({"a": entry() | {"data_offsets": 8}}, "data_offsets are not"),
        ({"a": entry(offsets=(0, 8, 8))}, "data_offsets are not"),
        ({"a": entry(offsets=(0,))}, "data_offsets are not"),
        ({"a": entry(offsets=(-8, 0))}, "data_offsets are not"),
        ({"a": entry(offsets=(0, 8.0))}, "data_offsets are not"),
        ({"a": entry(offsets=(False, 8))}, "data_offsets are not"),
        ({"a": entry(shape=(2**31, 2**31, 4))}, "shape overflows"),
        ({"a": entry(shape=(2**62,), offsets=(0, 0))}, "shape overflows"),
        ({"a": entry(shape=(0, 2**62, 4), offsets=(0, 0))}, "shape overflows"),
        ({"a": entry(shape=(0, 10**4000), offsets=(0, 0))}, "shape overflows"),
        ({"a": entry(shape=(3,))}, "size differs"),
        ({"a": entry("F64")}, "size differs"),
        ({"a": entry(offsets=(8, 0))}, "size differs"),
        ({"a": entry(shape=(), offsets=(0, 8))}, "size differs"),
        ({"a": entry(offsets=(8, 16))}, "gap between"),
        ({"a": entry(), "b": entry(offsets=(0, 8))}, "overlap"),
        ({"a": entry(), "b": entry(offsets=(4, 12))}, "overlap"),
        ({"a": entry(shape=(1,), offsets=(0, 4)), "b": entry("U8", offsets=(6, 8))}, "gap between"),
        ({"a": entry(shape=(4,), offsets=(0, 16))}, "truncated"),
        ({"a": entry("U8", (2**62,), (0, 2**62))}, "truncated"),
        ({"a": entry(offsets=(10**4000, 10**4000 + 8))}, "gap between"),
        ({"a": entry(shape=(1,), offsets=(0, 4))}, "trailing bytes"),
        ({}, "trailing bytes"),
        ({"a": entry("BOOL", (8,))}, "neither true nor false: .*'a' has byte 8"),
    ],
    ids=rule_only,
)
def test_tensors(file, tensors, rule):
    """The file has eight bytes of tensors; what would be right for them is tested last."""
    data = bytes(range(1, 9))
    file.write_bytes(join(tensors, data))
    with pytest.raises(ValueError, match=rf"^\[load_arrays\] .*{rule}"):
        load_arrays(file)
    file.write_bytes(join({"a": entry()}, data))
    assert load_arrays(file)[0]["a"].tobytes() == data


def test_memory_is_bounded(file, refused):
    save_arrays(file, {"x": np.zeros((1000, 1000)), "y": np.ones((1000, 1000), ">f4")})
    size = file.stat().st_size
    tracemalloc.start()
    load_arrays(file)
    assert tracemalloc.get_traced_memory()[1] <= 1.2 * size
    tracemalloc.reset_peak()
    refused(join({"a": entry("U8", (2**40,), (0, 2**40))}, bytes(100)))
    refused(struct.pack("<Q", 1 << 23) + b"{}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1_000_000


def test_not_a_file(tmp_path):
    with pytest.raises(ValueError, match="not a regular file"):
        load_arrays(tmp_path)
    os.mkfifo(tmp_path / "fifo")  # opening it would block for ever
    with pytest.raises(ValueError, match="not a regular file"):
        load_arrays(tmp_path / "fifo")
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "missing")
