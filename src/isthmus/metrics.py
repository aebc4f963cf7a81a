"""How good a code is: the variance that is rebuilt from it, and what its neighbourhoods know."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isthmus.errors import InvalidDataError


class ExplainedVariance:
    """The share of rows' variance that is rebuilt, gathered block by block in float64.

    It is scikit-learn's ``r2_score(rows, rebuilt, multioutput="variance_weighted")`` of all rows together. Variances
    are merged as Chan, Golub and LeVeque do (1979), so a large offset costs no digits.

    Attributes
    ----------
    count : int
        The rows so far.
    value : float
        At most 1; below 0 where the columns' means would do better. Where no column varies, 1 for rows that are
        rebuilt exactly and else 0.
    """

    def __init__(self) -> None:
        self.count = 0
        self._error = 0.0
        self._spread = 0.0
        self._mean: NDArray[np.float64] | float = 0.0

    def update(self, rows: NDArray[Any], rebuilt: NDArray[Any]) -> None:
        """Take in rows (rows, n_features) and the same rows rebuilt."""
        rows = rows.astype(np.float64, copy=False)
        mean = rows.mean(axis=0)
        shift, together = mean - self._mean, self.count + len(rows)
        self._error += float(np.square(rows - rebuilt).sum())
        self._spread += float(np.square(rows - mean).sum())
        self._spread += float(np.square(shift).sum()) * self.count * len(rows) / together
        self._mean = self._mean + shift * (len(rows) / together)
        self.count = together

    @property
    def value(self) -> float:
        """The share so far."""
        return 1 - self._error / self._spread if self._spread > 0 else float(self._error == 0)


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
    if rows.shape != rebuilt.shape or rows.ndim != 2 or not len(rows):
        raise InvalidDataError(f"rows of shape {rows.shape} cannot be compared with rebuilt ones of {rebuilt.shape}")
    share = ExplainedVariance()
    share.update(rows, rebuilt)
    return share.value


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
