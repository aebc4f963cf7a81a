"""Tables and data sets of pyarrow and Hugging Face in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from isthmus.data.sources.arrow_columns import Part
from isthmus.data.sources.columnar import ColumnarSource
from isthmus.data.sources.places import FileList


class ArrowSource(ColumnarSource):
    """A table or data set of pyarrow, or a data set of Hugging Face, which holds one; see `TableSource`.

    Parameters
    ----------
    table : pyarrow.Table, RecordBatch or dataset.Dataset, or datasets.Dataset
        The rows.
    **options
        As in `TableSource`.
    """

    def __init__(self, table: Any, **options: Any) -> None:
        self._table = _arrow_dataset(table)
        super().__init__(FileList(type(table).__name__, ()), **options)

    def _files(self) -> list[Any]:
        return [self.path]

    def _part(self, file: Any, again: Part | None) -> Part:
        return again or self._part_of(file, _Rows(self._table))

    def _has_nulls(self, part: Part) -> bool:
        return self._scanned_nulls(part)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the columns and of all rows."""
        digest = hashlib.blake2b(repr((self._names, self.dtype.str)).encode(), digest_size=16)
        for block in self.blocks():
            digest.update(block.values.data)
        return digest.hexdigest()


class _Rows:
    """A data set with the methods of a pyarrow fragment."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.physical_schema = dataset.schema

    def count_rows(self) -> int:
        return int(self.dataset.count_rows())

    def to_batches(self, *, schema: Any = None, **options: Any) -> Iterator[Any]:
        dataset = self.dataset if schema is None else self.dataset.replace_schema(schema)
        return iter(dataset.to_batches(**options))


def is_arrow(data: Any) -> bool:
    """Whether `data` is a table or data set of pyarrow or Hugging Face; neither is imported."""
    kind = type(data)
    known = kind.__module__.split(".")[0]
    return (known == "pyarrow" and kind.__name__ in _ARROW) or (known == "datasets" and kind.__name__ == "Dataset")


_ARROW = ("Table", "RecordBatch", "InMemoryDataset", "FileSystemDataset", "UnionDataset")


def _arrow_dataset(table: Any) -> Any:
    import pyarrow as pa
    from pyarrow import dataset

    if type(table).__module__.startswith("datasets"):
        # A selection of rows is stored as indices into the whole table.
        table = (table.flatten_indices() if table._indices is not None else table).data.table
    if isinstance(table, dataset.Dataset):
        return table
    table = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
    return dataset.dataset(table)
