"""Code to sparse code and code to penalty: one small class for each method, and the table of their names."""

from __future__ import annotations

import dataclasses
from typing import Any

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.sparsity.base import Sparsity, Step
from isthmus.sparsity.gates import Gated, JumpReLU
from isthmus.sparsity.nested import Matryoshka
from isthmus.sparsity.penalised import KL, L1
from isthmus.sparsity.selection import BatchTopK, Lifetime, TopK

__all__ = [
    "KL",
    "L1",
    "SPARSITIES",
    "BatchTopK",
    "Gated",
    "JumpReLU",
    "Lifetime",
    "Matryoshka",
    "Sparsity",
    "Step",
    "TopK",
    "resolve",
]

SPARSITIES: dict[str, type[Sparsity]] = {
    "kl": KL,
    "l1": L1,
    "topk": TopK,
    "batch_topk": BatchTopK,
    "jumprelu": JumpReLU,
    "gated": Gated,
    "matryoshka": Matryoshka,
    "lifetime": Lifetime,
}


def resolve(sparsity: Any, **settings: Any) -> Sparsity | None:
    """Return the method that a name, with settings by name, or an object stands for; None for None.

    Raises
    ------
    InvalidParameterError
        Where the name is unknown, or a setting that is not None is not one of the method's or stands beside an object.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if isinstance(sparsity, Sparsity):
        for name, value in given.items():
            inside = f"{type(sparsity).__name__}({name}={value!r})"
            raise InvalidParameterError(f"{_PARAMETERS[name]}={value!r} stands beside an object; write {inside}")
        # A copy: a setting changed after the fit, as searches do, does not reach what was fitted.
        return dataclasses.replace(sparsity)
    if sparsity is None:
        for name, value in given.items():
            raise InvalidParameterError(f"{_PARAMETERS[name]}={value!r} has no effect without sparsity")
        return None
    if sparsity not in SPARSITIES:
        raise unknown_name("sparsity", sparsity, SPARSITIES)
    kind = SPARSITIES[sparsity]
    known = _settings(kind)
    for name, value in given.items():
        if name not in known:
            fits = ", ".join(
                other for other, row in SPARSITIES.items() if name in {f.name for f in dataclasses.fields(row)}
            )
            raise InvalidParameterError(
                f"{_PARAMETERS[name]}={value!r} has no meaning for sparsity={sparsity!r}, only for {fits}"
            )
    try:
        return kind(**given)
    except InvalidParameterError as error:
        # The estimator's word for it.
        name = str(error).partition("=")[0]
        raise InvalidParameterError(str(error).replace(name, _PARAMETERS.get(name, name), 1)) from error


def _settings(kind: type[Sparsity]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


# A method's setting -> the estimators' parameter for it.
_PARAMETERS = {"k": "k", "target": "sparsity_target", "weight": "sparsity_weight"}
