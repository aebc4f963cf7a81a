"""Missing cells filled in: a Gaussian's conditional mean, and an ensemble of networks that improve on it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.compilation import keep_programs, kept_in_memory
from isthmus.core.errors import InvalidDataError
from isthmus.core.types import Columns, Params, TrainState
from isthmus.corruption.replaced import Masking
from isthmus.data.columns import ColumnOfTable
from isthmus.data.scaling import Scaler
from isthmus.data.scaling.statistics import unit_for
from isthmus.data.sources import ArraySource
from isthmus.data.weights import RowWeights
from isthmus.engine.gaussian import FACTORS, MAX_WIDTH, Gaussian, factors, fit_gaussian
from isthmus.engine.interruption import Interruption
from isthmus.engine.loading import RowLoader, chunk_rows
from isthmus.engine.loop import Settings, Trainer, train
from isthmus.engine.optimizers import Optimizer
from isthmus.losses.imputation import ImputationLoss
from isthmus.networks.mixed import Mixed

Floats = NDArray[np.float64]

_FOLDS = 5
_FEWEST_ROWS = 20  # with fewer rows, validation cannot show whether a network is better than its start
# The fewest rows of an epoch: a smaller table is repeated, with other cells hidden, so that the steps of an epoch
# outweigh its fixed cost, and validation rows are evaluated with more than one choice of hidden cells.
_EPOCH_ROWS = 2048
_VALIDATION_ROWS = 1024
_ROWS_AT_ONCE = 256  # always as many, so that a row's result does not depend on other rows


@dataclass(frozen=True)
class ImputationPlan:
    """How the networks are built and trained; the imputer's parameters of the same names."""

    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    dropout: float
    masking: float | tuple[float, float]
    n_networks: int
    learning_rate: float
    batch_size: int
    max_epochs: int
    n_iter_no_change: int
    seed: int


@dataclass(frozen=True)
class Ensemble:
    """The fitted networks of an imputer.

    Parameters
    ----------
    network : Mixed
        The network that all of them are.
    params : pytree
        Their parameters, stacked.
    center, scale : ndarray of shape (C,)
        Mean and deviation of numbers; 0 and 1 for categories.
    usual : ndarray of shape (C,)
        The mean of numbers and the most frequent category, for rows without any observed cell.
    """

    network: Mixed
    params: Params
    center: Floats
    scale: Floats
    usual: Floats

    def filled(self, values: Floats, names: Sequence[Any] = ()) -> Floats:
        """Return rows (n, C) with NaN filled in; the other cells are unchanged.

        Raises
        ------
        InvalidDataError
            Where an observed cell is so large that the missing ones next to it would not be finite; `names` are those
            of the columns, for the message.
        """
        holes = np.isnan(values)
        out = np.where(holes, self.usual, values)
        partly = np.flatnonzero(holes.any(axis=1) & ~holes.all(axis=1))
        fill, largest = _compiled(self.network), np.finfo(np.float64).max
        for start in range(0, len(partly), _ROWS_AT_ONCE):
            rows = partly[start : start + _ROWS_AT_ONCE]
            padded = np.zeros((_ROWS_AT_ONCE, values.shape[1]), np.float32)
            padded[: len(rows)] = _standardised(values[rows], self.center, self.scale)
            found = np.asarray(fill(self.params, padded), np.float64)[: len(rows)]
            wrong = np.flatnonzero((holes[rows] & ~np.isfinite(found)).any(axis=1))
            if len(wrong):
                raise self._too_large(values, int(rows[wrong[0]]), names)
            with np.errstate(over="ignore"):
                found = np.clip(found * self.scale + self.center, -largest, largest)
            out[rows] = np.where(holes[rows], found, values[rows])
        return out

    def _too_large(self, values: Floats, row: int, names: Sequence[Any]) -> InvalidDataError:
        with np.errstate(over="ignore"):
            away = np.abs(values[row] / self.scale - self.center / self.scale)
        place = int(np.nanargmax(away))
        name = repr(names[place]) if len(names) else place
        return InvalidDataError(
            f"row {row} cannot be filled: its value {values[row, place]:g} in column {name} is too far from those of "
            "fit; clip it, or mark it as missing"
        )


def _standardised(values: Floats, center: Floats, scale: Floats) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        rows = (values - center) / scale
        # The difference of two of the largest floats is not a finite float.
        wide = np.isinf(rows)
        if wide.any():
            rows = np.where(wide, (values / 4 - center / 4) / (scale / 4), rows)
        return rows.astype(np.float32)


@kept_in_memory
def _compiled(network: Mixed) -> Callable[[Params, Any], Array]:
    categories = np.flatnonzero(network.n_levels)

    def fill(params: Params, rows: Array) -> Array:
        missing = jnp.isnan(rows)
        x, condition = jnp.where(missing, 0.0, rows), missing.astype(rows.dtype)
        outputs = jax.vmap(lambda one: network.fill(one, x, condition))(params)
        found = jnp.mean(outputs.reconstruction, axis=0)
        for column, logits in zip(categories, outputs.logits, strict=True):
            likeliest = jnp.argmax(jnp.mean(jax.nn.softmax(logits), axis=0), axis=1)
            found = found.at[:, column].set(likeliest.astype(rows.dtype))
        return found

    keep_programs()
    return jax.jit(fill)


def learn(
    values: Floats,
    columns: Sequence[ColumnOfTable],
    plan: ImputationPlan,
    interruption: Interruption,
    after_epoch: Callable[[int, TrainState], bool | None],
    weights: Floats | None = None,
    groups: NDArray[np.integer] | None = None,
) -> tuple[Ensemble, list[TrainState]]:
    """Return the ensemble fitted on rows, and the last state of each network's training.

    Parameters
    ----------
    values : ndarray of shape (n, C)
        Numbers and codes of categories, NaN where a cell is missing; each column has an observed one.
    columns : sequence of ColumnOfTable
        Their kinds and categories.
    plan : ImputationPlan
        How to train.
    interruption : Interruption
        Read between epochs.
    after_epoch : callable
        Called with the network's number and its state after each epoch.
    weights : ndarray of shape (n,), optional
        The rows' weights, each > 0.
    groups : ndarray of int of shape (n,), optional
        The group of each row; a network holds out whole groups.
    """
    n_levels = tuple(len(column.levels) for column in columns)
    center, scale = _standardising(values, n_levels, weights)
    rows = _standardised(values, center, scale)
    seen = ~np.isnan(rows).all(axis=1)
    rows, groups = rows[seen], None if groups is None else groups[seen]
    own = None if weights is None else weights[seen] / weights[seen].mean()
    wide, start = _widened(rows, n_levels, own)
    gaussian = fit_gaussian(wide, weights=own)
    start = {**start, **_gaussian_start(gaussian)}
    network = Mixed(n_levels, plan.n_components, plan.hidden_layer_sizes, len(start["factors"]), dropout=plan.dropout)
    usual = np.where(np.asarray(n_levels) > 0, _most_frequent(values, n_levels, weights), center)
    # Each fold needs at least four rows.
    n_networks = max(1, min(plan.n_networks, len(rows) // 4))
    fold = _folds(len(rows), max(_FOLDS, n_networks), groups, plan.seed)
    n_networks = min(n_networks, int(fold.max(initial=0)) + 1)
    members = [network.init(plan.seed + member, start) for member in range(n_networks)]
    states: list[TrainState] = []
    if plan.max_epochs and len(rows) >= _FEWEST_ROWS and len(n_levels) > 1:
        for member, params in enumerate(members):
            trained, held = (_Part.of(rows, own, chosen) for chosen in (fold != member, fold == member))
            trainer = _trainer(network, trained, held, plan, member, interruption)
            # A start fitted on the validation rows too would be hard to improve on.
            part = fit_gaussian(wide[fold != member], gaussian, 5, weights=trained.weights)
            own_start = {**start, **_gaussian_start(part)}
            first = trainer.start({**params, "start": jax.tree.map(np.float32, own_start)}, plan.seed + member)
            state = train(trainer, first, epoch_done=functools.partial(after_epoch, member))
            members[member] = jax.tree.map(np.asarray, trainer.best(state)[0])
            states.append(state)
            if interruption.signal:
                members = members[: member + 1]
                break
    else:
        members = members[:1]
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *members)
    return Ensemble(network, stacked, center, scale, usual), states


class _Part(NamedTuple):
    """Some rows, and their weights."""

    rows: NDArray[np.float32]
    weights: Floats | None

    @classmethod
    def of(cls, rows: NDArray[np.float32], weights: Floats | None, chosen: NDArray[np.bool_]) -> _Part:
        return cls(rows[chosen], None if weights is None else weights[chosen])


def _folds(n_rows: int, n_folds: int, groups: NDArray[np.integer] | None, seed: int) -> NDArray[np.integer]:
    """Return the fold of each row, that of its group where there are groups."""
    rng = np.random.default_rng([seed, 7])
    if groups is None:
        return np.asarray(rng.permutation(n_rows) % n_folds)
    present, codes = np.unique(groups, return_inverse=True)
    return np.asarray((rng.permutation(len(present)) % n_folds)[codes])


def _moments(values: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Return mean and deviation of the observed cells of each column."""
    if weights is None:
        return np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    seen = ~np.isnan(values)
    total = weights @ seen
    mean = weights @ np.where(seen, values, 0.0) / total
    return mean, np.sqrt(weights @ np.where(seen, values - mean, 0.0) ** 2 / total)


def _standardising(values: Floats, n_levels: tuple[int, ...], weights: Floats | None = None) -> tuple[Floats, Floats]:
    numbers = np.asarray(n_levels) == 0
    # In units in which the squares of very large and very small numbers are floats.
    largest = np.nanmax(np.abs(values), axis=0)
    unit = unit_for(largest)
    small = values / unit
    mean, deviation = _moments(small, weights)
    flat = deviation <= 1e-12 * largest / unit
    constant = np.maximum(1.0, 8 * np.finfo(np.float64).eps * largest)
    return np.where(numbers, mean * unit, 0.0), np.where(numbers, np.where(flat, constant, deviation * unit), 1.0)


def _most_frequent(values: Floats, n_levels: tuple[int, ...], weights: Floats | None = None) -> Floats:
    found = np.zeros(len(n_levels))
    for column, levels in enumerate(n_levels):
        if levels:
            codes = values[:, column]
            seen = ~np.isnan(codes)
            own = None if weights is None else weights[seen]
            found[column] = np.bincount(codes[seen].astype(int), weights=own, minlength=levels).argmax()
    return found


def _widened(
    rows: NDArray[np.float32], n_levels: tuple[int, ...], weights: Floats | None = None
) -> tuple[Floats, dict[str, Any]]:
    """Return rows with a standardised column for each level of a category, and their means and deviations."""
    wide = np.column_stack([_column(rows[:, c].astype(np.float64), levels) for c, levels in enumerate(n_levels)])
    by_level = np.repeat(np.asarray(n_levels) > 0, [max(levels, 1) for levels in n_levels])
    mean, deviation = _moments(wide, weights)
    center = np.where(by_level, mean, 0.0)
    scale = np.where(by_level & (deviation > 0), deviation, 1.0)
    return (wide - center) / scale, {"center": center, "scale": scale}


def _column(column: Floats, levels: int) -> Floats:
    if not levels:
        return column[:, None]
    wide: Floats = (column[:, None] == np.arange(levels)).astype(np.float64)
    wide[np.isnan(column)] = np.nan
    return wide


def _gaussian_start(gaussian: Gaussian) -> dict[str, Any]:
    width = len(gaussian.mean)
    directions, noise = factors(gaussian, width if width <= MAX_WIDTH else FACTORS)
    return {"mean": gaussian.mean, "factors": directions, "noise": np.array(noise)}


def _trainer(
    network: Mixed,
    trained: _Part,
    held: _Part,
    plan: ImputationPlan,
    member: int,
    interruption: Interruption,
) -> Trainer:
    masking = Masking(plan.masking, as_missing=True)
    settings = Settings(
        plan.max_epochs,
        plan.learning_rate,
        "cosine",
        early_stopping=True,
        patience=plan.n_iter_no_change,
        tol=0.0,
    )
    return Trainer(
        ImputationLoss(network),
        Optimizer("adam"),
        _loader(trained, _EPOCH_ROWS, plan, member),
        settings,
        schedules=masking.schedules(),
        validation=_loader(held, _VALIDATION_ROWS, plan, member),
        interruption=interruption,
        corruption=masking,
        columns=_columns_of(trained.rows),
    )


def _columns_of(rows: NDArray[np.float32]) -> Columns:
    width = rows.shape[1]
    ones, zeros = np.ones(width), np.zeros(width)
    # A fold may lack a column that the table has.
    filled = np.where(np.isnan(rows), 0.0, rows)
    return Columns(filled.min(axis=0), filled.max(axis=0), ones, ones, zeros)


def _loader(part: _Part, fewest: int, plan: ImputationPlan, member: int) -> RowLoader:
    rows, width = part.rows, part.rows.shape[1]
    times = -(-fewest // len(rows))
    many = np.tile(rows, (times, 1))
    # Folds differ by one row; with the same number of whole batches in each, one program serves all.
    room = -(-(max(fewest, len(rows)) + len(rows) + 1) // plan.batch_size) * plan.batch_size
    room = min(room, chunk_rows(plan.batch_size, 4 * width))
    scaler = Scaler("none", np.zeros(width), np.ones(width))
    return RowLoader(
        ArraySource(many),
        scaler,
        plan.batch_size,
        np.dtype(np.float32),
        seed=plan.seed + member,
        shuffle=True,
        rows_per_chunk=room,
        missing=True,
        weights=None if part.weights is None else RowWeights(np.tile(part.weights, times)),
    )
