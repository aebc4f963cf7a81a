"""Rows that are mostly zeros, such as sparse codes: in a scipy matrix, or in a Parquet file of units and values."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.scaling.statistics import refuse_non_finite
from isthmus.data.sources.arrays import (
    NumberedRows,
    block_rows,
    existing,
    made_up_columns,
    made_up_schema,
    naming,
    one_line,
)
from isthmus.data.sources.arrow_columns import reading, refuse_unknown
from isthmus.data.sources.base import Block, Column, Schema
from isthmus.data.sources.places import arrow_place, hash_ends
from isthmus.data.sparse_table import UNIT, VALUE, SparseRows, csr_of, from_arrow, schema_for, unit_names

_CSR_ROWS = 1 << 13  # of a block that is not made dense


class CsrSource(NumberedRows):
    """The rows of a scipy sparse matrix, made dense block by block, or read as they are by `csr`.

    Parameters
    ----------
    matrix : scipy sparse matrix or array of shape (n_rows, n_features)
        Real numbers or booleans. It is copied only if it is not CSR, or has a cell twice, whose values are added.
    schema : Schema or None
        The columns; None names them ``x0``, ``x1``, ….

    Raises
    ------
    InvalidDataError
        If the matrix does not hold rows of numbers.
    """

    def __init__(self, matrix: Any, *, schema: Schema | None = None) -> None:
        self.matrix = _canonical(matrix)
        self.n_rows: int | None = int(self.matrix.shape[0])
        self.dtype: np.dtype[Any] = self.matrix.dtype
        self.schema = replace(schema or made_up_schema(self.matrix.shape[1], self.dtype), sparse=True)

    def csr(self, rows: slice | NDArray[np.integer]) -> Any:
        """Return some rows as a scipy CSR matrix, without cells that are stored twice."""
        return self.matrix[rows]

    def _between(self, first: int, stop: int) -> NDArray[Any]:
        return np.asarray(self.matrix[first:stop].toarray())

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        self._check(rows)
        out[: len(rows)] = self.matrix[rows].toarray()


class SparseCodesSource:
    """The codes in a Parquet file of `isthmus.data.sinks.SparseParquetSink`, made dense block by block.

    Parameters
    ----------
    path : str or os.PathLike
        One file.

    Notes
    -----
    The file has no random access: the first `take` reads all of it as a CSR matrix and keeps the matrix.

    Raises
    ------
    MissingFileError, BrokenFileError
        If the file is missing, damaged, written by a newer isthmus, or has no sparse codes.
    """

    random_access = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = existing(path)
        with self._opened() as file:
            self.n_rows: int | None = int(file.metadata.num_rows)
            found = file.schema_arrow
            names = unit_names(found.metadata, self.path)
        if names is None:
            raise BrokenFileError(f"{self.path} holds no sparse codes; open it with open_source")
        self.dtype: np.dtype[Any] = _value_type(found, names, self.path)
        self.schema = Schema(tuple(map(Column, names)), named=True)
        self._loaded: CsrSource | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the size of the file, its columns and its two ends."""
        size = self.path.stat().st_size
        digest = hashlib.blake2b(repr((size, self.schema.names, self.dtype.str)).encode(), digest_size=16)
        hash_ends(digest, self.path)
        return digest.hexdigest()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of at most about 8 MB."""
        width = self.schema.n_features
        for rows, first in self._pieces(block_rows(width * self.dtype.itemsize)):
            if stop is not None and first >= stop:
                return
            end = len(rows.counts) if stop is None else min(stop - first, len(rows.counts))
            if (begin := max(start - first, 0)) < end:
                yield Block(rows.dense(width)[begin:end], first + begin)

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of other columns of the file, as `blocks_keeping` yields them."""
        import pyarrow as pa

        with self._opened() as file:
            columns = file.schema_arrow
        refuse_unknown("keep", self.path, columns.names, names)
        return pa.schema([columns.field(name) for name in names])

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order, each block with an Arrow batch of other columns of the same rows."""
        width, first = self.schema.n_features, 0
        for batch in self._batches(block_rows(width * self.dtype.itemsize), dict.fromkeys([UNIT, VALUE, *names])):
            rows = from_arrow(batch, width, first, self.path)
            yield Block(rows.dense(width), first), batch.select(list(names))
            first += batch.num_rows

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows` into `out`; the first call reads the whole file and keeps it, sparse."""
        if self._loaded is None:
            self._loaded = CsrSource(self.csr(), schema=self.schema)
        self._loaded.take(rows, out)

    def csr(self) -> Any:
        """Return all codes as a scipy CSR matrix, (n_rows, n_units)."""
        return csr_of((rows for rows, _ in self._pieces(1 << 16)), self.schema.n_features, self.dtype)

    def _pieces(self, size: int) -> Iterator[tuple[SparseRows, int]]:
        first = 0
        for batch in self._batches(size, (UNIT, VALUE)):
            rows = from_arrow(batch, self.schema.n_features, first, self.path)
            yield rows, first
            first += len(rows.counts)

    def _batches(self, size: int, columns: Iterable[str]) -> Iterator[Any]:
        with self._opened() as file, reading(self.path):
            yield from file.iter_batches(batch_size=size, columns=list(columns))

    def _opened(self) -> Any:
        from pyarrow import parquet

        with reading(self.path):
            return parquet.ParquetFile(arrow_place(self.path)[0])


class SparseArchiveSource(CsrSource):
    """The rows of a matrix in a ``.npz`` file of `scipy.sparse.save_npz`, read into memory as CSR.

    Parameters
    ----------
    path : str or os.PathLike
        The archive, of any of scipy's formats: csr, csc, bsr, coo or dia.

    Raises
    ------
    BrokenFileError, InvalidDataError
        If the file is damaged or its matrix is not of real numbers.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from scipy.sparse import load_npz

        self.path = existing(path)
        try:
            matrix = load_npz(self.path)
            if hasattr(matrix, "check_format"):
                # Compiled code would follow damaged indices beyond the arrays.
                matrix.check_format(full_check=True)
            matrix = matrix.tocsr()
        except (ValueError, TypeError, KeyError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
            raise BrokenFileError(
                f"{self.path} cannot be read as a sparse matrix of scipy: {one_line(error)}; write it again"
            ) from error
        with naming(self.path):
            super().__init__(matrix)


def csr_blocks(
    source: Any, start: int = 0, stop: int | None = None, *, step: int = _CSR_ROWS
) -> Iterator[tuple[Any, int]]:
    """Yield rows `start` to `stop` of a sparse source as CSR matrices, each with the number of its first row."""
    stop = source.n_rows if stop is None else min(stop, source.n_rows)
    for first in range(start, stop, step):
        yield source.csr(slice(first, min(first + step, stop))), first


def refuse_non_finite_cells(rows: Any, start: int, names: Sequence[str]) -> None:
    """Raise InvalidDataError for the first NaN or infinity of a CSR matrix, whose first row is row `start`."""
    if rows.data.dtype.kind != "f" or np.isfinite(rows.data).all():
        return
    row = int(np.searchsorted(rows.indptr, np.flatnonzero(~np.isfinite(rows.data))[0], "right")) - 1
    refuse_non_finite(rows[[row]].toarray(), start + row, names)


def _canonical(matrix: Any) -> Any:
    """Return a matrix of numbers as CSR, every cell stored at most once."""
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise InvalidDataError(
            f"a sparse matrix of shape {matrix.shape} and {matrix.dtype} does not hold rows of numbers; pass a matrix "
            "of real numbers with one row per sample"
        )
    matrix = matrix.tocsr()
    if matrix.dtype.kind == "b" or (matrix.dtype.kind == "f" and matrix.dtype.itemsize not in (4, 8)):
        matrix = matrix.astype(np.uint8 if matrix.dtype.kind == "b" else np.float64)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def sparse_frame(frame: Any) -> CsrSource | None:
    """Return a pandas frame of sparse columns, whose missing value is 0, as a source; None for any other frame."""
    kinds = getattr(frame, "dtypes", ())
    if not len(kinds) or not all(type(kind).__name__ == "SparseDtype" and kind.fill_value == 0 for kind in kinds):
        return None
    matrix = frame.sparse.to_coo()
    names = tuple(frame.columns)
    if not all(isinstance(name, str) for name in names):
        return CsrSource(matrix)
    columns = tuple(replace(column, name=name) for column, name in zip(made_up_columns(len(names)), names, strict=True))
    return CsrSource(matrix, schema=Schema(columns, named=True))


def is_sparse_archive(path: Path) -> bool:
    """Whether a ``.npz`` file holds a sparse matrix of scipy; False for a file that is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def is_sparse_codes(path: Path) -> bool:
    """Whether `SparseCodesSource` reads a file; False for a file that is not Parquet, which other readers report."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        metadata = parquet.read_schema(arrow_place(path)[0]).metadata
    except (pa.ArrowException, OSError, ValueError):
        return False
    return unit_names(metadata, path) is not None


def _value_type(found: Any, names: Sequence[str], path: Path) -> np.dtype[Any]:
    """Return the type of the values of a file; raise BrokenFileError if its columns differ from its metadata."""
    kinds: list[np.dtype[Any]] = [np.dtype(np.float32), np.dtype(np.float64)]
    for kind in kinds:
        wanted = schema_for(names, kind)
        if all(name in found.names and found.field(name).type.equals(wanted.field(name).type) for name in wanted.names):
            return kind
    columns = ", ".join(f"{field.name} ({field.type})" for field in found)
    raise BrokenFileError(f"{path} says it holds sparse codes, but its columns are {columns}; write it again")
