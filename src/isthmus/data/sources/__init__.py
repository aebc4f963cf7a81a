"""Where rows come from: arrays, tables and pictures, in memory and in files, behind one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.data.sources.arrays import ArraySource, NpySource, NpzSource
from isthmus.data.sources.base import Block, Column, ColumnKind, Schema, Source
from isthmus.data.sources.images import PICTURES, IdxSource, ImageFolderSource, read_idx
from isthmus.data.sources.many import RemoteNpySource, SequenceSource, StackedSource
from isthmus.data.sources.patches import PatchSource, from_patches, to_patches
from isthmus.data.sources.places import FileList, Place, RemoteFile, is_location, locate
from isthmus.data.sources.sparse import CsrSource, SparseCodesSource, is_sparse_codes
from isthmus.data.sources.tables import (
    ArrowSource,
    CsvSource,
    FeatherSource,
    ParquetSource,
    TableSource,
    is_arrow,
    table_files,
)

__all__ = [
    "SUFFIXES",
    "ArraySource",
    "ArrowSource",
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
    "SequenceSource",
    "Source",
    "SparseCodesSource",
    "StackedSource",
    "TableSource",
    "from_patches",
    "is_arrow",
    "is_iterator",
    "is_location",
    "is_sequence",
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
    data : array-like, str, os.PathLike, list of paths, Source, or a data set of another library
        Rows of shape (n_rows, n_features), or pictures of shape (n_rows, height, width[, channels]); the path of a
        file of a format in `SUFFIXES`, of a folder of tables of one format, of a folder or a zip of pictures; a
        pattern such as ``"part-*.parquet"``, or a list of paths, of files that follow one another; a URL
        (``s3://``, ``gs://``, ``hdfs://``, ``file://``: what pyarrow reads) of a table, a folder of tables or a
        ``.npy``; a table or data set of pyarrow, a ``Dataset`` of Hugging Face, or anything with a length that gives
        an array for each number, as torch's data sets do; or a source, which is returned as it is.
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
    if not is_location(data):
        return _of_object(data, options)
    place = locate(data)
    kind = source_kind(place)
    _refuse_options(options, getattr(kind, "options", ()), str(place))
    source: Source = kind(place, **options)
    return source


def _of_object(data: Any, options: dict[str, Any]) -> Source:
    if is_arrow(data):
        return ArrowSource(data, **options)
    _refuse_options(options, (), type(data).__name__)
    if not isinstance(data, np.ndarray) and isinstance(data, Source):
        return data
    if is_iterator(data):
        raise InvalidDataError(
            f"a {type(data).__name__} can be read once, and rows are read more often; use partial_fit, or write a file"
        )
    return SequenceSource(data) if is_sequence(data) else ArraySource(data)


def is_iterator(data: object) -> bool:
    """Whether something can be read only once."""
    return hasattr(data, "__next__")


def is_sequence(data: object) -> bool:
    """Whether something gives rows by number as torch's data sets do, rather than being an array, a frame or a list."""
    gives = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    others = ("__array__", "__dataframe__", "columns", "column_names", "toarray", "read")
    return (
        gives and not isinstance(data, list | tuple | str | bytes | dict) and not any(hasattr(data, n) for n in others)
    )


def source_kind(where: Any) -> Any:
    """Return what reads what lies at a place, by its suffix or by what is in the folder."""
    path = locate(where)
    if isinstance(path, FileList):
        return _list_kind(path)
    kind = _folder_kind(path) if path.is_dir() else _kind_of(path)
    if kind is not ParquetSource:
        return kind
    file = table_files(path)[0]
    if not is_sparse_codes(file):
        return kind
    if path.is_dir():
        raise InvalidDataError(f"folders of sparse codes like {file.name} cannot be read; open one file of {path}")
    return SparseCodesSource


def _list_kind(places: FileList) -> Any:
    kinds = {_kind_of(file): file for file in places.files}
    if len(kinds) > 1:
        first, other = list(kinds.values())[:2]
        raise InvalidDataError(f"{places} are files of several formats, {first.name} and {other.name} among them")
    kind, file = next(iter(kinds.items()))
    if issubclass(kind, TableSource):
        return kind
    remote = isinstance(file, RemoteFile)
    if kind is NpySource and not remote:
        return lambda places: StackedSource([NpySource(file) for file in places.files], str(places))
    if len(places.files) == 1 and (kind is NpySource or not remote):
        return lambda places: (RemoteNpySource if remote else kind)(places.files[0])
    where = "of a remote file system" if remote else "in a list"
    raise InvalidDataError(f"files like {file.name} cannot be read {where}; pass one of them, or a folder, on a disk")


def _refuse_options(options: dict[str, Any], legal: tuple[str, ...], what: str) -> None:
    for name in options:
        if name not in legal:
            known = f"only {', '.join(legal)}" if legal else "no options"
            raise InvalidParameterError(f"{name}= does not apply to {what}, which takes {known}")


def _suffix(name: str) -> str | None:
    """Return the longest suffix in the table that the name ends with."""
    return max((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), key=len, default=None)


def _kind_of(path: Place) -> type[Any]:
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
    ".csv.zst": CsvSource,
    ".tsv": CsvSource,
    ".tsv.gz": CsvSource,
    ".tsv.zst": CsvSource,
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
