"""Whole tables with the types of their columns, from and to CSV, Parquet and Feather files."""

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
    """Return the table in a file.

    Raises
    ------
    MissingFileError, BrokenFileError, InvalidParameterError
        If the file does not exist, is damaged, or has a suffix that is not in `FORMATS`.
    """
    import pyarrow as pa

    read, _ = _format(path)
    if not Path(path).is_file():
        raise MissingFileError(f"{path} does not exist; check the spelling and the working directory")
    try:
        table = read(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BrokenFileError(f"{path} cannot be read as a table: {' '.join(str(error).split())[:200]}") from error
    if not table.num_rows or not table.num_columns:
        raise BrokenFileError(
            f"{path} has {table.num_rows} rows and {table.num_columns} columns; a table needs some of both"
        )
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise BrokenFileError(f"{path} has several columns named {twice[0]!r}; give each its own name")
    return table


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise an error if a table cannot be written to a path: before a long computation, not after it."""
    _format(path)
    check_writable(path)


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table atomically, in the format of the suffix of the file."""
    _, write = _format(path)
    with atomic_write(path) as file:
        write(table, file)


def _format(path: str | os.PathLike[str]) -> tuple[Callable[[Any], Any], Callable[[Any, BinaryIO], None]]:
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidParameterError(f"{path} has none of the suffixes {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _read_csv(path: Any) -> Any:
    from pyarrow import csv

    # An empty field is missing in a column of text too.
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
