"""Tables in Parquet and Feather files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from isthmus.data.sources.arrow_columns import Part, fields_of, reading
from isthmus.data.sources.places import arrow_place
from isthmus.data.sources.tables import TableSource


class _ColumnarSource(TableSource):
    _format: ClassVar[str]

    def _part(self, file: Any, again: Part | None) -> Part:
        from pyarrow import dataset

        if again is not None:
            return again
        with reading(file):
            fragment = getattr(dataset, self._format)().make_fragment(*arrow_place(file))
            return Part(file, fragment, fields_of(file, fragment.physical_schema))


class ParquetSource(_ColumnarSource):
    """A table in Parquet; see `TableSource`."""

    _format = "ParquetFileFormat"

    def _has_nulls(self, part: Part) -> bool:
        metadata = part.fragment.metadata
        wanted = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path in self._names]
        for group in range(metadata.num_row_groups):
            for i in wanted:
                statistics = metadata.row_group(group).column(i).statistics
                if statistics is None or not statistics.has_null_count:
                    with reading(part.path):
                        batches = part.fragment.to_batches(columns=self._names)
                        return any(column.null_count for batch in batches for column in batch.columns)
                if statistics.null_count:
                    return True
        return False


class FeatherSource(_ColumnarSource):
    """A table in Feather, the Arrow file format; see `TableSource`.

    Its metadata do not say whether cells are missing: if all columns are integers, the file is read once to find out.
    """

    _format = "FeatherFileFormat"

    def _has_nulls(self, part: Part) -> bool:
        with reading(part.path):
            batches = self._checked(part, part.fragment.to_batches(columns=self._names))
            return any(column.null_count for batch in batches for column in batch.columns)

    def _batches(self, part: Part, schema: Any = None) -> Iterator[Any]:
        return self._checked(part, super()._batches(part, schema))

    def _checked(self, part: Part, batches: Iterator[Any]) -> Iterator[Any]:
        """Validate batches: of a column that claims more cells than it has, pyarrow reads memory beyond its data."""
        with reading(part.path):
            for batch in batches:
                batch.validate(full=True)
                yield batch
