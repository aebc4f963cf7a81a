"""Every public name and every command has its entry in the reference, with what its docstring or its help says."""

import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import isthmus
from isthmus.cli import app

pytest.importorskip("griffe", reason="griffelib is not installed; it parses docstrings for the reference")

SCRIPT = Path(__file__).parent.parent / "scripts" / "reference.py"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("reference", None)


@pytest.fixture(scope="module")
def folder(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    reference.Reference({"sparse.md": "# Sparse codes\n\n`SparseAutoencoder(24)`\n"}).write(folder)
    return folder


def defined_in(module):
    """Return the public names of a module: those in __all__, else the classes and functions that its file defines."""
    names = getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__ and callable(thing)
    ]
    return {name for name in names if callable(getattr(module, name))}


@pytest.mark.parametrize("name", [name for name in isthmus.__all__ if not name.startswith("_")])
def test_a_public_name_has_an_entry(folder, name):
    thing = getattr(isthmus, name)
    written = {page: page.read_text(encoding="utf-8") for page in folder.glob("*.md")}
    everything = "\n".join(written.values())
    if inspect.ismodule(thing):
        for own in defined_in(thing) - {"resolve", "suggest", "unknown_name", "actor_errors", "Function"}:
            assert f"{{ #isthmus.{name}.{own} }}" in everything, f"isthmus.{name}.{own} has no entry"
    else:
        assert f"#isthmus.{name} }}" in everything or f'id="isthmus.{name}"' in everything


def test_the_navigation_has_every_page(reference):
    text = (SCRIPT.parent.parent / "zensical.toml").read_text(encoding="utf-8")
    assert [page.file for page in reference.pages() if f"api/{page.file}" not in text] == []


def test_a_class_has_its_parameters_and_methods(folder):
    page = (folder / "sparseautoencoder.md").read_text(encoding="utf-8")
    for parameter in inspect.signature(isthmus.SparseAutoencoder).parameters:
        assert re.search(rf"^\* `{parameter}` \*\(.*default ", page, re.MULTILINE), parameter
    for method in ("fit", "transform", "inverse_transform", "save", "load", "code_statistics"):
        assert f"{{ #isthmus.SparseAutoencoder.{method} }}" in page
    assert ">>> model.components_.shape" in page
    assert "[Sparse codes](../sparse.md)" in page
    assert "`get_params`" in page


def test_a_type_that_is_longer_than_a_line_is_one(folder):
    page = (folder / "autoencoder.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("* `corruption`"))
    assert "or None, default `None`)*: Corruption of the network's input" in line


def test_names_are_links(folder):
    page = (folder / "sparseautoencoder.md").read_text(encoding="utf-8")
    assert "[`Autoencoder`](autoencoder.md#isthmus.Autoencoder)" in page


def test_every_option_of_every_command_is_there(reference):
    page = reference.command_page()
    sections = dict(re.findall(r"^## isthmus (\S+) \{.*?\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    listed = CliRunner().invoke(app, ["--help"]).output.partition("Commands:")[2]
    assert list(sections) == re.findall(r"^  (\w+)  ", listed, re.MULTILINE)
    for name, section in sections.items():
        printed = CliRunner().invoke(app, [name, "--help"]).output
        for option in set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", printed, re.MULTILINE)):
            assert option in section, f"isthmus {name} {option}"
