"""The compiled epoch, its history, and when to stop."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.compilation import keep_programs
from isthmus.core.errors import DivergedError
from isthmus.core.processes import global_maximum
from isthmus.core.random import key_words
from isthmus.core.types import (
    Batch,
    Columns,
    Corruption,
    ModelState,
    Noise,
    Objective,
    Params,
    Schedule,
    Stopping,
    TrainState,
)
from isthmus.engine.devices import Placement
from isthmus.engine.loading import Chunk, RowLoader
from isthmus.engine.optimizers import Hyper, Optimizer, learning_rates


class Carry(NamedTuple):
    """What the compiled loop hands from batch to batch; its buffers are donated."""

    params: Params
    optimizer: Any
    model: ModelState


class Sums(NamedTuple):
    """What a chunk's batches added up to; each sum is compensated."""

    terms: dict[str, Array]  # summed over rows
    last: Array  # the last batch's loss
    steps: Array  # finished steps
    finite: Array  # False where the loop stopped at a loss or gradient that is not finite


class Run(NamedTuple):
    """What is the same for all steps of a chunk: traced numbers, handed over as host arrays."""

    center: Any  # (D,)
    factor: Any  # (D,)
    noise: Noise
    decay: Any
    clip: Any
    columns: Columns | None = None  # for a corruption


LEARNING_RATE = "learning_rate"
# The programs that are kept in memory: a program takes about 6 MB, and those used before are on disk.
_PROGRAMS = 8
Scheduled = Mapping[str, Any]  # numbers of a run by name: one of each per step or, outside training, one


class View(NamedTuple):
    """How rows reach the network: what a compiled program depends on beside objective and optimizer.

    Attributes
    ----------
    batch_size : int
        Rows of a step.
    missing : bool
        Whether NaN is a missing cell: the network sees 0 there and is told, the loss leaves it out.
    corruption : Corruption or None
        What the network sees in place of the rows, without its traced numbers.
    tells : str or None
        What the network is told beside the row: which cells are "missing", the noise's "level", or nothing.
    """

    batch_size: int
    missing: bool = False
    corruption: Corruption | None = None
    condition_kind: str | None = None


class Program(NamedTuple):
    """The compiled functions of one network and option set."""

    train: Callable[..., tuple[Carry, Sums]]
    evaluate: Callable[..., dict[str, Array]]


def _add(total: tuple[Array, Array], value: Array) -> tuple[Array, Array]:
    # Kahan (1965): plain float32 sums over 390,625 batches erred by a quarter of a percent.
    value = value - total[1]
    new = total[0] + value
    return new, (new - total[0]) - value


def _batch(values: Array, rows: Array, count: Array, index: Array, view: View, run: Run) -> Batch:
    size, shard = view.batch_size, rows.shape[1]
    raw = jax.lax.dynamic_index_in_dim(values, index, keepdims=False)
    low = jax.lax.dynamic_index_in_dim(rows, index, keepdims=False)
    place = jnp.arange(shard)
    alive = index * size + place < count
    # A batch that does not divide by the number of devices has more places than rows.
    weight = (alive if shard == size else alive & (place < size)).astype(run.center.dtype)
    x = (raw.astype(run.center.dtype) - run.center) * run.factor
    batch = Batch(x, weight, jnp.stack([low, jnp.zeros_like(low)], axis=-1))
    if not view.missing:
        return batch
    missing = jnp.isnan(x)
    return batch._replace(x=jnp.where(missing, 0.0, x), observed=~missing, condition=missing.astype(x.dtype))


def _seen(batch: Batch, view: View, run: Run, scheduled: Scheduled) -> tuple[Batch, Array]:
    """Return a batch that knows what was done to it, and the rows as the network sees them."""
    if view.corruption is None:
        return batch, batch.x
    assert run.columns is not None, "a corruption comes with what it may know of the columns"
    noisy, corrupted, hidden, level = view.corruption(run.noise, batch, run.columns, scheduled)
    condition = batch.condition
    if view.condition_kind == "missing" and hidden is not None:
        condition = jnp.where(hidden, 1.0, jnp.zeros_like(noisy) if condition is None else condition)
    elif view.condition_kind == "level":
        condition = (jnp.zeros_like(batch.weight) if level is None else level)[:, None]
    return batch._replace(corrupted=corrupted, condition=condition), noisy


def _all_finite(tree: Any) -> Array:
    # A NaN or an infinity never leaves a sum finite, and a sum is one pass where a mask would be two.
    together: Array = jnp.isfinite(sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree)))
    return together


@jax.jit
def _copied(tree: Any) -> Any:
    """Return a tree's arrays in buffers of their own; one call, where a copy for each leaf would cost as many."""
    return jax.tree.map(jnp.copy, tree)


def _over_devices(
    objective: Objective, placement: Placement | None
) -> tuple[Callable[..., Any], Callable[..., dict[str, Array]]]:
    """Return an objective's value with its gradients, and its named terms, over the rows of all devices."""
    graded: Callable[..., Any] = jax.value_and_grad(objective, has_aux=True)

    def terms(*given: Any) -> dict[str, Array]:
        total, (_, extra) = objective(*given)
        return {"loss": total, **extra}

    if placement is None or placement.mesh is None or not getattr(objective, "is_mean_over_rows", False):
        return graded, terms

    def means(*given: Any) -> Any:
        (total, (_, extra)), gradients = graded(*given)
        return total, extra, gradients

    summed = placement.summed_once(means)

    def graded_once(params: Params, state: ModelState, *rest: Any) -> Any:
        total, extra, gradients = summed(params, state, *rest)
        return (total, (state, extra)), gradients

    return graded_once, placement.summed_once(terms)


@functools.lru_cache(maxsize=_PROGRAMS)
def compile_program(
    objective: Objective, optimizer: Optimizer, view: View, placement: Placement | None = None
) -> Program:
    """Return the compiled functions of an option set; equal sets share them.

    Sizes of data, seeds, learning rates and every other number of a run are traced: they compile nothing new.
    """
    keep_programs()
    graded, judged = _over_devices(objective, placement)

    def train(
        carry: Carry, values: Array, rows: Array, count: Array, scheduled: Scheduled, run: Run
    ) -> tuple[Carry, Sums]:
        n_steps = (count + view.batch_size - 1) // view.batch_size

        def given(carry: Carry, index: Array) -> tuple[Any, ...]:
            now = {name: values[index] for name, values in scheduled.items()}
            batch, noisy = _seen(_batch(values, rows, count, index, view, run), view, run, now)
            return carry.params, carry.model, batch, noisy, run.noise, now

        def step(state: Any) -> Any:
            index, carry, sums, _, _ = state
            (total, (model, terms)), gradients = graded(*given(carry, index))
            finite = jnp.isfinite(total) & _all_finite(gradients)
            gradients = objective.constrain_gradients(carry.params, gradients)
            hyper = Hyper(scheduled[LEARNING_RATE][index], run.decay, run.clip)

            # Even where they are not finite: the loop then ends, and what it has made of the carry is thrown away.
            params, optimizer_state = optimizer.update(gradients, carry.optimizer, carry.params, hyper)
            carry = Carry(objective.constrain_parameters(params), optimizer_state, model)
            weight = jnp.clip(count - index * view.batch_size, 0, view.batch_size).astype(total.dtype)
            sums = {name: _add(sums[name], value * weight) for name, value in {"loss": total, **terms}.items()}
            return index + 1, carry, sums, total, finite

        def going(state: Any) -> Any:
            return (state[0] < n_steps) & state[4]

        names = ["loss", *jax.eval_shape(objective, *given(carry, jnp.int32(0)))[1][1]]
        zero = jnp.zeros((), run.center.dtype)
        state = (jnp.int32(0), carry, dict.fromkeys(names, (zero, zero)), zero, jnp.bool_(True))
        index, carry, sums, last, finite = jax.lax.while_loop(going, step, state)
        return carry, Sums({name: total for name, (total, _) in sums.items()}, last, index - ~finite, finite)

    def evaluate(
        params: Params, model: ModelState, values: Array, rows: Array, count: Array, scheduled: Scheduled, run: Run
    ) -> Any:
        def loss(index: Array) -> dict[str, Array]:
            # The corruption is training's, drawn alike after each epoch; dropout and its like are off.
            batch, noisy = _seen(_batch(values, rows, count, index, view, run), view, run, scheduled)
            terms: dict[str, Array] = judged(params, model, batch, noisy, None, scheduled)
            return terms

        def step(index: Array, sums: Any) -> Any:
            weight = jnp.clip(count - index * view.batch_size, 0, view.batch_size).astype(run.center.dtype)
            return {name: _add(sums[name], value * weight) for name, value in loss(index).items()}

        names = [*jax.eval_shape(loss, jnp.int32(0))]
        zero = jnp.zeros((), run.center.dtype)
        n_steps = (count + view.batch_size - 1) // view.batch_size
        sums = jax.lax.fori_loop(0, n_steps, step, dict.fromkeys(names, (zero, zero)))
        return {name: total for name, (total, _) in sums.items()}

    # What comes out is the same on all devices, and has to stay so: XLA would else divide some of it.
    alike = None if placement is None else placement.replicated
    return Program(jax.jit(train, donate_argnums=0, out_shardings=alike), jax.jit(evaluate, out_shardings=alike))


def _added(totals: Mapping[str, float], sums: Mapping[str, Array]) -> dict[str, float]:
    return {**totals, **{name: totals.get(name, 0.0) + float(value) for name, value in sums.items()}}


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train.

    Parameters
    ----------
    max_epochs : int
        Epochs at most, counted from 1.
    learning_rate : float
        The step size that the schedule scales.
    schedule : str or callable
        A name in `SCHEDULES`, or a function of the share of training done.
    decay, clip : float
        Traced numbers for an optimizer that decays or clips.
    early_stopping : bool
        Whether the walk's held-back rows, or those for validation, decide when to stop.
    patience : int
        Epochs without improvement before stopping.
    tol : float
        The smallest improvement that counts, as a share of the best loss.
    restore_best : bool
        Whether the best parameters are kept.
    """

    max_epochs: int
    learning_rate: float = 1e-3
    schedule: str | Callable[[float], float] = "constant"
    decay: float = 0.0
    clip: float = 0.0
    early_stopping: bool = False
    patience: int = 10
    tol: float = 1e-4
    restore_best: bool = True


@dataclass
class Interruption:
    """A flag that Ctrl-C, or another signal, sets and the training loop reads between chunks."""

    signals: tuple[int, ...] = (signal.SIGINT,)
    signal: int | None = None
    _previous: dict[int, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Listen for the first Ctrl-C; a second one interrupts as usual. Only a main thread can listen."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        for number in self.signals:
            self._previous[number] = signal.signal(number, self._note)
        try:
            yield self
        finally:
            self._restore()

    def _note(self, number: int, frame: Any) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())


def precision_scope(compute: np.dtype[Any]) -> contextlib.AbstractContextManager[Any]:
    """Return the scope in which programs of a compute type are built and run."""
    return jax.enable_x64(True) if compute == np.float64 else contextlib.nullcontext()


class Trainer:
    """One network on one walk through data: a ladder of `epochs`, `_run_epoch` and the compiled chunk.

    Parameters
    ----------
    objective : Objective
        What to lower; it knows the network.
    optimizer : Optimizer
        How.
    walk : RowLoader
        The training rows.
    settings : Settings
        How long.
    dials : mapping of str to Dial, or None
        The objective's numbers over the run.
    validation : RowLoader or None
        Other rows that decide when to stop, instead of those the walk holds back.
    interruption : Interruption or None
        Read between chunks.
    progress : callable or None
        Told the number of rows after each chunk.
    before_epoch : callable or None
        Called before each epoch.
    between_epochs : callable or None
        Given the state before each epoch but the first; returns the state to go on with.
    after_chunk : callable or None
        Given the state after each chunk.
    placement : Placement or None
        Where to compute; None is JAX's default device.
    corruption : Corruption or None
        What the network sees in place of the rows.
    columns : Columns or None
        What a corruption may know of the scaled columns.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        loader: RowLoader,
        settings: Settings,
        *,
        scheduled: Mapping[str, Schedule] | None = None,
        validation: RowLoader | None = None,
        interruption: Interruption | None = None,
        progress: Callable[[int], None] | None = None,
        before_epoch: Callable[[], None] | None = None,
        between_epochs: Callable[[TrainState], TrainState] | None = None,
        after_chunk: Callable[[TrainState], None] | None = None,
        placement: Placement | None = None,
        corruption: Any = None,
        columns: Columns | None = None,
    ) -> None:
        condition = getattr(objective, "tells", None)
        view = View(loader.batch_size, loader.missing, None if corruption is None else corruption.static(), condition)
        self.placement = placement = placement or Placement()
        self.program = compile_program(objective, optimizer, view, placement)
        self.columns = columns
        self.objective = objective
        self.schedules = dict(scheduled or {})
        self.optimizer = optimizer
        self._reading: dict[str, Any] = {"readers": placement.readers, "chunk_bytes": placement.chunk_bytes}
        self.loader = replace(loader, **self._reading)
        self.settings = settings
        self.validation = validation
        self.interruption = interruption or Interruption()
        self.progress = progress or (lambda rows: None)
        self.before_epoch = before_epoch or (lambda: None)
        self.between_epochs = between_epochs or (lambda state: state)
        self.after_chunk = after_chunk or (lambda state: None)
        self.n_rows = loader.count()
        self.n_held_out = validation.count() if validation else loader.count(validation=True)
        self.steps_per_epoch = -(-self.n_rows // loader.batch_size)
        self._good: tuple[Carry, int] | None = None

    def start(self, params: Params, seed: int, model: ModelState = ()) -> TrainState:
        """Return the state before the first step."""
        with precision_scope(self.loader.compute):
            params = self.put(params)
            params = self.objective.constrain_parameters(params)
            optimizer = self.put(self.optimizer.init(params))
            model = self.put(model)
        return TrainState(params, optimizer, model, None, seed, 0, 0, 0, {}, Stopping(np.inf, 0, 0), {})

    def put(self, tree: Any) -> Any:
        """Return a tree as device arrays of its own."""
        return self.placement.put(tree)

    @property
    def validates(self) -> bool:
        """Whether there are rows whose loss is taken after each epoch."""
        return (self.settings.early_stopping or self.validation is not None) and self.n_held_out > 0

    @property
    def early_stops(self) -> bool:
        """Whether these rows decide when to stop and which weights are kept."""
        return self.settings.early_stopping and self.n_held_out > 0

    def epochs(self, state: TrainState) -> Iterator[TrainState]:
        """Yield the state after each epoch, until early stopping, an interruption or the last epoch ends the run.

        Raises
        ------
        DivergedError
            At the first loss or gradient that is not finite. The exception's ``state`` is the last one kept whose
            loss was finite: that before the chunk, or the one before it where the chunk's very first loss was not.
        """
        with precision_scope(self.loader.compute):
            if self.early_stops and state.stopping.best_loss == np.inf:
                state = self._update_stopping(state, self._validate(state))
            while state.epoch < self.settings.max_epochs and state.stopping.stale < self.settings.patience:
                if state.epoch and not state.cursor:
                    state = self.between_epochs(state)
                self.before_epoch()
                state = self._run_epoch(state)
                if state.cursor < self.n_rows:
                    yield state
                    return
                state = self._finish_epoch(state)
                yield state
                if self.interruption.signal:
                    return

    def trial(self, state: TrainState) -> float:
        """Return seconds per row, from a few steps of the compiled program on the first rows, thrown away."""
        with precision_scope(self.loader.compute):
            run = self._run(self.loader, state.seed, 1)
            chunk = next(self._read_ahead(self.loader).chunks(1))
            few = chunk._replace(count=min(chunk.count, 8 * self.loader.batch_size))
            rates = self._at_steps(0, 8)
            seconds = []
            for _ in range(3):
                carry = Carry(self.put(state.params), self.put(state.optimizer), self.put(state.model))
                began = time.perf_counter()
                jax.block_until_ready(self.program.train(carry, *few.uploaded, np.int32(few.count), rates, run))
                seconds.append(time.perf_counter() - began)
            return min(seconds) / few.count

    def _run_epoch(self, state: TrainState) -> TrainState:
        """Return the state at the end of the epoch, or where an interruption ends it, before the epoch is counted."""
        began = time.perf_counter()
        before = state.epoch_sums.get("seconds", 0.0)
        carry = Carry(state.params, state.optimizer, state.model)
        epoch, loader = state.epoch + 1, self._read_ahead(self.loader)
        run = self._run(loader, state.seed, epoch)
        for chunk in loader.chunks(epoch, start=state.cursor):
            scheduled = self._at_steps(state.step, -(-chunk.count // loader.batch_size))
            kept = _copied(carry), state.step
            carry, sums = self.program.train(carry, *chunk.uploaded, np.int32(chunk.count), scheduled, run)
            finite, steps = bool(sums.finite), int(sums.steps)
            if not finite:
                # The weights at hand are those whose loss is not finite.
                good, good_step = kept if steps or self._good is None else self._good
                raise self._diverged(state._replace(**good._asdict(), step=good_step), epoch, state.step + steps)
            self._good = kept
            epoch_sums = _added(state.epoch_sums, sums.terms)
            epoch_sums |= {
                "last_batch_loss": float(sums.last),
                "seconds": before + time.perf_counter() - began,
                "waited": state.epoch_sums.get("waited", 0.0) + chunk.waited,
            }
            state = state._replace(
                **carry._asdict(), step=state.step + steps, cursor=state.cursor + chunk.count, epoch_sums=epoch_sums
            )
            self.progress(chunk.count)
            self.after_chunk(state)
            # All processes stop at the same chunk, whichever of them was told to.
            self.interruption.signal = global_maximum(self.interruption.signal or 0) or None
            if self.interruption.signal:
                break
        return state

    def _finish_epoch(self, state: TrainState) -> TrainState:
        """Return the state after an epoch whose rows are through: it is judged, written down and counted."""
        began = time.perf_counter()
        sums, epoch = dict(state.epoch_sums), state.epoch + 1
        last, seconds, waited = (sums.pop(name, np.nan) for name in ("last_batch_loss", "seconds", "waited"))
        row = {name: total / max(self.n_rows, 1) for name, total in sums.items()}
        row |= self.objective.report(state.model, self._at_end())
        row |= {
            "epoch": epoch,
            "last_batch_loss": last,
            LEARNING_RATE: float(self._rates(max(state.step - 1, 0), 1)[0]),
        }
        state = state._replace(epoch=epoch, cursor=0, epoch_sums={})
        if self.validates:
            row["validation_loss"] = self._validate(state)["loss"]
        if self.early_stops:
            state = self._update_stopping(state, {"loss": row["validation_loss"]})
        row["waiting"] = min(waited / seconds, 1.0)
        row["seconds"] = seconds + time.perf_counter() - began
        return self._record(state, row)

    def _run(self, loader: RowLoader, seed: int, epoch: int) -> Run:
        center, factor = loader.affine()
        dtype = loader.compute
        # Host arrays: they are the same in every process, and a program spread over several takes them as such.
        return Run(
            center,
            factor,
            Noise(key_words(seed, 4), np.uint32(epoch)),
            np.asarray(self.settings.decay, dtype),
            np.asarray(self.settings.clip, dtype),
            None if self.columns is None else Columns(*(np.asarray(values, dtype) for values in self.columns)),
        )

    def _rates(self, step: int, n_steps: int) -> Any:
        total = self.settings.max_epochs * self.steps_per_epoch
        return learning_rates(self.settings.schedule, self.settings.learning_rate, step, n_steps, total)

    def _at_steps(self, step: int, n_steps: int) -> Scheduled:
        """Return the numbers of the run at each of `n_steps` steps, in arrays that have room for a chunk's."""
        room = self.loader.chunk_rows // self.loader.batch_size
        n_steps = min(n_steps, room)
        total = self.settings.max_epochs * self.steps_per_epoch
        share = np.minimum((np.arange(step, step + n_steps) + 0.5) / max(total, 1), 1.0)
        numbers = {name: schedule(share) for name, schedule in self.schedules.items()}
        numbers[LEARNING_RATE] = self._rates(step, n_steps)
        held = {name: np.zeros(room, self.loader.compute) for name in numbers}
        for name, values in numbers.items():
            held[name][:n_steps] = values
        return held

    def _at_end(self) -> Scheduled:
        """Return the numbers a run ends with, by which every epoch's held-back rows are judged alike."""
        return {
            name: np.asarray(schedule(np.ones(1))[0], self.loader.compute) for name, schedule in self.schedules.items()
        }

    def _read_ahead(self, loader: RowLoader) -> RowLoader:
        """Return a walk through what this process reads, whose chunks lie on the devices when they are asked for."""
        shard = self.placement.shard(loader.batch_size)

        def upload(chunk: Chunk) -> tuple[Array, Array]:
            # The scope is a thread's own.
            with precision_scope(loader.compute):
                return self.placement.upload(chunk, loader.batch_size if shard is None else shard.high - shard.low)

        return replace(loader, shard=shard, upload=upload, **self._reading)

    def _validate(self, state: TrainState) -> dict[str, float]:
        loader, held = (self.validation, False) if self.validation else (self.loader, True)
        run = self._run(loader, state.seed, 0)
        totals: dict[str, float] = {}
        for chunk in self._read_ahead(loader).chunks(validation=held):
            sums = self.program.evaluate(
                state.params, state.model, *chunk.uploaded, np.int32(chunk.count), self._at_end(), run
            )
            totals = _added(totals, sums)
        return {name: total / self.n_held_out for name, total in totals.items()}

    def _update_stopping(self, state: TrainState, row: dict[str, float]) -> TrainState:
        loss, stopping = row["loss"], state.stopping
        if loss < stopping.best_loss:
            improved = loss < stopping.best_loss * (1 - self.settings.tol) or not np.isfinite(stopping.best_loss)
            best = _copied((state.params, state.model)) if self.settings.restore_best else None
            return state._replace(
                best=best, stopping=Stopping(loss, state.epoch, 0 if improved else stopping.stale + 1)
            )
        return state._replace(stopping=stopping._replace(stale=stopping.stale + 1))

    def _record(self, state: TrainState, row: dict[str, float]) -> TrainState:
        history = {name: [*values] for name, values in state.metrics.items()}
        for name, value in row.items():
            history.setdefault(name, []).append(value)
        return state._replace(metrics=history)

    def _diverged(self, state: TrainState, epoch: int, done: int) -> DivergedError:
        step = done - (epoch - 1) * self.steps_per_epoch + 1
        error = DivergedError(
            f"the loss stopped being finite at epoch {epoch}, step {step} of {self.steps_per_epoch}; the last "
            f"good weights are kept; try a lower learning_rate (it was {self.settings.learning_rate:g}), "
            "gradient_clip=1.0, or scaling='standard'"
        )
        error.state = state
        return error
