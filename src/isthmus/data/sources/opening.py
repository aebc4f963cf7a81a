"""Rows of any form as a source: the format of a file or folder is found by its suffix."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.sparse import issparse

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.data.formats import SOURCES
from isthmus.data.frames import eager, labels_of, library_of, matrix_of
from isthmus.data.list_frames import spread_lists
from isthmus.data.sources.arrays import ArraySource, NpySource, NpzSource
from isthmus.data.sources.arrow import ArrowSource, is_arrow
from isthmus.data.sources.base import Column, Schema, Source, is_source
from isthmus.data.sources.columnar import ParquetSource
from isthmus.data.sources.images import ImageFolderSource
from isthmus.data.sources.many import RemoteNpySource, SequenceSource, StackedSource
from isthmus.data.sources.places import (
    FileList,
    RemoteFile,
    TextPath,
    is_location,
    known_suffix,
    locate,
    suffix_of,
    table_files,
)
from isthmus.data.sources.sparse import (
    CsrSource,
    SparseArchiveSource,
    SparseCodesSource,
    is_sparse_archive,
    is_sparse_codes,
    sparse_frame,
)
from isthmus.data.sources.streams import copied
from isthmus.data.sources.tables import TableSource
from isthmus.data.sources.walking import files_below


def open_source(
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] | None = None,
    key: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
    missing_values: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Source:
    """Return the rows of `data` as a source.

    Parameters
    ----------
    data : array-like, str, os.PathLike, list of paths, Source, or a data set of another library
        One of:

        * an array of rows of shape (n_rows, n_features), or of pictures of shape (n_rows, height, width[, channels]);
        * the path of a file of a format in `SOURCES`, of a folder of tables of one format or of ``.npy`` files, of a
          data set that Hugging Face saved to disk, or of a folder or a zip of pictures;
        * a pattern such as ``"part-*.parquet"``, or a list of paths, whose rows follow one another;
        * a URL that pyarrow reads (``s3://``, ``gs://``, ``hdfs://``, ``file://``) of a table, a folder of tables or a
          ``.npy`` file;
        * a table or data set of pyarrow, a ``Dataset`` of Hugging Face, or an object with a length that returns one
          array per index, such as a torch data set;
        * a source, which is returned unchanged.
    columns, drop : sequence of str or None
        For tables: the columns to read, in that order, and the columns to leave out.
    key : str or None
        For ``.npz`` and ``.safetensors`` files: the name of the array.
    encoding, delimiter, decimal, header, missing_values
        For tables in text: their layout, where the file does not show it; see `CsvSource`. ``header=False`` says that
        the first row holds values; `missing_values` lists spellings of missing cells besides the usual ones.
    kinds : mapping of str to str or None
        For tables in files and data sets: read columns of any type, see `TableSource`; without effect on other rows.

    Returns
    -------
    Source
        Rows are read from a file when they are asked for, except those of ``.npz`` and IDX files.

    Raises
    ------
    MissingFileError
        If the path does not exist.
    InvalidParameterError
        If no format has the suffix of the path, or the format does not take an option.
    InvalidDataError
        If the rows are not numbers, or a folder has no rows or several formats.
    BrokenFileError
        If a file is damaged or is not what its suffix says.
    """
    given = {
        "columns": columns,
        "drop": drop,
        "key": key,
        "encoding": encoding,
        "delimiter": delimiter,
        "decimal": decimal,
        "header": header,
        "missing_values": missing_values,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if isinstance(data, TextPath):
        options = data.layout | options
    if not is_location(data):
        return _of_object(data, options, kinds)
    data = copied(data)
    place = locate(data)
    kind = source_kind(place)
    _refuse_options(options, getattr(kind, "options", ()), str(place))
    if kinds is not None and isinstance(kind, type) and issubclass(kind, TableSource):
        options["kinds"] = kinds
    source: Source = kind(place, **options)
    weakref.finalize(source, id, data)  # the copy of a stream is kept as long as the source
    return source


def column_names(data: Any, **options: Any) -> list[str]:
    """Return the names of all columns of a table, with the options of `open_source`; [] for rows that have no names."""
    seen: list[str] = []

    def look(names: Sequence[str]) -> Sequence[str]:
        seen.extend(names)
        raise StopIteration

    try:
        open_source(data, columns=look, **options)  # type: ignore[arg-type]
    except StopIteration:
        return seen
    except InvalidParameterError:
        return []
    return []


def _of_object(data: Any, options: dict[str, Any], kinds: Mapping[str, str] | None) -> Source:
    data = eager(data)
    if is_arrow(data):
        return ArrowSource(data, kinds=kinds, **options)
    _refuse_options(options, (), type(data).__name__)
    if is_source(data):
        return data
    if is_iterator(data):
        raise InvalidDataError(
            f"a {type(data).__name__} can be read only once, and rows are read several times; use partial_fit, or "
            "write the rows to a file"
        )
    if issparse(data):
        return CsrSource(data)
    if library_of(data) is not None:
        return sparse_frame(data) or _of_frame(data)
    return SequenceSource(data) if is_sequence(data) else ArraySource(data)


def _of_frame(frame: Any) -> ArraySource:
    frame = spread_lists(frame)
    names = labels_of(frame)
    plain = ArraySource(matrix_of(frame))
    if not all(isinstance(name, str) for name in names):
        return plain
    columns = (Column(name, made.kind) for name, made in zip(names, plain.schema.columns, strict=True))
    return ArraySource(plain.values, schema=Schema(tuple(columns), named=True))


def is_iterator(data: object) -> bool:
    """Whether `data` can be read only once."""
    return hasattr(data, "__next__")


def is_sequence(data: object) -> bool:
    """Whether `data` returns one row per index, as torch data sets do, and is not an array, a frame or a list."""
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    indexed = indexed and not isinstance(data, list | tuple | str | bytes | dict)
    others = ("__array__", "__dataframe__", "columns", "column_names", "toarray", "read")
    return indexed and not any(hasattr(data, name) for name in others)


def source_kind(where: Any) -> Any:
    """Return the class that reads a location, by its suffix or by the files in the folder."""
    path = locate(where)
    if isinstance(path, FileList):
        return _list_kind(path)
    kind = _folder_kind(path) if path.is_dir() else _kind_of(path)
    if kind is NpzSource and is_sparse_archive(path):
        return SparseArchiveSource
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
        raise InvalidDataError(f"{places} are files of several formats, such as {first.name} and {other.name}")
    kind, file = next(iter(kinds.items()))
    if issubclass(kind, TableSource):
        return kind
    remote = isinstance(file, RemoteFile)
    if kind is ImageFolderSource and not remote and not any(suffix_of(one.name, (".zip",)) for one in places.files):
        return kind
    if kind is NpySource and not remote:
        return _stacked
    if len(places.files) == 1 and (kind is NpySource or not remote):
        return lambda places: (RemoteNpySource if remote else kind)(places.files[0])
    where = "from a remote file system" if remote else "from a list"
    raise InvalidDataError(f"files like {file.name} cannot be read {where}; pass one local file or folder")


def _stacked(places: FileList | Path) -> StackedSource:
    return StackedSource([NpySource(file) for file in table_files(places)], str(places))


def _say_passed_over(path: Path, reason: str) -> None:
    if not path.name.startswith(".") and not reason.endswith("which is read"):
        warnings.warn(f"{path} is not read: it is {reason}", IsthmusWarning, stacklevel=2)


def _refuse_options(options: dict[str, Any], accepted: tuple[str, ...], what: str) -> None:
    for name in options:
        if name not in accepted:
            known = f"only {', '.join(accepted)}" if accepted else "no options"
            raise InvalidParameterError(f"{name}= does not apply to {what}, which takes {known}")


def _kind_of(path: Path | RemoteFile) -> type[Any]:
    return SOURCES[known_suffix(path.name, SOURCES, f"{path} has", remedies=True)]


def _folder_kind(path: Path) -> Any:
    files = [file for file in files_below(path, passed_over=_say_passed_over) if not file.name.startswith(".")]
    kinds = {SOURCES[suffix]: file for file in files if (suffix := suffix_of(file.name, SOURCES))}
    if not kinds:
        example = f", only files like {files[0].name}" if files else ""
        raise InvalidDataError(f"the folder {path} holds no pictures and no tables{example}")
    if len(kinds) > 1:
        first, other = list(kinds.values())[:2]
        raise InvalidDataError(
            f"the folder {path} holds several formats, such as {first.name} and {other.name}; keep one in it"
        )
    kind, file = next(iter(kinds.items()))
    if kind is ImageFolderSource and file.suffix.lower() != ".zip":
        return kind
    if kind is NpySource:
        return _stacked
    if not issubclass(kind, TableSource):
        raise InvalidDataError(f"folders of files like {file.name} cannot be read; open one file of {path}")
    if stray := [file for file in table_files(path) if not suffix_of(file.name, SOURCES)]:
        raise InvalidDataError(f"the folder {path} holds {stray[0].name} next to tables like {file.name}; move it out")
    return kind
