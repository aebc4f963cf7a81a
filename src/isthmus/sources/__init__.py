"""Where rows come from: arrays, tables and pictures, in memory and in files, behind one protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.sources.arrays import ArraySource, NpySource, NpzSource, existing
from isthmus.sources.base import Block, Column, ColumnKind, Schema, Source
from isthmus.sources.images import PICTURES, IdxSource, ImageFolderSource, read_idx
from isthmus.sources.patches import PatchSource, from_patches, to_patches
from isthmus.sources.sparse import CsrSource, SparseCodesSource, is_sparse_codes
from isthmus.sources.tables import CsvSource, FeatherSource, ParquetSource, TableSource, table_files

__all__ = [
    "SUFFIXES",
    "ArraySource",
    "Block",
    "Column",
    "ColumnKind",
    "CsrSource",
    "CsvSource",
    "FeatherSource",
    "IdxSource",
    "ImageFolderSource",
    "NpySource",
    "NpzSource",
    "ParquetSource",
    "PatchSource",
    "Schema",
    "Source",
    "SparseCodesSource",
    "TableSource",
    "from_patches",
    "open_source",
    "read_idx",
    "source_kind",
    "to_patches",
]


def open_source(
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] | None = None,
    key: str | None = None,
) -> Source:
    """Return the rows of `data` as a source.

    Parameters
    ----------
    data : array-like, str, os.PathLike or Source
        Rows of shape (n_rows, n_features), or pictures of shape (n_rows, height, width[, channels]); the path of a
        file of a format in `SUFFIXES`, of a folder of tables of one format, of a folder or a zip of pictures; or a
        source, which is returned as it is.
    columns, drop : sequence of str or None
        For tables: the columns to read, in that order, and those to leave out.
    key : str or None
        For ``.npz``: the name of the array.

    Returns
    -------
    Source
        Files are looked at, and read when their rows are asked for, save ``.npz`` and IDX.

    Raises
    ------
    MissingFileError
        If the path leads nowhere.
    InvalidParameterError
        If no format has the path's suffix, or an option is not one of the format's.
    InvalidDataError
        If the rows are not numbers, or a folder holds no rows or several formats.
    BrokenFileError
        If a file is damaged or is not what its suffix says.
    """
    given = {"columns": columns, "drop": drop, "key": key}
    options = {name: value for name, value in given.items() if value is not None}
    if not isinstance(data, str | os.PathLike):
        _refuse_options(options, (), type(data).__name__)
        is_source = not isinstance(data, np.ndarray) and isinstance(data, Source)
        return data if is_source else ArraySource(data)
    kind = source_kind(data)
    path = Path(data)
    _refuse_options(options, kind.options, str(path))
    source: Source = kind(path, **options)
    return source


def source_kind(where: str | os.PathLike[str]) -> type[Any]:
    """Return the class that reads what lies at a path, by its suffix or by what is in the folder."""
    if "://" in os.fspath(where):
        raise InvalidParameterError(f"{where} is a URL, which cannot be read yet; fetch it and pass the file's path")
    path = existing(where)
    kind = _folder_kind(path) if path.is_dir() else _kind_of(path)
    if kind is not ParquetSource:
        return kind
    file = table_files(path)[0]
    if not is_sparse_codes(file):
        return kind
    if path.is_dir():
        raise InvalidDataError(f"folders of sparse codes like {file.name} cannot be read; open one file of {path}")
    return SparseCodesSource


def _refuse_options(options: dict[str, Any], legal: tuple[str, ...], what: str) -> None:
    for name in options:
        if name not in legal:
            known = f"only {', '.join(legal)}" if legal else "no options"
            raise InvalidParameterError(f"{name}= does not apply to {what}, which takes {known}")


def _suffix(name: str) -> str | None:
    """Return the longest suffix in the table that the name ends with."""
    return max((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), key=len, default=None)


def _kind_of(path: Path) -> type[Any]:
    suffix = _suffix(path.name)
    if suffix is None:
        found = path.suffix or path.name
        raise InvalidParameterError(
            f"{path} has none of the suffixes {', '.join(SUFFIXES)}{suggest(found.lower(), SUFFIXES)}"
        )
    return SUFFIXES[suffix]


def _folder_kind(path: Path) -> type[Any]:
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    kinds = {SUFFIXES[suffix]: file for file in files if (suffix := _suffix(file.name))}
    if not kinds:
        example = f", but files like {files[0].name}" if files else ""
        raise InvalidDataError(f"the folder {path} holds no pictures and no tables{example}")
    if len(kinds) > 1:
        first, other = list(kinds.values())[:2]
        raise InvalidDataError(
            f"the folder {path} holds several formats, {first.name} and {other.name} among them; keep one in it"
        )
    kind, file = next(iter(kinds.items()))
    if kind is ImageFolderSource and file.suffix.lower() != ".zip":
        return kind
    if not issubclass(kind, TableSource):
        raise InvalidDataError(f"folders of files like {file.name} cannot be read; open one file of {path}")
    if stray := [file for file in table_files(path) if not _suffix(file.name)]:
        raise InvalidDataError(f"the folder {path} holds {stray[0].name} beside tables like {file.name}; move it out")
    return kind


SUFFIXES: dict[str, type[Any]] = {
    ".npy": NpySource,
    ".npz": NpzSource,
    ".csv": CsvSource,
    ".csv.gz": CsvSource,
    ".tsv": CsvSource,
    ".tsv.gz": CsvSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
    ".feather": FeatherSource,
    ".arrow": FeatherSource,
    ".idx": IdxSource,
    ".idx.gz": IdxSource,
    "-ubyte": IdxSource,
    "-ubyte.gz": IdxSource,
    ".zip": ImageFolderSource,
    **dict.fromkeys(PICTURES, ImageFolderSource),
}
