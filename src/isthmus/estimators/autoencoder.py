"""`Autoencoder`: the engine as a scikit-learn transformer."""

from __future__ import annotations

import os
import warnings
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.callback import with_callbacks
from sklearn.utils import Tags

from isthmus.core.errors import (
    DivergedError,
    InterruptedFitWarning,
    InvalidParameterError,
    IsthmusWarning,
    SparsityWarning,
)
from isthmus.core.parameters import check_parameters, documented, values_of
from isthmus.data.sources.opening import is_iterator
from isthmus.engine.checkpoint import Checkpoints, refuse_folder_of_rows
from isthmus.estimators.base import Array, FittedModel, Rows
from isthmus.estimators.fit.memory import Memory
from isthmus.estimators.fit.outcome import doubt_of_penalty
from isthmus.estimators.fit.reporting import Estimate, estimate
from isthmus.estimators.fit.rows import FitRows, RowOptions, without_named
from isthmus.estimators.fit.run import FitRun, Fitted, start_fit, start_partial_fit
from isthmus.estimators.following import CallbackCaller, FollowedFit
from isthmus.estimators.inputs import open_rows
from isthmus.estimators.parameters import AutoencoderParameters


@documented
class Autoencoder(AutoencoderParameters, FollowedFit, FittedModel, BaseEstimator):  # type: ignore[misc]
    """An autoencoder: a few numbers for each row, from which the row can be reconstructed.

    Encoder, narrow code and mirrored decoder, trained so that the output is as close to the input as possible. By
    default a linear path from input to code and from code to output is added to the layers and starts at PCA's
    solution: the layers learn the difference.

    Attributes
    ----------
    n_components_ : int
        Width of the code.
    history_ : dict of str to list of float
        One value per epoch: ``epoch``, ``loss`` (the mean over the epoch's rows), ``last_batch_loss``,
        ``validation_loss`` where there are validation rows, ``learning_rate``, ``seconds``, and ``waiting``, the share
        of them in which the computation waited for rows. With a penalty also ``reconstruction``, and the
        penalty by its name or as ``penalty``.
    n_iter_, best_iter_ : int
        Epochs trained, and the epoch whose weights were kept; 0 is the start.
    loss_ : float
        The last epoch's training loss.
    encoder_weights_, decoder_weights_ : list of ndarray
        Matrices by layer, each (inputs, outputs), for scaled rows; ``encoder_biases_`` and ``decoder_biases_`` are
        their biases, and ``linear_path_`` the two matrices of the linear path or None.
    params_, network_ : pytree, Network
        All parameters, and the network that computes with them.
    scaler_ : Scaling
        ``kind``, ``scaled`` and ``raw``; of a scaling by column also ``center`` and ``scale``.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of str
        Column names, where the rows had any.
    encoding_ : TableEncoding
        How the columns of a table are encoded, where the rows were a frame or had columns of mixed kinds: ``columns``,
        and ``names`` of the columns that the network sees.
    image_shape_ : tuple of int or None
        Shape of a row that is a picture, where the source knows it.
    seed_ : int
        The seed used; give it as `random_state` to repeat a fit.

    References
    ----------
    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006; of the
    penalty "contractive" Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders", ICML 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import Autoencoder
    >>> t = np.linspace(0, 1, 500)
    >>> X = np.stack([np.cos(3 * t), np.sin(3 * t), t], axis=1)
    >>> model = Autoencoder(n_components=1, hidden_layer_sizes=(16,), random_state=0).fit(X)
    >>> model.transform(X).shape
    (500, 1)
    >>> bool(model.score(X) > 0.99)
    True
    """

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Rows,
        y: Any = None,
        *,
        validation_data: Rows = None,
        validation_by: str | None = None,
        groups: Any = None,
        sample_weight: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        max_memory: int | str | None = None,
    ) -> Self:
        """Learn the code from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in any numeric type. A ``.npy`` file is memory-mapped and read chunk by chunk.
        y : None
            Ignored; here because scikit-learn's pipelines pass it.
        validation_data : like X, optional
            Rows that decide when to stop, instead of a share held out from `X`; without early stopping their loss is
            only recorded.
        validation_by : str, optional
            Which rows are held out: ``"last"``, the last ones, for rows in order of time; or the name of a column of a
            table or frame, of any type, which is then no feature: all rows with one value of it are held out or none.
            None chooses each row by a hash of its number.
        groups : array-like of shape (n_samples,) or str, optional
            The group of each row, such as the person a picture shows: validation rows are whole groups, so that the
            model is evaluated on groups that training does not have. Any type, or the name of a column of a table or
            frame, which is then no feature.
        sample_weight : array-like of shape (n_samples,) or str, optional
            The weight of each row, a number >= 0, or the name of a column of them, which is then no feature: in the
            loss, the scaling, PCA, the validation loss and everything else that is a mean over rows, a row of weight 2
            counts as two rows, and one of weight 0 is left out. Their unit does not matter. `validation_data` is
            weighted where it has the named column too. scikit-learn's metadata routing passes `sample_weight` and
            `groups` on after ``set_fit_request(sample_weight=True, groups=True)``.
        checkpoint : path-like, optional
            A folder for checkpoints of this fit. The same call continues from the newest one and ends, to the bit,
            where it would have ended without the interruption, whatever caused it; ``max_epochs`` may be larger than
            before. With it SIGTERM writes a checkpoint and raises ``SystemExit(143)``.
        checkpoint_every : float, default=60.0
            Seconds between checkpoints; 0 writes one after each chunk of rows, of about 8 MB.
        max_memory : int or str, optional
            Bytes, or text such as ``"500MB"``, for rows and the arrays of training, in addition to the interpreter and
            JAX. Tables that take more than half of it are written once, as numbers, to a temporary file, and read from
            there in pieces; None is 1 GB for these, and no limit otherwise. It changes no result.

        Returns
        -------
        self : Autoencoder
            The fitted estimator.

        Warns
        -----
        SparsityWarning
            Where more than a tenth of a sparse code's units are dead, or a mean row has a fifth more or fewer active
            units than `k` or `sparsity_target` ask for.
        IsthmusWarning
            Where a penalty of the code is left to be made up for by a larger decoder, or there is one row.
        InterruptedFitWarning
            Where Ctrl-C ended training.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line; an earlier fit stays as it was.
        DivergedError
            At the first loss or gradient that is not finite. The estimator keeps the last good weights.
        UnwritableError
            Where a checkpoint cannot be written; earlier ones stay.
        """
        self._check_parameters()
        # Before the copy: scikit-learn needs this to tear callbacks down after an error too.
        context = self._init_callback_context(max_subtasks=self.max_epochs)
        before = dict(self.__dict__)
        try:
            memory = Memory.of(max_memory)
            options = RowOptions(validation_data, validation_by, groups, sample_weight)
            refuse_folder_of_rows(checkpoint, X)
            given = self._opened(X, options, memory)
            checkpoints = None if checkpoint is None else Checkpoints(checkpoint, checkpoint_every)
            context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            watcher = CallbackCaller(self, context, X, y)
            run = start_fit(self, given, watcher=watcher, checkpoints=checkpoints)
            memory.check(run.trainer, run.state)
            fitted = self._train(run)
            complaints = run.complaints(fitted)
        except DivergedError:
            raise
        except BaseException:
            self.__dict__ = before
            raise
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)
        self._warn(run, complaints)
        return self

    def _warn(self, run: FitRun, complaints: list[str]) -> None:
        """Warn of what the result of a fit does not show."""
        if run.interrupted:
            warnings.warn(
                f"interrupted after {self.n_iter_} of {self.max_epochs} epochs; what was learned is kept",
                InterruptedFitWarning,
                stacklevel=4,
            )
        if run.trainer.loader.n_rows == 1:
            warnings.warn(
                "there is one row, from which nothing can be learned; give more rows", IsthmusWarning, stacklevel=4
            )
        if (doubt := doubt_of_penalty(run.plan)) is not None:
            warnings.warn(doubt, IsthmusWarning, stacklevel=4)
        for complaint in complaints:
            warnings.warn(complaint, SparsityWarning, stacklevel=4)

    def _check_parameters(self) -> None:
        check_parameters(type(self), values_of(self))

    def _opened(self, X: Rows, options: RowOptions, memory: Memory) -> FitRows:
        """Return the rows of a fit, with their weights and groups."""
        options.check(early_stopping=bool(self.early_stopping))
        return options.opened(X, lambda rows, reset: open_rows(self, rows, reset=reset, memory=memory))

    def _train(self, run: FitRun) -> Fitted:
        try:
            fitted = run.train()
            self._adopt(fitted, run.trainer.loader)
            return fitted
        except DivergedError as error:
            self._adopt(run.fitted(error.state), run.trainer.loader)
            raise

    def estimate_fit(
        self,
        X: Rows,
        *,
        validation_data: Rows = None,
        validation_by: str | None = None,
        groups: Any = None,
        sample_weight: Any = None,
        max_memory: int | str | None = None,
    ) -> Estimate:
        """Return the time and memory that `fit` would take, from a few trial steps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows. They are read once, for their scaling.
        validation_data, validation_by, groups, sample_weight, max_memory : optional
            As in `fit`.

        Returns
        -------
        estimate : Estimate
            ``seconds_per_epoch``, ``max_epochs`` and ``bytes`` (in addition to the data), and a sentence as ``str``.
            The estimator stays as it was.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            As `fit` would.
        """
        self._check_parameters()
        before = dict(self.__dict__)
        try:
            memory = Memory.of(max_memory)
            options = RowOptions(validation_data, validation_by, groups, sample_weight)
            run = start_fit(self, self._opened(X, options, memory))
            memory.check(run.trainer, run.state)
            return estimate(run.trainer, run.state)
        finally:
            self.__dict__ = before

    @with_callbacks  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Rows, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one pass over these rows, continuing from what was learned.

        The first call fixes the scaling and draws the weights. The learning rate is constant, no rows are held out,
        and the code's units keep their places. After `fit`, training continues with the optimizer's state. Callbacks
        are called as for an epoch of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path, Source or iterator
            The rows; an iterator yields such rows, and each is learned from in turn.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or str, optional
            As in `fit`, but the unit matters, since other calls have other rows: 1 is the weight of a row without one.

        Returns
        -------
        self : Autoencoder
            The estimator, fitted this far.
        """
        if is_iterator(X):
            if sample_weight is not None and not isinstance(sample_weight, str):
                raise InvalidParameterError(
                    "sample_weight cannot be an array where X is an iterator; call partial_fit for each part"
                )
            for part in X:
                self.partial_fit(part, sample_weight=sample_weight)
            return self
        self._check_parameters()
        context = self._init_callback_context(task_name="partial_fit", max_subtasks=1)
        before = dict(self.__dict__)
        try:
            given = RowOptions(sample_weight=sample_weight).opened(
                X, lambda rows, _: open_rows(self, rows, reset=not self.__sklearn_is_fitted__()), relative=False
            )
            context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            self._train(start_partial_fit(self, given, watcher=CallbackCaller(self, context, X, y)))
        except DivergedError:
            raise
        except BaseException:
            self.__dict__ = before
            raise
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)
        return self

    def fit_transform(self, X: Rows, y: Any = None, **fit_params: Any) -> Array:
        """Fit, then return the codes of the same rows, (n_samples, n_components)."""
        codes: Array = self.fit(X, y, **fit_params).transform(without_named(X, fit_params))
        return codes

    def to_classifier(self, **settings: Any) -> Any:
        """Return a scikit-learn classifier: the encoder with a softmax layer, which its `fit` fine-tunes.

        Parameters
        ----------
        **settings
            The parameters of `AutoencoderClassifier`.

        Returns
        -------
        classifier : AutoencoderClassifier
            Not yet fitted. This model stays as it is.
        """
        from isthmus.estimators import ESTIMATORS

        return ESTIMATORS["AutoencoderClassifier"](self, **settings)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.input_tags.sparse = True
        return tags
