"""The cells that a likelihood has a probability for: counts, or numbers from 0 to 1 once they are scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from isthmus.core.errors import InvalidDataError
from isthmus.data.scaling.maps import Scaling

Mask = NDArray[np.bool_]

ROUNDING = 1e-6  # what a scaled cell may be below 0 or above 1
_OF_PIXELS = (1.0, 255.0)  # what divides shares and 8-bit pixels, whatever the training rows are


class Domain:
    """What some cells of a row have to be, in the units of the rows."""

    cells: Mask  # (D,) which ones
    words: str
    remedy: str

    def outside(self, values: NDArray[Any], columns: Any = slice(None)) -> Mask:
        """Return which values, finite ones of these columns, are not what they have to be."""
        raise NotImplementedError

    def surely_holds(self, values: NDArray[Any]) -> bool:
        """Return whether a cheap look at values shows that all of them are what they have to be."""
        return False


@dataclass(frozen=True, eq=False)
class Counts(Domain):
    """Whole numbers that are not negative.

    Parameters
    ----------
    cells : ndarray of bool of shape (D,)
        Which cells of a row.
    """

    cells: Mask

    words = "counts"
    remedy = "use the raw counts, or another likelihood"

    def outside(self, values: NDArray[Any], columns: Any = slice(None)) -> Mask:
        """Return which values are finite, and negative or fractional."""
        if values.dtype.kind != "f":
            return values < 0 if values.dtype.kind == "i" else np.zeros(values.shape, bool)
        with np.errstate(invalid="ignore"):
            return np.asarray(((values < 0) | (np.floor(values) < values)) & np.isfinite(values))


@dataclass(frozen=True, eq=False)
class Between(Domain):
    """Numbers from one limit to another.

    Parameters
    ----------
    cells : ndarray of bool of shape (D,)
        Which cells of a row.
    low, high : ndarray of shape (D,)
        The limits of each column.
    """

    cells: Mask
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    remedy = "give rows in the units of fit, or clip the cell"

    @property
    def words(self) -> str:  # type: ignore[override]
        """The limits, where all columns have the same."""
        low, high = self.low[self.cells], self.high[self.cells]
        if (low == low[0]).all() and (high == high[0]).all():
            return f"values from {low[0]:g} to {high[0]:g}"
        return "values in the range of each column"

    def outside(self, values: NDArray[Any], columns: Any = slice(None)) -> Mask:
        """Return which values are finite and beyond the limits, but for rounding."""
        low, high = self.low[columns], self.high[columns]
        room = ROUNDING * (high - low)
        with np.errstate(invalid="ignore"):
            return np.asarray(((values < low - room) | (values > high + room)) & np.isfinite(values))

    def surely_holds(self, values: NDArray[Any]) -> bool:
        """Return whether smallest and largest value are within the limits of all columns."""
        return not values.size or bool(values.min() >= self.low.max() and values.max() <= self.high.min())


def has_own_limits(scaler: Scaling) -> bool:
    """Return whether 0 and 1 of a scaling are limits of the rows themselves, not the range of the training rows."""
    plain = scaler.kind in ("none", "unit") and scaler.affine is not None
    return plain and bool(np.isin(scaler.affine[1], _OF_PIXELS).all())  # type: ignore[index]


def domain_of(counted: Mask | None, shared: Mask | None, scaler: Scaling, *, for_density: bool) -> Domain | None:
    """Return what the cells of a model's rows have to be; None where they may be any number.

    Parameters
    ----------
    counted, shared : ndarray of bool of shape (D,) or None
        Which cells are to be counts, and which ones from 0 to 1 once they are scaled.
    scaler : Scaling
        The model's scaling.
    for_density : bool
        Whether the likelihood of the rows is asked for. Otherwise rows may be beyond limits that are no more than the
        range of the training rows, as those of ``scaling="minmax"`` are: new rows often are, by a little.
    """
    if counted is not None:
        return Counts(counted)
    if shared is None or scaler.affine is None:  # patches are clipped
        return None
    center, scale = scaler.affine
    return Between(shared, center, center + scale) if for_density or has_own_limits(scaler) else None


def refuse_outside(
    domain: Domain,
    values: Any,
    start: int,
    names: Sequence[str],
    *,
    who: str = "the model",
    numbers: NDArray[np.integer] | None = None,
) -> None:
    """Raise InvalidDataError for the first cell that is not what it has to be, with row and column.

    Parameters
    ----------
    domain : Domain
        What cells have to be.
    values : ndarray or scipy CSR matrix of shape (n, D)
        Rows, of which the first is row `start`. Cells that are missing or infinite are not looked at.
    start : int
        The number of the first row.
    names : sequence of str
        The columns' names; empty without any.
    who : str
        What needs such cells, for the message.
    numbers : ndarray, optional
        The numbers of rows in what the user gave, where they are others.
    """
    if issparse(values):
        wrong_cells = domain.outside(values.data, values.indices) & domain.cells[values.indices]
        stored = np.flatnonzero(wrong_cells)
        if not len(stored):
            return
        # The first row's cells may be in any order.
        row = int(np.searchsorted(values.indptr, stored[0], "right")) - 1
        values, start = values[[row]].toarray(), start + row
    if domain.surely_holds(values):
        return
    wrong = np.argwhere(domain.outside(values) & domain.cells)
    if len(wrong):
        row, column = wrong[0]
        name = repr(str(names[column])) if len(names) else column
        place = start + row if numbers is None else numbers[start + row]
        raise InvalidDataError(
            f"{who} needs {domain.words}, and the rows have {values[row, column]:g} at row {place}, column {name}; "
            f"{domain.remedy}"
        )
