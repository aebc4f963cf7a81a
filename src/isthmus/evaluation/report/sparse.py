"""The units of a sparse code: how often they are active, their atoms, and the rows that activate them most."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation import plots
from isthmus.evaluation.report.facts import Facts, SparseCode, Unit
from isthmus.evaluation.report.html import Section, counted, escaped, number, paragraph, percent, table
from isthmus.evaluation.report.pictures import img
from isthmus.evaluation.report.svg import inline_svg


def section(facts: Facts) -> Section | None:
    """Return the section; None for a code that is not sparse."""
    found = facts.sparse
    if found is None:
        return None
    inactive = np.flatnonzero(found.frequency == 0)
    mean = f"{number(found.active)} of {len(found.frequency):,} units are active in a mean row"
    rest = f"{counted(len(inactive), 'unit')} in none" if len(inactive) else "each is active in some row"
    parts = [paragraph(f"{mean}; {rest}.")]
    if len(inactive):
        shown = ", ".join(str(unit) for unit in inactive[:40])
        more = f" and {len(inactive) - 40} more" if len(inactive) > 40 else ""
        parts.append(paragraph(f"Never active: {shown}{more}."))
    parts.append(inline_svg(plots.density(found.frequency), "density", "How often units are active"))
    figure = plots.activation_against_target(found.mean, found.target)
    parts += ["<h3>Mean activation</h3>", inline_svg(figure, "activation", "Mean activation of the units")]
    parts += ["<h3>Units</h3>", _units(found)]
    return Section("sparse", "Sparse code", "".join(parts))


def _units(found: SparseCode) -> str:
    rows = [
        [
            str(unit.number),
            percent(unit.frequency),
            number(unit.mean),
            number(unit.largest),
            _atom(unit),
            _strongest(unit),
        ]
        for unit in found.units
    ]
    text = "The atom is what a unit of the code adds to a row."
    if len(rows) < len(found.frequency):
        text = f"The {len(rows)} of {len(found.frequency):,} units that are active most often. {text}"
    head = ["unit", "active in", "mean", "largest", "atom", "rows that activate it most"]
    return paragraph(text) + table(head, rows, "Units of the code", numeric=(0, 1, 2, 3))


def _atom(unit: Unit) -> str:
    if unit.picture is not None:
        return img(unit.picture, f"atom of unit {unit.number}", "small")
    return "<br>".join(f"{escaped(name)} {change:+.3g}" for name, change in unit.atom)


def _strongest(unit: Unit) -> str:
    if unit.pictures is not None:
        titles = [f"row {row}: {activation:.3g}" for row, activation in unit.strongest]
        pictures = (img(each, title, "small") for each, title in zip(unit.pictures, titles, strict=True))
        return f'<div class="strip">{"".join(pictures)}</div>'
    return ", ".join(f"{row:,} ({activation:.3g})" for row, activation in unit.strongest)
