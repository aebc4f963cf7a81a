"""Corruptions: what replaces the clean rows at the network's input during training, and the table of their names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.lazy import attach
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.corruption.base import Corruption as Corruption
    from isthmus.corruption.composed import Chain as Chain
    from isthmus.corruption.composed import Function as Function
    from isthmus.corruption.deform import Deform as Deform
    from isthmus.corruption.noise import Gaussian as Gaussian
    from isthmus.corruption.noise import Poisson as Poisson
    from isthmus.corruption.noise import Uniform as Uniform
    from isthmus.corruption.replaced import Blockout as Blockout
    from isthmus.corruption.replaced import Masking as Masking
    from isthmus.corruption.replaced import SaltAndPepper as SaltAndPepper
    from isthmus.corruption.replaced import Swap as Swap

CORRUPTIONS: Registry[type[Corruption]] = Registry(
    "corruption",
    {
        "gaussian": "isthmus.corruption.noise:Gaussian",
        "uniform": "isthmus.corruption.noise:Uniform",
        "masking": "isthmus.corruption.replaced:Masking",
        "salt_and_pepper": "isthmus.corruption.replaced:SaltAndPepper",
        "swap": "isthmus.corruption.replaced:Swap",
        "poisson": "isthmus.corruption.noise:Poisson",
        "blockout": "isthmus.corruption.replaced:Blockout",
        "deform": "isthmus.corruption.deform:Deform",
    },
)

__getattr__, __dir__ = attach(
    __name__, {"Chain": ".composed", "Corruption": ".base", "Function": ".composed", **CORRUPTIONS.places()}
)


def name_of(corruption: Corruption) -> str:
    """Return what a corruption is called in texts: its name in `CORRUPTIONS` in words, or that of its class."""
    names = (name for name, kind in CORRUPTIONS.items() if kind is type(corruption))
    return next(names, type(corruption).__name__).replace("_", " ")


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
        kind = CORRUPTIONS[corruption]
        try:
            return kind(**{kind.main if name == "corruption_level" else name: value for name, value in given.items()})
        except InvalidParameterError as error:
            # The estimator's name of the setting.
            raise InvalidParameterError(str(error).replace(f"{kind.main}=", "corruption_level=", 1)) from error
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
