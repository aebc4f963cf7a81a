"""The estimator for parameters of any of them, as a command line gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus import corruption as corruptions
from isthmus import sparsity as sparsities
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import parameters_of
from isthmus.estimators import ESTIMATORS
from isthmus.estimators.fit.plan import CORRUPTION_SETTINGS, SPARSITY_SETTINGS


def estimator_of(values: Mapping[str, Any]) -> Any:
    """Return the autoencoder that has these parameters.

    With ``channels`` or ``image_shape`` it is a `ConvolutionalAutoencoder`, else with ``sparsity`` a
    `SparseAutoencoder`, else with ``corruption`` a `DenoisingAutoencoder`, else an `Autoencoder`. Settings of a
    sparsity or a corruption that the class does not have as parameters go into the method's object.

    Raises
    ------
    InvalidParameterError
        Where a parameter has no effect.
    """
    values = dict(values)
    convolutional = values.get("channels") is not None or values.get("image_shape") is not None
    sparse, noisy = (values.get(name) is not None for name in ("sparsity", "corruption"))
    kind = (
        "ConvolutionalAutoencoder"
        if convolutional
        else "SparseAutoencoder"
        if sparse
        else "DenoisingAutoencoder"
        if noisy
        else "Autoencoder"
    )
    known = parameters_of(ESTIMATORS[kind])
    settings = _taken(SPARSITY_SETTINGS, values, known)
    if settings:
        values["sparsity"] = sparsities.resolve(values.get("sparsity"), **settings)
    levels = _taken(CORRUPTION_SETTINGS, values, known)
    if levels:
        values["corruption"] = corruptions.resolve(values.get("corruption"), **levels)
    for name in values:
        if name not in known:
            raise InvalidParameterError(f"{name}={values[name]!r} has no effect on a {kind}")
    return ESTIMATORS[kind](**values)


def _taken(settings: Mapping[str, str], values: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Take from `values` the settings that the class does not have as parameters, under their own names."""
    return {own: values.pop(name) for name, own in settings.items() if name in values and name not in known}
