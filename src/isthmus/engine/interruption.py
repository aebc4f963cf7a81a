"""Signals that end training: they set a flag, which the training loop reads between chunks."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Interruption:
    """A flag that Ctrl-C, or another signal, sets."""

    signals: tuple[int, ...] = (signal.SIGINT,)  # those that set it
    signal: int | None = None  # the one that has set it
    _previous: dict[int, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Handle the first of the signals; the second interrupts as usual. Only the main thread can handle signals."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        for number in self.signals:
            # A program whose parent ignores a signal, such as one in the background of a shell, ignores it too.
            if signal.getsignal(number) is not signal.SIG_IGN:
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
