"""Rows measured and scaled: from a source to the loader of its training rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.core.processes import all_gathered, row_share
from isthmus.core.types import Columns
from isthmus.data.domains import has_own_limits
from isthmus.data.scaling import ColumnStatistics, Scaling
from isthmus.data.scaling.choosing import AUTO_DICTIONARY, choose_scaler, gathered, out_of_range, sample_stride
from isthmus.data.scaling.sparse_statistics import SparseColumnStatistics, sparse_stride
from isthmus.data.scaling.statistics import lost_column
from isthmus.data.sources.base import Source
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout, Holdout
from isthmus.data.weights import RowWeights, number_in_file
from isthmus.engine.loading import RowLoader
from isthmus.estimators.fit.balancing import balanced, unscaled_categories
from isthmus.estimators.fit.bound import BoundPlan
from isthmus.estimators.fit.plan import Plan
from isthmus.estimators.inputs import finite_blocks, finite_csr, rows_of

Hold = Callable[[int, float], Holdout]  # a seed and a share to the rows that are held out
# What a scaling cannot measure on rows with missing cells.
_NEED_WHOLE_ROWS = {"covariance", "contrast", "norms"}


class Prepared(NamedTuple):
    """The rows of a fit.

    Attributes
    ----------
    loader : RowLoader
        Loads them; it has the scaling and the rows that are held out.
    columns : Columns or None
        The statistics of the scaled columns, for a corruption.
    units : ndarray of shape (D,) or None
        What each cell's loss is multiplied by, so that a column's is a share of what its marginal costs; None is 1.
    error_scale : ndarray of shape (D,) or None
        What errors of scaled cells are divided by, so that a category counts as one column; None is 1.
    """

    loader: RowLoader
    columns: Columns | None
    units: NDArray[np.float64] | None = None
    error_scale: NDArray[np.float64] | None = None

    def start_unit(self, *, linear: bool) -> NDArray[np.float64] | None:
        """Return what scaled cells are divided by for the PCA that training starts from, (D,); None is 1.

        Columns then have equal variance, as in the error. Codes for linear models (`linear`) start half way between
        these and cells as they are, since the codes of either are less useful to such models.
        """
        return self.error_scale if self.error_scale is None or not linear else np.sqrt(self.error_scale)


def prepare(
    plan: Plan,
    source: Source,
    names: Sequence[str],
    scaler: Scaling | None = None,
    hold: Hold | None = None,
    weights: RowWeights | None = None,
) -> Prepared:
    """Return the loader of a source's rows, their scaling measured unless it is given.

    Parameters
    ----------
    plan : Plan
        The plan of the fit.
    source : Source
        The rows.
    names : sequence of str
        The columns' names, for messages; empty without any.
    scaler : Scaling, optional
        That of an earlier fit.
    hold : callable, optional
        Which rows are held out; None chooses each by a hash of its number.
    weights : RowWeights, optional
        The rows' weights.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        With one line.
    """
    n_rows, share = rows_of(source), plan.validation_share
    holdout = (hold or HashHoldout)(plan.seed, share) if share else NO_HOLDOUT
    if holdout.count(n_rows) == n_rows:
        raise InvalidParameterError(
            f"validation_fraction={share:g} holds out all {n_rows} rows; lower it, or set early_stopping=False"
        )
    # With a given scaling only the rows' range is needed, for the check of the loss.
    categories = source.schema.categories
    scaling = plan.scaling if scaler is None else None
    is_picture = "channels" in plan.network.family.options  # with conditions besides: its pixels share a unit
    if source.schema.column_of and scaling in ("auto", AUTO_DICTIONARY) and not is_picture:
        scaling = "standard"
    moments = plan.corruption is not None or bool(source.schema.column_of)
    asked: dict[str, Any] = {"moments": moments, "missing": plan.masks_missing, "bound": plan.bound}
    statistics = measure(source, scaling, names, holdout, weights, **asked)
    if scaler is None:
        scaler = choose_scaler(statistics, scaling, names)
        scaler = unscaled_categories(scaler, categories) if categories else scaler
        _warn_of_empty_columns(statistics, names)
        _warn_of_lost_columns(statistics, names)
    refuse_too_large(statistics, scaler, plan.compute, source, names)
    plan.check_range(statistics, scaler)
    if plan.corruption is not None:
        plan.corruption.check(source.schema.n_features, scaler.affine is not None)
    # Without a missing cell the program is that of missing="refuse", so that the weights are equal to the bit.
    holes = statistics.holes or bool(statistics.unseen.any())
    loader = RowLoader(
        *(source, scaler, plan.batch_size, plan.compute, holdout, plan.seed, plan.shuffle),
        missing=holes,
        weights=weights,
    )
    columns = None if plan.corruption is None else columns_of(statistics, scaler, source.schema.column_of)
    if not source.schema.column_of:
        return Prepared(loader, columns)
    return Prepared(loader, columns, *balanced(source.schema, statistics, scaler, squared=plan.loss.name == "mse"))


def check_validation(plan: Plan, loader: RowLoader, validation: Source, names: Sequence[str]) -> None:
    """Raise InvalidDataError for a cell of other validation rows that is not finite, too large or without a loss."""
    try:
        statistics = measure(validation, None, names, NO_HOLDOUT, missing=plan.masks_missing, bound=plan.bound)
        refuse_too_large(statistics, loader.scaler, plan.compute, validation, names)
        if has_own_limits(loader.scaler):
            plan.check_range(statistics, loader.scaler)
    except InvalidDataError as error:
        raise InvalidDataError(f"validation_data: {error}") from None


def measure(
    source: Source,
    scaling: str | None,
    names: Sequence[str],
    holdout: Holdout,
    weights: RowWeights | None = None,
    *,
    moments: bool = False,
    missing: bool = False,
    bound: BoundPlan | None = None,
) -> ColumnStatistics:
    """Return the statistics of a source's training rows; whether a cell is missing is asked of all rows.

    With a `bound` whose likelihood is of counts, all rows are checked to be counts.

    Raises
    ------
    InvalidParameterError
        Where the scaling needs whole rows, and cells may be missing.
    InvalidDataError
        At the first cell that is not finite, is NaN unless `missing`, or is no count where it has to be.
    """
    gathers = gathered(scaling, source.dtype)
    if missing and _NEED_WHOLE_ROWS & {*gathers}:
        raise InvalidParameterError(
            f"scaling={scaling!r} needs whole rows and cannot be combined with missing='mask'; "
            "use a scaling by column, such as 'standard'"
        )
    sparse = source.schema.sparse and not missing and not {"covariance", "contrast"} & {*gathers}
    stride, n_rows, width = sample_stride(scaling, rows_of(source)), rows_of(source), source.schema.n_features
    statistics = (SparseColumnStatistics if sparse else ColumnStatistics)(
        width,
        source.dtype,
        gathers={*gathers, "moments"} if moments or (sparse and scaling == "auto") else gathers,
        sample_every=sparse_stride(stride, n_rows, width) if source.schema.sparse else stride,
        missing=missing,
    )
    # Each of several processes reads its share of the rows.
    factor = 1.0 if weights is None else weights.factor(holdout)
    span = row_share(n_rows)
    blocks: Any = finite_csr(source, names, *span) if sparse else finite_blocks(source, names, *span, missing=missing)
    for values, start in blocks:
        if bound is not None:
            bound.check_cells(values, start, names, getattr(source, "numbers", None))
        statistics.holes = statistics.holes or (statistics.missing and bool(np.isnan(values).any()))
        stop = start + values.shape[0]
        own = None if weights is None else weights.values[start:stop] * factor
        if not holdout.share:
            statistics.update(values, start, own)
            continue
        held = holdout.mask(start, stop)
        statistics.update(values[~held], start, None if own is None else own[~held])
        statistics.glance(values[held])
    parts: list[ColumnStatistics] = all_gathered(statistics)
    for other in parts[1:]:
        parts[0].merge(other)
    return parts[0]


def refuse_too_large(
    statistics: ColumnStatistics, scaler: Scaling, compute: np.dtype[Any], source: Source, names: Sequence[str]
) -> None:
    """Raise InvalidDataError, with row and column, for a value that is too large to compute with once it is scaled."""
    found = out_of_range(statistics.all_low, statistics.all_high, scaler, compute)
    if found is None:
        return
    place, value, scaled = found
    rows = (
        number_in_file(source, block.start + int(row))
        for block in source.blocks()
        for row in np.flatnonzero(np.asarray(block.values[:, place], np.float64) == value)[:1]
    )
    name = repr(str(names[place])) if len(names) else place
    instead = "" if scaler.kind == "standard" else ", or set scaling='standard'"
    raise InvalidDataError(
        f"row {next(rows, '?')}, column {name} has the value {value:g}, which is {scaled:.2g} after scaling: too large "
        f"to compute with in {compute}; clip or drop the cell{instead}"
    )


def columns_of(statistics: ColumnStatistics, scaler: Scaling, column_of: Sequence[int] = ()) -> Columns:
    """Return the statistics of the scaled columns.

    Where the scaling mixes columns, range and deviation are those of a sample, and there is no unit (NaN).
    """
    if scaler.affine is None:
        rows = scaler.scaled(statistics.sample, np.float64)
        unknown = np.full(rows.shape[1], np.nan)
        return Columns(rows.min(axis=0), rows.max(axis=0), unknown, rows.std(axis=0), unknown)
    center, scale = scaler.affine
    center, seen = np.nan_to_num(center), ~statistics.unseen
    low, high = ((np.where(seen, edge, 0.0) - center) / scale for edge in (statistics.low, statistics.high))
    # float32 holds no unit of more than 1e38.
    unit = np.minimum(1 / scale, float(np.finfo(np.float32).max))
    numbers = np.asarray(column_of, np.uint32) if len(column_of) else None
    return Columns(low, high, unit, statistics.deviation / scale, -center / scale, numbers)


def _warn_of_lost_columns(statistics: ColumnStatistics, names: Sequence[str]) -> None:
    """Warn of integers and of the smallest floats whose differences float64 does not hold at their size."""
    if "moments" not in statistics.gathers:
        return
    largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high))
    exact = statistics.whole | (largest < 1e3 * np.finfo(np.float64).tiny)
    lost = exact & statistics.varies & (statistics.deviation <= statistics.rounding)
    for column in np.flatnonzero(lost)[:1]:
        name = repr(str(names[column])) if len(names) else column
        warnings.warn(lost_column(name, largest[column]), IsthmusWarning, stacklevel=2)


def _warn_of_empty_columns(statistics: ColumnStatistics, names: Sequence[str]) -> None:
    unseen = np.flatnonzero(statistics.unseen)
    if statistics.n_rows and len(unseen):
        listed = ", ".join(repr(str(names[column])) if len(names) else str(column) for column in unseen[:5])
        more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
        warnings.warn(f"missing in every row, and left missing: column {listed}{more}", IsthmusWarning, stacklevel=2)
