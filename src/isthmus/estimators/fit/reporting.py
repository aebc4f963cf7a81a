"""What a fit prints: an estimate first, then a progress bar on a terminal or in a notebook, or plain lines.

The logger ``isthmus`` gets the same messages and a record of each epoch, whether they are printed or not.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from isthmus.core.types import TrainState
from isthmus.engine.loop import Trainer
from isthmus.estimators.fit.notebook import NotebookBar, duration, in_notebook

LOGGER = logging.getLogger("isthmus")
_TEXT_WIDTH = 72  # of a terminal line, what stands next to the bar
_SILENCE = 60.0  # seconds within an epoch, after which a log gets a line


class Estimate(NamedTuple):
    """The time and memory that a fit will take."""

    seconds_per_epoch: float
    max_epochs: int
    bytes: int

    def __str__(self) -> str:
        most = self.seconds_per_epoch * self.max_epochs
        return (
            f"about {duration(self.seconds_per_epoch)} an epoch, at most {duration(most)} for {self.max_epochs} "
            f"epochs, {self.bytes / 2**20:.0f} MB in addition to the data"
        )


def estimate(trainer: Trainer, state: TrainState) -> Estimate:
    """Return what a run will take: time from a few trial steps, memory from the sizes of the arrays."""
    per_row = trainer.trial(state)
    # Validation rows go forward only, a third of a training row's work.
    rows = trainer.n_rows + (trainer.n_held_out / 3 if trainer.validates else 0)
    return Estimate(per_row * rows, trainer.settings.max_epochs, estimate_bytes(trainer, state))


def estimate_bytes(trainer: Trainer, state: TrainState) -> int:
    """Return the bytes of a run's arrays: weights, gradients, best weights, optimizer state, chunks, activations."""
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves((state.params, state.params, state.params, state.optimizer)))
    widths = sum(max(leaf.shape, default=1) for leaf in jax.tree.leaves(state.params))
    activations = 2 * 4 * trainer.loader.batch_size * widths
    chunks = (trainer.placement.readers + 1) * trainer.loader.chunk_bytes_used
    return int(chunks + weights + activations)


class Reporter:
    """Prints the progress of a run.

    Parameters
    ----------
    verbose : int
        0 prints nothing; 1 the estimate and progress on stderr; 2 ``Epoch: 0001 cost= …`` on stdout.
    display_step : int
        Epochs between two lines.
    max_epochs : int
        The largest number of epochs.
    prints : bool
        Whether this process prints; the others compute the estimate too, and print nothing.
    """

    def __init__(self, verbose: int, display_step: int, max_epochs: int, *, prints: bool = True) -> None:
        self.verbose = verbose
        self.display_step = display_step
        self.max_epochs = max_epochs
        self.prints = prints
        self._n_rows = 0
        self._epoch, self._done = 0, 0  # the epochs that are done, and the rows of the next one
        self._last_line = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, trainer: Trainer, state: TrainState) -> None:
        """Print the estimate."""
        self._n_rows = trainer.n_rows
        self._epoch, self._done, self._last_line = state.epoch, state.cursor, time.monotonic()
        if self.verbose != 1:
            return
        estimated = str(estimate(trainer, state))
        self.say(estimated)
        if self.prints and shows_bars():
            self._bar = new_bar()
            name, total = f"epoch {state.epoch}/{self.max_epochs}", trainer.n_rows * self.max_epochs
            done = state.epoch * trainer.n_rows + state.cursor  # of a fit that goes on from a checkpoint
            self._task = self._bar.add_task(name, total=total, completed=done, loss="")
            self._bar.start()

    def say(self, text: str) -> None:
        """Log a line, and print it on stderr where progress is printed."""
        if self.prints:
            LOGGER.info(text)
            self._print(text)

    def _print(self, text: str) -> None:
        if self.prints and self.verbose == 1:
            print_on_stderr(f"isthmus: {text}")

    def rows_done(self, rows: int) -> None:
        """Advance the progress bar; print a line within an epoch that takes long, and log it."""
        self._done += rows
        if self._bar is not None:
            self._bar.update(self._task, advance=rows)
        if time.monotonic() - self._last_line >= _SILENCE and self._done < self._n_rows and self.prints:
            self._last_line = time.monotonic()
            share = f"{100 * self._done / self._n_rows:.0f} % of {self._n_rows:,} rows"
            line = f"epoch {self._epoch + 1}/{self.max_epochs}, {share}"
            LOGGER.info(line)
            if self._bar is None:
                self._print(f"{now()} {line}")

    def epoch_done(self, state: TrainState) -> None:
        """Print the loss of an epoch."""
        self._epoch, self._done = state.epoch, 0
        if not self.prints or not state.metrics:
            return
        if LOGGER.isEnabledFor(logging.INFO):
            last = {name: values[-1] for name, values in state.metrics.items() if values}
            facts = {"epoch": state.epoch, "max_epochs": self.max_epochs, **last}
            LOGGER.info(self._line(state), extra={"event": "epoch", "facts": facts})
        if self.verbose != 1:
            self._last_line = time.monotonic()
        if self.verbose:
            self._print_epoch(state)

    def _print_epoch(self, state: TrainState) -> None:
        loss = state.metrics["loss"][-1]
        # Only methods with units that can be inactive count them.
        dead = f" dead= {state.metrics['dead_units'][-1]:.0f}" if "dead_units" in state.metrics else ""
        if self._bar is not None:
            self._last_line = time.monotonic()
            name = f"epoch {state.epoch}/{self.max_epochs}"
            self._bar.update(self._task, description=name, loss=losses_text(state.metrics))
        elif state.epoch % self.display_step == 0:
            if self.verbose > 1:
                print(f"Epoch: {state.epoch:04d} cost= {loss:.9f}{dead}", flush=True)
            else:
                self._last_line = time.monotonic()
                self._print(f"{now()} {self._line(state)}")

    def _line(self, state: TrainState) -> str:
        return epoch_line(state.epoch, self.max_epochs, state.metrics, self._n_rows)


def _last(history: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the last figures; an epoch of `partial_fit` has no validation loss."""
    last = {name: values[-1] for name, values in history.items() if values}
    return {name: value for name, value in last.items() if name == "loss" or not np.isnan(value)}


def epoch_line(
    epoch: int, max_epochs: int, history: Mapping[str, Sequence[float]], n_rows: int, *, ended: bool = False
) -> str:
    """Return what a log has of an epoch: its number of all, losses, inactive units, speed, and time left."""
    metrics = _last(history)
    facts = [f"epoch {epoch}/{max_epochs}"]
    facts.append(f"loss {metrics['loss']:.6g}")
    if "validation_loss" in metrics:
        facts.append(f"validation loss {metrics['validation_loss']:.6g}")
    if "dead_units" in metrics:
        facts.append(f"{metrics['dead_units']:.0f} inactive units")
    seconds = history.get("seconds", [])
    if seconds and seconds[-1] > 0:
        facts.append(f"{n_rows / seconds[-1]:,.0f} rows/s")
        if not ended:
            # The median, since the first epoch compiles the program.
            left = (max_epochs - epoch) * float(np.median(seconds))
            facts.append(f"at most {duration(left)} left")
    return ", ".join(facts)


def losses_text(history: Mapping[str, Sequence[float]]) -> str:
    """Return what stands next to a bar: the last losses, and inactive units where a method counts them."""
    metrics = _last(history)
    validation = f", validation {metrics['validation_loss']:.4g}" if "validation_loss" in metrics else ""
    inactive = f", {metrics['dead_units']:.0f} inactive" if "dead_units" in metrics else ""
    return f"loss {metrics['loss']:.4g}{validation}{inactive}"


def now() -> str:
    """Return the local time, for a line."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def is_terminal() -> bool:
    """Whether stderr is a terminal, on which a progress bar can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty()


def shows_bars() -> bool:
    """Whether progress is shown by a bar."""
    return in_notebook() or is_terminal()


def new_bar() -> Any:
    """Return a bar, HTML in a notebook and else rich's; both have `add_task`, `start`, `update` and `stop`."""
    return NotebookBar() if in_notebook() else rich_bar()


def print_on_stderr(line: str) -> None:
    """Print a line on stderr; a log that cannot be written, on a full disk for example, ends no fit."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def rich_bar() -> Any:
    """Return a bar on stderr with rows per second, time left and a field ``loss`` of free text."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class RowsPerSecond(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.speed or 0:,.0f} rows/s")

    console = Console(stderr=True)
    # On a narrow terminal the losses are cut rather than the rest.
    room = None if console.width >= 80 else max(8, console.width - 48)
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=max(6, min(30, console.width - _TEXT_WIDTH))),
        RowsPerSecond(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[loss]}", table_column=Column(no_wrap=True, max_width=room)),
    )
    return Progress(*columns, console=console, transient=True)
