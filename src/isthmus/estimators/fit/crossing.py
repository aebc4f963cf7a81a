"""Five-fold cross-validation of training against PCA, where few validation rows leave the decision open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from isthmus.core.errors import DivergedError
from isthmus.core.types import Params
from isthmus.data.splitting import HashHoldout, MaskHoldout
from isthmus.engine.interruption import Interruption
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import train
from isthmus.engine.pca import Principal
from isthmus.estimators.fit.gain import Gain, gain_of, gains_on
from isthmus.estimators.fit.plan import Plan
from isthmus.estimators.fit.preparing import Prepared
from isthmus.estimators.fit.training import trainer_for
from isthmus.networks.base import Network

_FOLDS = 5
# Of fewer rows these tests hardly ever find a gain; of more, enough are held out for the usual one.
_FEWEST_ROWS, _MOST_ROWS = 200, 2000
# Without a gain of this level on the validation rows, five more fits hardly ever find one.
_LEAST = 0.1
# Networks of different folds share training rows, so that the variance of the pooled gains is underestimated (Bengio
# and Grandvalet, "No unbiased estimator of the variance of k-fold cross-validation", JMLR 2004): hence so small a
# level. It is that of two tests, of the mean gain and of the share of rows that gain: where a few rows make up the
# mean, others may lose. Diabetes with five components, 55 % of whose rows gain, had 1.05 of PCA's error on test rows.
_LEVEL = 0.001


class Fold(NamedTuple):
    """Numbers of rows: for training, for early stopping, and for the comparison."""

    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def is_open(gain: Gain, loader: RowLoader) -> bool:
    """Return whether cross-validation may decide otherwise: few rows, held out one by one, and some gain on them."""
    few = isinstance(loader.holdout, HashHoldout) and _FEWEST_ROWS <= loader.n_rows <= _MOST_ROWS
    return few and not gain.exceeds_chance and gain.is_significant(_LEAST)


def folds(n_rows: int, share: float, seed: int) -> Iterator[Fold]:
    """Yield five folds, of which each tests another fifth of the rows.

    Parameters
    ----------
    n_rows : int
        The number of rows.
    share : float
        The share of the other rows that decides when to stop.
    seed : int
        The seed of the order.
    """
    parts = np.array_split(np.random.default_rng(seed).permutation(n_rows), _FOLDS)
    for number, test in enumerate(parts):
        others = np.concatenate(parts[number + 1 :] + parts[:number])
        count = min(max(round(share * len(others)), 1), len(others) - 1)
        yield Fold(others[count:], others[:count], test)


def training_beats_pca(plan: Plan, prepared: Prepared, network: Network, interruption: Interruption) -> bool:
    """Return whether training is better than PCA of all its rows on rows it has not seen, beyond chance.

    The gains of the rows of all folds are pooled: their mean has to exceed chance, and more than half of the rows have
    to gain. It ends early where the folds so far have no gain in sum.

    Parameters
    ----------
    plan : Plan
        The plan of the fit.
    prepared : Prepared
        All rows, with their scaling.
    network : Network
        The network.
    interruption : Interruption
        Ends the comparison: the answer is then no.
    """
    gains = np.empty(0)
    for fold in folds(prepared.loader.n_rows, plan.validation_share, plan.seed):
        try:
            gains = np.append(gains, _gains(plan, prepared, network, interruption, fold))
        except DivergedError:
            return False
        if interruption.signal or not gains.sum() > 0:
            return False
    return gain_of(gains).is_significant(_LEVEL) and most_gain(gains)


def most_gain(gains: NDArray[np.float64]) -> bool:
    """Return whether more than half of all rows gain, by a one-sided sign test."""
    return bool(bdtrc(int((gains > 0).sum()) - 1, len(gains), 0.5) < _LEVEL)


def _gains(
    plan: Plan, prepared: Prepared, network: Network, interruption: Interruption, fold: Fold
) -> NDArray[np.float64]:
    rows = _without(prepared, np.concatenate([fold.validation, fold.test]))
    validation = replace(_without(prepared, np.concatenate([fold.training, fold.test])).loader, shuffle=False)
    test = _without(prepared, fold.test)
    trainer = trainer_for(plan, rows, network, validation=validation, interruption=interruption)
    state = train(trainer, trainer.start(pca_start(plan, rows, network), plan.seed))
    learned = jax.tree.map(np.asarray, trainer.best(state)[0])
    # What a fit without a gain returns is PCA of the rows for early stopping too.
    return gains_on(trainer, test.loader, pca_start(plan, test, network), learned)


def pca_start(plan: Plan, prepared: Prepared, network: Network) -> Params:
    """Return the parameters of a network that starts at PCA of rows, without those held out."""
    unit = prepared.start_unit(linear=plan.objective(network).linear)
    principal = Principal(prepared.loader, network.n_components, unit)
    return network.init(plan.seed, principal.statistics(network.n_components))


def _without(prepared: Prepared, rows: NDArray[np.intp]) -> Prepared:
    held = np.zeros(prepared.loader.n_rows, bool)
    held[rows] = True
    return prepared._replace(loader=replace(prepared.loader, holdout=MaskHoldout(held)))
