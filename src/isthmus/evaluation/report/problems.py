"""Problems of the rows themselves, such as missing cells and repeated rows."""

from __future__ import annotations

from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, escaped, escaped_long, paragraph, table
from isthmus.evaluation.report.texts import t


def section(facts: Facts) -> Section:
    """Return the section."""
    parts = []
    for problem in facts.problems:
        parts.append(f"<h3>{escaped(problem.title)}</h3><p>{escaped_long(problem.text)}</p>")
        if problem.table:
            rows = ([escaped(cell) for cell in row] for row in problem.table)
            parts.append(table(problem.head, rows, problem.title))
    if not parts:
        parts.append(
            paragraph(t("No constant or repeated column, no row twice, no missing cell and no extreme value."))
        )
    return Section("data", t("The data"), "".join(parts))
