"""How the codes are distributed, and how their units correlate."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation import plots
from isthmus.evaluation.plots.matrices import correlation_matrix
from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, counted, paragraph
from isthmus.evaluation.report.svg import inline_svg

_HISTOGRAMS, _CORRELATED = 16, 64


def section(facts: Facts) -> Section | None:
    """Return the section; None for a single row."""
    codes = facts.codes
    values, names = codes.sample, list(codes.names)
    if len(values) < 2:
        return None
    width = values.shape[1]
    text = f"{counted(width, 'unit')}"
    if len(values) < codes.rows:
        text += f"; from a random sample of {len(values):,} of {codes.rows:,} rows"
    figure = plots.code_histograms(values[:, :_HISTOGRAMS], names=names[:_HISTOGRAMS])
    label = f"Histograms of {'all' if width <= _HISTOGRAMS else f'the first {_HISTOGRAMS}'} units"
    parts = [paragraph(f"{text}. {label}."), inline_svg(figure, "histograms", label)]
    constant = int((values.std(axis=0) == 0).sum())
    if constant:
        parts.append(paragraph(f"{counted(constant, 'unit')} with one value throughout."))
    if width > 1 and constant < width - 1:
        some = values[:, :_CORRELATED]
        label = "Correlations of the units" + (f", the first {_CORRELATED}" if width > _CORRELATED else "")
        parts += [f"<h3>{label}</h3>", paragraph(_strongest(some)), inline_svg(
            plots.correlations(some, names=names[:_CORRELATED]), "correlations", label)]  # fmt: skip
    return Section("codes", "Codes", "".join(parts))


def _strongest(values: np.ndarray) -> str:
    matrix = np.triu(correlation_matrix(values), 1)
    place = np.unravel_index(np.nanargmax(np.abs(matrix)), matrix.shape)
    return f"The strongest is {matrix[place]:.2f}, of the units {place[0]} and {place[1]}."
