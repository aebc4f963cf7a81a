"""A density over the codes of a fitted autoencoder, from which new rows are drawn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.parameters import Integer
from isthmus.estimators.fit.choices import draw_seed

_MOST_CODES = 20_000  # that a density is fitted on
_WIDEST = 64  # code units up to which each component has a whole covariance


@dataclass(frozen=True, eq=False)
class CodeDensity:
    """A Gaussian mixture over codes.

    Parameters
    ----------
    weights : ndarray of shape (M,)
        The shares of the components.
    means : ndarray of shape (M, K)
        Their means.
    factors : ndarray of shape (M, K, K) or (M, K)
        Cholesky factors of their covariances or, of wide codes, standard deviations.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    factors: NDArray[np.float64]

    @classmethod
    def fit(cls, codes: NDArray[Any], n_components: int, seed: int) -> Self:
        """Return the mixture that scikit-learn's `GaussianMixture` finds for codes (n, K)."""
        from sklearn.mixture import GaussianMixture

        if len(codes) > _MOST_CODES:
            codes = codes[np.sort(np.random.default_rng(seed).choice(len(codes), _MOST_CODES, replace=False))]
        if len(codes) < 2:
            raise InvalidDataError("a density needs the codes of at least 2 rows")
        whole = codes.shape[1] <= _WIDEST
        # A unit without variance would have no density.
        floor = max(1e-6 * float(codes.var()), 1e-12)
        mixture = GaussianMixture(
            min(n_components, len(codes)),
            covariance_type="full" if whole else "diag",
            reg_covar=floor,
            random_state=seed,
        )
        with warnings.catch_warnings():
            # Distinct codes may be fewer than components; a mixture that has not converged is a density too.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(codes.astype(np.float64))
        covariances = mixture.covariances_
        return cls(mixture.weights_, mixture.means_, np.linalg.cholesky(covariances) if whole else covariances**0.5)

    def draw(self, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return codes (n_samples, K)."""
        component = rng.choice(len(self.weights), n_samples, p=self.weights / self.weights.sum())
        drawn = rng.standard_normal((n_samples, self.means.shape[1]))
        if self.factors.ndim == 2:
            return self.means[component] + drawn * self.factors[component]
        moved = np.empty_like(drawn)
        for number, factor in enumerate(self.factors):
            moved[component == number] = drawn[component == number] @ factor.T
        return self.means[component] + moved


def checked_count(n_samples: Any) -> int:
    """Return a number of samples, or raise InvalidParameterError."""
    if not Integer(1).accepts(n_samples):
        raise InvalidParameterError(f"n_samples={n_samples!r} must be {Integer(1).words}")
    return int(n_samples)


def sampled_codes(model: Any, n_samples: Any, X: Any, n_mixture_components: Any, random_state: Any) -> NDArray[Any]:
    """Return codes drawn from the density over a model's codes, which is fitted on those of `X` where it is given."""
    count, seed = checked_count(n_samples), draw_seed(random_state)
    if not Integer(1).accepts(n_mixture_components):
        raise InvalidParameterError(f"n_mixture_components={n_mixture_components!r} must be {Integer(1).words}")
    if X is not None:
        codes = model.transform(X)
        codes = np.asarray(codes.toarray() if hasattr(codes, "toarray") else codes)
        model.code_density_ = CodeDensity.fit(codes, int(n_mixture_components), seed)
    if not hasattr(model, "code_density_"):
        raise InvalidParameterError(
            "sample needs rows whose codes it learns the density of: sample(n_samples, X); the model keeps it"
        )
    density: CodeDensity = model.code_density_
    return density.draw(count, np.random.default_rng(seed))


class Sampled:
    """The method of a fitted autoencoder that draws new rows."""

    code_density_: CodeDensity
    inverse_transform: Any

    def sample(
        self, n_samples: int = 1, X: Any = None, *, n_mixture_components: int = 10, random_state: Any = None
    ) -> Any:
        """Return new rows: codes drawn from a density over the codes of rows, decoded.

        The density is a Gaussian mixture, fitted on the codes of `X`, of more than 20,000 on so many, drawn at random.
        The model keeps it, also in its file, so that `X` is needed once.

        Parameters
        ----------
        n_samples : int
            The number of rows, >= 1.
        X : array-like of shape (n, n_features), DataFrame, path or Source, optional
            Rows whose codes have the density, such as the training rows. None uses that of an earlier call.
        n_mixture_components : int
            Components of the mixture, >= 1, at most one for each row. Up to 64 code units each has a covariance of its
            own; of wider codes, variances.
        random_state : int, RandomState or None
            Seed of the mixture's start and of the draws; None draws a new one.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            As `inverse_transform` returns them.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line, as where no density is known.

        References
        ----------
        Ghosh et al., "From variational to deterministic autoencoders", ICLR 2020.
        """
        check_is_fitted(self)
        return self.inverse_transform(sampled_codes(self, n_samples, X, n_mixture_components, random_state))
