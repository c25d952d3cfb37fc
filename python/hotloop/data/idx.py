"""The IDX format of the MNIST files: two zero bytes, dtype code, number of axes, axes, items; all big-endian.

A header is not believed before the file can bear it: the file's size bounds what it may claim, and of a gzip stream no
more than the claimed size plus one byte is unpacked.
"""

import gzip
import math
import os
import struct
import zlib

import numpy as np

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_NDIM = 64  # NumPy's
_MAX_DEFLATE_RATIO = 1032  # two bits of deflate stand for 258 bytes at most: https://zlib.net/zlib_tech.html
_CHUNK = 1 << 20


def read_idx(path, *, shape=None):
    """Read one IDX file, plain or gzip (told apart by content, not by name).

    Args:
        path: the file.
        shape: the shape it must have, or None for any; a mismatch is refused before the items are read.

    Returns:
        ndarray: the items in native byte order, writable; uint8, int8, int16, int32, float32 or float64.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a regular file, not IDX, corrupt, truncated, too long, or of another shape.

    Source: "The IDX file format", Y. LeCun, C. Cortes, C. Burges, yann.lecun.com/exdb/mnist.
    """
    name = os.fsdecode(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"[read_idx] not a regular file: {name!r}")
    with open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not zipped:
            return _parse(raw, name, size, shape)
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _parse(unpacked, name, size * _MAX_DEFLATE_RATIO, shape)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            if str(error).startswith("Error -4 "):  # Z_MEM_ERROR
                raise MemoryError(f"[read_idx] out of memory while {name!r} was unpacked") from error
            raise ValueError(f"[read_idx] corrupt gzip: {name!r}: {error}") from error


def _parse(file, name, limit, shape):
    """Read header and items from `file`, which can't hold more than `limit` bytes."""
    dtype, dims = _read_header(file, name)
    if shape is not None and dims != tuple(shape):
        raise ValueError(f"[read_idx] shape differs: {name!r} holds {dims}, wanted {tuple(shape)}")
    # A zero among the axes must not hide an absurd product of the others, which NumPy refuses too.
    if math.prod(filter(None, dims)) * dtype.itemsize > np.iinfo(np.intp).max:
        raise ValueError(f"[read_idx] axes overflow: {name!r} claims shape {dims} of {dtype.itemsize}-byte items")
    expected = math.prod(dims) * dtype.itemsize
    if expected > limit:
        raise ValueError(
            f"[read_idx] truncated: {name!r} claims {expected} bytes of items (shape {dims}), "
            f"a file of its size can hold {limit} at most"
        )
    items = bytearray()
    while len(items) < expected and (chunk := file.read(min(_CHUNK, expected - len(items)))):
        items += chunk
    if len(items) < expected:
        raise ValueError(
            f"[read_idx] truncated: {name!r} has {len(items)} bytes of items, shape {dims} wants {expected}"
        )
    # Reading past the last item also makes gzip check its checksum.
    if file.read(1):
        raise ValueError(f"[read_idx] trailing bytes: {name!r} goes on after the {expected} bytes of shape {dims}")
    return np.frombuffer(items, dtype).reshape(dims).astype(dtype.newbyteorder("="), copy=False)


def _read_header(file, name):
    magic = file.read(4)
    if not magic:
        raise ValueError(f"[read_idx] empty: {name!r} has no bytes")
    if len(magic) < 4:
        raise ValueError(f"[read_idx] truncated: {name!r} has {len(magic)} bytes, the magic number takes 4")
    if magic[:2] != b"\0\0":
        raise ValueError(f"[read_idx] not IDX: {name!r} starts with {magic.hex(' ')}, wanted 00 00")
    code, ndim = magic[2], magic[3]
    if code not in _DTYPES:
        known = ", ".join(f"{c:#04x}" for c in _DTYPES)
        raise ValueError(f"[read_idx] unknown dtype code: {name!r} has {code:#04x}, known are {known}")
    if not 1 <= ndim <= _MAX_NDIM:
        raise ValueError(f"[read_idx] wrong number of axes: {name!r} has {ndim}, wanted 1 to {_MAX_NDIM}")
    axes = file.read(4 * ndim)
    if len(axes) < 4 * ndim:
        raise ValueError(
            f"[read_idx] truncated: {name!r} has {4 + len(axes)} bytes, the header of {ndim} axes takes {4 + 4 * ndim}"
        )
    return np.dtype(_DTYPES[code]), struct.unpack(f">{ndim}I", axes)
