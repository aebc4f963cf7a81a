"""Functions of a user among an estimator's parameters: made comparable, and tried before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import jax.numpy as jnp
import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.core.functions import Function, as_function
from isthmus.core.tracing import check_cells, check_number
from isthmus.core.types import Params
from isthmus.losses import PENALTIES
from isthmus.losses.cells import n_arrays
from isthmus.networks.base import Network

_ACTIVATIONS = ("activation", "code_activation", "output_activation")
_FUNCTIONS = (*_ACTIVATIONS, "loss", "penalty", "network")
_WIDTH = 4  # of the rows that are tried where a width is not known yet
# The numbers that functions are tried with. A loss of positive numbers, which has a logarithm, is one.
_ACTIVATED = (-3.0, 3.0)
_RECONSTRUCTED, _TARGET = (0.2, 0.7), (0.25, 0.8)


def with_functions(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters whose callables are `Function` objects."""
    return {name: as_function(value) if name in _FUNCTIONS else value for name, value in values.items()}


def check_functions(values: Mapping[str, Any], n_features: int) -> None:
    """Try activations and the loss on a few numbers.

    Parameters
    ----------
    values : mapping of str to object
        An estimator's parameters, with `Function` objects.
    n_features : int
        The width of a row.

    Raises
    ------
    InvalidParameterError
        With one line, where one cannot be compiled, returns something else than it should, or is not finite.
    """
    hidden, code = values["hidden_layer_sizes"], values["n_components"]
    widths = (
        int(hidden[0]) if len(hidden) else _WIDTH,
        int(code) if isinstance(code, Integral) else _WIDTH,
        n_features,
    )
    for name, width in zip(_ACTIVATIONS, widths, strict=True):
        if isinstance(values[name], Function):
            check_cells(f"{name}={values[name]}", values[name], width, (_ACTIVATED,))
    loss = values["loss"]
    if isinstance(loss, Function):
        given = (_RECONSTRUCTED, _TARGET) if n_arrays(loss.function) == 2 else (_RECONSTRUCTED, _ACTIVATED, _TARGET)
        check_cells(f"loss={loss}", loss, n_features, given)


def check_penalty(penalty: Any, network: Network, params: Params) -> None:
    """Try a user's penalty on the initial parameters.

    Raises
    ------
    InvalidParameterError
        With one line, as `check_functions`.
    """
    if not isinstance(penalty, Function):
        return
    drawn = np.random.default_rng(0).uniform(-1, 1, (_WIDTH, network.n_components))
    code = np.asarray(network.activate_code(jnp.asarray(drawn, np.float32)))
    check_number(f"penalty={penalty}", penalty, code, params)


def penalty_weight(values: Mapping[str, Any]) -> float:
    """Return the weight of the penalty; 0 without one.

    Raises
    ------
    InvalidParameterError
        Where there is a weight and no penalty.
    """
    penalty, weight = values["penalty"], values["penalty_weight"]
    if penalty is None:
        if weight is not None:
            raise InvalidParameterError(f"penalty_weight={weight:g} has no effect without penalty; leave it out")
        return 0.0
    if weight is not None:
        return float(weight)
    return PENALTIES[penalty].weight if isinstance(penalty, str) else 1.0
