"""Text that pyarrow reads through Python: decoded, and ended where the rows end."""

from __future__ import annotations

import codecs
import threading
import warnings
from typing import Any

from isthmus.core.errors import IsthmusWarning
from isthmus.data.sources.layout import TextLayout

_WAIT = 0.2  # seconds


class Decoded:
    """A text table as UTF-8, of one column without the empty lines at its end, which are not missing cells.

    pyarrow reads ahead in a thread. One that calls Python while the interpreter ends aborts the process (C++
    "terminate called"), so `stop` ends the text for it.

    Parameters
    ----------
    stream : file
        Bytes.
    layout : TextLayout
        Their encoding, and whether the table has one column.
    file : Path or RemoteFile or None
        The file that a warning about empty lines names; None warns of none.
    """

    closed = False

    def __init__(self, stream: Any, layout: TextLayout, file: Any = None) -> None:
        self.stream, self.file, self.one_column = stream, file, layout.one_column
        utf8 = layout.encoding == "utf-8"
        self.decoder = None if utf8 else codecs.getincrementaldecoder(layout.encoding)()
        self.rest = self.held = b""  # decoded bytes to return, and the line ends that may be those of the file
        self.stopped, self.ended = False, threading.Event()

    def read(self, size: int = -1) -> bytes:
        """Return at most this many bytes, none at the end."""
        while not self.rest and not self.stopped and (more := self.stream.read(size)):
            text = more if self.decoder is None else self.decoder.decode(more).encode()
            body = text.rstrip(b"\r\n") if self.one_column else text
            if body:
                self.rest, self.held = self.held + body, text[len(body) :]
            else:
                self.held += text
        if self.stopped or not self.rest:
            self.rest = b"" if self.stopped else self._end()
            if not self.rest:
                self.ended.set()
        size = len(self.rest) if size < 0 else size
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

    def _end(self) -> bytes:
        if self.decoder is not None:
            self.decoder.decode(b"", final=True)
        n_ends = len((self.held + b".").splitlines()) - 1
        if n_ends > 1 and self.file is not None:
            warnings.warn(f"{self.file}: empty lines at the end are not read as rows", IsthmusWarning, stacklevel=2)
        last, self.held = self.held, b""
        return b"\n" if last else b""

    def stop(self) -> None:
        """End the text, and wait for a thread that is reading ahead."""
        self.stopped = True
        if not self.ended.is_set():
            self.ended.wait(_WAIT)

    def close(self) -> None:
        """Do nothing: the stream is closed where it was opened."""
