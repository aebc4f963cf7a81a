"""Arguments and options of the commands: shared ones, and one option for each declared parameter."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from isthmus.core.errors import IsthmusError
from isthmus.core.parameters import Boolean, Parameter
from isthmus.estimators.parameters import ALL

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

STANDARD = "-"  # stdin for rows, stdout for results

DATA_HELP = (
    "Rows: .npy, .npz, .csv, .parquet, .feather, IDX, or a folder or zip of pictures; a quoted pattern of such "
    "files, or a URL (s3://, gs://); - reads CSV from stdin."
)
_OUTPUT_HELP = "Output file: .parquet, .feather, .csv, .csv.gz, .npy, or a URL; - writes CSV to stdout."
Model = Annotated[str, Argument(metavar="MODEL", help="A model file written by fit.")]
Data = Annotated[str, Argument(metavar="DATA", help=DATA_HELP)]
Columns = Annotated[str | None, Option(metavar="A,B", help="Columns of a table to read, in this order.")]
Drop = Annotated[str | None, Option(metavar="A,B", help="Columns of a table to ignore.")]
Key = Annotated[str | None, Option(metavar="NAME", help="Name of the array of a .npz archive to read.")]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Print only errors and requested results.")]
Json = Annotated[bool, Option("--json", help="Print the result as one JSON object.")]
Force = Annotated[bool, Option("--force", help="Overwrite an existing output file; never one that is read.")]
Output = Annotated[str, Option("--output", "-o", metavar="FILE", help=_OUTPUT_HELP)]


def names_of(text: str | None) -> list[str]:
    """Return the names in a comma-separated list."""
    return text.split(",") if text else []


@contextlib.contextmanager
def rows_of(data: str, columns: str | None = None, drop: str | None = None, key: str | None = None) -> Iterator[Any]:
    """Yield what the library reads: a path, or a source if options select a part of it."""
    from isthmus.data.sources import open_source

    options: dict[str, Any] = {"columns": names_of(columns) or None, "drop": names_of(drop) or None, "key": key}
    with _standard_input() if data == STANDARD else contextlib.nullcontext(data) as path:
        yield open_source(path, **options) if any(options.values()) else path


@contextlib.contextmanager
def _standard_input() -> Iterator[str]:
    """Yield the path of a temporary CSV copy of stdin: training reads its rows many times."""
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        path = str(Path(folder, "stdin.csv"))
        with Path(path).open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield path
        except IsthmusError as error:
            raise type(error)(str(error).replace(path, "stdin")) from error


def load_model(model: str) -> Autoencoder:
    """Load a model file as the estimator that it names."""
    import isthmus

    return isthmus.load(model)  # type: ignore[no-any-return]


def option_for(parameter: Parameter) -> inspect.Parameter:
    """Return the command line's option for a parameter: None means not given, and its help shows the default."""
    option, view = parameter.option, _on_command_line(parameter)
    switch = _is_switch(parameter)
    words = view.words.replace("None", "none").replace("True or False", "'yes' or 'no'")
    values = "" if switch else f" ({words})"
    made = Option(
        f"--{option}/--no-{option}" if switch else f"--{option}",
        help=f"{view.help[0].upper()}{view.help[1:]}{values}. [default: {_default_text(parameter)}]",
        metavar=None if switch else "|".join(kind.metavar for kind in view.kinds if kind.metavar),
        autocompletion=(lambda: [*parameter.names, *_yes_or_no(parameter)]) if parameter.names else None,
        show_default=False,
    )
    kind: Any = bool | None if switch else str | None
    annotation = Annotated[kind, made]
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
                read = kind.read(given)
                value = read if not isinstance(read, str) else value
    _on_command_line(parameter).check(value)
    return value


def _is_switch(parameter: Parameter) -> bool:
    """Whether ``--x`` and ``--no-x`` stand for every value: true, false and, where it is not given, the default."""
    return _is_boolean(parameter) and set(parameter.names) <= {parameter.default}


def _is_boolean(parameter: Parameter) -> bool:
    return any(isinstance(kind, Boolean) for kind in parameter.kinds)


def _yes_or_no(parameter: Parameter) -> tuple[str, ...]:
    return ("yes", "no") if _is_boolean(parameter) and not _is_switch(parameter) else ()


def _on_command_line(parameter: Parameter) -> Parameter:
    """Return a parameter under its option's name, without the forms that no text stands for."""
    kinds = tuple(kind for kind in parameter.kinds if kind.metavar or isinstance(kind, Boolean))
    return dataclasses.replace(parameter, name=f"--{parameter.option}", kinds=kinds)


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
    options = [option_for(parameter) for parameter in ALL.values() if _on_command_line(parameter).kinds]
    run.__signature__ = signature.replace(parameters=own + options)  # type: ignore[attr-defined]
    return run


# The defaults that depend on other options.
_DEFAULT_TEXTS = {"verbose": "1, or 0 with --quiet or --json", "channels": "32,64 with --image-shape"}
