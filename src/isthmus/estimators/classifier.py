"""A classifier on an autoencoder: its encoder with a softmax layer, fine-tuned on labels."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Self

import jax
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from isthmus import corruption as corruptions
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Name,
    Number,
    Text,
    check_parameters,
    declares_parameters,
    documented,
    has_attributes,
    parameter,
    values_of,
)
from isthmus.corruption import CORRUPTIONS
from isthmus.corruption.base import Corruption
from isthmus.data.class_labels import class_labels
from isthmus.data.sources.base import Source
from isthmus.engine import SCHEDULES
from isthmus.engine.inference import Inference, blocks_for
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import Settings, Trainer, train
from isthmus.engine.optimizers import Optimizer
from isthmus.estimators import stored
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import Rows
from isthmus.estimators.exporting import Exported
from isthmus.estimators.fit.choices import batch_rows, draw_seed, pick_device, placement_for, validation_share
from isthmus.estimators.fit.preparing import columns_of, measure, refuse_too_large
from isthmus.estimators.fit.rows import DividedRows, FitRows, RowOptions
from isthmus.estimators.inputs import COLUMN_ATTRIBUTES, cell_names, forget_columns, open_rows, open_stream, rows_of
from isthmus.estimators.parameters import AUTO, CORRUPTION, SCHEDULE, SEED
from isthmus.estimators.streaming import float_of, joined
from isthmus.estimators.unchanged import unchanged_on_error
from isthmus.losses.classification import CrossEntropy
from isthmus.networks.classifying import Classifying
from isthmus.sparsity.base import constant


@declares_parameters()
class ClassifierParameters:
    """The parameters of `AutoencoderClassifier`."""

    autoencoder: Any = parameter(
        "what was learned without labels: a fitted autoencoder, whose weights each fit starts from a copy of, or one "
        "that is not fitted, which is cloned and fitted on the rows first; None is Autoencoder()",
        Instance("an autoencoder", has_attributes("fit", "get_params", "inverse_transform")),
        default=None,
        kw_only=False,
    )
    max_epochs: int = parameter("largest number of passes over the rows", Integer(1), default=100)
    learning_rate: float = parameter("Adam's step size", Number(above=0), default=1e-3)
    learning_rate_schedule: Any = parameter("as in `Autoencoder`", Name(SCHEDULES), SCHEDULE, default="cosine")
    dropout: float = parameter(
        "share of activations dropped in training, of the hidden layers and of the code",
        Number(0, below=1),
        default=0.0,
    )
    corruption: Any = parameter(
        "corruption of the input in training, as in `Autoencoder`", Name(CORRUPTIONS), CORRUPTION, default=None
    )
    corruption_level: float | None = parameter(
        "strength of a named corruption, as in `DenoisingAutoencoder`", Number(0), default=None
    )
    l2_penalty: float = parameter(
        "half of this times the sum of the softmax layer's squared weights is added to the loss", Number(0), default=0.0
    )
    freeze_encoder: bool = parameter("train the softmax layer alone", Boolean(), default=False)
    batch_size: int | str = parameter("rows per step", Integer(1), AUTO, default="auto")
    early_stopping: bool = parameter(
        "hold rows back for validation, and stop when their loss no longer falls", Boolean(), default=False
    )
    validation_fraction: float = parameter(
        "share of the rows held back for early stopping", Number(above=0, below=1), default=0.1
    )
    n_iter_no_change: int = parameter("epochs without an improvement before training stops", Integer(1), default=10)
    device: str | None = parameter("where to train, as in `Autoencoder`", Text(), default=None)
    random_state: Any = parameter("seed of the softmax layer, the order, noise and dropout", *SEED, default=None)


@documented
class AutoencoderClassifier(ClassifierParameters, Exported, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An autoencoder's encoder and a softmax layer on its code, trained on labels.

    Of a sparse autoencoder the layer reads the values of all units, before the method selects the active ones.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    autoencoder_ : Autoencoder
        The fitted autoencoder whose weights training started from.
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

    def fit(self, X: Rows, y: Any, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Learn the classes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that the autoencoder saw.
        y : array-like of shape (n_samples,)
            Their labels, of any type that can be sorted.
        sample_weight : array-like of shape (n_samples,) or str, optional
            The weight of each row, as in `Autoencoder.fit`; also where the autoencoder is fitted first.
        groups : array-like of shape (n_samples,) or str, optional
            The group of each row, as in `Autoencoder.fit`: rows that early stopping holds out are whole groups.

        Returns
        -------
        self : AutoencoderClassifier
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line.
        """
        with unchanged_on_error(self):
            check_parameters(type(self), values_of(self))
            self._check_code()
            if y is None:
                raise InvalidDataError(f"{type(self).__name__} requires y to be passed, but the target y is None")
            options = RowOptions(groups=groups, sample_weight=sample_weight)
            options.check(early_stopping=bool(self.early_stopping or self._holds_out_before))
            divided = options.divided(X)
            given = divided.opened(lambda rows, _: self._opened(rows))
            labels = self._labels(y, given.n_given)
            self.autoencoder_ = self._pretrained(divided)
            trainer, start = self._started(given, given.kept(labels))
            state = train(trainer, start)
            params, _, _ = trainer.best(state)
            self.params_ = jax.tree.map(np.asarray, params)
            network: Any = trainer.objective.network
            self.network_, self.history_, self.n_iter_ = network, state.metrics, state.epoch
        return self

    def _check_code(self) -> None:
        """Refuse an autoencoder whose code is not what a classifier could learn from."""
        given = self._unlabelled
        if isinstance(given, Autoencoder) and not hasattr(given, "to_classifier"):
            try:
                _ = given.to_classifier
            except AttributeError as error:
                raise InvalidParameterError(f"autoencoder={type(given).__name__}: {error}") from None

    def _opened(self, X: Rows) -> Source:
        """Return the rows, opened as the autoencoder opens them, and checked if it is fitted and knows their names."""
        fitted = hasattr(self._unlabelled, "params_")
        given = self._unlabelled if fitted else clone(self._unlabelled)
        known = [name for name in COLUMN_ATTRIBUTES if hasattr(given, name)]
        if not fitted or set(known) - {"n_features_in_"}:
            source = open_rows(given, X, reset=not fitted)
            forget_columns(self)
            self.__dict__.update({name: getattr(given, name) for name in COLUMN_ATTRIBUTES if hasattr(given, name)})
            return source
        source = open_rows(self, X, reset=True)
        if known and given.n_features_in_ != source.schema.n_features:
            raise InvalidDataError(
                f"X has {source.schema.n_features} features, but the autoencoder was fitted on {given.n_features_in_}"
            )
        return source

    def _labels(self, y: Any, n_rows: int) -> NDArray[np.int32]:
        y = class_labels(y)
        if len(y) != n_rows:
            raise InvalidDataError(
                f"Found input variables with inconsistent numbers of samples: [{n_rows}, {len(y)}]; each row has one"
            )
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise InvalidDataError(f"Classifier can't train when only one class is present: {only!r}")
        return numbers.astype(np.int32)

    @property
    def _unlabelled(self) -> Any:
        """What learns without labels."""
        return Autoencoder(random_state=self.random_state) if self.autoencoder is None else self.autoencoder

    @property
    def _holds_out_before(self) -> bool:
        """Whether the autoencoder is fitted first, with rows held out."""
        return not hasattr(self._unlabelled, "params_") and bool(getattr(self._unlabelled, "early_stopping", False))

    def _pretrained(self, divided: DividedRows) -> Any:
        if hasattr(self._unlabelled, "params_"):
            return self._unlabelled
        options = {} if divided.weights is None else {"sample_weight": divided.weights}
        if self._holds_out_before and (groups := divided.group_values) is not None:
            options["groups"] = groups
        return clone(self._unlabelled).fit(divided.rows, **options)

    def _started(self, given: FitRows, labels: NDArray[np.int32]) -> tuple[Trainer, Any]:
        """Return the trainer and the state that training starts from."""
        source = given.source
        fitted, n_rows, seed = self.autoencoder_, rows_of(source), draw_seed(self.random_state)
        share = validation_share(values_of(self), n_rows, starts_at_pca=False)
        corruption = corruptions.resolve(self.corruption, self.corruption_level)
        if corruption is not None:
            corruption = corruption.bound(source.schema.image_shape)
        network = Classifying(fitted.network_.with_dropout(float(self.dropout)), len(self.classes_))
        loader = RowLoader(
            source,
            fitted.scaler_,
            batch_rows(self.batch_size, n_rows),
            network.dtype,
            given.holdout(seed, share),
            seed,
            shuffle=True,
            missing=network.indicator,
            extras={"labels": labels},
            weights=given.weights,
        )
        trainer = Trainer(
            CrossEntropy(network, bool(self.freeze_encoder)),
            Optimizer("adam"),
            loader,
            self._settings(),
            schedules={"l2": constant(self.l2_penalty)} | ({} if corruption is None else corruption.schedules()),
            placement=placement_for(self.device),
            corruption=corruption,
            columns=self._columns(loader, corruption),
        )
        params = {**network.encoder_params(fitted.params_), **network.init(seed)}
        return trainer, trainer.start(params, seed)

    def _columns(self, loader: RowLoader, corruption: Corruption | None) -> Any:
        """Check the rows, and return the statistics of the scaled columns for a corruption."""
        names = cell_names(self)
        moments = corruption is not None
        rows = loader.source, None, names, loader.holdout, loader.weights
        statistics = measure(*rows, moments=moments, missing=loader.missing)
        refuse_too_large(statistics, loader.scaler, loader.compute, loader.source, names)
        if corruption is None:
            return None
        corruption.check(loader.source.schema.n_features, loader.scaler.affine is not None)
        return columns_of(statistics, loader.scaler, loader.source.schema.column_of)

    def _settings(self) -> Settings:
        return Settings(
            max_epochs=int(self.max_epochs),
            learning_rate=float(self.learning_rate),
            schedule=self.learning_rate_schedule,
            early_stopping=bool(self.early_stopping),
            patience=int(self.n_iter_no_change),
        )

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
        source = open_stream(self, X)
        inference = self._inference()
        found = inference.encode(blocks_for(source, inference.rows))
        shares = joined(found, float_of(source), source.n_rows, len(self.classes_))
        # Rounded to float32 they do not add up to 1 in float64, which scikit-learn's log loss warns of.
        probabilities: NDArray[Any] = shares / shares.sum(axis=1, keepdims=True)
        return probabilities

    def _inference(self) -> Inference:
        names = cell_names(self)
        device = pick_device(self.device)
        return Inference(self.network_, self.params_, self.autoencoder_.scaler_, device, names)

    def predict(self, X: Rows) -> NDArray[Any]:
        """Return the most probable class of each row, (n_samples,)."""
        probabilities = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return classes

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted classifier, its autoencoder included, to one safetensors file.

        An existing file is refused unless `overwrite` is true.
        """
        check_is_fitted(self)
        stored.save(self, path, leave_out=("optimizer_state_",), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, network: Any = None, trusted: Iterable[Any] = ()) -> Self:
        """Read a classifier that `save` wrote; nothing in the file is executed. As `Autoencoder.load`."""
        classifier: Self = stored.load_as(cls, path, network=network, trusted=trusted)
        return classifier

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "params_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = getattr(self.autoencoder, "missing", "refuse") == "mask"
        tags.input_tags.sparse = True
        return tags
