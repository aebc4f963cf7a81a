"""The estimator for parameters of any of them, as a command line gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus import corruption as corruptions
from isthmus import sparsity as sparsities
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import parameters_of
from isthmus.estimators import ESTIMATORS
from isthmus.estimators.fit.plan import CODE_SETTINGS, CORRUPTION_SETTINGS, SPARSITY_SETTINGS

Values = Mapping[str, Any]


def estimator_of(values: Values, name: str | None = None) -> Any:
    """Return the autoencoder that has these parameters: of the class `name`, or else of the one that they imply.

    With ``code`` or a setting of it, it is a `VectorQuantizedAutoencoder`, else with ``channels`` or ``image_shape`` a
    `ConvolutionalAutoencoder`, else with ``sparsity`` a `SparseAutoencoder`, else with ``corruption`` a
    `DenoisingAutoencoder`, else an `Autoencoder`. Settings of a sparsity or a corruption that the class does not have
    as parameters go into the method's object.

    Raises
    ------
    InvalidParameterError
        Where a parameter has no effect.
    """
    given = {name for name, value in values.items() if value is not None}
    name = name or next((name for name, needed in _CHOICES.items() if given & needed), "Autoencoder")
    return ESTIMATORS[name](**parameters_for(ESTIMATORS[name], values))


# The class for parameters that are not None, the first that fits.
_CHOICES = {
    "VectorQuantizedAutoencoder": {"code", *CODE_SETTINGS},
    "ConvolutionalAutoencoder": {"channels", "image_shape"},
    "SparseAutoencoder": {"sparsity"},
    "DenoisingAutoencoder": {"corruption"},
}


def parameters_for(cls: type, values: Values) -> dict[str, Any]:
    """Return these values as parameters of a class: settings that it does not have go into the method's object.

    Raises
    ------
    InvalidParameterError
        Where a parameter has no effect.
    """
    known = parameters_of(cls)
    # None stands for "not given" in a class without the parameter.
    values = {name: value for name, value in values.items() if value is not None or name in known}
    settings = _taken(SPARSITY_SETTINGS, values, known)
    if settings:
        values["sparsity"] = sparsities.resolve(values.get("sparsity"), **settings)
    levels = _taken(CORRUPTION_SETTINGS, values, known)
    if levels:
        values["corruption"] = corruptions.resolve(values.get("corruption"), **levels)
    for name, value in values.items():
        if name not in known:
            raise InvalidParameterError(f"{name}={value!r} has no effect in {cls.__name__}; leave it out")
    return values


def _taken(settings: Mapping[str, str], values: dict[str, Any], known: Values) -> dict[str, Any]:
    """Take from `values` the settings that the class does not have as parameters, under their own names."""
    return {own: values.pop(name) for name, own in settings.items() if name in values and name not in known}
