"""``isthmus inspect --as-config``: the options that repeat a fit, as a TOML file that ``fit --config`` reads."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.cli.config import METHODS
from isthmus.core.parameters import Parameter, parameters_of
from isthmus.core.version import __version__
from isthmus.corruption import CORRUPTIONS

_LONGEST = 1000  # items of a list
# These change what is printed, or where a fit starts, and not what is learned from given rows.
_LEFT_OUT = ("verbose", "display_step", "warm_start")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class UnwritableValueError(ValueError):
    """A value that no TOML stands for."""


def as_config(model: Any) -> tuple[str, list[str]]:
    """Return the TOML of the parameters that differ from their defaults, and what it cannot say.

    Parameters
    ----------
    model : estimator
        One that ``isthmus fit`` trains, fitted or not. Of a fitted one the seed is that of the fit, also where
        ``random_state`` is None.

    Returns
    -------
    text : str
        The file, which names what it leaves out in comments.
    doubts : list of str
        A line for each reason why the file does not repeat the fit.
    """
    name = type(model).__name__
    plain, doubts = [f'estimator = "{name}"'], []
    tables: list[str] = []
    for parameter in parameters_of(type(model)).values():
        value = _value_of(model, parameter)
        if parameter.name in _LEFT_OUT or _same(value, parameter.default):
            continue
        try:
            text = _entry(parameter.option, value)
        except UnwritableValueError as reason:
            doubts.append(f"{parameter.option} cannot be written: {reason}; give {parameter.name}= in Python")
            continue
        (tables if text.startswith("[") else plain).append(text)
    if _value_of(model, parameters_of(type(model))["random_state"]) is None:
        doubts.append("the seed is not known: the model is not fitted, and random_state is no integer")
    if getattr(model, "warm_start", False):
        doubts.append("warm-start is left out: a fit that began with the weights of another is not repeated")
    head = [f"# isthmus {__version__}: isthmus fit DATA -o MODEL --config FILE", *_columns(model)]
    lines = [*head, *(f"# {doubt}" for doubt in doubts), "", *plain]
    return "\n".join(lines + [f"\n{table}" for table in tables]) + "\n", doubts


def _value_of(model: Any, parameter: Parameter) -> Any:
    value = getattr(model, parameter.name)
    if parameter.name == "random_state" and (value is None or hasattr(value, "randint")):
        return getattr(model, "seed_", None)
    return value


def _columns(model: Any) -> list[str]:
    """Return a comment with the columns of the table that a model was fitted on, to be used where others have more."""
    names = getattr(model, "feature_names_in_", None)
    if names is None or len(names) > _LONGEST:
        return []
    try:
        return [f"# columns = {_value([str(name) for name in names])}"]
    except UnwritableValueError:
        return []


def _entry(option: str, value: Any) -> str:
    """Return the line or the table of an option."""
    for names in METHODS.values():
        if dataclasses.is_dataclass(value) and hasattr(value, "get_params"):
            method = next((name for name in names if type(value) is names[name]), None)
            if method is not None:
                return f"[{option}]\n{_method(method, value)}"
    parts = getattr(value, "parts", None)
    if parts is not None and value == type(value)(parts):
        named = [next((name for name in CORRUPTIONS if type(part) is CORRUPTIONS[name]), None) for part in parts]
        if None not in named:
            return "\n\n".join(
                f"[[{option}]]\n{_method(str(name), part)}" for name, part in zip(named, parts, strict=True)
            )
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise UnwritableValueError("the names of its columns are not text")
        rows = [f"{_key(name)} = {_value(weight)}" for name, weight in value.items()]
        return "\n".join([f"[{option}]", *rows])
    return f"{option} = {_value(value)}"


def _method(name: str, method: Any) -> str:
    """Return the lines of a method's settings that differ from their defaults."""
    defaults = {field.name: field.default for field in dataclasses.fields(method)}
    rows = [
        f"{setting} = {_value(value)}"
        for setting, value in method.get_params().items()
        if not _same(value, defaults[setting])
    ]
    return "\n".join([f'name = "{name}"', *rows])


def _same(value: Any, default: Any) -> bool:
    """Whether two values are equal and of one sort; an array and a tuple of the same numbers are."""
    if isinstance(value, bool) or isinstance(default, bool):
        return value is default
    if isinstance(value, list | tuple | np.ndarray) and isinstance(default, tuple):
        return tuple(value) == default
    if value is None or default is None:
        return value is default
    try:
        return bool(value == default)
    except (TypeError, ValueError):
        return False


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """Return a value in TOML's words; "none" stands for None, which TOML does not have."""
    if value is None:
        return '"none"'
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, str):
        if any(0xD800 <= ord(letter) < 0xE000 for letter in value):
            raise UnwritableValueError("it has text that is not Unicode")
        # TOML has the escapes of JSON, and allows no control character besides.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if callable(value) or not hasattr(value, "__len__"):
        raise UnwritableValueError(f"it is an object of Python, {type(value).__name__}")
    items = list(value)
    if len(items) > _LONGEST:
        raise UnwritableValueError(f"it has {len(items):,} items")
    return f"[{', '.join(map(_value, items))}]"
