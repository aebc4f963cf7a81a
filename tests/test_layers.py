"""The structure of the package, read from its imports; `scripts/structure.py` has the rows and the reader."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from structure import BEGIN, DEPTH, MODULES, PAGE, ROOT, imported, imports_of, table, with_table

BESIDE = {"__init__.py", "__main__.py", "py.typed"}
INNER = [path for path in MODULES.values() if path.parent != ROOT]


def test_every_kind_of_import_is_read():
    code = "import isthmus.core.errors\ndef f():\n from isthmus.cli import main\nimport numpy.linalg"
    assert list(imported(ast.parse(code))) == [("isthmus.core.errors", 1), ("isthmus.cli", 3)]
    assert list(imported(ast.parse("from isthmus import __version__\nimport isthmus"))) == [
        ("isthmus", 1),
        ("isthmus", 2),
    ]


def test_the_top_level_is_at_most_fourteen_folders():
    names = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert names >= BESIDE
    assert names - BESIDE == set(DEPTH)
    assert len(DEPTH) <= 14


@pytest.mark.parametrize("path", INNER, ids=lambda path: str(path.relative_to(ROOT)))
def test_folders_import_the_rows_above_them(path):
    folder = path.relative_to(ROOT).parts[0]
    for name, line in imports_of(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        if name == "isthmus":
            assert folder == "cli", where
            continue
        other = name.split(".")[1]
        assert other == folder or DEPTH[other] < DEPTH[folder], where


def in_a_circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


@pytest.mark.parametrize("folder", sorted(DEPTH))
def test_files_of_a_folder_import_in_no_circle(folder):
    mine = {name: path for name, path in MODULES.items() if name.split(".")[1:2] == [folder]}
    graph = {name: {other for other, _ in imports_of(path) if other in mine} - {name} for name, path in mine.items()}
    circle = in_a_circle(graph)
    assert circle is None, " -> ".join(circle)


def test_a_circle_is_found():
    assert in_a_circle({"a": {"b"}, "b": {"a"}}) is not None
    assert in_a_circle({"a": {"b"}, "b": set()}) is None


@pytest.mark.parametrize("path", INNER, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_fit_on_a_few_screens(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node, clean=False)
            length = node.end_lineno - node.lineno + 1 - (len(doc.splitlines()) if doc else 0)
            assert length <= 50, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_the_table_of_the_page_is_what_the_imports_say():
    page = PAGE.read_text(encoding="utf-8")
    assert BEGIN in page
    assert with_table(page) == page, "run python scripts/structure.py --write"
    assert table().count("\n") == len(DEPTH) + 1
