"""Files, URLs and stdout opened for writing rows; the format is found by the suffix."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.core.files import atomic_write
from isthmus.data.formats import SINKS, SPARSE_SINKS
from isthmus.data.sinks.base import Sink
from isthmus.data.sinks.text import CsvSink
from isthmus.data.sources.places import atomic_upload, is_url, known_suffix, public_url

STDOUT = "-"


@contextmanager
def open_sink(
    path: str | os.PathLike[str], names: Sequence[str], dtype: Any, *, sparse: bool = False, kept: Any = None
) -> Iterator[Sink]:
    """Open a sink that blocks of rows are written to; the file is complete when the ``with`` block ends without error.

    Parameters
    ----------
    path : str or os.PathLike
        A file with a suffix in `SINKS`, a URL of one, or ``"-"`` for CSV on stdout. An existing file is replaced when
        the new one is complete.
    names : sequence of str
        One name per column; ``.npy`` files do not store them.
    dtype : dtype-like
        The type that rows are written in, float32 or float64.
    sparse : bool
        Whether rows are mostly zeros: formats in `SPARSE_SINKS` then store only the cells that are not 0, see
        `SparseParquetSink`; other formats write every cell.
    kept : pyarrow.Schema or None
        Columns of any type to write before the others; ``.npy`` takes only numbers.

    Yields
    ------
    sink : Sink
        ``sink.write(rows, kept)`` takes a block of rows of shape (n_rows, n_columns), of any number of rows, and the
        same rows of the kept columns as a `pyarrow.Table`.

    Raises
    ------
    InvalidParameterError
        If no format has the suffix of the path, or a kept column has the name of another column.
    InvalidDataError
        If the format cannot store the type of a kept column.
    UnwritableError
        If the file cannot be written, for example because the disk is full.
    """
    if os.fspath(path) == STDOUT:
        yield from _written(CsvSink(sys.stdout.buffer, names, dtype, kept))
        return
    kind = sink_kind(path, sparse=sparse)
    with atomic_upload(os.fspath(path)) if is_url(path) else atomic_write(path) as file:
        yield from _written(kind(file, names, dtype, kept))


def sink_kind(path: str | os.PathLike[str], *, sparse: bool = False) -> type[Sink]:
    """Return the class that writes files like `path`: that of its longest suffix in `SINKS`, or its sparse form."""
    where = public_url(os.fspath(path)) if is_url(path) else os.fspath(path)
    suffix = known_suffix(Path(where).name, SINKS, f"cannot write {where}: it has")
    return SPARSE_SINKS[suffix] if sparse and suffix in SPARSE_SINKS else SINKS[suffix]


def _written(sink: Sink) -> Iterator[Sink]:
    try:
        yield sink
        sink.finish()
    except BaseException:
        sink.abandon()
        raise
