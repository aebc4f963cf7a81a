"""Rows held in tables: CSV, Parquet and Feather (Arrow) files, or folders of files of one of these formats."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import (
    BrokenFileError,
    InvalidDataError,
    InvalidParameterError,
    IsthmusError,
    MissingFileError,
    suggest,
)
from isthmus.data.sources.arrays import ArraySource, block_rows, existing, one_line
from isthmus.data.sources.base import Block, Column, ColumnKind, Schema
from isthmus.data.sources.places import FileList, Place, RemoteFile, arrow_place

_HASHED_BYTES = 1 << 16
_HASHED_FILES = 64
_CSV_BLOCK = 8 << 20
_LISTED_NAMES = 8
_LOOKED_AT = 10_000  # rows


@dataclass(frozen=True)
class _Part:
    """One file of a table."""

    path: Any  # a place, or what an object is called
    fragment: Any  # pyarrow.dataset.Fragment
    fields: dict[str, Any]  # name -> pyarrow.DataType


class TableSource(ABC):
    """The rows of a table that streams from its files; use the subclass of the format.

    Parameters
    ----------
    path : str or os.PathLike
        One file, or a folder of files of one format, read in the order of their names, those in subfolders too. Files
        whose name begins with a dot or an underscore and empty files (``_SUCCESS``) are passed over.
    columns : sequence of str or None
        The columns to read, in that order; None reads all.
    drop : sequence of str or None
        Columns to leave out.

    Notes
    -----
    Only numeric and boolean columns can be read. If all have one type, the rows have it (boolean: uint8); otherwise
    they have the smallest type that holds them all. Missing cells are NaN, and then integers become float64.

    A table has no random access: the first `take` reads it all into memory and keeps it.

    Raises
    ------
    InvalidParameterError
        If a column is not in the table.
    InvalidDataError
        If a column is not numeric, or there is none.
    MissingFileError, BrokenFileError
        If a file is missing, damaged, or does not have the columns of the first.
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
    ) -> None:
        self.path: Any = path if isinstance(path, FileList) else existing(path)
        files = self._files()
        first = self._part(files[0], None)
        names = _chosen(self.path, list(first.fields), columns, drop)
        _refuse_non_numeric(first, names)
        parts = [first, *(self._part(file, None) for file in files[1:])]
        for part in parts[1:]:
            _refuse_other_columns(first, part, names)
        self._names = names
        self._parts = [self._part(part.path, part) for part in parts]
        self.dtype: np.dtype[Any] = self._common_dtype()
        self.schema: Schema = Schema(
            tuple(Column(name, _kind([part.fields[name] for part in self._parts])) for name in names),
            named=self._named,
        )
        self._counts = self._count()
        self.n_rows: int | None = None if self._counts is None else sum(self._counts)
        self._loaded: ArraySource | None = None

    def _files(self) -> list[Any]:
        return table_files(self.path)

    @abstractmethod
    def _part(self, file: Any, again: _Part | None) -> _Part:
        """Open one file; a second time (`again`) when the columns of all files are known."""

    @abstractmethod
    def _has_nulls(self, part: _Part) -> bool:
        """Whether a cell is missing in the columns that are read."""

    def _count(self) -> list[int] | None:
        """Return the rows of each file, or None where only reading tells."""
        counts = []
        for part in self._parts:
            with reading(part.path):
                counts.append(int(part.fragment.count_rows()))
        return counts

    def _common_dtype(self) -> np.dtype[Any]:
        dtypes = {_numpy_type(part.fields[name]) for part in self._parts for name in self._names}
        dtype: np.dtype[Any] = np.result_type(*dtypes)
        if dtype.kind in "iu" and any(self._has_nulls(part) for part in self._parts):
            return np.dtype(np.float64)
        return dtype

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the columns read, the files' sizes, and the ends of at most 64 files."""
        digest = hashlib.blake2b(repr((self._names, self.dtype.str)).encode(), digest_size=16)
        files = [part.path for part in self._parts]
        sizes = [file.stat().st_size for file in files]
        digest.update(repr(sizes).encode())
        for i in np.unique(np.linspace(0, len(files) - 1, min(len(files), _HASHED_FILES)).astype(int)):
            with files[i].open("rb") as stream:
                digest.update(stream.read(_HASHED_BYTES))
                stream.seek(max(0, sizes[i] - _HASHED_BYTES))
                digest.update(stream.read(_HASHED_BYTES))
        return digest.hexdigest()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of at most about 8 MB.

        Files that end before `start` are not read, where their numbers of rows are known.
        """
        if self._loaded is not None:
            yield from self._loaded.blocks(start, stop)
            return
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
                    yield Block(self._values(part, batch.slice(low, high - low)), row + low)
                row += len(batch)
                if stop is not None and row >= stop:
                    return

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of columns of any type, as `blocks_keeping` hands them on."""
        import pyarrow as pa

        refuse_unknown("keep", self.path, list(self._parts[0].fields), names)
        schemas = [pa.schema([(name, self._kept_type(part, name)) for name in names]) for part in self._parts]
        try:
            return pa.unify_schemas(schemas, promote_options="permissive")
        except pa.ArrowException as error:
            raise InvalidDataError(
                f"keep: files of {self.path} differ in a column's type: {one_line(error)}"
            ) from error

    def _kept_type(self, part: _Part, name: str) -> Any:
        return part.fields[name]

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order from one pass, each block beside an Arrow batch of other columns of its rows."""
        import pyarrow as pa

        kept, row = self.kept_schema(names), 0
        others = [field for field in kept if field.name not in self._names]
        for part in self._parts:
            schema = pa.schema([*((name, part.fields[name]) for name in self._names), *others])
            for batch in self._batches(part, schema):
                yield Block(self._values(part, batch.select(self._names)), row), batch.select(list(names))
                row += len(batch)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows` into `out`; the first call reads the whole table into memory and keeps it."""
        if self._loaded is None:
            blocks = [block.values for block in self.blocks()]
            values = np.concatenate(blocks) if blocks else np.empty((0, self.schema.n_features), self.dtype)
            self._loaded = ArraySource(values, schema=self.schema)
            self.n_rows = len(values)
        self._loaded.take(rows, out)

    def _batches(self, part: _Part, schema: Any = None) -> Iterator[Any]:
        names = self._names if schema is None else schema.names
        size = block_rows(len(names) * self.dtype.itemsize)
        with reading(part.path):
            # A few batches ahead keep the decoder busy; the default of 16 would hold 128 MB.
            yield from part.fragment.to_batches(schema=schema, columns=names, batch_size=size, batch_readahead=4)

    def _values(self, part: _Part, batch: Any) -> NDArray[Any]:
        out = np.empty((len(batch), len(self._names)), self.dtype)
        with reading(part.path):
            for j, column in enumerate(batch.columns):
                if column.null_count and self.dtype.kind != "f":
                    raise BrokenFileError(f"{part.path}: its metadata deny the missing cells in {self._names[j]!r}")
                out[:, j] = _numbers(column)
        return out


class ParquetSource(TableSource):
    """A table in Parquet; see `TableSource`."""

    def _part(self, file: Any, again: _Part | None) -> _Part:
        from pyarrow import dataset

        if again is not None:
            return again
        with reading(file):
            fragment = dataset.ParquetFileFormat().make_fragment(*arrow_place(file))
            return _Part(file, fragment, _fields(file, fragment.physical_schema))

    def _has_nulls(self, part: _Part) -> bool:
        metadata = part.fragment.metadata
        wanted = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path in self._names]
        for group in range(metadata.num_row_groups):
            for i in wanted:
                statistics = metadata.row_group(group).column(i).statistics
                if statistics is None or not statistics.has_null_count:
                    return any(c.null_count for batch in self._look_through(part) for c in batch.columns)
                if statistics.null_count:
                    return True
        return False

    def _look_through(self, part: _Part) -> Iterator[Any]:
        with reading(part.path):
            yield from part.fragment.to_batches(columns=self._names)


class FeatherSource(TableSource):
    """A table in Feather, the Arrow file format; see `TableSource`.

    Its metadata do not tell whether cells are missing: where all columns are integers it is read through once for that.
    """

    def _part(self, file: Any, again: _Part | None) -> _Part:
        from pyarrow import dataset

        if again is not None:
            return again
        with reading(file):
            fragment = dataset.FeatherFileFormat().make_fragment(*arrow_place(file))
            return _Part(file, fragment, _fields(file, fragment.physical_schema))

    def _has_nulls(self, part: _Part) -> bool:
        with reading(part.path):
            batches = self._checked(part, part.fragment.to_batches(columns=self._names))
            return any(column.null_count for batch in batches for column in batch.columns)

    def _batches(self, part: _Part, schema: Any = None) -> Iterator[Any]:
        return self._checked(part, super()._batches(part, schema))

    def _checked(self, part: _Part, batches: Iterator[Any]) -> Iterator[Any]:
        """Refuse columns that claim more cells than the file has: their arrays are what lies there, read as told."""
        with reading(part.path):
            for batch in batches:
                batch.validate(full=True)
                yield batch


class CsvSource(TableSource):
    """A table in text, ``.csv`` or ``.tsv``, plain, gzipped or compressed with zstd; see `TableSource`.

    The first row names the columns, unless all its cells are numbers: then the columns are ``x0``, ``x1``, …. A file
    whose first row has no comma may also be separated by semicolons or tabs. The text is UTF-8, with or without a
    byte-order mark. Rows are float64, since text tells nothing of types; how many there are, only reading tells.
    """

    def _part(self, file: Any, again: _Part | None) -> _Part:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import dataset

        layout = _csv_layout(file)
        _refuse_twice(file, layout.names)
        self._named = not layout.headerless
        # Types come from the first block alone, so a later 1.5 would not fit a column that began with whole numbers.
        types = {
            name: kind if pa.types.is_boolean(kind) else pa.float64()
            for name, kind in (again.fields.items() if again else ())
            if name in self._names
        }
        options = {
            "parse_options": arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            "read_options": arrow_csv.ReadOptions(
                column_names=layout.names if layout.headerless else None,
                block_size=max(_CSV_BLOCK, 4 * layout.row_bytes),
            ),
        }
        with reading(file):
            if file.suffix.lower() == ".zst":
                fragment: Any = _ZstText(file, options, types)
            else:
                convert = arrow_csv.ConvertOptions(column_types=types)
                form = dataset.CsvFileFormat(**options, convert_options=convert)
                fragment = form.make_fragment(*arrow_place(file))
            return _Part(file, fragment, _fields(file, fragment.physical_schema))

    def _kept_type(self, part: _Part, name: str) -> Any:
        import pyarrow as pa
        from pyarrow import compute

        kind = part.fields[name]
        if not pa.types.is_null(kind) and (name in self._names or not pa.types.is_integer(kind)):
            return kind
        # A column that begins with empty cells may hold anything later, and 007 is a name that is no number.
        text = pa.schema([(name, pa.string())])
        with reading(part.path):
            batches = part.fragment.to_batches(schema=text, columns=[name], batch_size=_LOOKED_AT)
            head = next(iter(batches), text.empty_table())[name]
        padded = compute.any(compute.match_substring_regex(head, r"^[+-]?0[0-9]")).as_py()
        return pa.string() if padded or pa.types.is_null(kind) else kind

    def _common_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def _has_nulls(self, part: _Part) -> bool:
        return True  # for all that is known before the text is read

    def _count(self) -> list[int] | None:
        return None


class _ZstText:
    """Text compressed with zstd, with the methods of a fragment; pyarrow's own see through gzip alone."""

    def __init__(self, file: Place, options: dict[str, Any], types: dict[str, Any]) -> None:
        self.file = file
        self.options = options
        self.types = types
        with self._reader(None, None) as reader:
            self.physical_schema = reader.schema

    @contextmanager
    def _reader(self, columns: Sequence[str] | None, schema: Any) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        declared = {field.name: field.type for field in schema or ()}
        convert = arrow_csv.ConvertOptions(column_types=self.types | declared, include_columns=columns)
        with self.file.open("rb") as raw, pa.CompressedInputStream(raw, "zstd") as text:
            yield arrow_csv.open_csv(text, **self.options, convert_options=convert)

    def to_batches(self, *, columns: Sequence[str] | None = None, schema: Any = None, **sizes: int) -> Iterator[Any]:
        size = sizes.get("batch_size")
        with self._reader(columns, schema) as reader:
            for batch in reader:
                for start in range(0, len(batch), size or max(len(batch), 1)):
                    yield batch.slice(start, size)


class ArrowSource(TableSource):
    """A table or data set that pyarrow holds, or one of Hugging Face's, which is such a table; see `TableSource`.

    Parameters
    ----------
    table : pyarrow.Table, RecordBatch or dataset.Dataset, or datasets.Dataset
        Its rows. A column of lists of one length, where it is the only one, is the rows.
    columns, drop : sequence of str or None
        As in `TableSource`.
    """

    def __init__(self, table: Any, *, columns: Sequence[str] | None = None, drop: Sequence[str] | None = None) -> None:
        self._table = _arrow_dataset(table)
        super().__init__(FileList(type(table).__name__, ()), columns=columns, drop=drop)

    def _files(self) -> list[Any]:
        return [self.path]

    def _part(self, file: Any, again: _Part | None) -> _Part:
        return again or _Part(file, _Rows(self._table), _fields(file, self._table.schema))

    def _has_nulls(self, part: _Part) -> bool:
        return any(c.null_count for batch in self._table.to_batches(columns=self._names) for c in batch.columns)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the columns read, and of at most 64 rows."""
        rows = np.unique(np.linspace(0, (self.n_rows or 1) - 1, min(self.n_rows or 0, 64)).astype(np.int64))
        digest = hashlib.blake2b(repr((self._names, self.dtype.str, self.n_rows)).encode(), digest_size=16)
        digest.update(repr(self._table.take(rows, columns=self._names).to_pylist()).encode())
        return digest.hexdigest()


class _Rows:
    """A data set with the methods of a fragment."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def count_rows(self) -> int:
        return int(self.dataset.count_rows())

    def to_batches(self, *, schema: Any = None, **options: Any) -> Iterator[Any]:
        dataset = self.dataset if schema is None else self.dataset.replace_schema(schema)
        return iter(dataset.to_batches(**options))


def is_arrow(data: Any) -> bool:
    """Whether something is a table of pyarrow or of Hugging Face, without importing either."""
    kind = type(data)
    known = kind.__module__.split(".")[0]
    return (known == "pyarrow" and kind.__name__ in _ARROW) or (known == "datasets" and kind.__name__ == "Dataset")


_ARROW = ("Table", "RecordBatch", "InMemoryDataset", "FileSystemDataset", "UnionDataset")


def _arrow_dataset(table: Any) -> Any:
    import pyarrow as pa
    from pyarrow import dataset

    if type(table).__module__.startswith("datasets"):
        # Only a selection needs its rows put in order first.
        table = (table.flatten_indices() if table._indices is not None else table).data.table
    if isinstance(table, dataset.Dataset):
        return table
    table = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
    if table.num_columns == 1 and pa.types.is_nested(table.schema.field(0).type):
        table = _spread(table)
    return dataset.dataset(table)


def _spread(table: Any) -> Any:
    """Return a table of a column for each place of lists of one length."""
    import pyarrow as pa
    from pyarrow import compute

    column = table.column(0).combine_chunks()
    lengths = compute.unique(compute.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise InvalidDataError(f"lists in column {table.column_names[0]!r} are of several lengths; make them one")
    flat = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, lengths[0])
    return pa.table({f"x{place}": np.ascontiguousarray(flat[:, place]) for place in range(lengths[0])})


@dataclass(frozen=True)
class _CsvLayout:
    names: list[str]
    delimiter: str
    headerless: bool
    row_bytes: int


def _csv_layout(file: Place) -> _CsvLayout:
    try:
        with _text(file) as stream:
            line = stream.readline()
        delimiter = _delimiter(file, line)
        with _text(file) as stream:
            cells = next((row for row in csv.reader(stream, delimiter=delimiter) if row), None)
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"{file} is not UTF-8 text ({one_line(error)}); save it as UTF-8") from error
    except (csv.Error, zlib.error, OSError, EOFError) as error:
        raise BrokenFileError(f"{file} cannot be read as CSV: {one_line(error)}") from error
    if cells is None:
        raise InvalidDataError(f"{file} is empty; a table needs a header and rows")
    headerless = all(_is_number(cell) for cell in cells)
    names = [f"x{i}" for i in range(len(cells))] if headerless else cells
    return _CsvLayout(names, delimiter, headerless, len(line))


@contextmanager
def _text(file: Place) -> Iterator[Any]:
    import pyarrow as pa

    with file.open("rb") as raw:
        stream: Any = raw
        if file.suffix.lower() == ".gz":
            stream = gzip.GzipFile(fileobj=raw)
        elif file.suffix.lower() == ".zst":
            stream = pa.CompressedInputStream(raw, "zstd")
        with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            yield text


def _delimiter(file: Place, line: str) -> str:
    if file.name.lower().endswith((".tsv", ".tsv.gz", ".tsv.zst")):
        return "\t"
    return next((mark for mark in ",;\t" if mark in line), ",")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def table_files(path: Path | FileList) -> list[Any]:
    """Return the files of a table: the path itself, or what lies in the folder and is neither hidden nor empty."""
    if isinstance(path, FileList):
        return [file for one in path.files for file in ([one] if isinstance(one, RemoteFile) else table_files(one))]
    if not path.is_dir():
        if path.stat().st_size == 0:
            raise InvalidDataError(f"{path} is empty; a table needs columns and rows")
        return [path]
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.stat().st_size
        and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    ]
    if not files:
        raise InvalidDataError(f"the folder {path} holds no files with rows in them")
    return files


def _fields(file: Path, schema: Any) -> dict[str, Any]:
    _refuse_twice(file, schema.names)
    return {field.name: field.type for field in schema}


def _refuse_twice(file: Path, names: Sequence[str]) -> None:
    if not names:
        raise InvalidDataError(f"{file} has no columns")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InvalidDataError(f"{file} has more than one column named {twice!r}; give each its own name")


def _chosen(path: Any, names: list[str], columns: Sequence[str] | None, drop: Sequence[str] | None) -> list[str]:
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
    """Refuse names, asked for by an option, that a table has not."""
    if isinstance(asked, str):
        raise InvalidParameterError(f"{what}={asked!r} is one text; pass a list, {what}=[{asked!r}]")
    for name in asked or ():
        if name not in names:
            raise InvalidParameterError(
                f"{what}: {where} has no column {name!r}, only {_listed(names)}{suggest(name, names)}"
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return ", ".join(repr(name) for name in names[:_LISTED_NAMES]) + more


def _refuse_non_numeric(part: _Part, names: Sequence[str]) -> None:
    wrong = [name for name in names if not _is_numeric(part.fields[name])]
    if wrong:
        raise InvalidDataError(
            f"{part.path}: column {wrong[0]!r} holds {_what(part.fields[wrong[0]])}, and only numbers and booleans are "
            f"read; convert it, or leave it out with drop=[{_listed(wrong)}]"
        )


def _refuse_other_columns(first: _Part, part: _Part, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in part.fields]:
        raise BrokenFileError(f"{part.path} has no column {missing[0]!r}, but {first.path.name} beside it has one")
    if set(part.fields) - set(first.fields):
        extra = next(name for name in part.fields if name not in first.fields)
        raise BrokenFileError(f"{part.path} has a column {extra!r}, but {first.path.name} beside it has none")
    _refuse_non_numeric(part, names)


def _is_numeric(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _what(kind: Any) -> str:
    from pyarrow import types

    if types.is_dictionary(kind):
        return "categories"
    if types.is_temporal(kind):
        return f"dates or times ({kind})"
    if types.is_nested(kind):
        return f"nested values ({kind})"
    return f"text ({kind})" if types.is_string(kind) or types.is_large_string(kind) else f"{kind} values"


def _numpy_type(kind: Any) -> np.dtype[Any]:
    from pyarrow import types

    if types.is_boolean(kind):
        return np.dtype(np.uint8)
    if types.is_decimal(kind) or types.is_null(kind):
        return np.dtype(np.float64)
    dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return dtype


def _kind(kinds: Sequence[Any]) -> ColumnKind:
    from pyarrow import types

    if all(types.is_boolean(kind) for kind in kinds):
        return "boolean"
    return "integer" if all(types.is_integer(kind) or types.is_boolean(kind) for kind in kinds) else "real"


def _numbers(column: Any) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not pa.types.is_floating(column.type) and (column.null_count or not pa.types.is_integer(column.type)):
        # Unsafe: whole numbers beyond 2**53 are rounded, as NumPy would.
        column = column.cast(pa.float64(), safe=False)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell what pyarrow cannot read in one line that names the file."""
    import pyarrow as pa

    try:
        yield
    except IsthmusError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} is gone while it is read") from error
    except (pa.ArrowException, ValueError, OSError) as error:
        message = re.sub(r"^Could not open .*?: Invalid: ", "", one_line(error))
        message = re.sub(r"Row #(\d+):", r"row \1:", message)
        raise BrokenFileError(f"{path} cannot be read: {message[:300]}") from error
