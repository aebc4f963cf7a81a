"""The memory that a fit may use: how much of a table is kept in memory, and which runs are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from isthmus.core.errors import InvalidParameterError
from isthmus.core.types import TrainState
from isthmus.engine.loop import Trainer
from isthmus.estimators.fit.reporting import estimate_bytes

_FOR_TABLES = 1 << 30
_UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "b": 1}


@dataclass(frozen=True)
class Memory:
    """The bytes that rows and training arrays may use, in addition to the interpreter and JAX; None is no limit."""

    most: int | None = None

    @classmethod
    def of(cls, given: int | str | None) -> Memory:
        """Return the limit for a number of bytes or a text such as ``"500MB"``."""
        if given is None:
            return cls()
        value = _bytes(given) if isinstance(given, str) else given
        if isinstance(value, bool) or not isinstance(value, Integral) or value <= 0:
            raise InvalidParameterError(
                f"max_memory={given!r} must be a number of bytes or a text such as '500MB' or '2GB'"
            )
        return cls(int(value))

    @property
    def for_tables(self) -> int:
        """The bytes up to which a table is kept in memory."""
        return _FOR_TABLES if self.most is None else self.most // 2

    def check(self, trainer: Trainer, state: TrainState) -> None:
        """Raise InvalidParameterError for a run whose arrays use more."""
        needed = estimate_bytes(trainer, state)
        if self.most is not None and needed > self.most:
            raise InvalidParameterError(
                f"max_memory={_text(self.most)} is too small: weights, gradients, the optimizer's state, "
                f"chunks of rows and a batch's activations use {_text(needed)}"
            )


NO_LIMIT = Memory()


def _bytes(text: str) -> int | None:
    for unit in sorted(_UNITS, key=len, reverse=True):
        if text.strip().lower().endswith(unit):
            try:
                number = float(text.strip()[: -len(unit)])
            except ValueError:
                return None
            return int(number * _UNITS[unit]) if math.isfinite(number) else None
    return int(text) if text.strip().isdigit() else None


def _text(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:,.2f} GB"
