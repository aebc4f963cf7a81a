"""The cells of one column of a frame: numbers, categories, or dates and times, also where they are Python objects."""

from __future__ import annotations

import datetime
import decimal
import numbers as abstract
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError

Mask = NDArray[np.bool_]
Kind = Literal["real", "integer", "boolean", "category", "empty"]

_NO_VALUE = ("NAType", "NaTType")  # of pandas.NA and pandas.NaT


class FrameColumn(NamedTuple):
    """The cells of one column of a frame.

    Attributes
    ----------
    name : object
        Its name; pandas allows any hashable.
    kind : {"real", "integer", "boolean", "category", "empty"} or None
        None where the cells are neither numbers nor categories; "empty" where the type allows no value.
    what : str
        Its content and type in words, for messages.
    values : ndarray of shape (n,)
        Numbers in their own type, booleans as uint8, categories as objects, dates and times as datetime64 in UTC or
        timedelta64; unspecified for missing cells.
    missing : ndarray of bool of shape (n,)
        Which cells are null or NaN.
    labels : sequence
        The labels of categories, each once; not all need to occur.
    codes : ndarray of int of shape (n,)
        The place of each cell's label, ``len(labels)`` where it is missing; empty for other kinds.
    """

    name: Any
    kind: Kind | None
    what: str
    values: NDArray[Any]
    missing: Mask
    labels: Sequence[Any] = ()
    codes: NDArray[np.intp] = np.empty(0, np.intp)


def categories_column(name: Any, what: str, codes: NDArray[Any], labels: list[Any]) -> FrameColumn:
    """Return a column of categories; the code of a missing cell is ``len(labels)``."""
    codes = codes.astype(np.intp, copy=False)
    values = _objects([*labels, None])[codes]
    return FrameColumn(name, "category", what, values, codes == len(labels), labels, codes)


def _objects(values: list[Any]) -> NDArray[Any]:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def arrow_codes(cells: Any) -> tuple[NDArray[Any], list[Any]]:
    """Return the codes and labels of an Arrow column of text or of a dictionary."""
    import pyarrow as pa

    cells = pa.chunked_array([cells]) if isinstance(cells, pa.Array) else cells
    if not pa.types.is_dictionary(cells.type):
        text = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
        cells = (cells if text else cells.cast(pa.large_string())).dictionary_encode()
    whole = cells.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    labels = whole.dictionary.to_pylist()
    codes = whole.indices.cast(pa.int64()).fill_null(len(labels)).to_numpy(zero_copy_only=False)
    missing = [place for place, label in enumerate(labels) if is_null(label)]
    return np.where(np.isin(codes, missing), len(labels), codes) if missing else codes, labels


def factorized(values: NDArray[Any], missing: Mask) -> tuple[NDArray[Any], list[Any]]:
    """Return the codes and labels of objects."""
    import pyarrow as pa

    try:
        return arrow_codes(pa.array(values, pa.large_string(), mask=missing))
    except (pa.ArrowException, UnicodeError, TypeError):
        pass  # text that is not Unicode
    places: dict[Any, int] = {}
    pairs = zip(values.tolist(), missing.tolist(), strict=True)
    codes = np.array([-1 if hole else places.setdefault(label, len(places)) for label, hole in pairs], np.intp)
    return np.where(codes < 0, len(places), codes), list(places)


def objects_column(name: Any, values: NDArray[Any]) -> FrameColumn:
    """Return the cells of a column of Python objects: numbers, booleans or text, if it does not mix them.

    None, NaN and pandas's NA and NaT are missing. Numbers are float64; integers stay whole if an integer type of eight
    bytes holds them all.

    Raises
    ------
    InvalidDataError
        Where a number is larger than any float.
    """
    missing = np.fromiter((is_null(value) for value in values), bool, len(values))
    present = values[~missing]
    types = {type(value) for value in present}
    words = {_word(kind) for kind in types}
    if not words:
        return FrameColumn(name, "empty", "no values (object)", np.full(len(values), np.nan), missing)
    if len(words) > 1 or not words <= {"numbers", "booleans", "text"}:
        times = _object_times(values, missing, types) if len(words) == 1 else np.empty(0)
        return FrameColumn(name, None, _described(values, missing, words), times, missing)
    named = f"{words.pop()} ({', '.join(sorted(kind.__name__ for kind in types))} objects)"
    if named.startswith("text"):
        return categories_column(name, named, *factorized(values, missing))
    if named.startswith("booleans"):
        return FrameColumn(name, "boolean", named, np.where(missing, 0, values).astype(np.uint8), missing)
    if all(issubclass(kind, abstract.Integral) for kind in types):
        whole = np.where(missing, 0, values)
        for dtype in (np.int64, np.uint64):
            if min(whole) >= np.iinfo(dtype).min and max(whole) <= np.iinfo(dtype).max:
                return FrameColumn(name, "integer", named, whole.astype(dtype), missing)
    return FrameColumn(name, "real", named, _floats(name, values, missing), missing)


def _object_times(values: NDArray[Any], missing: Mask, types: set[type]) -> NDArray[Any]:
    """Return objects as NumPy's dates or durations, if all are dates, times without a zone, or durations."""
    if any(getattr(value, "tzinfo", None) is not None for value in values[~missing]):
        return np.empty(0)
    pairs = zip(values, missing, strict=True)
    for base, dtype in (
        (datetime.timedelta, "timedelta64[us]"),
        (np.timedelta64, "timedelta64[us]"),
        (datetime.datetime, "datetime64[us]"),
        (np.datetime64, "datetime64[us]"),
        (datetime.date, "datetime64[D]"),
    ):
        if all(issubclass(kind, base) for kind in types):
            return np.where(missing, np.array(None), values).astype(dtype)
    if all(issubclass(kind, datetime.time) for kind in types):
        day = datetime.date.min
        since = [
            None if hole else datetime.datetime.combine(day, value) - datetime.datetime.min for value, hole in pairs
        ]
        return np.array(since, "timedelta64[us]")
    return np.empty(0)


def _floats(name: Any, values: NDArray[Any], missing: Mask) -> NDArray[np.float64]:
    found = np.full(len(values), np.nan)
    for row in np.flatnonzero(~missing):
        try:
            found[row] = float(values[row])
        except OverflowError:
            raise InvalidDataError(
                f"column {name!r} holds a number in row {row} that is larger than any float; divide the column, or "
                "drop it"
            ) from None
    return found


def is_null(value: Any) -> bool:
    """Whether a cell is None, NaN, or the missing value of a library."""
    if value is None or type(value).__name__ in _NO_VALUE:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return isinstance(value, decimal.Decimal) and value.is_nan()


def _word(kind: type) -> str:
    """Return in one word, in the plural, what objects of a type are."""
    if issubclass(kind, bool | np.bool_):
        return "booleans"
    if issubclass(kind, abstract.Real | decimal.Decimal) and not issubclass(kind, np.timedelta64):
        return "numbers"
    for base, word in _WORDS:
        if issubclass(kind, base):
            return word
    return f"{kind.__name__} objects"


_WORDS: tuple[tuple[Any, str], ...] = (
    (str, "text"),
    ((bytes, bytearray, memoryview), "bytes"),
    ((datetime.date, datetime.time, np.datetime64), "dates or times"),
    ((datetime.timedelta, np.timedelta64), "durations"),
    (abstract.Complex, "complex numbers"),
    ((list, tuple, set, frozenset, np.ndarray), "lists"),
    (dict, "dictionaries"),
)


def _described(values: NDArray[Any], missing: Mask, words: set[str]) -> str:
    """Return what objects are that are not all numbers, booleans or text, with the place of the rarest."""
    rows: dict[str, list[int]] = {word: [] for word in sorted(words)}
    for row in np.flatnonzero(~missing):
        rows[_word(type(values[row]))].append(int(row))
    rarest = min(rows, key=lambda word: len(rows[word]))
    first = rows[rarest][0]
    shown = repr(values[first])
    shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
    kinds = " and ".join(rows)
    mixed = f"a mixture of {kinds}" if len(rows) > 1 else kinds
    return f"{mixed} ({type(values[first]).__name__}), such as {' '.join(shown.split())} in row {first}"
