"""`AutoencoderOutlierDetector`: which rows of a table are outliers, and which columns make them so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.validation import check_is_fitted

from isthmus.core.compilation import quickly
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.functions import PicklesFunctions
from isthmus.core.parameters import check_parameters, documented, values_of
from isthmus.data.frames import eager
from isthmus.data.sources.base import Block, Source
from isthmus.data.sources.opening import is_iterator
from isthmus.data.weights import checked_weights
from isthmus.engine.inference import blocks_for
from isthmus.estimators import stored
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import Rows
from isthmus.estimators.exporting import Exported
from isthmus.estimators.fit.choices import draw_seed
from isthmus.estimators.fit.outlier_score import Reference
from isthmus.estimators.fit.rows import RowOptions
from isthmus.estimators.fit.thresholds import Tail, held_back_threshold, robust_threshold
from isthmus.estimators.fit.top_outliers import Scored, TopOutliers
from isthmus.estimators.inputs import COLUMN_ATTRIBUTES, forget_columns, is_external, open_rows, open_stream, rows_of
from isthmus.estimators.keeping import open_keeping
from isthmus.estimators.outlier_parameters import OutlierParameters
from isthmus.estimators.parameters import AUTOENCODER
from isthmus.estimators.scoring import by_column, comparable
from isthmus.estimators.streaming import Progress, Verb, counted, float_of, inference_of
from isthmus.estimators.unchanged import unchanged_on_error

Array = NDArray[Any]

_RESULTS = ("score", "percentile", "outlier")  # columns of a file of scores


@documented
class AutoencoderOutlierDetector(OutlierParameters, PicklesFunctions, Exported, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Finds rows that are unlike the others, and the columns that make them so.

    An autoencoder learns the rows without labels. A row's score is its squared distance from its nearest training rows,
    in the scaled row and in the residual that the autoencoder leaves of it together. Training rows far from the core of
    the table, the 60 % that are nearest to its centre by their codes and residuals, add their own distance to that of
    their neighbours, so that groups of outliers in the training rows keep large scores. The score is relative to the
    distances that are usual nearby, and 1 for the median training row. It is a sum over cells, and so over columns.

    Attributes
    ----------
    decision_scores_ : ndarray of shape (n_samples,)
        Scores of the training rows; larger is more anomalous. A training row is not compared with itself.
    threshold_ : float
        Rows with a larger score are outliers. ``offset_`` is ``-threshold_``.
    labels_ : ndarray of shape (n_samples,)
        1 for outliers among the training rows, 0 for the others.
    estimators_ : list of Autoencoder
        The fitted autoencoders.
    n_features_in_, feature_names_in_, seed_
        As in `Autoencoder`.

    References
    ----------
    Breunig, Kriegel, Ng and Sander, "LOF: identifying density-based local outliers", SIGMOD 2000.
    Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant estimator", Technometrics 41,
    1999.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import AutoencoderOutlierDetector
    >>> t = np.linspace(0, 1, 300)
    >>> X = np.stack([np.cos(3 * t), np.sin(3 * t), t], axis=1)
    >>> X[7, 1] = 3
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    >>> int(detector.decision_scores_.argmax()), int(detector.contributions(X)[7].argmax())
    (7, 1)
    """

    estimators_: list[Any]
    references_: list[Reference]
    distribution_: Tail
    decision_scores_: Array
    threshold_: float
    n_features_in_: int

    def fit(self, X: Rows, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn what ordinary rows are like; outliers may be among the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, as `Autoencoder.fit` takes them.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or str, optional
            The rows' weights in the autoencoders' fits, each >= 0, or the name of a column of them, which is then not
            part of the rows. Rows of weight 0 are scored, but nothing is learned from them: no other row is compared
            with them, and they do not count for the threshold. scikit-learn's metadata routing passes it on after
            ``set_fit_request(sample_weight=True)``.

        Returns
        -------
        self : AutoencoderOutlierDetector
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line; an earlier fit stays as it was.
        """
        check_parameters(type(self), values_of(self))
        self._check_threshold()
        if is_iterator(X):
            raise InvalidDataError("an iterator can be read only once, and a detector reads rows twice; give an array")
        with unchanged_on_error(self):
            self._fit(eager(X), sample_weight)
        return self

    def _fit(self, X: Any, sample_weight: Any) -> None:
        self.seed_ = draw_seed(self.random_state)
        forget_columns(self)
        divided = RowOptions(sample_weight=sample_weight).divided(X)
        X, weights = divided.rows, divided.weights
        rows, held, own = X, None, None
        if self.threshold == "holdout":
            weights, taken, back = self._held_back(X, weights)
            rows, held = _safe_indexing(X, taken), _safe_indexing(X, back)
            own = None if weights is None else weights[taken]
        source = open_rows(self._autoencoder(0), rows, reset=True)
        if held is None:
            own = weights = checked_weights(weights, rows_of(source))
        given = source if is_external(rows) else rows
        width = source.schema.n_features
        with quickly():
            self.estimators_ = [
                self._autoencoder(number, width).fit(given, sample_weight=own) for number in range(self.n_estimators)
            ]
        known = vars(self.estimators_[0])
        self.__dict__.update({name: known[name] for name in COLUMN_ATTRIBUTES if name in known})
        learned = [self._reference(model, given, own) for model in self.estimators_]
        self.references_ = [reference for reference, _ in learned]
        found = [contributions for _, contributions in learned if contributions is not None]
        whole = held is None and len(found) == len(learned)
        self.decision_scores_ = np.mean(found, axis=0).sum(axis=1) if whole else self.anomaly_score(X)
        counted = self.decision_scores_ if weights is None else self.decision_scores_[weights > 0]
        apart = None if held is None else self.anomaly_score(held)
        self.distribution_ = Tail.learn(counted if apart is None else apart)
        self.threshold_ = self._threshold(counted, apart)

    def _check_threshold(self) -> None:
        if self.contamination != "auto" and self.threshold != "auto":
            raise InvalidParameterError(
                f"threshold={self.threshold!r} cannot be combined with contamination={self.contamination!r}, which is "
                "a threshold already; leave one of them at 'auto'"
            )

    def _held_back(self, X: Any, sample_weight: Any) -> tuple[Array | None, Array, Array]:
        """Return the rows' weights, the numbers of the rows to fit, and of those held back for the threshold."""
        if is_external(X) and not hasattr(X, "columns"):
            raise InvalidParameterError("threshold='holdout' takes arrays and frames; read the file into one first")
        every = np.arange(X.shape[0] if hasattr(X, "shape") else len(X))
        weights = checked_weights(sample_weight, len(every))
        able = every if weights is None else np.flatnonzero(weights)
        fewest = int(np.ceil(1 / self.false_alarms)) - 1
        count = max(len(able) // 5, fewest)
        if count > len(able) // 2:
            raise InvalidDataError(
                f"threshold='holdout' with false_alarms={self.false_alarms} needs {fewest} rows held back, at most "
                f"half of {len(able)}; give more rows or a larger false_alarms"
            )
        back = np.sort(able[np.random.default_rng(self.seed_).permutation(len(able))[:count]])
        return weights, np.setdiff1d(every, back), back

    def _autoencoder(self, number: int, width: int = 1) -> Autoencoder:
        """Return an autoencoder for rows of a width; with `warm_start` what the last one of its number learned."""
        own = {name: getattr(self, name) for name in AUTOENCODER if name != "random_state"}
        if self.n_components == "auto":
            own["n_components"] = max(1, round(width**0.5))
        model = Autoencoder(**own, random_state=(self.seed_ + number) % 2**32)
        last = getattr(self, "estimators_", [])[number : number + 1] if self.warm_start else []
        for known in last:
            model.__dict__.update({name: value for name, value in vars(known).items() if name not in AUTOENCODER})
        return model

    def _threshold(self, scores: Array, held: Array | None) -> float:
        """Return the threshold by the scores of the training rows and of those held back."""
        if self.contamination != "auto":
            return float(np.quantile(scores, 1 - float(self.contamination)))
        if held is not None:
            return held_back_threshold(held, self.false_alarms)
        tail = self.distribution_.threshold(self.false_alarms)
        # Of scores with a short upper tail the logarithms are not normal: none would be above the first threshold.
        return tail if self.threshold == "tail" else min(robust_threshold(scores, self.false_alarms), tail)

    # Scores ----------------------------------------------------------------------------------------------------

    def _reference(self, model: Autoencoder, X: Rows, weights: Array | None) -> tuple[Reference, Array | None]:
        """Return the rows to compare others with and, where they are all rows, the contributions of these."""
        source = open_stream(model, X)
        n_rows, count = rows_of(source), self.max_reference_rows
        able = np.arange(n_rows) if weights is None else np.flatnonzero(weights)
        chosen = np.zeros(n_rows, bool)
        drawn = np.random.default_rng(model.seed_).permutation(len(able)) < count if len(able) > count else slice(None)
        chosen[able[drawn]] = True
        start, points, codes = 0, [], []
        for point, code in _points(model, source):
            taken = chosen[start : start + len(point)]
            points.append(point[taken])
            codes.append(code[taken])
            start += len(point)
        numeric = np.ones(source.schema.n_features, bool)
        for first, stop in source.schema.categories:
            numeric[first:stop] = False
        reference, found = Reference.learn(np.concatenate(points), np.concatenate(codes), numeric)
        # Rows scored in several blocks are rounded differently.
        return reference, by_column(model, found) if chosen.all() and len(points) == 1 else None

    def _blocks(self, source: Source) -> Iterator[Array]:
        """Yield the contributions of rows, block by block: the means over the autoencoders, by column."""
        for block in blocks_for(source, inference_of(self.estimators_[0]).rows):
            parts = [
                by_column(model, reference.contributions(points))
                for model, reference in zip(self.estimators_, self.references_, strict=True)
                for points, _ in _points(model, source, [block])
            ]
            yield np.mean(parts, axis=0)

    def _opened(self, X: Rows) -> Source:
        check_is_fitted(self)
        return open_stream(self.estimators_[0], X)

    def contributions(self, X: Rows) -> Array:
        """Return how much each column adds to the score of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features_in_)
            Not negative; the sums over a row's columns are `anomaly_score`.
        """
        return np.concatenate([*self._blocks(self._opened(X))] or [np.empty((0, self.n_features_in_))])

    def anomaly_score(self, X: Rows, *, calibrated: bool = False) -> Array:
        """Return the outlier scores of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows. Files are read block by block.
        calibrated : bool
            Return percentiles instead: the share of training rows, in per cent, with a smaller score; in the largest
            tenth by a generalised Pareto tail. With ``threshold="holdout"`` they are those of the held-back rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Larger is more anomalous; 1 is the median of the training rows.
        """
        parts = [block.sum(axis=1) for block in self._blocks(self._opened(X))]
        scores = np.concatenate(parts) if parts else np.empty(0)
        return self.distribution_.percentiles(scores) if calibrated else scores

    def score_samples(self, X: Rows) -> Array:
        """Return the negative of `anomaly_score`, (n_samples,): as in scikit-learn, outliers have the smallest."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Rows) -> Array:
        """Return ``score_samples(X) - offset_``, (n_samples,): negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Rows) -> Array:
        """Return -1 for outliers and 1 for the other rows, (n_samples,)."""
        return np.where(self.anomaly_score(X) > self.threshold_, -1, 1)

    def fit_predict(self, X: Rows, y: Any = None, **kwargs: Any) -> Array:
        """Fit, and return -1 for outliers among the rows and 1 for the others, (n_samples,)."""
        return np.where(self.fit(X, y, **kwargs).labels_ == 1, -1, 1)

    def anomaly_score_to(
        self,
        source: Rows,
        out: str | os.PathLike[str] | None,
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
        overwrite: bool = False,
        top: int = 0,
    ) -> Scored:
        """Write scores, percentiles and whether rows are outliers to a file, block by block.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        out : path-like or None
            As in `Autoencoder.transform_to`, for the columns ``score``, ``percentile`` and ``outlier`` (1 or 0); None
            writes no file.
        keep, progress, overwrite : optional
            As in `Autoencoder.transform_to`.
        top : int
            How many of the rows with the largest scores are returned.

        Returns
        -------
        scored : Scored
            ``n_rows``, ``n_outliers`` and, of the rows with the largest scores, in falling order, ``rows`` (numbers
            from 0), ``scores``, ``percentiles`` and ``contributions``.

        Raises
        ------
        ExistingFileError, InvalidParameterError, InvalidDataError, UnwritableError
            With one line; `out` is then as it was.
        """
        check_is_fitted(self)
        found = TopOutliers(self.threshold_, top)

        def blocks(model: Any, rows: Source) -> Iterator[Array]:
            for block in self._blocks(rows):
                scores = found.add(block)
                yield np.stack(
                    [scores, self.distribution_.percentiles(scores), scores > self.threshold_], axis=1, dtype=np.float64
                )

        if out is None:
            opened = self._opened(source)
            for _ in counted(blocks(self, opened), opened.n_rows, progress):
                pass
        else:
            verb = Verb(open_keeping, blocks, lambda model: _RESULTS, lambda model, rows: np.float64)
            verb.to_file(self.estimators_[0], source, out, keep, progress, overwrite)
        return found.scored(self.distribution_)

    @property
    def offset_(self) -> float:
        """The negative of ``threshold_``, on the scale of `score_samples`."""
        check_is_fitted(self)
        return -self.threshold_

    @property
    def labels_(self) -> Array:
        """1 for outliers among the training rows, 0 for the others."""
        check_is_fitted(self)
        return (self.decision_scores_ > self.threshold_).astype(np.int64)

    # Saving and loading ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted detector to one safetensors file, completely or not at all; as `Autoencoder.save`."""
        check_is_fitted(self)
        stored.save(self, path, leave_out=("optimizer_state_",), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, network: Any = None, trusted: Iterable[Any] = ()) -> Self:
        """Read a detector that `save` wrote; nothing in the file is executed. As `Autoencoder.load`."""
        detector: Self = stored.load_as(cls, path, network=network, trusted=trusted)
        return detector

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "references_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.input_tags.sparse = True
        return tags


def _points(model: Autoencoder, source: Source, blocks: Iterable[Block] | None = None) -> Iterator[tuple[Array, Array]]:
    """Yield scaled rows next to their residuals, (n, 2 W) float32, and codes; missing cells are reconstructed ones."""
    inference = inference_of(model)
    blocks = blocks_for(source, inference.rows) if blocks is None else blocks
    for raw, codes, rebuilt in inference.round_trip(blocks, float_of(source)):
        scaled, output = comparable(model, raw, rebuilt)
        scaled = np.where(np.isnan(scaled), output, scaled)
        yield np.concatenate([scaled, scaled - output], axis=1, dtype=np.float32, casting="same_kind"), codes
