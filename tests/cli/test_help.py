import re

import pytest
from typer.main import get_command

from commands import isthmus
from isthmus.cli import app
from isthmus.cli import fit as fitting
from isthmus.cli.help import PANELS


def sections(text):
    """Return the options of each section of a help, by its heading."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.MULTILINE)[1:]
    named = [re.findall(r"^  (?:-\w, )?(--[\w-]+)", body, re.MULTILINE) for body in parts[1::2]]
    return dict(zip(parts[::2], named, strict=True))


@pytest.mark.parametrize("width", [80, 120])
def test_options_of_fit_are_in_panels(width):
    text = isthmus("fit", "--help", terminal_width=width).stdout
    assert width - 6 < max(map(len, text.splitlines())) <= width
    found = sections(text)
    assert list(found) == ["Arguments", "Options", *(title for name, title in PANELS.items() if name != "outliers")]
    for parameter in fitting.PARAMETERS.values():
        assert f"--{parameter.option}" in found[PANELS[parameter.panel]]
    listed = [option for options in found.values() for option in options]
    assert len(listed) == len(set(listed)) == len(get_command(app).commands["fit"].params)  # --help for the argument
    assert {"--columns", "--validation"} <= set(found["Data"])
    assert {"--quiet", "--json", "--force"} <= set(found["Output"])


def test_few_options_are_one_list():
    assert list(sections(isthmus("score", "--help").stdout)) == ["Arguments", "Options"]


def test_arguments_have_their_shell_name():
    text = isthmus("encode", "--help", prog_name="isthmus").stdout
    assert text.startswith("Usage: isthmus encode [OPTIONS] MODEL DATA\n")
    assert "\n  MODEL  A model file" in text
