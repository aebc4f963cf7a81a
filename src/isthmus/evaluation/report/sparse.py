"""The units of a sparse code: how often they are active, their atoms, and the rows that activate them most."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation import plots
from isthmus.evaluation.report.facts import Facts, SparseCode, Unit
from isthmus.evaluation.report.html import Section, counted, escaped, number, paragraph, percent, table
from isthmus.evaluation.report.pictures import img
from isthmus.evaluation.report.svg import inline_svg
from isthmus.evaluation.report.texts import t


def section(facts: Facts) -> Section | None:
    """Return the section; None for a code that is not sparse."""
    found = facts.sparse
    if found is None:
        return None
    inactive = np.flatnonzero(found.frequency == 0)
    counts = {"active": number(found.active), "all": len(found.frequency)}
    text = t("{active} of {all:,} units are active in a mean row; each is active in some row.", **counts)
    if len(inactive):
        counts["units"] = counted(len(inactive), "unit")
        text = t("{active} of {all:,} units are active in a mean row; {units} in none.", **counts)
    parts = [paragraph(text)]
    if len(inactive):
        shown = ", ".join(str(unit) for unit in inactive[:40])
        if len(inactive) > 40:
            shown = t("{names} and {count} more", names=shown, count=len(inactive) - 40)
        parts.append(paragraph(t("Never active: {units}.", units=shown)))
    parts.append(inline_svg(plots.density(found.frequency), "density", t("How often units are active")))
    figure = plots.activation_against_target(found.mean, found.target)
    parts.append(f"<h3>{t('Mean activation')}</h3>")
    parts.append(inline_svg(figure, "activation", t("Mean activation of the units")))
    parts += [f"<h3>{t('Units')}</h3>", _units(found)]
    return Section("sparse", t("Sparse code"), "".join(parts))


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
    text = t("The atom is what a unit of the code adds to a row.")
    if len(rows) < len(found.frequency):
        counts = {"count": len(rows), "all": len(found.frequency), "text": text}
        text = t("The {count} of {all:,} units that are active most often. {text}", **counts)
    head = [t("unit"), t("active in"), t("mean"), t("largest"), t("atom"), t("rows that activate it most")]
    return paragraph(text) + table(head, rows, t("Units of the code"), numeric=(0, 1, 2, 3))


def _atom(unit: Unit) -> str:
    if unit.picture is not None:
        return img(unit.picture, t("atom of unit {number}", number=unit.number), "small")
    return "<br>".join(f"{escaped(name)} {change:+.3g}" for name, change in unit.atom)


def _strongest(unit: Unit) -> str:
    if unit.pictures is not None:
        titles = [t("row {number}: {value:.3g}", number=row, value=activation) for row, activation in unit.strongest]
        pictures = (img(each, title, "small") for each, title in zip(unit.pictures, titles, strict=True))
        return f'<div class="strip">{"".join(pictures)}</div>'
    return ", ".join(f"{row:,} ({activation:.3g})" for row, activation in unit.strongest)
