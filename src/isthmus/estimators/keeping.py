"""Rows for a fitted estimator and the columns of their table that are written before the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.columns import frame_of, select
from isthmus.data.frames import to_arrow
from isthmus.data.sources import open_source
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.arrow_columns import refuse_unknown
from isthmus.data.sources.base import Source
from isthmus.data.sources.kept import KeepingSource, KeepsColumns, KeptRows
from isthmus.data.sources.streams import copied
from isthmus.estimators.inputs import is_external, is_table, open_stream

Opened = tuple[Source, KeptRows | None]


def open_keeping(estimator: Any, X: Any, keep: Sequence[str] | None) -> Opened:
    """Return rows as `open_stream` does, and what hands on the columns to keep as the rows' blocks are read.

    Raises
    ------
    InvalidParameterError
        If `keep` names a column that the table has not, or twice, or `X` is no table.
    """
    names = list(getattr(estimator, "feature_names_in_", ()))

    def opened(rows: Any) -> Source:
        return open_stream(estimator, rows if names or not keep else _without(rows, keep))

    return keeping(X, keep, names, opened)


def keeping(X: Any, keep: Sequence[str] | None, used: Sequence[str], opened: Callable[[Any], Source]) -> Opened:
    """Return what `opened` makes of `X`, without the columns to keep, save those `used`; and what hands those on."""
    if not keep:
        return opened(X), None
    X = copied(X)
    _refuse_unclear(keep)
    if (frame := frame_of(X)) is not None:
        rows, kept = _divided(frame, keep, used)
        return opened(rows), kept
    source = opened(X) if is_external(X) else None
    if not isinstance(source, KeepsColumns):
        raise InvalidParameterError(
            f"keep={list(keep)}: {X if isinstance(X, str | os.PathLike) else type(X).__name__} has no named columns to "
            "keep; give a DataFrame or a table in CSV, Parquet or Feather"
        )
    whole = KeepingSource(source, keep)
    return whole, whole.kept


def _without(X: Any, names: Sequence[str]) -> Any:
    """Return a table without these columns: a model that saw no names takes all others."""
    if not is_table(X):
        return X
    try:
        return open_source(X, drop=names, kinds={})
    except InvalidParameterError as error:
        raise InvalidParameterError(f"keep{str(error).removeprefix('drop')}") from error


def _refuse_unclear(keep: Sequence[str]) -> None:
    if isinstance(keep, str):
        refuse_unknown("keep", "", (), keep)
    if len(set(keep)) < len(keep):
        raise InvalidParameterError(f"keep={list(keep)} names a column twice")


def _divided(frame: Any, keep: Sequence[str], used: Sequence[str]) -> tuple[Any, KeptRows]:
    """Return a frame without the columns that are only kept, and the kept columns."""
    import pyarrow as pa

    columns = frame.columns
    refuse_unknown("keep", f"the {type(frame.to_native()).__name__}", columns, keep)
    try:
        kept = to_arrow(select(frame.to_native(), keep)).replace_schema_metadata(None)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidDataError(f"keep: a column's values are not of one type: {one_line(error)}") from error
    left = [name for name in columns if name not in keep or name in used]
    return select(frame.to_native(), left), KeptRows.of(kept)
