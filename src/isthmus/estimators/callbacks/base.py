"""What the callbacks of this package share: the fits that they follow, and what these are called."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import values_of
from isthmus.core.processes import is_main_process
from isthmus.estimators.base import FittedModel
from isthmus.estimators.fit.identity import MAY_CHANGE

History = Mapping[str, Sequence[float]]

# The stage of a fit, by the name that scikit-learn's context has for its epochs: a map may have one before.
STAGES = {"epoch": "", "feature epoch": "features"}
_FITS = ("fit", "partial_fit")
_SEARCHED = "candidate-split-evaluation"  # scikit-learn's name for one fit of a search


class Begun(NamedTuple):
    """A stage of a fit at its start, or where a checkpoint continues it.

    Attributes
    ----------
    stage : str
        A value of `STAGES`.
    history : History
        The epochs that are done.
    n_rows : int
        Rows of an epoch.
    rows_done : int
        Those of the next epoch that are done.
    max_epochs : int
        The largest number of epochs.
    """

    stage: str
    history: History
    n_rows: int
    rows_done: int
    max_epochs: int

    @property
    def epochs(self) -> int:
        """The number of epochs that are done."""
        return epochs_of(self.history)


class Followed(Protocol):
    """What a callback keeps of one fit while it lasts."""

    def begin(self, begun: Begun) -> None:
        """React to the start of a stage."""
        ...

    def rows_done(self, rows: int) -> None:
        """React to rows of an epoch that are done."""
        ...

    def epoch_done(self, stage: str, history: History) -> None:
        """React to the end of an epoch."""
        ...

    def end(self, histories: Mapping[str, History]) -> None:
        """React to the end of a fit that raised no error, with the history of each stage."""
        ...

    def close(self) -> None:
        """Release what the fit held, however it ended."""
        ...


class EpochCallback:
    """A callback of scikit-learn's protocol that follows the fits of autoencoders epoch by epoch.

    One object may follow several fits at a time: threads share it, and other processes get copies of it.
    """

    def __init__(self) -> None:
        self._fits: dict[int, Followed] = {}

    def _opened(self, estimator: Any, context: Any) -> Followed | None:
        """Return what follows a fit, or None where nothing has to."""
        raise NotImplementedError

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to follow a fit; of several processes that train together the main one does."""
        if not isinstance(estimator, FittedModel):
            raise InvalidParameterError(
                f"{type(self).__name__} follows the epochs of an autoencoder, which {type(estimator).__name__} has "
                "none of; call set_callbacks of the autoencoder in it"
            )
        if is_main_process() and (fit := self._opened(estimator, context)) is not None:
            self._fits[id(context)] = fit

    def teardown(self, estimator: Any, context: Any) -> None:
        """End following a fit."""
        if fit := self._fits.pop(id(context), None):
            fit.close()

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None) -> None:
        """Check the rows at the beginning of a fit."""
        if fit := self._fits.get(id(context)):
            self._check_rows(fit, X)

    def _check_rows(self, fit: Any, X: Any) -> None:
        """Raise where a fit would write over its rows."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """React to the end of an epoch, or of a fit."""
        if context.task_name in STAGES:
            stage = STAGES[context.task_name]
            if fit := self._fits.get(id(context.parent)):
                fit.epoch_done(stage, estimator.feature_history_ if stage else estimator.history_)
        elif context.task_name in _FITS and (fit := self._fits.get(id(context))):
            histories = {"features": getattr(estimator, "feature_history_", {}), "": estimator.history_}
            fit.end({stage: history for stage, history in histories.items() if history})

    def run_begins(self, context: Any, begun: Begun) -> None:
        """React to the start of a stage of the fit with this context."""
        if fit := self._fits.get(id(context)):
            fit.begin(begun)

    def rows_done(self, context: Any, rows: int) -> None:
        """React to rows of an epoch of the fit with this context."""
        if fit := self._fits.get(id(context)):
            fit.rows_done(rows)

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy follows no fit yet."""
        return {**self.__dict__, "_fits": {}}


def epochs_of(history: History) -> int:
    """Return the number of epochs of a history."""
    return len(next(iter(history.values()), ()))


def place_of(context: Any) -> str:
    """Return the name of a fit within a search, such as ``fit-3`` or ``refit``; an empty text outside of one.

    The steps of a pipeline are not named: they are fitted once.
    """
    parts: list[str] = []
    while context.parent is not None:
        name = context.source_task_name or context.task_name
        if name == _SEARCHED:
            parts.insert(0, f"fit-{context.task_id}")
        elif name.startswith("refit"):
            parts.insert(0, "refit")
        elif name != "search" and not name.startswith("fit-"):
            parts.insert(0, re.sub(r"\W+", "-", f"{name}-{context.task_id}"))
        context = context.parent
    return "-".join(parts)


def digest_of(estimator: Any) -> str:
    """Return a hash of the settings that a fit and the one that continues it have in common."""
    values = {name: value for name, value in values_of(estimator).items() if name not in MAY_CHANGE}
    named = [(name, getattr(value, "__qualname__", repr(value))) for name, value in values.items()]
    return hashlib.blake2b(repr((type(estimator).__name__, named)).encode(), digest_size=6).hexdigest()


def local_path(name: str, path: str | os.PathLike[str]) -> str:
    """Return a path of this machine's disks as text, or raise InvalidParameterError with the parameter's name."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or text in ("", "-") or "://" in text:
        raise InvalidParameterError(f"{name}={path!r} must be a path on a disk of this machine")
    return text
