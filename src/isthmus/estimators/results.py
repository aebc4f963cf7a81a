"""What becomes of results that come block by block: one array, one sparse matrix, or a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sinks import open_sink
from isthmus.data.sources.kept import KeptRows
from isthmus.data.sparse_table import csr_of, sparse_rows

Array = NDArray[Any]
Progress = Callable[[int, int | None], None]  # rows done, and all there are where that is known


def joined(parts: Iterable[Array], dtype: Any, n_rows: int, width: int) -> Array:
    """Return blocks as one array (n_rows, width)."""
    out = np.empty((n_rows, width), dtype)
    start = 0
    for part in parts:
        out[start : start + len(part)] = part
        start += len(part)
    return out


def joined_sparse(parts: Iterable[Array], dtype: Any, width: int) -> Any:
    """Return blocks as one scipy CSR matrix; memory is at most a quarter more than the matrix and a block."""
    return csr_of((sparse_rows(part.astype(dtype, copy=False)) for part in parts), width, dtype)


def counted(parts: Iterable[Array], total: int | None, progress: Progress | None) -> Iterator[Array]:
    """Yield blocks as they come and, after each, tell how many rows are done."""
    done = 0
    for part in parts:
        yield part
        done += len(part)
        if progress is not None:
            progress(done, total)


def written(
    parts: Iterable[Array],
    out: str | os.PathLike[str],
    names: Sequence[str],
    dtype: Any,
    total: int | None,
    progress: Progress | None,
    *,
    sparse: bool = False,
    kept: KeptRows | None = None,
) -> int:
    """Write blocks to a file, beside kept columns that come as the blocks are read, and return the number of rows."""
    with open_sink(out, names, dtype, sparse=sparse, kept=None if kept is None else kept.schema) as sink:
        for part in counted(parts, total, progress):
            sink.write(part, None if kept is None else kept.take(len(part)))
        if not sink.n_rows:
            raise InvalidDataError("the source holds no rows; there is nothing to write")
        return sink.n_rows
