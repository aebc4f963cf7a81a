"""The compiled training loop: one program for all batches of a chunk, from raw rows to updated parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.compilation import check_process, keep_programs, kept_in_memory, quick_options
from isthmus.core.types import Batch, Columns, ModelState, Noise, Params
from isthmus.corruption.base import Corruption
from isthmus.engine.devices import Placement
from isthmus.engine.loading import SAMPLE_WEIGHT
from isthmus.engine.optimizers import Hyper, Optimizer
from isthmus.losses.base import CELL_UNITS, Objective
from isthmus.networks.sparse_rows import SparseRows

LEARNING_RATE = "learning_rate"
Scheduled = Mapping[str, Any]  # scheduled values by name: one of each per step or, outside training, one


class Carry(NamedTuple):
    """What the compiled loop passes from batch to batch; its buffers are donated."""

    params: Params
    optimizer: Any
    model: ModelState


class Sums(NamedTuple):
    """Sums over a chunk's batches, compensated."""

    terms: dict[str, Array]  # summed over rows
    last: Array  # the last batch's loss
    steps: Array  # finished steps
    finite: Array  # False where the loop stopped at a loss or gradient that is not finite


class Run(NamedTuple):
    """Values that are the same for all steps of a chunk: traced, passed as host arrays."""

    center: Any  # (D,)
    factor: Any  # (D,)
    noise: Noise
    decay: Any
    clip: Any
    columns: Columns | None = None  # for a corruption
    units: Any = None  # (D,) what each cell's loss is multiplied by

    def constants(self) -> dict[str, Any]:
        """Return what the objective reads with the scheduled values."""
        return {} if self.units is None else {CELL_UNITS: self.units}


class Rows(NamedTuple):
    """A chunk's rows on their devices."""

    values: Any  # (n_batches, B, D) in the source's type, or scaled; or the pieces of sparse rows and of their columns
    numbers: Array  # (n_batches, B) uint32, the rows' numbers in the source
    extras: dict[str, Array]  # (n_batches, B, ...) further values of each row, by name


class View(NamedTuple):
    """How rows reach the network: what a compiled program depends on besides objective and optimizer."""

    batch_size: int  # rows of a step
    missing: bool = False  # whether NaN is a missing cell: a 0 for the network, with the mask; the loss leaves it out
    corruption: Corruption | None = None  # of the network's input, without its traced numbers
    condition: str | None = None  # the network's second input: the "missing" mask, the noise "level", or none
    ends: int = 1  # rows in one place of a batch: 2 where these are the ends of edges


@dataclass(frozen=True, eq=False)
class Program:
    """The compiled functions of one network and option set."""

    train: Callable[..., tuple[Carry, Sums]]
    evaluate: Callable[..., dict[str, Array]]
    copied: Callable[[Any], Any]  # a tree's arrays in new buffers, in one call


def precision_scope(compute: np.dtype[Any]) -> contextlib.AbstractContextManager[Any]:
    """Return the scope in which programs of a compute type are built and run; see `check_process` for its error."""
    check_process()
    return jax.enable_x64(True) if compute == np.float64 else contextlib.nullcontext()


def _add(total: tuple[Array, Array], value: Array) -> tuple[Array, Array]:
    # Kahan (1965): plain float32 sums over 390,625 batches erred by a quarter of a percent.
    value = value - total[1]
    new = total[0] + value
    return new, (new - total[0]) - value


def _batch(rows: Rows, count: Array, index: Array, view: View, run: Run) -> Batch:
    size, places = view.batch_size, rows.numbers.shape[1]
    raw, numbers, extras = jax.tree.map(
        lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False), tuple(rows)
    )
    place = jnp.arange(places)
    is_row = index * size + place < count
    # A batch that does not divide by the number of devices has more places than rows.
    weight = (is_row if places == size else is_row & (place < size)).astype(run.center.dtype)
    if view.ends > 1:
        # The ends of an edge are next to each other; their numbers differ, so that each has noise of its own.
        raw = raw.reshape(places * view.ends, -1)
        numbers, weight, extras = jax.tree.map(
            lambda leaf: jnp.repeat(leaf, view.ends, axis=0), (numbers, weight, extras)
        )
        end = jnp.tile(jnp.arange(view.ends, dtype=numbers.dtype), places)
    if isinstance(raw, tuple):
        cells, transposed = raw
        x: Any = SparseRows(cells, transposed, run.center)
    else:
        x = (raw.astype(run.center.dtype) - run.center) * run.factor
    own = {name: values for name, values in extras.items() if name != SAMPLE_WEIGHT}
    row = jnp.stack([numbers, jnp.zeros_like(numbers) if view.ends == 1 else end], axis=-1)
    batch = Batch(x, weight, row, extras=own, sample_weight=extras.get(SAMPLE_WEIGHT))
    if not view.missing:
        return batch
    missing = jnp.isnan(x)
    return batch._replace(x=jnp.where(missing, 0.0, x), observed=~missing, condition=missing.astype(x.dtype))


def _corrupted(batch: Batch, view: View, run: Run, scheduled: Scheduled) -> tuple[Batch, Array]:
    """Return the batch with the corrupted mask and the condition, and the network's input."""
    if view.corruption is None:
        return batch, batch.x
    assert run.columns is not None, "a corruption needs the statistics of the columns"
    noisy, corrupted, hidden, level = view.corruption(run.noise, batch, run.columns, scheduled)
    condition = batch.condition
    if view.condition == "missing" and hidden is not None:
        condition = jnp.where(hidden, 1.0, jnp.zeros_like(noisy) if condition is None else condition)
    elif view.condition == "level":
        condition = (jnp.zeros_like(batch.weight) if level is None else level)[:, None]
    return batch._replace(corrupted=corrupted, condition=condition), noisy


def _all_finite(tree: Any) -> Array:
    # A NaN or an infinity never leaves a sum finite, and a sum is one pass where a mask would be two.
    finite: Array = jnp.isfinite(sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree)))
    return finite


def _over_devices(
    objective: Objective, placement: Placement | None
) -> tuple[Callable[..., Any], Callable[..., dict[str, Array]]]:
    """Return an objective's value with its gradients, and its named terms, over the rows of all devices."""
    graded: Callable[..., Any] = jax.value_and_grad(objective, has_aux=True)

    def terms(*given: Any) -> dict[str, Array]:
        total, (_, named) = objective(*given)
        return {"loss": total, **named}

    if placement is None or placement.mesh is None or not objective.is_mean_over_rows:
        return graded, terms

    def means(*given: Any) -> Any:
        (total, (_, named)), gradients = graded(*given)
        return total, named, gradients

    summed = placement.summed_once(means)

    def graded_once(params: Params, state: ModelState, *rest: Any) -> Any:
        total, named, gradients = summed(params, state, *rest)
        return (total, (state, named)), gradients

    return graded_once, placement.summed_once(terms)


@kept_in_memory
def compile_program(
    objective: Objective, optimizer: Optimizer, view: View, placement: Placement | None = None, quick: bool = False
) -> Program:
    """Return the compiled functions of an option set; equal sets share them. `quick`: see `compilation.quickly`.

    Sizes of data, seeds, learning rates and every other number of a run are traced: they compile nothing new.
    """
    keep_programs()
    graded, terms = _over_devices(objective, placement)
    train, evaluate = _training(objective, optimizer, view, graded), _evaluation(view, terms)
    # Without this XLA would shard some outputs, which are the same on all devices.
    layout = None if placement is None else placement.replicated
    return Program(
        jax.jit(train, donate_argnums=0, out_shardings=layout, compiler_options=quick_options() if quick else None),
        jax.jit(evaluate, out_shardings=layout),
        jax.jit(lambda tree: jax.tree.map(jnp.copy, tree)),
    )


def _training(
    objective: Objective, optimizer: Optimizer, view: View, graded: Callable[..., Any]
) -> Callable[..., tuple[Carry, Sums]]:
    """Return the function that trains on a chunk's batches, one after the other."""

    def train(carry: Carry, rows: Rows, count: Array, scheduled: Scheduled, run: Run) -> tuple[Carry, Sums]:
        n_steps = (count + view.batch_size - 1) // view.batch_size

        def inputs(carry: Carry, index: Array) -> tuple[Any, ...]:
            now = {name: values[index] for name, values in scheduled.items()} | run.constants()
            batch, noisy = _corrupted(_batch(rows, count, index, view, run), view, run, now)
            return carry.params, carry.model, batch, noisy, run.noise, now

        def step(state: Any) -> Any:
            index, carry, sums, _, _ = state
            (total, (model, named)), gradients = graded(*inputs(carry, index))
            finite = jnp.isfinite(total) & _all_finite(gradients)
            gradients = objective.constrain_gradients(carry.params, gradients)
            hyper = Hyper(scheduled[LEARNING_RATE][index], run.decay, run.clip)

            # Also if they are not finite: the loop then ends, and the carry is discarded.
            params, optimizer_state = optimizer.update(gradients, carry.optimizer, carry.params, hyper)
            params = objective.constrain_parameters(objective.adjust_parameters(params, model))
            carry = Carry(params, optimizer_state, model)
            weight = jnp.clip(count - index * view.batch_size, 0, view.batch_size).astype(total.dtype)
            sums = {name: _add(sums[name], value * weight) for name, value in {"loss": total, **named}.items()}
            return index + 1, carry, sums, total, finite

        def continues(state: Any) -> Any:
            return (state[0] < n_steps) & state[4]

        names = ["loss", *jax.eval_shape(objective, *inputs(carry, jnp.int32(0)))[1][1]]
        zero = jnp.zeros((), run.center.dtype)
        state = (jnp.int32(0), carry, dict.fromkeys(names, (zero, zero)), zero, jnp.bool_(True))
        index, carry, sums, last, finite = jax.lax.while_loop(continues, step, state)
        return carry, Sums({name: total for name, (total, _) in sums.items()}, last, index - ~finite, finite)

    return train


def _evaluation(view: View, terms: Callable[..., dict[str, Array]]) -> Callable[..., dict[str, Array]]:
    """Return the function that sums the named terms over a chunk's rows."""

    def evaluate(
        params: Params, model: ModelState, rows: Rows, count: Array, scheduled: Scheduled, run: Run
    ) -> dict[str, Array]:
        scheduled = {**scheduled, **run.constants()}

        def loss(index: Array) -> dict[str, Array]:
            # Corrupted as in training, in the same way after each epoch; without dropout.
            batch, noisy = _corrupted(_batch(rows, count, index, view, run), view, run, scheduled)
            return terms(params, model, batch, noisy, None, scheduled)

        def step(index: Array, sums: Any) -> Any:
            weight = jnp.clip(count - index * view.batch_size, 0, view.batch_size).astype(run.center.dtype)
            return {name: _add(sums[name], value * weight) for name, value in loss(index).items()}

        names = [*jax.eval_shape(loss, jnp.int32(0))]
        zero = jnp.zeros((), run.center.dtype)
        n_steps = (count + view.batch_size - 1) // view.batch_size
        sums = jax.lax.fori_loop(0, n_steps, step, dict.fromkeys(names, (zero, zero)))
        return {name: total for name, (total, _) in sums.items()}

    return evaluate
