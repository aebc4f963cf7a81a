"""The structure of the package, read from its imports."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import isthmus

ROOT = Path(isthmus.__file__).parent
# A folder may import itself and the folders of the rows above it, lazily or not; nothing in its own row, nothing below.
LAYERS = (
    {"core"},
    {"data"},
    {"corruption", "networks", "sparsity"},
    {"losses"},
    {"engine"},
    {"evaluation", "images"},
    {"estimators"},
    {"export"},
    {"cli"},
)
DEPTH = {folder: depth for depth, folders in enumerate(LAYERS) for folder in folders}
BESIDE = {"__init__.py", "__main__.py", "py.typed"}
FILES = sorted(ROOT.rglob("*.py"))
INNER = [path for path in FILES if path.parent != ROOT]


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(tree):
    """Yield every isthmus module that a file imports, inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] != "isthmus":
                continue
            while name not in MODULES and "." in name:
                name = name.rpartition(".")[0]
            yield name, node.lineno


def imports_of(path):
    return list(imported(ast.parse(path.read_text(encoding="utf-8"))))


def test_every_kind_of_import_is_read():
    code = "import isthmus.core.errors\ndef f():\n from isthmus.cli import main\nimport numpy.linalg"
    assert list(imported(ast.parse(code))) == [("isthmus.core.errors", 1), ("isthmus.cli", 3)]
    assert list(imported(ast.parse("from isthmus import __version__\nimport isthmus"))) == [
        ("isthmus", 1),
        ("isthmus", 2),
    ]


def test_the_top_level_is_a_dozen_folders():
    names = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert names >= BESIDE
    assert names - BESIDE == set(DEPTH)
    assert len(DEPTH) <= 12


@pytest.mark.parametrize("path", INNER, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_up_the_rows(path):
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
