"""The IDX reader: what valid files give, and that nothing else is taken for one."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from hotloop.data.idx import read_idx

IDX_CODES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PACKINGS = pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])


def idx_bytes(array, code=0x08):
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(IDX_CODES[code]).tobytes()


@pytest.fixture
def refused(tmp_path):
    """Function: write bytes to a file, expect read_idx to refuse it, return the message."""

    def check(content, **options):
        file = tmp_path / "bad-idx"
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"^\[read_idx\] ") as caught:
            read_idx(file, **options)
        assert repr(str(file)) in str(caught.value)
        return str(caught.value)

    return check


@PACKINGS
@pytest.mark.parametrize("code", IDX_CODES)
@pytest.mark.parametrize("shape", [(5,), (0,), (2, 3), (3, 0, 2), (2, 3, 4), (1,) * 64])
def test_idx_round_trip(tmp_path, pack, code, shape):
    array = (np.arange(np.prod(shape)).reshape(shape) - (3 if code != 0x08 else 0)).astype(IDX_CODES[code])
    file = tmp_path / "idx"
    file.write_bytes(pack(idx_bytes(array, code)))
    got = read_idx(file, shape=shape)
    assert got.shape == shape
    assert got.dtype == array.dtype.newbyteorder("=") and got.dtype.isnative
    np.testing.assert_array_equal(got, array)
    if got.size:
        got[:] = 1  # writable


@PACKINGS
def test_idx_truncated_at_every_length(refused, pack):
    content = pack(idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)))
    for length in range(len(content)):
        refused(content[:length])


@PACKINGS
def test_idx_trailing_bytes(refused, pack):
    content = idx_bytes(np.arange(6, dtype=np.uint8))
    for extra in (b"\0", b"abc", b"x" * 5000):
        assert "trailing" in refused(pack(content + extra))


def test_gzip_followed_by_garbage(refused):
    assert "corrupt gzip" in refused(gzip.compress(idx_bytes(np.arange(6, dtype=np.uint8))) + b"garbage")


def test_gzip_every_bit_flipped(tmp_path):
    """The checksum catches every change of the items; what is left (time stamp, padding bits) means nothing."""
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = gzip.compress(idx_bytes(array))
    file = tmp_path / "idx"
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        try:
            got = read_idx(file)
        except ValueError as error:
            assert repr(str(file)) in str(error)
        else:
            np.testing.assert_array_equal(got, array)


def test_idx_every_header_bit_flipped(tmp_path):
    """A plain file has no checksum, but its header must fit its size; uint8 and int8 are one bit apart."""
    content = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    file = tmp_path / "idx"
    for bit in range(8 * 16):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        if flipped[:4] == b"\0\0\x09\x03":
            assert read_idx(file).dtype == np.int8
            continue
        with pytest.raises(ValueError, match=r"^\[read_idx\] "):
            read_idx(file)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty"),
        (b"\0", "truncated"),
        (b"\0\0\x08", "truncated"),
        (b"\0\0\x08\x02\0\0\0\x01", "truncated"),
        (b"\x08\x03\0\0" + bytes(16), "not IDX"),  # little-endian magic
        (b"<html><body>not found</body></html>", "not IDX"),
        (b"\x93NUMPY" + bytes(122), "not IDX"),
        (b"\0\0\x0a\x01\0\0\0\x01\0", "unknown dtype code"),
        (b"\0\0\0\0", "unknown dtype code"),
        (b"\0\0\x08\0\x07", "wrong number of axes"),
        (b"\0\0\x08\x41" + bytes(4 * 65), "wrong number of axes"),
        (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"\0", "wrong number of axes"),
        (b"\0\0\x08\x01" + b"\xff" * 4, "truncated"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "axes overflow"),
        (b"\0\0\x0e\x03" + b"\x80\0\0\0" * 2 + b"\0\0\0\x04", "axes overflow"),  # 2**64 * 8 wraps to 0
        (b"\0\0\x08\x40" + b"\xff" * 256, "axes overflow"),
        (b"\0\0\x08\x04\0\0\0\0" + b"\xff" * 12, "axes overflow"),  # nothing to read, yet no array has such a shape
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_idx_header(refused, content, rule):
    assert rule in refused(content)
    if len(content) > 1:
        assert rule in refused(gzip.compress(content))


@pytest.mark.parametrize(
    "content",
    [b"\x1f\x8b", b"\x1f\x8b\x08\0", b"\x1f\x8bgarbage, not a stream", gzip.compress(b"")[:-1]],
    ids=["magic only", "cut header", "garbage", "cut trailer"],
)
def test_idx_corrupt_gzip(refused, content):
    assert "corrupt gzip" in refused(content)


def test_empty_gzip(refused):
    assert "empty" in refused(gzip.compress(b""))


@PACKINGS
def test_idx_expected_shape(refused, pack):
    message = refused(pack(idx_bytes(np.zeros((2, 3), np.uint8))), shape=(3, 2))
    assert "(2, 3)" in message and "(3, 2)" in message


def test_idx_memory_is_bounded(refused):
    """Neither a header's claim nor a gzip bomb makes the reader allocate."""
    item, gigabyte = b"\0\0\x08\x01\0\0\0\x01", b"\0\0\x08\x01\x40\0\0\0"
    cases = {
        "truncated": [
            gigabyte + bytes(100),
            gzip.compress(gigabyte + bytes(100)),
            gzip.compress(gigabyte + os.urandom(1 << 20) + bytes(100)),
        ],
        "trailing": [gzip.compress(item + bytes(200_000_000), compresslevel=1)],
    }
    for rule, contents in cases.items():
        for content in contents:
            tracemalloc.start()
            message = refused(content)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert rule in message
            assert peak <= 4_000_000


def test_idx_not_a_file(tmp_path):
    with pytest.raises(ValueError, match="not a regular file"):
        read_idx(tmp_path)
    os.mkfifo(tmp_path / "fifo")  # opening it would block for ever
    with pytest.raises(ValueError, match="not a regular file"):
        read_idx(tmp_path / "fifo")
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "missing")
