"""Methods that make a code sparse, one small class for each, and the table of their names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.lazy import attach
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.sparsity.base import Sparsity as Sparsity
    from isthmus.sparsity.base import Step as Step
    from isthmus.sparsity.gates import Gated as Gated
    from isthmus.sparsity.gates import JumpReLU as JumpReLU
    from isthmus.sparsity.nested import Matryoshka as Matryoshka
    from isthmus.sparsity.penalised import KL as KL
    from isthmus.sparsity.penalised import L1 as L1
    from isthmus.sparsity.quantized import VectorQuantization as VectorQuantization
    from isthmus.sparsity.selection import BatchTopK as BatchTopK
    from isthmus.sparsity.selection import Lifetime as Lifetime
    from isthmus.sparsity.selection import TopK as TopK

SPARSITIES: Registry[type[Sparsity]] = Registry(
    "sparsity",
    {
        "kl": "isthmus.sparsity.penalised:KL",
        "l1": "isthmus.sparsity.penalised:L1",
        "topk": "isthmus.sparsity.selection:TopK",
        "batch_topk": "isthmus.sparsity.selection:BatchTopK",
        "jumprelu": "isthmus.sparsity.gates:JumpReLU",
        "gated": "isthmus.sparsity.gates:Gated",
        "matryoshka": "isthmus.sparsity.nested:Matryoshka",
        "lifetime": "isthmus.sparsity.selection:Lifetime",
    },
)

# Methods that quantise a code. To the engine they are sparsities: in each group of units one entry is active. A row is
# a subclass of `VectorQuantization`.
CODES: Registry[type[VectorQuantization]] = Registry("code", {"vq": "isthmus.sparsity.quantized:VectorQuantization"})

__getattr__, __dir__ = attach(__name__, {"Sparsity": ".base", "Step": ".base", **SPARSITIES.places(), **CODES.places()})


def resolve(sparsity: Any, **settings: Any) -> Sparsity | None:
    """Return the method of a name, with settings by name, or a copy of an object; None for None.

    Settings that are None or ``"auto"`` count as not given, but ``resample_dead=None``, which means never.

    Raises
    ------
    InvalidParameterError
        If the name is unknown, or a setting is given that the method does not have, or next to an object.
    """
    from isthmus.sparsity.base import Sparsity

    given = {
        name: value
        for name, value in settings.items()
        if value != "auto" and (value is not None or name == "resample_dead")
    }
    if isinstance(sparsity, Sparsity):
        for name, value in given.items():
            own = f"{type(sparsity).__name__}({name}={value!r})"
            raise InvalidParameterError(f"{_parameter(name)}={value!r} cannot be combined with an object; write {own}")
        # A copy: searches change settings in place after a fit, which must not reach what was fitted.
        return dataclasses.replace(sparsity)
    if sparsity is None:
        for name, value in given.items():
            if value is not None:
                raise InvalidParameterError(f"{_parameter(name)}={value!r} has no effect without sparsity")
        return None
    if not isinstance(sparsity, str) or sparsity not in SPARSITIES:
        raise unknown_name("sparsity", sparsity, SPARSITIES)
    kind = SPARSITIES[sparsity]
    for name, value in given.items():
        if name not in _settings(kind):
            fits = ", ".join(other for other in SPARSITIES if name in _settings(SPARSITIES[other]))
            raise InvalidParameterError(
                f"{_parameter(name)}={value!r} has no effect with sparsity={sparsity!r}, only with {fits}"
            )
    try:
        return kind(**given)
    except InvalidParameterError as error:
        name = str(error).partition("=")[0]
        raise InvalidParameterError(str(error).replace(name, _parameter(name), 1)) from error


def _settings(kind: type[Sparsity]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _parameter(setting: str) -> str:
    """Return the estimators' parameter for a method's setting."""
    return {"target": "sparsity_target", "weight": "sparsity_weight"}.get(setting, setting)
