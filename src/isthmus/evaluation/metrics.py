"""Metrics of a code: explained variance and active units here; those of maps and of clusters are in their files."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.clusters import ClusterScores as ClusterScores
from isthmus.evaluation.clusters import cluster_scores as cluster_scores
from isthmus.evaluation.clusters import clustering_accuracy as clustering_accuracy
from isthmus.evaluation.neighborhoods import continuity as continuity
from isthmus.evaluation.neighborhoods import distance_correlation as distance_correlation
from isthmus.evaluation.neighborhoods import knn_accuracy as knn_accuracy
from isthmus.evaluation.neighborhoods import trustworthiness as trustworthiness

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class ExplainedVariance:
    """Fraction of the rows' variance that their reconstruction explains, accumulated block by block in float64.

    Equal to scikit-learn's ``r2_score(rows, reconstructed, multioutput="variance_weighted")`` over all rows, with
    ``sample_weight`` where rows have weights. Variances
    are merged as in Chan, Golub and LeVeque (1979), so a large offset loses no precision. Cells that are NaN in the
    rows are missing and are ignored.

    Attributes
    ----------
    count : int
        Number of rows so far.
    squared_error : float
        Sum of squared differences over all cells.
    value : float
        At most 1; below 0 where the column means are a better prediction. If no column varies, 1 for an exact
        reconstruction and 0 otherwise.
    """

    def __init__(self) -> None:
        self.count = 0
        self._largest = 0.0
        self._unit = 1.0  # of the sums
        self._error = self._spread = 0.0
        self._mean: Floats | float = 0.0
        self._observed: Any = 0  # observed cells of each column

    def update(self, rows: NDArray[Any], reconstructed: NDArray[Any], weights: NDArray[Any] | None = None) -> None:
        """Add rows and their reconstruction, both (n_rows, n_features); `weights` (n_rows,) are >= 0."""
        if not len(rows):
            return
        rows = rows.astype(np.float64, copy=False)
        missing = np.isnan(rows)
        self._change_unit(float(np.abs(rows).max(initial=0.0, where=~missing)))
        if self._unit != 1:
            rows, reconstructed = rows / self._unit, reconstructed / self._unit
        observed = len(rows) - missing.sum(axis=0) if weights is None else weights @ ~missing

        def summed(cells: Floats) -> Floats:
            kept = np.where(missing, 0.0, cells)
            return np.asarray((kept if weights is None else weights[:, None] * kept).sum(axis=0))

        # About the first row: the mean of equal rows is then exact, and their variance 0.
        origin = np.nan_to_num(rows[0])
        mean = origin * (observed > 0) + summed(rows - origin) / _divisor(observed)
        shift, total = np.where(observed > 0, mean - self._mean, 0.0), _divisor(self._observed + observed)
        with np.errstate(over="ignore"):
            self._error += float(summed(np.square(rows - reconstructed)).sum())
        self._spread += float(summed(np.square(rows - mean)).sum())
        self._spread += float((np.square(shift) * (self._observed * observed / total)).sum())
        self._mean = self._mean + shift * (observed / total)
        self._observed = self._observed + observed
        self.count += len(rows)

    def _change_unit(self, largest: float) -> None:
        """Express the sums in a power of two near the largest value, where the squares of values are no floats."""
        self._largest = max(self._largest, largest)
        usual = not self._largest or 1e-100 <= self._largest <= 1e100
        unit = 1.0 if usual else float(np.exp2(np.floor(np.log2(self._largest))))
        if unit != self._unit:
            ratio, self._unit = self._unit / unit, unit
            self._error, self._spread, self._mean = (
                self._error * ratio * ratio,
                self._spread * ratio * ratio,
                self._mean * ratio,
            )

    @property
    def squared_error(self) -> float:
        """Sum of squared differences over all cells."""
        return self._error * self._unit * self._unit

    @property
    def value(self) -> float:
        """Explained variance of the rows so far."""
        return 1 - self._error / self._spread if self._spread > 0 else float(self._error == 0)


def _divisor(count: Any) -> Any:
    """Return counts, or sums of weights, with 1 in place of 0."""
    return np.where(count == 0, 1, count)


def explained_variance(rows: ArrayLike, reconstructed: ArrayLike) -> float:
    """Return the fraction of the rows' variance that their reconstruction explains.

    Parameters
    ----------
    rows, reconstructed : array-like of shape (n_samples, n_features)
        Rows and their reconstruction.

    Returns
    -------
    explained : float
        At most 1; see `ExplainedVariance`.

    Raises
    ------
    InvalidDataError
        If the shapes differ or are not two-dimensional, or there are no rows.
    """
    rows, reconstructed = np.asarray(rows), np.asarray(reconstructed)
    _check_pair(rows, reconstructed)
    if not len(rows):
        raise InvalidDataError("there are no rows; pass at least one")
    explained = ExplainedVariance()
    explained.update(rows, reconstructed)
    return explained.value


def _check_pair(rows: NDArray[Any], reconstructed: NDArray[Any]) -> None:
    if rows.shape != reconstructed.shape or rows.ndim != 2:
        raise InvalidDataError(
            f"rows of shape {rows.shape} cannot be compared with a reconstruction of shape {reconstructed.shape}"
        )


class Fidelity(ExplainedVariance):
    """Reconstruction error of rows, accumulated block by block in float64.

    Attributes
    ----------
    count : int
        Number of rows so far.
    mse : float
        Mean squared error per cell.
    explained_variance : float
        See `ExplainedVariance`; NaN for fewer than two rows.
    fvu : float
        Fraction of variance unexplained, ``1 - explained_variance``.
    cosine : float
        Mean cosine similarity of a row and its reconstruction. Rows of zeros are excluded; a reconstruction of zeros
        counts as 0. NaN if every row is zero.
    zero_rows : int
        Number of rows of zeros, which `cosine` excludes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cells = self._cosines = 0.0
        self._directed = 0.0  # the weight of rows that are not zero
        self.zero_rows = 0

    def update(self, rows: NDArray[Any], reconstructed: NDArray[Any], weights: NDArray[Any] | None = None) -> None:
        """Add rows and their reconstruction, both (n_rows, n_features); `weights` (n_rows,) are >= 0."""
        _check_pair(rows, reconstructed)
        rows, reconstructed = rows.astype(np.float64, copy=False), reconstructed.astype(np.float64, copy=False)
        super().update(rows, reconstructed, weights)
        missing = np.isnan(rows)
        if missing.any():
            rows, reconstructed = np.where(missing, 0.0, rows), np.where(missing, 0.0, reconstructed)
        weights = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
        self._cells += float(weights @ (~missing).sum(axis=1))
        directions, nonzero = _normalized(rows)
        self._cosines += float(weights @ (directions * _normalized(reconstructed)[0]).sum(axis=1))
        self._directed += float(weights @ nonzero)
        self.zero_rows += len(rows) - int(nonzero.sum())

    @property
    def mse(self) -> float:
        """Mean squared error per cell."""
        return self.squared_error / self._cells if self._cells else float("nan")

    @property
    def explained_variance(self) -> float:
        """Explained variance, NaN for fewer than two rows."""
        return self.value if self.count > 1 else float("nan")

    @property
    def fvu(self) -> float:
        """Fraction of variance unexplained."""
        return 1 - self.explained_variance

    @property
    def cosine(self) -> float:
        """Mean cosine similarity of a row and its reconstruction."""
        return self._cosines / self._directed if self._directed else float("nan")


def _normalized(rows: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return rows scaled to norm 1, with rows of zeros unchanged, and whether each row is nonzero."""
    # Dividing by the largest cell first keeps the squares of very small or large cells within the range of floats.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    nonzero = largest > 0
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=nonzero)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=rows, where=nonzero), nonzero[:, 0]


class CodeStatistics:
    """Activation frequency and strength of each unit of a code, accumulated block by block.

    A unit is active in a row if its code is not 0. Counts are exact; sums are float64.

    Parameters
    ----------
    n_components : int
        Number of units of the code, K.

    Attributes
    ----------
    count : int
        Number of rows so far.
    l0 : float
        Mean number of active units per row.
    l0_histogram : ndarray of int64, shape (K + 1,)
        Number of rows with 0, 1, …, K active units.
    active_rows : ndarray of int64, shape (K,)
        Number of rows in which each unit is active.
    frequency : ndarray of float64, shape (K,)
        Fraction of rows in which each unit is active (its density).
    mean_activation, largest_activation : ndarray of float64, shape (K,)
        Mean and maximum of each unit over all rows, including those in which it is not active.
    dead : int
        Number of units that are active in no row.
    """

    def __init__(self, n_components: int) -> None:
        self.count = 0
        self.l0_histogram: Counts = np.zeros(n_components + 1, np.int64)
        self.active_rows: Counts = np.zeros(n_components, np.int64)
        self._sums: Floats = np.zeros(n_components)
        self._largest: Floats = np.full(n_components, -np.inf)

    @property
    def n_components(self) -> int:
        """Number of units of the code."""
        return len(self.active_rows)

    def update(self, codes: Any) -> None:
        """Add codes (n_rows, K), an array or a scipy sparse matrix.

        Raises
        ------
        InvalidDataError
            If the codes do not have K columns or are not finite.
        """
        sparse = hasattr(codes, "tocsr")
        codes = codes.tocsr() if sparse else np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.n_components:
            raise InvalidDataError(f"codes have shape {codes.shape}; expected (n_rows, {self.n_components})")
        if not codes.shape[0]:
            return
        row_counts, unit_counts, sums, largest = _sparse_parts(codes) if sparse else _dense_parts(codes)
        if not np.isfinite(sums).all():
            unit = int(np.argmin(np.isfinite(sums)))
            raise InvalidDataError(f"codes of unit {unit} are not finite; drop or clip such rows")
        self.count += codes.shape[0]
        self.l0_histogram += np.bincount(row_counts, minlength=self.n_components + 1)
        self.active_rows += unit_counts
        self._sums += sums
        np.maximum(self._largest, largest, out=self._largest)

    @property
    def l0(self) -> float:
        """Mean number of active units per row."""
        return int(self.active_rows.sum()) / self.count if self.count else float("nan")

    @property
    def frequency(self) -> Floats:
        """Fraction of rows in which each unit is active."""
        return self._per_row(self.active_rows)

    @property
    def mean_activation(self) -> Floats:
        """Mean activation of each unit over all rows."""
        return self._per_row(self._sums)

    @property
    def largest_activation(self) -> Floats:
        """Largest activation of each unit over all rows."""
        return self._largest.copy() if self.count else np.full(self.n_components, np.nan)

    def _per_row(self, sums: NDArray[Any]) -> Floats:
        return sums / self.count if self.count else np.full(self.n_components, np.nan)

    @property
    def dead(self) -> int:
        """Number of units that are active in no row."""
        return int((self.active_rows == 0).sum())

    @property
    def fraction_dead(self) -> float:
        """Fraction of units that are active in no row."""
        return self.dead / self.n_components

    @property
    def fraction_alive(self) -> float:
        """Fraction of units that are active in at least one row."""
        return (self.n_components - self.dead) / self.n_components


_Parts = tuple[NDArray[Any], NDArray[Any], Floats, NDArray[Any]]  # active units by row, rows by unit, sums, largest


def _dense_parts(codes: NDArray[Any]) -> _Parts:
    active = codes != 0
    sums = codes.sum(axis=0, dtype=np.float64)
    return np.count_nonzero(active, axis=1), np.count_nonzero(active, axis=0), sums, codes.max(axis=0)


def _sparse_parts(codes: Any) -> _Parts:
    if not codes.has_canonical_format or not codes.data.all():
        codes = codes.copy()
        codes.sum_duplicates()
        codes.eliminate_zeros()
    width = codes.shape[1]
    unit_counts = np.bincount(codes.indices, minlength=width)
    sums: Floats = np.bincount(codes.indices, weights=codes.data, minlength=width).astype(np.float64, copy=False)
    # A unit that is not active in every row has the code 0 in at least one.
    largest = np.where(unit_counts < codes.shape[0], 0.0, -np.inf)
    np.maximum.at(largest, codes.indices, codes.data)
    return np.diff(codes.indptr), unit_counts, sums, largest


class DensityHistogram(NamedTuple):
    """Histogram of the units' activation frequencies, with logarithmic bins."""

    edges: Floats  # of log10(frequency); one more than counts, the last is 0
    counts: Counts
    dead: int  # units that are never active; they have no logarithm


def density_histogram(frequency: ArrayLike, *, per_decade: int = 4) -> DensityHistogram:
    """Return the histogram of log10 of the units' activation frequencies; dead units are counted separately.

    Parameters
    ----------
    frequency : array-like of shape (n_components,)
        Fraction of rows in which each unit is active, in [0, 1].
    per_decade : int
        Number of bins per factor of ten. A bin includes its lower edge; the last bin includes both edges.

    Returns
    -------
    histogram : DensityHistogram
        The first bin contains the least frequent unit that is not dead. There is at least one bin.

    Raises
    ------
    InvalidDataError
        If a frequency is outside [0, 1].
    """
    shares = np.asarray(frequency, np.float64).ravel()
    if not ((shares >= 0) & (shares <= 1)).all():
        wrong = shares[~((shares >= 0) & (shares <= 1))][0]
        raise InvalidDataError(f"frequencies must be fractions of rows in [0, 1], not {wrong:g}")
    alive = np.log10(shares[shares > 0])
    lowest = min(int(np.floor(alive.min(initial=0) * per_decade)), -1)
    edges = np.arange(lowest, 1) / per_decade
    return DensityHistogram(edges, np.histogram(alive, edges)[0], len(shares) - len(alive))
