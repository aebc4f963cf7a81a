"""Arrow columns: their types, their values as numbers, and checks of the columns of a table's files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import (
    BrokenFileError,
    InvalidDataError,
    InvalidParameterError,
    IsthmusError,
    MissingFileError,
    suggest,
)
from isthmus.core.signatures import content_of
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.base import ColumnKind

_LISTED_NAMES = 8


def is_numeric(kind: Any) -> bool:
    """Whether values of an Arrow type can be read as numbers."""
    from pyarrow import types

    checks = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(check(kind) for check in checks)


def is_bytes(kind: Any) -> bool:
    """Whether an Arrow type is that of bytes."""
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def describe_type(kind: Any) -> str:
    """Return an Arrow type in words, for messages."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return "categories"
    if types.is_temporal(kind):
        return f"dates or times ({kind})"
    if is_bytes(kind):
        return f"bytes ({kind})"
    if types.is_nested(kind):
        return f"nested values ({kind})"
    return f"text ({kind})" if types.is_string(kind) or types.is_large_string(kind) else f"{kind} values"


def numpy_type(kind: Any) -> np.dtype[Any]:
    """Return the narrowest NumPy type that holds a numeric Arrow type."""
    from pyarrow import types

    if types.is_boolean(kind):
        return np.dtype(np.uint8)
    if types.is_decimal(kind) or types.is_null(kind):
        return np.dtype(np.float64)
    dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return dtype


def column_kind(kinds: Sequence[Any]) -> ColumnKind:
    """Return the kind of a column that has these Arrow types in the files of a table."""
    from pyarrow import types

    if all(types.is_boolean(kind) for kind in kinds):
        return "boolean"
    return "integer" if all(types.is_integer(kind) or types.is_boolean(kind) for kind in kinds) else "real"


def numbers(column: Any) -> NDArray[Any]:
    """Return an Arrow column as NumPy numbers; booleans are uint8, and missing cells make it float64 with NaN."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not pa.types.is_floating(column.type) and (column.null_count or not pa.types.is_integer(column.type)):
        # Unsafe: integers above 2**53 are rounded, as by NumPy.
        column = column.cast(pa.float64(), safe=False)
    return np.asarray(column.to_numpy(zero_copy_only=False))


@contextmanager
def reading(path: Any) -> Iterator[None]:
    """Raise errors of pyarrow as one-line errors that name the file."""
    import pyarrow as pa

    try:
        yield
    except IsthmusError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} was removed while it was read") from error
    except (pa.ArrowException, ValueError, OSError) as error:
        message = said_of(error)
        other = content_of(path) if hasattr(path, "open") else None
        what = f"cannot be read: {message[:300]}" if other is None else f"is not what its suffix says but {other}"
        raise BrokenFileError(f"{path} {what}") from error


def said_of(error: Exception) -> str:
    """Return in one line what an error of reading says, without the file."""
    message = re.sub(r"^Could not open .*?: Invalid: ", "", one_line(error))
    if re.search("zlib inflate failed|Not a gzipped file|while decompressing", message):
        return "its gzip stream is damaged, or other bytes follow it; unpack it, for example with gzip -d"
    return re.sub(r"Row #(\d+):", r"row \1:", message)


@dataclass(frozen=True)
class Part:
    """One file of a table."""

    path: Any  # a path, a RemoteFile, or the name of an object
    fragment: Any  # pyarrow.dataset.Fragment
    fields: dict[str, Any]  # name -> pyarrow.DataType
    index: frozenset[str] = frozenset()  # the columns that pandas wrote as its index


def fields_of(file: Path, schema: Any) -> dict[str, Any]:
    """Return the Arrow type of each column of a file."""
    refuse_duplicates(file, schema.names)
    return {field.name: field.type for field in schema}


def refuse_duplicates(file: Any, names: Sequence[str]) -> None:
    """Raise InvalidDataError if a file has no columns, or two of one name."""
    if not names:
        raise InvalidDataError(f"{file} has no columns")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InvalidDataError(f"{file} has more than one column named {twice!r}; give each its own name")


def chosen_columns(path: Any, names: list[str], columns: Any, drop: Sequence[str] | None) -> list[str]:
    """Return the columns to read, given the options `columns`, which may be a function of all names, and `drop`."""
    columns = columns(names) if callable(columns) else columns
    refuse_unknown("columns", path, names, columns)
    refuse_unknown("drop", path, names, drop)
    chosen = list(names if columns is None else columns)
    if len(set(chosen)) < len(chosen):
        raise InvalidParameterError(f"columns={chosen} names a column twice")
    kept = [name for name in chosen if name not in set(drop or ())]
    if not kept:
        raise InvalidParameterError(f"no column of {path} is left to read; choose some of {listed(names)}")
    return kept


def refuse_unknown(what: str, where: object, names: Sequence[str], asked: Sequence[str] | None) -> None:
    """Raise InvalidParameterError if the option `what` asks for a name that a table does not have."""
    if isinstance(asked, str):
        raise InvalidParameterError(f"{what}={asked!r} is a string; pass a list, {what}=[{asked!r}]")
    for name in asked or ():
        if name not in names:
            raise InvalidParameterError(
                f"{what}: {where} has no column {name!r}, only {listed(names)}{suggest(name, names)}"
            )


def listed(names: Sequence[str]) -> str:
    """Return names for a message, at most eight."""
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return ", ".join(repr(name) for name in names[:_LISTED_NAMES]) + more


def refuse_non_numeric(part: Part, names: Sequence[str]) -> None:
    """Raise InvalidDataError if a column of a file is not numeric."""
    wrong = [name for name in names if not is_numeric(part.fields[name])]
    if wrong:
        raise InvalidDataError(
            f"{part.path}: column {wrong[0]!r} holds {describe_type(part.fields[wrong[0]])}, but only numbers and "
            f"booleans can be read; convert it, or leave it out with drop=[{listed(wrong)}]"
        )


def refuse_other_columns(first: Part, part: Part, names: Sequence[str]) -> None:
    """Raise BrokenFileError if a file does not have the columns of the first."""
    if missing := [name for name in names if name not in part.fields]:
        raise BrokenFileError(f"{part.path} has no column {missing[0]!r}, but {first.path.name} of this table has one")
    if extras := [name for name in part.fields if name not in first.fields and name not in part.index]:
        extra = extras[0]
        raise BrokenFileError(f"{part.path} has a column {extra!r}, but {first.path.name} of this table has none")
