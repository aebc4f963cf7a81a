"""The exceptions isthmus raises: one small tree, each also the built-in type a caller would expect to catch."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class IsthmusError(Exception):
    """Base of every error isthmus raises on purpose; its message is one line with the remedy in it."""


class InvalidParameterError(IsthmusError, ValueError):
    """A setting has a value, or a name, that cannot be used."""


class InvalidDataError(IsthmusError, ValueError):
    """The rows themselves cannot be used: not numeric, not finite, the wrong width, none at all."""


class MissingFileError(IsthmusError, FileNotFoundError):
    """A path does not lead to anything."""


class BrokenFileError(IsthmusError, ValueError):
    """A file is there and is not what its name says: truncated, of another format, with foreign contents."""


class UnwritableError(IsthmusError, OSError):
    """A result could not be written; whatever stood at the target still stands."""


class ModelFileError(BrokenFileError):
    """A model file is damaged, comes from a newer isthmus, or does not fit the model it claims to be."""


class DivergedError(IsthmusError, ArithmeticError):
    """The loss or a gradient stopped being finite; the estimator keeps the last good weights."""

    state: Any = None  # the last good training state


class LostProcessError(IsthmusError, ConnectionError):
    """Another process of a run is gone, and this one cannot go on without it."""


class IsthmusWarning(UserWarning):
    """Base of every warning isthmus gives."""


class InterruptedFitWarning(IsthmusWarning):
    """Training was interrupted by the keyboard and ended early with what it had learned."""


class SampleDataWarning(IsthmusWarning):
    """A smaller sample stands in for a data set that is not on this machine."""


def suggest(value: object, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of `choices`, or an empty string when none is near."""
    near = get_close_matches(str(value), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_name(what: str, value: object, choices: Iterable[str]) -> InvalidParameterError:
    """Return the error for a name that is in no table: the value, every legal name, and the nearest one."""
    names = list(choices)
    listed = ", ".join(repr(name) for name in names)
    return InvalidParameterError(f"{what}={value!r} is not one of {listed}{suggest(value, names)}")
