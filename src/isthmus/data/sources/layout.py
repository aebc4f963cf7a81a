"""The layout of a text table: encoding, delimiter, decimal mark, header and missing cells, given or found."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError
from isthmus.core.signatures import other_content
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.arrow_columns import said_of
from isthmus.data.sources.cells import MISSING_NUMBERS, is_number, records, split
from isthmus.data.sources.delimiters import Marks, Row, find_decimal, find_delimiter, first_rows
from isthmus.data.sources.headers import column_names, has_header, has_quoted_names, names_note
from isthmus.data.sources.places import Place

_HEAD = 1 << 18  # bytes
_WORDS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class TextOptions:
    """What the user says about the layout of text tables; None is found in each file.

    Parameters
    ----------
    encoding : str or None
        A codec of Python, such as ``"cp1252"``; None is UTF-8, or UTF-16 where a byte-order mark says so.
    delimiter : str or None
        The character between two cells.
    decimal : str or None
        The decimal mark, ``"."`` or ``","``.
    header : bool or None
        Whether the first row names the columns.
    missing_values : sequence of str
        Spellings of missing cells, besides the empty cell and, in columns of numbers, NA, NaN, null and the like.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None
    missing_values: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except (LookupError, TypeError) as error:
                raise InvalidParameterError(
                    f"encoding={self.encoding!r} is not known; pass a name such as 'utf-8', 'cp1252' or 'utf-16'"
                ) from error
        if self.delimiter is not None:
            mark = _WORDS.get(self.delimiter, self.delimiter)
            if not isinstance(mark, str) or len(mark) != 1 or not mark.isascii() or mark in '"\r\n':
                raise InvalidParameterError(
                    f"delimiter={self.delimiter!r} must be one character, such as ',', ';', '|' or 'tab'"
                )
            object.__setattr__(self, "delimiter", mark)
        if self.decimal not in (None, ".", ","):
            raise InvalidParameterError(f"decimal={self.decimal!r} must be '.' or ','")
        if isinstance(self.missing_values, str):
            raise InvalidParameterError(
                f"missing_values={self.missing_values!r} is a string; pass a list, [{self.missing_values!r}]"
            )
        object.__setattr__(self, "missing_values", tuple(map(str, self.missing_values or ())))

    @property
    def missing_numbers(self) -> list[str]:
        """The spellings of a missing cell in a column of numbers, alone or after a space."""
        known = dict.fromkeys((*MISSING_NUMBERS, *self.missing_values))
        return [*known, *(f" {spelling}" for spelling in known)]

    @property
    def missing_texts(self) -> list[str]:
        """The spellings of a missing cell in a column of text."""
        return list(dict.fromkeys(("", *self.missing_values)))


@dataclass(frozen=True)
class TextLayout:
    """The layout of one file.

    Parameters
    ----------
    encoding : str
        The codec of the text; a byte-order mark is not part of the text.
    delimiter, decimal : str
        The character between cells and the decimal mark.
    names : tuple of str
        A name for each cell of a row.
    named : bool
        Whether they are in the file; otherwise they are ``x0``, ``x1``, ….
    blank : tuple of str
        Of these, the last columns, which have neither names nor values: rows that end with a delimiter.
    index : bool
        Whether the first column has no name and all others have: the labels of rows, as pandas writes them.
    skipped : int
        The lines above the first row: names, comments, and the line ``sep=;`` of Excel.
    start : int
        The characters above the first row.
    row_size : int
        The length of the longest row that was looked at.
    note : str or None
        What was chosen where the delimiter is not clear, or the first row may be names or values.
    no_rows : bool
        Whether the file ends below its names.
    """

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    named: bool
    blank: tuple[str, ...] = ()
    index: bool = False
    skipped: int = 0
    start: int = 0
    row_size: int = 0
    note: str | None = None
    no_rows: bool = False

    @property
    def one_column(self) -> bool:
        """Whether rows have one cell, so that an empty line between them is a missing one."""
        return len(self.names) == 1

    @property
    def columns(self) -> list[str]:
        """The names of the columns that can be read."""
        return [name for name in self.names if name not in self.blank]


def find_layout(file: Place, options: TextOptions, like: TextLayout | None = None) -> TextLayout:
    """Return the layout of a file: what the options say, and what its first rows show where they say nothing.

    Parameters
    ----------
    file : Path or RemoteFile
        The file.
    options : TextOptions
        What the user says.
    like : TextLayout or None
        The layout of the first file of the table: a first row of the same names is a header.

    Raises
    ------
    BrokenFileError, InvalidDataError
        If the file is empty, not text in this encoding, or its columns have no clear names.
    """
    content, whole = _head(file)
    encoding = _encoding(file, content, options)
    text = _decoded(file, content, encoding)
    start, given = 0, options.delimiter
    first = next(records(text, ","), None)
    if (
        first is not None
        and text[first.start : first.stop].lower().startswith("sep=")
        and first.stop - first.start == 5
    ):
        given, start = given or text[first.stop - 1], first.end
    comments, start = _comments(text, start)
    marks = Marks(given) if given else _marks(text, start, whole, file.name, options)
    rows = first_rows(text, marks.delimiter, start, whole)
    if comments and rows and _is_header_comment(text, comments[-1], marks.delimiter, rows, options.header):
        start = comments[-1]
        rows = first_rows(text, marks.delimiter, start, whole)
    if not rows:
        raise InvalidDataError(f"{file} is empty; a table needs a header and rows")
    decimal, note = options.decimal or marks.decimal, marks.note
    if decimal is None:
        decimal, thousands = find_decimal(rows, marks.delimiter)
        note = note or thousands
    found = TextLayout(encoding, marks.delimiter, decimal, (), False, note=note and f"{file}: {note}", no_rows=whole)
    return _named(file, text, rows, found, options, like)


def _marks(text: str, start: int, whole: bool, name: str, options: TextOptions) -> Marks:
    return find_delimiter(text, start, whole, name, options.decimal, options.missing_numbers)


def _named(
    file: Place,
    text: str,
    rows: list[Row],
    found: TextLayout,
    options: TextOptions,
    like: TextLayout | None,
) -> TextLayout:
    """Return a layout with names, and the lines above the first row."""
    cells = _aligned([row.cells for row in rows], options.header)
    raw = [["", *row.raw] if len(row.raw) < len(cells[0]) else row.raw for row in rows]
    width = len(cells[0])
    header, unsure = options.header, False
    if header is None and like is not None and like.named and cells[0] == list(like.names):
        header = True
    if header is None and has_quoted_names(raw):
        header = True
    if header is None:
        header, unsure = has_header(cells, found.decimal)
    if header and any("\udc80" <= letter <= "\udcff" for name in cells[0] for letter in name):
        raise not_utf8(file, text)
    names, unnamed = column_names(file, cells, width, header=header)
    blank = [name for name in names if name.startswith("\0")]
    below = rows[1].start if width > 1 and len(rows) > 1 else rows[0].end  # an empty line may be a cell
    first = below if header else rows[0].start
    index = header and unnamed == [0] and len(names) - len(blank) > 1
    notes = [found.note, names_note(file, cells[0], header=header, index=index, unsure=unsure, unnamed=unnamed)]
    if width == 1 and not header and "" in text[:first].splitlines():
        notes.append(f"{file}: empty lines above the first row are not read as rows")
    return replace(
        found,
        names=tuple(names),
        named=header,
        blank=tuple(blank),
        index=index,
        skipped=len(text[:first].replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1,
        start=first,
        row_size=max(row.end - row.start for row in rows),
        note="; ".join(filter(None, notes)) or None,
        no_rows=found.no_rows and header and len(rows) == 1,
    )


def _aligned(cells: list[list[str]], header: bool | None) -> list[list[str]]:
    """Return rows whose names are one less than their cells with an empty one: at the end, or above labels of rows.

    Rows may end with a delimiter, and R writes no name above its row names.
    """
    first, rest = cells[0], cells[1:]
    if not rest or any(len(row) != len(first) + 1 for row in rest):
        return cells
    if not any(row[-1] for row in rest):
        return [[*first, ""], *rest]
    words = len(first) > 1 and all(cell and not is_number(cell) for cell in first)  # one may be a title
    return [["", *first], *rest] if header or (header is None and words) else cells


@contextmanager
def opened(file: Place) -> Iterator[Any]:
    """Open a file, decompressed, for reading bytes."""
    import pyarrow as pa

    with file.open("rb") as raw:
        suffix = file.suffix.lower()
        if suffix == ".gz":
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream
        elif suffix in COMPRESSED:
            with pa.CompressedInputStream(raw, COMPRESSED[suffix]) as stream:
                yield stream
        else:
            yield raw


COMPRESSED = {".gz": "gzip", ".zst": "zstd"}


def _head(file: Place) -> tuple[bytes, bool]:
    """Return the first bytes of a file, at least one row, and whether they are all."""
    try:
        with opened(file) as stream:
            content, size = b"", _HEAD
            while True:
                more = stream.read(size - len(content))
                content += more
                if not more:
                    return content, True
                if len(content) >= size:
                    if content.count(b"\n", 0, -1) or content.count(b"\r", 0, -1):
                        return content, False
                    size *= 4
    except (zlib.error, OSError, EOFError) as error:
        raise BrokenFileError(f"{file} cannot be read as CSV: {said_of(error)}") from error


def _encoding(file: Place, content: bytes, options: TextOptions) -> str:
    if other := other_content(content, ""):
        raise BrokenFileError(f"{file} is not text but {other}")
    if options.encoding is not None:
        return codecs.lookup(options.encoding).name.removesuffix("-sig")
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    pairs = content[:400]
    if pairs.count(0) > 2 * len(pairs) // 3:
        raise BrokenFileError(
            f"{file} is not text: most of its first bytes are 0; pass a file of a format that is read"
        )
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(pairs) > 3 and pairs[offset::2].count(0) > len(pairs) // 3:
            raise BrokenFileError(
                f"{file} is not UTF-8 text; it looks like {encoding.upper()}: pass encoding={encoding!r} (--encoding "
                f"{encoding})"
            )
    return "utf-8"


def decoded(file: Place, content: bytes, encoding: str) -> tuple[bytes, str, str]:
    """Return the byte-order mark of a whole file, its codec and its text, which encodes to the same bytes again.

    Raises
    ------
    BrokenFileError
        If the text does not have this encoding.
    """
    mark = next((mark for mark, name in _MARKS.items() if name == encoding and content.startswith(mark)), b"")
    codec = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(mark, encoding)
    content = content[len(mark) :]
    try:
        text = content.decode(codec)
        if text.encode(codec) == content:
            return mark, codec, text
    except UnicodeError as error:
        if codec == "utf-8":
            raise not_utf8(file, content.decode(codec, "surrogateescape")) from error
        raise BrokenFileError(f"{file} is not {encoding} text ({one_line(error)}); pass its encoding=") from error
    raise BrokenFileError(f"{file}: text in {encoding} cannot be written as it was; save it as UTF-8")


def _decoded(file: Place, content: bytes, encoding: str) -> str:
    """Return the first characters of a file; bytes that are not UTF-8 become surrogates."""
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)(errors)
        return decoder.decode(content)
    except UnicodeError as error:
        raise BrokenFileError(f"{file} is not {encoding} text ({one_line(error)}); pass its encoding=") from error


def not_utf8(file: object, text: str, line: int = 1) -> BrokenFileError:
    """Return the error for a text, of which this is the first line, whose bytes are not UTF-8 but surrogates."""
    place = next(i for i, letter in enumerate(text) if "\udc80" <= letter <= "\udcff")
    line += text.count("\n", 0, place)
    start = max(text.rfind("\n", 0, place) + 1, place - 20)
    near = (
        text[start : place + 20].split("\n")[0].encode("utf-8", "surrogateescape").decode("cp1252", "replace").strip()
    )
    return BrokenFileError(
        f"{file} is not UTF-8 text: line {line:,} has {near!r}, if it is Windows-1252; then pass encoding='cp1252' "
        "(--encoding cp1252), else its own encoding, or save it as UTF-8"
    )


def _comments(text: str, start: int) -> tuple[list[int], int]:
    """Return where the lines above the table that begin with # start, and where the table starts."""
    found: list[int] = []
    for row in records(text, "\0", start):
        start = row.start
        if text[start] != "#":
            return found, start
        found.append(start)
    return (found[:-1], found[-1]) if found else ([], start)


def _is_header_comment(text: str, start: int, delimiter: str, rows: list[Row], header: bool | None) -> bool:
    """Whether the last comment above the table names its columns: it has as many cells, and the next row is values."""
    if header is False:
        return False
    row = next(records(text, delimiter, start))
    words = all(cell and not is_number(cell) for cell in rows[0].cells)
    return len(split(text[row.start : row.stop], delimiter)) == len(rows[0].raw) and not words
