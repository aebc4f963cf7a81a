"""Cells that have to be counts: whole numbers that are not negative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from isthmus.core.errors import InvalidDataError


def refuse_other_than_counts(
    values: Any,
    start: int,
    names: Sequence[str],
    counted: NDArray[np.bool_],
    *,
    who: str = "the model",
    numbers: NDArray[np.integer] | None = None,
) -> None:
    """Raise InvalidDataError for the first negative or fractional cell that is to be a count, with row and column.

    Parameters
    ----------
    values : ndarray or scipy CSR matrix of shape (n, D)
        Rows, of which the first is row `start`. Cells that are missing or infinite are not looked at.
    start : int
        The number of the first row.
    names : sequence of str
        The columns' names; empty without any.
    counted : ndarray of bool of shape (D,)
        Which cells are to be counts.
    who : str
        What needs counts, for the message.
    numbers : ndarray, optional
        The numbers of rows in what the user gave, where they are others.
    """
    if issparse(values):
        stored = np.flatnonzero(_is_no_count(values.data) & counted[values.indices])
        if not len(stored):
            return
        # The first row's cells may be in any order.
        row = int(np.searchsorted(values.indptr, stored[0], "right")) - 1
        values, start = values[[row]].toarray(), start + row
    wrong = np.argwhere(_is_no_count(values) & counted)
    if len(wrong):
        row, column = wrong[0]
        name = repr(str(names[column])) if len(names) else column
        place = start + row if numbers is None else numbers[start + row]
        raise InvalidDataError(
            f"{who} needs counts, and the rows have {values[row, column]:g} at row {place}, column {name}; use the "
            "raw counts, or another likelihood"
        )


def _is_no_count(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which cells are finite and no counts."""
    if cells.dtype.kind != "f":
        return cells < 0 if cells.dtype.kind == "i" else np.zeros(cells.shape, bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(((cells < 0) | (np.floor(cells) < cells)) & np.isfinite(cells))
