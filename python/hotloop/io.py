"""Named arrays and JSON metadata in one file: the safetensors format, plus a checksum. Never pickle.

A file is an 8-byte little-endian header length, a JSON header padded with spaces to 8 bytes, and the tensors' bytes,
which tile the rest without gap or overlap: https://huggingface.co/docs/safetensors. Two strings in `__metadata__` are
ours: the metadata as JSON, and a SHA-256 over metadata, names, dtypes, shapes and items (see `_new_digest`). It covers
no offsets, so a file stays valid when another program writes the same tensors in another order.

What a header claims is checked against the file's size before anything is allocated.
"""

import json
import math
import os
from reprlib import repr as brief

import numpy as np

from ._atomic import atomic_file

_DTYPES = {
    "BOOL": "b1",
    "U8": "u1",
    "I8": "i1",
    "U16": "u2",
    "I16": "i2",
    "F16": "f2",
    "U32": "u4",
    "I32": "i4",
    "F32": "f4",
    "U64": "u8",
    "I64": "i8",
    "F64": "f8",
}
_CODES = {kind: code for code, kind in _DTYPES.items()}
_METADATA, _DIGEST = "hotloop", "hotloop.sha256"
_MAX_HEADER = 1 << 24  # bytes
_MAX_NDIM = 64  # NumPy's
_ALIGNMENT = 8


def _largest_header(size):
    """Bytes of header that so many bytes of tensors may have: parsed JSON takes up to 40 times the memory of its text,
    and shall not take far more than the file itself. 1 MiB names 10,000 tensors.
    """
    return min((1 << 20) + size // 64, _MAX_HEADER)


def save_arrays(path, arrays, metadata=None):
    """Write arrays and metadata to `path`, all or nothing: an old file stays until the new one is complete.

    Args:
        path: the file; a symbolic link is followed.
        arrays: dict of str to ndarray of any shape, byte order and memory order; bool, int8 to int64, uint8 to uint64,
            float16 to float64.
        metadata: dict that JSON can hold (str keys, finite numbers; tuples come back as lists); None is {}.

    Raises:
        TypeError: a name, an array or the metadata is of a kind the format can't hold.
        ValueError: the metadata is not JSON, the header exceeds 1 MiB and 1/64 of the arrays, or path is not a regular
            file.
        OSError: the file can't be written.
    """
    text = _metadata_text({} if metadata is None else metadata)
    if not isinstance(arrays, dict):
        raise TypeError(f"[save_arrays] arrays must be a dict: got {type(arrays).__name__}")
    entries = {name: _describe(name, array) for name, array in arrays.items()}
    order = _canonical_order(entries)
    offset = 0
    for name in order:
        entries[name]["data_offsets"] = [offset, offset + arrays[name].nbytes]
        offset += arrays[name].nbytes
    digest = _new_digest(text, entries)
    header = _encode_header(text, digest.hexdigest(), entries)
    if len(header) > _largest_header(offset):
        raise ValueError(
            f"[save_arrays] names and metadata too large: {len(header)} bytes of header, "
            f"at most {_largest_header(offset)} beside {offset} bytes of arrays"
        )
    with atomic_file(path) as file:
        file.write(header)
        for name in order:
            # Copies only what is not contiguous and little-endian already, one array at a time.
            items = _as_bytes(np.asarray(arrays[name], _storage_dtype(entries[name]), order="C"))
            digest.update(items)
            file.write(items)
        file.seek(0)
        file.write(_encode_header(text, digest.hexdigest(), entries))


def load_arrays(path):
    """Read what `save_arrays` or another safetensors writer wrote.

    Args:
        path: the file.

    Returns:
        (arrays, metadata): dict of str to ndarray (native byte order, own memory, writable) in the header's order, and
            the dict saved with them; for a file from elsewhere its map of strings, with no checksum to hold it to.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file breaks a rule of the format, or its checksum.
    """
    name = os.fsdecode(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise _error("not a regular file", name)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header, start = _read_header(file, size, name)
        strings = header.pop("__metadata__", {})
        _check_strings(strings, name)
        for key, entry in header.items():
            _check_entry(key, entry, name)
        order = sorted(header, key=lambda key: header[key]["data_offsets"])
        _check_tiling(order, header, size - start, name)
        arrays = dict.fromkeys(header)
        for key in order:
            arrays[key] = _read_array(file, key, header[key], name)
    if _METADATA not in strings:
        return arrays, strings
    digest = _new_digest(strings[_METADATA], header)
    for key in _canonical_order(header):
        digest.update(_as_bytes(arrays[key].astype(_storage_dtype(header[key]), copy=False)))
    if digest.hexdigest() != strings[_DIGEST]:
        raise _error(
            "checksum differs", name, f"content has {digest.hexdigest()}, header has {brief(strings[_DIGEST])}"
        )
    return arrays, _parse_json_object(strings[_METADATA], name, "metadata")


def _storage_dtype(entry):
    return np.dtype(_DTYPES[entry["dtype"]]).newbyteorder("<")


def _canonical_order(entries):
    """The order in which tensors are stored and hashed: wide items first, which aligns every tensor, then by name."""
    return sorted(entries, key=lambda name: (-_storage_dtype(entries[name]).itemsize, name))


def _as_bytes(array):
    # Of an ndarray itself, files make a lack of memory a TypeError.
    return memoryview(array.reshape(-1).view(np.uint8))


def _new_digest(text, entries):
    """SHA-256 fed one JSON line [metadata text, [[name, dtype, shape], ...]]; the items follow, in the same order."""
    from hashlib import sha256  # here, not above: loading OpenSSL would slow every import of hotloop

    tensors = [[name, entries[name]["dtype"], entries[name]["shape"]] for name in _canonical_order(entries)]
    return sha256(json.dumps([text, tensors]).encode() + b"\n")


def _metadata_text(metadata):
    if not isinstance(metadata, dict):
        raise TypeError(f"[save_arrays] metadata must be a dict: got {type(metadata).__name__}")
    try:
        text = json.dumps(metadata, allow_nan=False)
    except TypeError as error:
        raise TypeError(f"[save_arrays] metadata must be JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"[save_arrays] metadata must be JSON: {error}") from error
    _check_keys(metadata)
    return text


def _check_keys(value):
    """JSON would turn the key 1 into "1" without a word."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"[save_arrays] metadata keys must be str: got {key!r}")
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        _check_keys(item)


def _describe(name, array):
    if not isinstance(name, str):
        raise TypeError(f"[save_arrays] names must be str: got {name!r}")
    if name == "__metadata__" or any("\ud800" <= c <= "\udfff" for c in name):
        raise ValueError(f"[save_arrays] name can't be stored: {name!r}")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"[save_arrays] {name!r} must be an ndarray: got {type(array).__name__}")
    kind = array.dtype.str[1:]
    if kind not in _CODES:
        raise TypeError(f"[save_arrays] dtype can't be stored: {name!r} is {array.dtype}, known are {_known_dtypes()}")
    return {"dtype": _CODES[kind], "shape": list(array.shape)}


def _known_dtypes():
    return ", ".join(np.dtype(kind).name for kind in _CODES)


def _encode_header(text, digest, entries):
    content = {"__metadata__": {_METADATA: text, _DIGEST: digest}, **entries}
    header = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    return len(header).to_bytes(8, "little") + header


def _error(rule, name, detail=None):
    return ValueError(f"[load_arrays] {rule}: {name!r}" + (f": {detail}" if detail else ""))


def _read_header(file, size, name):
    """The parsed header and where the tensors start."""
    if size < 8:
        raise _error("truncated", name, f"{size} bytes, the header's length alone takes 8")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8 or length > _largest_header(size - 8 - length):
        most = _largest_header(max(0, size - 8 - length))
        raise _error("header too long", name, f"{length} bytes claimed, {size - 8} are there, at most {most} allowed")
    raw = file.read(length)
    if not raw.startswith(b"{"):
        raise _error("header is not a JSON object", name, f"starts with {raw[:8]!r}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _error("header is not UTF-8", name, error) from error
    return _parse_json_object(text, name, "header"), 8 + length


def _parse_json_object(text, name, what):
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _error(f"{what} is not valid JSON", name, error) from error
    if not isinstance(value, dict):
        raise _error(f"{what} is not a JSON object", name, brief(value))
    return value


def _unique(pairs):
    value = {}
    for key, item in pairs:
        if key in value:
            raise ValueError(f"duplicate key {brief(key)}")
        value[key] = item
    return value


def _refuse_constant(text):
    raise ValueError(f"{text} is not JSON")


def _check_strings(strings, name):
    if not isinstance(strings, dict) or not all(isinstance(value, str) for value in strings.values()):
        raise _error("__metadata__ is not a map of strings", name, brief(strings))
    if (_METADATA in strings) != (_DIGEST in strings):
        raise _error("metadata and checksum must come together", name, f"__metadata__ has only {brief([*strings])}")


def _check_entry(key, entry, name):
    """A tensor's entry alone: its fields, dtype, shape, and that its offsets span what those need."""
    key = brief(key)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _error("entry is not {dtype, shape, data_offsets}", name, f"{key} has {brief(entry)}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise _error("unknown dtype", name, f"{key} has {brief(code)}, known are {', '.join(_DTYPES)}")
    if not _are_sizes(shape) or len(shape) > _MAX_NDIM:
        raise _error(f"shape is not at most {_MAX_NDIM} sizes", name, f"{key} has {brief(shape)}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise _error("data_offsets are not begin and end", name, f"{key} has {brief(offsets)}")
    itemsize = _storage_dtype(entry).itemsize
    # A zero among the axes must not hide an absurd product of the others, which NumPy refuses too.
    if math.prod(filter(None, shape)) * itemsize > np.iinfo(np.intp).max:
        raise _error("shape overflows", name, f"{key} has {brief(shape)} of {code}")
    if offsets[1] - offsets[0] != math.prod(shape) * itemsize:
        wanted = math.prod(shape) * itemsize
        raise _error(
            "size differs", name, f"{key} has data_offsets {brief(offsets)}, {brief(shape)} of {code} wants {wanted}"
        )


def _are_sizes(value):
    # bool is an int, and JSON's true must not pass for 1.
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_tiling(order, header, size, name):
    end = 0
    for key in order:
        begin, after = header[key]["data_offsets"]
        if begin != end:
            rule = "tensors overlap" if begin < end else "gap between tensors"
            raise _error(rule, name, f"{brief(key)} begins at {brief(begin)}, the one before ends at {end}")
        if after > size:
            raise _error(
                "truncated", name, f"{brief(key)} ends at {brief(after)}, the file has {size} bytes of tensors"
            )
        end = after
    if end != size:
        raise _error("trailing bytes", name, f"tensors end at {end}, the file has {size} bytes of them")


def _read_array(file, key, entry, name):
    array = np.empty(entry["shape"], _storage_dtype(entry))
    if file.readinto(_as_bytes(array)) != array.nbytes:
        raise _error("truncated", name, f"the file shrank while {brief(key)} was read")
    if entry["dtype"] == "BOOL" and (largest := array.view(np.uint8).max(initial=0)) > 1:
        raise _error("items are neither true nor false", name, f"{brief(key)} has byte {largest}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
