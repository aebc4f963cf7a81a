"""The columns of a model's rows: their cells as values for the map, as texts for tables, and as numbers to decode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.encoding.columns import EncodedColumn
from isthmus.data.encoding.dates import TICKS_OF_DAY
from isthmus.data.encoding.skew import steps_back
from isthmus.data.sources.base import Schema
from isthmus.estimators.inputs import mixed_encoding
from isthmus.evaluation.report.facts import DecodedColumn, MapColumn
from isthmus.evaluation.report.texts import t

Array = NDArray[Any]
MOST_LEVELS = 200
_MILLISECONDS = 86_400_000  # of a day


@dataclass(frozen=True)
class ColumnReader:
    """Reads one column of a table from rows as a source has them.

    Attributes
    ----------
    name : str
        The column.
    start, stop : int
        Its numbers in a row.
    kind : str
        ``"real"``, ``"integer"``, ``"boolean"``, ``"category"``, ``"datetime"``, ``"duration"`` or ``"empty"``.
    encoded : EncodedColumn or None
        How it is encoded, in a table of mixed columns.
    """

    name: str
    start: int
    stop: int
    kind: str
    encoded: EncodedColumn | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of a category or a boolean."""
        if self.kind == "category" and self.encoded is not None:
            return tuple(str(level) for level in self.encoded.levels)
        return ("False", "True") if self.kind == "boolean" else ()

    @property
    def origin(self) -> float | None:
        """The day 0 of a date, in milliseconds since 1970."""
        if self.kind != "datetime" or self.encoded is None or self.encoded.empty:
            return None
        return float(int(self.encoded.low) / TICKS_OF_DAY[self.encoded.unit] * _MILLISECONDS)

    @property
    def step(self) -> float:
        """The milliseconds of which dates are multiples, counted from the origin."""
        own = self.encoded
        return 1.0 if own is None or not own.unit else max(own.step / TICKS_OF_DAY[own.unit] * _MILLISECONDS, 1.0)

    def values(self, rows: Array) -> Array:
        """Return the cells of rows (n, D) as numbers: places of levels, days, or numbers; NaN where one is missing."""
        own = rows[:, self.start : self.stop]
        if self.encoded is None:
            return own[:, 0].astype(np.float64)
        if self.kind in ("datetime", "duration", "empty"):
            return own[:, 0].astype(np.float64)
        values, missing = self.encoded.restored(own)
        return np.where(missing, np.nan, values.astype(np.float64))

    def text(self, row: Array, *, decoded: bool = False) -> str:
        """Return the cell of a row (D,) as text; of a decoded category with the probability of its level."""
        value = float(self.values(row[None])[0])
        if np.isnan(value):
            return t("missing")
        if self.levels:
            level = self.levels[int(value)]
            share = float(row[self.start + int(value)])
            return f"{level} ({min(max(share, 0), 1):.0%})" if decoded and self.kind == "category" else level
        if self.kind == "datetime" and self.origin is not None:
            return date_text(self.origin + round(value * _MILLISECONDS / self.step) * self.step)
        if self.kind == "duration":
            return t("{count:.4g} days", count=value)
        return f"{value:.0f}" if self.kind == "integer" and abs(value) < 1e15 else f"{value:.5g}"

    def map_column(self, values: Array) -> MapColumn:
        """Return what the map is coloured by, from the values of its points."""
        name = t("{name} (days)", name=self.name) if self.kind == "duration" else self.name
        return MapColumn(name, values, self.levels, self.origin, self.kind == "integer")

    def decoded(self) -> DecodedColumn:
        """Return how the page shows a decoded cell."""
        skew: tuple[float, ...] = ()
        if self.encoded is not None and self.encoded.skew:
            skew = steps_back(self.encoded.skew, self.encoded.low, self.encoded.high)
        return DecodedColumn(self.name, self.kind, self.start, self.stop, self.levels, skew, self.origin, self.step)


def date_text(milliseconds: float) -> str:
    """Return a time in milliseconds since 1970 as a date, with the time of day where there is one."""
    text = str(np.datetime64(round(milliseconds), "ms"))
    return text.removesuffix(".000").removesuffix("T00:00:00")


def readers_of(model: Any, schema: Schema) -> tuple[ColumnReader, ...]:
    """Return the readers of the columns that a model was fitted on."""
    encoding = mixed_encoding(model)
    if encoding is not None:
        return tuple(
            ColumnReader(str(column.name), start, start + column.width, column.kind, column)
            for start, column in zip(encoding.starts, encoding.columns, strict=False)
            if column.width
        )
    names = list(getattr(model, "feature_names_in_", ())) or list(schema.names)
    kinds = [column.kind for column in schema.columns]
    if len(names) != len(kinds):
        names = [f"x{place}" for place in range(len(kinds))]
    return tuple(
        ColumnReader(str(name), place, place + 1, "integer" if kind == "integer" else "real")
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    )
