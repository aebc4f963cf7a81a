"""Rows of a source without random access, copied to memory or, if they do not fit, to a temporary file."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, UnwritableError
from isthmus.data.sources.arrays import ArraySource
from isthmus.data.sources.base import Source, name_of
from isthmus.data.sources.encoded import EncodedSource


def gathered_rows(source: Source, most_bytes: int) -> ArraySource | EncodedSource:
    """Return the rows of a source, read once, as a source with random access.

    Parameters
    ----------
    source : Source
        The rows.
    most_bytes : int
        The size up to which rows are kept in memory; more rows go to a memory-mapped file in the folder for temporary
        files, which ``TMPDIR`` sets. The file is deleted with the source. Of an encoded table the codes are kept.

    Raises
    ------
    InvalidDataError
        If there are no rows, or more than the source states.
    UnwritableError
        If the file cannot be written.
    """
    if isinstance(source, EncodedSource):
        return EncodedSource(_gathered(source.codes, most_bytes), source.encoding)
    return _gathered(source, most_bytes)


def _gathered(source: Source, most_bytes: int) -> ArraySource:
    row_bytes = source.schema.n_features * source.dtype.itemsize
    blocks = (block.values for block in source.blocks())
    if source.n_rows is not None and source.n_rows * row_bytes <= most_bytes:
        return _in_memory(source, _filled(np.empty((source.n_rows, source.schema.n_features), source.dtype), blocks))
    waiting: list[NDArray[Any]] = []
    n_bytes = 0
    if source.n_rows is None:
        for values in blocks:
            waiting.append(values)
            if (n_bytes := n_bytes + values.nbytes) > most_bytes:
                break
        else:
            width = source.schema.n_features
            return _in_memory(source, np.concatenate([*waiting, np.empty((0, width), source.dtype)]))
    return _in_file(source, waiting, blocks)


def _in_memory(source: Source, values: NDArray[Any]) -> ArraySource:
    if not len(values):
        raise InvalidDataError(f"{name_of(source)} holds no rows; a fit needs at least one")
    return ArraySource(values, schema=source.schema)


def _filled(out: NDArray[Any], blocks: Iterator[NDArray[Any]]) -> NDArray[Any]:
    n_rows = 0
    for values in blocks:
        if n_rows + len(values) > len(out):
            raise InvalidDataError(
                f"the source states {len(out)} rows but has more; do not change files while they are read"
            )
        out[n_rows : n_rows + len(values)] = values
        n_rows += len(values)
    return out[:n_rows]


def _in_file(source: Source, waiting: list[NDArray[Any]], blocks: Iterator[NDArray[Any]]) -> ArraySource:
    n_rows = 0
    with _writing():
        file = tempfile.TemporaryFile(prefix="isthmus-rows-")  # noqa: SIM115, closed with the source
    while waiting:
        n_rows += _written(file, waiting.pop(0))
    for values in blocks:
        n_rows += _written(file, values)
    with _writing():
        file.flush()
    rows = np.memmap(file, source.dtype, "r", shape=(n_rows, source.schema.n_features))
    spooled = ArraySource(rows, schema=source.schema)
    weakref.finalize(spooled, file.close)
    return spooled


def _written(file: IO[bytes], values: NDArray[Any]) -> int:
    with _writing():
        file.write(np.ascontiguousarray(values).data)
    return len(values)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableError(
            f"rows that do not fit in memory cannot be written to {tempfile.gettempdir()}: {error.strerror or error}; "
            "set TMPDIR to a folder with room, or raise max_memory"
        ) from error
