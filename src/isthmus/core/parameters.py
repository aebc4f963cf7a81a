"""Parameters of estimators: each is declared once, with its name, default, range and help.

The constructor's signature, the validation, the class's documentation and the command line's option all come from that
declaration. Neither JAX nor scikit-learn is imported here, so that ``isthmus --help`` is quick.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar, dataclass_transform

from isthmus.core.errors import InvalidParameterError, suggest

_METADATA = "parameter"
C = TypeVar("C", bound=type)


class Kind:
    """One form that a value may take: how to recognise it, describe it and read it from text."""

    metavar: str | None = None  # on the command line; None where no text stands for such a value

    @property
    def words(self) -> str:
        """The form in words: "an integer >= 1"."""
        raise NotImplementedError

    @property
    def shell_words(self) -> str:
        """The form in words of a command line, which has texts only."""
        return self.words

    def accepts(self, value: object) -> bool:
        """Whether a value has this form."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """Return the value that a text stands for; ValueError where it stands for none."""
        return text

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a text may be, where there are any."""
        return ()


@dataclass(frozen=True)
class Integer(Kind):
    """An integer from `low` to `high`."""

    low: float = -math.inf
    high: float = math.inf
    metavar = "N"

    @property
    def words(self) -> str:  # noqa: D102
        return " ".join(["an integer", *_range(self.low, self.high)])

    def accepts(self, value: object) -> bool:  # noqa: D102
        return isinstance(value, Integral) and not isinstance(value, bool) and self.low <= int(value) <= self.high

    def read(self, text: str) -> int:  # noqa: D102
        return int(text)


@dataclass(frozen=True)
class Number(Kind):
    """A finite number between `low` and `high`, or strictly between `above` and `below`."""

    low: float = -math.inf
    high: float = math.inf
    above: float | None = None
    below: float | None = None
    metavar = "X"

    @property
    def words(self) -> str:  # noqa: D102
        return " ".join(["a number", *_range(self.low, self.high, self.above, self.below)])

    def accepts(self, value: object) -> bool:  # noqa: D102
        if not isinstance(value, Real) or isinstance(value, bool):
            return False
        try:
            number = float(value)
        except OverflowError:
            return False
        return (
            math.isfinite(number)
            and self.low <= number <= self.high
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def read(self, text: str) -> float:  # noqa: D102
        return float(text)


@dataclass(frozen=True)
class Pair(Kind):
    """Two numbers (low, high), the first at most the second, each of which `number` accepts."""

    number: Number

    @property
    def words(self) -> str:  # noqa: D102
        return f"a pair (low, high), each {self.number.words}"

    def accepts(self, value: object) -> bool:  # noqa: D102
        pair = _listed(value)
        return pair is not None and len(pair) == 2 and all(map(self.number.accepts, pair)) and pair[0] <= pair[1]


class Boolean(Kind):
    """True or False."""

    words = "True or False"
    shell_words = "yes or no"

    def accepts(self, value: object) -> bool:  # noqa: D102
        return isinstance(value, bool) or type(value).__name__ == "bool"  # numpy's own, without importing it


class Name(Kind):
    """A name: one of a table's, read when it is needed so that rows added later count, or one of `others`.

    Parameters
    ----------
    table : iterable of str
        A `Registry`, or a tuple of names.
    *others : str
        Further names, listed first.
    """

    metavar = "NAME"

    def __init__(self, table: Iterable[str] = (), *others: str) -> None:
        self.table = table
        self.others = others

    @property
    def names(self) -> tuple[str, ...]:  # noqa: D102
        return (*self.others, *self.table)

    @property
    def words(self) -> str:  # noqa: D102
        names = ", ".join(map(repr, self.names))
        return f"one of {names}" if len(self.names) > 1 else names

    @property
    def shell_words(self) -> str:  # noqa: D102
        return f"one of {', '.join(self.names)}" if len(self.names) > 1 else ", ".join(self.names)

    def accepts(self, value: object) -> bool:  # noqa: D102
        return isinstance(value, str) and value in self.names


class Text(Kind):
    """A text that is not empty."""

    metavar = "TEXT"
    words = "a non-empty string"
    shell_words = "a text that is not empty"

    def accepts(self, value: object) -> bool:  # noqa: D102
        return isinstance(value, str) and value != ""


class Sizes(Kind):
    """A sequence of integers >= 1."""

    metavar = "N,N,..."
    words = "a tuple of integers >= 1"
    shell_words = "integers >= 1 divided by commas"

    def accepts(self, value: object) -> bool:  # noqa: D102
        sizes = _listed(value)
        return sizes is not None and all(map(Integer(1).accepts, sizes))

    def read(self, text: str) -> tuple[int, ...]:  # noqa: D102
        return tuple(map(int, text.split(","))) if text.strip() else ()


class Weights(Kind):
    """A sequence of finite numbers >= 0, not all of them 0."""

    metavar = "X,X,..."
    words = "a sequence of numbers >= 0, not all of them 0"
    shell_words = "numbers >= 0 divided by commas, not all of them 0"

    def accepts(self, value: object) -> bool:  # noqa: D102
        weights = _listed(value)
        return weights is not None and all(map(Number(0).accepts, weights)) and any(weight > 0 for weight in weights)

    def read(self, text: str) -> tuple[float, ...]:  # noqa: D102
        return tuple(map(float, text.split(",")))


class NamedWeights(Kind):
    """A mapping of names of columns to finite numbers >= 0."""

    metavar = "NAME=X,..."
    words = "a mapping of the names of columns to numbers >= 0"
    shell_words = "names of columns with numbers >= 0"

    def accepts(self, value: object) -> bool:  # noqa: D102
        return isinstance(value, Mapping) and bool(value) and all(map(Number(0).accepts, value.values()))

    def read(self, text: str) -> dict[str, float]:  # noqa: D102
        pairs = [part.rpartition("=") for part in text.split(",")]
        if not all(name for name, _, _ in pairs):
            raise ValueError(text)
        return {name.strip(): float(weight) for name, _, weight in pairs}


class Instance(Kind):
    """An object that only Python can give.

    Parameters
    ----------
    words : str
        What it is.
    test : callable
        A value to whether it is one.
    """

    words = ""

    def __init__(self, words: str, test: Callable[[Any], bool]) -> None:
        self.words = words
        self.test = test

    def accepts(self, value: object) -> bool:  # noqa: D102
        return self.test(value)


def has_attributes(*methods: str) -> Callable[[object], bool]:
    """Return the test whether a value is an object, not a class, that has these methods."""
    return lambda value: not isinstance(value, type) and all(hasattr(value, method) for method in methods)


def _listed(value: object) -> list[Any] | None:
    """Return the items of a sequence or an array; None for text and for what has no order or can be read only once."""
    if isinstance(value, str | bytes | bytearray | Mapping) or not hasattr(value, "__getitem__"):
        return None
    try:
        return list(value)  # type: ignore[call-overload,no-any-return]
    except TypeError:  # an array without dimensions, a class
        return None


def _range(low: float, high: float, above: float | None = None, below: float | None = None) -> list[str]:
    ends = [f"> {above:g}"] if above is not None else [f">= {low:.10g}"] if math.isfinite(low) else []
    ends += [f"< {below:g}"] if below is not None else [f"<= {high:.10g}"] if math.isfinite(high) else []
    return [" and ".join(ends)] if ends else []


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Parameters
    ----------
    name : str
        The name in the constructor's signature.
    default : object
        The default value.
    help : str
        What it does, with units; a sentence without its capital and full stop.
    kinds : tuple of Kind
        The forms that a value may take.
    optional : bool
        Whether None is a value.
    option : str
        The command line's option, without its dashes.
    panel : str
        The group of options that it is listed in.
    in_shell : bool
        Whether it is described in words of the command line.
    """

    name: str
    default: Any
    help: str
    kinds: tuple[Kind, ...]
    optional: bool = False
    option: str = ""
    panel: str = ""
    in_shell: bool = False

    @property
    def words(self) -> str:
        """What a value may be: "an integer >= 1 or None"."""
        words = [kind.shell_words if self.in_shell else kind.words for kind in self.kinds]
        words += [("none" if self.in_shell else "None")] if self.optional else []
        return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else words[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a value may be."""
        return tuple(name for kind in self.kinds for name in kind.names)

    def as_option(self, prefix: str = "--") -> Parameter:
        """Return the parameter under its option's name, in words of the command line, without forms that are no text.

        Parameters
        ----------
        prefix : str
            What the option's name begins with: nothing in a file of options.
        """
        kinds = tuple(kind for kind in self.kinds if kind.metavar or isinstance(kind, Boolean))
        return dataclasses.replace(self, name=f"{prefix}{self.option}", kinds=kinds, in_shell=True)

    def check(self, value: object) -> None:
        """Raise InvalidParameterError, with one line, unless the value has one of the forms."""
        if (value is None and self.optional) or any(kind.accepts(value) for kind in self.kinds):
            return
        near = suggest(value, self.names) if isinstance(value, str) and self.names else ""
        shown = _in_shell(value) if self.in_shell else repr(value)
        raise InvalidParameterError(f"{self.name}={' '.join(shown.split())} must be {self.words}{near}")


def _in_shell(value: object) -> str:
    """Return a value as a command line or a file of options has it."""
    if isinstance(value, list | tuple):
        return ",".join(map(_in_shell, value))
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)


def parameter(
    help: str,
    *kinds: Kind,
    default: Any,
    optional: bool = False,
    option: str = "",
    panel: str = "",
    kw_only: bool = True,
) -> Any:
    """Declare a parameter as a field of a class that `declares_parameters` decorates.

    Parameters
    ----------
    help : str
        What it does, with units.
    *kinds : Kind
        The forms that a value may take.
    default : object
        The default value; where it is None, None is a value.
    optional : bool
        Whether None is a value although it is not the default.
    option : str
        The command line's option, where it is not the name with dashes.
    panel : str
        The group of options that the command line lists it in.
    kw_only : bool
        Whether the constructor takes it by name alone.
    """
    declared = Parameter("", default, help, kinds, optional or default is None, option, panel)
    return dataclasses.field(default=default, kw_only=kw_only, metadata={_METADATA: declared})


@dataclass_transform(kw_only_default=True, field_specifiers=(parameter,))
def declares_parameters(**defaults: Any) -> Callable[[C], C]:
    """Return the decorator that makes a constructor from declared parameters, those of base classes first.

    Parameters
    ----------
    **defaults : object
        Other defaults for parameters that a base class declares.
    """

    def decorated(cls: C) -> C:
        inherited = {field.name: field for base in reversed(cls.__mro__[1:]) for field in fields_of(base)}
        for name, value in defaults.items():
            field = inherited[name]
            declared = dataclasses.replace(field.metadata[_METADATA], default=value)
            again = dataclasses.field(default=value, kw_only=bool(field.kw_only), metadata={_METADATA: declared})
            setattr(cls, name, again)
            cls.__annotations__[name] = field.type
        made: Any = dataclasses.dataclass(kw_only=True, eq=False, repr=False)(cls)
        # Python's message for an unknown parameter then names the estimator.
        made.__init__.__qualname__ = f"{cls.__name__.removesuffix('Parameters')}.__init__"
        decorated_class: C = made
        return decorated_class

    return decorated


def fields_of(cls: type) -> list[dataclasses.Field[Any]]:
    """Return the fields of a dataclass in the constructor's order, those taken by name alone last."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return sorted(fields, key=lambda field: bool(field.kw_only))


def parameters_of(cls: type) -> dict[str, Parameter]:
    """Return the parameters of a class by name, in the constructor's order."""
    found = {}
    for field in fields_of(cls):
        declared: Parameter = field.metadata[_METADATA]
        option = declared.option or field.name.replace("_", "-")
        found[field.name] = dataclasses.replace(declared, name=field.name, option=option)
    return found


def values_of(estimator: object) -> dict[str, Any]:
    """Return the values of an estimator's declared parameters, also of a subclass whose constructor takes fewer."""
    return {name: getattr(estimator, name) for name in parameters_of(type(estimator))}


def check_parameters(cls: type, values: Mapping[str, object]) -> None:
    """Check the values of a class's parameters, each by itself.

    A subclass whose constructor does not take all of them gives only those that it takes.

    Raises
    ------
    InvalidParameterError
        With one line: the name, the value and what it must be.
    """
    for name, declared in parameters_of(cls).items():
        if name in values:
            declared.check(values[name])


def documented(cls: C) -> C:
    """Put the section of the declared parameters into a class's docstring, before its first other section."""
    text = cls.__doc__
    if text is None:  # python -OO
        return cls
    filled = functools.partial(
        textwrap.fill, width=112, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    lines = ["Parameters", "----------"]
    for declared in parameters_of(cls).values():
        lines.append(filled(f"{declared.name} : {declared.words}, default={declared.default!r}"))
        lines.append(filled(f"{declared.help[0].upper()}{declared.help[1:]}.", initial_indent="    "))
    # Python 3.13 removes the indentation of docstrings, earlier ones keep it.
    text = inspect.cleandoc(text)
    heading = re.search(r"^[A-Z].*\n-{3,}$", text, re.MULTILINE)
    start = heading.start() if heading else len(text)
    cls.__doc__ = "\n".join([text[:start].rstrip(), "", *lines, "", text[start:]]).rstrip() + "\n"
    return cls
