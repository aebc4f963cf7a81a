"""Columns of a table that are no features but say something of its rows: their weights, or their groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.columns import frame_of
from isthmus.data.frames import each_column, refused
from isthmus.data.sources import CsvSource, TableSource, open_source
from isthmus.data.sources.arrow import is_arrow
from isthmus.data.sources.opening import column_names
from isthmus.data.sources.places import is_location
from isthmus.data.sources.streams import copied


class NamedColumns:
    """A table divided into its features and columns that are read by name.

    Parameters
    ----------
    X : DataFrame, str, os.PathLike, TableSource or data set
        The table.
    named : mapping of str to str
        The columns by the parameters that name them, such as ``{"sample_weight": "w"}``.

    Attributes
    ----------
    rows : object
        `X`, or a source of it, without these columns.

    Raises
    ------
    InvalidParameterError
        If `X` has no such column, or is a source that reads it as a feature.
    """

    def __init__(self, X: Any, named: Mapping[str, str]) -> None:
        X = copied(X)  # it is opened twice
        self._given = X
        self._frame = frame_of(X)
        self._source: Any = None
        names = list(dict.fromkeys(named.values()))
        if self._frame is not None:
            for parameter, name in named.items():
                if name not in self._frame.columns:
                    raise _no_column(parameter, name)
            self.rows: Any = self._frame.drop(names).to_native()
            return
        if not is_table(X):
            raise _no_column(*next(iter(named.items())))
        self.rows = self._source = X if isinstance(X, TableSource) else _opened_without(X, named, names)
        for parameter, name in named.items():
            if self._source is X and not has_column(X, name):
                raise _no_column(parameter, name)
            if name in self._source.schema.names:
                raise InvalidParameterError(
                    f"{parameter}={name!r} is a feature of this source; open it with drop=[{name!r}]"
                )

    def values(self, name: str) -> Iterable[Any]:
        """Return a column of any type in pieces, Arrow arrays; text as it is written."""
        if self._frame is not None:
            return [self._frame.get_column(name).to_arrow()]
        return (kept.column(0) for _, kept, _ in self._source.frames_keeping([name]))

    def numbers(self, parameter: str, name: str) -> NDArray[np.float64]:
        """Return a column of numbers, as `numbers_in`."""
        return numbers_in(self._given, parameter, name)


def numbers_in(X: Any, parameter: str, name: str) -> NDArray[np.float64]:
    """Return a column of numbers of a table, NaN where a cell is missing.

    Parameters
    ----------
    X : DataFrame, str, os.PathLike, TableSource or data set
        The table.
    parameter, name : str
        The parameter that names the column, and its name.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there is no such column, or it holds something else.
    """
    frame = frame_of(X)
    if frame is not None:
        if name not in frame.columns:
            raise _no_column(parameter, name)
        return _numbers_of(frame.to_native(), parameter, name)
    layout: dict[str, Any] = {}
    if isinstance(X, CsvSource):
        given = dataclasses.asdict(X.text_options)
        X, layout = X.path, {field: value for field, value in given.items() if value not in (None, ())}
    if not is_table(X):
        raise _no_column(parameter, name)
    if isinstance(X, TableSource):
        import pyarrow as pa

        pieces = [kept.column(0) for _, kept, _ in X.frames_keeping([name]) if len(kept)]
        return _numbers_of(pa.table({name: pa.chunked_array(pieces)}), parameter, name) if pieces else np.empty(0)
    try:
        blocks = open_source(X, columns=[name], **layout).blocks()
        return np.concatenate([np.empty(0), *(block.values[:, 0] for block in blocks)])
    except (InvalidDataError, InvalidParameterError) as error:
        raise type(error)(f"{parameter}: {str(error).removeprefix('columns: ')}") from None


def is_table(X: Any) -> bool:
    """Whether rows that are no frame may have columns with names."""
    return is_location(X) or is_arrow(X) or isinstance(X, TableSource)


def has_column(X: Any, name: str) -> bool:
    """Whether rows are a table with a column of this name."""
    frame = frame_of(X)
    if frame is not None:
        return name in frame.columns
    if not isinstance(X, TableSource):
        return is_table(X) and name in column_names(X)
    try:
        return bool(X.kept_schema([name]).names)
    except InvalidParameterError:
        return False


def _numbers_of(table: Any, parameter: str, name: str) -> NDArray[np.float64]:
    column = next(iter(each_column(table, [name])))
    if column.kind not in ("real", "integer", "boolean", "empty"):
        raise InvalidDataError(f"{parameter}: {refused(column, 'it must hold one number >= 0 for each row')}")
    if column.kind == "empty":
        return np.full(len(column.missing), np.nan)
    return np.where(column.missing, np.nan, column.values.astype(np.float64))


def _no_column(parameter: str, name: str) -> InvalidParameterError:
    either = "neither 'last' nor a column of these rows" if parameter == "validation_by" else "no column of these rows"
    return InvalidParameterError(
        f"{parameter}={name!r} is {either}; pass a table or a DataFrame that has one"
        + ("" if parameter == "validation_by" else ", or an array with one value for each row")
    )


def _opened_without(X: Any, named: Mapping[str, str], names: Sequence[str]) -> Any:
    try:
        return open_source(X, drop=list(names), kinds={})
    except InvalidParameterError as error:
        text = str(error).removeprefix("drop: ")
        parameter = next((parameter for parameter, name in named.items() if f"{name!r}" in text), next(iter(named)))
        raise InvalidParameterError(f"{parameter}: {text}") from error
