"""Clean rows to corrupted ones: one small class for each corruption, and the table of their names."""

from __future__ import annotations

import dataclasses
from typing import Any

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.corruption.additive import Gaussian, Uniform
from isthmus.corruption.base import Corruption
from isthmus.corruption.blocks import Blockout
from isthmus.corruption.composed import Chain, Function
from isthmus.corruption.photons import Poisson
from isthmus.corruption.replaced import Masking, SaltAndPepper, Swap

__all__ = [
    "CORRUPTIONS",
    "Blockout",
    "Chain",
    "Corruption",
    "Function",
    "Gaussian",
    "Masking",
    "Poisson",
    "SaltAndPepper",
    "Swap",
    "Uniform",
    "resolve",
]

CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": Gaussian,
    "uniform": Uniform,
    "masking": Masking,
    "salt_and_pepper": SaltAndPepper,
    "swap": Swap,
    "poisson": Poisson,
    "blockout": Blockout,
}


def resolve(corruption: Any, level: float | None = None) -> Corruption | None:
    """Return the corruption that a name with its level, an object or a function stands for; None for None.

    Raises
    ------
    InvalidParameterError
        Where the name is unknown, the level is out of range, or it stands beside anything but a name.
    """
    if corruption is None:
        if level is not None:
            raise InvalidParameterError(f"corruption_level={level!r} has no effect without corruption")
        return None
    if isinstance(corruption, str):
        return _by_name(corruption, level)
    if isinstance(corruption, type):
        raise InvalidParameterError(f"corruption={corruption.__name__} is a class; write {corruption.__name__}()")
    if not callable(corruption):
        raise unknown_name("corruption", corruption, CORRUPTIONS)
    if level is not None:
        kind = type(corruption)
        main = kind.main if isinstance(corruption, Corruption) else ""
        remedy = f"write {kind.__name__}({main}={level!r})" if main else "give the level to it"
        raise InvalidParameterError(f"corruption_level={level!r} stands beside an object; {remedy}")
    # A copy: a setting changed after the fit, as searches do, does not reach what was fitted.
    return dataclasses.replace(corruption) if isinstance(corruption, Corruption) else Function(corruption)


def _by_name(name: str, level: float | None) -> Corruption:
    if name not in CORRUPTIONS:
        raise unknown_name("corruption", name, CORRUPTIONS)
    kind = CORRUPTIONS[name]
    if level is None:
        return kind()
    try:
        return kind(**{kind.main: level})
    except InvalidParameterError as error:
        # The estimator's word for it.
        raise InvalidParameterError(str(error).replace(f"{kind.main}=", "corruption_level=", 1)) from error
