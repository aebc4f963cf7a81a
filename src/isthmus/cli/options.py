"""Arguments and options of the commands: shared ones, and one option for each declared parameter."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from typer import Argument, Option

from isthmus.core.errors import ModelFileError
from isthmus.core.parameters import Boolean, Kind, Parameter, parameters_of
from isthmus.estimators.method_parameters import ALL
from isthmus.estimators.neighbor_parameters import NeighborParameters
from isthmus.estimators.outlier_parameters import OutlierParameters

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

STANDARD = "-"  # stdin for rows, stdout for results

DATA_HELP = (
    "Rows: .npy, .npz, .safetensors, .csv, .parquet, .feather, .arrow, IDX, or a folder or zip of pictures; a quoted "
    "pattern of such files, or a URL (s3://, gs://); - reads CSV or another table from stdin."
)
_OUTPUT_HELP = "Output file: .parquet, .feather, .csv, .csv.gz, .npy, or a URL; - writes CSV to stdout."
Model = Annotated[str, Argument(metavar="MODEL", help="A model file written by fit.")]
Data = Annotated[str, Argument(metavar="DATA", help=DATA_HELP)]
Columns = Annotated[
    list[str] | None,
    Option(
        metavar="A,B",
        help="Columns of a table to read, in this order; may be repeated. A name with a comma is quoted as in CSV.",
        rich_help_panel="data",
    ),
]
Drop = Annotated[
    list[str] | None,
    Option(metavar="A,B", help="Columns of a table to ignore; may be repeated.", rich_help_panel="data"),
]
Keep = Annotated[
    list[str] | None,
    Option(
        "--keep",
        metavar="A,B",
        help="Columns of a table to copy to the output, before the result; may be repeated. Text is copied as it is.",
        rich_help_panel="data",
    ),
]
Key = Annotated[
    str | None,
    Option(metavar="NAME", help="Name of the array of a .npz or .safetensors file to read.", rich_help_panel="data"),
]
_Encoding = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Encoding of a text table, such as cp1252. [default: utf-8, or its BOM's]",
        rich_help_panel="data",
    ),
]
_Delimiter = Annotated[
    str | None,
    Option(
        metavar="CHAR", help="Delimiter of a text table, such as ';' or tab. [default: found]", rich_help_panel="data"
    ),
]
_Decimal = Annotated[
    str | None, Option(metavar="CHAR", help="Decimal mark of a text table, '.' or ','.", rich_help_panel="data")
]
_Header = Annotated[
    bool | None,
    Option(
        "--header/--no-header",
        help="Whether the first row of a text table has its names. [default: found]",
        rich_help_panel="data",
    ),
]
_MissingValues = Annotated[
    list[str] | None,
    Option(
        metavar="A,B",
        help="Spellings of missing cells in a text table, besides the empty cell and, among numbers, NA, NaN, null and "
        "the like; may be repeated.",
        rich_help_panel="data",
    ),
]
Quiet = Annotated[
    bool, Option("--quiet", "-q", help="Print only errors and requested results.", rich_help_panel="output")
]
Json = Annotated[bool, Option("--json", help="Print the result as one JSON object.", rich_help_panel="output")]
Force = Annotated[
    bool, Option("--force", help="Overwrite an existing output file; never one that is read.", rich_help_panel="output")
]
Output = Annotated[str, Option("--output", "-o", metavar="FILE", help=_OUTPUT_HELP, rich_help_panel="output")]


def names_of(texts: Sequence[str] | None, known: Callable[[], Sequence[str]] = tuple) -> list[str]:
    """Return the names in options, each a list divided by commas.

    A comma within a name is quoted as in CSV, or is found where `known` returns the names of the table.
    """
    names: list[str] = []
    for text in texts or ():
        if "," not in text:
            names += next(csv.reader([text]), [])
        elif text.lstrip().startswith('"') or ',"' in text:
            names += next(csv.reader([text], skipinitialspace=True))
        else:
            names += _joined(text.split(","), set(known()))
    return names


def _joined(pieces: list[str], known: set[str]) -> list[str]:
    """Return the pieces of a list divided at its commas, those joined again that make a known name."""
    names = []
    while pieces:
        sizes = (size for size in range(len(pieces), 0, -1) if ",".join(pieces[:size]) in known)
        size = next(sizes, 1)
        names.append(",".join(pieces[:size]))
        pieces = pieces[size:]
    return names


@dataclasses.dataclass(frozen=True)
class Reading:
    """The options that say which part of a file is read, and how."""

    columns: Columns = None
    drop: Drop = None
    key: Key = None
    encoding: _Encoding = None
    delimiter: _Delimiter = None
    decimal: _Decimal = None
    header: _Header = None
    missing_values: _MissingValues = None

    @property
    def layout(self) -> dict[str, Any]:
        """The options of text tables that are given, as `open_source` takes them."""
        given = {name: getattr(self, name) for name in ("encoding", "delimiter", "decimal", "header")}
        given["missing_values"] = names_of(self.missing_values) or None
        return {name: value for name, value in given.items() if value is not None}

    def names(self, texts: Sequence[str] | None, rows: Any) -> list[str]:
        """Return the names in options, each of which may list several columns of a table, a path or a source."""
        from isthmus.data.sources.opening import column_names

        return names_of(texts, lambda: column_names(getattr(rows, "path", rows), **self.layout))

    def without(self, names: Sequence[str | None]) -> Reading:
        """Return options that leave out columns which are named elsewhere, where they select columns at all."""
        if not (self.columns or self.drop):
            return self
        quoted = ['"' + name.replace('"', '""') + '"' for name in names if name is not None]
        return dataclasses.replace(self, drop=[*(self.drop or ()), *quoted])

    def selection(self, path: str) -> dict[str, Any]:
        """Return the options that are given, as `open_source` takes them."""
        columns, drop = self.names(self.columns, path), self.names(self.drop, path)
        given = {"columns": columns or None, "drop": drop or None, "key": self.key}
        return {name: value for name, value in given.items() if value is not None} | self.layout


_NOT_OF_TEXT = ("key",)
_HELP_OF_FILLING = {
    "columns": "Columns to learn from and to fill; the others are copied. May be repeated; a name with a comma is "
    "quoted as in CSV.",
    "drop": "Columns to ignore and copy, such as row numbers or names; may be repeated.",
}


def reads_text(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command that fills tables the options of `Reading`, in the words of filling."""
    return reads_rows(run, _NOT_OF_TEXT, _HELP_OF_FILLING)


def reads_rows(
    run: Callable[..., None], without: Sequence[str] = (), words: Mapping[str, str] | None = None
) -> Callable[..., None]:
    """Give a command the options of `Reading` in place of its argument ``reading``."""
    signature = inspect.signature(run, eval_str=True)
    hints = get_type_hints(Reading, include_extras=True)
    fields = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[field.name])
        for field in dataclasses.fields(Reading)
        if field.name not in without
    ]
    for i, field in enumerate(fields):
        if words and field.name in words:
            option = Option(metavar="A,B", help=words[field.name])
            fields[i] = field.replace(annotation=Annotated[list[str] | None, option])

    @functools.wraps(run)
    def command(**given: Any) -> None:
        reading = Reading(**{field.name: given.pop(field.name, None) for field in fields})
        run(reading=reading, **given)

    own = [one.replace(kind=_kept_kind(one)) for one in signature.parameters.values() if one.name != "reading"]
    place = next((i for i, one in enumerate(own) if one.default is not one.empty), len(own))
    place = min(place, next((i for i, one in enumerate(own) if one.kind is one.VAR_KEYWORD), place))
    command.__signature__ = signature.replace(parameters=[*own[:place], *fields, *own[place:]])  # type: ignore[attr-defined]
    return command


def _kept_kind(parameter: inspect.Parameter) -> Any:
    return parameter.kind if parameter.kind is parameter.VAR_KEYWORD else parameter.KEYWORD_ONLY


@contextlib.contextmanager
def rows_of(data: str, reading: Reading) -> Iterator[Any]:
    """Yield what the library reads: a path, one with its layout, or a source if options select a part of it."""
    from isthmus.data.sources import TextPath, open_source

    with local_file(data) as path:
        options = reading.selection(path)
        if options and options == reading.layout:
            yield TextPath(path, **options)
        else:
            yield open_source(path, kinds={}, **options) if options else path


def local_file(data: str) -> contextlib.AbstractContextManager[str]:
    """Return a context of the path of a file that can be read several times: a copy of stdin or of a named pipe."""
    from isthmus.data.sources.streams import copied_stream, is_read_once

    return copied_stream(data) if is_read_once(data) else contextlib.nullcontext(data)


_OTHER_MODELS = {
    "AutoencoderImputer": "pass it to isthmus impute --model",
    "AutoencoderOutlierDetector": "pass it to isthmus outliers --model",
    "PatchAutoencoder": "pass it to isthmus denoise --model",
    "PictureDenoiser": "pass it to isthmus denoise --model",
}


def load_of(model: str, name: str, what: str, command: str) -> Any:
    """Load a model file of one class, for a command whose --save writes such files.

    Parameters
    ----------
    model : str
        The file.
    name : str
        The class, as `isthmus` has it.
    what : str
        What a model of another class is not, for the message.
    command : str
        The command.
    """
    import isthmus

    loaded = isthmus.load(model)
    if not isinstance(loaded, getattr(isthmus, name)):
        kind = type(loaded).__name__
        raise ModelFileError(
            f"{model} has a model of class {kind}, which {what}; pass a file that {command} --save wrote"
        )
    return loaded


def load_model(model: str) -> Autoencoder:
    """Load a model file as the estimator that it names; refuse one that is no autoencoder of rows."""
    import isthmus

    loaded = isthmus.load(model)
    if not isinstance(loaded, isthmus.Autoencoder | isthmus.NeighborAutoencoder):
        kind = type(loaded).__name__
        remedy = _OTHER_MODELS.get(kind, "use it in Python, with isthmus.load")
        raise ModelFileError(f"{model} has a model of class {kind}, which is not an autoencoder of rows; {remedy}")
    autoencoder: Autoencoder = loaded
    return autoencoder


def refuse_output_over_model(model: str | None, output: str) -> None:
    """Raise ExistingFileError if an output is the model file, through whatever link; --force does not replace it."""
    from isthmus.core.files import check_overwriting

    if model is not None and "://" not in output:
        check_overwriting(output, overwrite=True, reads=[model])


def option_for(parameter: Parameter) -> inspect.Parameter:
    """Return the command line's option for a parameter: None means not given, and its help shows the default."""
    option, view = parameter.option, parameter.as_option()
    switch = _is_switch(parameter)
    values = "" if switch else f" ({view.words})"
    text = _shell_help(parameter)
    made = Option(
        f"--{option}/--no-{option}" if switch else f"--{option}",
        help=f"{text[0].upper()}{text[1:]}{values}. [default: {_default_text(parameter)}]",
        metavar=None if switch else "|".join(map(_metavar, view.kinds)),
        autocompletion=(lambda: [*parameter.names, *_yes_or_no(parameter)]) if parameter.names else None,
        show_default=False,
        rich_help_panel=parameter.panel or None,
    )
    kind: Any = bool | None if switch else str | None
    annotation = Annotated[kind, made]
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def value_of(parameter: Parameter, given: str | bool, prefix: str = "--") -> Any:
    """Return the value that an option's text stands for, or raise InvalidParameterError naming the option.

    Parameters
    ----------
    parameter : Parameter
        The declaration.
    given : str or bool
        The text, or the value of a switch.
    prefix : str
        What the option's name begins with in a message.
    """
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
    parameter.as_option(prefix).check(value)
    return value


def values_of(declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that are given; those of a file of options are values already."""
    return {
        name: value_of(declared[name], value) if isinstance(value, str | bool) else value
        for name, value in given.items()
        if value is not None
    }


def _metavar(kind: Kind) -> str:
    """Return what stands for a value in the help: the only name that there is, or the kind's word."""
    return kind.names[0] if len(kind.names) == 1 else kind.metavar or "yes|no"


def _shell_help(parameter: Parameter) -> str:
    """Return what a parameter does in words of the command line: options in place of names of parameters."""
    text = parameter.help
    for word, plain in {"None": "none", "True": "yes", "False": "no"}.items():
        text = re.sub(rf"\b{word}\b", plain, text)

    def option(match: re.Match[str]) -> str:
        ticks, name = match[1], match[2]
        if name in _OPTIONS and ("_" in name or ticks):
            return f"--{_OPTIONS[name]}"
        return name

    return re.sub(r"(`?)\b([A-Za-z_]+)\b`?", option, text)


def _is_switch(parameter: Parameter) -> bool:
    """Whether ``--x`` and ``--no-x`` stand for every value: true, false and, where it is not given, the default."""
    return _is_boolean(parameter) and set(parameter.names) <= {parameter.default}


def _is_boolean(parameter: Parameter) -> bool:
    return any(isinstance(kind, Boolean) for kind in parameter.kinds)


def _yes_or_no(parameter: Parameter) -> tuple[str, ...]:
    return ("yes", "no") if _is_boolean(parameter) and not _is_switch(parameter) else ()


def _default_text(parameter: Parameter) -> str:
    default = parameter.default
    if parameter.name in _DEFAULT_TEXTS:
        return _DEFAULT_TEXTS[parameter.name]
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default).replace("None", "none")


def with_parameters_of(declared: Mapping[str, Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator that replaces ``**given`` with options for these parameters."""

    def decorated(run: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(run, eval_str=True)
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        made = [option_for(parameter) for parameter in declared.values() if parameter.as_option().kinds]
        run.__signature__ = signature.replace(parameters=own + made)  # type: ignore[attr-defined]
        return run

    return decorated


# The names of options by those of parameters.
_OPTIONS = {
    name: one.option
    for cls in (OutlierParameters, NeighborParameters)
    for name, one in {**ALL, **parameters_of(cls)}.items()
}
# The defaults that depend on other options.
_DEFAULT_TEXTS = {"verbose": "1, or 0 with --quiet or --json", "channels": "32,64 with --image-shape"}
