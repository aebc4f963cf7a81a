import inspect
import math
import subprocess
import sys
from collections import deque
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Kind,
    Name,
    Number,
    Pair,
    Parameter,
    Sizes,
    Text,
    Weights,
    check_parameters,
    declares_parameters,
    documented,
    parameter,
    parameters_of,
)
from isthmus.core.registry import Registry

OBJECT = Instance("an object with a method run", lambda value: hasattr(value, "run"))
HUGE = 10**400


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Integer(), "an integer"),
        (Integer(1), "an integer >= 1"),
        (Integer(high=3), "an integer <= 3"),
        (Integer(0, 2**32 - 1), "an integer >= 0 and <= 4294967295"),
        (Number(), "a number"),
        (Number(0), "a number >= 0"),
        (Number(above=0), "a number > 0"),
        (Number(above=0, below=1), "a number > 0 and < 1"),
        (Number(0, below=1), "a number >= 0 and < 1"),
        (Number(0, 1), "a number >= 0 and <= 1"),
        (Pair(Number(0, 1)), "a pair (low, high), each a number >= 0 and <= 1"),
        (Boolean(), "True or False"),
        (Name(("a", "b"), "auto"), "one of 'auto', 'a', 'b'"),
        (Name((), "auto"), "'auto'"),
        (Text(), "a non-empty string"),
        (Sizes(), "a tuple of integers >= 1"),
        (Weights(), "a sequence of numbers >= 0, not all of them 0"),
        (OBJECT, "an object with a method run"),
    ],
)
def test_words(kind, words):
    assert kind.words == words
    row = Parameter("x", None, "help", (kind,))
    assert row.words == words
    assert row.names == kind.names == (("auto", "a", "b")[: len(kind.names)])


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (Integer(), [0, -5, HUGE, np.int8(-3), np.uint64(2**64 - 1)]),
        (Integer(1, 9), [1, 9, np.int64(3)]),
        (Number(), [0, -1.5, np.float32(0.1), np.int16(4), Fraction(1, 3), 1e308]),
        (Number(above=0, below=1), [1e-300, 0.5, np.float64(0.999)]),
        (Number(0, 1), [0, 1, 0.0, 1.0, -0.0]),
        (Pair(Number(0)), [(0, 0), (0.1, 0.6), [1, 2], np.array([0.0, 3.0])]),
        (Boolean(), [True, False, np.True_, np.False_]),
        (Name(("a", "b"), "auto"), ["a", "auto", np.str_("b")]),
        (Text(), ["a", " ", np.str_("gpu:1")]),
        (Sizes(), [(), (5,), [128, 64], np.array([3, 2]), (np.int32(4),), range(1, 4), deque([2])]),
        (Weights(), [[1, 0, 0.5], (2,), np.array([0.0, 3.0], np.float32)]),
        (OBJECT, [SimpleNamespace(run=1)]),
    ],
)
def test_accepted_values(kind, accepted):
    for value in accepted:
        assert kind.accepts(value)


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (Integer(), [True, np.True_, 1.0, math.nan, math.inf, "1", None, (1,), np.float64(1), np.array([1])]),
        (Integer(1, 9), [0, 10, -HUGE, HUGE, np.int64(0)]),
        (Number(), [True, np.False_, math.nan, math.inf, -math.inf, HUGE, Fraction(HUGE), "0.1", None, 1j, [1.0]]),
        (Number(above=0, below=1), [0, 1, 0.0, 1.0, -0.1, np.float32(1)]),
        (Number(0, 1), [-1e-9, 1.0000001]),
        (Pair(Number(0)), [(1, 0), (1,), (1, 2, 3), (0, math.nan), (-1, 1), "01", 3, {0: 1, 1: 2}, {0.1, 0.6}, None]),
        (Boolean(), [1, 0, "yes", None, np.int64(1)]),
        (Name(("a", "b"), "auto"), ["c", "", None, ["a"], 3]),
        (Name(), ["", None]),
        (Text(), ["", None, 3, b"cpu"]),
        (
            Sizes(),
            [(0,), (-3,), (1.5,), (True,), 5, "12", b"12", None, {3: 4}, {3, 4}, np.array(3), np.ones((2, 2), int)],
        ),
        (Weights(), [(), (0, 0), (1, -1), [1, math.nan], [math.inf], "12", 3, [True], np.ones((2, 2)), ["1"], {0: 1}]),
        (OBJECT, [None, 3, "run"]),
    ],
)
def test_refused_values(kind, refused):
    for value in refused:
        assert not kind.accepts(value)


def test_an_iterator_is_refused_and_not_consumed():
    values = iter([3, 4])
    assert not Sizes().accepts(values)
    assert list(values) == [3, 4]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Integer(), "-3", -3),
        (Number(), "1e-2", 0.01),
        (Number(), "1", 1.0),
        (Name(("a",)), "a", "a"),
        (Text(), "gpu:1", "gpu:1"),
        (Sizes(), "128,64, 10", (128, 64, 10)),
        (Sizes(), "", ()),
        (Sizes(), " ", ()),
        (Weights(), "1,0, 0.5", (1.0, 0.0, 0.5)),
    ],
)
def test_values_of_texts(kind, text, value):
    found = kind.read(text)
    assert (found, type(found)) == (value, type(value))
    assert kind.accepts(found)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Integer(), "1.5"),
        (Integer(), "two"),
        (Number(), "fast"),
        (Sizes(), "128,,64"),
        (Sizes(), "1;2"),
        (Weights(), ""),
    ],
)
def test_a_text_that_stands_for_no_value(kind, text):
    with pytest.raises(ValueError):
        kind.read(text)


def test_only_what_a_text_can_stand_for_has_a_metavar():
    kinds = (Integer(), Number(), Name(), Text(), Sizes(), Weights())
    assert [kind.metavar for kind in kinds] == ["N", "X", "NAME", "TEXT", "N,N,...", "X,X,..."]
    assert all(kind.metavar is None for kind in (Boolean(), OBJECT, Pair(Number())))


def test_a_kind_defines_its_words_and_what_it_accepts():
    with pytest.raises(NotImplementedError):
        Kind().words
    with pytest.raises(NotImplementedError):
        Kind().accepts(1)


def test_names_of_a_registry_include_rows_that_are_added_later():
    table = Registry("shape", {"round": object(), "flat": "no.such.module:Flat"})
    row = Parameter("shape", "round", "form", (Name(table, "auto"),))
    assert row.names == ("auto", "round", "flat")
    with pytest.raises(InvalidParameterError):
        row.check("toy")
    table["toy"] = object()
    assert row.words == "one of 'auto', 'round', 'flat', 'toy'"
    row.check("toy")
    with pytest.raises(InvalidParameterError, match=r"did you mean 'toy'\?$"):
        row.check("toi")


@given(st.floats(allow_nan=True), st.floats(-5, 5), st.floats(-5, 5))
def test_open_and_closed_ends(value, low, high):
    assert Number(low, high).accepts(value) == (low <= value <= high)
    assert Number(above=low, below=high).accepts(value) == (low < value < high)


# Messages ------------------------------------------------------------------------------------------------------

LONG = np.arange(3000).reshape(1000, 3)


@pytest.mark.parametrize(
    ("kinds", "optional", "value", "message"),
    [
        ((Integer(1),), False, 0, "x=0 must be an integer >= 1"),
        ((Integer(1),), True, 0, "x=0 must be an integer >= 1 or None"),
        ((Integer(1),), False, None, "x=None must be an integer >= 1"),
        ((Integer(1), Number(above=0, below=1)), False, 1.5, "x=1.5 must be an integer >= 1 or a number > 0 and < 1"),
        ((Integer(1), Name((), "auto"), OBJECT), False, "", "x='' must be an integer >= 1, 'auto' or an object with a"),
        ((Name(("relu", "tanh")),), False, "rely", "x='rely' must be one of 'relu', 'tanh'; did you mean 'relu'?"),
        ((Name(("relu", "tanh")),), False, "???", "x='???' must be one of 'relu', 'tanh'"),
        ((Name(("relu", "tanh")),), False, 3, "x=3 must be one of 'relu', 'tanh'"),
        ((Boolean(), Name(("global",))), False, "globl", "x='globl' must be True or False or 'global'; did you mean"),
        ((Text(),), True, "", "x='' must be a non-empty string or None"),
        ((Sizes(),), False, LONG, "x=array([[ 0, 1, 2], [ 3, 4, 5],"),
        ((Name(("a",)),), False, "two\nlines", "x='two\\nlines' must be 'a'"),
    ],
)
def test_messages(kinds, optional, value, message):
    with pytest.raises(InvalidParameterError) as caught:
        Parameter("x", None, "help", kinds, optional).check(value)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_none_is_accepted_only_where_it_is_optional():
    Parameter("x", 1, "help", (Integer(),), optional=True).check(None)
    with pytest.raises(InvalidParameterError):
        Parameter("x", 1, "help", (Integer(),)).check(None)


# Classes -------------------------------------------------------------------------------------------------------


@declares_parameters()
class Base:
    """A thing."""

    width: int = parameter("width of it", Integer(1), default=2, option="size", kw_only=False)
    rate: float = parameter("step size", Number(above=0), default=0.1)
    seed: int | None = parameter("seed of the draws", Integer(0), default=None)
    scale: str | None = parameter("how it is scaled", Name(("unit",), "auto"), default="auto", optional=True)


@declares_parameters(width=64, scale=None)
class Wide(Base):
    depth: int = parameter("how deep it is", Integer(0), default=1)


def test_the_constructor_has_the_parameters_with_their_defaults():
    signature = inspect.signature(Base)
    assert {name: one.default for name, one in signature.parameters.items()} == {
        "width": 2,
        "rate": 0.1,
        "seed": None,
        "scale": "auto",
    }
    assert vars(Base(5, seed=3)) == {"width": 5, "rate": 0.1, "seed": 3, "scale": "auto"}


def test_all_but_the_positional_parameters_are_by_name_alone():
    kinds = [one.kind.name for one in inspect.signature(Wide).parameters.values()]
    assert kinds == ["POSITIONAL_OR_KEYWORD", *["KEYWORD_ONLY"] * 4]
    with pytest.raises(TypeError):
        Base(5, 0.1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'breadth'"):
        Base(breadth=3)


def test_a_subclass_has_the_parameters_of_its_base_first_with_its_own_defaults():
    assert list(parameters_of(Wide)) == list(inspect.signature(Wide).parameters)
    assert list(parameters_of(Wide)) == ["width", "rate", "seed", "scale", "depth"]
    assert vars(Wide()) == {"width": 64, "rate": 0.1, "seed": None, "scale": None, "depth": 1}
    assert Base().width == 2
    assert Base().scale == "auto"
    wide, base = parameters_of(Wide)["width"], parameters_of(Base)["width"]
    assert (wide.default, wide.help, wide.kinds, wide.option) == (64, base.help, base.kinds, "size")


def test_another_default_keeps_the_nearest_declaration():
    @declares_parameters()
    class Narrow(Base):
        rate: float = parameter("a smaller step size", Number(above=0, below=0.5), default=0.2)

    @declares_parameters(rate=0.3)
    class Narrower(Narrow):
        pass

    declared = parameters_of(Narrower)["rate"]
    assert (declared.default, declared.words, declared.help) == (0.3, "a number > 0 and < 0.5", "a smaller step size")
    assert list(parameters_of(Narrower)) == list(parameters_of(Base))


def test_positional_parameters_are_first_wherever_they_are_declared():
    @declares_parameters()
    class Late(Base):
        other: int = parameter("another one", Integer(), default=0, kw_only=False)

    assert list(parameters_of(Late)) == list(inspect.signature(Late).parameters)
    assert list(parameters_of(Late)) == ["width", "other", "rate", "seed", "scale"]


def test_another_default_for_a_parameter_that_no_base_declares():
    with pytest.raises(KeyError, match="breadth"):

        @declares_parameters(breadth=3)
        class Wrong(Base):
            pass


def test_declared_parameters_have_their_name_and_option():
    rows = parameters_of(Wide)
    assert {name: row.name for name, row in rows.items()} == {name: name for name in rows}
    assert [row.option for row in rows.values()] == ["size", "rate", "seed", "scale", "depth"]
    assert {name for name, row in rows.items() if row.optional} == {"seed", "scale"}
    assert parameters_of(int) == {}


def test_instances_are_compared_by_identity():
    assert Base() != Base()
    assert len({Base(), Base()}) == 2
    assert repr(Base()).startswith("<")


def test_check_parameters():
    values = vars(Wide())
    check_parameters(Wide, values)
    with pytest.raises(InvalidParameterError, match=r"^width=0 must be an integer >= 1$"):
        check_parameters(Wide, {**values, "width": 0})
    with pytest.raises(InvalidParameterError, match=r"^depth=None must be an integer >= 0$"):
        check_parameters(Wide, {**values, "depth": None})


def test_a_subclass_with_a_constructor_of_its_own_is_checked_for_what_it_takes():
    check_parameters(Wide, {"width": 3, "own": "anything"})
    with pytest.raises(InvalidParameterError, match=r"^width=0"):
        check_parameters(Wide, {"width": 0})


# Documentation -------------------------------------------------------------------------------------------------

SECTION = """
Parameters
----------
width : an integer >= 1, default=64
    Width of it.
rate : a number > 0, default=0.1
    Step size.
seed : an integer >= 0 or None, default=None
    Seed of the draws.
scale : one of 'auto', 'unit' or None, default=None
    How it is scaled.
depth : an integer >= 0, default=1
    How deep it is.
"""


@pytest.mark.parametrize("indent", ["    ", ""], ids=["as written", "as Python 3.13 stores it"])
@pytest.mark.parametrize("heading", ["Attributes", "References", "See Also"])
def test_the_section_is_before_the_first_other_one(indent, heading):
    body = [
        "",
        "More words.",
        "",
        heading,
        "-" * len(heading),
        "value_ : int",
        "    A value.",
        "",
        "Notes",
        "-----",
        "N.",
    ]
    text = "\n".join(["A wide thing.", *(f"{indent}{line}" if line else "" for line in body)])
    cls = documented(type("Thing", (Wide,), {"__doc__": text}))
    rest = inspect.cleandoc("\n".join(body[3:]))
    assert cls.__doc__ == f"A wide thing.\n\nMore words.\n{SECTION}\n{rest}\n"


def test_a_docstring_of_one_line():
    assert documented(type("Thing", (Wide,), {"__doc__": "A wide thing."})).__doc__ == f"A wide thing.\n{SECTION}"


def test_a_class_without_a_docstring_stays_without_one():
    assert documented(type("Thing", (Wide,), {"__doc__": None})).__doc__ is None


def test_long_lines_are_wrapped_within_words():
    @documented
    @declares_parameters()
    class Long:
        """A thing."""

        x: str = parameter("many words " * 30 + "at the end", Name([f"name_{n}" for n in range(30)]), default="name_0")

    lines = Long.__doc__.splitlines()
    assert max(map(len, lines)) <= 112
    assert all(line.startswith("    ") for line in lines[5:])
    assert " ".join(Long.__doc__.split()).count("name_29") == 1


def test_neither_jax_nor_scikit_learn_is_imported():
    code = "import sys, isthmus.core.parameters, isthmus.estimators.method_parameters as p\n"
    code += "[r.words for r in p.ALL.values()]\n"
    code += "assert not {'jax', 'sklearn', 'numpy', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
