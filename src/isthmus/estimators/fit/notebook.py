"""A progress bar in a notebook, which has no terminal to draw one on."""

from __future__ import annotations

import builtins
import importlib
import time
from html import escape
from typing import Any

_SECONDS = 0.1  # between two drawings


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which displays HTML."""
    # IPython puts the function among the builtins while it runs a cell.
    shell = getattr(builtins, "get_ipython", lambda: None)()
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class NotebookBar:
    """A bar below the cell, with rows per second and time left; it has the methods of rich's bar that a fit calls."""

    def __init__(self) -> None:
        # A kernel has IPython; isthmus does not depend on it.
        display = importlib.import_module("IPython.display")

        self._html = display.HTML
        self._display = display.display
        self._handle: Any = None
        self._name, self._total, self._done, self._loss = "", 1.0, 0.0, ""
        self._began = self._drawn = self._first = 0.0
        self._stopped = False

    def add_task(self, name: str, total: float, completed: float = 0, loss: str = "") -> int:
        """Set the name, the number of rows of all epochs, and those that an earlier fit has done."""
        self._name, self._total, self._done, self._loss = name, total, completed, loss
        self._first = completed
        return 0

    def start(self) -> None:
        """Show the bar."""
        self._began = time.monotonic()
        self._handle = self._display(self._html(self.text()), display_id=True)

    def update(self, task: int, *, advance: float = 0, loss: str | None = None, description: str | None = None) -> None:
        """Add finished rows, or set the text before or after the bar."""
        self._done += advance
        self._name = self._name if description is None else description
        self._loss = self._loss if loss is None else loss
        if time.monotonic() - self._drawn >= _SECONDS:
            self._draw()

    def stop(self) -> None:
        """Draw the last state, which stays."""
        self._stopped = True
        self._draw()

    def text(self) -> str:
        """Return the bar as HTML."""
        seconds = time.monotonic() - self._began
        rate = (self._done - self._first) / seconds if seconds > 0 else 0.0
        if self._stopped:
            left = f"in {duration(seconds)}"
        else:
            left = f"at most {duration((self._total - self._done) / rate)} left" if rate else ""
        bar = f'<progress value="{self._done:g}" max="{self._total:g}" style="width: 8em"></progress>'
        facts = " · ".join(part for part in (escape(self._loss), f"{rate:,.0f} rows/s", left) if part)
        # Digits of one width: the line does not jitter.
        return f'<span style="font-variant-numeric: tabular-nums">{escape(self._name)} {bar} {facts}</span>'

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(self._html(self.text()))
