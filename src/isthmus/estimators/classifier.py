"""A classifier on what an autoencoder has learned: its encoder with a softmax layer, fine-tuned end to end."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any, Self

import jax
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_is_fitted, column_or_1d

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.parameters import PARAMETERS
from isthmus.data.sources.base import Source
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout
from isthmus.engine.inference import Inference, blocks_for, masks_missing
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import Interruption, Settings, Trainer, precision_scope
from isthmus.engine.optimizers import Optimizer
from isthmus.estimators.build import (
    batch_rows,
    columns_for,
    corruption_for,
    draw_seed,
    holdout_share,
    pick_device,
    placement_for,
)
from isthmus.estimators.fitted import Rows
from isthmus.estimators.fitting import measure
from isthmus.estimators.inputs import open_rows, rows_of
from isthmus.estimators.results import joined
from isthmus.losses.classification import CrossEntropy
from isthmus.networks.classifying import Classifying
from isthmus.networks.dense import Dense
from isthmus.sparsity.base import constant

# What the encoder of each network reads of an autoencoder's parameters.
_DECODER_ONLY = ("decoder", "decoder_path", "sparsity")


class AutoencoderClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An autoencoder's encoder and a softmax layer on its code, trained on labels.

    Parameters
    ----------
    autoencoder : Autoencoder or None, default=None
        What was learned without labels. A fitted one stays as it is: each fit begins with a copy of its weights. One
        that is not fitted is cloned and fitted on the rows first; None is ``Autoencoder()``.
    max_epochs : int, default=100
        Passes over the rows, at most.
    learning_rate : float, default=0.001
        Adam's step size.
    learning_rate_schedule : str or callable, default="cosine"
        As in `Autoencoder`.
    dropout : float, default=0.0
        Share of activations dropped while training, of the hidden layers and of the code.
    corruption, corruption_level : default=None
        What the network sees in place of the rows while training, as in `DenoisingAutoencoder`.
    l2_penalty : float, default=0.0
        Half of this times the sum of the softmax layer's squared weights is added to the loss.
    freeze_encoder : bool, default=False
        Train the softmax layer alone.
    batch_size : int or "auto", default="auto"
        Rows per step.
    early_stopping : bool, default=False
        Hold rows back, and stop when their loss no longer falls.
    validation_fraction, n_iter_no_change : float, int, default=0.1, 10
        As in `Autoencoder`.
    device : str or None, default=None
        As in `Autoencoder`.
    random_state : int, numpy RandomState or None, default=None
        Seed of the softmax layer, the order, noise and dropout.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    autoencoder_ : Autoencoder
        The fitted autoencoder that it began with.
    params_, network_, n_iter_, history_
        As in `Autoencoder`; ``history_`` has ``accuracy`` too.

    References
    ----------
    Vincent et al., "Stacked denoising autoencoders", 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import DenoisingAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DenoisingAutoencoder(hidden_layer_sizes=(128,), max_epochs=10, random_state=0).fit(X[:1500])
    >>> classifier = model.to_classifier(random_state=0).fit(X[:1500], y[:1500])
    >>> bool(classifier.score(X[1500:], y[1500:]) > 0.9)
    True
    """

    params_: Any
    network_: Classifying
    classes_: NDArray[Any]

    def __init__(
        self,
        autoencoder: Any = None,
        *,
        max_epochs: int = 100,
        learning_rate: float = 0.001,
        learning_rate_schedule: Any = "cosine",
        dropout: float = 0.0,
        corruption: Any = None,
        corruption_level: float | None = None,
        l2_penalty: float = 0.0,
        freeze_encoder: bool = False,
        batch_size: int | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        device: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.dropout = dropout
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.l2_penalty = l2_penalty
        self.freeze_encoder = freeze_encoder
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.random_state = random_state

    def fit(self, X: Rows, y: Any) -> Self:
        """Learn the classes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that the autoencoder saw.
        y : array-like of shape (n_samples,)
            Their labels, of any type that sorts.

        Returns
        -------
        self : AutoencoderClassifier
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            In one line.
        """
        self._check_settings()
        if y is None:
            raise InvalidDataError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        source = open_rows(self, X, reset=True)
        labels = self._labels(y, rows_of(source))
        self.autoencoder_ = self._pretrained(X, source)
        self._train(source, labels)
        return self

    def _check_settings(self) -> None:
        for name, value in self.get_params(deep=False).items():
            if name in PARAMETERS:
                PARAMETERS[name].check(value)
        if not isinstance(self.freeze_encoder, bool | np.bool_):
            raise InvalidParameterError(f"freeze_encoder={self.freeze_encoder!r} is not legal; it takes True or False")

    def _labels(self, y: Any, n_rows: int) -> NDArray[np.int32]:
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if len(y) != n_rows:
            raise InvalidDataError(
                f"Found input variables with inconsistent numbers of samples: [{n_rows}, {len(y)}]; each row has one"
            )
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidDataError(f"Classifier can't train when only one class is present: {self.classes_[0]!r}")
        return numbers.astype(np.int32)

    def _pretrained(self, X: Rows, source: Source) -> Any:
        from isthmus.estimators.autoencoder import Autoencoder

        given = Autoencoder(random_state=self.random_state) if self.autoencoder is None else self.autoencoder
        if not hasattr(given, "params_"):
            return clone(given).fit(X)
        if given.n_features_in_ != source.schema.n_features:
            raise InvalidDataError(
                f"X has {source.schema.n_features} features, but the autoencoder was fitted on {given.n_features_in_}"
            )
        return given

    def _train(self, source: Source, labels: NDArray[np.int32]) -> None:
        fitted, values = self.autoencoder_, self.get_params(deep=False)
        seed = draw_seed(self.random_state)
        share = holdout_share(values, rows_of(source))
        holdout = HashHoldout(seed, share) if share else NO_HOLDOUT
        corruption = corruption_for({**values, "untouched_weight": 1.0}, source.schema.image_shape)
        masks, names = masks_missing(fitted.network_), list(getattr(self, "feature_names_in_", ()))
        statistics = measure(source, None, names, holdout, moments=corruption is not None, missing=masks)
        if corruption is not None:
            corruption.check(source.schema.n_features, fitted.scaler_.affine is not None)
        network = self._network(len(self.classes_))
        rows = batch_rows(self.batch_size, rows_of(source))
        loader = RowLoader(source, fitted.scaler_, rows, network.dtype, holdout, seed, shuffle=True, missing=masks)
        scheduled = {"l2": constant(self.l2_penalty)} | ({} if corruption is None else corruption.schedules())
        trainer = Trainer(
            CrossEntropy(network, bool(self.freeze_encoder)),
            Optimizer("adam"),
            loader,
            self._settings(),
            scheduled=scheduled,
            interruption=Interruption(),
            placement=placement_for(self.device),
            corruption=corruption,
            columns=None if corruption is None else columns_for(statistics, fitted.scaler_),
        )
        params = {name: leaf for name, leaf in fitted.params_.items() if name not in self._unread(network)}
        start = trainer.start({**params, **network.init(seed)}, seed, {"labels": labels})
        with trainer.interruption.listening():
            state = deque(trainer.epochs(start), maxlen=1)[0]
        best = state.best[0] if state.best is not None and trainer.early_stops else state.params
        with precision_scope(network.dtype):
            self.params_ = jax.tree.map(np.asarray, best)
        self.network_, self.history_, self.n_iter_ = network, state.metrics, state.epoch

    def _settings(self) -> Settings:
        return Settings(
            max_epochs=int(self.max_epochs),
            learning_rate=float(self.learning_rate),
            schedule=self.learning_rate_schedule,
            early_stopping=bool(self.early_stopping),
            patience=int(self.n_iter_no_change),
        )

    def _network(self, n_classes: int) -> Classifying:
        body = self.autoencoder_.network_
        if isinstance(body, Dense):
            body = replace(body, dropout=float(self.dropout))
        elif self.dropout:
            raise InvalidParameterError(f"dropout={self.dropout:g} has no meaning for a network of your own")
        return Classifying(body, n_classes)

    @staticmethod
    def _unread(network: Classifying) -> tuple[str, ...]:
        # Rows are centred by the decoder's bias where there is a pre-bias.
        reads = getattr(network.body, "pre_bias", False) or not isinstance(network.body, Dense)
        return () if reads else _DECODER_ONLY

    def predict_proba(self, X: Rows) -> NDArray[Any]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            float64 for float64 rows, else float32; in the order of ``classes_``.
        """
        check_is_fitted(self)
        source = open_rows(self, X, reset=False)
        names = list(getattr(self, "feature_names_in_", ()))
        scaler = self.autoencoder_.scaler_
        network: Any = self.network_
        inference = Inference(network, self.params_, scaler, pick_device(self.device), names)
        dtype = np.float64 if source.dtype == np.float64 else np.float32
        found = inference.encode(blocks_for(source, inference.rows))
        return joined(found, dtype, rows_of(source), len(self.classes_))

    def predict(self, X: Rows) -> NDArray[Any]:
        """Return the likeliest class of each row, (n_samples,)."""
        probabilities = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return classes

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "params_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = self.autoencoder
        tags.input_tags.allow_nan = getattr(inner, "missing", "refuse") == "mask"
        return tags
