"""From which score on a row is called an outlier, and the percentile of a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import genpareto

Array = NDArray[Any]

_UPPER = (0.75, 0.85)  # shares of the scores below the quantiles that their deviation is estimated from
_TAIL = 0.1  # share of the scores that the tail is fitted to
_FEWEST = 10  # scores in a tail
_KNOTS = 1001


def robust_threshold(scores: Array, alarms: float) -> float:
    """Return the score that a share `alarms` of ordinary rows exceeds, if logarithms of their scores are normal.

    Centre and deviation come from the median and the upper quantiles, of the two the larger one: the lower half of
    scores says little about the upper one. A tenth of outliers about doubles the threshold.
    """
    positive = scores[scores > 0]  # duplicates have none
    if not len(positive):
        return 0.0
    middle, *upper = np.quantile(np.log(positive), [0.5, *_UPPER])
    deviation = max(1e-12, *((quantile - middle) / ndtri(share) for share, quantile in zip(_UPPER, upper, strict=True)))
    return float(np.exp(middle - deviation * ndtri(alarms)))


def held_back_threshold(scores: Array, alarms: float) -> float:
    """Return the score that a new ordinary row exceeds with a probability of at most `alarms`.

    It is the conformal quantile of the scores of held-back rows, which must be more than ``1 / alarms - 1``.
    """
    place = int(np.ceil((len(scores) + 1) * (1 - alarms)))
    return float(np.sort(scores)[min(place, len(scores)) - 1])


@dataclass(frozen=True, eq=False)
class Tail:
    """The distribution of scores: their quantiles, and beyond the largest tenth a generalised Pareto tail.

    Parameters
    ----------
    knots : ndarray
        Quantiles of the scores at equal shares, the last of which is where the tail begins.
    above : float
        Share of scores above the last knot.
    shape, scale : float
        Of the tail; the shape is not negative, so that no score ends it.

    References
    ----------
    Siffer, Fouque, Termier and Largouet, "Anomaly detection in streams with extreme value theory", KDD 2017.
    """

    knots: Array
    above: float
    shape: float
    scale: float

    @classmethod
    def learn(cls, scores: Array) -> Self:
        """Return the distribution of scores (n,)."""
        above = min(0.5, max(_TAIL, _FEWEST / len(scores)))
        knots = np.quantile(scores, np.linspace(0, 1 - above, _KNOTS))
        excess = scores[scores > knots[-1]] - knots[-1]
        if not len(excess):
            return cls(knots, above, 0.0, float(np.mean(scores)) or 1.0)
        mean, variance = float(excess.mean()), float(excess.var())
        # By moments: of an exponential tail the deviation is the mean.
        shape = 0.5 * (1 - mean**2 / variance) if variance > 0 else 0.0
        shape = min(max(shape, 0.0), 0.45)
        return cls(knots, above, shape, mean * (1 - shape))

    def percentiles(self, scores: Array) -> Array:
        """Return the share of rows below each score, in per cent, (n,); it grows with the score."""
        below = np.interp(scores, self.knots, np.linspace(0, 1 - self.above, len(self.knots)))
        beyond = genpareto.sf(np.maximum(scores - self.knots[-1], 0), self.shape, scale=self.scale)
        shares: Array = np.where(scores > self.knots[-1], 1 - self.above * beyond, below)
        return 100 * shares

    def threshold(self, alarms: float) -> float:
        """Return the score that a share `alarms` of rows exceeds."""
        if alarms >= self.above:
            return float(np.interp(1 - alarms, np.linspace(0, 1 - self.above, len(self.knots)), self.knots))
        return float(self.knots[-1] + genpareto.isf(alarms / self.above, self.shape, scale=self.scale))
