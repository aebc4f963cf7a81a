"""What the model is, and how to repeat it."""

from __future__ import annotations

from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, code, counted, definitions, escaped, paragraph, table


def section(facts: Facts) -> Section:
    """Return the section."""
    about = facts.about
    rows = f"{counted(about.rows, 'row')} of {counted(about.columns, 'column')}"
    lines = [("Class", about.kind), ("Rows of this report", f"{about.data}: {rows}"), *about.structure]
    parts = ["<h3>Settings</h3>"]
    if about.changed:
        cells = (
            [f"<code>{escaped(name)}</code>", escaped(value), escaped(default)]
            for name, value, default in about.changed
        )
        parts.append(table(["parameter", "value", "default"], cells, "Parameters that differ from their defaults"))
    else:
        parts.append(paragraph("All parameters have their defaults."))
    parts += ["<h3>Repeat the fit</h3>", code(about.python)]
    if about.command is not None:
        parts += [paragraph("On the command line:"), code(about.command)]
    parts.append(
        definitions([("Versions", about.versions), ("Fingerprint of the rows", about.fingerprint)])
        + paragraph(
            "DATA stands for the rows that the model was fitted on; those of this report may be others.", "note"
        )
    )
    if about.notes:
        parts.append(f'<ul class="note">{"".join(f"<li>{escaped(note)}</li>" for note in about.notes)}</ul>')
    halves = f'<div class="halves"><div>{definitions(lines)}</div><div>{"".join(parts)}</div></div>'
    return Section("model", "The model", halves)
