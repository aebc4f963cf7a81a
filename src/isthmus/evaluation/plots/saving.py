"""Saving figures: equal figures give byte-identical files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidParameterError, suggest
from isthmus.core.files import atomic_write


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200) -> None:
    """Write a figure to a file, atomically.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : path-like
        Target file; its suffix is the format: ``.png``, or ``.svg`` and ``.pdf``, which are vector graphics except for
        scattered points and pictures.
    dpi : int
        Resolution of pixels, in dots per inch.

    Raises
    ------
    InvalidParameterError
        If the suffix is another one.
    UnwritableError
        If the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InvalidParameterError(
            f"path={str(path)!r} must end in one of {', '.join(_FORMATS)}{suggest(suffix, _FORMATS)}"
        )
    # Type 42 keeps text as text, as publishers require; dates and random ids would make files of equal figures differ.
    settings: dict[Any, Any] = {"pdf.fonttype": 42, "svg.hashsalt": "isthmus"}
    with atomic_write(path) as file, mpl.rc_context(settings):
        figure.savefig(file, format=suffix[1:], dpi=dpi, facecolor=figure.get_facecolor(), metadata=_FORMATS[suffix])


# Metadata that matplotlib writes by default, such as the date, is left out.
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
