"""Numbers and dates that a column of text spells, each of which would be a category of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection
from typing import Any

_FEW_NUMBERS, _FEW_DATES = 10, 2  # so many different values may be categories
_SHARE = 0.9
_LOOKED_AT = 1_000  # values
_SIGN = r"[+\-\u2212]?"
_DIGITS = r"(?:\d{1,3}(?:[,.' \u00a0\u2009\u202f]\d{3})+|\d+)(?:[.,]\d*)?(?:[eEdD][+-]?\d+)?"
_CURRENCY = r"(?:[$€£¥₹₽₩]|[A-Z]{2,3}\$|USD|EUR|GBP|CHF|JPY|CNY|INR)"
_UNIT = rf"(?:[%‰]|{_CURRENCY}|(?P<unit>[^\W\d]{{1,4}}))"
_NUMBER = re.compile(
    rf"(?:[<>≤≥~]=? ?)?{_SIGN}{_CURRENCY}?[ \u00a0]?{_SIGN}{_DIGITS}[ \u00a0]?{_UNIT}?-?"  # SAP writes 5- for -5
)
_MONTH = r"(?:(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)[a-z]*|may)"
_DAY, _YEAR, _TIME = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:1[5-9]|20|21)\d\d", r"(?:[ T,]+\d{1,2}:\d\d.*)?"
_DATE = re.compile(
    "|".join(
        (
            rf"{_YEAR}([-/.]){_DAY}\1{_DAY}{_TIME}",
            rf"{_DAY}([-/.]){_DAY}\2{_YEAR}{_TIME}",
            rf"{_DAY}([-/]){_DAY}\3\d\d{_TIME}",
            rf"{_DAY}\.?[ -]{_MONTH}\.?,?[ -](?:{_YEAR}|\d\d){_TIME}",
            rf"{_MONTH}\.?[ -]{_DAY},?[ -](?:{_YEAR}|\d\d){_TIME}",
            rf"{_MONTH}\.?,?[ -]{_YEAR}",
        )
    ),
    re.IGNORECASE,
)


def spelled(labels: Collection[Any]) -> str | None:
    """Return "numbers" or "dates" if nearly all of these labels are text that spells them, else None.

    Codes are neither: integers with a zero in front, or all of one length, or few different ones.
    """
    texts = [label.strip(" \t\u00a0'\"()") for label in labels if isinstance(label, str)]
    if len(texts) < max(len(labels), _FEW_DATES + 1):
        return None
    if sum(_DATE.fullmatch(text) is not None for text in texts) >= _SHARE * len(texts):
        return "dates"
    numbers = [found for text in texts if (found := _NUMBER.fullmatch(text))]
    if len(numbers) < _SHARE * len(texts) or len(texts) <= _FEW_NUMBERS:
        return None
    codes = any(re.match(r"0\d", text) for text in texts) or (
        all(text.isdigit() for text in texts) and len({len(text) for text in texts}) == 1
    )
    units = {found["unit"] for found in numbers}
    return "numbers" if not codes and len(units - {None}) <= 1 else None


def note_on_text(name: Any, labels: Collection[Any]) -> str | None:
    """Return what to say of a column whose categories spell numbers or dates; None if they do not."""
    some = list(itertools.islice(labels, _LOOKED_AT))
    what = spelled(some)
    if what is None:
        return None
    remedy = {
        "numbers": "if they are quantities, convert them to plain numbers",
        "dates": "convert them to dates, which text files spell as 2020-01-31",
    }
    return (
        f"column {name!r} holds {what} as text, such as {some[0]!r}, and each of its values is a category of "
        f"its own; {remedy[what]}, or drop it"
    )
