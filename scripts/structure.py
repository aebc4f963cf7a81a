"""The structure of the package, read from its imports: which folder may import which, and the table of folders.

Run it with ``--write`` to write the table into ARCHITECTURE.md.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "src" / "isthmus"
PAGE = Path(__file__).parent.parent / "ARCHITECTURE.md"
# A folder may import itself and the folders of the rows above it, lazily or not; nothing in its own row, nothing below.
LAYERS = (
    ("core", "web"),
    ("data",),
    ("corruption", "networks", "sparsity"),
    ("losses",),
    ("engine",),
    ("evaluation", "images"),
    ("estimators",),
    ("explore", "export"),
    ("cli",),
)
DEPTH = {folder: depth for depth, folders in enumerate(LAYERS) for folder in folders}
BEGIN, END = "<!-- table: python scripts/structure.py --write -->", "<!-- end of table -->"


def name_of(path: Path) -> str:
    """Return the dotted name of a module file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each isthmus module that a file imports, in functions and under TYPE_CHECKING too, with its line."""
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


def imports_of(path: Path) -> list[tuple[str, int]]:
    """Return the isthmus modules that a file imports, with their lines."""
    return list(imported(ast.parse(path.read_text(encoding="utf-8"))))


def table() -> str:
    """Return the table of folders: their row, what they contain, and which folders they import."""
    lines = ["| row | folder | contains | imports |", "|---|---|---|---|"]
    for depth, folders in enumerate(LAYERS, 1):
        for folder in folders:
            paths = sorted((ROOT / folder).rglob("*.py"))
            doc = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
            used = {name.split(".")[1] for path in paths for name, _ in imports_of(path) if "." in name} - {folder}
            listed = ", ".join(name for name in DEPTH if name in used)
            purpose = " ".join(doc.split("\n\n")[0].split()).rstrip(".")
            lines.append(f"| {depth} | `{folder}/` | {purpose} | {listed} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Print the table, or write it into ARCHITECTURE.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into ARCHITECTURE.md")
    if parser.parse_args().write:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())


if __name__ == "__main__":
    main()
