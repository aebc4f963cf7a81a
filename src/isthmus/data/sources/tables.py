"""Tables: rows of named columns that are read in blocks from one or several files."""

from __future__ import annotations

import hashlib
import itertools
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusWarning
from isthmus.data.sources import arrow_columns
from isthmus.data.sources.arrays import ArraySource, block_rows, existing, one_line
from isthmus.data.sources.base import Block, Column, Schema
from isthmus.data.sources.places import FileList, hash_ends, table_files

_HASHED_FILES = 64


def _say_partitions(files: Sequence[Any], first: arrow_columns.Part) -> None:
    """Warn of columns that are in the names of folders alone, such as ``year=2024``, as Hive and Spark write them."""
    values: dict[str, set[str]] = {}
    for file in files:
        for part in PurePath(str(getattr(file, "key", file))).parent.parts:
            name, sign, value = part.partition("=")
            if sign and name not in first.fields:
                values.setdefault(name, set()).add(value)
    for name, found in values.items():
        if len(found) > 1:  # a folder above all files is no column of them
            warnings.warn(
                f"the column {name!r}, which is in the names of folders such as {name}={min(found)}, is not read; "
                "write it into the files, or pass pyarrow.dataset.dataset(folder, partitioning='hive')",
                IsthmusWarning,
                stacklevel=2,
            )


class TableSource(ABC):
    """The rows of a table, read in blocks from its files: the base class of the table formats.

    Parameters
    ----------
    path : str or os.PathLike
        One file, or a folder of files of one format, read in the order of their names, including subfolders. Empty
        files and files whose name begins with a dot or an underscore (``_SUCCESS``) are skipped. A column that is in
        the names of folders alone, such as ``year=2024``, is not read, with a warning.
    columns : sequence of str or None
        The columns to read, in that order; None reads all.
    drop : sequence of str or None
        Columns to leave out.
    kinds : mapping of str to str or None
        None reads columns of numbers. A mapping reads columns of any type with `frames`; text is read as these kinds,
        such as ``"category"``, where they are given.

    Notes
    -----
    Only numeric and boolean columns can be read, and columns of lists of numbers of one length, as one column for each
    position (``embedding_0``, …). The index of a table that pandas wrote is read only if `columns` names it. Rows have
    the smallest type that holds all columns, uint8 for booleans. Missing cells are NaN, and then integers become
    float64.

    A table has no random access: the first `take` reads all of it into memory and keeps it.

    Raises
    ------
    InvalidParameterError
        If the table does not have a column.
    InvalidDataError
        If a column is not numeric, or there are no columns.
    MissingFileError, BrokenFileError
        If a file is missing, damaged, or does not have the columns of the first file.
    """

    options: ClassVar[tuple[str, ...]] = ("columns", "drop")
    random_access: bool = False
    _named: bool = True

    def __init__(
        self,
        path: str | os.PathLike[str] | FileList,
        *,
        columns: Sequence[str] | None = None,
        drop: Sequence[str] | None = None,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self._kinds = kinds
        self.path: Any = path if isinstance(path, FileList) else existing(path)
        files = self._files()
        first = self._part(files[0], None)
        _say_partitions(files, first)
        names = arrow_columns.chosen_columns(self.path, list(first.fields), columns, drop)
        if columns is None:
            offered = self._by_default(first)
            names = [name for name in names if name in offered]
        names = self._elements(first, names, drop)
        self._check_types(first, names)
        parts = [first, *(self._part(file, None) for file in files[1:])]
        for part in parts[1:]:
            arrow_columns.refuse_other_columns(first, part, names)
            self._check_types(part, names)
        self._names = names
        self._parts = self._opened_again(parts)
        types = {name: [part.fields[name] for part in self._parts] for name in names}
        numeric = all(map(arrow_columns.is_numeric, itertools.chain.from_iterable(types.values())))
        self.is_mixed: bool = not numeric
        self.dtype: np.dtype[Any] = self._common_dtype() if numeric else np.dtype(np.float64)
        listed = tuple(Column(name, arrow_columns.column_kind(types[name])) for name in names)
        self.schema: Schema = Schema(listed, named=self._named)
        self._counts = self._count()
        self.n_rows: int | None = None if self._counts is None else sum(self._counts)
        self._loaded: ArraySource | None = None

    def _files(self) -> list[Any]:
        return table_files(self.path)

    @abstractmethod
    def _part(self, file: Any, again: arrow_columns.Part | None) -> arrow_columns.Part:
        """Open one file; it is opened a second time, with `again`, when the columns of all files are known."""

    def _opened_again(self, parts: Sequence[arrow_columns.Part]) -> list[arrow_columns.Part]:
        return [self._part(part.path, part) for part in parts]

    def _by_default(self, part: arrow_columns.Part) -> list[str]:
        """Return the columns that are read if none are chosen."""
        return list(part.fields)

    def _elements(self, part: arrow_columns.Part, names: list[str], drop: Sequence[str] | None) -> list[str]:
        """Return columns with those of lists replaced by one column for each position."""
        return names

    def _check_types(self, part: arrow_columns.Part, names: Sequence[str]) -> None:
        """Raise InvalidDataError if a column of a file cannot be read."""
        if self._kinds is None:
            self._refuse_non_numeric(part, names)

    def _refuse_non_numeric(self, part: arrow_columns.Part, names: Sequence[str]) -> None:
        """Raise InvalidDataError if a column of a file is not numeric."""
        arrow_columns.refuse_non_numeric(part, names)

    @abstractmethod
    def _has_nulls(self, part: arrow_columns.Part) -> bool:
        """Whether a cell of the columns to read is missing."""

    def _count(self) -> list[int] | None:
        """Return the number of rows of each file, or None if it is unknown until the file is read."""
        counts = []
        for part in self._parts:
            with arrow_columns.reading(part.path):
                counts.append(int(part.fragment.count_rows()))
        return counts

    def _common_dtype(self) -> np.dtype[Any]:
        dtypes = {arrow_columns.numpy_type(part.fields[name]) for part in self._parts for name in self._names}
        dtype: np.dtype[Any] = np.result_type(*dtypes)
        if dtype.kind in "iu" and any(self._has_nulls(part) for part in self._parts):
            return np.dtype(np.float64)
        return dtype

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the columns read, the files' sizes, and the ends of at most 64 files."""
        digest = hashlib.blake2b(repr((self._names, self.dtype.str)).encode(), digest_size=16)
        files = [part.path for part in self._parts]
        digest.update(repr([file.stat().st_size for file in files]).encode())
        for i in np.unique(np.linspace(0, len(files) - 1, min(len(files), _HASHED_FILES)).astype(int)):
            hash_ends(digest, files[i])
        return digest.hexdigest()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of at most about 8 MB.

        Files that end before `start` are not read if their numbers of rows are known.
        """
        if self._loaded is not None:
            yield from self._loaded.blocks(start, stop)
            return
        if self.is_mixed:
            self._refuse_non_numeric(self._parts[0], self._names)
        for part, batch, row in self._slices(start, stop):
            yield Block(self._values(part, batch), row)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[Any, int]]:
        """Yield rows `start` to `stop` as Arrow batches in the types of their columns, with the first row's number."""
        for part, batch, row in self._slices(start, stop):
            with self._reading(part.path):
                yield self._typed(part, batch), row

    def _typed(self, part: arrow_columns.Part, batch: Any) -> Any:
        """Return a batch in the types of its columns."""
        return batch

    def _slices(self, start: int, stop: int | None) -> Iterator[tuple[arrow_columns.Part, Any, int]]:
        row = 0
        for i, part in enumerate(self._parts):
            if stop is not None and row >= stop:
                return
            if self._counts is not None and row + self._counts[i] <= start:
                row += self._counts[i]
                continue
            for batch in self._batches(part):
                low = max(start - row, 0)
                high = len(batch) if stop is None else min(stop - row, len(batch))
                if low < high:
                    yield part, batch.slice(low, high - low), row + low
                row += len(batch)
                if stop is not None and row >= stop:
                    return

    def integers_of(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield the cells of a column of integers that are not missing, exactly; nothing for a column of others."""
        import pyarrow as pa

        if not all(pa.types.is_integer(part.fields[name]) for part in self._parts):
            return
        for part in self._parts:
            for batch in self._batches(part, pa.schema([(name, part.fields[name])])):
                yield arrow_columns.numbers(batch[name].drop_null())

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of columns of any type, as `blocks_keeping` yields them."""
        import pyarrow as pa

        arrow_columns.refuse_unknown("keep", self.path, list(self._parts[0].fields), names)
        schemas = [pa.schema([(name, part.fields[name]) for name in names]) for part in self._parts]
        try:
            return pa.unify_schemas(schemas, promote_options="permissive")
        except pa.ArrowException as error:
            raise InvalidDataError(
                f"keep: files of {self.path} differ in a column's type: {one_line(error)}"
            ) from error

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order, each block with an Arrow batch of other columns of the same rows, in one pass."""
        for part, batch, kept, row in self._keeping(names):
            yield Block(self._values(part, batch), row), kept

    def frames_keeping(self, names: Sequence[str]) -> Iterator[tuple[Any, Any, int]]:
        """Yield what `frames` yields, each with an Arrow batch of other columns of the same rows."""
        for part, batch, kept, row in self._keeping(names):
            with self._reading(part.path):
                yield self._typed(part, batch), kept, row

    def _keeping(self, names: Sequence[str]) -> Iterator[tuple[arrow_columns.Part, Any, Any, int]]:
        import pyarrow as pa

        kept, row = self.kept_schema(names), 0
        others = [field for field in kept if field.name not in self._names]
        for part in self._parts:
            schema = pa.schema([*((name, part.fields[name]) for name in self._names), *others])
            for batch in self._batches(part, schema):
                yield part, batch.select(self._names), batch.select(list(names)), row
                row += len(batch)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows` into `out`; the first call reads the whole table into memory and keeps it."""
        if self._loaded is None:
            blocks = [block.values for block in self.blocks()]
            values = np.concatenate(blocks) if blocks else np.empty((0, self.schema.n_features), self.dtype)
            self._loaded = ArraySource(values, schema=self.schema)
            self.n_rows = len(values)
        self._loaded.take(rows, out)

    def _batches(self, part: arrow_columns.Part, schema: Any = None) -> Iterator[Any]:
        names = self._names if schema is None else schema.names
        size = block_rows(len(names) * self.dtype.itemsize)
        with self._reading(part.path):
            # 4 batches ahead keep the decoder busy; the default of 16 would take 128 MB.
            yield from part.fragment.to_batches(schema=schema, columns=names, batch_size=size, batch_readahead=4)

    def _values(self, part: arrow_columns.Part, batch: Any) -> NDArray[Any]:
        out = np.empty((len(batch), len(self._names)), self.dtype)
        with self._reading(part.path):
            for j, column in enumerate(batch.columns):
                if column.null_count and self.dtype.kind != "f":
                    raise BrokenFileError(
                        f"{part.path}: {self._names[j]!r} has missing cells, but its metadata say none"
                    )
                out[:, j] = self._numbers(part, column)
        return out

    def _reading(self, file: Any) -> AbstractContextManager[None]:
        """Raise errors of pyarrow as one-line errors that name the file."""
        return arrow_columns.reading(file)

    def _numbers(self, part: arrow_columns.Part, column: Any) -> NDArray[Any]:
        """Return an Arrow column as numbers."""
        return arrow_columns.numbers(column)
