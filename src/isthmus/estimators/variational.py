"""The variational autoencoder: a code with a distribution, from which rows are drawn."""

from __future__ import annotations

import copy
import warnings
from typing import Any, NoReturn

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import CollapseWarning, InvalidDataError, InvalidParameterError
from isthmus.core.parameters import Integer, documented
from isthmus.data.sources.base import Block
from isthmus.engine.inference import Inference, blocks_for
from isthmus.engine.loading import RowLoader
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import Array, Rows
from isthmus.estimators.conditions import context_for
from isthmus.estimators.density import checked_count
from isthmus.estimators.evidence import log_evidence
from isthmus.estimators.fit.arrangement import first_rows, first_weights, mean_of
from isthmus.estimators.fit.choices import draw_seed, pick_device
from isthmus.estimators.fit.run import FitRun
from isthmus.estimators.framing import decoded_codes, further_codes
from isthmus.estimators.inputs import cell_names, finite_blocks, open_stream
from isthmus.estimators.streaming import float_of, inference_of, joined
from isthmus.estimators.transforming import DECODE, ENCODE, opened_codes
from isthmus.estimators.variational_parameters import VariationalParameters
from isthmus.losses.likelihoods import resolve
from isthmus.networks.convolutional import Convolutional

# The variance over rows of a unit's mean above which the unit is active: Burda et al. 2016, section 5.2.
ACTIVE = 0.01
_MOST_INACTIVE = 0.5  # share of the code's units


@documented
class VariationalAutoencoder(VariationalParameters, Autoencoder):  # type: ignore[misc]
    """A variational autoencoder: the code of a row is a normal distribution, and rows can be drawn.

    Training maximises a lower bound of the rows' log likelihood: how likely they are, given codes drawn from their
    distributions, less the relative entropy of these to a standard normal distribution, the prior. Codes are drawn for
    each row and epoch inside the compiled epoch. `transform` gives means, `sample` draws codes from the prior and
    decodes them, and `log_likelihood` says how likely rows are.

    Attributes
    ----------
    elbo_ : float
        The evidence lower bound of the first training rows, at most 4,096, in nats for each row, in the units of the
        rows: the mean of `log_likelihood` with one sample.
    activity_ : ndarray of shape (n_components,)
        Variance of each unit's mean over these rows, relative to the prior's: 0 of a unit that no row uses.
    n_active_units_ : int
        Units whose activity is above 0.01.
    likelihood_ : Likelihood
        The distribution of cells, with its settings.
    history_ : dict of str to list of float
        As in `Autoencoder`; ``loss`` is the negative bound, in nats for each row in scaled units, and
        ``reconstruction`` and ``kl`` are its terms.
    n_components_, params_, network_, scaler_, seed_, ...
        As in `Autoencoder`; ``params_["likelihood"]`` is what the likelihood learned.

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", 2014; Rezende, Mohamed and Wierstra, "Stochastic
    backpropagation and approximate inference in deep generative models", 2014; Burda, Grosse and Salakhutdinov,
    "Importance weighted autoencoders", 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VariationalAutoencoder
    >>> X = load_digits().data
    >>> model = VariationalAutoencoder(4, hidden_layer_sizes=(64,), max_epochs=20, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3, random_state=0).shape
    ((1797, 4), (3, 64))
    """

    _measured = ("likelihood_", "activity_", "n_active_units_", "elbo_")

    def _measures(self, loader: RowLoader) -> dict[str, Any]:
        self.likelihood_ = likelihood = resolve(self.likelihood)
        rows = first_rows(loader)
        weights = first_weights(loader, len(rows))
        inference = Inference(self.network_, self.params_, self.scaler_, pick_device(self.device), cell_names(self))
        codes = np.concatenate(list(inference.encode([Block(rows, 0)]))).astype(np.float64)
        activity = mean_of(np.square(codes - mean_of(codes, weights)), weights)
        known = likelihood.discrete or self.scaler_.affine is not None
        bound = mean_of(log_evidence(self, [Block(rows, 0)], 1, self.seed_, in_fit=True), weights) if known else np.nan
        return {
            "likelihood_": likelihood,
            "activity_": activity,
            "n_active_units_": int((activity > ACTIVE).sum()),
            "elbo_": float(bound),
        }

    def _warn(self, run: FitRun, complaints: list[str]) -> None:
        super()._warn(run, complaints)
        inactive = self.n_components_ - self.n_active_units_
        if inactive > _MOST_INACTIVE * self.n_components_ and run.trainer.loader.n_rows > 1:
            warnings.warn(
                f"{inactive} of {self.n_components_} code units are inactive: the variance of their means over rows is "
                f"below {ACTIVE}; set a smaller beta or n_components, kl_warmup=0.5, or free_bits=0.1",
                CollapseWarning,
                stacklevel=4,
            )

    def transform(self, X: Rows, return_std: bool = False) -> Any:
        """Return the means of the codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw, with the columns of conditions.
        return_std : bool
            Whether the standard deviations are returned too.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_components)
            float64 for float64 rows, else float32.
        std : ndarray of shape (n_samples, n_components)
            With ``return_std=True``; a frame if ``set_output`` asks for one.

        Raises
        ------
        InvalidDataError
            With one line, where the rows do not fit the model.
        """
        check_is_fitted(self)
        if not return_std:
            return ENCODE.in_memory(self, X)
        mean, deviation = self._with_deviations(X)
        return mean, further_codes(self, X, deviation)

    def _with_deviations(self, X: Rows) -> tuple[Array, Array]:
        source, width = open_stream(self, X), self.n_components_
        network = copy.copy(self.network_)
        object.__setattr__(network, "spread", True)
        inference = Inference(network, self.params_, self.scaler_, pick_device(self.device), cell_names(self))
        both = joined(inference.encode_source(source), float_of(source), source.n_rows, 2 * width)
        return np.ascontiguousarray(both[:, :width]), np.ascontiguousarray(both[:, width:])

    def inverse_transform(self, X: Rows, conditions: Any = None) -> Any:
        """Return the rows that codes stand for: the means of their distributions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.
        conditions : mapping of str to object, DataFrame or array-like, optional
            For a model with conditions: a value or a sequence of values for each of its columns, by name or number, a
            frame with these columns, or rows as `fit` saw them. None is the mean of the training rows. For counts,
            `X` stands for rows with the training rows' mean logarithm of the sum.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            As `Autoencoder.inverse_transform` returns them.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            With one line, where codes or conditions do not fit the model.
        """
        check_is_fitted(self)
        if conditions is None:
            return self._shaped(DECODE.in_memory(self, X))
        source, _ = opened_codes(self, X, None)
        blocks = finite_blocks(source, source.schema.names)
        codes = np.concatenate([np.asarray(block.values, np.float64) for block in blocks])
        context = context_for(self, conditions, len(codes))
        return self._decoded(codes, context, dtype=float_of(source), given=X)

    def _decoded(
        self,
        codes: Array,
        context: Array | None = None,
        draw: Any = None,
        *,
        dtype: Any = np.float32,
        given: Any = None,
    ) -> Any:
        """Return rows for codes (n, K): their means or, with a random generator, draws; framed as those `given`."""
        whole = codes if context is None else np.concatenate([codes, context], axis=1)
        parts = list(inference_of(self).decode([Block(whole, 0)]))
        scaled = np.concatenate(parts) if parts else np.empty((0, self.network_.n_features))
        if draw is not None:
            scaled = self._drawn(scaled.astype(np.float64), draw)
        rows = self.scaler_.raw(scaled, np.float64 if self.scaler_.wide else dtype)
        return self._shaped(decoded_codes(self, given, rows))

    def _drawn(self, mean: Array, rng: np.random.Generator) -> Array:
        network = self.network_
        cells = self.likelihood_.draw(rng, mean, self.params_.get("likelihood", {}))
        for start, stop in network.categories:
            shares = np.cumsum(mean[:, start:stop], axis=1)
            level = (shares < rng.random((len(mean), 1)) * shares[:, -1:]).sum(axis=1)
            cells[:, start:stop] = np.eye(stop - start)[np.minimum(level, stop - start - 1)]
        return np.where(network.is_condition, mean, cells)

    def _shaped(self, rows: Any) -> Any:
        if not isinstance(self.network_, Convolutional) or self.image_shape_ is None:
            return rows
        return rows.reshape(-1, *self.image_shape_)

    def sample(  # type: ignore[override]
        self, n_samples: int = 1, *, random_state: Any = None, conditions: Any = None, draw: bool = False
    ) -> Any:
        """Return rows for codes drawn from the prior.

        Parameters
        ----------
        n_samples : int
            The number of rows, >= 1.
        random_state : int, RandomState or None
            Seed of the draws; None draws a new one.
        conditions : optional
            As in `inverse_transform`.
        draw : bool
            Whether cells are drawn from the likelihood; otherwise they are its means, as pictures are usually shown.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            As `inverse_transform` returns them.
        """
        check_is_fitted(self)
        count, rng = checked_count(n_samples), np.random.default_rng(draw_seed(random_state))
        codes = rng.standard_normal((count, self.n_components_))
        context = None if conditions is None else context_for(self, conditions, len(codes))
        return self._decoded(codes, context, rng if draw else None)

    def sample_near(self, X: Rows, *, random_state: Any = None, draw: bool = False) -> Any:
        """Return, for each row, a row of a code drawn from its distribution: a variant of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows; their conditions and, of counts, their sums stay.
        random_state, draw
            As in `sample`.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            As `inverse_transform` returns them: float64 for float64 rows, frames with the index of `X`.
        """
        check_is_fitted(self)
        mean, deviation = self._with_deviations(X)
        rng = np.random.default_rng(draw_seed(random_state))
        codes = mean + deviation * rng.standard_normal(mean.shape)
        context = context_for(self, X, len(codes)) if self.network_.n_context else None
        return self._decoded(codes, context, rng if draw else None, dtype=mean.dtype, given=X)

    def log_likelihood(self, X: Rows, n_importance_samples: int = 100, *, random_state: int = 0) -> Array:
        """Return estimates of the rows' log likelihoods, in nats.

        Codes are drawn from a row's distribution and weighted. The mean of the estimate is a lower bound, which
        rises with the number of codes; with one it is the evidence lower bound.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        n_importance_samples : int
            Codes drawn for each row, >= 1; published figures use 5,000.
        random_state : int
            Seed of the draws.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
            Log densities in the units of the rows, of a table with text or categories in those of the encoded columns;
            log probabilities of counts, bernoulli cells and categories. Missing cells and conditions are left out.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line, as for a scaling that mixes columns, in which rows have no density of their own.

        References
        ----------
        Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016.
        """
        check_is_fitted(self)
        if not Integer(1).accepts(n_importance_samples):
            raise InvalidParameterError(f"n_importance_samples={n_importance_samples!r} must be {Integer(1).words}")
        source = open_stream(self, X)
        blocks = blocks_for(source, 1 << 14)
        found = log_evidence(self, blocks, int(n_importance_samples), draw_seed(random_state))
        if not len(found):
            raise InvalidDataError(f"{X} has no rows; a likelihood needs at least one")
        return found

    @property
    def to_classifier(self) -> NoReturn:
        """Not supported: a classifier would leave the code's variances untrained."""
        raise AttributeError("VariationalAutoencoder has no to_classifier; fit a classifier on transform(X)")
