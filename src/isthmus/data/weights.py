"""Weights of rows: checked, relative to the mean of the rows they are used with, and rows of weight 0 left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.base import Block, Schema, Source
from isthmus.data.splitting import NO_HOLDOUT, Holdout

NAME = "sample_weight"


class RowWeights:
    """The weights of a source's rows, each > 0.

    Parameters
    ----------
    values : ndarray of float of shape (n_rows,)
        The weights; their unit does not matter.
    relative : bool
        Whether weights are divided by their mean over the training rows, or over those held out, so that learning
        rates and penalties keep their meaning.
    """

    def __init__(self, values: NDArray[np.floating[Any]], *, relative: bool = True) -> None:
        self.values = values
        self.relative = relative
        self._factors: dict[tuple[Holdout, bool], float] = {}

    def factor(self, holdout: Holdout = NO_HOLDOUT, validation: bool = False) -> float:
        """Return what the weights of the training rows, or of those held out, are multiplied by."""
        if not self.relative:
            return 1.0
        key = holdout, validation
        if key not in self._factors:
            values = self.values
            if holdout.share:
                values = values[holdout.mask(0, len(values)) == validation]
            self._factors[key] = 1 / float(values.mean(dtype=np.float64)) if len(values) else 1.0
        return self._factors[key]

    def training(self, holdout: Holdout) -> RowWeights:
        """Return the weights of the training rows."""
        if not holdout.share:
            return self
        return RowWeights(self.values[~holdout.mask(0, len(self.values))], relative=self.relative)

    @property
    def digest(self) -> str:
        """A hash of the weights."""
        return hashlib.blake2b(self.values.astype(np.float64).tobytes(), digest_size=16).hexdigest()


def checked_weights(values: Any, n_rows: int, name: str = NAME) -> NDArray[np.floating[Any]] | None:
    """Return the weights of rows as floats; None without any.

    Parameters
    ----------
    values : array-like of shape (n_rows,), float or None
        The weights; a number is that of each row.
    n_rows : int
        The number of rows.
    name : str
        What a message calls them.

    Raises
    ------
    InvalidDataError
        If there is not one number >= 0 for each row, or all are 0.
    """
    if values is None:
        return None
    if isinstance(values, Real):
        values = np.full(n_rows, values)
    weights = _floats(values, name)
    if weights.shape != (n_rows,):
        raise InvalidDataError(
            f"{name} has shape {weights.shape}, but there are {n_rows} rows; pass one weight for each (1D array)"
        )
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise InvalidDataError(
            f"{name} of row {wrong[0]} is {weights[wrong[0]]:g}; weights must be finite numbers >= 0"
        )
    if n_rows and not weights.any():
        raise InvalidDataError(f"{name} is zero for all rows; at least one needs a weight > 0")
    return weights


def _floats(values: Any, name: str) -> NDArray[np.floating[Any]]:
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        found = np.asarray(values)
        if found.dtype.kind in "USOmM":
            found = np.array([_float_of(value) for value in found.ravel()], np.float64).reshape(found.shape)
    except (TypeError, ValueError):
        raise InvalidDataError(f"{name} has values that are not numbers; pass one number >= 0 for each row") from None
    if found.dtype.kind not in "biuf":
        raise InvalidDataError(f"{name} has values of type {found.dtype}; pass one number >= 0 for each row")
    return found if found.dtype in (np.float32, np.float64) else found.astype(np.float64)


def _float_of(value: Any) -> float:
    if isinstance(value, str | np.datetime64 | np.timedelta64):
        raise TypeError
    return float("nan") if value is None else float(value)


class SelectedRows:
    """Some rows of a source with random access, as a source.

    Parameters
    ----------
    source : Source
        The source.
    numbers : ndarray of int of shape (n,)
        The rows, in ascending order.
    """

    random_access = True

    def __init__(self, source: Source, numbers: NDArray[np.integer]) -> None:
        self.source = source
        self.numbers = numbers
        self.schema: Schema = source.schema
        self.dtype: np.dtype[Any] = source.dtype
        self.n_rows: int | None = len(numbers)
        self.path = getattr(source, "path", "the source")

    @property
    def fingerprint(self) -> str:
        """A hash of the rows."""
        chosen = hashlib.blake2b(self.numbers.astype(np.int64).tobytes(), digest_size=8).hexdigest()
        return f"{self.source.fingerprint} {chosen}"

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop`, in order."""
        numbers = self.numbers[start:stop]
        if not len(numbers):
            return
        for values, first in self.source.blocks(int(numbers[0]), int(numbers[-1]) + 1):
            low, high = np.searchsorted(self.numbers, (first, first + len(values)))
            if low < high:
                yield Block(values[self.numbers[low:high] - first], int(low))

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows` into `out`."""
        self.source.take(self.numbers[rows], out)

    def csr(self, rows: slice | NDArray[np.integer]) -> Any:
        """Return some rows as a scipy CSR matrix, of a source that is kept without its zeros."""
        source: Any = self.source
        return source.csr(self.numbers[rows])


def number_in_file(source: Any, row: int) -> int:
    """Return the number of a source's row in what a user gave."""
    return int(source.numbers[row]) if isinstance(source, SelectedRows) else row
