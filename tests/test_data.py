"""The data sets: what they hold, where MNIST is looked for, and that nothing else is taken for it."""

import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import hotloop.data
from hotloop.data import _mnist, digits, mnist
from test_idx import PACKINGS, idx_bytes

STEMS = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def small_arrays():
    """Two sets, of 3 and 2 images, in the order of the four files."""
    rng = np.random.default_rng(1)
    sizes = [(3, 28, 28), (3,), (2, 28, 28), (2,)]
    return [rng.integers(0, 10 if len(s) == 1 else 256, s, dtype=np.uint8) for s in sizes]


def write_folder(folder, pack=bytes, suffix="", arrays=None):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in zip(STEMS, arrays or small_arrays(), strict=True):
        (folder / f"{stem}{suffix}").write_bytes(pack(idx_bytes(array)))
    return folder


def assert_small(result):
    for got, want in zip([*result[0], *result[1]], small_arrays(), strict=True):
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, want)


def files_table(arrays):
    """What _mnist._FILES would be if these arrays were MNIST."""
    return {stem: (a.shape, hashlib.md5(idx_bytes(a)).hexdigest()) for stem, a in zip(STEMS, arrays, strict=True)}


@pytest.fixture
def small_is_mnist(monkeypatch):
    monkeypatch.setattr(_mnist, "_FILES", files_table(small_arrays()))


# MNIST in a folder


def test_mnist_real(mnist_dir):
    (x_train, y_train), (x_test, y_test) = mnist(mnist_dir)
    assert x_train.shape == (60000, 28, 28) and y_train.shape == (60000,)
    assert x_test.shape == (10000, 28, 28) and y_test.shape == (10000,)
    assert all(a.dtype == np.uint8 and a.flags.writeable for a in (x_train, y_train, x_test, y_test))
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert abs(float(x_train.mean()) - 33.318421) <= 1e-5


def test_mnist_real_through_environment(mnist_dir, monkeypatch):
    monkeypatch.setenv("HOTLOOP_DATA", str(mnist_dir.parent))
    assert mnist()[1][1][:3].tolist() == [7, 2, 1]


@PACKINGS
@pytest.mark.parametrize("suffix", ["", ".gz"])  # packed or not is seen from the content
def test_mnist_folder(tmp_path, monkeypatch, small_is_mnist, pack, suffix):
    write_folder(tmp_path / "mnist", pack, suffix)
    assert_small(mnist(tmp_path / "mnist"))
    assert_small(mnist(str(tmp_path / "mnist")))
    monkeypatch.setenv("HOTLOOP_DATA", str(tmp_path))
    assert_small(mnist())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_small(mnist("~/mnist"))


def test_mnist_dotted_names(tmp_path, small_is_mnist):
    for file in write_folder(tmp_path).iterdir():
        file.rename(tmp_path / file.name.replace("-idx", ".idx"))
    assert_small(mnist(tmp_path))


def test_mnist_every_byte_flipped(tmp_path, monkeypatch):
    arrays = [a[..., :2, :1] if a.ndim == 3 else a for a in small_arrays()]
    monkeypatch.setattr(_mnist, "_FILES", files_table(arrays))
    write_folder(tmp_path, arrays=arrays)
    mnist(tmp_path)
    for stem in STEMS:
        content = (tmp_path / stem).read_bytes()
        for i, byte in enumerate(content):
            for change in (0x01, 0x80, 0xFF):
                (tmp_path / stem).write_bytes(content[:i] + bytes([byte ^ change]) + content[i + 1 :])
                with pytest.raises(ValueError, match=stem):
                    mnist(tmp_path)
        (tmp_path / stem).write_bytes(content)


def test_mnist_refuses_other_data(tmp_path, small_is_mnist):
    arrays = small_arrays()
    arrays[0][1, 2, 3] ^= 1
    write_folder(tmp_path, arrays=arrays)
    with pytest.raises(ValueError, match=r"^\[mnist\] not MNIST: .*train-images.*check=False"):
        mnist(tmp_path)
    np.testing.assert_array_equal(mnist(tmp_path, check=False)[0][0], arrays[0])


def test_mnist_refuses_swapped_files(tmp_path, small_is_mnist):
    write_folder(tmp_path, arrays=[*small_arrays()[2:], *small_arrays()[:2]])
    with pytest.raises(ValueError, match="shape differs"):
        mnist(tmp_path)


def test_mnist_unchecked_still_checks_structure(tmp_path):
    x, y, x_test, y_test = small_arrays()
    for arrays, rule in [
        ([x, y[:2], x_test, y_test], "lengths differ"),
        ([x[:, :14], y, x_test, y_test], "wrong kind of items"),
        ([x, x, x_test, y_test], "wrong kind of items"),
        ([y, x, x_test, y_test], "wrong kind of items"),
    ]:
        write_folder(tmp_path, arrays=arrays)
        with pytest.raises(ValueError, match=rule):
            mnist(tmp_path, check=False)


def test_mnist_missing(tmp_path, monkeypatch, small_is_mnist):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        mnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=STEMS[3]):
        mnist(tmp_path)
    write_folder(tmp_path / "mnist")
    (tmp_path / "mnist" / STEMS[2]).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {STEMS[2]} "):
        mnist(tmp_path / "mnist")
    # An incomplete folder is a mistake to report, not a reason to download.
    monkeypatch.setenv("HOTLOOP_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"lacks {STEMS[2]} "):
        mnist()


# MNIST from the net, which is a server in this process


class Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def mirrors(tmp_path, monkeypatch, small_is_mnist):
    """A local server standing for two mirrors, /a/ and /b/, with an empty cache; yields it, to be given files."""
    pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HOTLOOP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.files, server.requests = {}, []
        server.packed = {f"{s}.gz": gzip.compress(idx_bytes(a)) for s, a in zip(STEMS, small_arrays(), strict=True)}
        server.cache = tmp_path / "cache" / "hotloop" / "mnist"
        base = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(_mnist, "_MIRRORS", (f"{base}/a/", f"{base}/b/"))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_mnist_download_fills_the_cache(mirrors):
    mirrors.files = {f"/a/{name}": content for name, content in mirrors.packed.items()}
    assert_small(mnist())
    assert len(mirrors.requests) == 4
    assert sorted(p.name for p in mirrors.cache.iterdir()) == sorted(mirrors.packed)
    assert_small(mnist())
    assert len(mirrors.requests) == 4


@pytest.mark.parametrize(
    "bad",
    [None, b"<html>log in first</html>", b"", gzip.compress(idx_bytes(np.zeros(3, "u1")))],
    ids=["missing", "page", "empty", "other data"],
)
def test_mnist_next_mirror_when_one_fails(mirrors, bad):
    mirrors.files = {f"/b/{name}": content for name, content in mirrors.packed.items()}
    if bad is not None:
        mirrors.files |= {f"/a/{name}": bad for name in mirrors.packed}
    assert_small(mnist())
    assert len(mirrors.requests) == 8


def test_mnist_mirror_may_unpack(mirrors):
    mirrors.files = {f"/a/{name}": gzip.decompress(content) for name, content in mirrors.packed.items()}
    assert_small(mnist())


def test_mnist_damaged_cache_is_replaced(mirrors):
    mirrors.files = {f"/a/{name}": content for name, content in mirrors.packed.items()}
    mnist()
    damaged = mirrors.cache / f"{STEMS[1]}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert_small(mnist())
    assert len(mirrors.requests) == 5


def test_mnist_no_mirror_answers(mirrors):
    with pytest.raises(FileNotFoundError) as caught:
        mnist()
    message = str(caught.value)
    for part in ("HOTLOOP_DATA is not set", str(mirrors.cache), "/a/train-images", "/b/train-images", "404", "path"):
        assert part in message
    assert list(mirrors.cache.iterdir()) == []


def test_mnist_no_network(mirrors, monkeypatch, tmp_path):
    monkeypatch.setenv("HOTLOOP_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(_mnist, "_MIRRORS", ("http://127.0.0.1:1/",))
    with pytest.raises(FileNotFoundError, match=r"not downloaded: \$HOTLOOP_DATA/mnist is '.*data/mnist'.*127.0.0.1"):
        mnist()


def test_mnist_without_pooch(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("HOTLOOP_DATA", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install hotloop\[data\]"):
        mnist()


# Bundled data


def bilinear(images):
    """(N, 28, 28) from (N, 8, 8), in floats."""
    centres = (np.arange(28) + 0.5) * 8 / 28 - 0.5
    weights = np.stack([np.interp(centres, np.arange(8), one) for one in np.eye(8)], axis=1)
    return weights @ images @ weights.T


def test_digits():
    datasets = pytest.importorskip("sklearn.datasets")
    (x_train, y_train), (x_test, y_test) = digits()
    assert x_train.shape == (1442, 28, 28) and y_train.shape == (1442,)
    assert x_test.shape == (355, 28, 28) and y_test.shape == (355,)
    assert all(a.dtype == np.uint8 for a in (x_train, y_train, x_test, y_test))
    assert x_train.max() == 255 and x_train.min() == 0
    bundled = datasets.load_digits()
    counts = np.bincount(bundled.target)
    assert np.bincount(y_test).tolist() == (counts // 5).tolist()
    assert np.bincount(y_train).tolist() == (counts - counts // 5).tolist()
    assert np.mean(np.diff(y_train) == 0) <= 0.2  # not sorted by class
    # Rows of the source (one in four, to be quick) are there once, enlarged right, with their label.
    x, y = np.concatenate([x_train, x_test]).reshape(1797, -1), np.concatenate([y_train, y_test])
    want = bilinear(bundled.images).reshape(1797, -1) * (255 / 16)
    for label in range(10):
        mine = x[y == label].astype(np.float64)
        partners = set()
        for row in want[bundled.target == label][::4]:
            errors = np.abs(mine - row).max(axis=1)
            assert errors.min() <= 0.5 + 1e-9
            partners.add(errors.argmin())
        assert len(partners) == (counts[label] + 3) // 4


def test_diabetes():
    datasets = pytest.importorskip("sklearn.datasets")
    (x_train, y_train), (x_test, y_test) = hotloop.data.diabetes()
    assert x_train.shape == (354, 10) and y_train.shape == (354,)
    assert x_test.shape == (88, 10) and y_test.shape == (88,)
    assert all(a.dtype == np.float32 for a in (x_train, y_train, x_test, y_test))
    assert np.abs(x_train.mean(axis=0)).max() <= 1e-6
    assert np.abs(x_train.std(axis=0) - 1).max() <= 1e-6
    raw = datasets.load_diabetes(scaled=False)
    assert sorted([*y_train, *y_test]) == sorted(raw.target)
    # One scaling for both sets: every column is an affine map of the raw one.
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    order, raw_order = (np.lexsort((*data.T, target)) for data, target in [(x, y), (raw.data, raw.target)])
    for column in range(10):
        scaled = x[order, column]
        slope, offset = np.polyfit(raw.data[raw_order, column], scaled, 1)
        assert np.abs(raw.data[raw_order, column] * slope + offset - scaled).max() <= 1e-5


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_bundled_is_deterministic(name):
    pytest.importorskip("sklearn")
    first, second = getattr(hotloop.data, name)(), getattr(hotloop.data, name)()
    for a, b in zip([*first[0], *first[1]], [*second[0], *second[1]], strict=True):
        np.testing.assert_array_equal(a, b)


def test_bundled_split_is_pinned():
    """The split may not drift with a new NumPy or scikit-learn: published accuracies hang on it."""
    pytest.importorskip("sklearn")
    assert digits()[0][1][:12].tolist() == [2, 8, 2, 6, 6, 7, 1, 9, 8, 5, 2, 8]
    assert hotloop.data.diabetes()[0][1][:5].tolist() == [59.0, 85.0, 137.0, 53.0, 51.0]


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_bundled_without_sklearn(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModuleNotFoundError, match=rf"^\[{name}\] .*pip install hotloop\[examples\]"):
        getattr(hotloop.data, name)()


def test_import_is_light():
    code = "import sys, hotloop.data, hotloop.io; print(*{'sklearn', 'pooch', 'requests', 'scipy'} & {*sys.modules})"
    paths = os.pathsep.join([str(Path(hotloop.data.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": paths}
    )
    assert result.stdout.strip() == ""
