"""Figures of matplotlib as SVG inside a page: text as text, ids of their own, and the colours of the page's theme."""

from __future__ import annotations

import io
import re

import matplotlib as mpl
from matplotlib.figure import Figure

from isthmus.evaluation.plots.style import STYLES
from isthmus.evaluation.report.html import escaped
from isthmus.evaluation.report.texts import figure_texts

_LIGHT = STYLES["light"]
# Colours of the light style, and the variables of the page that replace them: so one picture has both themes.
COLOURS = {_LIGHT.paper: "--paper", _LIGHT.ink: "--ink", _LIGHT.muted: "--faint", _LIGHT.missing: "--none"} | {
    colour: f"--series-{place}" for place, colour in enumerate(_LIGHT.palette)
}
_REFERENCES = re.compile(r'(\bid="|url\(#|href="#)([^")]+)')
_FONT = re.compile(r"font-family: [^;\"]*")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_GEOMETRY = re.compile(r'\b(?:d|transform|x|y|points)="[^"]*"')
_TAG = re.compile(r"<[a-zA-Z][^>]*>")  # what is between tags is text, and stays as it is


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """Return a figure of the light style as an SVG element.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    name : str
        What its ids start with, different for each figure of a page.
    label : str
        A text alternative, for screen readers.
    """
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = figure_texts(_TAG.sub(lambda found: _own(found[0], name), text))
    width = figure.get_figwidth() * 72
    head, _, rest = text.partition(">")
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    look = f'role="img" aria-label="{escaped(label)}"'
    return f'<div class="figure" tabindex="0" style="--natural:{width:.0f}px">{head} {look}>{rest.strip()}</div>'


def _own(tag: str, name: str) -> str:
    """Return a tag with ids of its own, short numbers, and the colours and font of the page."""
    tag = _REFERENCES.sub(lambda found: f"{found[1]}{name}-{found[2]}", tag)
    tag = _FONT.sub("font-family: var(--sans)", tag)
    tag = _GEOMETRY.sub(lambda found: _NUMBER.sub(_short, found[0]), tag)
    for colour, variable in COLOURS.items():
        tag = tag.replace(colour, f"var({variable})")
    return tag


def _short(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
