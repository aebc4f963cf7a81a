"""What the model is, and how to repeat it."""

from __future__ import annotations

from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, code, counted, definitions, escaped, paragraph, table
from isthmus.evaluation.report.texts import t


def section(facts: Facts) -> Section:
    """Return the section."""
    about = facts.about
    counts = {"rows": counted(about.rows, "row"), "columns": counted(about.columns, "column")}
    lines = [
        (t("Class"), about.kind),
        (t("Rows of this report"), t("{data}: {rows} of {columns}", data=about.data, **counts)),
        *about.structure,
    ]
    parts = [f"<h3>{t('Settings')}</h3>"]
    if about.changed:
        cells = (
            [f"<code>{escaped(name)}</code>", escaped(value), escaped(default)]
            for name, value, default in about.changed
        )
        parts.append(
            table([t("parameter"), t("value"), t("default")], cells, t("Parameters that differ from their defaults"))
        )
    else:
        parts.append(paragraph(t("All parameters have their defaults.")))
    parts += [f"<h3>{t('Repeat the fit')}</h3>", code(about.python)]
    if about.command is not None:
        parts += [paragraph(t("On the command line:")), code(about.command)]
    parts.append(
        definitions([(t("Versions"), about.versions), (t("Fingerprint of the rows"), about.fingerprint)])
        + paragraph(
            t("DATA stands for the rows that the model was fitted on; those of this report may be others."), "note"
        )
    )
    if about.notes:
        parts.append(f'<ul class="note">{"".join(f"<li>{escaped(note)}</li>" for note in about.notes)}</ul>')
    halves = f'<div class="halves"><div>{definitions(lines)}</div><div>{"".join(parts)}</div></div>'
    return Section("model", t("The model"), halves)
