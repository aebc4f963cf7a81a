"""How to repeat a fit: the parameters that differ from their defaults, as Python and as a command."""

from __future__ import annotations

import dataclasses
import platform
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from isthmus.core.functions import is_function, name_of
from isthmus.core.parameters import Boolean, Parameter, parameters_of, values_of
from isthmus.core.version import __version__

_LONGEST = 160  # characters of a value
_PACKAGES = {"JAX": "jax", "NumPy": "numpy", "scikit-learn": "scikit-learn"}
# Where classes are found, by the folder that has them.
_MODULES = {
    "isthmus.sparsity": "isthmus.sparsity",
    "isthmus.corruption": "isthmus.corruption",
    "isthmus.losses.likelihoods": "isthmus.likelihoods",
}
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
    used = sorted({one for value in changed.values() for one in _classes(value)})
    lines = [f"from isthmus import {kind}"]
    lines += [f"from {module} import {name}" for module, name in used if not _is_shared(name, used)]
    # Where two classes have one name, each is written with its module.
    lines += sorted({f"from isthmus import {_short(module)}" for module, name in used if _is_shared(name, used)})
    given = "".join(f"    {name}={_qualified(as_text(value), value, used)},\n" for name, value in changed.items())
    return "\n".join([*lines, "", f"model = {kind}(\n{given}).fit(X)"])


def _is_shared(name: str, used: list[tuple[str, str]]) -> bool:
    """Whether classes of several modules have this name."""
    return len({module for module, other in used if other == name}) > 1


def _short(module: str) -> str:
    return module.rpartition(".")[2]


def _qualified(text: str, value: Any, used: list[tuple[str, str]]) -> str:
    """Return a value's text with the modules of the classes whose names others have too."""
    for module, name in {one for one in _classes(value) if _is_shared(one[1], used)}:
        text = re.sub(rf"(?<![\w.]){name}\(", f"{_short(module)}.{name}(", text)
    return text


def _classes(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each class of isthmus that a value is made of, as its text names them."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _classes(part)
    public = next((name for place, name in _MODULES.items() if type(value).__module__.startswith(place)), None)
    if public is not None:
        yield public, type(value).__name__
        if dataclasses.is_dataclass(value):
            yield from _classes([getattr(value, field.name) for field in dataclasses.fields(value)])


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
    names = list(getattr(model, "feature_names_in_", ()))
    if names and changed.get("conditions"):
        # Where columns have names, the command takes these alone.
        changed["conditions"] = [one if isinstance(one, str) else names[one] for one in _listed(changed["conditions"])]
    for name, value in changed.items():
        text = option_text(declared[name], value)
        if text is None:
            return None
        found["seed" if name == "random_state" and declared[name].option == "seed" else declared[name].option] = text
    return found


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


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
    if isinstance(value, list | tuple) and all(isinstance(each, str) and _is_one_word(each) for each in value):
        return ",".join(value)
    return None


def _is_one_word(name: str) -> bool:
    """Whether a name is read as it is from a list that commas divide."""
    return "," not in name and name == name.strip() != ""


def versions() -> str:
    """Return the versions of isthmus and of what it computes with."""
    found = [f"isthmus {__version__}", f"Python {platform.python_version()}"]
    for name, package in _PACKAGES.items():
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:  # pragma: no cover - a package without metadata
            continue
    return ", ".join(found)
