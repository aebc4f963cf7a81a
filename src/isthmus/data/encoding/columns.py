"""One column of a mixed table: what is learned of it, its cells as numbers, and numbers as its cells again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, IsthmusWarning
from isthmus.data.columns import ColumnOfTable
from isthmus.data.encoding.dates import TICKS_OF_DAY, elapsed_days, ticks_of, times_of_day, waves, widest_step
from isthmus.data.encoding.skew import Skew, skew_of, transformed, untransformed
from isthmus.data.encoding.types import Type, is_time_of_day, limits_of, merged, plain_label, zone_of
from isthmus.data.frame_columns import FrameColumn
from isthmus.data.frames import refused
from isthmus.data.text_values import note_on_text

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Each level is a column of the encoded rows.
MOST_LEVELS = 1000
# Text of nearly as many levels as rows is refused: of at least so many observed cells, more than half are distinct, or
# there are so many levels that are as long as a sentence.
_FEW_ROWS, _SENTENCE = 50, 50
_COUNTED = 1_000_000  # the distinct labels that are counted; the others are rare
_TIMES = ("datetime", "duration")
_SAMPLED = 1 << 14  # the numbers that show whether a column is skewed, at most
UNKNOWN = -1.0  # the code of a label that has no level


@dataclass(frozen=True)
class EncodedColumn(ColumnOfTable):
    """What is known of one column of an encoded table.

    Parameters
    ----------
    name, kind, low, high, levels
        As in `ColumnOfTable`, up to 1,000 levels. The kind is also ``"datetime"`` or ``"duration"``, where `low` and
        `high` are in ticks of `unit`, and ``"empty"`` where no cell was observed.
    dtype : tuple
        The type in the library of the frame; see `isthmus.data.encoding.types`.
    categories : tuple
        All labels of a type that states them, in its order; () for text.
    unit : str
        NumPy's name of the unit of dates and times, such as ``"us"``.
    step : int
        The ticks of which all observed dates and times are multiples, counted from the first: a day, an hour, a second,
        …; restored ones are such multiples too.
    parts : tuple of str
        The calendar parts of a date that are encoded in addition to the elapsed time, of ``"year"``, ``"week"``,
        ``"day"``.
    missing : bool
        Whether a cell was missing.
    rare : int
        The labels that have no level, because 1,000 others are more frequent.
    skew : tuple of float
        The transformation of a skewed column of numbers, see `isthmus.data.encoding.skew`; () of others.
    """

    dtype: Type = ()
    categories: tuple[Any, ...] = ()
    unit: str = ""
    step: int = 1
    parts: tuple[str, ...] = ()
    missing: bool = False
    rare: int = 0
    skew: Skew = ()

    @property
    def width(self) -> int:
        """The number of columns that encode it."""
        return len(self.levels) if self.kind == "category" else 1 + 2 * len(self.parts)

    @property
    def zone(self) -> str | None:
        """The time zone."""
        return zone_of(self.dtype)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that encode it."""
        if self.kind == "category":
            return tuple(f"{self.name}={level}" for level in self.levels)
        waves = (f"{self.name}={part} {wave}" for part in self.parts for wave in ("sine", "cosine"))
        return (str(self.name), *waves)

    @property
    def exact_in_float32(self) -> bool:
        """Whether float32 holds its cells as well as its own type does."""
        if self.skew:
            return False
        if self.kind == "integer" and not self.empty:
            return max(abs(self.low), abs(self.high)) <= 1 << 24
        if self.kind == "real":
            return "float32" in str(self.dtype).lower() or "float16" in str(self.dtype).lower()
        return self.kind not in _TIMES

    def numbers(self, column: FrameColumn, zone: str | None = None) -> Floats:
        """Return the cells of a frame's column as one number each, NaN where a cell is missing.

        A category is the number of its level, -1 where it has none; dates and times are days; skewed numbers are
        transformed.

        Parameters
        ----------
        column : FrameColumn
            The column.
        zone : str or None
            Its time zone.

        Raises
        ------
        InvalidDataError
            If the column holds something else than was learned.
        """
        if column.missing.all() or self.kind == "empty":
            return np.full(len(column.missing), np.nan)
        kind = kind_of(column)
        if kind != self.kind and {kind, self.kind} - {"real", "integer", "boolean"}:
            raise InvalidDataError(
                f"column {self.name!r} holds {column.what}, but the fit saw {_words(self.kind)}; convert it to the "
                "type it had"
            )
        if self.kind == "datetime" and (zone is None) != (self.zone is None):
            raise InvalidDataError(
                f"column {self.name!r} has {f'the time zone {zone}' if zone else 'no time zone'}, but the fit saw "
                f"{self.zone or 'none'}; convert it"
            )
        if self.kind == "category":
            places = {level: float(place) for place, level in enumerate(self.levels)}
            known = [places.get(plain_label(label), UNKNOWN) for label in column.labels]
            numbers = np.array([*known, np.nan])[column.codes]
        elif self.kind in _TIMES:
            numbers = elapsed_days(column.values, self._origin, self.unit)
        else:
            numbers = column.values.astype(np.float64)
            numbers = transformed(numbers, self.skew) if self.skew else numbers
        return np.where(column.missing, np.nan, numbers)

    @property
    def _origin(self) -> int:
        return int(self.low) if self.kind == "datetime" and not self.empty else 0

    def expand(self, numbers: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the numbers of cells as the columns that encode them, `out` of shape (n, `width`)."""
        if self.kind != "category":
            out[:, 0] = numbers
            if self.parts:
                out[:, 1:] = waves(self._ticks(numbers, 1), self.unit, self.zone, self.parts)
            return
        missing = np.isnan(numbers)
        out[:] = 0
        rows = np.flatnonzero(numbers >= 0)
        out[rows, numbers[rows].astype(np.intp)] = 1
        out[missing] = np.nan

    def _ticks(self, numbers: NDArray[Any], step: int) -> NDArray[Any]:
        if is_time_of_day(self.dtype):
            numbers = np.clip(numbers, 0, 1 - 1 / TICKS_OF_DAY[self.unit])
        return ticks_of(numbers, self._origin, self.unit, "M8" if self.kind == "datetime" else "m8", step)

    def unskewed(self, numbers: NDArray[Any]) -> Floats:
        """Return the numbers of a column that encodes numbers in their own unit."""
        if not self.skew:
            return numbers.astype(np.float64)
        return untransformed(numbers, self.skew, self.low, self.high)

    def restored(self, rows: NDArray[Any]) -> tuple[NDArray[Any], Mask]:
        """Return the values of cells, levels as their numbers, from the encoding columns, and which are missing."""
        if self.kind == "category":
            missing = np.isnan(rows).any(1) | ~rows.any(1)
            return np.where(missing[:, None], 0, rows).argmax(1), missing
        numbers = self.unskewed(rows[:, 0])
        missing = np.isnan(numbers)
        if self.kind == "empty":
            return np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
        if self.kind == "boolean":
            return numbers > 0.5, missing
        if self.kind in _TIMES:
            return self._ticks(numbers, self.step), missing
        limits = limits_of(self.dtype)
        if self.kind == "integer":
            return _whole(np.where(missing, 0, numbers), *(limits or (-(1 << 63), (1 << 63) - 1))), missing
        return numbers, missing


def _whole(numbers: Floats, low: int, high: int) -> NDArray[Any]:
    """Return numbers as the nearest integers of a range."""
    whole = np.rint(numbers)
    dtype = np.dtype(np.uint64 if high >= 1 << 63 else np.int64)
    # float(2**63) is beyond the range, so what is at an end is set there as an integer.
    inside = (whole > low) & (whole < high)
    found = np.where(inside, whole, 0).astype(dtype)
    found[whole >= high] = high
    found[whole <= low] = low
    return found


def _words(kind: str) -> str:
    return {"real": "numbers", "category": "categories or text", "datetime": "dates or times"}.get(kind, f"{kind}s")


def kind_of(column: FrameColumn) -> str | None:
    """Return the kind of a column, with dates and times; None where it cannot be encoded."""
    times = {"M": "datetime", "m": "duration"}
    return column.kind or (times.get(column.values.dtype.kind) if len(column.values) == len(column.missing) else None)


def _are_whole(values: NDArray[Any]) -> bool:
    wide = values.astype(np.float64)
    return bool(np.all((np.abs(wide) <= 1 << 53) & (np.rint(wide) == wide)))


# Learning ------------------------------------------------------------------------------------------------------------


@dataclass
class ColumnFinder:
    """Learns a column from its cells in one frame after another.

    Parameters
    ----------
    name : object
        The column's name.
    datetimes : {"elapsed", "calendar", "refuse"}
        How dates and times are encoded.
    integers : bool
        Whether numbers that are all whole are integers, although they are floats: those of text files.
    unskew : bool
        Whether skewed numbers are transformed.
    """

    name: Any
    datetimes: str
    integers: bool = False
    unskew: bool = False
    kind: str = "empty"
    dtype: Type = ()
    categories: dict[Any, None] = field(default_factory=dict)
    counts: dict[Any, int] = field(default_factory=dict)
    letters: int = 0
    observed: int = 0
    missing: bool = False
    whole: bool = True
    low: Any = np.nan
    high: Any = np.nan
    unit: str = ""
    common: int = 0
    times_of_day: set[int] = field(default_factory=set)
    sample: Floats = field(default_factory=lambda: np.empty(0))
    stride: int = 1
    n_numbers: int = 0

    def look(self, column: FrameColumn, dtype: Type, categories: Sequence[Any] | None) -> None:
        """Learn from the cells of one frame; `categories` are the labels of its type, if it states them.

        Raises
        ------
        InvalidDataError
            If the cells cannot be encoded, or are of another kind than those before.
        """
        kind = "empty" if column.missing.all() else kind_of(column)
        if kind is None:
            raise refused(column, "it cannot be encoded: drop it, or convert it to numbers, text or dates")
        if kind in _TIMES and self.datetimes == "refuse":
            raise refused(column, "encode it with datetimes='elapsed' or datetimes='calendar', or drop it")
        self._merge(kind, column, dtype)
        self.categories |= dict.fromkeys(map(plain_label, categories or ()))
        self.missing |= bool(column.missing.any())
        self.observed += int((~column.missing).sum())
        if kind == "category":
            self._count(column)
        elif kind in _TIMES:
            self._look_at_times(column, dtype)
        elif kind != "empty":
            self._look_at_numbers(column.values[~column.missing] if column.missing.any() else column.values)

    def _merge(self, kind: str, column: FrameColumn, dtype: Type) -> None:
        if kind == "empty" or self.kind in ("empty", kind):
            known = self.kind != "empty" and bool(self.dtype)
            self.dtype = merged(self.dtype, dtype) if known and kind != "empty" else self.dtype if known else dtype
            self.kind = kind if self.kind == "empty" else self.kind
            return
        if {kind, self.kind} != {"real", "integer"}:
            raise InvalidDataError(
                f"column {self.name!r} holds {column.what}, but {_words(self.kind)} in the rows before; convert it to "
                "one type"
            )
        self.dtype = dtype if kind == "real" else self.dtype
        self.kind = "real"

    def _look_at_numbers(self, values: NDArray[Any]) -> None:
        if values.dtype.kind == "f":
            # Infinity is refused where the rows are read, by the number of its row.
            values = values if np.isfinite(values).all() else values[np.isfinite(values)]
            self.whole = self.whole and self.integers and _are_whole(values)
        if self.unskew and values.dtype.kind != "b":
            self._sample(values)
        if len(values):
            plain = int if values.dtype.kind in "iu" else float
            self._range(plain(values.min()), plain(values.max()))

    def _sample(self, values: NDArray[Any]) -> None:
        """Keep every n-th number of all frames, at most 16,384."""
        taken = values[-self.n_numbers % self.stride :: self.stride].astype(np.float64)
        self.n_numbers += len(values)
        self.sample = np.concatenate([self.sample, taken])
        while len(self.sample) > _SAMPLED:
            self.sample, self.stride = self.sample[::2], 2 * self.stride

    def _range(self, low: Any, high: Any) -> None:
        self.low = low if self.low != self.low else min(self.low, low)
        self.high = high if self.high != self.high else max(self.high, high)

    def _count(self, column: FrameColumn) -> None:
        counts = np.bincount(column.codes, minlength=len(column.labels) + 1)[: len(column.labels)].tolist()
        for label, count in zip(map(plain_label, column.labels), counts, strict=True):
            if not count:
                continue
            if label in self.counts:
                self.counts[label] += count
            elif len(self.counts) < _COUNTED:
                self.counts[label] = count
            self.letters += count * len(str(label))

    def _look_at_times(self, column: FrameColumn, dtype: Type) -> None:
        values = column.values[~column.missing]
        unit = np.datetime_data(values.dtype)[0]
        if self.unit not in ("", unit):
            raise InvalidDataError(
                f"column {self.name!r} holds {column.what}, but dates or times in {self.unit} in the rows before; "
                "convert it to one type"
            )
        ticks = values.view(np.int64)
        origin = (int(self.low) if self.unit else int(ticks[0])) if values.dtype.kind == "M" else 0
        self.common = int(np.gcd.reduce(ticks - origin, initial=self.common))
        self.unit = unit
        self._range(int(ticks.min()), int(ticks.max()))
        if self.datetimes == "calendar" and kind_of(column) == "datetime" and len(self.times_of_day) < 2:
            self.times_of_day |= set(times_of_day(values, zone_of(dtype))[:2].tolist())

    def found(self) -> EncodedColumn:
        """Return what was learned.

        Raises
        ------
        InvalidDataError
            If the column is free text, or identifies the rows.
        """
        parts: tuple[str, ...] = ()
        if self.kind == "datetime" and self.datetimes == "calendar":
            parts = ("year", "week", "day") if len(self.times_of_day) > 1 else ("year", "week")
        levels = self._levels() if self.kind == "category" else ()
        whole = self.integers and self.whole and self.kind == "real"
        return EncodedColumn(
            name=self.name,
            kind="integer" if whole else self.kind,
            low=int(self.low) if whole else self.low,
            high=int(self.high) if whole else self.high,
            levels=levels,
            dtype=("int64",) if whole else self.dtype,
            categories=tuple(self.categories),
            unit=self.unit,
            step=widest_step(self.common, self.unit) if self.unit else 1,
            parts=parts,
            missing=self.missing,
            rare=len(self.counts) - len(levels),
            skew=skew_of(self.sample) if self.kind in ("real", "integer") else (),
        )

    def _levels(self) -> tuple[Any, ...]:
        n_levels, length = len(self.counts), self.letters / max(1, self.observed)
        note = None if self.categories else note_on_text(self.name, self.counts)
        if not self.categories and n_levels > _FEW_ROWS / 2:
            remedy = "drop it, group its values, or give it a type of categories to encode it anyway"
            if self.observed >= _FEW_ROWS and n_levels > self.observed / 2:
                raise InvalidDataError(
                    note
                    or f"column {self.name!r} has {n_levels:,} different values in {self.observed:,} rows, so it is an "
                    f"identifier or free text; {remedy}"
                )
            if length > _SENTENCE and n_levels >= _FEW_ROWS:
                raise InvalidDataError(
                    f"column {self.name!r} has {n_levels:,} different texts of {length:.0f} characters on average, so "
                    f"it is free text; {remedy}"
                )
        if note:
            warnings.warn(note, IsthmusWarning, stacklevel=2)
        order = {label: place for place, label in enumerate(self.categories)}
        frequent = sorted(self.counts, key=lambda label: (-self.counts[label], str(label)))[:MOST_LEVELS]
        return tuple(sorted(frequent, key=lambda label: (order.get(label, 0), str(label), str(type(label)))))
