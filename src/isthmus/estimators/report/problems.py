"""Possible problems of the rows: constant and repeated columns, rows that occur twice, missing cells, outliers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.estimators.report.columns import ColumnReader
from isthmus.estimators.report.passes import Columns
from isthmus.evaluation.report.facts import Errors, Problem
from isthmus.evaluation.report.html import counted
from isthmus.evaluation.report.texts import t

Array = NDArray[Any]
_LISTED = 12
_FAR = 10.0  # standard deviations
_SAME = 0.9999  # correlation
_OUTLYING = 3.0  # interquartile ranges of the logarithm of the error


def problems_of(
    columns: Columns, readers: tuple[ColumnReader, ...], errors: Errors, numbers: Array, *, pictures: bool
) -> tuple[Problem, ...]:
    """Return the problems of the rows.

    Parameters
    ----------
    columns : Columns
        What the first pass found.
    readers : tuple of ColumnReader
        The columns.
    errors : Errors
        The model's.
    numbers : ndarray of int of shape (n,)
        The numbers of the rows in what the user gave.
    pictures : bool
        Whether the rows are pictures, whose columns are pixels.
    """
    found = [
        _missing(columns, readers),
        _constant(columns, readers, pictures=pictures),
        None if pictures else _repeated(columns, readers),
        _duplicates(columns.hashes, numbers),
        None if pictures else _extreme_values(columns, readers),
        _outliers(errors.by_row, numbers),
    ]
    return tuple(problem for problem in found if problem is not None)


def _missing(columns: Columns, readers: tuple[ColumnReader, ...]) -> Problem | None:
    counts = np.array([columns.missing[reader.start] for reader in readers])
    if not counts.any():
        return None
    order = [place for place in np.argsort(-counts, kind="stable")[:_LISTED] if counts[place]]
    share = counts.sum() / (columns.count * len(readers))
    text = t(
        "{count:,} cells, {share:.3g} % of all, in {columns}.",
        count=counts.sum(),
        share=100 * share,
        columns=counted(int((counts > 0).sum()), "column"),
    )
    rows = tuple(
        (readers[place].name, f"{counts[place]:,}", f"{100 * counts[place] / columns.count:.3g} %") for place in order
    )
    return Problem(t("Missing cells"), text, (t("column"), t("missing cells"), t("share of its rows")), rows)


def _constant(columns: Columns, readers: tuple[ColumnReader, ...], *, pictures: bool) -> Problem | None:
    low, high = columns.low, columns.high
    names = [reader.name for reader in readers if _is_constant(reader, low, high)]
    if not names:
        return None
    if pictures:
        text = t("{columns} with one value in all rows.", columns=counted(len(names), "pixel"))
    else:
        counts = counted(len(names), "column")
        text = t("{columns} with one value in all rows: {names}.", columns=counts, names=_listed(names))
    return Problem(t("Constant columns"), text)


def _is_constant(reader: ColumnReader, low: Array, high: Array) -> bool:
    own = slice(reader.start, reader.stop)
    return bool((low[own] == high[own]).all())


def _repeated(columns: Columns, readers: tuple[ColumnReader, ...]) -> Problem | None:
    if columns.covariance is None:
        return None
    starts = np.array([reader.start for reader in readers if reader.stop == reader.start + 1], int)
    names = [reader.name for reader in readers if reader.stop == reader.start + 1]
    covariance = columns.covariance[np.ix_(starts, starts)]
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
    pairs = np.argwhere(np.triu(np.abs(correlation) > _SAME, 1))
    if not len(pairs):
        return None
    rows = tuple(
        (names[first], names[second], f"{correlation[first, second]:.5f}") for first, second in pairs[:_LISTED]
    )
    text = t(
        "{pairs} of columns, one of which has no information that the other does not have.",
        pairs=counted(len(pairs), "pair"),
    )
    return Problem(t("Columns that repeat each other"), text, (t("column"), t("column"), t("correlation")), rows)


def _duplicates(hashes: Array, numbers: Array) -> Problem | None:
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    surplus = int(counts.sum() - len(counts))
    if not surplus:
        return None
    groups = np.argsort(-counts, kind="stable")[:_LISTED]
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(counts)
    rows = []
    for group in groups:
        if counts[group] < 2:
            break
        members = numbers[order[ends[group] - counts[group] : ends[group]]]
        rows.append((f"{counts[group]:,}", _listed([str(row) for row in members], 8)))
    text = t(
        "{rows} equal to an earlier row, to the bit. Rows that are held out may then be known.",
        rows=counted(surplus, "row"),
    )
    return Problem(t("Rows that occur more than once"), text, (t("rows"), t("numbers")), tuple(rows))


def _extreme_values(columns: Columns, readers: tuple[ColumnReader, ...]) -> Problem | None:
    rows = []
    for reader in readers:
        if reader.kind not in ("real", "integer") or not columns.deviation[reader.start] > 0:
            continue
        place = reader.start
        mean, deviation = columns.mean[place], columns.deviation[place]
        ends = np.array([columns.low[place], columns.high[place]])
        far = ends[np.abs(ends - mean).argmax()]
        away = abs(far - mean) / deviation
        if away > _FAR:
            value = float(reader.encoded.unskewed(np.array([far]))[0]) if reader.encoded is not None else float(far)
            rows.append((away, (reader.name, f"{value:.6g}", f"{away:.0f}")))
    if not rows:
        return None
    rows.sort(key=lambda row: -row[0])
    text = t(
        "{columns} with a cell more than {far:g} standard deviations from the mean.",
        columns=counted(len(rows), "column"),
        far=_FAR,
    )
    head = (t("column"), t("value"), t("standard deviations from the mean"))
    return Problem(t("Extreme values"), text, head, tuple(row for _, row in rows[:_LISTED]))


def _outliers(errors: Array, numbers: Array) -> Problem | None:
    known = errors[np.isfinite(errors) & (errors > 0)]
    if len(known) < 20:
        return None
    lower, upper = np.quantile(np.log(known), [0.25, 0.75])
    limit = float(np.exp(upper + _OUTLYING * (upper - lower)))
    outlying = np.flatnonzero(np.nan_to_num(errors) > limit)
    if not len(outlying) or not upper > lower:
        return None
    order = outlying[np.argsort(-errors[outlying], kind="stable")]
    text = t(
        "{rows} with an error above {limit:.3g}, far from those of other rows. isthmus outliers shows which columns "
        "make them outliers.",
        rows=counted(len(outlying), "row"),
        limit=limit,
    )
    rows = tuple((f"{numbers[row]}", f"{errors[row]:.4g}") for row in order[:_LISTED])
    return Problem(t("Outliers"), text, (t("row"), t("error")), rows)


def _listed(names: Sequence[str], most: int = _LISTED) -> str:
    shown = t(", ").join(names[:most])
    return shown if len(names) <= most else t("{names} and {count} more", names=shown, count=len(names) - most)
