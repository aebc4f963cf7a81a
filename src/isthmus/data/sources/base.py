"""The protocol of a source of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import getattr_static
from typing import Literal, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

ColumnKind = Literal["real", "integer", "boolean", "category"]


@dataclass(frozen=True)
class Column:
    """One column: its name, the kind of its values, and its categories if it is categorical."""

    name: str
    kind: ColumnKind = "real"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The columns of a source and, if its rows are pictures, their shape.

    Parameters
    ----------
    columns : tuple of Column
        One per column of the rows that `Source.blocks` yields.
    named : bool
        Whether the data has names, such as the header of a table; otherwise they are ``x0``, ``x1``, ….
    image_shape : tuple of int or None
        ``(height, width)`` or ``(height, width, channels)`` if a row is a flattened picture.
    categories : tuple of (int, int)
        For each category of an encoded table the first of its one-hot columns and the one after its last.
    sparse : bool
        Whether the rows are kept without their zeros; such a source has `csr` besides `take`.
    column_of : tuple of int
        For each column of an encoded table the number of the table's column that it comes from; empty if there is one
        for each.
    """

    columns: tuple[Column, ...]
    named: bool = False
    image_shape: tuple[int, ...] | None = None
    categories: tuple[tuple[int, int], ...] = ()
    sparse: bool = False
    column_of: tuple[int, ...] = ()

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns in order."""
        return tuple(column.name for column in self.columns)


class Block(NamedTuple):
    """Consecutive rows of a source, in its own type."""

    values: NDArray[np.generic]  # (rows, n_features)
    start: int  # the number of the first row in the source


@runtime_checkable
class Source(Protocol):
    """Rows that are read in blocks or by number.

    All rows have one numeric `dtype`, the narrowest of the format: uint8 pictures stay uint8. NaN is a missing cell.
    """

    schema: Schema
    dtype: np.dtype[np.generic]
    n_rows: int | None  # None if it is unknown until all rows are read
    random_access: bool  # whether `take` reads only the rows it returns

    @property
    def fingerprint(self) -> str:
        """A cheap hash of size and content, the same for the same rows, by which a checkpoint recognises its data."""
        ...

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` (None: to the end) in order, in blocks of bounded size."""
        ...

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        ...


def name_of(source: Source) -> str:
    """Return what a message calls a source: the path that it reads, or "the source"."""
    return str(getattr(source, "path", "the source"))


def is_source(value: object) -> TypeGuard[Source]:
    """Whether a value is a source; in Python 3.11 ``isinstance`` would read rows for the fingerprint."""
    names = ("schema", "dtype", "n_rows", "random_access", "fingerprint", "blocks", "take")
    if isinstance(value, type | np.ndarray):
        return False
    return all(getattr_static(value, name, value) is not value for name in names)
