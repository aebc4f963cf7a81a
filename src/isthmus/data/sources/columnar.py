"""Tables in Parquet and Feather files, and what all tables of Arrow columns share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources.arrow_columns import Part, fields_of, reading
from isthmus.data.sources.arrow_stream import StreamFragment, is_arrow_stream
from isthmus.data.sources.list_columns import FlattenedFragment, element_type, pandas_index
from isthmus.data.sources.places import arrow_place
from isthmus.data.sources.tables import TableSource


class ColumnarSource(TableSource):
    """A table of typed columns, some of which may hold lists of numbers; see `TableSource`."""

    validates: ClassVar[bool] = False

    def _part_of(self, file: Any, fragment: Any) -> Part:
        schema = fragment.physical_schema
        if any(element_type(field.type) is not None for field in schema):
            fields_of(file, schema)
            fragment = FlattenedFragment(fragment, schema, file, validate=self.validates)
            schema = fragment.physical_schema
        return Part(file, fragment, fields_of(file, schema), pandas_index(schema))

    def _by_default(self, part: Part) -> list[str]:
        """Return all columns but the index of a table that pandas wrote."""
        names = [name for name in part.fields if name not in part.index]
        if not names:
            raise InvalidParameterError(
                f"{part.path} has no column but its index of pandas, {', '.join(map(repr, part.index))}; to read that, "
                "name it in columns="
            )
        return names

    def _elements(self, part: Part, names: list[str], drop: Sequence[str] | None) -> list[str]:
        if not isinstance(part.fragment, FlattenedFragment):
            return names
        elements, chosen = part.fragment.elements, []
        for name in names:
            if name in part.fragment.lists:
                chosen += [element for element, column in elements.items() if column == name]
            else:
                chosen.append(name)
        dropped = set(drop or ())
        left = [name for name in dict.fromkeys(chosen) if name not in dropped and elements.get(name) not in dropped]
        if not left:
            raise InvalidParameterError(f"no column of {part.path} is left to read; drop={list(drop or ())} has all")
        return left

    def _scanned_nulls(self, part: Part) -> bool:
        with reading(part.path):
            batches = part.fragment.to_batches(columns=self._names)
            return any(column.null_count for batch in batches for column in batch.columns)


class _FileSource(ColumnarSource):
    _format: ClassVar[str]

    def _part(self, file: Any, again: Part | None) -> Part:
        if again is not None:
            return again
        with reading(file):
            return self._part_of(file, self._fragment(file))

    def _fragment(self, file: Any) -> Any:
        from pyarrow import dataset

        return getattr(dataset, self._format)().make_fragment(*arrow_place(file))


class ParquetSource(_FileSource):
    """A table in Parquet; see `TableSource`."""

    _format = "ParquetFileFormat"

    def _has_nulls(self, part: Part) -> bool:
        if isinstance(part.fragment, FlattenedFragment) and set(self._names) & set(part.fragment.elements):
            return self._scanned_nulls(part)
        metadata = part.fragment.metadata
        wanted = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path in self._names]
        for group in range(metadata.num_row_groups):
            for i in wanted:
                statistics = metadata.row_group(group).column(i).statistics
                if statistics is None or not statistics.has_null_count:
                    return self._scanned_nulls(part)
                if statistics.null_count:
                    return True
        return False


class FeatherSource(_FileSource):
    """A table in Feather, the Arrow file format, or in Arrow's stream format; see `TableSource`.

    Its metadata do not say whether cells are missing: if all columns are integers, the file is read once to find out.
    """

    _format = "FeatherFileFormat"
    validates = True

    def _fragment(self, file: Any) -> Any:
        return StreamFragment(file) if is_arrow_stream(file) else super()._fragment(file)

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
