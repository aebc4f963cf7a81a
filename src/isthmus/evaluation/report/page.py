"""The page: its sections in order, with the styles and scripts inside, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from isthmus.evaluation.report import about, code_map, noise, problems, reconstruction, sparse, training, units
from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, counted, escaped
from isthmus.evaluation.report.texts import language, t
from isthmus.web import SCATTER, asset

# In the order of the page; None where there is nothing to say.
SECTIONS: dict[str, Callable[[Facts], Section | None]] = {
    "model": about.section,
    "map": code_map.section,
    "reconstruction": reconstruction.section,
    "training": training.section,
    "codes": units.section,
    "sparse": sparse.section,
    "noise": noise.section,
    "data": problems.section,
}
_MAP_SCRIPTS = (*SCATTER, "decoder.js", "report_map.js")


def page(facts: Facts) -> str:
    """Return the report on a model as one HTML page; the same facts give the same text.

    Parameters
    ----------
    facts : Facts
        What it says.
    """
    sections = [made for section in SECTIONS.values() if (made := section(facts)) is not None]
    names = {section.name for section in sections}
    scripts = [asset(name) for name in ("report.js", *(_MAP_SCRIPTS if "map" in names else ()))]
    # Only these scripts may run, and nothing may be loaded: whatever a cell of the rows holds.
    allowed = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; "
        "form-action 'none'"
    )
    links = "".join(f'<a href="#{section.name}">{escaped(section.title)}</a>' for section in sections)
    body = "".join(
        f'<section id="{section.name}" aria-labelledby="{section.name}-title"><h2 id="{section.name}-title">'
        f"{escaped(section.title)}</h2>{section.body}</section>"
        for section in sections
    )
    heading = t("{kind} on {data}", kind=facts.about.kind, data=facts.about.data)
    counts = (facts.about.rows, "row"), (facts.about.columns, "column"), (facts.codes.sample.shape[1], "code unit")
    rows = t(", ").join(counted(*each) for each in counts)
    return f"""<!DOCTYPE html>
<html lang="{language()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escaped(heading)}</title>
<style>{asset("style.css")}{asset("report.css")}</style>
</head>
<body>
<header class="top"><div><h1>{escaped(heading)}</h1><p>{escaped(rows)}</p></div>
<button type="button" id="theme" aria-pressed="false">{t("Dark")}</button></header>
<nav aria-label="{t("Sections")}">{links}</nav>
<main>{body}</main>
<footer>{t("Made by isthmus. This file loads nothing from elsewhere.")}</footer>
{"".join(f"<script>{script}</script>" for script in scripts)}
</body>
</html>
"""


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
