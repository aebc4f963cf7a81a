"""The denoising autoencoder: it sees corrupted rows and is asked for the clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.utils.validation import check_is_fitted

from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.fitted import Array, Rows
from isthmus.estimators.robustness import RobustnessCurve, robustness


class DenoisingAutoencoder(Autoencoder):
    """A denoising autoencoder: in training it sees corrupted rows, and its target is always the clean ones.

    It is `Autoencoder` with 64 code units and ``corruption="masking"`` unless told otherwise. Since corrupted rows
    cannot be copied, it has to learn how columns hang together, also where the code is wider than the rows. The
    corruption is drawn anew for each row and epoch, inside the compiled epoch; `transform` and `denoise` corrupt
    nothing. Held-back rows are judged as training rows are, corrupted, alike after each epoch.

    Parameters
    ----------
    n_components : a whole number of at least 1 or a number above 0 and below 1, default=64
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
        object of isthmus.corruption, a function (key, x) -> x or None, default='masking'
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
    n_components_, params_, network_, scaler_, history_, seed_, ...
        As in `Autoencoder`.

    References
    ----------
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising autoencoders",
    2008; Vincent et al., "Stacked denoising autoencoders", 2010; Alain and Bengio, "What regularized auto-encoders
    learn from the data-generating distribution", 2014. The classes of `isthmus.corruption` name their sources.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import DenoisingAutoencoder
    >>> from isthmus.corruption import Gaussian
    >>> rng = np.random.default_rng(0)
    >>> angle = rng.uniform(0, 2 * np.pi, 4000)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> model = DenoisingAutoencoder(
    ...     hidden_layer_sizes=(64,),
    ...     corruption=Gaussian(0.2, unit="input"),
    ...     scaling=None,
    ...     max_epochs=30,
    ...     random_state=0,
    ... ).fit(circle)
    >>> noisy = circle + rng.normal(0, 0.2, circle.shape)
    >>> off = np.abs(np.linalg.norm(noisy, axis=1) - 1).mean()
    >>> bool(np.abs(np.linalg.norm(model.denoise(noisy), axis=1) - 1).mean() < off / 2)
    True
    """

    def __init__(
        self,
        n_components: int | float = 64,
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
        corruption: Any = "masking",
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
        super().__init__(
            n_components,
            hidden_layer_sizes=hidden_layer_sizes,
            channels=channels,
            image_shape=image_shape,
            decoder_layer_sizes=decoder_layer_sizes,
            linear_path=linear_path,
            dropout=dropout,
            layer_norm=layer_norm,
            sparsity=sparsity,
            k=k,
            sparsity_target=sparsity_target,
            sparsity_weight=sparsity_weight,
            resample_dead=resample_dead,
            corruption=corruption,
            corruption_level=corruption_level,
            untouched_weight=untouched_weight,
            pretrain=pretrain,
            pretrain_epochs=pretrain_epochs,
            missing=missing,
            pre_bias=pre_bias,
            unit_norm_decoder=unit_norm_decoder,
            transposed_start=transposed_start,
            bias_start=bias_start,
            network=network,
            activation=activation,
            code_activation=code_activation,
            output_activation=output_activation,
            loss=loss,
            loss_reduction=loss_reduction,
            feature_weights=feature_weights,
            l2_penalty=l2_penalty,
            tied_weights=tied_weights,
            init=init,
            optimizer=optimizer,
            learning_rate=learning_rate,
            learning_rate_schedule=learning_rate_schedule,
            weight_decay=weight_decay,
            gradient_clip=gradient_clip,
            batch_size=batch_size,
            max_epochs=max_epochs,
            shuffle=shuffle,
            scaling=scaling,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            restore_best=restore_best,
            sparse_output=sparse_output,
            precision=precision,
            device=device,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            display_step=display_step,
        )

    def denoise(self, X: Rows) -> Array:
        """Return rows cleaned: what the network makes of rows as they come, with no corruption added.

        It is `reconstruct` by its proper name.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            Noisy rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units that came in; float64 for float64 rows, else float32.
        """
        return self.reconstruct(X)

    def robustness_curve(
        self,
        X: Rows,
        levels: Sequence[float] | None = None,
        *,
        fit_on: Rows = None,
        corruption: Any = None,
        seed: int = 0,
    ) -> RobustnessCurve:
        """Return how error grows with noise: of this model, of its network trained without noise, and of PCA.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            Clean rows that were not learned from. They are held in memory.
        levels : sequence of float or None
            Levels of the corruption; None is seven from 0 to twice the model's own.
        fit_on : like X, optional
            Clean rows on which the same network is fitted without noise, and PCA with as many components; without them
            only this model and the noisy rows themselves are judged.
        corruption : str, Corruption or None
            Another corruption than the model's own.
        seed : int
            Of the noise.

        Returns
        -------
        curve : RobustnessCurve
            ``print(curve)`` is a table, ``isthmus.evaluation.plots.tradeoffs(curve.curves)`` its figure.

        Raises
        ------
        InvalidParameterError
            Where the corruption has no level.
        """
        check_is_fitted(self)
        return robustness(self, X, levels, fit_on, corruption, seed)
