"""`RichProgress`: a progress bar of each fit."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Mapping
from typing import Any

from isthmus.estimators.callbacks.base import Begun, EpochCallback, Followed, History, epochs_of, place_of
from isthmus.estimators.fit.notebook import NotebookBar, in_notebook
from isthmus.estimators.fit.reporting import epoch_line, losses_text, new_bar, now, print_on_stderr, shows_bars

_SECONDS = 5.0  # between two lines


class RichProgress(EpochCallback):
    """Shows a progress bar of each fit: epoch, rows per second, time left and the last losses.

    It is the bar of ``verbose=1``, without the estimate before it: on a terminal on stderr, and in a notebook below the
    cell. Of several fits at a time each has a bar with its name in the search, such as ``fit-3``. Where there is no
    terminal and no notebook, and in other processes of a search, lines with time stamps are printed on stderr, at most
    one in five seconds, and one at the end. A fit with ``verbose=1`` has its bar already, and gets no second one.

    Examples
    --------
    >>> from isthmus import Autoencoder
    >>> from isthmus.callbacks import RichProgress
    >>> model = Autoencoder(2).set_callbacks(RichProgress())
    """

    def _opened(self, estimator: Any, context: Any) -> Followed | None:
        if estimator.verbose == 1:
            return None
        # Two processes would draw over each other.
        is_main = multiprocessing.current_process().name == "MainProcess"
        return (_Bar if is_main and shows_bars() else _Lines)(place_of(context))

    def __repr__(self) -> str:
        return "RichProgress()"


class _Display:
    """The bars on a terminal, which has one display at a time: a bar for each fit that runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bar: Any = None
        self._shown = 0

    def join(self) -> Any:
        """Return what has the bars; shown from the first fit on."""
        with self._lock:
            if in_notebook():
                return new_bar()  # each fit has its own
            if self._bar is None:
                self._bar = new_bar()
                self._bar.start()
            self._shown += 1
            return self._bar

    def leave(self, bar: Any, task: Any) -> None:
        """Remove a fit's bar, and with the last one the display; in a notebook it stays as it is."""
        with self._lock:
            if isinstance(bar, NotebookBar):
                bar.stop()
                return
            if task is not None:
                bar.remove_task(task)
            self._shown -= 1
            if not self._shown:
                bar.stop()
                self._bar = None


_DISPLAY = _Display()


class _Bar:
    """The bar of one fit."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.bar: Any = None
        self.task: Any = None
        self.name, self.max_epochs = "", 0

    def begin(self, begun: Begun) -> None:
        self.close()
        self.name = "".join(f"{part} " for part in (self.place, begun.stage) if part) + "epoch"
        self.max_epochs = begun.max_epochs
        self.bar = _DISPLAY.join()
        self.task = self.bar.add_task(
            f"{self.name} {begun.epochs}/{self.max_epochs}",
            total=begun.n_rows * self.max_epochs,
            completed=begun.epochs * begun.n_rows + begun.rows_done,
            loss="",
        )
        if isinstance(self.bar, NotebookBar):
            self.bar.start()

    def rows_done(self, rows: int) -> None:
        self.bar.update(self.task, advance=rows)

    def epoch_done(self, stage: str, history: History) -> None:
        name = f"{self.name} {epochs_of(history)}/{self.max_epochs}"
        self.bar.update(self.task, description=name, loss=losses_text(history))

    def end(self, histories: Mapping[str, History]) -> None:
        pass

    def close(self) -> None:
        if self.bar is not None:
            _DISPLAY.leave(self.bar, self.task)
            self.bar = None


class _Lines:
    """The lines of one fit."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.begun: Begun | None = None
        self._printed = time.monotonic()
        self._pending: tuple[str, History] | None = None

    def begin(self, begun: Begun) -> None:
        self._print_pending(ended=True)
        self.begun = begun

    def rows_done(self, rows: int) -> None:
        pass

    def epoch_done(self, stage: str, history: History) -> None:
        self._pending = stage, history
        if time.monotonic() - self._printed >= _SECONDS:
            self._print_pending()

    def _print_pending(self, *, ended: bool = False) -> None:
        if self._pending is None or self.begun is None:
            return
        stage, history = self._pending
        line = epoch_line(epochs_of(history), self.begun.max_epochs, history, self.begun.n_rows, ended=ended)
        print_on_stderr(f"isthmus: {now()} " + "".join(f"{part} " for part in (self.place, stage) if part) + line)
        self._printed, self._pending = time.monotonic(), None

    def end(self, histories: Mapping[str, History]) -> None:
        self._print_pending(ended=True)

    def close(self) -> None:
        pass
