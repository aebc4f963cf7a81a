"""Metrics of a map: whether codes keep the neighbourhoods, distances and classes of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.random import generator

Floats = NDArray[np.float64]
_AT_ONCE = 1 << 22  # distances of a block, 32 MB of float64


def knn_accuracy(
    codes: ArrayLike,
    labels: ArrayLike,
    test_codes: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    *,
    n_neighbors: int = 5,
    n_samples: int | None = 10_000,
    random_state: int = 0,
) -> float:
    """Return the accuracy of a k-nearest-neighbour classifier on codes.

    With test codes it is fitted on the codes and evaluated on the test codes, as scikit-learn's `KNeighborsClassifier`;
    without, each row is classified by the other rows (leave-one-out).

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, with `labels` of shape (n_samples,): classes.
    test_codes : array-like of shape (n_test, n_components) or None
        Test codes, with `test_labels` of shape (n_test,).
    n_neighbors : int
        Number of nearest codes that vote, >= 1; of classes with as many votes, the first in order is chosen.
    n_samples : int or None
        The largest number of rows that are classified: a random sample of the test rows, or without them of all rows;
        None is all. All rows vote.
    random_state : int
        Seed of the sample.

    Returns
    -------
    accuracy : float
        In [0, 1].

    Raises
    ------
    InvalidDataError
        If codes are not finite, labels are missing or no classes, or their number is not that of the codes.
    """
    from sklearn.neighbors import NearestNeighbors

    fitted = checked_rows(codes, "codes")
    if (test_codes is None) != (test_labels is None):
        raise InvalidParameterError("test_codes and test_labels belong together; pass both or neither")
    known, others = checked_labels(labels, len(fitted)), test_codes is None
    asked = fitted if test_codes is None else checked_rows(test_codes, "test_codes")
    truth = known if test_labels is None else checked_labels(test_labels, len(asked), "test_labels")
    _check_neighbors(n_neighbors, len(fitted) - others)
    chosen = sampled(len(asked), n_samples, random_state)
    center = _mean(fitted)
    search = NearestNeighbors(n_neighbors=n_neighbors + others).fit(_about(center, fitted))
    found = search.kneighbors(_about(center, asked[chosen]), return_distance=False)
    if others:
        found = without_self(found, chosen)
    classes, codes_of_labels = np.unique(known, return_inverse=True)
    if not np.isin(truth, classes).any():
        raise InvalidDataError(f"no label of test_labels, such as {truth[0]!r}, is among labels; use one set of labels")
    votes = np.zeros((len(found), len(classes)), np.int32)
    for place in codes_of_labels[found].T:
        votes[np.arange(len(found)), place] += 1
    return float(np.mean(classes[votes.argmax(axis=1)] == truth[chosen]))


def trustworthiness(
    X: ArrayLike, codes: ArrayLike, *, n_neighbors: int = 5, n_samples: int | None = 5_000, random_state: int = 0
) -> float:
    """Return how far the neighbours of codes are neighbours of the rows as well: 1 if all are, about 0.5 by chance.

    Each of the k nearest codes of a row's code that is not among the k nearest rows counts by its rank among all rows
    in order of distance. Equal to scikit-learn's `trustworthiness`, except that rows at equal distance have equal
    ranks. Memory is bounded: distances are computed in blocks.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows. Distances are Euclidean; where cells are missing (NaN), over the columns that both rows have.
    codes : array-like of shape (n_samples, n_components)
        Their codes.
    n_neighbors : int
        Size of a neighbourhood k, from 1 to below half the number of rows.
    n_samples : int or None
        The largest number of rows: a random sample, within which neighbours are found; None is all. The value depends
        on the number of rows, since neighbourhoods are smaller where rows are dense: compare at one number.
    random_state : int
        Seed of the sample.

    References
    ----------
    Venna and Kaski, "Neighborhood preservation in nonlinear projection methods: an experimental study", 2001.
    """
    rows, shown = _pair(X, codes, n_samples, random_state)
    return _kept(rows, shown, n_neighbors)


def continuity(
    X: ArrayLike, codes: ArrayLike, *, n_neighbors: int = 5, n_samples: int | None = 5_000, random_state: int = 0
) -> float:
    """Return how far the neighbours of rows are neighbours of their codes as well.

    It is the trustworthiness with rows and codes exchanged: low where a map tears neighbourhoods apart.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows, as in `trustworthiness`.
    codes : array-like of shape (n_samples, n_components)
        Their codes.
    n_neighbors : int
        Size of a neighbourhood, from 1 to below half the number of rows.
    n_samples : int or None
        The largest number of rows, as in `trustworthiness`.
    random_state : int
        Seed of the sample.

    References
    ----------
    Venna and Kaski, "Local multidimensional scaling", 2006.
    """
    rows, shown = _pair(X, codes, n_samples, random_state)
    return _kept(shown, rows, n_neighbors)


def distance_correlation(
    X: ArrayLike, codes: ArrayLike, *, n_samples: int | None = 1_000, random_state: int = 0
) -> float:
    """Return Spearman's rank correlation of the distances between rows and those between their codes.

    It is about the map as a whole, where trustworthiness and continuity are about neighbourhoods.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows; distances as in `trustworthiness`.
    codes : array-like of shape (n_samples, n_components)
        Their codes.
    n_samples : int or None
        The largest number of rows: a random sample, all pairs of which are compared; None is all. 1,000 rows have
        499,500 pairs.
    random_state : int
        Seed of the sample.

    Returns
    -------
    correlation : float
        In [-1, 1]; NaN if all distances between rows, or all between codes, are equal.
    """
    from scipy.stats import rankdata

    rows, shown = _pair(X, codes, n_samples, random_state)
    pairs = np.triu_indices(len(rows), 1)
    ranks = [rankdata(distances(part, part)[pairs]) for part in (rows, shown)]
    if any(len(part) < 2 or np.ptp(part) == 0 for part in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def checked_rows(rows: ArrayLike, name: str, *, missing: bool = False) -> NDArray[Any]:
    """Return rows as a matrix of floats; what is no matrix, or not finite, is refused.

    Parameters
    ----------
    rows : array-like of shape (n_samples, n_features)
        Rows or codes.
    name : str
        What a message calls them.
    missing : bool
        Whether cells may be NaN.
    """
    matrix = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
    matrix = matrix if matrix.dtype in (np.float32, np.float64) else matrix.astype(np.float64)
    if matrix.ndim != 2:
        raise InvalidDataError(f"{name} of shape {matrix.shape} must have rows and columns, (n_samples, n_columns)")
    if not len(matrix):
        raise InvalidDataError(f"{name} has no rows; pass at least one")
    wrong = np.isinf(matrix) if missing else ~np.isfinite(matrix)
    if wrong.any():
        row, column = (int(place[0]) for place in np.nonzero(wrong))
        raise InvalidDataError(f"{name}[{row}, {column}] is {matrix[row, column]:g}; drop or clip such rows")
    return matrix


def checked_labels(labels: ArrayLike, n_rows: int, name: str = "labels") -> NDArray[Any]:
    """Return one class for each row; missing labels and measurements are refused. Objects become text."""
    given = np.asarray(labels)
    if given.shape != (n_rows,):
        raise InvalidDataError(f"{name} of shape {given.shape} must have one label for each of {n_rows} rows")
    if given.dtype == object:
        missing = np.fromiter((one is None or type(one).__name__ == "NAType" or one != one for one in given), bool)
    else:
        missing = given != given
    if missing.any():
        raise InvalidDataError(f"{name}[{int(missing.argmax())}] is missing; drop rows that have no label")
    if given.dtype.kind == "f" and (given % 1 != 0).any():
        number = len(np.unique(given))
        raise InvalidDataError(f"{name} are measurements, {number} different ones, not classes; cut them into bins")
    return given.astype(str) if given.dtype == object else given


def sampled(n_rows: int, n_samples: int | None, seed: int) -> NDArray[np.int64]:
    """Return the numbers of a random sample of rows, in order; of all rows if there are no more than `n_samples`."""
    if n_samples is not None and n_samples < 1:
        raise InvalidParameterError(f"n_samples={n_samples!r} must be an integer >= 1 or None")
    if n_samples is None or n_samples >= n_rows:
        return np.arange(n_rows)
    return np.sort(generator(seed).choice(n_rows, n_samples, replace=False))


def without_self(found: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return neighbours (n, k) from (n, k + 1) of them, without the row itself.

    Where k + 1 other rows are equal to the row, it may be missing among them: then the last one is dropped.
    """
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    others: NDArray[Any] = found[~own].reshape(len(found), -1)
    return others


def distances(rows: Floats, others: Floats) -> Floats:
    """Return squared Euclidean distances (n, m), scaled up where cells are missing."""
    from sklearn.metrics.pairwise import euclidean_distances, nan_euclidean_distances

    if np.isnan(rows).any() or np.isnan(others).any():
        return np.asarray(np.nan_to_num(nan_euclidean_distances(rows, others, squared=True), nan=np.inf))
    return np.asarray(euclidean_distances(rows, others, squared=True))


def _pair(X: ArrayLike, codes: ArrayLike, n_samples: int | None, seed: int) -> tuple[Floats, Floats]:
    n_rows, n_codes = _count(X), _count(codes)
    if n_rows != n_codes:
        raise InvalidDataError(f"{n_rows} rows have {n_codes} codes; pass one code for each row")
    chosen = sampled(n_rows, n_samples, seed)
    rows, shown = checked_rows(_taken(X, chosen), "X", missing=True), checked_rows(_taken(codes, chosen), "codes")
    return _about(_mean(rows), rows), _about(_mean(shown), shown)


def _mean(rows: Floats) -> Floats:
    """Return the mean of each column's observed cells, 0 without any."""
    seen = ~np.isnan(rows)
    return np.asarray(rows.sum(axis=0, dtype=np.float64, where=seen) / np.maximum(seen.sum(axis=0), 1))


def _about(center: Floats, rows: Floats) -> Floats:
    """Return rows less a row: far from 0, products would leave their distances no digits."""
    return (rows - center).astype(rows.dtype)


def _count(rows: Any) -> int:
    return int(rows.shape[0]) if hasattr(rows, "tocsr") else len(rows)  # sparse matrices have no len


def _taken(rows: Any, chosen: NDArray[np.int64]) -> Any:
    if hasattr(rows, "iloc"):
        return rows.iloc[chosen]
    return rows.tocsr()[chosen] if hasattr(rows, "tocsr") else np.asarray(rows)[chosen]


def _check_neighbors(n_neighbors: int, most: int) -> None:
    if not 1 <= n_neighbors <= most:
        raise InvalidParameterError(
            f"n_neighbors={n_neighbors!r} must be an integer from 1 to {most}, for this number of rows"
        )


def _kept(rows: Floats, shown: Floats, k: int) -> float:
    """Return the trustworthiness of what is shown of rows."""
    n = len(rows)
    _check_neighbors(k, (n - 1) // 2)
    penalty = 0
    for own, other in _blocks(rows, shown):
        near = np.argpartition(other, k - 1, axis=1)[:, :k]
        reach = np.take_along_axis(own, near, axis=1)
        # Their ranks among the rows: from 1, the number of rows that are nearer, and one.
        ranks = np.stack([(own < reach[:, place, None]).sum(axis=1) for place in range(k)]) + 1
        penalty += int(np.maximum(ranks - k, 0).sum())
    return 1 - penalty * 2 / (n * k * (2 * n - 3 * k - 1))


def _blocks(rows: Floats, shown: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield the distances of some rows, and of their codes, to all others; the distance to itself is infinite."""
    n, size = len(rows), max(1, _AT_ONCE // len(rows))
    for first in range(0, n, size):
        block = slice(first, min(first + size, n))
        found = [distances(part[block], part) for part in (rows, shown)]
        for part in found:
            part[np.arange(len(part)), np.arange(block.start, block.stop)] = np.inf
        yield found[0], found[1]
