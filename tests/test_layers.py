import ast
from pathlib import Path

import pytest

import isthmus

ROOT = Path(isthmus.__file__).parent

# A room may import itself and the rooms above it here, lazily or not; nothing beside it and nothing below.
LAYERS = (
    {"__init__"},  # its version; its public names are imported when they are first used
    {"errors", "types", "counters", "reductions"},
    {"parameters", "files", "metrics", "sparse_table", "columns", "gaussian"},
    {"sources", "scaling", "corruption", "networks", "sparsity", "optimizers", "options", "held_back"},
    {"photos", "pictures", "tables", "order", "distributed"},
    {"batches", "objective", "model_file", "sinks", "datasets", "plots", "filling", "classification"},
    {"placement"},
    {"principal", "training", "denoiser", "denoiser_training", "checkpoint"},
    {"inference"},
    {"estimators"},
    {"sae", "cleaning", "ray"},
    {"demo"},
    {"cli"},
    {"__main__"},
)
# What knows less than its layer would allow.
ONLY = {
    "cleaning": {"denoiser", "errors", "files", "pictures", "sources"},
    "datasets": {"errors", "photos", "sources"},
    "denoiser_training": {"networks", "types"},
    "metrics": {"errors"},
    "photos": {"errors", "sources"},
    "pictures": {"errors", "files", "sources"},
    "plots": {"errors", "files", "metrics"},
    "sinks": {"errors", "files", "sources", "sparse_table"},
    "sources": {"errors", "files", "sparse_table"},
    "scaling": {"errors"},
    "sparse_table": {"errors"},
    "sparsity": {"errors", "reductions", "types"},
    "training": {"batches", "counters", "distributed", "errors", "optimizers", "placement", "types"},
    "checkpoint": {"distributed", "errors", "model_file", "types"},
    "distributed": {"errors"},
    "held_back": {"counters"},
    "order": {"counters", "errors", "held_back"},
    "placement": {"batches"},
}

DEPTH = {room: depth for depth, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(tree):
    """Every isthmus room that a file imports, inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            root, *rest = name.split(".")
            if root == "isthmus":
                yield (rest[0] if rest and rest[0] in DEPTH else "__init__"), node.lineno


def test_the_reader_sees_every_kind_of_import():
    code = (
        "import isthmus.errors\nfrom isthmus import plots\ndef f():\n from isthmus.cli import main\nimport numpy.linalg"
    )
    assert list(imported_rooms(ast.parse(code))) == [("errors", 1), ("plots", 2), ("cli", 4)]
    assert list(imported_rooms(ast.parse("from isthmus import __version__\nimport isthmus"))) == [
        ("__init__", 1),
        ("__init__", 2),
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_the_layers(path):
    room = room_of(path)
    assert room in DEPTH, f"{room} is in no layer"
    if room == "__init__":
        return
    for other, line in imported_rooms(ast.parse(path.read_text())):
        where = f"{path.name}:{line}: {room} imports {other}"
        assert other == room or DEPTH[other] < DEPTH[room], where
        assert room not in ONLY or other in ONLY[room] | {room}, where
