"""Rows that are mostly zeros as a table of two list columns: indices of the units that are not 0, and their values.

The metadata of its schema hold the number of units and their names, so that dense rows can be restored. Otherwise, a
file of such a table is plain Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError

FORMAT = 1
UNIT, VALUE = "unit", "value"
_KEY = b"isthmus.sparse_rows"
_READ_ME = "row i: values value[i] at the units unit[i], in ascending order, of n_units; zeros everywhere else"


class SparseRows(NamedTuple):
    """The cells of rows that are not 0, in ascending order of units."""

    counts: NDArray[np.int64]  # (rows,) number of cells of each row
    units: NDArray[Any]  # (cells,) indices
    values: NDArray[Any]  # (cells,)

    def dense(self, n_units: int) -> NDArray[Any]:
        """Return dense rows (rows, n_units)."""
        rows = np.zeros((len(self.counts), n_units), self.values.dtype)
        rows[np.repeat(np.arange(len(rows)), self.counts), self.units] = self.values
        return rows


def unit_type(n_units: int) -> np.dtype[Any]:
    """Return uint16, or uint32 if it cannot index so many units."""
    return np.dtype(np.uint16 if n_units <= 1 << 16 else np.uint32)


def sparse_rows(rows: NDArray[Any], numbers: Any = np.int32) -> SparseRows:
    """Return the cells of dense rows (rows, n_units) that are not 0, with indices of the type `numbers`."""
    flat = rows.ravel()
    places = np.flatnonzero(flat != 0)
    owners, units = np.divmod(places, rows.shape[1])
    return SparseRows(np.bincount(owners, minlength=len(rows)), units.astype(numbers), flat[places])


def joined(pieces: Sequence[SparseRows]) -> SparseRows:
    """Concatenate at least one piece."""
    return SparseRows(*map(np.concatenate, zip(*pieces, strict=True)))


def csr_of(pieces: Iterable[SparseRows], n_units: int, dtype: Any) -> Any:
    """Return pieces as one scipy CSR matrix, or CSR array if scikit-learn is configured so.

    It takes at most a quarter more memory than the result.
    """
    import sklearn
    from scipy.sparse import csr_array, csr_matrix

    counts, units, values = _Growing(np.int64), _Growing(np.int32), _Growing(dtype)
    for piece in pieces:
        counts.append(piece.counts)
        units.append(piece.units)
        values.append(piece.values)
    ends = np.concatenate([[0], np.cumsum(counts.whole())])
    # scipy needs one type for both kinds of indices.
    number = np.int32 if ends[-1] <= np.iinfo(np.int32).max else np.int64
    parts = (values.whole(), units.whole().astype(number, copy=False), ends.astype(number))
    kind = csr_array if sklearn.get_config()["sparse_interface"] == "sparray" else csr_matrix
    return kind(parts, shape=(len(ends) - 1, n_units))


class _Growing:
    """An array that grows in place, since concatenating pieces at the end would take twice the memory."""

    def __init__(self, dtype: Any) -> None:
        self._values = np.empty(0, dtype)
        self._length = 0

    def append(self, piece: NDArray[Any]) -> None:
        end = self._length + len(piece)
        if end > len(self._values):
            self._values.resize(max(end, len(self._values) * 5 // 4), refcheck=False)
        self._values[self._length : end] = piece
        self._length = end

    def whole(self) -> NDArray[Any]:
        self._values.resize(self._length, refcheck=False)
        return self._values


def schema_for(names: Sequence[str], dtype: Any) -> Any:
    """Return the Arrow schema of rows with units of these names and values of a type, with the names as metadata."""
    import pyarrow as pa

    def column(name: str, kind: Any) -> Any:
        return pa.field(name, pa.list_(pa.field("element", pa.from_numpy_dtype(kind), nullable=False)), nullable=False)

    # Names that differ only in their number are stored as their common prefix.
    stem = names[0].removesuffix("0")
    stored = stem if all(name == f"{stem}{i}" for i, name in enumerate(names)) else list(names)
    note = {"format": FORMAT, "n_units": len(names), "names": stored, "read_me": _READ_ME}
    columns = [column(UNIT, unit_type(len(names))), column(VALUE, np.dtype(dtype))]
    return pa.schema(columns, metadata={_KEY: json.dumps(note).encode()})


def unit_names(metadata: Mapping[bytes, bytes] | None, where: object) -> tuple[str, ...] | None:
    """Return the names of the units from the metadata of a schema, or None if the table does not hold sparse rows.

    Raises
    ------
    BrokenFileError
        If the metadata are damaged or was written by a newer isthmus.
    """
    if metadata is None or _KEY not in metadata:
        return None
    try:
        note = json.loads(metadata[_KEY])
        number, n_units, stored = int(note["format"]), int(note["n_units"]), note["names"]
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenFileError(f"{where} holds sparse rows, but its metadata are damaged; write it again") from error
    if number > FORMAT:
        raise BrokenFileError(
            f"{where} holds sparse rows of format {number}, newer than {FORMAT}, the newest that this isthmus reads; "
            "upgrade isthmus"
        )
    names = tuple(f"{stored}{i}" for i in range(n_units)) if isinstance(stored, str) else tuple(map(str, stored))
    if n_units < 1 or len(names) != n_units:
        raise BrokenFileError(f"{where} holds sparse rows, but names {len(names)} of {n_units} units; write it again")
    return names


def to_arrow(rows: SparseRows, schema: Any) -> Any:
    """Return rows as an Arrow table of `schema`."""
    import pyarrow as pa

    offsets = pa.array(np.concatenate([[0], np.cumsum(rows.counts)]).astype(np.int32))
    contents = (rows.units, rows.values)
    columns = [
        pa.ListArray.from_arrays(offsets, pa.array(content, field.type.value_type), type=field.type)
        for content, field in zip(contents, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def from_arrow(batch: Any, n_units: int, start: int, where: object) -> SparseRows:
    """Return the rows of an Arrow batch, whose first row is row `start` of a file; raise if they are damaged."""
    unit_lists, value_lists = batch.column(UNIT), batch.column(VALUE)
    if unit_lists.null_count or value_lists.null_count:
        raise BrokenFileError(f"{where} is damaged: rows from {start} on have missing lists")
    units, values = unit_lists.flatten(), value_lists.flatten()
    if units.null_count or values.null_count:
        raise BrokenFileError(f"{where} is damaged: rows from {start} on have missing units or values")
    counts = np.diff(unit_lists.offsets.to_numpy()).astype(np.int64)
    rows = SparseRows(counts, units.to_numpy(), values.to_numpy())
    lengths = np.diff(value_lists.offsets.to_numpy())
    if (wrong := np.flatnonzero(counts != lengths)).size:
        row = wrong[0]
        raise BrokenFileError(
            f"{where} is damaged: row {start + row} has {counts[row]} units, but {lengths[row]} values"
        )
    owner = np.repeat(np.arange(len(counts)), counts)
    numbers = rows.units.astype(np.int64)
    unordered = (np.diff(numbers, prepend=-1) <= 0) & (np.diff(owner, prepend=-1) == 0)
    if (wrong := np.flatnonzero((numbers >= n_units) | unordered)).size:
        raise BrokenFileError(
            f"{where} is damaged: row {start + owner[wrong[0]]} has unit {numbers[wrong[0]]}, but units must ascend "
            f"from 0 to {n_units - 1}"
        )
    return rows
