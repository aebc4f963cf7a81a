"""Whole tables from files and to them, with the columns' types: CSV, Parquet and Feather by way of Arrow."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from isthmus.core.errors import BrokenFileError, InvalidParameterError, MissingFileError
from isthmus.core.files import atomic_write, check_writable

if TYPE_CHECKING:
    import pyarrow as pa


def read_table(path: str | os.PathLike[str]) -> pa.Table:
    """Return the table that a file holds.

    Raises
    ------
    MissingFileError, BrokenFileError, InvalidParameterError
        Where there is no such file, it is damaged, or its suffix is of no format that is read here.
    """
    import pyarrow as pa

    read, _ = _format(path)
    if not Path(path).is_file():
        raise MissingFileError(f"there is no table {path}; check the spelling and the working directory")
    try:
        table = read(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BrokenFileError(f"{path} cannot be read as a table: {' '.join(str(error).split())[:200]}") from error
    if not table.num_rows or not table.num_columns:
        raise BrokenFileError(f"{path} has {table.num_rows} rows and {table.num_columns} columns; there is no table")
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise BrokenFileError(f"{path} has several columns named {twice[0]!r}; give each a name of its own")
    return table


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise, in one line, where a table could not be written: better before long work than after it."""
    _format(path)
    check_writable(path)


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table, whole or not at all, in the format of the file's suffix."""
    _, write = _format(path)
    with atomic_write(path) as file:
        write(table, file)


def _format(path: str | os.PathLike[str]) -> tuple[Callable[[Any], Any], Callable[[Any, BinaryIO], None]]:
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidParameterError(f"{path} is no table by its name; known are {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _read_csv(path: Any) -> Any:
    from pyarrow import csv

    # An empty field is a hole in a column of text too.
    return csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))


def _write_csv(table: Any, file: BinaryIO) -> None:
    from pyarrow import csv

    csv.write_csv(table, file)


def _read_parquet(path: Any) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path, partitioning=None)


def _write_parquet(table: Any, file: BinaryIO) -> None:
    from pyarrow import parquet

    parquet.write_table(table, file)


def _read_feather(path: Any) -> Any:
    from pyarrow import feather

    table = feather.read_table(path)
    table.validate(full=True)  # a column may claim more cells than the file has
    return table


def _write_feather(table: Any, file: BinaryIO) -> None:
    from pyarrow import feather

    feather.write_feather(table, file)


FORMATS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, BinaryIO], None]]] = {
    ".csv": (_read_csv, _write_csv),
    ".parquet": (_read_parquet, _write_parquet),
    ".feather": (_read_feather, _write_feather),
}
