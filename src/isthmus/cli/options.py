"""Options of the command line, made from the table of parameters: their help, and their text as values."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from isthmus.core.parameters import PARAMETERS, Kind, Parameter


def option_for(parameter: Parameter) -> inspect.Parameter:
    """Return the command line's option for a parameter: None stands for not given, and its help tells the default."""
    flag, view = parameter.flag, _on_command_line(parameter)
    boolean = _is_switch(parameter)
    words = view.legal.replace("None", "none").replace("True", "'yes'").replace("False", "'no'")
    legal = "" if boolean else f" ({words})"
    option = typer.Option(
        f"--{flag}/--no-{flag}" if boolean else f"--{flag}",
        help=f"{view.help[0].upper()}{view.help[1:]}{legal}. [default: {_default_text(parameter)}]",
        metavar=None if boolean else "|".join(_METAVARS[kind] for kind in view.kinds if kind in _METAVARS),
        autocompletion=(lambda: [*parameter.choices, *_yes_or_no(parameter)]) if parameter.choices else None,
        show_default=False,
    )
    kind: Any = bool | None if boolean else str | None
    annotation = Annotated[kind, option]
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def value_of(parameter: Parameter, given: str | bool) -> Any:
    """Return the value that an option's text stands for, or raise InvalidParameterError naming the option."""
    value: Any = given
    if isinstance(given, str):
        if parameter.optional and given.lower() == "none":
            return None
        if given.lower() in _yes_or_no(parameter):
            return given.lower() == "yes"
        for kind in reversed(parameter.kinds):
            with contextlib.suppress(ValueError):
                value = _READERS.get(kind, str)(given)
    _on_command_line(parameter).check(value)
    return value


def _is_switch(parameter: Parameter) -> bool:
    """Whether ``--x`` and ``--no-x`` say all it may be: true, false and, where it is not given, the default."""
    return "boolean" in parameter.kinds and set(parameter.choices) <= {parameter.default}


def _yes_or_no(parameter: Parameter) -> tuple[str, ...]:
    return ("yes", "no") if "boolean" in parameter.kinds and not _is_switch(parameter) else ()


def _on_command_line(parameter: Parameter) -> Parameter:
    kinds = tuple(kind for kind in parameter.kinds if kind != "object")
    return dataclasses.replace(parameter, name=f"--{parameter.flag}", kinds=kinds)


def _default_text(parameter: Parameter) -> str:
    default = parameter.default
    if parameter.name in _DEFAULT_TEXTS:
        return _DEFAULT_TEXTS[parameter.name]
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default).replace("None", "none")


def with_parameters(run: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's ``**given`` with an option for each parameter that can be written as text."""
    signature = inspect.signature(run, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    table = [option_for(parameter) for parameter in PARAMETERS.values() if set(parameter.kinds) != {"object"}]
    run.__signature__ = signature.replace(parameters=own + table)  # type: ignore[attr-defined]
    return run


_METAVARS: dict[Kind, str] = {
    "integer": "INTEGER",
    "number": "NUMBER",
    "name": "NAME",
    "text": "TEXT",
    "sizes": "N,N,...",
    "weights": "X,X,...",
}
_READERS: dict[Kind, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "sizes": lambda text: tuple(map(int, text.split(","))) if text.strip() else (),
    "weights": lambda text: tuple(map(float, text.split(","))),
}
_DEFAULT_TEXTS = {"verbose": "1, or 0 with --quiet or --json"}
