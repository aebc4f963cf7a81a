"""Small pieces of HTML. Every text passes through `escaped`: names of columns, levels and files are input."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from isthmus.evaluation.report.texts import language, t

_LONGEST = 200  # characters of a name or a cell
# Control characters, which XML and HTML do not have, and those that change the direction of the text around them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


class Section(NamedTuple):
    """A part of the page: its place, its heading and its HTML."""

    name: str
    title: str
    body: str


def plain(text: object) -> str:
    """Return a text without characters that cannot be shown, at most 200 characters long."""
    found = _visible(str(text))
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 1]}…"


def _visible(text: str) -> str:
    return _INVISIBLE.sub("\ufffd", text)


def escaped(text: object) -> str:
    """Return a text as HTML, for elements and for attributes in double quotes."""
    return html.escape(plain(text))


def number(value: float, digits: int = 3) -> str:
    """Return a number with a few significant digits."""
    if value != value:
        return "-"
    if abs(value) >= 1000 and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def percent(share: float) -> str:
    """Return a share in percent."""
    if share != share:
        return "-"
    return f"{100 * share:.3g} %" if abs(share) < 0.9995 or share >= 1 else f"{100 * share:.4g} %"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``"2 rows"``."""
    if language() == "en":
        return f"{count:,} {noun}{'' if count == 1 else 's'}"
    return t(f"{{count:,}} {noun}", count=count)


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of text."""
    return f"<p{_class(kind)}>{escaped_long(text)}</p>"


def escaped_long(text: str) -> str:
    """Return a text of the report itself as HTML, of any length."""
    return html.escape(_visible(text))


def definitions(lines: Iterable[tuple[str, str]]) -> str:
    """Return a list of names and texts."""
    return f"<dl>{''.join(f'<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>' for name, text in lines)}</dl>"


def code(text: str) -> str:
    """Return lines of code, with a button that copies them."""
    return (
        f'<div class="code"><pre tabindex="0"><code>{escaped_long(text)}</code></pre>'
        f'<button type="button" class="copy" data-done="{t("Copied")}">{t("Copy")}</button></div>'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, *, numeric: Sequence[int] = ()) -> str:
    """Return a table; cells are HTML already, the heads and the caption are text.

    Parameters
    ----------
    head : sequence of str
        The names of the columns.
    rows : iterable of sequence of str
        The cells.
    caption : str
        What the table shows; hidden from the eye, read by screen readers.
    numeric : sequence of int
        The columns of numbers, which are aligned to the right.
    """
    kinds = [' class="number"' if place in numeric else "" for place in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{escaped(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>" for row in rows
    )
    hidden = f'<caption class="hidden-label">{escaped(caption)}</caption>'
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(caption)}"><table>{hidden}'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def bar(share: float, kind: str) -> str:
    """Return a bar of a length between 0 and 1."""
    return f'<span class="bar {kind}" style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></span>'


def payload(name: str, value: Any) -> str:
    """Return values for a script as a block of JSON, in which no text can end the block."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{name}">{safe}</script>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
