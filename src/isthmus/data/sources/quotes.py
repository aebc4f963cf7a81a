"""Quotes of a text table that are never closed, so that the lines below them would be read as one cell."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from isthmus.core.errors import BrokenFileError
from isthmus.data.sources.decoding import Decoded
from isthmus.data.sources.layout import TextLayout, opened

_PIECE = 1 << 22  # bytes
_LINE_END = re.compile(rb"\r\n|\r|\n")
_REST = re.compile(rb'[^"]*+(?:""[^"]*+)*+')  # of a cell, up to the quote that closes it


class _Patterns(NamedTuple):
    good: re.Pattern[bytes]  # text in which each quote is closed
    boundary: re.Pattern[bytes]  # of a cell


@lru_cache
def _patterns(delimiter: str) -> _Patterns:
    marks = re.escape(delimiter).encode() + rb"\r\n"
    # A quote within a cell is text, and so is what follows a closing quote in the same line. Behind a cell of several
    # lines such text shows that the quote which closes it should open the next one.
    plain = rb'(?<=[^%s]")' % marks
    closed = rb'[^"]*+(?:""[^"]*+)*+"(?=[%s]|\Z)' % marks
    of_one_line = rb'[^"\r\n]*+(?:""[^"\r\n]*+)*+"'
    good = rb'(?:[^"]*+"(?:%s|%s|%s))*+[^"]*+' % (plain, closed, of_one_line)
    return _Patterns(re.compile(good), re.compile(rb"[%s]|\Z" % marks))


def refuse_open_quotes(file: Any, layout: TextLayout) -> None:
    """Raise BrokenFileError for the first quote of a file that is not closed before the next one opens, or at all.

    The file is read in pieces: a cell may begin in one and end in another.
    """
    with opened(file) as stream:
        line = _first_open(Decoded(stream, layout), layout)
    if line is not None:
        raise BrokenFileError(
            f"{file}: the quote that opens in line {line:,} is not closed, so that the lines below it would be one "
            "cell; close it, or write it twice within quotes if it is part of the text"
        )


def _first_open(text: Decoded, layout: TextLayout) -> int | None:
    """Return the line of the first quote that is not closed, or None."""
    good, boundary = _patterns(layout.delimiter)
    skipped, above, before = layout.skipped, 0, b""  # lines above the piece, and the last byte of the piece before
    opens, broken = None, False  # the line where a cell is open, and whether it goes on in the next line
    for piece in _pieces(text):
        start = 0
        while skipped and (end := _LINE_END.search(piece, start)):
            start, skipped = end.end(), skipped - 1
        if opens is not None:
            start = _end_of_cell(piece, 0)
            broken = broken or _lines(piece[:start]) > 0
            if start < len(piece):
                start += 1
                if broken and not boundary.match(piece, start):
                    return opens
                opens = None
        if opens is None and not skipped and piece.find(b'"', start) >= 0:
            behind = b"" if start else before
            joined = behind + piece[start:]
            found = good.match(joined)
            assert found is not None
            if found.end() < len(joined):
                place = found.end() - len(behind) + start
                opens = above + _lines(piece[:place]) + 1
                if _end_of_cell(piece, place + 1) < len(piece):
                    return opens
                broken = _lines(piece[place:]) > 0
        before, above = piece[-1:], above + _lines(piece)
    return opens


def _end_of_cell(piece: bytes, start: int) -> int:
    found = _REST.match(piece, start)
    assert found is not None
    return found.end()


def _lines(text: bytes) -> int:
    return text.count(b"\n") or text.count(b"\r")


def _pieces(text: Decoded) -> Iterator[bytes]:
    """Yield a text in pieces that end neither between two quotes nor within a line end."""
    mark = codecs.BOM_UTF8
    while piece := text.read(_PIECE):
        while piece.endswith((b'"', b"\r")) and (more := text.read(1)):
            piece += more
        yield piece.removeprefix(mark)
        mark = b""
