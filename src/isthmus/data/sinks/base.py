"""The base class of the formats that rows are written in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError


class Sink(ABC):
    """A file that is being written; a subclass writes the blocks of one format.

    Parameters
    ----------
    file : binary file
        Open for writing; the caller closes it.
    names : sequence of str
        One per column; none where all columns are kept ones, such as those of a decoded table.
    dtype : dtype-like
        The type of the rows in the file.
    kept : pyarrow.Schema or None
        Columns of any type to write before the others.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        self.file = file
        self.names = [str(name) for name in names]
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.kept = kept
        self.n_rows = 0
        names = [] if kept is None else kept.names
        for place, field in enumerate(kept or ()):
            if field.name in self._columns() or field.name in names[:place]:
                raise InvalidParameterError(
                    f"keep: {field.name!r} is also the name of a column of the result; rename the kept column"
                )
            self._check_kept(field)

    def _columns(self) -> Sequence[str]:
        """Return the names of the columns of the rows in the file."""
        return self.names

    def _check_kept(self, field: Any) -> None:  # noqa: B027, Parquet and Feather take nearly any type
        """Raise InvalidDataError if the format cannot store a kept column."""

    def write(self, rows: NDArray[Any], kept: Any = None) -> None:
        """Append a block of rows (n_rows, n_columns), and the same rows of the kept columns."""
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InvalidDataError(f"rows of shape {rows.shape} do not fit the {len(self.names)} columns of the file")
        if (kept is None) != (self.kept is None) or (kept is not None and kept.num_rows != len(rows)):
            found = "no rows" if kept is None else f"{kept.num_rows} rows"
            raise InvalidDataError(f"{len(rows)} rows were passed with {found} of the kept columns")
        self._put(np.ascontiguousarray(rows, self.dtype), kept)
        self.n_rows += len(rows)

    @abstractmethod
    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        """Write checked rows."""

    def finish(self) -> None:
        """Write the end of the file."""
        self.file.flush()

    def abandon(self) -> None:  # noqa: B027, most formats hold no resources
        """Release resources after an error; the file is discarded."""


def arrow_columns(rows: NDArray[Any]) -> Iterator[Any]:
    """Return the columns of rows as Arrow arrays."""
    import pyarrow as pa

    return (pa.array(np.ascontiguousarray(column)) for column in rows.T)
