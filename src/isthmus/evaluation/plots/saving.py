"""Figures written to files: the same figure is the same file, to the byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidParameterError, suggest
from isthmus.core.files import atomic_write


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200) -> None:
    """Write a figure to a file, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : path-like
        Where; the suffix says how: ``.png`` for screens, ``.svg`` or ``.pdf`` for print, in vectors save for clouds of
        points and pictures.
    dpi : int
        Dots per inch of pixels.

    Raises
    ------
    InvalidParameterError
        For another suffix.
    UnwritableError
        Where the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InvalidParameterError(
            f"{path} does not end in one of {', '.join(_FORMATS)}, which say how to write a figure"
            f"{suggest(suffix, _FORMATS)}"
        )
    # Type 42 keeps text as text, as publishers ask; dates and random ids would make equal figures unequal files.
    settings: dict[Any, Any] = {"pdf.fonttype": 42, "svg.hashsalt": "isthmus"}
    with atomic_write(path) as file, mpl.rc_context(settings):
        figure.savefig(file, format=suffix[1:], dpi=dpi, facecolor=figure.get_facecolor(), metadata=_FORMATS[suffix])


# What matplotlib would write into the file by itself, such as today's date, kept out of it.
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
