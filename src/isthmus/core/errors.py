"""The exceptions and warnings of isthmus; each exception also has the matching built-in type as a base."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class IsthmusError(Exception):
    """Base of all errors that isthmus raises; the message is one line and includes the remedy."""


class InvalidParameterError(IsthmusError, ValueError):
    """A parameter has an invalid value or an unknown name."""


class InvalidDataError(IsthmusError, ValueError):
    """The rows are invalid: not numeric, not finite, of the wrong width, or none."""


class MissingFileError(IsthmusError, FileNotFoundError):
    """A path does not exist."""


class BrokenFileError(IsthmusError, ValueError):
    """A file cannot be read: it is damaged, truncated or of another format."""


class UnwritableError(IsthmusError, OSError):
    """A result could not be written; a file that existed at the target is unchanged."""


class ExistingFileError(InvalidParameterError, FileExistsError):
    """A file that would be overwritten is read, or exists and overwriting was not asked for."""


class ModelFileError(BrokenFileError):
    """A model file is damaged, was written by a newer isthmus, or does not fit its model."""


class DivergedError(IsthmusError, ArithmeticError):
    """The loss or a gradient is no longer finite; the estimator keeps the last finite weights."""

    state: Any = None  # the last training state with finite weights


class LostProcessError(IsthmusError, ConnectionError):
    """Another process of a distributed run is lost."""


class ForkedProcessError(IsthmusError, RuntimeError):
    """A computation would never end, since the process was forked from one that had computed."""


class IsthmusWarning(UserWarning):
    """Base of all warnings of isthmus."""


class InterruptedFitWarning(IsthmusWarning):
    """Training was interrupted by Ctrl-C and ended early; the model can be used."""


class SparsityWarning(IsthmusWarning):
    """Many units of a sparse code are dead, or it is not as sparse as asked for."""


class CollapseWarning(IsthmusWarning):
    """Many units of a variational code are inactive, many entries of a codebook unused, or a decoder is useless."""


class SampleDataWarning(IsthmusWarning):
    """A small sample is used because the data set is not on this machine."""


def suggest(value: object, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of `choices`, or an empty string if none is close."""
    close = get_close_matches(str(value), list(choices), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown_name(what: str, value: object, choices: Iterable[str]) -> InvalidParameterError:
    """Return the error for an unknown name, which lists the known names and the closest one."""
    names = list(choices)
    listed = ", ".join(repr(name) for name in names)
    return InvalidParameterError(f"{what}={value!r} is not one of {listed}{suggest(value, names)}")
