"""A table of columns of any kind as rows of numbers, and such rows as a table again."""

from __future__ import annotations

import warnings
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.data.columns import ColumnOfTable, refuse_duplicates
from isthmus.data.encoding.as_arrow import as_arrow
from isthmus.data.encoding.columns import MOST_LEVELS, UNKNOWN, ColumnFinder, EncodedColumn
from isthmus.data.encoding.types import build, type_of, zone_of
from isthmus.data.formats import DATETIMES
from isthmus.data.frames import Library, each_column, eager, labels_of, library_of, to_arrow
from isthmus.data.list_frames import spread_lists
from isthmus.data.sources.arrow_columns import listed
from isthmus.data.sources.base import Column, Schema
from isthmus.data.text_values import note_on_text


@dataclass(frozen=True)
class TableEncoding:
    """How the columns of a table are encoded as columns of numbers, and decoded.

    Numbers stay as they are, unless they are skewed and ``unskew=True``, and booleans are 0 or 1. A category has one
    column for each level, 1 in that of its level and 0 in the others, and 0 in all for a label that `learn` did not
    see. A date or time is the number of days since the earliest one; with ``datetimes="calendar"`` sine and cosine of
    its time of year, its day of the week and, where they differ, its time of day follow, in its own time zone.
    Durations are days. Missing cells are NaN in all of a column's columns. Integers beyond 2**53 are rounded.

    Parameters
    ----------
    columns : tuple of EncodedColumn
        The columns of the table.
    library : {"pandas", "polars", "pyarrow"}
        The library of the frame that was learned.
    """

    columns: tuple[EncodedColumn, ...]
    library: str

    @classmethod
    def learn(
        cls,
        frames: Any,
        datetimes: Literal["elapsed", "calendar", "refuse"] = "elapsed",
        *,
        integers: Container[Any] = (),
        unskew: bool = False,
    ) -> TableEncoding:
        """Learn the encoding of a table, in one pass.

        Text is a category of at most 1,000 levels, the most frequent ones. It is refused if, of at least 50 observed
        cells, more than half are different, or if there are at least 50 levels of more than 50 characters on average:
        identifiers and free text. Types that state their categories are never refused.

        Parameters
        ----------
        frames : frame of pandas, polars or pyarrow, or iterable of frames
            The table, or its rows in several frames with the same columns.
        datetimes : {"elapsed", "calendar", "refuse"}
            How dates and times are encoded.
        integers : container of str
            Columns of a text file that are integers, although they are read as floats, unless a cell has a fraction.
        unskew : bool
            Whether columns of clearly skewed numbers, in a table whose columns are not all numbers, are transformed;
            see `isthmus.data.encoding.skew`.

        Raises
        ------
        InvalidDataError
            If a column cannot be encoded; the message names it and the remedy.
        """
        if datetimes not in DATETIMES:
            raise InvalidParameterError(f"datetimes={datetimes!r} must be one of {', '.join(map(repr, DATETIMES))}")
        library, finders = None, list[ColumnFinder]()
        for frame in [frames] if library_of(eager(frames)) else frames:
            frame = _table(frame)
            names = labels_of(frame)
            if library is None:
                library, finders = (
                    library_of(frame),
                    [ColumnFinder(name, datetimes, name in integers, unskew) for name in names],
                )
            elif names != [finder.name for finder in finders]:
                raise InvalidDataError(
                    f"a frame has the columns {listed(names)}, but the first has "
                    f"{listed([finder.name for finder in finders])}"
                )
            for place, (finder, column) in enumerate(zip(finders, each_column(frame), strict=True)):
                finder.look(column, type_of(frame, place), stated_categories(frame, place))
        if library is None or not finders:
            raise InvalidDataError("the table has no columns; it needs at least one")
        found = cls(tuple(finder.found() for finder in finders), library)
        if found.is_plain:  # its rows are read as numbers, without this encoding
            found = cls(tuple(replace(column, skew=()) for column in found.columns), library)
        found._say_what_is_rare()
        return found

    def _say_what_is_rare(self) -> None:
        rare = [column for column in self.columns if column.rare]
        if rare:
            more = f" (and {len(rare) - 1} more columns)" if len(rare) > 1 else ""
            warnings.warn(
                f"column {rare[0].name!r} has {len(rare[0].levels) + rare[0].rare:,} levels{more}; the {MOST_LEVELS:,} "
                "most frequent are kept, the others count as unknown",
                IsthmusWarning,
                stacklevel=3,
            )

    @property
    def n_columns(self) -> int:
        """The number of columns of the table, C."""
        return len(self.columns)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first encoded column of each column, and W at the end."""
        return tuple(np.cumsum([0, *(column.width for column in self.columns)]).tolist())

    @property
    def width(self) -> int:
        """The number of encoded columns, W."""
        return self.starts[-1]

    @cached_property
    def categories(self) -> tuple[tuple[int, int], ...]:
        """The first encoded column of each category, and the one after its last."""
        return tuple(
            (self.starts[place], self.starts[place + 1])
            for place, column in enumerate(self.columns)
            if column.kind == "category"
        )

    @cached_property
    def column_of(self) -> NDArray[np.intp]:
        """The column of the table that each encoded column belongs to, of shape (W,)."""
        return np.repeat(np.arange(self.n_columns), np.diff(self.starts))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the encoded columns, such as ``"age"`` or ``"home=owner"``."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def is_plain(self) -> bool:
        """Whether all columns are numbers or booleans, so that W is C."""
        return all(column.kind in ("real", "integer", "boolean", "empty") for column in self.columns)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of encoded rows: float32, or float64 where a column needs it."""
        exact = all(column.exact_in_float32 for column in self.columns)
        return np.dtype(np.float32 if exact else np.float64)

    @cached_property
    def schema(self) -> Schema:
        """The encoded columns, for a source of rows."""
        kinds = (column.kind if column.kind in ("integer", "boolean") else "real" for column in self.columns)
        by_column = list(kinds)
        columns = (Column(name, by_column[place]) for name, place in zip(self.names, self.column_of, strict=True))
        named = all(isinstance(column.name, str) for column in self.columns)
        column_of = () if self.is_plain else tuple(self.column_of.tolist())
        return Schema(tuple(columns), named=named, categories=self.categories, column_of=column_of)

    # Encoding --------------------------------------------------------------------------------------------------------

    def encode(self, frame: Any, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the rows of a frame, of any of the libraries, as numbers of shape (n, W).

        Raises
        ------
        InvalidDataError
            If the frame lacks a column, or one holds something else than was learned.
        """
        return self.expand(self.compact(frame), out)

    def compact(self, frame: Any, *, unknown: Unknown | None = None) -> NDArray[Any]:
        """Return the rows of a frame as one number for each column, of shape (n, C); see `EncodedColumn.numbers`.

        Labels without a level are collected in `unknown`; without it a warning says how many there are.
        """
        frame = _table(frame)
        names = [column.name for column in self.columns]
        self._refuse_other_columns(labels_of(frame), names)
        out = np.empty((frame.shape[0], self.n_columns), self.dtype)
        found = Unknown() if unknown is None else unknown
        places = {name: place for place, name in enumerate(labels_of(frame))}
        for place, (known, column) in enumerate(zip(self.columns, each_column(frame, names), strict=True)):
            zone = zone_of(type_of(frame, places[known.name])) if known.kind == "datetime" else None
            numbers = out[:, place] = known.numbers(column, zone)
            if known.kind == "category":
                found.look(known.name, column.values, numbers)
        if unknown is None:
            found.say()
        return out

    def _refuse_other_columns(self, given: list[Any], names: list[Any]) -> None:
        if lacking := [name for name in names if name not in given]:
            raise InvalidDataError(f"the table has no column {lacking[0]!r}, which the fit saw")
        if len(given) > len(names):
            other = next(name for name in given if name not in names)
            raise InvalidDataError(f"the table has a column {other!r}, which the fit did not see; drop it")

    def expand(self, compact: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return what `compact` returned as encoded rows of shape (n, W), in the first n rows of `out` if given."""
        out = np.empty((len(compact), self.width), self.dtype) if out is None else out
        for place, column in enumerate(self.columns):
            column.expand(compact[:, place], out[: len(compact), self.starts[place] : self.starts[place + 1]])
        return out

    # Decoding --------------------------------------------------------------------------------------------------------

    def decode(self, rows: NDArray[Any], library: Library | None = None) -> Any:
        """Return encoded rows as a frame with the columns, types and categories of the frame that was learned.

        A category is the level whose column has the largest number; integers are rounded and kept in the range of
        their type; a boolean is true above 0.5. A cell is missing where its number is NaN, or all numbers of a category
        are 0; in a type of pandas that has no missing cells the column becomes float64 or object, as pandas does.

        Parameters
        ----------
        rows : ndarray of shape (n, W)
            Encoded rows, or rows that a model reconstructed.
        library : {"pandas", "polars", "pyarrow"} or None
            The library of the frame; None is that of the frame that was learned.
        """
        self._check_width(rows)
        cells = {}
        for place, column in enumerate(self.columns):
            values, missing = column.restored(rows[:, self.starts[place] : self.starts[place + 1]])
            cells[column.name] = build(self.library, column.dtype, values, missing, column.levels, column.categories)
        return _converted(_frame(self.library, cells), library or self.library)

    @cached_property
    def as_arrow(self) -> TableEncoding:
        """The encoding that decodes rows to a table of pyarrow, whose types do not depend on the rows, for files."""
        return TableEncoding(tuple(as_arrow(column, self.library) for column in self.columns), "pyarrow")

    def probabilities(self, rows: NDArray[Any]) -> dict[Any, NDArray[Any]]:
        """Return, for each category, the shares of its levels, of shape (n, levels)."""
        self._check_width(rows)
        found = {}
        for place, column in enumerate(self.columns):
            if column.kind == "category":
                shares = np.clip(rows[:, self.starts[place] : self.starts[place + 1]], 0, None)
                total = shares.sum(1, keepdims=True)
                found[column.name] = np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / column.width)
        return found

    def _check_width(self, rows: NDArray[Any]) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise InvalidDataError(f"rows have the shape {rows.shape}; the encoded table has {self.width} columns")


class Unknown:
    """Collects labels that have no level, to say it once.

    Attributes
    ----------
    counts : dict of str to (object, int)
        For each column that has some, an example and their number.
    """

    def __init__(self) -> None:
        self.counts: dict[Any, tuple[Any, int]] = {}

    def look(self, name: Any, labels: NDArray[Any], codes: NDArray[Any]) -> None:
        """Count the labels whose code is that of an unknown one."""
        rows = np.flatnonzero(codes == UNKNOWN)
        if len(rows):
            example, count = self.counts.get(name, (labels[rows[0]], 0))
            self.counts[name] = example, count + len(rows)

    def say(self) -> None:
        """Warn if there are some."""
        if self.counts:
            shown = [
                f"column {name!r} has {count:,} cells with a level that the fit did not see, such as {example!r}"
                for name, (example, count) in list(self.counts.items())[:3]
            ]
            more = f"; so do {len(self.counts) - 3} more columns" if len(self.counts) > 3 else ""
            warnings.warn(f"{'; '.join(shown)}{more}; they count as unknown", IsthmusWarning, stacklevel=4)


def _table(frame: Any) -> Any:
    frame = eager(frame)
    if library_of(frame) is None:
        raise InvalidDataError(f"a {type(frame).__name__} is no table; give a frame of pandas, polars or pyarrow")
    refuse_duplicates(frame)
    return spread_lists(frame)


def warn_of_text(frame: Any, columns: Sequence[ColumnOfTable]) -> None:
    """Warn of columns of a frame whose categories are numbers or dates as text, unless their type states them."""
    for place, column in enumerate(columns):
        stated = column.kind != "category" or stated_categories(frame, place) is not None
        note = None if stated else note_on_text(column.name, column.levels)
        if note:
            warnings.warn(note, IsthmusWarning, stacklevel=4)


def stated_categories(frame: Any, place: int) -> list[Any] | None:
    """Return the labels that the type of a column states; None for types that state none."""
    library = library_of(frame)
    if library == "pandas":
        dtype = frame.dtypes.iloc[place]
        if hasattr(dtype, "pyarrow_dtype"):
            return _dictionary_labels(frame.iloc[:, place].array.__arrow_array__())
        labels = getattr(dtype, "categories", None)
        return None if labels is None else list(labels)
    if library == "polars":
        dtype = frame.dtypes[place]
        return list(dtype.categories) if type(dtype).__name__ == "Enum" else None
    return _dictionary_labels(frame.column(place))


def _dictionary_labels(column: Any) -> list[Any] | None:
    """Return the labels of an Arrow column of a dictionary type; None for other types."""
    if not hasattr(column.type, "value_type") or not hasattr(column.type, "ordered"):
        return None
    chunks = getattr(column, "chunks", [column])
    return list(dict.fromkeys(label for chunk in chunks for label in chunk.dictionary.to_pylist()))


def _frame(library: str, cells: dict[Any, Any]) -> Any:
    if library == "pandas":
        import pandas as pd

        frame = pd.DataFrame(dict(enumerate(cells.values())))
        frame.columns = pd.Index(list(cells))
        return frame
    if library == "polars":
        import polars as pl

        return pl.DataFrame([series.alias(name) for name, series in cells.items()])
    import pyarrow as pa

    return pa.table(cells)


def _converted(frame: Any, library: str) -> Any:
    if library_of(frame) == library:
        return frame
    if library == "polars":
        import polars as pl

        return pl.from_arrow(to_arrow(frame))
    table = to_arrow(frame)
    return table.to_pandas() if library == "pandas" else table
