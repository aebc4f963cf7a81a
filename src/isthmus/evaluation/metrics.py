"""How good a code is: what is rebuilt from it, which of its units are active, and what its neighbourhoods know."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isthmus.core.errors import InvalidDataError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class ExplainedVariance:
    """The share of rows' variance that is rebuilt, gathered block by block in float64.

    It is scikit-learn's ``r2_score(rows, rebuilt, multioutput="variance_weighted")`` of all rows together. Variances
    are merged as Chan, Golub and LeVeque do (1979), so a large offset costs no digits. A cell that is NaN in the rows
    is missing and counts for nothing.

    Attributes
    ----------
    count : int
        The rows so far.
    squared_error : float
        The sum of squared differences over all cells.
    value : float
        At most 1; below 0 where the columns' means would do better. Where no column varies, 1 for rows that are
        rebuilt exactly and else 0.
    """

    def __init__(self) -> None:
        self.count = 0
        self.squared_error = 0.0
        self._spread = 0.0
        self._mean: Floats | float = 0.0
        self._seen: Any = 0  # observed cells of each column

    def update(self, rows: NDArray[Any], rebuilt: NDArray[Any]) -> None:
        """Take in rows (rows, n_features) and the same rows rebuilt."""
        if not len(rows):
            return
        rows = rows.astype(np.float64, copy=False)
        holes = np.isnan(rows)
        observed = len(rows) - holes.sum(axis=0)
        mean = np.where(holes, 0.0, rows).sum(axis=0) / np.maximum(observed, 1)
        shift, together = np.where(observed > 0, mean - self._mean, 0.0), np.maximum(self._seen + observed, 1)
        self.squared_error += float(np.where(holes, 0.0, np.square(rows - rebuilt)).sum())
        self._spread += float(np.where(holes, 0.0, np.square(rows - mean)).sum())
        self._spread += float((np.square(shift) * (self._seen * observed / together)).sum())
        self._mean = self._mean + shift * (observed / together)
        self._seen = self._seen + observed
        self.count += len(rows)

    @property
    def value(self) -> float:
        """The share so far."""
        return 1 - self.squared_error / self._spread if self._spread > 0 else float(self.squared_error == 0)


def explained_variance(rows: ArrayLike, rebuilt: ArrayLike) -> float:
    """Return the share of rows' variance that is rebuilt.

    Parameters
    ----------
    rows, rebuilt : array-like of shape (n_samples, n_features)
        Rows, and the same rows rebuilt from their codes.

    Returns
    -------
    share : float
        At most 1; see `ExplainedVariance`.

    Raises
    ------
    InvalidDataError
        If the shapes differ or are not two-dimensional.
    """
    rows, rebuilt = np.asarray(rows), np.asarray(rebuilt)
    _check_pair(rows, rebuilt)
    if not len(rows):
        raise InvalidDataError("there are no rows; explained variance needs some")
    share = ExplainedVariance()
    share.update(rows, rebuilt)
    return share.value


def _check_pair(rows: NDArray[Any], rebuilt: NDArray[Any]) -> None:
    if rows.shape != rebuilt.shape or rows.ndim != 2:
        raise InvalidDataError(f"rows of shape {rows.shape} cannot be compared with rebuilt ones of {rebuilt.shape}")


class Fidelity:
    """How close rebuilt rows come to the rows, gathered block by block in float64.

    Attributes
    ----------
    count : int
        The rows so far.
    mse : float
        Mean squared error of a cell.
    explained_variance : float
        See `ExplainedVariance`; NaN for fewer than two rows.
    fvu : float
        Fraction of variance unexplained, the complement of `explained_variance`.
    cosine : float
        Mean cosine similarity of a row and the same row rebuilt. A row of zeros has no direction and is left out; any
        other that is rebuilt as zeros counts as 0. NaN where there is no row but zeros.
    zero_rows : int
        The rows of zeros, which `cosine` leaves out.
    """

    def __init__(self) -> None:
        self._share = ExplainedVariance()
        self._cells = 0
        self._cosines = 0.0
        self.zero_rows = 0

    def update(self, rows: NDArray[Any], rebuilt: NDArray[Any]) -> None:
        """Take in rows (rows, n_features) and the same rows rebuilt."""
        _check_pair(rows, rebuilt)
        rows, rebuilt = rows.astype(np.float64, copy=False), rebuilt.astype(np.float64, copy=False)
        self._share.update(rows, rebuilt)
        holes = np.isnan(rows)
        if holes.any():
            rows, rebuilt = np.where(holes, 0.0, rows), np.where(holes, 0.0, rebuilt)
        self._cells += rows.size - int(holes.sum())
        units, directed = _directions(rows)
        self._cosines += float((units * _directions(rebuilt)[0]).sum())
        self.zero_rows += len(rows) - directed

    @property
    def count(self) -> int:
        """The rows so far."""
        return self._share.count

    @property
    def mse(self) -> float:
        """Mean squared error of a cell."""
        return self._share.squared_error / self._cells if self._cells else float("nan")

    @property
    def explained_variance(self) -> float:
        """The share of the variance that is rebuilt."""
        return self._share.value if self.count > 1 else float("nan")

    @property
    def fvu(self) -> float:
        """The share of the variance that is not rebuilt."""
        return 1 - self.explained_variance

    @property
    def cosine(self) -> float:
        """Mean cosine similarity of a row and the same row rebuilt."""
        directed = self.count - self.zero_rows
        return self._cosines / directed if directed else float("nan")


def _directions(rows: Floats) -> tuple[Floats, int]:
    """Return rows of norm 1, or of zeros where a row has no direction, and how many have one."""
    # Divided by their largest cell first: squares of very small or large cells would leave the range of floats.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    directed = largest > 0
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=directed)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=rows, where=directed), int(directed.sum())


class CodeStatistics:
    """Which units of a code are active, how often and how strongly, gathered block by block.

    A unit is active in a row where its code is not 0. Counts are exact; sums are float64.

    Parameters
    ----------
    n_components : int
        Units of the code, K.

    Attributes
    ----------
    count : int
        The rows so far.
    l0 : float
        Mean number of active units in a row.
    l0_histogram : ndarray of int64, shape (K + 1,)
        The rows with 0, 1, …, K active units.
    active_rows : ndarray of int64, shape (K,)
        The rows in which each unit is active.
    frequency : ndarray of float64, shape (K,)
        The share of rows in which each unit is active, its density.
    mean_activation, largest_activation : ndarray of float64, shape (K,)
        Of each unit over all rows, those in which it is not active too.
    dead : int
        Units that are active in no row.
    """

    def __init__(self, n_components: int) -> None:
        self.count = 0
        self.l0_histogram: Counts = np.zeros(n_components + 1, np.int64)
        self.active_rows: Counts = np.zeros(n_components, np.int64)
        self._sums: Floats = np.zeros(n_components)
        self._largest: Floats = np.full(n_components, -np.inf)

    @property
    def n_components(self) -> int:
        """Units of the code."""
        return len(self.active_rows)

    def update(self, codes: Any) -> None:
        """Take in codes (rows, K), an array or a scipy sparse matrix.

        Raises
        ------
        InvalidDataError
            If the codes have another width or are not finite.
        """
        sparse = hasattr(codes, "tocsr")
        codes = codes.tocsr() if sparse else np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.n_components:
            raise InvalidDataError(f"codes of shape {codes.shape} are not codes of {self.n_components} units")
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
        """Mean number of active units in a row."""
        return int(self.active_rows.sum()) / self.count if self.count else float("nan")

    @property
    def frequency(self) -> Floats:
        """The share of rows in which each unit is active."""
        return self._over_rows(self.active_rows)

    @property
    def mean_activation(self) -> Floats:
        """The mean activation of each unit over all rows."""
        return self._over_rows(self._sums)

    @property
    def largest_activation(self) -> Floats:
        """The largest activation of each unit over all rows."""
        return self._largest.copy() if self.count else np.full(self.n_components, np.nan)

    def _over_rows(self, sums: NDArray[Any]) -> Floats:
        return sums / self.count if self.count else np.full(self.n_components, np.nan)

    @property
    def dead(self) -> int:
        """Units that are active in no row."""
        return int((self.active_rows == 0).sum())

    @property
    def fraction_dead(self) -> float:
        """The share of units that are active in no row."""
        return self.dead / self.n_components

    @property
    def fraction_alive(self) -> float:
        """The share of units that are active in at least one row."""
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
    # A unit that is not active in every row is 0 in some.
    largest = np.where(unit_counts < codes.shape[0], 0.0, -np.inf)
    np.maximum.at(largest, codes.indices, codes.data)
    return np.diff(codes.indptr), unit_counts, sums, largest


class DensityHistogram(NamedTuple):
    """How many units are active how often, by powers of ten."""

    edges: Floats  # of log10 of the share of rows; one more than counts, the last is 0
    counts: Counts
    dead: int  # units that are never active, which have no logarithm


def density_histogram(frequency: ArrayLike, *, per_decade: int = 4) -> DensityHistogram:
    """Return the histogram of log10 of units' frequencies, the dead units apart.

    Parameters
    ----------
    frequency : array-like of shape (n_components,)
        The share of rows in which each unit is active, in [0, 1].
    per_decade : int
        Bins in each factor of ten. Each holds its lower edge; the last one, up to all rows, both.

    Returns
    -------
    histogram : DensityHistogram
        Its bins begin at the last edge below the rarest unit that is alive; there is at least one.

    Raises
    ------
    InvalidDataError
        If a frequency is not a share.
    """
    shares = np.asarray(frequency, np.float64).ravel()
    if not ((shares >= 0) & (shares <= 1)).all():
        wrong = shares[~((shares >= 0) & (shares <= 1))][0]
        raise InvalidDataError(f"frequencies are shares of rows in [0, 1], not {wrong:g}")
    alive = np.log10(shares[shares > 0])
    lowest = min(int(np.floor(alive.min(initial=0) * per_decade)), -1)
    edges = np.arange(lowest, 1) / per_decade
    return DensityHistogram(edges, np.histogram(alive, edges)[0], len(shares) - len(alive))


def neighbour_accuracy(
    codes: ArrayLike, labels: ArrayLike, test_codes: ArrayLike, test_labels: ArrayLike, *, n_neighbors: int = 5
) -> float:
    """Return how often the nearest codes agree on the label of a code they have not seen.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes of known rows, with `labels` of shape (n_samples,).
    test_codes : array-like of shape (n_test, n_components)
        Codes to label, with their true `test_labels`.
    n_neighbors : int
        How many nearest codes vote.

    Returns
    -------
    accuracy : float
        In [0, 1].
    """
    from sklearn.neighbors import KNeighborsClassifier

    voters = KNeighborsClassifier(n_neighbors).fit(codes, labels)
    return float(voters.score(test_codes, test_labels))
