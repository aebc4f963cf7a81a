"""Reading and writing of picture files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from isthmus.core.errors import BrokenFileError, MissingFileError
from isthmus.core.files import atomic_write
from isthmus.images.decoding import decode
from isthmus.images.encoding import WRITERS, encode
from isthmus.images.picture import Picture

SUFFIXES = tuple(WRITERS)


def read_picture(source: str | os.PathLike[str] | bytes, name: str | None = None) -> Picture:
    """Read a picture: PNG, JPEG, TIFF, BMP, GIF, WebP, PNM, AVIF or ``.npy``, recognised by its content.

    HEIC is read where the package pillow-heif is installed.

    Parameters
    ----------
    source : str, os.PathLike or bytes
        A path, or a file's content.
    name : str or None, default=None
        The name in error messages; None is the path.

    Returns
    -------
    Picture
        Palettes are converted to colours, or to greys if they have only greys, and a transparent colour to an alpha
        channel. An array of shape (height, width, 4) in a ``.npy`` file has alpha in its last channel. Of a JPEG with
        several pictures (MPO), the first is read.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    BrokenFileError
        If it cannot be opened, is empty, truncated or not a picture.
    InvalidDataError
        If it has several frames, pixels of an unsupported type (32-bit integers, Lab, 16-bit colours whose channels are
        stored separately), or more pixels than Pillow's limit of 179 million.
    """
    place = name or ("picture" if isinstance(source, bytes) else str(source))
    return decode(source if isinstance(source, bytes) else read_bytes(Path(source), place), place)


def read_bytes(path: Path, name: str) -> bytes:
    """Return a file's content; `name` is for error messages."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(f"{name} does not exist; check the spelling") from error
    except OSError as error:
        raise BrokenFileError(f"{name} cannot be opened: {error.strerror or error}") from error


def write_picture(picture: Picture, values: Any, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write new pixels to a file like that of a picture, atomically.

    Parameters
    ----------
    picture : Picture
        The picture that the pixels come from. Depth and alpha are kept. A file of the same format keeps all metadata:
        Exif with its orientation, colour profile, resolution, texts, a JPEG's quality. A file of another format gets
        Exif, colour profile and resolution; in TIFF, BMP, GIF, PNM and ``.npy``, which get no Exif, the pixels are
        turned as its orientation says.
    values : array-like of the shape of ``picture.values``
        Clipped to [0, 1] and rounded to the file's depth; floats are written unchanged.
    path : str or os.PathLike
        The file; its suffix gives the format. A picture with a palette is written without one, a GIF with a new one.
    overwrite : bool, default=False
        Replace an existing file.

    Raises
    ------
    ExistingFileError
        If the file exists and `overwrite` is false.
    InvalidParameterError
        If the suffix is unknown, or its format cannot store the picture's depth, alpha or colours.
    InvalidDataError
        If `values` has another shape, or values that are not finite.
    UnwritableError
        If the file cannot be written, or the picture is too large for the format.
    """
    content = encode(picture, values, str(path))
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(content)
