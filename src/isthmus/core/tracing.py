"""Functions that a user gives, tried on small arrays before they are compiled, so that errors are one clear line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.functions import Function

_ROWS = 3
_SAME = 1e-3  # relative difference up to which a row's values count as those that it has alone


def struct_of(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the shape and type of what a function returns; nothing is computed.

    Parameters
    ----------
    what : str
        The parameter and the function's name, for messages: ``"loss=log_cosh"``.
    function : callable
        The function.
    *arguments : pytree of jax.ShapeDtypeStruct
        What it is called with.

    Raises
    ------
    InvalidParameterError
        With one line, where it cannot be compiled, or fails.
    """
    try:
        return jax.eval_shape(lambda *given: _as_arrays(function(*given)), *arguments)
    except InvalidParameterError:
        raise
    except jax.errors.TracerBoolConversionError as error:
        raise InvalidParameterError(
            f"{what} cannot be compiled: it decides in Python by the values of an array (if, while, and, or, max); "
            "use jax.numpy.where"
        ) from error
    except jax.errors.NonConcreteBooleanIndexError as error:
        raise InvalidParameterError(
            f"{what} cannot be compiled: it selects cells by a mask, and their number is unknown; use jax.numpy.where"
        ) from error
    except (
        jax.errors.ConcretizationTypeError,
        jax.errors.TracerArrayConversionError,
        jax.errors.TracerIntegerConversionError,
    ) as error:
        raise InvalidParameterError(
            f"{what} cannot be compiled: it takes the values of an array out of JAX (float, int, NumPy, SciPy); "
            "compute with jax.numpy alone"
        ) from error
    except Exception as error:
        shapes = " and ".join(str(given.shape) for given in arguments if hasattr(given, "shape"))
        reason = (str(error).splitlines() or [""])[0]
        raise InvalidParameterError(
            f"{what} failed on arrays of shapes {shapes}: {type(error).__name__}: {reason}"
        ) from (error)


def _as_arrays(result: Any) -> Any:
    return jnp.asarray(result) if isinstance(result, bool | int | float | np.ndarray | np.generic) else result


def check_cells(what: str, function: Function, columns: int, values: tuple[tuple[float, float], ...]) -> None:
    """Check a function of arrays (B, D), to be compiled, that returns one number for each cell.

    Parameters
    ----------
    what : str
        The parameter and the function's name.
    function : Function
        The function.
    columns : int
        D.
    values : tuple of (float, float)
        For each argument the range of the numbers that it is tried with.

    Raises
    ------
    InvalidParameterError
        With one line, where the function cannot be compiled, returns something else, mixes rows, or a value or
        derivative of it is not finite.
    """
    _checked_cells(what, function, columns, values)


@functools.lru_cache(maxsize=64)
def _checked_cells(what: str, function: Function, columns: int, values: tuple[tuple[float, float], ...]) -> None:
    rows = jax.ShapeDtypeStruct((_ROWS, columns), np.float32)
    result = struct_of(what, function, *[rows] * len(values))
    shape = getattr(result, "shape", None)
    if shape != rows.shape:
        given = f"an array of shape {shape}" if shape is not None else f"a {type(result).__name__}"
        raise InvalidParameterError(
            f"{what} returns {given} for rows of shape {rows.shape}; it must return one number for each cell, neither "
            "averaged nor summed"
        )
    if not jnp.issubdtype(result.dtype, jnp.floating):
        raise InvalidParameterError(f"{what} returns numbers of type {result.dtype}; it must return floats")
    # A different order of the same numbers for each argument.
    arrays = [
        np.roll(np.linspace(low, high, _ROWS * columns, dtype=np.float32), place).reshape(rows.shape)
        for place, (low, high) in enumerate(values)
    ]
    single = tuple(jax.ShapeDtypeStruct((1, columns), np.float32) for _ in values)
    struct_of(what, function, *single)
    _check_values(what, function, arrays)


def _check_values(what: str, function: Function, arrays: list[Any]) -> None:
    def tried(*given: Array) -> tuple[Array, Array, Array]:
        together = function(*given)
        alone = [function(*(array[row : row + 1] for array in given)) for row in range(_ROWS)]
        slopes = jax.grad(lambda first: jnp.sum(function(first, *given[1:])))(given[0])
        return together, jnp.concatenate(alone), slopes

    together, alone, slopes = (np.asarray(each, np.float64) for each in jax.jit(tried)(*arrays))
    for name, found in (("value", together), ("derivative", slopes)):
        bad = ~np.isfinite(found)
        if bad.any():
            places = ", ".join(f"{array[bad][0]:.3g}" for array in arrays)
            raise InvalidParameterError(
                f"{what} has a {name} of {found[bad][0]:g} at {places}; it must be finite, so that training can go on"
            )
    if not np.allclose(together, alone, rtol=_SAME, atol=_SAME * max(1.0, float(np.abs(together).max()))):
        raise InvalidParameterError(
            f"{what} gives a row other values next to other rows than alone; it must treat each row by itself"
        )


def check_number(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    """Check a function, to be compiled, that returns one number.

    Parameters
    ----------
    what : str
        The parameter and the function's name.
    function : callable
        The function.
    *arguments : pytree of ndarray
        What it is tried with.

    Raises
    ------
    InvalidParameterError
        With one line, where the function cannot be compiled, returns something else, or a number that is not finite.
    """
    arguments = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), arguments)
    structs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    result = struct_of(what, function, *structs)
    if getattr(result, "shape", None) != ():
        given = f"an array of shape {result.shape}" if hasattr(result, "shape") else f"a {type(result).__name__}"
        raise InvalidParameterError(f"{what} returns {given}; it must return one number")
    if not jnp.issubdtype(result.dtype, jnp.floating):
        raise InvalidParameterError(f"{what} returns a number of type {result.dtype}; it must return a float")
    found = float(jax.jit(function)(*arguments))
    if not np.isfinite(found):
        raise InvalidParameterError(f"{what} is {found:g} at the start of training; it must be finite")
