"""The kinds of files that hotloop reads: small good ones of each, how they are read, what vouches for their bytes."""

import gzip
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

import hotloop as hl
from hotloop.data.idx import read_idx
from hotloop.io import load_arrays, save_arrays

# In memory where that is to be had: a disk takes ten times as long as the readers.
_MEMORY = "/dev/shm"
FOLDER = tempfile.TemporaryDirectory(prefix="hotloop-files-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)


def place(name):
    return os.path.join(FOLDER.name, name)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of file.

    Attributes:
        make: () -> contents of good files.
        read: path -> what was read, as values that compare; raises ValueError.
        vouched: whether a checksum covers every byte that matters: a file with one byte changed is refused, or, where
            the byte means nothing, reads as it did. Of other kinds the structure holds: a changed file is refused or
            has arrays of as many bytes.
        sealed: whether it is hotloop's own format, whose checksum anybody can put right again.
    """

    name: str
    make: Callable
    read: Callable
    vouched: bool
    sealed: bool = False

    @cached_property
    def good(self):
        """Contents of good files."""
        return self.make()


def _as_values(arrays):
    return {name: (x.dtype.str, x.shape, x.tobytes()) for name, x in arrays.items()}


def written(write):
    """The content of the file that write(path) makes."""
    path = place("made")
    write(path)
    return Path(path).read_bytes()


# ---- hotloop's own --------------------------------------------------------------------------------------------------


def _arrays():
    some = {"w": np.array([[1.5, -2, 3]], np.float32), "b": np.array([True, False]), "n": np.array(7)}
    empty = {"empty": np.zeros((0, 4), np.int8), "half": np.ones(3, np.float16)}
    yield some, {"epoch": 3, "names": ["a", "ü"], "rate": 0.5, "nothing": None}
    yield empty, {}
    yield {}, {"deep": [[[{"a": [1, 2]}]]]}


def made_arrays():
    return [written(lambda path, pair=pair: save_arrays(path, *pair)) for pair in _arrays()]


def read_arrays(path):
    arrays, metadata = load_arrays(path)
    return _as_values(arrays), metadata


def model_of(layers, optimizer, loss="mse"):
    hl.set_seed(1)
    model = hl.Sequential(layers)
    if optimizer is not None:
        model.compile(optimizer=optimizer, loss=loss, metrics=["mae"], device="cpu")
        model.fit(np.ones((4, 2), np.float32), np.ones((4, 2), np.float32), epochs=1, batch_size=2, verbose=0)
    return model


def _layers():
    return [hl.layers.Dense(3, activation="relu", input_shape=(2,)), hl.layers.Dropout(0.5), hl.layers.Dense(2)]


def models():
    schedule = hl.optim.schedules.exponential_decay(0.1, 0.9, 10)
    yield model_of(_layers(), hl.optim.Adam(lr=schedule, amsgrad=True))
    yield model_of(_layers(), hl.optim.SGD(lr=0.1, momentum=0.9))
    images = [
        hl.layers.Conv2D(2, 3, activation="relu", padding="same", input_shape=(4, 4, 1)),
        hl.layers.MaxPooling2D(2),
        hl.layers.Flatten(),
        hl.layers.Dense(2, kernel_initializer=hl.initializers.RandomNormal(stddev=0.1), activation="softmax"),
    ]
    yield model_of(images, None)


def made_models():
    return [written(model.save) for model in models()]


def read_model(path):
    model = hl.load_model(path)
    return _as_values(dict(enumerate(model.get_weights()))), model.get_config()


def made_weights():
    return [written(model_of(_layers(), None).save_weights), written(model_of(_layers(), "adam").save)]


@cache
def _holder():
    return model_of(_layers(), None)


def read_weights(path):
    """Where the file is refused, the model keeps the weights it had."""
    model = _holder()
    before = _as_values(model.state_dict())
    try:
        model.load_weights(path)
    except ValueError:
        assert _as_values(model.state_dict()) == before, "a refused file changed the weights"
        raise
    return _as_values(model.state_dict())


# ---- other programs' ------------------------------------------------------------------------------------------------


def made_foreign():
    """safetensors as others write it: no checksum, strings as metadata or none."""
    plain = (
        b'{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}'
    )
    noted = b'{"__metadata__":{"format":"pt"},"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}   '
    return [struct.pack("<Q", len(plain)) + plain + bytes(range(11)), struct.pack("<Q", len(noted)) + noted + bytes(8)]


_CODES = {0x08: ">u1", 0x0B: ">i2", 0x0D: ">f4", 0x0E: ">f8"}


def _idx(shape, code):
    items = np.arange(np.prod(shape)).astype(_CODES[code])
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + items.tobytes()


def made_idx():
    return [_idx((2, 3, 4), 0x08), _idx((5,), 0x0B), _idx((2, 2), 0x0E), _idx((3, 0), 0x0D)]


def made_packed():
    return [gzip.compress(content, mtime=0) for content in made_idx()]


def read_digits(path):
    x = read_idx(path)
    return x.dtype.str, x.shape, x.tobytes()


@cache
def _mnist_folder():
    folder = Path(place("mnist"))
    folder.mkdir()
    for part, count in (("train", 3), ("t10k", 2)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(_idx((count, 28, 28), 0x08))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(_idx((count,), 0x08))
    return folder


def read_mnist(path):
    """The labels of a folder are the file; MNIST's own content is not asked for."""
    folder = _mnist_folder()
    shutil.copyfile(path, folder / "t10k-labels-idx1-ubyte")
    (_, _), (_, y) = hl.data.mnist(folder, check=False)
    return y.dtype.str, y.shape, y.tobytes()


KINDS = [
    Kind(name="arrays", make=made_arrays, read=read_arrays, vouched=True, sealed=True),
    Kind(name="model", make=made_models, read=read_model, vouched=True, sealed=True),
    Kind(name="weights", make=made_weights, read=read_weights, vouched=True, sealed=True),
    Kind(name="safetensors", make=made_foreign, read=read_arrays, vouched=False),
    Kind(name="idx", make=made_idx, read=read_digits, vouched=False),
    Kind(name="idx.gz", make=made_packed, read=read_digits, vouched=True),
    Kind(name="mnist", make=lambda: [_idx((2,), 0x08)], read=read_mnist, vouched=False),
]
