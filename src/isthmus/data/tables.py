"""Whole tables with the types of their columns, from and to text, Parquet and Feather files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError
from isthmus.core.files import atomic_write, check_writable, is_stream
from isthmus.data.formats import SINKS, SOURCES
from isthmus.data.sinks.text import CsvSink
from isthmus.data.sources.arrow_columns import reading, refuse_duplicates
from isthmus.data.sources.layout import TextOptions
from isthmus.data.sources.list_columns import pandas_index
from isthmus.data.sources.places import FileList, Place, TextPath, known_suffix, locate
from isthmus.data.text_table import TextTable

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT = (".csv", ".tsv")
_ARROW = (".parquet", ".pq", ".feather", ".arrow")
FORMATS = tuple(suffix for suffix in SINKS if suffix.startswith((*_TEXT, *_ARROW)))
READABLE = tuple(suffix for suffix in SOURCES if suffix.startswith((*_TEXT, *_ARROW)))
STDOUT = "-"


class Table(Protocol):
    """A whole table in memory, with what is needed to write it as it was."""

    n_rows: int

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        ...

    @property
    def default_names(self) -> list[str]:
        """The names of all columns but the labels of rows, such as the index of pandas."""
        ...

    def typed(self, names: Sequence[str], kinds: Mapping[str, str] | None = None) -> Any:
        """Return columns as an Arrow table, null where a cell is missing."""
        ...

    def refuse_bad_numbers(self, names: Sequence[str]) -> None:
        """Raise InvalidDataError for a cell that is no number in a column where nearly all cells are."""
        ...


class ArrowTable:
    """A table whose file states the types of its columns."""

    def __init__(self, file: Place, suffix: str) -> None:
        from pyarrow import feather, parquet

        with reading(file), file.open("rb") as stream:
            if suffix in (".parquet", ".pq"):
                self.table: Any = parquet.read_table(stream, partitioning=None)
            else:
                self.table = feather.read_table(stream)
                self.table.validate(full=True)  # a column may claim more cells than the file has
        refuse_duplicates(file, self.table.column_names)
        self.n_rows: int = self.table.num_rows

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return list(self.table.column_names)

    @property
    def default_names(self) -> list[str]:
        """The names of all columns but the index of pandas."""
        index = pandas_index(self.table.schema)
        return [name for name in self.names if name not in index]

    def typed(self, names: Sequence[str], kinds: Mapping[str, str] | None = None) -> Any:
        """Return columns as they are."""
        return self.table.select(list(names))

    def refuse_bad_numbers(self, names: Sequence[str]) -> None:
        """Do nothing: the types of the columns are known."""


def open_table(path: str | os.PathLike[str], **options: Any) -> Table:
    """Return the table in a file.

    Parameters
    ----------
    path : str or os.PathLike
        One file, or a URL of one, with a suffix in `READABLE`.
    **options
        Of a table in text, the fields of `TextOptions`.

    Raises
    ------
    MissingFileError, BrokenFileError, InvalidDataError, InvalidParameterError
        If the file does not exist, is damaged, has no rows, or has another suffix.
    """
    options = (path.layout if isinstance(path, TextPath) else {}) | options
    place: Any = locate(path)
    if isinstance(place, FileList) and len(place.files) == 1:
        place = place.files[0]
    if isinstance(place, FileList) or place.is_dir():
        raise InvalidDataError(f"{path} is more than one file; fill the files of a table one by one")
    suffix = known_suffix(place.name, READABLE, f"{place} has")
    table: Table
    if suffix.startswith(_TEXT):
        table = TextTable(place, TextOptions(**options))
    elif options:
        raise InvalidParameterError(f"{next(iter(options))}= does not apply to {place}, which is no text")
    else:
        table = ArrowTable(place, suffix)
    if not table.n_rows or not table.names:
        raise BrokenFileError(
            f"{place} has {table.n_rows} rows and {len(table.names)} columns; a table needs some of both"
        )
    return table


def read_table(path: str | os.PathLike[str], **options: Any) -> pa.Table:
    """Return the columns that may be filled, all but the labels of rows, as an Arrow table; see `open_table`."""
    table = open_table(path, **options)
    table.refuse_bad_numbers(table.default_names)
    return table.typed(table.default_names)


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool = False, reads: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Raise an error if a table cannot be written to a path: before a long computation, not after it."""
    if os.fspath(path) != STDOUT:
        _sink(path)
        check_writable(path, overwrite=overwrite, reads=reads)


def write_table(table: pa.Table, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write an Arrow table atomically, in the format of the suffix of the file."""
    import pyarrow as pa
    from pyarrow import csv, feather, parquet

    kind = _sink(path)
    if issubclass(kind, CsvSink):
        text = pa.BufferOutputStream()
        csv.write_csv(table, text, csv.WriteOptions(delimiter=kind.delimiter))
        _write(text.getvalue().to_pybytes(), path, overwrite=overwrite)
        return
    with atomic_write(path, overwrite=overwrite) as file:
        (parquet.write_table if kind.__name__.startswith("Parquet") else feather.write_feather)(table, file)


def write_filled(
    table: Table, before: pa.Table, filled: pa.Table, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a table with some of its cells filled in; text to text changes nothing else, to the byte.

    Parameters
    ----------
    table : Table
        The table.
    before, filled : pyarrow.Table
        Columns of it, with and without missing cells.
    path : str or os.PathLike
        The file to write, or ``"-"`` for stdout.
    overwrite : bool
        Whether an existing file is replaced.
    """
    if isinstance(table, TextTable) and issubclass(kind := _sink(path), CsvSink):
        cells = {name: new_cells(before[name], filled[name]) for name in filled.column_names}
        _write(table.filled(cells, _delimiter(table, path, kind)), path, overwrite=overwrite)
        return
    whole = table.typed(table.names)
    for name in filled.column_names:
        index = whole.schema.get_field_index(name)
        whole = whole.set_column(index, whole.schema.field(index).with_type(filled[name].type), filled[name])
    write_table(whole, path, overwrite=overwrite)


def new_cells(before: Any, filled: Any) -> dict[int, Any]:
    """Return the rows and values of the cells that were missing and are filled."""
    import numpy as np

    rows = np.flatnonzero(np.asarray(before.is_null()) & np.asarray(filled.is_valid()))
    return dict(zip(rows.tolist(), filled.take(rows).to_pylist(), strict=True))


def _delimiter(table: TextTable, path: str | os.PathLike[str], kind: type[CsvSink]) -> str | None:
    """Return the delimiter to write: that of the table, unless the suffix says otherwise."""
    own = table.layout.delimiter
    tabs = kind.delimiter == "\t"
    if os.fspath(path) == STDOUT or is_stream(path) or tabs == (own == "\t"):
        return None
    if tabs:
        return "\t"
    was_csv = ".csv" in table.file.name.lower()
    return None if was_csv else ";" if table.layout.decimal == "," else ","


def _write(text: bytes, path: str | os.PathLike[str], *, overwrite: bool) -> None:
    if os.fspath(path) == STDOUT:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    compress = _sink(path).compress
    with atomic_write(path, overwrite=overwrite) as file:
        if compress is None:
            file.write(text)
        else:
            with compress(file) as stream:
                stream.write(text)


def _sink(path: str | os.PathLike[str]) -> Any:
    if os.fspath(path) == STDOUT or is_stream(path):
        return CsvSink
    return SINKS[known_suffix(Path(path).name, FORMATS, f"{path} has")]
