"""Scripts and styles of pages for the browser, shared by the report and the explorer; no page loads anything else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# The scripts of a map of points, in the order in which a page loads them.
SCATTER = ("grid.js", "points.js", "palettes.js", "scatter.js")


@cache
def asset(name: str) -> str:
    """Return the text of a script or style of this folder, such as ``"style.css"``."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
