import inspect

import pytest

from isthmus.core import errors
from isthmus.core.errors import (
    DivergedError,
    InvalidParameterError,
    IsthmusError,
    IsthmusWarning,
    suggest,
    unknown_name,
)

BUILT_IN = {
    "InvalidParameterError": ValueError,
    "InvalidDataError": ValueError,
    "MissingFileError": FileNotFoundError,
    "BrokenFileError": ValueError,
    "UnwritableError": OSError,
    "ExistingFileError": FileExistsError,
    "ModelFileError": ValueError,
    "DivergedError": ArithmeticError,
    "LostProcessError": ConnectionError,
    "ForkedProcessError": RuntimeError,
}
WARNINGS = ("InterruptedFitWarning", "SampleDataWarning", "CollapseWarning", "SparsityWarning")


def test_all_errors_are_listed():
    found = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert found == {"IsthmusError", "IsthmusWarning", *BUILT_IN, *WARNINGS}


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_error_has_both_bases(name):
    error = getattr(errors, name)
    assert issubclass(error, IsthmusError)
    with pytest.raises(BUILT_IN[name], match=r"^one line$"):
        raise error("one line")


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_has_both_bases(name):
    assert issubclass(getattr(errors, name), IsthmusWarning)
    assert issubclass(IsthmusWarning, UserWarning)


def test_divergence_has_a_state():
    assert DivergedError("x").state is None


@pytest.mark.parametrize(
    ("value", "choices", "expected"),
    [
        ("rely", ["relu", "tanh"], "; did you mean 'relu'?"),
        ("sigmiod", ["sigmoid", "silu"], "; did you mean 'sigmoid'?"),
        ("zzz", ["relu", "tanh"], ""),
        (3, ["relu"], ""),
        ("relu", [], ""),
    ],
)
def test_suggestions(value, choices, expected):
    assert suggest(value, iter(choices)) == expected


def test_an_unknown_name_lists_the_known_ones():
    error = unknown_name("activation", "rely", iter(["relu", "tanh"]))
    assert isinstance(error, InvalidParameterError)
    assert str(error) == "activation='rely' is not one of 'relu', 'tanh'; did you mean 'relu'?"
