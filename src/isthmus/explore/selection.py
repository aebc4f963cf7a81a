"""Differences between chosen rows and the others: the columns whose means differ most."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.explore.explored import Explored

Array = NDArray[Any]

_MOST_READ = 20_000  # rows of a selection; of a larger one a sample is read
_BLOCK = 4096


class Difference(NamedTuple):
    """One column whose mean over the chosen rows differs from that over all others."""

    place: int  # of the encoded column
    inside: float  # mean over the chosen rows
    outside: float  # mean over the others
    deviations: float  # their difference, in standard deviations of the column over all rows
    errors: float  # their difference, in standard errors


class Comparison(NamedTuple):
    """The means of chosen rows and of all others, each (D,), and the columns that differ most, first the largest."""

    inside: Array
    outside: Array
    differences: list[Difference]
    n_read: int  # chosen rows that were read


def apart(explored: Explored, places: Array, most: int = 20) -> Comparison:
    """Compare chosen rows with all others.

    Parameters
    ----------
    explored : Explored
        The rows.
    places : ndarray of int
        The chosen rows, by their places among those shown, without repetition.
    most : int
        The number of columns to return.
    """
    read = places
    if len(places) > _MOST_READ:
        read = np.sort(np.random.default_rng(0).choice(places, _MOST_READ, replace=False))
    count, total = np.zeros(explored.n_features), np.zeros(explored.n_features)
    for first in range(0, len(read), _BLOCK):
        cells = explored.rows(read[first : first + _BLOCK]).astype(np.float64)
        count += (~np.isnan(cells)).sum(axis=0)
        total += np.nansum(cells, axis=0)
    all_rows = explored.totals
    # Where only a sample was read, the sums of all chosen rows are estimated from it.
    factor = len(places) / max(len(read), 1)
    inside = _quotient(total, count)
    rest = np.maximum(all_rows.count - factor * count, 0)
    rest = np.where(rest < 0.5, 0, rest)
    outside = _quotient(all_rows.total - factor * total, rest)
    deviation = all_rows.deviation
    varies = (deviation > 1e-12 * np.maximum(np.abs(all_rows.low), np.abs(all_rows.high))) & (count > 0) & (rest > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(varies, (inside - outside) / deviation, 0.0)
        errors = np.where(varies, effect / np.sqrt(1 / count + 1 / rest), 0.0)
    effect, errors = np.nan_to_num(effect), np.nan_to_num(errors)
    order = np.argsort(-np.abs(effect), kind="stable")[:most]
    found = [
        Difference(int(j), float(inside[j]), float(outside[j]), float(effect[j]), float(errors[j]))
        for j in order
        if effect[j] != 0
    ]
    return Comparison(inside, outside, found, len(read))


def _quotient(total: Array, count: Array) -> Array:
    means: Array = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return means
