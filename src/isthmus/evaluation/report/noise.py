"""The error of a denoiser against the noise in its input."""

from __future__ import annotations

from isthmus.evaluation import plots
from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, escaped, number, paragraph, table
from isthmus.evaluation.report.svg import inline_svg
from isthmus.evaluation.report.texts import t


def section(facts: Facts) -> Section | None:
    """Return the section; None for a model without corruption."""
    found = facts.noise
    if found is None:
        return None
    names = {"model": "this model", "noisy": "the noisy rows themselves"}
    curves = {names.get(name, name): (found.levels, errors) for name, errors in found.errors.items()}
    figure = plots.tradeoffs(curves, x_label="level of noise", y_label="squared error to the clean row")
    text = t(
        "Rows with noise added ({what}), reconstructed and compared with the clean rows; {count:,} rows.",
        what=t(found.what),
        count=found.rows,
    )
    rows = (
        [number(float(level)), *(number(float(errors[place])) for _, errors in curves.values())]
        for place, level in enumerate(found.levels)
    )
    head = [t("level"), *(escaped(t(name)) for name in curves)]
    listed = table(head, rows, t("Error at levels of noise"), numeric=range(len(head)))
    drawn = inline_svg(figure, "noise", t("Error against noise"))
    return Section("noise", t("Noise"), paragraph(text) + drawn + listed)
