"""MNIST, from a folder of IDX files or from the net.

Mirrors pack the same files differently, so what is checked is the MD5 of the unpacked content.
"""

import os
import struct
from pathlib import Path

import numpy as np

from .. import checks
from .._atomic import atomic_file
from .idx import read_idx

# stem -> shape, MD5 of the uncompressed file
_FILES = {
    "train-images-idx3-ubyte": ((60000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": ((60000,), "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": ((10000,), "27ae3e4e09519cfbb04c329615203637"),
}
_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
_TIMEOUT = 10  # seconds without a byte, per mirror
_ADVICE = "put the four IDX files (plain or .gz) into a folder and pass it as path, or into $HOTLOOP_DATA/mnist"


def mnist(path=None, *, check=True):
    """The MNIST handwritten digits: 60,000 training and 10,000 test images of 28 x 28 pixels.

    Looks in `path`, else in $HOTLOOP_DATA/mnist, else in the user's cache, which a download (11 MB) fills when need be.

    Args:
        path: folder with the four IDX files, plain or .gz; only this folder is looked in.
        check: False accepts other data in a folder under MNIST's file names and image size, such as Fashion-MNIST.

    Returns:
        (x_train, y_train), (x_test, y_test): x uint8 (N, 28, 28), 0 black to 255 white; y uint8 (N,), 0 to 9.

    Raises:
        FileNotFoundError: the files are nowhere to be found and no mirror answers.
        ValueError: a file is corrupt, or is not the MNIST file of its name.
        ModuleNotFoundError: a download is needed and pooch is not installed.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.
    """
    check = checks.flag("mnist", "check", check)
    if path is not None:
        folder = Path(os.fsdecode(checks.path("mnist", "path", path))).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"[mnist] no such folder: {str(folder)!r}")
        return _from_folder(folder, check)
    root = os.environ.get("HOTLOOP_DATA")
    if not root:
        return _from_net("$HOTLOOP_DATA is not set")
    folder = Path(root).expanduser() / "mnist"
    if any(_find(folder, stem) for stem in _FILES):
        return _from_folder(folder, check)
    return _from_net(f"$HOTLOOP_DATA/mnist is {str(folder)!r} and has none of the files")


def _find(folder, stem):
    """The file of that stem in `folder`, or None; unpackers write both train-images-idx3 and train-images.idx3."""
    names = (name + suffix for name in (stem, stem.replace("-idx", ".idx")) for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _from_folder(folder, check):
    found = {stem: _find(folder, stem) for stem in _FILES}
    missing = [stem for stem, file in found.items() if file is None]
    if missing:
        raise FileNotFoundError(f"[mnist] files missing: {str(folder)!r} lacks {', '.join(missing)} (plain or .gz)")
    return _pairs([_read(file, stem, check) for stem, file in found.items()], folder)


def _read(file, stem, check=True):
    shape, expected = _FILES[stem]
    array = read_idx(file, shape=shape if check else None)
    if array.dtype != np.uint8 or array.shape[1:] != shape[1:]:
        raise ValueError(
            f"[mnist] wrong kind of items: {str(file)!r} holds {array.dtype} {array.shape}, "
            f"wanted uint8 {('N', *shape[1:])}"
        )
    if check and (digest := _content_md5(array)) != expected:
        raise ValueError(
            f"[mnist] not MNIST: the content of {str(file)!r} has MD5 {digest}, wanted {expected}; "
            "if other data under MNIST's names is meant, pass check=False"
        )
    return array


def _content_md5(array):
    """MD5 of the unpacked file, rebuilt from its items: an array has one IDX encoding."""
    from hashlib import md5  # here, not above: loading OpenSSL would slow every import of hotloop

    digest = md5(struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape), usedforsecurity=False)
    digest.update(array.reshape(-1))
    return digest.hexdigest()


def _pairs(arrays, folder):
    pairs = tuple(arrays[:2]), tuple(arrays[2:])
    for x, y in pairs:
        if len(x) != len(y):
            raise ValueError(f"[mnist] lengths differ: {str(folder)!r} pairs {len(x)} images with {len(y)} labels")
    return pairs


def _from_net(looked):
    try:
        import pooch
    except ImportError as error:
        raise ModuleNotFoundError(
            f"[mnist] not found, and downloading needs pooch: {looked}; pip install hotloop[data], or {_ADVICE}"
        ) from error
    cache = Path(pooch.os_cache("hotloop")) / "mnist"
    return _pairs([_from_cache(pooch, cache, stem, looked) for stem in _FILES], cache)


def _from_cache(pooch, cache, stem, looked):
    """The array of that stem from the cache, after filling the cache from the first mirror that serves it whole."""
    target = cache / f"{stem}.gz"
    failures = []
    if target.is_file():
        try:
            return _read(target, stem)
        except ValueError as error:
            failures.append(f"cached file refused: {error}")
    for mirror in _MIRRORS:
        url = f"{mirror}{target.name}"
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with atomic_file(target) as file:
                pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT)(url, file, None)
                file.flush()
                return _read(file.name, stem)
        except (OSError, ValueError) as error:  # requests' exceptions are OSErrors
            failures.append(f"{url}: {error}")
    raise FileNotFoundError(
        f"[mnist] not found and not downloaded: {looked}; cache {str(cache)!r}; {'; '.join(failures)}. "
        f"Without a network, {_ADVICE}"
    )
