"""How the codes are distributed, and how their units correlate."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation import plots
from isthmus.evaluation.plots.matrices import correlation_matrix
from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, counted, paragraph
from isthmus.evaluation.report.svg import inline_svg
from isthmus.evaluation.report.texts import t

_HISTOGRAMS, _CORRELATED = 16, 64


def section(facts: Facts) -> Section | None:
    """Return the section; None for a single row."""
    codes = facts.codes
    values = codes.sample
    if len(values) < 2:
        return None
    width = values.shape[1]
    text = counted(width, "unit")
    if len(values) < codes.rows:
        counts = {"units": text, "count": len(values), "all": codes.rows}
        text = t("{units}; from a random sample of {count:,} of {all:,} rows", **counts)
    figure = plots.code_histograms(values[:, :_HISTOGRAMS])
    label = t("Histograms of all units")
    if width > _HISTOGRAMS:
        label = t("Histograms of the first {count} units", count=_HISTOGRAMS)
    parts = [paragraph(t("{text}. {more}.", text=text, more=label)), inline_svg(figure, "histograms", label)]
    constant = int((values.std(axis=0) == 0).sum())
    if constant:
        parts.append(paragraph(t("{units} with one value throughout.", units=counted(constant, "unit"))))
    if width > 1 and constant < width - 1:
        some = values[:, :_CORRELATED]
        label = t("Correlations of the units")
        if width > _CORRELATED:
            label = t("Correlations of the units, the first {count}", count=_CORRELATED)
        drawn = inline_svg(plots.correlations(some), "correlations", label)
        parts += [f"<h3>{label}</h3>", paragraph(_strongest(some)), drawn]
    return Section("codes", t("Codes"), "".join(parts))


def _strongest(values: np.ndarray) -> str:
    matrix = np.triu(correlation_matrix(values), 1)
    place = np.unravel_index(np.nanargmax(np.abs(matrix)), matrix.shape)
    first, second = place
    return t(
        "The strongest is {value:.2f}, of the units {first} and {second}.",
        value=matrix[place],
        first=first,
        second=second,
    )
