"""Columns of lists of numbers, such as embeddings, as one column for each position: ``embedding_0``, ….

Also the columns of a table that pandas wrote as its index, which are no features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.arrow_columns import is_numeric, numbers


def pandas_index(schema: Any) -> frozenset[str]:
    """Return the names of the columns of an Arrow schema that pandas wrote as its index."""
    note = (schema.metadata or {}).get(b"pandas")
    try:
        listed = [] if note is None else json.loads(note).get("index_columns", [])
    except (ValueError, AttributeError):
        return frozenset()
    # A range of numbers is a dictionary: it is not stored as a column.
    return frozenset(name for name in listed if isinstance(name, str) and name in schema.names)


def element_type(kind: Any) -> Any:
    """Return the type of the numbers in lists of an Arrow type, or None if it is not one of lists of numbers."""
    import pyarrow as pa

    kind = _storage_type(kind)
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return kind.value_type if is_list and is_numeric(kind.value_type) else None


def element_names(name: str, width: int) -> list[str]:
    """Return the names of the columns of a column of lists."""
    return [f"{name}_{position}" for position in range(width)]


def rows_of_lists(column: Any, width: int, where: str) -> NDArray[Any]:
    """Return lists as rows (n_rows, width), NaN where a list or a number is missing.

    Parameters
    ----------
    column : pyarrow.Array
        Lists of numbers.
    width : int
        Their length.
    where : str
        The column, for messages.

    Raises
    ------
    InvalidDataError
        If a list has another length.
    """
    from pyarrow import compute

    column = _storage(column)
    present = np.ones(len(column), bool) if not column.null_count else column.is_valid().to_numpy(zero_copy_only=False)
    lengths = compute.list_value_length(column).to_numpy(zero_copy_only=False)
    if (wrong := np.flatnonzero(present & (lengths != width))).size:
        raise InvalidDataError(
            f"lists in {where} have several lengths, {width} numbers in the first and {int(lengths[wrong[0]])} in "
            "another; give them one length, or leave the column out"
        )
    values = numbers(column.flatten()).reshape(-1, width)
    if column.null_count:
        rows = np.full((len(column), width), np.nan, np.result_type(values.dtype, np.float32))
        rows[present] = values
        return rows
    return values


def list_width(batches: Iterator[Any]) -> int:
    """Return the length of the first list in batches of one column, or 0 without any."""
    from pyarrow import compute

    for batch in batches:
        lengths = compute.list_value_length(_storage(batch.column(0))).drop_null()
        if len(lengths):
            return int(lengths[0].as_py())
    return 0


class FlattenedFragment:
    """A pyarrow fragment whose columns of lists of numbers have one more column for each position.

    Parameters
    ----------
    fragment : pyarrow.dataset.Fragment
        Or any object with its methods that are used here.
    schema : pyarrow.Schema
        Its columns.
    where : object
        The file, for messages.
    validate : bool
        Whether batches are checked before they are used: pyarrow reads memory beyond the data of damaged files.
    """

    def __init__(self, fragment: Any, schema: Any, where: object, *, validate: bool = False) -> None:
        import pyarrow as pa

        self.fragment = fragment
        self.where = where
        self.validate = validate
        self.lists: dict[str, int] = {}
        self.elements: dict[str, str] = {}  # the column of lists that a column is made from
        fields: list[Any] = []
        for field in schema:
            fields.append(field)
            kind = element_type(field.type)
            width = 0
            if kind is not None:
                width = getattr(_storage_type(field.type), "list_size", 0)
                width = width or list_width(self._batches(columns=[field.name], batch_size=1024))
            if width:
                self.lists[field.name] = width
                names = element_names(field.name, width)
                self.elements |= dict.fromkeys(names, field.name)
                fields += [pa.field(name, kind) for name in names]
        self.physical_schema = pa.schema(fields, metadata=schema.metadata)
        self._stored = schema

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fragment, name)

    def to_batches(self, *, columns: Sequence[str], schema: Any = None, **options: Any) -> Iterator[Any]:
        """Yield batches of these columns."""
        import pyarrow as pa

        stored = list(dict.fromkeys(self.elements.get(name, name) for name in columns))
        if schema is not None:
            fields = {self.elements.get(name, name): name for name in columns}
            schema = pa.schema([self._stored.field(s) if s in self.lists else schema.field(fields[s]) for s in stored])
        for batch in self._batches(columns=stored, schema=schema, **options):
            arrays = {name: batch.column(name) for name in stored}
            for name in dict.fromkeys(self.elements[name] for name in columns if name in self.elements):
                rows = rows_of_lists(arrays[name], self.lists[name], f"column {name!r} of {self.where}")
                names = element_names(name, self.lists[name])
                # NaN becomes a missing cell, so that integers with missing lists are known to be some.
                missing = bool(arrays[name].null_count)
                arrays |= {
                    name: pa.array(row, from_pandas=missing)
                    for name, row in zip(names, np.ascontiguousarray(rows.T), strict=True)
                }
            yield pa.RecordBatch.from_arrays([arrays[name] for name in columns], names=list(columns))

    def _batches(self, **options: Any) -> Iterator[Any]:
        for batch in self.fragment.to_batches(**options):
            if self.validate:
                batch.validate(full=True)
            yield batch


def _storage_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _storage(column: Any) -> Any:
    import pyarrow as pa

    return column.storage if isinstance(column.type, pa.BaseExtensionType) else column
