"""Files changed at random: bytes anywhere, or, in hotloop's own format, values of the header, with its checksum put
right again, so that what comes behind it is reached too.

The checksum is computed here from its description in hotloop/io.py, not by hotloop.
"""

import copy
import gzip
import hashlib
import json
import zlib

WIDTH = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("U16", "I16", "F16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_NUMBERS = (
    0,
    1,
    2,
    3,
    -1,
    7,
    255,
    1 << 31,
    1 << 32,
    1 << 53,
    (1 << 63) - 1,
    1 << 63,
    1 << 64,
    10**30,
    0.5,
    -0.0,
    1e308,
)
_VALUES = (
    *(None, True, False, "", "x", "relu", "adam", "Dense", "F32", "F64", "U8", "BOOL", "hotloop.model.1", "a" * 500),
    *(
        [],
        {},
        [[]],
        [None],
        [0],
        [2],
        [1 << 40, 1 << 40],
        {"a": 1},
        {"class": "Dense", "config": {}},
        {"function": "f"},
    ),
    *_NUMBERS,
)
_PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
        b"\0",
    ),
    *(b'"__metadata__"', b'"dtype"', b'"shape"', b'"data_offsets"', b'"F32"', b"[0,0]", b"[" * 300, b"9" * 400),
    *(b"\x1f\x8b", b"\0\0\x08\x01", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0\0\0\0\0"),
)


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


# ---- bytes ----------------------------------------------------------------------------------------------------------


def changed_bytes(rng, content, other):
    """A few changes anywhere; `other` is a file to take pieces from."""
    content = bytearray(content)
    for _ in range(1 + int(rng.geometric(0.5))):
        at, end = sorted(int(i) for i in rng.integers(0, len(content) + 1, 2))
        way = int(rng.integers(8))
        if way == 0 and content:
            content[at % len(content)] ^= 1 << int(rng.integers(8))
        elif way == 1 and content:
            content[at % len(content)] = int(rng.integers(256))
        elif way == 2:
            del content[at : min(end, at + 1 + int(rng.integers(16)))]
        elif way == 3:
            content[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif way == 4:
            content[at:at] = content[at:end][:64]
        elif way == 5:
            piece = pick(rng, _PIECES)
            content[at : at + (len(piece) if rng.random() < 0.5 else 0)] = piece
        elif way == 6 and other:
            begin = int(rng.integers(len(other)))
            content[at : at + int(rng.integers(32))] = other[begin : begin + int(rng.integers(1, 64))]
        else:
            width = pick(rng, (1, 2, 4, 8))
            number = pick(rng, [n for n in _NUMBERS if isinstance(n, int)]) % (1 << 8 * width)
            content[at : at + width] = number.to_bytes(width, pick(rng, ("little", "big")))
    return bytes(content)


def repacked(rng, content, other):
    """A change within what gzip packs."""
    try:
        inside = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return changed_bytes(rng, content, other)
    return gzip.compress(changed_bytes(rng, inside, b""), int(rng.integers(1, 10)), mtime=0)


# ---- JSON -----------------------------------------------------------------------------------------------------------


def _spots(value, found):
    """(container, key) of everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((value, key))
        _spots(item, found)
    return found


def changed_json(rng, value):
    """Changes one to three values in place."""
    for _ in range(1 + int(rng.integers(3))):
        spots = _spots(value, [])
        if not spots:
            return
        (holder, key), (giver, given) = pick(rng, spots), pick(rng, spots)
        way = int(rng.integers(6))
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[pick(rng, ("", "x", "name", "config", "units", "lr", *map(str, holder)))] = holder.pop(key)
        elif way == 2 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(pick(rng, _VALUES)))
        elif way == 3:
            holder[key] = copy.deepcopy(giver[given])  # no cycles
        elif way == 4 and type(holder[key]) in (int, float):
            holder[key] = pick(rng, (holder[key] + 1, holder[key] - 1, -holder[key], holder[key] * 2, str(holder[key])))
        else:
            holder[key] = copy.deepcopy(pick(rng, _VALUES))


# ---- hotloop's format -----------------------------------------------------------------------------------------------


def taken_apart(content):
    """(header, data) of a file whose header is JSON, or None."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        return None
    return (header, content[8 + length :]) if isinstance(header, dict) else None


def put_together(header, data):
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + data


def sealed(header, data):
    """The file with the checksum that its tensors and metadata have; as it is where they are none."""
    strings = header.get("__metadata__")
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    try:
        order = sorted(tensors, key=lambda name: (-WIDTH[tensors[name]["dtype"]], name))
        listed = [[name, tensors[name]["dtype"], tensors[name]["shape"]] for name in order]
        digest = hashlib.sha256(json.dumps([strings["hotloop"], listed]).encode() + b"\n")
        for name in order:
            begin, end = tensors[name]["data_offsets"]
            digest.update(data[begin:end])
        strings["hotloop.sha256"] = digest.hexdigest()
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    return put_together(header, data)


def resized(header, data):
    """Offsets and data that fit the shapes, where those are small."""
    position = 0
    for name, entry in header.items():
        if name == "__metadata__" or not isinstance(entry, dict):
            continue
        size = WIDTH.get(entry.get("dtype"), 1) if isinstance(entry.get("dtype"), str) else 1
        for extent in entry["shape"] if isinstance(entry.get("shape"), list) else ():
            size *= extent if type(extent) is int and 0 <= extent < 1000 else 1
        if size > 4000:
            return data
        entry["data_offsets"] = [position, position + size]
        position += size
    return (data * (position // max(1, len(data)) + 1) + bytes(position))[:position]


def changed_structure(rng, content, other):
    """A change of the header or of the metadata within it, and mostly a checksum that is right."""
    parts = taken_apart(content)
    if parts is None:
        return changed_bytes(rng, content, other)
    header, data = parts
    strings = header.get("__metadata__")
    text = strings.get("hotloop") if isinstance(strings, dict) else None
    inner = None
    if isinstance(text, str) and rng.random() < 0.7:
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            inner = None
    if inner is not None:
        changed_json(rng, inner)
        strings["hotloop"] = json.dumps(inner)
    else:
        changed_json(rng, header)
        if rng.random() < 0.5:
            data = resized(header, data)
    return sealed(header, data) if rng.random() < 0.9 else put_together(header, data)
