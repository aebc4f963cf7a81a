"""What every source of rows is: the protocol the engine reads through, whatever the format behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

ColumnKind = Literal["real", "integer", "boolean", "category"]


@dataclass(frozen=True)
class Column:
    """One column: its name, what kind of value it holds, and its categories where it is categorical."""

    name: str
    kind: ColumnKind = "real"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The columns of a source and, where its rows are pictures, their shape.

    Parameters
    ----------
    columns : tuple of Column
        One per column of the rows that `Source.blocks` yields.
    named : bool
        Whether the names came with the data (a table's header) or were made up (``x0``, ``x1``, …).
    image_shape : tuple of int or None
        ``(height, width)`` or ``(height, width, channels)`` where a row is a flattened picture.
    """

    columns: tuple[Column, ...]
    named: bool = False
    image_shape: tuple[int, ...] | None = None

    @property
    def n_features(self) -> int:
        """The width of a row."""
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)


class Block(NamedTuple):
    """Consecutive rows of a source, in its own type."""

    values: NDArray[np.generic]  # (rows, n_features)
    start: int  # the number of the first of them in the source


@runtime_checkable
class Source(Protocol):
    """Where rows come from.

    A source knows nothing of networks, scaling or batches. Its rows have one numeric `dtype`, as narrow as the
    format holds them (uint8 pictures stay uint8).
    """

    schema: Schema
    dtype: np.dtype[np.generic]
    n_rows: int | None  # None where only reading it through tells
    random_access: bool  # whether `take` works without reading what lies between

    @property
    def fingerprint(self) -> str:
        """A cheap hash of size and content, the same for the same rows, so that a checkpoint can refuse others."""
        ...

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows ``start`` to ``stop`` in order, in blocks of bounded size."""
        ...

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        ...
