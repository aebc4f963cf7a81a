"""``--config FILE``: options of a command from a TOML file; the command line has precedence."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer import Option
from typer.models import OptionInfo

from isthmus.cli.options import value_of
from isthmus.core.errors import InvalidParameterError, suggest
from isthmus.core.files import check_overwriting, described
from isthmus.core.parameters import Name, NamedWeights, Parameter
from isthmus.corruption import CORRUPTIONS
from isthmus.estimators.method_parameters import ALL
from isthmus.losses import LIKELIHOODS
from isthmus.sparsity import SPARSITIES

_HELP = "TOML file of options, such as epochs = 50; the command line has precedence. [see: isthmus inspect --as-config]"
_Config = Annotated[str | None, Option("--config", metavar="FILE", help=_HELP)]

# Methods that are objects with settings, a table of a file each.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "sparsity": SPARSITIES,
    "corruption": CORRUPTIONS,
    "likelihood": LIKELIHOODS,
}
_WRITTEN = ("output", "csv_log")  # options of files, of which none may be the file of options
# Options of a file that are replaced by others on the command line that decide the same thing.
_YIELDS = {
    "verbose": ("quiet", "as_json", "epochs_as_lines"),
    "estimator": ("as_map", "variational"),
    "as_map": ("estimator", "variational"),
    "variational": ("estimator", "as_map"),
    "quiet": ("verbose", "epochs_as_lines"),
    "epochs_as_lines": ("quiet", "as_json", "verbose"),
}


def reads_config(declared: Mapping[str, Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator that gives a command the option --config.

    Parameters
    ----------
    declared : mapping of str to Parameter
        The options of the command that stand for parameters, by the parameter's name.
    """

    def decorated(run: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(run, eval_str=True)
        known = options_of(signature, declared)

        @functools.wraps(run)
        def command(ctx: typer.Context, config: str | None = None, **given: Any) -> None:
            if config is not None:
                typed = {name for name in given if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
                given = _merged(given, typed, read_config(config, known))
                for name in _WRITTEN:
                    if given.get(name):
                        check_overwriting(given[name], overwrite=True, reads=[config])
            run(**given)

        own = list(signature.parameters.values())
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        made = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Config)
        place = next((i for i, one in enumerate(own) if one.default is not one.empty), len(own))
        command.__signature__ = signature.replace(parameters=[context, *own[:place], made, *own[place:]])  # type: ignore[attr-defined]
        return command

    return decorated


@dataclasses.dataclass(frozen=True)
class _Known:
    """An option that a file may give: its name in the command's signature, and what a value must be."""

    name: str
    declared: Parameter | None = None
    hint: Any = str

    def read(self, key: str, value: Any) -> Any:
        """Return a file's value as the command takes it; InvalidParameterError where it cannot be one."""
        if self.declared is not None:
            return _parameter_value(dataclasses.replace(self.declared, option=key), value)
        kinds = {bool: "true or false", float: "a number", int: "an integer", str: "text in quotes"}
        many = get_origin(self.hint) is list
        if many and isinstance(value, str | list) and all(isinstance(item, str) for item in value):
            # A name of a list has its commas; a text is divided at them, as on the command line.
            return [value] if isinstance(value, str) else ['"' + item.replace('"', '""') + '"' for item in value]
        if self.hint is str and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if self.hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not many and type(value) is self.hint:
            return value
        words = 'a list such as ["a", "b"]' if many else kinds[self.hint]
        raise InvalidParameterError(f"{key}={_shown(value)} must be {words}")


def options_of(signature: inspect.Signature, declared: Mapping[str, Parameter]) -> dict[str, _Known]:
    """Return the options of a command by their names on the command line, without dashes."""
    known = {}
    for one in signature.parameters.values():
        if one.name in declared:
            known[declared[one.name].option] = _Known(one.name, declared[one.name])
            continue
        hint, *about = get_args(one.annotation)
        info = next((found for found in about if isinstance(found, OptionInfo)), None)
        if info is None:
            continue
        names = [info.default, *(info.param_decls or ())]
        texts = [name for name in names if isinstance(name, str) and name.startswith("--")]
        option = texts[0].partition("/")[0] if texts else one.name
        hints = [part for part in get_args(hint) if part is not type(None)]
        known[option.lstrip("-").replace("_", "-")] = _Known(one.name, hint=hints[0] if hints else hint)
        if get_origin(hint) is list:
            known[option.lstrip("-").replace("_", "-")] = _Known(one.name, hint=hint)
    return known


def read_config(path: str, known: Mapping[str, _Known]) -> dict[str, Any]:
    """Return what a file gives, by the name in the command's signature.

    Raises
    ------
    InvalidParameterError
        With one line: the file, the line where it is known, the key and the remedy.
    """
    text = _text_of(path)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid_toml(path, text, error) from error
    found: dict[str, Any] = {}
    for key, value in content.items():
        with _place_in(path, text, key):
            option = key.replace("_", "-")
            if option not in known:
                raise InvalidParameterError(_unknown(key, value, known))
            one = known[option]
            if one.name in found:
                raise InvalidParameterError(f"{key} is given twice, with a dash and with an underscore; remove one")
            found[one.name] = one.read(option, value)
    return found


def _text_of(path: str) -> str:
    if not path:
        raise InvalidParameterError("--config='' is no path of a file; give that of a TOML file")
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidParameterError(f"{path} is not UTF-8 text; --config takes a TOML file") from error
    except ValueError as error:  # a null character in the name
        raise InvalidParameterError(f"--config={path!r} is no path of a file") from error
    except OSError as error:
        raise InvalidParameterError(f"cannot read {path}: {described(error, reading=True)}") from error


def _invalid_toml(path: str, text: str, error: Exception) -> InvalidParameterError:
    """Return the error of a file that is no TOML, the line first."""
    if isinstance(error, RecursionError):
        return InvalidParameterError(f"{path}: lists are nested too deeply")
    what, _, place = str(error).partition(" (at ")
    line = re.match(r"line (\d+)", place)
    number = line[1] if line else len(text.splitlines()) if place.startswith("end") else None
    where = path if number is None else f"{path}, line {number}"
    hints = {"Invalid value": "; put text in quotes", "Unescaped": "; put paths in single quotes"}
    hint = next((text for start, text in hints.items() if what.startswith(start)), "")
    return InvalidParameterError(f"{where}: not TOML: {what}{hint}")


@contextlib.contextmanager
def _place_in(path: str, text: str, key: str) -> Iterator[None]:
    """Name the file and the line of a key in the error of its value."""
    try:
        yield
    except InvalidParameterError as error:
        quoted = rf"[\"']?{re.escape(key)}[\"']?"
        lines = [
            number
            for number, line in enumerate(text.splitlines(), 1)
            if re.match(rf"\s*(?:{quoted}\s*[=.]|\[\[?\s*{quoted}\s*[.\]])", line)
        ]
        where = f"{path}, line {lines[0]}" if lines else path
        raise InvalidParameterError(f"{where}: {error}") from error


def _unknown(key: str, value: Any, known: Mapping[str, _Known]) -> str:
    """Return the message for a key that is no option."""
    if isinstance(value, dict):
        inside = next(iter(value), "epochs")
        return f"there is no option {key!r} with a table; write options above all tables: {inside} = ..."
    option = key.replace("_", "-")
    if option == "data":
        return "the rows are given on the command line, as DATA"
    if option == "config":
        return "a file cannot name another one; copy its options"
    for name, one in known.items():
        if one.name.replace("_", "-") == option:
            return f"there is no option {key!r}; in a file as on the command line it is {name!r}"
    plain = option.removeprefix("no-")
    if plain != option and plain in known:
        return f"there is no option {key!r}; write {plain} = false"
    return f"there is no option {key!r}{suggest(option, known)}"


def _parameter_value(declared: Parameter, value: Any) -> Any:
    """Return a parameter's value: numbers and text as on the command line, lists, and tables of settings."""
    method = _method_of(declared)
    if method is not None and isinstance(value, dict | list):
        # A name in a list of corruptions stands for a table with that name.
        tables = value if isinstance(value, list) else [value]
        named = [{"name": table} if isinstance(table, str) else table for table in tables]
        if named and all(isinstance(table, dict) for table in named):
            return _method(method, named, several=isinstance(value, list))
    if isinstance(value, dict) and not any(isinstance(kind, NamedWeights) for kind in declared.kinds):
        raise InvalidParameterError(f"{declared.option} takes one value, not a table; write {declared.option} = ...")
    if isinstance(value, str | int | float):
        text = value if isinstance(value, str | bool) else str(value)
        read = value_of(declared, text, prefix="")
        return "none" if read is None else read  # None is an option that is not given
    declared.as_option("").check(_tuples(value))
    return _tuples(value)


def _method_of(declared: Parameter) -> str | None:
    """Return which of `METHODS` a parameter's values are, or None."""
    tables = [kind.table for kind in declared.kinds if isinstance(kind, Name)]
    for name, known in METHODS.items():
        if any(table is known for table in tables):  # comparing tables would import all their rows
            return name
    return None


def _method(name: str, tables: list[dict[str, Any]], *, several: bool) -> Any:
    """Return a method with its settings; a list of tables is a chain of corruptions."""
    if not several:
        return _one_method(name, tables[0])
    if name != "corruption":
        raise InvalidParameterError(f"{name} is one method; write [{name}] with single brackets and name = ...")
    from isthmus.corruption import Chain

    return Chain(tuple(_one_method(name, table) for table in tables))


def _one_method(name: str, table: dict[str, Any]) -> Any:
    known = METHODS[name]
    given = dict(table)
    if not isinstance(given.get("name"), str):
        raise InvalidParameterError(f"[{name}] needs the name of the method, such as name = {next(iter(known))!r}")
    kind = known[given.pop("name")]
    settings = {key.replace("-", "_"): None if value == "none" else _tuples(value) for key, value in given.items()}
    names = [field.name for field in dataclasses.fields(kind)]
    for key in settings:
        if key not in names:
            listed = f"it has {', '.join(names)}"
            raise InvalidParameterError(f"[{name}] has no setting {key!r}{suggest(key, names) or '; ' + listed}")
    try:
        return kind(**settings)
    except InvalidParameterError as error:
        raise InvalidParameterError(f"[{name}] {error}") from error
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"[{name}] has a setting of a wrong type: {error}") from error


def _merged(given: dict[str, Any], typed: set[str], found: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the command line and, where it does not give them, those of the file."""
    for name, others in _YIELDS.items():
        if typed & set(others):
            found.pop(name, None)
    merged = {**given, **{name: value for name, value in found.items() if name not in typed}}
    for method in ("sparsity", "corruption"):
        if hasattr(merged.get(method), "replaced"):
            _put_into(merged, method)
    return merged


def _put_into(merged: dict[str, Any], method: str) -> None:
    """Make flat options settings of the method's object, which takes none besides."""
    from isthmus.estimators.fit.plan import CORRUPTION_SETTINGS, SPARSITY_SETTINGS

    settings = merged[method]
    for name, own in (SPARSITY_SETTINGS if method == "sparsity" else CORRUPTION_SETTINGS).items():
        own = settings.main if own == "level" else own
        if merged.get(name) is not None and own in settings.get_params():
            value = merged.pop(name)
            settings = settings.replaced(
                **{own: value_of(ALL[name], value) if isinstance(value, str | bool) else value}
            )
    merged[method] = settings


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _shown(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else " ".join(repr(value).split())
