"""Files, URLs and stdout opened for writing rows; the format is found by the suffix."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from isthmus.core.errors import IsthmusError, UnwritableError
from isthmus.core.files import atomic_write, check_overwriting, described, is_stream
from isthmus.data.formats import SINKS, SPARSE_SINKS
from isthmus.data.sinks.base import Sink
from isthmus.data.sinks.npy import NpySink
from isthmus.data.sinks.text import CsvSink
from isthmus.data.sources.places import atomic_upload, is_url, known_suffix, public_url, suffix_of

STDOUT = "-"


@contextmanager
def open_sink(
    path: str | os.PathLike[str],
    names: Sequence[str],
    dtype: Any,
    *,
    sparse: bool = False,
    kept: Any = None,
    overwrite: bool = False,
    reads: Iterable[Path] = (),
) -> Iterator[Sink]:
    """Open a sink that blocks of rows are written to; the file is complete when the ``with`` block ends without error.

    Parameters
    ----------
    path : str or os.PathLike
        A file with a suffix in `SINKS`, a URL of one, or ``"-"`` for CSV on stdout. A named pipe or device without a
        suffix gets CSV.
    names : sequence of str
        One name per column; ``.npy`` files do not store them.
    dtype : dtype-like
        The type that rows are written in, float32 or float64.
    sparse : bool
        Whether rows are mostly zeros: formats in `SPARSE_SINKS` then store only the cells that are not 0, see
        `SparseParquetSink`; other formats write every cell.
    kept : pyarrow.Schema or None
        Columns of any type to write before the others; ``.npy`` takes only numbers.
    overwrite : bool
        Whether an existing file is replaced when the new one is complete.
    reads : iterable of Path
        The files that the rows are read from, which are never written over.

    Yields
    ------
    sink : Sink
        ``sink.write(rows, kept)`` takes a block of rows of shape (n_rows, n_columns), of any number of rows, and the
        same rows of the kept columns as a `pyarrow.Table`.

    Raises
    ------
    ExistingFileError
        If the file exists and `overwrite` is false, or it is one of `reads`.
    InvalidParameterError
        If no format has the suffix of the path, or a kept column has the name of another column.
    InvalidDataError
        If the format cannot store the type of a kept column.
    UnwritableError
        If the file cannot be written, for example because the disk is full.
    """
    if os.fspath(path) == STDOUT:
        with _stdout() as file:
            yield from _written(CsvSink(file, names, dtype, kept))
        return
    kind = sink_kind(path, sparse=sparse)
    if is_url(path):
        opened = atomic_upload(os.fspath(path), overwrite=overwrite, reads=reads)
    else:
        check_overwriting(path, overwrite=overwrite, reads=reads)
        opened = atomic_write(path, overwrite=overwrite)
    with opened as file:
        yield from _written(kind(file, names, dtype, kept))


def sink_kind(path: str | os.PathLike[str], *, sparse: bool = False) -> type[Sink]:
    """Return the class that writes files like `path`: that of its longest suffix in `SINKS`, or its sparse form."""
    where = public_url(os.fspath(path)) if is_url(path) else os.fspath(path)
    if not is_url(path) and is_stream(path) and suffix_of(Path(where).name, SINKS) is None:
        return CsvSink
    suffix = known_suffix(Path(where).name, SINKS, f"cannot write {where}: it has")
    return SPARSE_SINKS[suffix] if sparse and suffix in SPARSE_SINKS else SINKS[suffix]


def kept_types(path: str | os.PathLike[str]) -> str | None:
    """Return how a kept column of text is typed in files like `path`: see `CsvSource.typed_schema`."""
    if os.fspath(path) == STDOUT or issubclass(kind := sink_kind(path), CsvSink):
        return None
    return "numbers" if issubclass(kind, NpySink) else "exact"


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    """Yield stdout; raise UnwritableError if it is closed or its disk is full, but not if the reader of a pipe ends."""
    if sys.stdout is None:
        raise UnwritableError("cannot write to stdout: it is closed; pass the path of a file")
    try:
        yield sys.stdout.buffer
    except (IsthmusError, BrokenPipeError):
        raise
    except OSError as error:
        raise UnwritableError(f"cannot write to stdout: {described(error)}") from error


def _written(sink: Sink) -> Iterator[Sink]:
    try:
        yield sink
        sink.finish()
    except BaseException:
        sink.abandon()
        raise
