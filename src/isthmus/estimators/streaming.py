"""Results that come block by block: one array, one sparse matrix, or a file."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sinks import kept_types, open_sink
from isthmus.data.sources.base import Source, name_of
from isthmus.data.sources.kept import KeepingSource, KeptRows
from isthmus.data.sources.places import local_files
from isthmus.data.sparse_table import csr_of, sparse_rows
from isthmus.engine.inference import Inference
from isthmus.estimators.fit.choices import pick_device
from isthmus.estimators.inputs import cell_names, mixed_encoding

Array = NDArray[Any]
Progress = Callable[[int, int | None], None]  # rows done, and the number of all where it is known
Opened = tuple[Source, KeptRows | None]


@dataclass(frozen=True)
class Verb:
    """One thing that a fitted model does with rows, in memory or from file to file.

    Parameters
    ----------
    open : callable
        ``(model, X, keep)`` to the source of the input, checked, and the columns that are kept.
    blocks : callable
        ``(model, source)`` to the results of its blocks, in order.
    names : callable
        The model to the names of the result's columns.
    dtype : callable
        ``(model, source)`` to the type of the result.
    sparse : callable
        The model to whether the result is a sparse matrix.
    framed : callable
        ``(model, X, rows, probabilities)`` to the result in memory: the array, or a frame.
    decodes : bool
        Whether the result has the columns of the input, so that those of a table are written with their types.
    """

    open: Callable[[Any, Any, Sequence[str] | None], Opened]
    blocks: Callable[[Any, Source], Iterator[Array]]
    names: Callable[[Any], Sequence[str]]
    dtype: Callable[[Any, Source], Any]
    sparse: Callable[[Any], bool] = lambda model: False
    framed: Callable[[Any, Any, Array, bool], Any] = lambda model, X, rows, probabilities: rows
    decodes: bool = False

    def in_memory(self, model: Any, X: Any, *, probabilities: bool = False) -> Any:
        """Return the result for rows as one array or frame or, where it is sparse, as one scipy CSR matrix."""
        source, _ = self.open(model, X, None)
        parts, dtype, width = self.blocks(model, source), self.dtype(model, source), len(self.names(model))
        if self.sparse(model):
            return joined_sparse(parts, dtype, width)
        return self.framed(model, X, joined(parts, dtype, source.n_rows, width), probabilities)

    def to_file(
        self,
        model: Any,
        X: Any,
        out: str | os.PathLike[str],
        keep: Sequence[str] | None,
        progress: Progress | None,
        overwrite: bool = False,
    ) -> int:
        """Write the result for rows to a file, block by block, after the kept columns; return the number of rows."""
        source, kept = self.open(model, X, keep)
        if isinstance(source, KeepingSource) and (types := kept_types(out)):
            source.find_types(types)
        parts, sparse = self.blocks(model, source), self.sparse(model)
        table = TypedRows(model, kept) if self.decodes and mixed_encoding(model) is not None else None
        names, schema = self.names(model), None if kept is None else kept.schema
        if table is not None:
            names, schema = (), table.schema
        options: dict[str, Any] = {"sparse": sparse, "kept": schema, "overwrite": overwrite, "reads": local_files(X)}
        with open_sink(out, names, self.dtype(model, source), **options) as sink:
            for part in counted(parts, source.n_rows, progress):
                if table is not None:
                    sink.write(part[:, :0], table.of(part))
                else:
                    sink.write(part, None if kept is None else kept.take(len(part)))
            if not sink.n_rows:
                raise InvalidDataError(f"{name_of(source)} has no rows; there is nothing to write")
            return sink.n_rows


class TypedRows:
    """Makes Arrow tables of encoded rows: the kept columns and those of the table that the model was fitted on."""

    def __init__(self, model: Any, kept: KeptRows | None) -> None:
        import pyarrow as pa

        encoding = mixed_encoding(model)
        assert encoding is not None
        self.encoding, self.kept = encoding.as_arrow, kept
        decoded = self.encoding.decode(np.empty((0, encoding.width))).schema
        self.schema = pa.schema([*(() if kept is None else kept.schema), *decoded])

    def of(self, rows: Array) -> Any:
        """Return the next rows as a table."""
        import pyarrow as pa

        columns = [] if self.kept is None else self.kept.take(len(rows)).columns
        return pa.Table.from_arrays([*columns, *self.encoding.decode(rows).columns], schema=self.schema)


def float_of(source: Source) -> Any:
    """Return the type of results: float64 for float64 rows, else float32."""
    return np.float64 if source.dtype == np.float64 else np.float32


def rows_float(model: Any, source: Source) -> Any:
    """Return the type of rows in the units of `fit`: that of results, or float64 where float32 cannot hold them."""
    return np.float64 if model.scaler_.wide else float_of(source)


def joined(parts: Iterable[Array], dtype: Any, n_rows: int | None, width: int) -> Array:
    """Return blocks as one array (n_rows, width); None is a number of rows that only reading shows."""
    if n_rows is None:
        whole = [part.astype(dtype, copy=False) for part in parts]
        return np.concatenate(whole) if whole else np.empty((0, width), dtype)
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
    """Yield blocks as they come and, after each, report the number of rows done."""
    done = 0
    for part in parts:
        yield part
        done += len(part)
        if progress is not None:
            progress(done, total)


_INFERENCES: weakref.WeakKeyDictionary[Any, tuple[list[Any], Inference]] = weakref.WeakKeyDictionary()


def inference_of(model: Any) -> Inference:
    """Return what computes with a fitted model; its weights are uploaded once and kept while they are the same.

    The weights become read-only: an array that is changed in place would no longer be the one that was uploaded.
    """
    names = cell_names(model)
    leaves = jax.tree.leaves((model.params_, model.sparsity_state_))
    parts = [model.network_, model.scaler_, model.sparsity_, model.device, names, *leaves]
    known = _INFERENCES.get(model)
    if known is not None and _same(known[0], parts):
        return known[1]
    for leaf in leaves:
        if isinstance(leaf, np.ndarray):
            leaf.setflags(write=False)
    inference = Inference(
        model.network_,
        model.params_,
        model.scaler_,
        pick_device(model.device),
        names,
        sparsity=model.sparsity_,
        state=model.sparsity_state_,
    )
    _INFERENCES[model] = parts, inference
    return inference


def _same(known: list[Any], parts: list[Any]) -> bool:
    return len(known) == len(parts) and all(
        one is other or (isinstance(one, str | list) and one == other) for one, other in zip(known, parts, strict=True)
    )
