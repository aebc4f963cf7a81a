"""Whole tables with the types of their columns, from and to CSV, Parquet and Feather files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.core.errors import BrokenFileError, InvalidParameterError, MissingFileError
from isthmus.core.files import atomic_write, check_writable

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".csv", ".parquet", ".feather")


def read_table(path: str | os.PathLike[str]) -> pa.Table:
    """Return the table in a file.

    Raises
    ------
    MissingFileError, BrokenFileError, InvalidParameterError
        If the file does not exist, is damaged, or has a suffix that is not in `FORMATS`.
    """
    import pyarrow as pa

    suffix = _suffix(path)
    if not Path(path).is_file():
        raise MissingFileError(f"{path} does not exist; check the spelling and the working directory")
    try:
        table = _read(path, suffix)
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


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool = False, reads: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Raise an error if a table cannot be written to a path: before a long computation, not after it."""
    _suffix(path)
    check_writable(path, overwrite=overwrite, reads=reads)


def write_table(table: pa.Table, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a table atomically, in the format of the suffix of the file."""
    from pyarrow import csv, feather, parquet

    writers = {".csv": csv.write_csv, ".parquet": parquet.write_table, ".feather": feather.write_feather}
    write = writers[_suffix(path)]
    with atomic_write(path, overwrite=overwrite) as file:
        write(table, file)


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidParameterError(f"{path} has none of the suffixes {', '.join(FORMATS)}")
    return suffix


def _read(path: Any, suffix: str) -> Any:
    from pyarrow import csv, feather, parquet

    if suffix == ".csv":
        # An empty field is missing in a column of text too.
        return csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    if suffix == ".parquet":
        return parquet.read_table(path, partitioning=None)
    table = feather.read_table(path)
    table.validate(full=True)  # a column may claim more cells than the file has
    return table
