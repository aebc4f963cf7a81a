"""Run the notebooks, and turn them into pages of the site.

    python scripts/notebooks.py                  # runs all at full size and stores their outputs in notebooks/
    python scripts/notebooks.py digits --small   # runs one with the small settings of the tests; stores nothing

A notebook has one cell with the tag "parameters", and in its metadata, under "isthmus", the small values that the tests
give them. The pages of the site show the stored outputs, so that building it trains nothing.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = ("table", "digits", "sparse_patches", "clean_photos")  # in the order of the site's navigation
_SECONDS = 900  # that one cell may take


def read(name: str) -> Any:
    """Return a notebook."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(notebook: Any, *, small: bool) -> Any:
    """Return a copy of a notebook with the outputs of its cells; an error in a cell is raised.

    The cells run in an empty folder of their own, so that files that they write do not stay.
    """
    notebook = copy.deepcopy(notebook)
    if small:
        place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
        values = "\n".join(f"{name} = {value!r}" for name, value in notebook.metadata["isthmus"]["small"].items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(values))
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=_SECONDS, resources={"metadata": {"path": folder}}).execute()
    return notebook


def without_times(notebook: Any) -> Any:
    """Return a notebook without what differs between two equal runs: times of execution, and lines of progress."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def write_page(name: str, folder: Path) -> None:
    """Write the page of a notebook, and its pictures, from the outputs that are stored in it."""
    text, resources = MarkdownExporter().from_notebook_node(
        read(name), resources={"output_files_dir": f"{name}_files", "unique_key": name}
    )
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in resources["outputs"].items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    note = f"\n\n[This page is a notebook: {name}.ipynb](../files/notebooks/{name}.ipynb)\n"
    title, _, rest = text.lstrip().partition("\n")
    (folder / f"{name}.md").write_text(title + note + rest, encoding="utf-8")


def main(names: list[str], *, small: bool) -> None:
    """Run notebooks; store the outputs of runs at full size."""
    for name in names or NAMES:
        result = run(read(name), small=small)
        if not small:
            nbformat.write(without_times(result), FOLDER / f"{name}.ipynb")
        print(f"{name}: {len(result.cells)} cells ran")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; without a name all")
    parser.add_argument("--small", action="store_true", help="the settings of the tests")
    options = parser.parse_args()
    main(options.names, small=options.small)
