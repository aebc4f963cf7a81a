"""The documents do what they say: their Python runs, their links lead somewhere, their commands are there."""

import re
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli import app
from isthmus.errors import IsthmusWarning

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()


def fenced(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if fenced(d, "python")], ids=lambda d: d.name)
def test_python_runs(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "document"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        for number, block in enumerate(fenced(document, "python")):
            exec(compile(block, f"{document.name}, piece {number}", "exec"), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} points to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_commands_are_there(document):
    for line in "".join(fenced(document, "console")).splitlines():
        words = line.split("#")[0].split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), line
        else:
            assert words[0] == "isthmus", line
            listed = CliRunner().invoke(app, [words[1], "--help"]).output
            assert all(word in listed for word in words if word.startswith("--")), line
