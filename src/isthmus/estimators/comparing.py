"""PCA, an autoencoder and a map of the same rows, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from isthmus.core.errors import InvalidDataError
from isthmus.core.random import generator
from isthmus.data.sources.base import Block
from isthmus.estimators import ESTIMATORS
from isthmus.estimators.inputs import open_rows, rows_of
from isthmus.estimators.streaming import inference_of
from isthmus.evaluation.metrics import knn_accuracy, trustworthiness
from isthmus.evaluation.neighborhoods import checked_labels

Array = NDArray[Any]
_LEAST = 20  # rows
_TEST_SHARE = 0.2
_NEIGHBORS = 5
# The estimators after PCA, by the name of their line.
MODELS = {"autoencoder": "Autoencoder", "map": "NeighborAutoencoder"}


class Compared(NamedTuple):
    """What one method makes of the test rows.

    Attributes
    ----------
    codes : ndarray of shape (n_test, n_components)
        Their codes.
    error : float
        Mean squared error of their reconstructions over observed cells, in the scaled units of the autoencoder.
    explained : float
        Share of their variance that the reconstructions explain.
    accuracy : float or None
        k-NN accuracy of their codes, by the codes of the training rows; None without labels.
    trustworthiness : float
        Of their codes.
    seconds : float
        Of the fit.
    """

    codes: Array
    error: float
    explained: float
    accuracy: float | None
    trustworthiness: float
    seconds: float


class Comparison(NamedTuple):
    """Methods by name, and the rows that they were compared on.

    Attributes
    ----------
    methods : dict of str to Compared
        PCA, the autoencoder and the map.
    n_rows, n_features, n_train, n_test : int
        All rows, their columns, the training rows and the test rows.
    n_neighbors : int
        Of k-NN accuracy and trustworthiness: 5, or fewer where test rows are few.
    test_labels : ndarray of shape (n_test,) or None
        The labels of the test rows, NaN or None where there is none.
    """

    methods: dict[str, Compared]
    n_rows: int
    n_features: int
    n_train: int
    n_test: int
    n_neighbors: int
    test_labels: Array | None


def compare(
    rows: Any,
    labels: Array | None = None,
    *,
    n_components: int = 2,
    max_rows: int = 10_000,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Fit PCA, an autoencoder and a map on four fifths of some rows, and evaluate them on the others.

    PCA is that of the rows as the autoencoder's network has them: scaled, and a category as its one-hot columns.

    Parameters
    ----------
    rows : array-like, DataFrame, path or Source
        The rows.
    labels : ndarray of shape (n_rows,) or None
        Classes, for k-NN accuracy; rows without a label count for the other figures alone.
    n_components : int
        Width of the codes.
    max_rows : int
        The largest number of rows, a random sample of all.
    seed : int
        Seed of the sample, of the division and of the fits.
    settings : mapping
        Further parameters of both estimators.
    say : callable
        Called with the name of each method before it is fitted.
    """
    source = open_rows(ESTIMATORS["Autoencoder"](), rows, reset=True)
    n_rows = rows_of(source)
    train, test = _divided(n_rows, max_rows, seed)
    known = None if labels is None else _known(labels, n_rows, train, test)
    chosen = np.zeros(n_rows)
    chosen[train] = 1
    given = dict(settings or {}) | {"n_components": n_components, "random_state": seed, "verbose": 0}
    if np.isnan(_taken(source, np.concatenate([train, test]))).any():
        given["missing"] = "mask"
    evaluated, width = _Evaluation(rows, train, test, labels, known), 0
    fitted = {}
    for name, estimator in MODELS.items():
        say(name)
        start = time.perf_counter()
        model = ESTIMATORS[estimator](**given).fit(rows, sample_weight=chosen)
        fitted[name] = evaluated.of(model, time.perf_counter() - start)
        width = int(model.n_features_in_)
    say("PCA")
    methods = {"PCA": evaluated.of_pca(n_components), **fitted}
    seen = None if labels is None else labels[test]
    return Comparison(methods, n_rows, width, len(train), len(test), evaluated.n_neighbors, seen)


def _divided(n_rows: int, max_rows: int, seed: int) -> tuple[Array, Array]:
    """Return the numbers of the training rows and of the test rows, each in order."""
    if min(n_rows, max_rows) < _LEAST:
        raise InvalidDataError(f"{min(n_rows, max_rows)} rows are too few to compare; use at least {_LEAST}")
    drawn = generator(seed).permutation(n_rows)[:max_rows]
    n_test = round(_TEST_SHARE * len(drawn))
    return np.sort(drawn[n_test:]), np.sort(drawn[:n_test])


def _known(labels: Array, n_rows: int, train: Array, test: Array) -> tuple[Array, Array]:
    """Return which training rows and which test rows have a label; refuse labels that are no classes."""
    if len(labels) != n_rows:
        raise InvalidDataError(f"{len(labels)} labels for {n_rows} rows; pass one label for each row")
    present = np.array([one is not None and one == one for one in labels], bool)
    if not (present[train].any() and present[test].any()):
        raise InvalidDataError("no row that is compared has a label; leave out the labels")
    checked_labels(labels[present], int(present.sum()))
    return np.flatnonzero(present[train]), np.flatnonzero(present[test])


class _Evaluation:
    """Judges methods on the same test rows, in the scaled units of the first model."""

    def __init__(
        self, rows: Any, train: Array, test: Array, labels: Array | None, known: tuple[Array, Array] | None
    ) -> None:
        self.rows, self.train, self.test = rows, train, test
        self.labels, self.known = labels, known
        self.n_neighbors = min(_NEIGHBORS, (len(test) - 1) // 2)
        self._scaler: Any = None
        self._scaled: tuple[Array, Array] = (np.empty(0), np.empty(0))  # training and test rows

    def of(self, model: Any, seconds: float) -> Compared:
        """Judge a fitted estimator."""
        source, inference = open_rows(model, self.rows, reset=False), inference_of(model)
        raw = [_taken(source, part) for part in (self.train, self.test)]
        if self._scaler is None:
            self._scaler = model.scaler_
            self._scaled = tuple(model.scaler_.scaled(part, np.float64) for part in raw)
        codes = [np.concatenate(list(inference.encode([Block(part, 0)]))) for part in raw]
        made = np.concatenate([new for _, new in inference.reconstruct([Block(raw[1], 0)], np.float64)])
        if model.scaler_ is not self._scaler:
            made = self._scaler.scaled(model.scaler_.raw(made, np.float64, like=raw[1]), np.float64)
        return self._evaluated(codes, made, seconds)

    def of_pca(self, n_components: int) -> Compared:
        """Judge PCA of the scaled rows, missing cells at their column's mean."""
        start = time.perf_counter()
        learned = np.nan_to_num(self._scaled[0])
        pca = PCA(min(n_components, *learned.shape), random_state=0).fit(learned)
        seconds = time.perf_counter() - start
        codes = [pca.transform(np.nan_to_num(part)) for part in self._scaled]
        return self._evaluated(codes, pca.inverse_transform(codes[1]), seconds)

    def _evaluated(self, codes: list[Array], made: Array, seconds: float) -> Compared:
        truth = self._scaled[1]
        error = float(np.nanmean(np.square(made - truth)))
        spread = float(np.nanmean(np.square(truth - np.nanmean(truth, axis=0))))
        accuracy = None
        if self.labels is not None and self.known is not None:
            fitted, asked = self.known
            accuracy = knn_accuracy(
                codes[0][fitted],
                self.labels[self.train[fitted]],
                codes[1][asked],
                self.labels[self.test[asked]],
                n_neighbors=min(self.n_neighbors, len(fitted)),
            )
        trust = trustworthiness(truth, codes[1], n_neighbors=self.n_neighbors)
        return Compared(codes[1], error, 1 - error / spread if spread else float(error == 0), accuracy, trust, seconds)


def _taken(source: Any, rows: Array) -> Array:
    out: Array = np.empty((len(rows), source.schema.n_features), source.dtype)
    source.take(rows, out)
    return out
