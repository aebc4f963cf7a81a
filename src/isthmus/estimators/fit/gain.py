"""Whether training improved on its start: the losses of the validation rows, compared row by row."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from isthmus.core.compilation import keep_programs, kept_in_memory
from isthmus.core.types import Batch, Params
from isthmus.engine.loading import Chunk, RowLoader
from isthmus.engine.loop import Trainer
from isthmus.engine.pca import scaled_rows, weights_of
from isthmus.engine.program import precision_scope
from isthmus.losses.base import CELL_UNITS
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.sparse_rows import SparseRows

# The level of the one-sided paired t-test. One row that outweighs all others has a gain of one standard error.
_LEVEL = 0.01
_FEWEST = 4  # rows or, where groups are held out, groups, for a standard error
# Validation rows whose loss is a smaller share of that of the training rows lack the rows that dominate the loss.
_REPRESENTATIVE = 0.5
_PIECE = 256  # rows; others are padded to it


class Gain(NamedTuple):
    """How much smaller the losses of the validation rows are with learned parameters than at the start.

    Attributes
    ----------
    statistic : float
        The mean gain in standard errors; minus infinity where there are too few rows, or one is not finite.
    n_compared : int
        The number of rows or, where groups are held out, of groups.
    representative : bool
        Whether the validation rows have the outliers that the training rows have.
    """

    statistic: float
    n_compared: int
    representative: bool = True

    @property
    def exceeds_chance(self) -> bool:
        """Whether the gain is significant."""
        return self.representative and self.is_significant(_LEVEL)

    def is_significant(self, level: float) -> bool:
        """Return whether a one-sided paired t-test finds the gain at a level."""
        return self.n_compared > 1 and bool(self.statistic > stdtrit(self.n_compared - 1, 1 - level))


def gain_of(gains: NDArray[np.float64], *, representative: bool = True) -> Gain:
    """Return the mean of row-wise gains in standard errors."""
    count = len(gains)
    if count < _FEWEST or not np.isfinite(gains).all():
        return Gain(-math.inf, count, representative)
    error = float(gains.std(ddof=1)) / math.sqrt(count)
    mean = float(gains.mean())
    return Gain(mean / error if error > 0 else math.copysign(math.inf, mean) if mean else 0.0, count, representative)


def gain_on_validation_rows(trainer: Trainer, start: Params, learned: Params) -> Gain:
    """Return the gain of learned parameters over those of the start, on the rows that decide when to stop.

    Parameters
    ----------
    trainer : Trainer
        It has the validation rows.
    start, learned : Params
        Parameters of its network.
    """
    if trainer.validation is not None:
        chosen, held_out = trainer.validation, False
    else:
        chosen, held_out = trainer.loader, True
    before, numbers = _losses(trainer, chosen, start, held_out=held_out)
    gains = before - _losses(trainer, chosen, learned, held_out=held_out)[0]
    groups = None if trainer.validation is not None else trainer.loader.holdout.groups
    if groups is not None:
        places = np.unique(groups[numbers], return_inverse=True)[1]
        gains = np.asarray(np.bincount(places, weights=gains), np.float64)
    if not len(gains):
        return gain_of(gains)
    usual, _ = _losses(trainer, trainer.loader, start, held_out=False, pieces=64)
    return gain_of(gains, representative=bool(before.mean() >= _REPRESENTATIVE * usual.mean()))


def gains_on(trainer: Trainer, rows: RowLoader, start: Params, learned: Params) -> NDArray[np.float64]:
    """Return by how much the loss of each row that a loader holds out is smaller with learned parameters."""
    before, after = (_losses(trainer, rows, params, held_out=True)[0] for params in (start, learned))
    return before - after


def _losses(
    trainer: Trainer, loader: RowLoader, params: Params, *, held_out: bool, pieces: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.integer[Any]]]:
    """Return the losses of rows, times their weights, and their numbers.

    With `pieces`, of the first chunk alone, at most so many pieces.
    """
    losses: list[NDArray[np.float64]] = [np.empty(0)]
    numbers: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    function = _compiled(trainer.objective)
    with precision_scope(loader.compute):
        placed = jax.device_put(params, trainer.placement.device)
        units = None if trainer.units is None else trainer.units.astype(loader.compute)
        for chunk in loader.chunks(validation=held_out):
            count = chunk.count if pieces is None else min(chunk.count, pieces * _PIECE)
            numbers.append(np.asarray(chunk.rows[:count], np.int64))
            found = np.concatenate([*_each_loss(functools.partial(function, placed), loader, chunk, count, units)])
            weights = weights_of(chunk)
            losses.append(found if weights is None else found * weights[:count])
            if pieces is not None:
                break
    return np.concatenate(losses), np.concatenate(numbers)


def _each_loss(
    function: Callable[..., Any], loader: RowLoader, chunk: Chunk, count: int, units: Any
) -> Iterator[NDArray[np.float64]]:
    """Yield the losses of a chunk's first rows, piece by piece."""
    size = loader.batch_size if loader.layout is not None else _PIECE
    for first in range(0, count, size):
        if loader.layout is not None:
            cells, transposed = jax.tree.map(lambda leaf, number=first // size: leaf[number], chunk.values)
            found = function(SparseRows(cells, transposed, jnp.asarray(loader.affine()[0])), None, units)
        else:
            found = function(*_padded(loader, chunk.values[first : min(first + size, count)]), units)
        yield np.asarray(found)[: count - first].astype(np.float64)


def _padded(loader: RowLoader, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return scaled rows, padded to a piece, and which cells are observed; None where none can be missing."""
    rows = np.zeros((_PIECE, values.shape[1]), loader.compute)
    observed = np.ones(rows.shape, bool)
    if loader.missing:
        observed[: len(values)] = ~np.isnan(values)
    rows[: len(values)] = scaled_rows(loader, values, loader.compute)
    return rows, observed if loader.missing else None


@kept_in_memory
def _compiled(objective: Any) -> Any:
    keep_programs()
    assert isinstance(objective, Reconstruction), "another objective has no start to compare with"

    def losses(params: Params, x: Any, observed: Any, units: Any) -> Any:
        condition = None if observed is None else 1.0 - observed.astype(x.dtype)
        batch = Batch(x, jnp.ones(len(x), x.dtype), jnp.zeros((len(x), 2), jnp.uint32), observed, condition=condition)
        return objective.row_losses(params, batch, {} if units is None else {CELL_UNITS: units})

    return jax.jit(losses)
