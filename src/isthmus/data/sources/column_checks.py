"""Checks of the columns of a table's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError, suggest
from isthmus.data.sources.arrow_types import describe_type, is_numeric

_LISTED_NAMES = 8


@dataclass(frozen=True)
class Part:
    """One file of a table."""

    path: Any  # a path, a RemoteFile, or the name of an object
    fragment: Any  # pyarrow.dataset.Fragment
    fields: dict[str, Any]  # name -> pyarrow.DataType


def fields_of(file: Path, schema: Any) -> dict[str, Any]:
    """Return the Arrow type of each column of a file."""
    refuse_duplicates(file, schema.names)
    return {field.name: field.type for field in schema}


def refuse_duplicates(file: Path, names: Sequence[str]) -> None:
    """Raise InvalidDataError if a file has no columns, or two of one name."""
    if not names:
        raise InvalidDataError(f"{file} has no columns")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InvalidDataError(f"{file} has more than one column named {twice!r}; give each its own name")


def chosen_columns(path: Any, names: list[str], columns: Sequence[str] | None, drop: Sequence[str] | None) -> list[str]:
    """Return the columns to read, given the options `columns` and `drop`."""
    refuse_unknown("columns", path, names, columns)
    refuse_unknown("drop", path, names, drop)
    chosen = list(names if columns is None else columns)
    if len(set(chosen)) < len(chosen):
        raise InvalidParameterError(f"columns={chosen} names a column twice")
    kept = [name for name in chosen if name not in set(drop or ())]
    if not kept:
        raise InvalidParameterError(f"no column of {path} is left to read; choose some of {_listed(names)}")
    return kept


def refuse_unknown(what: str, where: object, names: Sequence[str], asked: Sequence[str] | None) -> None:
    """Raise InvalidParameterError if the option `what` asks for a name that a table does not have."""
    if isinstance(asked, str):
        raise InvalidParameterError(f"{what}={asked!r} is a string; pass a list, {what}=[{asked!r}]")
    for name in asked or ():
        if name not in names:
            raise InvalidParameterError(
                f"{what}: {where} has no column {name!r}, only {_listed(names)}{suggest(name, names)}"
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return ", ".join(repr(name) for name in names[:_LISTED_NAMES]) + more


def refuse_non_numeric(part: Part, names: Sequence[str]) -> None:
    """Raise InvalidDataError if a column of a file is not numeric."""
    wrong = [name for name in names if not is_numeric(part.fields[name])]
    if wrong:
        raise InvalidDataError(
            f"{part.path}: column {wrong[0]!r} holds {describe_type(part.fields[wrong[0]])}, but only numbers and "
            f"booleans can be read; convert it, or leave it out with drop=[{_listed(wrong)}]"
        )


def refuse_other_columns(first: Part, part: Part, names: Sequence[str]) -> None:
    """Raise BrokenFileError if a file does not have the columns of the first."""
    if missing := [name for name in names if name not in part.fields]:
        raise BrokenFileError(f"{part.path} has no column {missing[0]!r}, but {first.path.name} of this table has one")
    if set(part.fields) - set(first.fields):
        extra = next(name for name in part.fields if name not in first.fields)
        raise BrokenFileError(f"{part.path} has a column {extra!r}, but {first.path.name} of this table has none")
    refuse_non_numeric(part, names)
