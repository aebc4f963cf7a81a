"""How to repeat a fit: the parameters that differ from their defaults, as Python and as a command."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from isthmus.core.functions import is_function, name_of
from isthmus.core.parameters import Boolean, Parameter, parameters_of, values_of
from isthmus.core.version import __version__

_LONGEST = 160  # characters of a value
_PACKAGES = {"JAX": "jax", "NumPy": "numpy", "scikit-learn": "scikit-learn"}
# What a fit does not depend on.
_QUIET = ("verbose", "display_step", "device", "warm_start")


def changed_parameters(model: Any) -> dict[str, Any]:
    """Return the parameters of a model that differ from its class's defaults, with the seed that was used."""
    declared, values = parameters_of(type(model)), values_of(model)
    if hasattr(model, "seed_"):
        values["random_state"] = int(model.seed_)
    return {
        name: value
        for name, value in values.items()
        if name not in _QUIET and (name == "random_state" or not _equal(value, declared[name].default))
    }


def default_of(model: Any, name: str) -> Any:
    """Return the default of a parameter."""
    return parameters_of(type(model))[name].default


def _equal(value: Any, default: Any) -> bool:
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return False
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(value) == list(default)
    return type(value) is type(default) and bool(value == default)


def as_text(value: Any) -> str:
    """Return a value as Python would read it, or what it is where that would be long."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    text = name_of(value) if is_function(value) else " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def python_of(model: Any) -> str:
    """Return the lines that fit the same model on rows ``X``."""
    kind, changed = type(model).__name__, changed_parameters(model)
    lines = [f"from isthmus import {kind}"]
    for module in ("sparsity", "corruption"):
        value = changed.get(module)
        if type(value).__module__.startswith(f"isthmus.{module}"):
            lines.append(f"from isthmus.{module} import {type(value).__name__}")
    given = "".join(f"    {name}={as_text(value)},\n" for name, value in changed.items())
    return "\n".join([*lines, "", f"model = {kind}(\n{given}).fit(X)"])


def command_of(model: Any, data: str = "DATA") -> str | None:
    """Return the command that fits the same model; None where a parameter cannot be written as text."""
    options = options_of(model)
    if options is None:
        return None
    words = ["isthmus", "fit", data, "-o", "model.safetensors"]
    for name, text in options.items():
        words += [f"--{name}"] if text is True else [f"--no-{name}"] if text is False else [f"--{name}", str(text)]
    return " ".join(shlex.quote(word) if word != data else data for word in words)


def options_of(model: Any) -> dict[str, str | bool] | None:
    """Return the options of ``isthmus fit`` that make the same model; None where a parameter cannot be text.

    Switches are True or False, all else is text.
    """
    declared, changed = parameters_of(type(model)), changed_parameters(model)
    kind = type(model).__name__
    # The command finds the class by its parameters.
    needed = {
        "SparseAutoencoder": "sparsity",
        "DenoisingAutoencoder": "corruption",
        "ConvolutionalAutoencoder": "channels",
        "VectorQuantizedAutoencoder": "code",
    }
    switches = {"NeighborAutoencoder": "map", "VariationalAutoencoder": "variational"}
    found: dict[str, str | bool] = {switches[kind]: True} if kind in switches else {}
    if kind not in (*needed, "Autoencoder", *switches):
        return None
    if kind in needed and needed[kind] not in changed:
        changed = {needed[kind]: getattr(model, needed[kind]), **changed}
    if kind == "Autoencoder" and any(changed.get(name) is not None for name in needed.values()):
        found["estimator"] = kind
    for name, value in changed.items():
        text = option_text(declared[name], value)
        if text is None:
            return None
        found["seed" if name == "random_state" and declared[name].option == "seed" else declared[name].option] = text
    return found


def option_text(declared: Parameter, value: Any) -> str | bool | None:
    """Return the text that an option reads as a value, True or False for a switch; None where there is none."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(value, bool):
        is_switch = any(isinstance(kind, Boolean) for kind in declared.kinds) and set(declared.names) <= {
            declared.default
        }
        return value if is_switch else "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, Mapping) and all(isinstance(each, int | float) for each in value.values()):
        return ",".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list | tuple) and all(isinstance(each, int | float) for each in value):
        return ",".join(map(str, value))
    return None


def versions() -> str:
    """Return the versions of isthmus and of what it computes with."""
    found = [f"isthmus {__version__}", f"Python {platform.python_version()}"]
    for name, package in _PACKAGES.items():
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:  # pragma: no cover - a package without metadata
            continue
    return ", ".join(found)
