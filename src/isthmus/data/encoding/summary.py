"""What the columns of a table hold, in words and as numbers, for reports."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np

from isthmus.core.errors import InvalidDataError
from isthmus.data.encoding.columns import ColumnFinder, EncodedColumn
from isthmus.data.encoding.table import stated_categories
from isthmus.data.encoding.types import type_of
from isthmus.data.frames import each_column, eager, labels_of

_SHOWN = 6  # levels
Facts = dict[str, Any]


def summarize(frames: Iterable[Any], integers: Container[Any] = ()) -> tuple[int, list[Facts]]:
    """Return the number of rows of a table, and the facts of each column.

    Parameters
    ----------
    frames : iterable of frames
        The rows of the table, in pieces.
    integers : container of str
        As in `TableEncoding.learn`.

    Returns
    -------
    n_rows : int
        The number of rows.
    facts : list of dict
        What `facts_of_column` returns for each column, the number of ``missing`` cells and, where a column cannot be
        encoded, the ``problem``; its kind is then None.
    """
    n_rows, finders = 0, list[ColumnFinder]()
    missing: dict[Any, int] = {}
    problems: dict[Any, str] = {}
    for frame in map(eager, frames):
        finders = finders or [ColumnFinder(name, "elapsed", name in integers) for name in labels_of(frame)]
        n_rows += frame.shape[0]
        for place, (finder, column) in enumerate(zip(finders, each_column(frame), strict=True)):
            missing[finder.name] = missing.get(finder.name, 0) + int(column.missing.sum())
            try:
                finder.look(column, type_of(frame, place), stated_categories(frame, place))
            except InvalidDataError as error:
                problems.setdefault(finder.name, str(error))
    facts = []
    for finder in finders:
        try:
            found = facts_of_column(finder.found())
        except InvalidDataError as error:
            problems.setdefault(finder.name, str(error))
        problem = problems.get(finder.name)
        known: Facts = {"name": str(finder.name), "kind": None} if problem else found
        facts.append({**known, "missing": missing[finder.name], **({"problem": problem} if problem else {})})
    return n_rows, facts


def facts_of_column(column: EncodedColumn) -> Facts:
    """Return the name and kind of a column, its levels or range, and the power that transforms skewed numbers."""
    facts: Facts = {"name": str(column.name), "kind": column.kind}
    if column.kind == "category":
        return facts | {"levels": [str(level) for level in column.levels]}
    if column.empty or column.kind == "boolean":
        return facts
    facts |= {"low": _plain(column, column.low), "high": _plain(column, column.high)}
    return facts | {"power": column.skew[2]} if column.skew else facts


def _plain(column: EncodedColumn, value: Any) -> Any:
    if column.kind == "datetime":
        text = str(np.datetime64(int(value), column.unit))  # type: ignore[call-overload]
        return text.removesuffix(".000000000").removesuffix(".000000").removesuffix(".000").removesuffix("T00:00:00")
    return str(np.timedelta64(int(value), column.unit)) if column.kind == "duration" else value  # type: ignore[call-overload]


def line_of(facts: Facts) -> str:
    """Return the facts of a column as one line, without its name."""
    if "problem" in facts:
        return f"cannot be encoded: {facts['problem']}"
    parts = [str(facts["kind"])]
    if "levels" in facts:
        levels = facts["levels"]
        more = f", … {len(levels) - _SHOWN} more" if len(levels) > _SHOWN else ""
        count = f"{len(levels):,} level" + "s" * (len(levels) != 1)
        parts.append(f"{count}: {', '.join(levels[:_SHOWN])}{more}")
    elif "low" in facts:
        ends = (f"{end:.6g}" if isinstance(end, float) else str(end) for end in (facts["low"], facts["high"]))
        parts.append(" to ".join(ends))
    if "power" in facts:
        parts.append(f"skewed: transformed with power {facts['power']:g}")
    if facts.get("missing"):
        parts.append(f"{facts['missing']:,} missing")
    return ", ".join(parts)
