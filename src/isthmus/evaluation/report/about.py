"""What the model is, and how to repeat it."""

from __future__ import annotations

import shlex

from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, code, counted, definitions, escaped, paragraph, table
from isthmus.evaluation.report.texts import t

_WIDTH = 60  # characters that half a page has room for, next to the button that copies them


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
        parts += [paragraph(t("On the command line:")), code(_in_lines(about.command))]
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


def _in_lines(command: str) -> str:
    """Return a command in lines that a shell reads as one; all but the first begin with an option."""
    groups: list[list[str]] = []
    for word in shlex.split(command):
        if groups and not word.startswith("--"):
            groups[-1].append(word)
        else:
            groups.append([word])
    lines: list[str] = []
    for group in map(shlex.join, groups):
        if lines and len(lines[-1]) + len(group) < _WIDTH:
            lines[-1] += f" {group}"
        else:
            lines.append(f"  {group}" if lines else group)
    return " \\\n".join(lines)
