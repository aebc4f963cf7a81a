"""Corruptions: what replaces the clean rows at the network's input during training, and the table of their names."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.corruption.additive import Gaussian as Gaussian
    from isthmus.corruption.additive import Uniform as Uniform
    from isthmus.corruption.base import Corruption as Corruption
    from isthmus.corruption.blocks import Blockout as Blockout
    from isthmus.corruption.composed import Chain as Chain
    from isthmus.corruption.composed import Function as Function
    from isthmus.corruption.photons import Poisson as Poisson
    from isthmus.corruption.replaced import Masking as Masking
    from isthmus.corruption.replaced import SaltAndPepper as SaltAndPepper
    from isthmus.corruption.replaced import Swap as Swap

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

_ROWS = {
    "gaussian": "isthmus.corruption.additive:Gaussian",
    "uniform": "isthmus.corruption.additive:Uniform",
    "masking": "isthmus.corruption.replaced:Masking",
    "salt_and_pepper": "isthmus.corruption.replaced:SaltAndPepper",
    "swap": "isthmus.corruption.replaced:Swap",
    "poisson": "isthmus.corruption.photons:Poisson",
    "blockout": "isthmus.corruption.blocks:Blockout",
}
_MODULES = {
    "Chain": "isthmus.corruption.composed",
    "Corruption": "isthmus.corruption.base",
    "Function": "isthmus.corruption.composed",
    **{attribute: module for module, _, attribute in (row.partition(":") for row in _ROWS.values())},
}

CORRUPTIONS: Registry[type[Corruption]] = Registry("corruption", _ROWS)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def resolve(corruption: Any, level: float | None = None, untouched_weight: float | None = None) -> Corruption | None:
    """Return the corruption object for a name, an object or a function; None for None.

    Parameters
    ----------
    corruption : str, Corruption, callable or None
        A name in `CORRUPTIONS`, an object, or a function ``(key, x) -> x``.
    level : float or None
        The main setting of a named corruption; None keeps its default.
    untouched_weight : float or None
        The `untouched_weight` of a named corruption or of a function, 0 to 1; None keeps its default.

    Raises
    ------
    InvalidParameterError
        If the name is unknown, a value is out of range, or `level` or `untouched_weight` has no effect.
    """
    settings = {"corruption_level": level, "untouched_weight": untouched_weight}
    given = {name: value for name, value in settings.items() if value is not None}
    if corruption is None:
        for name, value in given.items():
            raise InvalidParameterError(f"{name}={value!r} has no effect without corruption")
        return None
    if isinstance(corruption, str):
        return _by_name(corruption, given)
    if isinstance(corruption, type):
        raise InvalidParameterError(f"corruption={corruption.__name__} is a class; write {corruption.__name__}()")
    if not callable(corruption):
        raise unknown_name("corruption", corruption, CORRUPTIONS)
    from isthmus.corruption.base import Corruption
    from isthmus.corruption.composed import Function

    if not isinstance(corruption, Corruption):
        if level is not None:
            raise InvalidParameterError(
                f"corruption_level={level!r} cannot be combined with a function; set the level inside the function"
            )
        return Function(corruption, **given)
    for name, value in given.items():
        kind = type(corruption)
        own = kind.main if name == "corruption_level" else name
        remedy = f"write {kind.__name__}({own}={value!r})" if own else "set the level of its parts"
        raise InvalidParameterError(f"{name}={value!r} cannot be combined with a corruption object; {remedy}")
    # A copy: a setting changed after the fit, as searches do, does not reach what was fitted.
    return dataclasses.replace(corruption)


def _by_name(name: str, given: dict[str, float]) -> Corruption:
    kind = CORRUPTIONS[name]
    try:
        return kind(**{kind.main if key == "corruption_level" else key: value for key, value in given.items()})
    except InvalidParameterError as error:
        # The estimator's name of the setting.
        raise InvalidParameterError(str(error).replace(f"{kind.main}=", "corruption_level=", 1)) from error
