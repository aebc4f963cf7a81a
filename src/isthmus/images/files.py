"""Any picture file as an array of floats, and the array as a file of the same kind."""

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
    """Read a picture: PNG, JPEG, TIFF, BMP, GIF, WebP, PNM or ``.npy``, by its content and whatever its name says.

    Parameters
    ----------
    source : str, os.PathLike or bytes
        A file, or what is in one.
    name : str or None, default=None
        What messages call it; the path, unless given.

    Returns
    -------
    Picture
        A palette is resolved into colours, or into greys if it has no others, and a transparent colour into an alpha
        channel. An array of shape (height, width, 4) from a ``.npy`` file has alpha in its last channel. Of a phone's
        JPEG with further pictures behind it (MPO) the first is read.

    Raises
    ------
    MissingFileError
        If there is no such file.
    BrokenFileError
        If it cannot be opened, is empty, cut off or no picture.
    InvalidDataError
        If it holds several frames, has pixels of a kind that is not read (32-bit integers, Lab, 16-bit colours whose
        channels are stored apart), or more of them than Pillow's limit of 179 million.
    """
    place = name or ("picture" if isinstance(source, bytes) else str(source))
    if isinstance(source, bytes):
        return decode(source, place)
    try:
        content = Path(source).read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(f"{place} does not exist; check the spelling") from error
    except OSError as error:
        raise BrokenFileError(f"{place} cannot be opened: {error.strerror or error}") from error
    return decode(content, place)


def write_picture(picture: Picture, values: Any, path: str | os.PathLike[str]) -> None:
    """Write other pixels into a file like a picture's: whole or not at all.

    Parameters
    ----------
    picture : Picture
        What the pixels come from. Depth and alpha are kept and, in a file of the same format, all that it says beside
        pixels: Exif with its orientation, colour profile, resolution, texts, a JPEG's quality. A file of another format
        gets Exif (not a TIFF), colour profile and resolution.
    values : array-like of the shape of ``picture.values``
        Cut off at 0 and 1 and rounded to the file's depth; floats are written as they are.
    path : str or os.PathLike
        Where to; the suffix tells the format. What had a palette is written without one, in a GIF with one of its own.

    Raises
    ------
    InvalidParameterError
        If the suffix is of no format, or of one that has no room for the picture's depth, alpha or inks.
    InvalidDataError
        If `values` have another shape or are not finite.
    UnwritableError
        If the file cannot be written, or the picture is too large for the format.
    """
    content = encode(picture, values, str(path))
    with atomic_write(path) as file:
        file.write(content)
