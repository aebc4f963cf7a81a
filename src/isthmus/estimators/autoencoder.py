"""`Autoencoder`: the engine as a scikit-learn transformer."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags

from isthmus.core.errors import DivergedError, InterruptedFitWarning
from isthmus.core.parameters import check_parameters
from isthmus.data.sources import is_iterator
from isthmus.engine.checkpoint import Checkpoints
from isthmus.estimators.fitted import Array, FittedModel, Rows
from isthmus.estimators.fitting import FitRun, Fitted, start_fit, start_partial_fit
from isthmus.estimators.grouping import holdout_by
from isthmus.estimators.inputs import open_rows
from isthmus.estimators.memory import Memory
from isthmus.estimators.reporting import Estimate, estimate


class Autoencoder(CallbackSupportMixin, FittedModel, BaseEstimator):  # type: ignore[misc]
    """An autoencoder: a few numbers for each row, from which the row can be rebuilt.

    Encoder, narrow code, mirrored decoder, trained so that the output comes as close to the input as it can. By default
    a straight linear path runs beside the layers and starts at PCA's solution: what is learned is the difference.

    Parameters
    ----------
    n_components : a whole number of at least 1 or a number above 0 and below 1, default=2
        Width of the code; a share below 1 means as many units as PCA needs to keep that share of the variance.
    hidden_layer_sizes : a tuple of whole numbers of at least 1, default=(256, 64)
        Widths of the encoder's hidden layers, input side first; empty for none.
    channels : a tuple of whole numbers of at least 1 or None, default=None
        Channels of each level of a convolutional encoder, which halves height and width at each, in place of
        hidden layers; None is a dense network.
    image_shape : a tuple of whole numbers of at least 1 or None, default=None
        Height, width and channels of the pictures that flat rows are; None is what the source says, else one
        line.
    decoder_layer_sizes : a tuple of whole numbers of at least 1 or None, default=None
        Widths of the decoder's hidden layers, code side first; None mirrors the encoder.
    linear_path : True or False or one of 'auto', default='auto'
        A straight linear map beside each half, started at PCA; auto: on where the code is linear, narrower than
        the input, and there are hidden layers.
    dropout : a number at least 0 and below 1, default=0.0
        Share of hidden activations dropped while training.
    layer_norm : True or False, default=False
        Normalise each hidden layer's inputs to the activation over its units.
    sparsity : one of 'kl', 'l1', 'topk', 'batch_topk', 'jumprelu', 'gated', 'matryoshka', 'lifetime', an object of
        isthmus.sparsity or None, default=None
        What keeps code units asleep, by name or as a method of isthmus.sparsity, which has more settings.
    k : a whole number at least 1 or None, default=None
        Code units awake in each row, for topk, batch_topk and matryoshka; None is a sixteenth of them.
    sparsity_target : a number above 0 or None, default=None
        Mean activation for kl (None is 0.05), share of rows for lifetime (0.05), active units per row for
        jumprelu.
    sparsity_weight : a number at least 0 or None, default=None
        Weight of the penalty of kl (None is 3), l1, jumprelu and gated (1).
    resample_dead : a whole number at least 1 or None, default=None
        Epochs between two starts anew of dead units, from badly rebuilt rows, until three quarters of training
        are done; None is never.
    corruption : one of 'gaussian', 'uniform', 'masking', 'salt_and_pepper', 'swap', 'poisson', 'blockout', an
        object of isthmus.corruption, a function (key, x) -> x or None, default=None
        What the network sees in place of the rows while training, the target staying clean: by name, as one of
        isthmus.corruption, which have more settings, or as a function (key, x) -> x of scaled rows.
    corruption_level : a number at least 0 or None, default=None
        Strength of a named corruption: deviation of gaussian and width of uniform noise, in deviations of each
        column; share of cells for masking, salt_and_pepper and swap; photons at 1 for poisson; a blockout's
        side.
    untouched_weight : a number at least 0 and at most 1, default=1.0
        Weight in the loss of cells that the corruption left alone, those it touched having 1.
    pretrain : one of 'layerwise' or None, default=None
        With layerwise, each layer is first learned on the codes of the one below, corrupted as rows are, and
        then the whole from there.
    pretrain_epochs : a whole number at least 1, default=15
        Epochs of each layer's own training.
    missing : one of 'refuse', 'mask', default='refuse'
        What NaN is: refused, or with mask a missing cell, which the network is told of and the loss leaves out.
    pre_bias : True or False or one of 'auto', default='auto'
        Subtract the output's bias from rows before they are encoded; auto: for dictionaries, that is a sparse
        code between one-layer halves, other than kl and lifetime.
    unit_norm_decoder : True or False or one of 'auto', default='auto'
        Keep each code unit's decoder row at length 1; auto: for dictionaries other than l1 and batch_topk.
    transposed_start : True or False or one of 'auto', default='auto'
        Start the encoder's last matrix as the transpose of the decoder's first; auto: for dictionaries.
    bias_start : one of 'auto', 'zeros', 'mean', 'geometric_median', default='auto'
        Where the output's bias starts; auto is geometric_median of the rows for dictionaries and else zeros.
    network : a factory (n_features, n_components, key) -> (encoder, decoder) or None, default=None
        A factory for your own encoder and decoder, any JAX pytrees of arrays and callables such as Equinox
        modules.
    activation : one of 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'softplus', 'identity',
        default='gelu'
        Function of the hidden layers.
    code_activation : one of 'auto', 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'softplus',
        'identity', default='auto'
        Function of the code; auto is identity, sigmoid for kl and relu for the other sparsities.
    output_activation : one of 'auto', 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'softplus',
        'identity', default='auto'
        Function of the output; auto is sigmoid for values in [0, 1] that crowd at its ends and for bce, else
        identity.
    loss : one of 'mse', 'bce', 'huber', default='mse'
        Reconstruction loss, a mean over cells of the scaled rows; huber turns linear at 1.
    loss_reduction : one of 'auto', 'mean', 'sum', 'half_sum', default='auto'
        What becomes of a row's cells: their mean, sum or half their sum; auto is what the sparsity's paper
        takes, so that weights mean what they do there: half_sum for kl, sum for l1, jumprelu and gated, else
        mean.
    feature_weights : a sequence of numbers of at least 0 that are not all 0 or None, default=None
        What each column counts in the reconstruction loss; 0 is seen but not learned to be rebuilt, None counts
        all alike.
    l2_penalty : a number at least 0, default=0.0
        Half of this times the sum of squared weights is added to the loss (Ng's lambda).
    tied_weights : True or False, default=False
        Use the encoder's weights, transposed, in the decoder.
    init : one of 'auto', 'glorot', 'he', 'lecun', 'orthogonal', 'truncated_normal', default='auto'
        How weights are drawn; auto is he for the relu family and glorot otherwise; truncated_normal has
        deviation 1 cut at 2, and unit normal biases.
    optimizer : one of 'adam', 'adamw', 'sgd', 'momentum', 'nesterov', 'rmsprop', 'lion' or an Optax gradient
        transformation, default='adam'
        The update rule, by name or as an Optax transformation, which then brings its own learning rate.
    learning_rate : a number above 0, default=0.001
        Step size.
    learning_rate_schedule : one of 'constant', 'cosine', 'one_cycle', 'exponential', 'warmup' or a callable from
        the share of training done, 0 to 1, to a factor of the learning rate, default='cosine'
        How the step size changes over training, by name or as a callable from the share done to a factor.
    weight_decay : a number at least 0 or None, default=None
        Decoupled decay of the weights, times the learning rate, at each step; None is 0.01 for adamw and 0
        otherwise.
    gradient_clip : a number above 0 or None, default=None
        Largest norm of the whole gradient.
    batch_size : a whole number at least 1 or one of 'auto', default='auto'
        Rows per step; auto is 256, less for fewer than 8,192 rows.
    max_epochs : a whole number at least 1, default=100
        Passes over the rows, at most.
    shuffle : True or False or one of 'global', 'window', default=True
        Draw a new order of the rows for each epoch: global, in which any row may follow any other; window,
        blocks of neighbouring rows in random order and mixed 256 at a time; True takes global up to 67 million
        cells.
    scaling : one of 'auto', 'minmax', 'standard', 'robust', 'mean_norm', 'patches', 'zca', 'whitened_patches' or
        None, default='auto'
        What is done to the rows before training; auto: uint8 by 255, values in [0, 1] stay, pictures in whole
        numbers share one scale, anything else is standardised; mean_norm: one factor for all columns; patches:
        each row's mean off, clipped, into [0.1, 0.9]; zca: whitened; whitened_patches: zca, then patches.
    early_stopping : True or False, default=True
        Hold rows back, and stop when their loss no longer falls.
    validation_fraction : a number above 0 and below 1, default=0.1
        Share of the rows held back for early stopping.
    n_iter_no_change : a whole number at least 1, default=20
        Epochs without an improvement of tol before training stops.
    tol : a number at least 0, default=0.0001
        Smallest improvement that counts, as a share of the best loss so far.
    restore_best : True or False, default=True
        End with the weights of the best validation loss rather than the last ones.
    sparse_output : True or False, default=False
        Transform gives a scipy CSR matrix, and Parquet gets only what is not 0.
    precision : one of 'float32', 'bfloat16', 'float64', default='float32'
        Type of the computation; bfloat16 in matrix products only.
    device : a non-empty string or None, default=None
        Where to train: a JAX platform such as cpu or gpu, whose devices share out each batch, or one device
        such as gpu:1; None is JAX's default platform.
    random_state : a whole number at least 0 and at most 4.29497e+09, a numpy RandomState or None, default=None
        Seed of weights, order, held-back rows and dropout; None draws a new one.
    warm_start : True or False, default=False
        Start the next fit from the weights of the last.
    verbose : a whole number at least 0, default=0
        0 is silent, 1 estimates time and memory and shows progress, 2 prints every epoch.
    display_step : a whole number at least 1, default=1
        Epochs between two printed lines.

    Attributes
    ----------
    n_components_ : int
        Width of the code.
    history_ : dict of str to list of float
        One value per epoch: ``epoch``, ``loss`` (the mean over the epoch's rows), ``last_batch_loss``,
        ``validation_loss`` where rows are held back, ``learning_rate``, ``seconds``, and ``waiting``, the share of
        them that the computation waited for rows.
    n_iter_, best_iter_ : int
        Epochs trained, and the epoch whose weights were kept; 0 is the start.
    loss_ : float
        The last epoch's training loss.
    encoder_weights_, decoder_weights_ : list of ndarray
        Matrices by layer, each (inputs, outputs), for scaled rows; ``encoder_biases_`` and ``decoder_biases_`` beside
        them, and ``linear_path_``, the two matrices of the linear path or None.
    params_, network_ : pytree, Network
        All parameters, and what computes with them.
    scaler_ : Scaling
        ``kind``, ``scaled`` and ``raw``, and where it goes column by column ``center`` and ``scale``.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of str
        Column names, where the rows had any.
    image_shape_ : tuple of int or None
        Shape of a row that is a picture, where the source knew.
    seed_ : int
        The seed used; give it as `random_state` to repeat a fit.

    References
    ----------
    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.

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

    def __init__(
        self,
        n_components: int | float = 2,
        *,
        hidden_layer_sizes: Sequence[int] = (256, 64),
        channels: Sequence[int] | None = None,
        image_shape: Sequence[int] | None = None,
        decoder_layer_sizes: Sequence[int] | None = None,
        linear_path: bool | str = "auto",
        dropout: float = 0.0,
        layer_norm: bool = False,
        sparsity: Any = None,
        k: int | None = None,
        sparsity_target: float | None = None,
        sparsity_weight: float | None = None,
        resample_dead: int | None = None,
        corruption: Any = None,
        corruption_level: float | None = None,
        untouched_weight: float = 1.0,
        pretrain: str | None = None,
        pretrain_epochs: int = 15,
        missing: str = "refuse",
        pre_bias: bool | str = "auto",
        unit_norm_decoder: bool | str = "auto",
        transposed_start: bool | str = "auto",
        bias_start: str = "auto",
        network: Any = None,
        activation: str = "gelu",
        code_activation: str = "auto",
        output_activation: str = "auto",
        loss: str = "mse",
        loss_reduction: str = "auto",
        feature_weights: Sequence[float] | None = None,
        l2_penalty: float = 0.0,
        tied_weights: bool = False,
        init: str = "auto",
        optimizer: Any = "adam",
        learning_rate: float = 0.001,
        learning_rate_schedule: Any = "cosine",
        weight_decay: float | None = None,
        gradient_clip: float | None = None,
        batch_size: int | str = "auto",
        max_epochs: int = 100,
        shuffle: bool | str = True,
        scaling: str | None = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        tol: float = 0.0001,
        restore_best: bool = True,
        sparse_output: bool = False,
        precision: str = "float32",
        device: str | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        display_step: int = 1,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.channels = channels
        self.image_shape = image_shape
        self.decoder_layer_sizes = decoder_layer_sizes
        self.linear_path = linear_path
        self.dropout = dropout
        self.layer_norm = layer_norm
        self.sparsity = sparsity
        self.k = k
        self.sparsity_target = sparsity_target
        self.sparsity_weight = sparsity_weight
        self.resample_dead = resample_dead
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.untouched_weight = untouched_weight
        self.pretrain = pretrain
        self.pretrain_epochs = pretrain_epochs
        self.missing = missing
        self.pre_bias = pre_bias
        self.unit_norm_decoder = unit_norm_decoder
        self.transposed_start = transposed_start
        self.bias_start = bias_start
        self.network = network
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.loss = loss
        self.loss_reduction = loss_reduction
        self.feature_weights = feature_weights
        self.l2_penalty = l2_penalty
        self.tied_weights = tied_weights
        self.init = init
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.gradient_clip = gradient_clip
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.scaling = scaling
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.restore_best = restore_best
        self.sparse_output = sparse_output
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.display_step = display_step

    # Fitting ---------------------------------------------------------------------------------------------------

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Rows,
        y: Any = None,
        *,
        validation_data: Rows = None,
        validation_by: str | None = None,
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
            Rows that decide when to stop, instead of a share held back from `X`; without early stopping their loss is
            only written down.
        validation_by : str, optional
            Which rows are held back: ``"last"``, the last ones, for rows in order of time; or the name of a column of a
            table or frame, of any type, which is then no feature: all rows with one value of it are held back or none.
            None chooses each row by a hash of its number.
        checkpoint : path-like, optional
            A folder for checkpoints of this fit. The same call again goes on from the newest one and ends, to the bit,
            where it would have ended without the interruption, whatever ended it; ``max_epochs`` may be more than it
            was. With it SIGTERM writes a checkpoint and raises ``SystemExit(143)``.
        checkpoint_every : float, default=60.0
            Seconds between checkpoints; 0 writes one after each chunk of rows, of about 8 MB.
        max_memory : int or str, optional
            Bytes, or text such as ``"500MB"``, for rows and the arrays of training, beside the interpreter and JAX.
            Tables that take more than half of it are written once, as numbers, to a temporary file, and read from
            there in pieces; None is 1 GB for these, and no limit otherwise. It changes no result.

        Returns
        -------
        self : Autoencoder
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            In one line; an earlier fit stays as it was.
        DivergedError
            At the first loss or gradient that is not finite. The estimator keeps the last good weights.
        UnwritableError
            Where a checkpoint cannot be written; those before stay.
        """
        check_parameters(self.get_params(deep=False))
        # Before the copy: what scikit-learn tears callbacks down by has to outlive a refusal.
        context = self._init_callback_context(max_subtasks=self.max_epochs)
        before = dict(self.__dict__)
        try:
            memory = Memory.of(max_memory)
            X, hold = holdout_by(self, X, validation_by, validation_data)
            source = open_rows(self, X, reset=True, memory=memory)
            validation = (
                None if validation_data is None else open_rows(self, validation_data, reset=False, memory=memory)
            )
            checkpoints = None if checkpoint is None else Checkpoints(checkpoint, checkpoint_every)
            context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            run = start_fit(
                self,
                source,
                validation,
                watcher=_CallbackCaller(self, context, X, y),
                checkpoints=checkpoints,
                hold=hold,
            )
            memory.check(run.trainer, run.state)
            self._train(run)
        except DivergedError:
            raise
        except BaseException:
            self.__dict__ = before
            raise
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)
        if run.interrupted:
            warnings.warn(
                f"interrupted after {self.n_iter_} of {self.max_epochs} epochs; what was learned is kept",
                InterruptedFitWarning,
                stacklevel=3,
            )
        return self

    def _train(self, run: FitRun) -> None:
        try:
            self._adopt(run.train())
        except DivergedError as error:
            self._adopt(run.outcome(error.state))
            raise

    def estimate_fit(self, X: Rows, *, validation_data: Rows = None) -> Estimate:
        """Return the time and memory that `fit` would take, from a few steps tried and thrown away.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows. They are read once, for their scaling.
        validation_data : like X, optional
            As in `fit`.

        Returns
        -------
        estimate : Estimate
            ``seconds_per_epoch``, ``max_epochs`` and ``bytes`` (beside the data), and a sentence of them as ``str``.
            The estimator stays as it was.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            As `fit` would.
        """
        check_parameters(self.get_params(deep=False))
        before = dict(self.__dict__)
        try:
            source = open_rows(self, X, reset=True)
            validation = None if validation_data is None else open_rows(self, validation_data, reset=False)
            run = start_fit(self, source, validation)
            return estimate(run.trainer, run.state)
        finally:
            self.__dict__ = before

    def partial_fit(self, X: Rows, y: Any = None) -> Self:
        """Make one pass over these rows, going on from what is known.

        The first call fixes the scaling and draws the weights. The learning rate is constant, nothing is held back,
        and the code's units keep their places. After `fit`, training goes on with the optimizer's state.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path, Source or iterator
            The rows; of an iterator, each thing that it gives is such rows, and is learned from in turn.
        y : None
            Ignored.

        Returns
        -------
        self : Autoencoder
            The estimator, fitted this far.
        """
        if is_iterator(X):
            for part in X:
                self.partial_fit(part)
            return self
        check_parameters(self.get_params(deep=False))
        before = dict(self.__dict__)
        try:
            source = open_rows(self, X, reset=not self.__sklearn_is_fitted__())
            self._train(start_partial_fit(self, source))
        except DivergedError:
            raise
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _adopt(self, fitted: Fitted) -> None:
        for name, value in fitted._asdict().items():
            setattr(self, name, value)

    def fit_transform(self, X: Rows, y: Any = None, **fit_params: Any) -> Array:
        """Fit, then return the codes of the same rows, (n_samples, n_components)."""
        codes: Array = self.fit(X, y, **fit_params).transform(X)
        return codes

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags


class _CallbackCaller:
    """Tells scikit-learn's callbacks of each epoch: the estimator's `history_` so far, and a fitted copy if asked."""

    def __init__(self, estimator: Autoencoder, context: Any, X: Rows, y: Any) -> None:
        self.estimator = estimator
        self.context = context
        self.data = {"X": X, "y": y}
        self.epoch: Any = None

    def begin(self) -> None:
        if getattr(self.estimator, "_skl_callbacks", ()):
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end(self, run: FitRun) -> bool:
        if self.epoch is None:
            return False
        estimator, state = self.estimator, run.state
        estimator.history_, estimator.n_iter_ = state.metrics, state.epoch
        stops = self.epoch.call_on_fit_task_end(
            estimator=estimator, **self.data, reconstruction_attributes=lambda: run.outcome(state)._asdict()
        )
        return bool(stops)
