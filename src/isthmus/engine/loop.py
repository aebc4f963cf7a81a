"""The training loop: epochs of chunks, validation, early stopping and history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.compilation import is_quick, return_memory
from isthmus.core.errors import DivergedError
from isthmus.core.processes import global_maximum
from isthmus.core.random import Stream, key_words
from isthmus.core.types import Columns, ModelState, Noise, Params, Schedule, Stopping, TrainState
from isthmus.corruption.base import Corruption
from isthmus.engine import plateau
from isthmus.engine.devices import Placement
from isthmus.engine.interruption import Interruption
from isthmus.engine.loading import Chunk, RowLoader
from isthmus.engine.optimizers import Optimizer, learning_rates, shares
from isthmus.engine.program import LEARNING_RATE, Carry, Rows, Run, Scheduled, View, compile_program, precision_scope
from isthmus.losses.base import Objective


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train."""

    max_epochs: int  # the largest number of epochs, counted from 1
    learning_rate: float = 1e-3  # the step size that the schedule scales
    schedule: str | Callable[[float], float] = "constant"  # a name in `SCHEDULES`, or a function of the share done
    plateau: bool = False  # whether the rate falls to 0 once validation rows no longer improve, instead of a stop
    decay: float = 0.0  # traced numbers for an optimizer that decays or clips
    clip: float = 0.0
    early_stopping: bool = False  # whether validation rows, or those the loader holds out, decide when to stop
    patience: int = 10  # epochs without improvement before stopping
    tol: float = 1e-4  # the smallest improvement that counts, as a share of the best loss
    restore_best: bool = True  # whether the best parameters are kept


@dataclass(frozen=True)
class Hooks:
    """Functions that a `Trainer` calls; each is optional."""

    epoch_begins: Callable[[], None] = lambda: None  # called at the start of each epoch
    # Called before each epoch but the first; returns the state to continue with.
    between_epochs: Callable[[Trainer, TrainState], TrainState] = lambda trainer, state: state
    chunk_done: Callable[[int], None] = lambda rows: None  # called with the number of rows after each chunk
    after_chunk: Callable[[TrainState], None] = lambda state: None  # called after each chunk


@dataclass(eq=False)
class Trainer:
    """Trains one objective on the rows of one loader; `epochs` runs it.

    Parameters
    ----------
    objective : Objective
        What to minimise; it has the network.
    optimizer : Optimizer
        The update rule.
    loader : RowLoader
        The training rows, and those it holds out.
    settings : Settings
        How long and how fast to train.
    schedules : mapping of str to Schedule
        The objective's scheduled values over the run.
    validation : RowLoader or None
        Other rows that decide when to stop, instead of those the loader holds out.
    interruption : Interruption
        Read between chunks.
    hooks : Hooks
        Functions to call on the way.
    placement : Placement
        Where to compute.
    corruption : Corruption or None
        The corruption of the network's input.
    columns : Columns or None
        The statistics of the scaled columns, for a corruption.
    units : ndarray of shape (D,) or None
        What each cell's loss is multiplied by; None is 1.
    """

    objective: Objective
    optimizer: Optimizer
    loader: RowLoader
    settings: Settings
    _: KW_ONLY
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    validation: RowLoader | None = None
    interruption: Interruption = field(default_factory=Interruption)
    hooks: Hooks = Hooks()
    placement: Placement = field(default_factory=Placement)
    corruption: Corruption | None = None
    columns: Columns | None = None
    units: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        loader, static = self.loader, None if self.corruption is None else self.corruption.static()
        view = View(loader.batch_size, loader.missing, static, self.objective.condition_kind, loader.ends)
        quick = is_quick() and not self.placement.on_accelerator
        self.program = compile_program(self.objective, self.optimizer, view, self.placement, quick)
        self._reading: dict[str, Any] = {"readers": self.placement.readers, "chunk_bytes": self.placement.chunk_bytes}
        self.loader = self._laid_out(replace(loader, **self._reading))
        self.validation = None if self.validation is None else self._laid_out(self.validation)
        self.n_rows = loader.count()
        self.n_held_out = self.validation.count() if self.validation else loader.count(validation=True)
        self.steps_per_epoch = -(-self.n_rows // loader.batch_size)
        self._good: tuple[Carry, int] | None = None

    def _laid_out(self, loader: RowLoader) -> RowLoader:
        """Return a loader whose batches stay sparse, where rows, objective and devices allow it."""
        undisturbed = self.corruption is None and self.units is None and self.placement.mesh is None
        return loader.laid_out() if undisturbed and self.objective.takes_sparse_rows else loader

    def start(self, params: Params, seed: int, model: ModelState = ()) -> TrainState:
        """Return the state before the first step."""
        with precision_scope(self.loader.compute):
            params = self.objective.constrain_parameters(self.put(params))
            optimizer, model = self.put(self.optimizer.init(params)), self.put(model)
        return TrainState(params, optimizer, model, None, seed, 0, 0, 0, {}, Stopping(np.inf, 0, 0), {})

    def put(self, tree: Any) -> Any:
        """Return a copy of a tree as device arrays."""
        return self.placement.put(tree)

    @property
    def validates(self) -> bool:
        """Whether there are rows whose loss is measured after each epoch."""
        return (self.settings.early_stopping or self.validation is not None) and self.n_held_out > 0

    @property
    def early_stops(self) -> bool:
        """Whether these rows decide when to stop and which weights are kept."""
        return self.settings.early_stopping and self.n_held_out > 0

    def best(self, state: TrainState) -> tuple[Params, ModelState, bool]:
        """Return the parameters and model state to keep, and whether they are the best of early stopping."""
        if state.best is not None and self.early_stops:
            return *state.best, True
        return state.params, state.model, False

    def epochs(self, state: TrainState) -> Iterator[TrainState]:
        """Yield the state after each epoch, until early stopping, an interruption or the last epoch ends the run.

        Raises
        ------
        DivergedError
            At the first loss or gradient that is not finite. The exception's ``state`` is the last one kept whose
            loss was finite: that before the chunk or, if the chunk's first loss was not, that before the last chunk.
        """
        with precision_scope(self.loader.compute):
            if self.early_stops and state.stopping.best_loss == np.inf:
                state = self._update_stopping(state, self._validate(state)["loss"])
            while not self._ended(state := self._with_fall(state)):
                if state.epoch and not state.cursor:
                    state = self.hooks.between_epochs(self, state)
                self.hooks.epoch_begins()
                state = self._run_epoch(state)
                if state.cursor < self.n_rows:
                    yield state
                    return
                state = self._finish_epoch(state)
                yield state
                if self.interruption.signal:
                    return

    def _ended(self, state: TrainState) -> bool:
        settings, stopping = self.settings, state.stopping
        if settings.plateau:
            return state.epoch >= plateau.fall(stopping, settings.max_epochs)[1]
        return state.epoch >= settings.max_epochs or stopping.stale >= settings.patience

    def _with_fall(self, state: TrainState) -> TrainState:
        """Return the state after a plateau, where there is one: the rate falls from the best weights on."""
        settings = self.settings
        if not settings.plateau or state.stopping.fall_ends or state.cursor:
            return state
        stopping = plateau.begin(state.stopping, state.epoch, settings.max_epochs, settings.patience)
        if stopping.fall_ends and state.best is not None:
            params, model = self.program.copied(state.best)
            state = state._replace(params=params, model=model)
        return state._replace(stopping=stopping)

    def trial(self, state: TrainState) -> float:
        """Return seconds per row, measured on a few steps on the first rows, whose results are discarded."""
        with precision_scope(self.loader.compute):
            run = self._run(self.loader, state.seed, 1)
            chunk = next(self._read_ahead(self.loader).chunks(1))
            few = chunk._replace(count=min(chunk.count, 8 * self.loader.batch_size))
            scheduled = self._at_steps(state._replace(step=0), 8)
            seconds = []
            for _ in range(3):
                carry = Carry(self.put(state.params), self.put(state.optimizer), self.put(state.model))
                began = time.perf_counter()
                jax.block_until_ready(self.program.train(carry, few.uploaded, np.int32(few.count), scheduled, run))
                seconds.append(time.perf_counter() - began)
            return min(seconds) / few.count

    def scheduled_at_end(self, name: str) -> float:
        """Return a scheduled value at the end of training."""
        return float(self.schedules[name](np.ones(1))[0])

    def _run_epoch(self, state: TrainState) -> TrainState:
        """Return the state at the end of the epoch, or where an interruption ends it, before the epoch is counted."""
        began = time.perf_counter()
        before = state.epoch_sums.get("seconds", 0.0)
        carry = Carry(state.params, state.optimizer, state.model)
        epoch, loader = state.epoch + 1, self._read_ahead(self.loader)
        run = self._run(loader, state.seed, epoch)
        many = loader.layout is not None and loader.n_rows > loader.chunk_rows
        if many:
            return_memory()
        for chunk in loader.chunks(epoch, start=state.cursor):
            scheduled = self._at_steps(state, -(-chunk.count // loader.batch_size))
            kept = self._copied(carry), state.step
            carry, sums = self.program.train(carry, chunk.uploaded, np.int32(chunk.count), scheduled, run)
            finite, steps = bool(sums.finite), int(sums.steps)
            if not finite:
                # The current weights are those whose loss is not finite.
                good, good_step = kept if steps or self._good is None else self._good
                state, done = state._replace(**self._whole(good)._asdict(), step=good_step), state.step + steps
                raise self._diverged(state, epoch, done)
            self._good = kept
            if many and not state.cursor:
                return_memory()  # of compilation, and of arrays of other shapes
            epoch_sums = _added(state.epoch_sums, {**sums.terms, "waited": chunk.waited})
            epoch_sums |= {"last_batch_loss": float(sums.last), "seconds": before + time.perf_counter() - began}
            state = state._replace(
                **carry._asdict(), step=state.step + steps, cursor=state.cursor + chunk.count, epoch_sums=epoch_sums
            )
            self.hooks.chunk_done(chunk.count)
            self.hooks.after_chunk(state)
            # All processes stop at the same chunk, whichever of them got the signal.
            self.interruption.signal = global_maximum(self.interruption.signal or 0) or None
            if self.interruption.signal:
                break
        return state

    def _copied(self, carry: Carry) -> Carry:
        """Return a copy to return to; of sparse rows' wide weights without the optimizer's state, which is larger."""
        if self.loader.layout is None:
            copy: Carry = self.program.copied(carry)
            return copy
        params, model = self.program.copied((carry.params, carry.model))
        return Carry(params, None, model)

    def _whole(self, good: Carry) -> Carry:
        """Return a copy whose optimizer, where it has none, starts anew."""
        if good.optimizer is not None:
            return good
        return good._replace(optimizer=self.put(self.optimizer.init(good.params)))

    def _finish_epoch(self, state: TrainState) -> TrainState:
        """Return the state after an epoch of which all rows are done: validated, recorded and counted."""
        began = time.perf_counter()
        sums, epoch = dict(state.epoch_sums), state.epoch + 1
        last, seconds, waited = (sums.pop(name, np.nan) for name in ("last_batch_loss", "seconds", "waited"))
        row = {name: total / max(self.n_rows, 1) for name, total in sums.items()}
        row |= self.objective.report(state.model, self._at_end())
        rate = float(self._rates(state.stopping, self._shares(max(state.step - 1, 0), 1))[0])
        row |= {"epoch": epoch, "last_batch_loss": last, LEARNING_RATE: rate}
        state = state._replace(epoch=epoch, cursor=0, epoch_sums={})
        if self.validates:
            row["validation_loss"] = self._validate(state)["loss"]
        if self.early_stops:
            state = self._update_stopping(state, row["validation_loss"])
        row["waiting"] = min(waited / seconds, 1.0)
        row["seconds"] = seconds + time.perf_counter() - began
        metrics = {name: [*values] for name, values in state.metrics.items()}
        for name, value in row.items():
            metrics.setdefault(name, []).append(value)
        return state._replace(metrics=metrics)

    def _run(self, loader: RowLoader, seed: int, epoch: int) -> Run:
        center, factor = loader.affine()
        dtype = loader.compute
        # Host arrays: they are the same in every process, and a program over several processes takes them as such.
        return Run(
            center,
            factor,
            Noise(key_words(seed, Stream.NOISE), np.uint32(epoch)),
            np.asarray(self.settings.decay, dtype),
            np.asarray(self.settings.clip, dtype),
            None if self.columns is None else in_type(self.columns, dtype),
            None if self.units is None else np.asarray(self.units, dtype),
        )

    def _shares(self, step: int, n_steps: int) -> Any:
        return shares(step, n_steps, self.settings.max_epochs * self.steps_per_epoch)

    def _rates(self, stopping: Stopping, share: Any) -> Any:
        settings = self.settings
        if settings.plateau:
            return settings.learning_rate * plateau.factors(stopping, settings.max_epochs, share * settings.max_epochs)
        return learning_rates(settings.schedule, settings.learning_rate, share)

    def _at_steps(self, state: TrainState, n_steps: int) -> Scheduled:
        """Return the scheduled values at each of `n_steps` steps, in arrays of a chunk's number of steps."""
        room = self.loader.chunk_rows // self.loader.batch_size
        n_steps = min(n_steps, room)
        share = self._shares(state.step, n_steps)
        values = {name: schedule(share) for name, schedule in self.schedules.items()}
        values[LEARNING_RATE] = self._rates(state.stopping, share)
        held = {name: np.zeros(room, self.loader.compute) for name in values}
        for name, value in values.items():
            held[name][:n_steps] = value
        return held

    def _at_end(self) -> Scheduled:
        """Return the scheduled values at the end of training, with which validation rows are evaluated every time."""
        return {name: np.asarray(self.scheduled_at_end(name), self.loader.compute) for name in self.schedules}

    def _read_ahead(self, loader: RowLoader) -> RowLoader:
        """Return a loader of the rows that this process reads, whose chunks are already on the devices."""
        shard = self.placement.shard(loader.batch_size)

        def upload(chunk: Chunk) -> Rows:
            # Each thread has its own precision scope.
            with precision_scope(loader.compute):
                return Rows(*self.placement.upload(chunk, loader.batch_size if shard is None else shard.size))

        return replace(loader, shard=shard, upload=upload, **self._reading)

    def _validate(self, state: TrainState) -> dict[str, float]:
        loader, held_out = (self.validation, False) if self.validation else (self.loader, True)
        run = self._run(loader, state.seed, 0)
        totals: dict[str, float] = {}
        for chunk in self._read_ahead(loader).chunks(validation=held_out):
            sums = self.program.evaluate(
                state.params, state.model, chunk.uploaded, np.int32(chunk.count), self._at_end(), run
            )
            totals = _added(totals, sums)
        return {name: total / self.n_held_out for name, total in totals.items()}

    def _update_stopping(self, state: TrainState, loss: float) -> TrainState:
        stopping = state.stopping
        if loss < stopping.best_loss:
            best_loss = stopping.best_loss
            # A log density may be above 0, and the loss below.
            improved = loss < best_loss - self.settings.tol * abs(best_loss) or not np.isfinite(best_loss)
            best = self.program.copied((state.params, state.model)) if self.settings.restore_best else None
            stale = 0 if improved else stopping.stale + 1
            return state._replace(
                best=best, stopping=stopping._replace(best_loss=loss, best_epoch=state.epoch, stale=stale)
            )
        return state._replace(stopping=stopping._replace(stale=stopping.stale + 1))

    def _diverged(self, state: TrainState, epoch: int, done: int) -> DivergedError:
        step = done - (epoch - 1) * self.steps_per_epoch + 1
        own = self.objective.own_functions
        error = DivergedError(
            f"the loss stopped being finite at epoch {epoch}, step {step} of {self.steps_per_epoch}; the last "
            f"good weights are kept; try a lower learning_rate (it was {self.settings.learning_rate:g}), "
            "gradient_clip=1.0, or scaling='standard'"
            + (f", and check that {' and '.join(own)} and its derivative are finite for all numbers" if own else "")
        )
        error.state = state
        return error


def train(
    trainer: Trainer, state: TrainState, *, epoch_done: Callable[[TrainState], bool | None] | None = None
) -> TrainState:
    """Train to the end and return the last state.

    Parameters
    ----------
    trainer : Trainer
        The trainer.
    state : TrainState
        Where training starts.
    epoch_done : callable, optional
        Called with the state after each whole epoch; True stops the run.

    Raises
    ------
    DivergedError
        As `Trainer.epochs`.
    """
    with trainer.interruption.listening():
        for after in trainer.epochs(state):
            # An interruption also gives the state in the middle of an epoch.
            whole = after.epoch > state.epoch
            state = after
            if whole and epoch_done is not None and epoch_done(state):
                break
    return state


def _added(totals: Mapping[str, float], sums: Mapping[str, Any]) -> dict[str, float]:
    return {**totals, **{name: totals.get(name, 0.0) + float(value) for name, value in sums.items()}}


def in_type(columns: Columns, dtype: Any) -> Columns:
    """Return statistics of columns in a type; the columns' numbers stay integers."""
    statistics = {name: np.asarray(values, dtype) for name, values in columns._asdict().items() if name != "number"}
    return columns._replace(**statistics)
