"""Likelihoods of rows: the log density of each cell, given the output before its activation, and draws from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import gammaln
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Instance, Kind, Number
from isthmus.core.settings import Settings
from isthmus.losses import LIKELIHOODS

Own = Mapping[str, Any]  # what a likelihood learns, by name
Rows = NDArray[np.float64]

_LEAST_LOG_SCALE = -7.0  # of a deviation; rows that are reconstructed exactly have a density without bound
_STIRLING = 8.0  # from here on two terms of Stirling's series are exact to float32


class Likelihood(Settings):
    """The distribution of the cells of a row; a subclass is a frozen dataclass, hashed by value.

    Cells are independent, given the output. What it learns besides is in the parameters ``"likelihood"``.
    """

    counts: ClassVar[bool] = False  # whether cells are counts, and the output the logarithm of their mean
    shares: ClassVar[bool] = False  # whether cells are in [0, 1], and the output is a logit
    discrete: ClassVar[bool] = False  # whether `log_density` is of a probability, which does not depend on a unit

    def __post_init__(self) -> None:
        self.check_settings()

    def init(self, n_features: int) -> dict[str, NDArray[Any]]:
        """Return the initial values of what it learns."""
        return {}

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log density of cells (B, D), given the output before its activation (B, D).

        Parameters
        ----------
        x : Array of shape (B, D)
            The cells, in scaled units.
        pre_output : Array of shape (B, D)
            The output: the location; of counts the logarithm of the mean; of a bernoulli cell its logit.
        own : mapping of str to Array
            What was learned.
        """
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return cells (B, D) drawn around their means (B, D), on the host."""
        raise NotImplementedError


def _scale(own: Own) -> Any:
    return jnp.maximum(own["log_scale"], _LEAST_LOG_SCALE)


def _variance_kind(value: object) -> bool:
    return value in ("scalar", "feature") if isinstance(value, str) else Number(above=0).accepts(value)


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """Normal cells around the output.

    Parameters
    ----------
    variance : {"scalar", "feature"} or float
        One learned variance for all cells, one for each column, or a fixed one, > 0, in scaled units.
    """

    variance: str | float = "scalar"

    kinds: ClassVar[Mapping[str, Kind]] = {"variance": Instance("'scalar', 'feature' or a number > 0", _variance_kind)}

    def init(self, n_features: int) -> dict[str, NDArray[Any]]:
        """Return a log deviation of 0, or nothing for a fixed variance."""
        if not isinstance(self.variance, str):
            return {}
        return {"log_scale": np.zeros(() if self.variance == "scalar" else n_features)}

    def _log_deviation(self, own: Own) -> Any:
        return _scale(own) if isinstance(self.variance, str) else 0.5 * np.log(self.variance)

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log density of cells; see `Likelihood`."""
        log_deviation = self._log_deviation(own)
        squares: Array = jnp.square((x - pre_output) * jnp.exp(-log_deviation))
        return -0.5 * squares - log_deviation - 0.5 * np.log(2 * np.pi)  # type: ignore[no-any-return]

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return normal cells."""
        return rng.normal(mean, np.exp(np.asarray(self._log_deviation(own), np.float64)))


@dataclass(frozen=True)
class Laplace(Likelihood):
    """Cells with tails of Laplace's distribution, of a learned scale for each column."""

    def init(self, n_features: int) -> dict[str, NDArray[Any]]:
        """Return a log scale of 0 for each column."""
        return {"log_scale": np.zeros(n_features)}

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log density of cells; see `Likelihood`."""
        log_scale = _scale(own)
        return -jnp.abs(x - pre_output) * jnp.exp(-log_scale) - log_scale - np.log(2.0)  # type: ignore[no-any-return]

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return cells around their medians."""
        return rng.laplace(mean, np.exp(np.asarray(_scale(own), np.float64)))


@dataclass(frozen=True)
class StudentT(Likelihood):
    """Cells with tails of Student's t distribution, of a learned scale for each column.

    Parameters
    ----------
    degrees : float
        Degrees of freedom, > 0; the fewer, the heavier the tails.
    """

    degrees: float = 4.0

    kinds: ClassVar[Mapping[str, Kind]] = {"degrees": Number(above=0)}

    def init(self, n_features: int) -> dict[str, NDArray[Any]]:
        """Return a log scale of 0 for each column."""
        return {"log_scale": np.zeros(n_features)}

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log density of cells; see `Likelihood`."""
        from scipy.special import gammaln as on_host

        nu, log_scale = float(self.degrees), _scale(own)
        constant = float(on_host((nu + 1) / 2) - on_host(nu / 2) - 0.5 * np.log(nu * np.pi))
        squares = jnp.square((x - pre_output) * jnp.exp(-log_scale))
        return constant - log_scale - (nu + 1) / 2 * jnp.log1p(squares / nu)  # type: ignore[no-any-return]

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return cells around their locations."""
        return mean + np.exp(np.asarray(_scale(own), np.float64)) * rng.standard_t(self.degrees, mean.shape)


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Cells that are 0 or 1; for cells between, the cross-entropy with this share."""

    shares: ClassVar[bool] = True
    discrete: ClassVar[bool] = True

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log probability of cells; see `Likelihood`."""
        return x * pre_output - jax.nn.softplus(pre_output)

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return zeros and ones."""
        return (rng.random(mean.shape) < mean).astype(np.float64)


class _Counts(Likelihood):
    counts: ClassVar[bool] = True
    discrete: ClassVar[bool] = True


@dataclass(frozen=True)
class Poisson(_Counts):
    """Counts whose variance is their mean."""

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log probability of counts; see `Likelihood`."""
        return x * pre_output - jnp.exp(pre_output) - gammaln(x + 1)

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return counts."""
        return rng.poisson(mean).astype(np.float64)


@dataclass(frozen=True)
class NegativeBinomial(_Counts):
    """Counts of variance ``mean + mean**2 / theta``, with a learned theta for each column.

    References
    ----------
    Lopez et al., "Deep generative modeling for single-cell transcriptomics", Nature Methods 2018.
    """

    def init(self, n_features: int) -> dict[str, NDArray[Any]]:
        """Return a log theta of 0 for each column."""
        return {"log_theta": np.zeros(n_features)}

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log probability of counts; see `Likelihood`."""
        log_theta = jnp.asarray(own["log_theta"], pre_output.dtype)
        theta, ratio = jnp.exp(log_theta), pre_output - log_theta
        chosen = _log_rising(theta, x) - gammaln(x + 1)
        # Not by the logarithm of theta + mean: its difference from log theta, times theta, would lose all digits.
        return chosen - theta * jax.nn.softplus(ratio) - x * jax.nn.softplus(-ratio)

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return counts."""
        theta = np.exp(np.asarray(own["log_theta"], np.float64))
        return rng.poisson(rng.gamma(theta, mean / theta)).astype(np.float64)


def _log_rising(theta: Array, x: Array) -> Array:
    """Return ``log(gamma(theta + x) / gamma(theta))``, elementwise, for theta > 0 and x >= 0.

    As counts become Poisson, theta grows without bound, and the difference of two logarithms of the gamma function
    would lose all digits: from a theta of 8 on, Stirling's series is subtracted term by term.
    """
    large = jnp.maximum(theta, _STIRLING)
    series = _stirling_rest(large + x) - _stirling_rest(large)
    by_series = (large - 0.5) * jnp.log1p(x / large) + x * (jnp.log(large + x) - 1) + series
    small = jnp.minimum(theta, _STIRLING)
    return jnp.where(theta >= _STIRLING, by_series, gammaln(small + x) - gammaln(small))


def _stirling_rest(z: Array) -> Array:
    return (1 - 1 / (30 * z * z)) / (12 * z)


class _ZeroInflated(_Counts):
    """Counts that are 0 with a learned probability of each column, and else as `counted` says.

    The output is the logarithm of the mean of all, which is that of the others times the probability of these.
    """

    counted: ClassVar[type[_Counts]]

    def init(self, n_features: int) -> dict[str, NDArray[Any]]:
        """Return a logit of -2 for each column, besides what the counts learn."""
        return {"zero_logit": np.full(n_features, -2.0), **self.counted().init(n_features)}

    def log_density(self, x: Array, pre_output: Array, own: Own) -> Array:
        """Return the log probability of counts; see `Likelihood`."""
        logit = jnp.asarray(own["zero_logit"], pre_output.dtype)
        log_zero, log_other = -jax.nn.softplus(-logit), -jax.nn.softplus(logit)
        other = log_other + self.counted().log_density(x, pre_output - log_other, own)
        return jnp.where(x > 0, other, jnp.logaddexp(log_zero, other))

    def draw(self, rng: np.random.Generator, mean: Rows, own: Own) -> Rows:
        """Return counts."""
        zero = 1 / (1 + np.exp(-np.asarray(own["zero_logit"], np.float64)))
        return np.where(rng.random(mean.shape) < zero, 0.0, self.counted().draw(rng, mean / (1 - zero), own))


@dataclass(frozen=True)
class ZeroInflatedPoisson(_ZeroInflated):
    """Poisson counts with further zeros (Lambert, "Zero-inflated Poisson regression", Technometrics 1992)."""

    counted: ClassVar[type[_Counts]] = Poisson


@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial(_ZeroInflated):
    """Negative binomial counts with further zeros, as for genes that a measurement misses."""

    counted: ClassVar[type[_Counts]] = NegativeBinomial


def resolve(likelihood: Any) -> Likelihood:
    """Return a likelihood: by name, or a copy of the object given."""
    if isinstance(likelihood, str):
        kind: type[Likelihood] = LIKELIHOODS[likelihood]
        return kind()
    if not isinstance(likelihood, Likelihood):
        raise InvalidParameterError(f"likelihood={likelihood!r} must be a name or an object of isthmus.likelihoods")
    # A copy: searches change settings in place after a fit, which must not reach what was fitted.
    return likelihood.replaced()
