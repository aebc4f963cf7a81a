"""``--log-file FILE``: what a command prints, and each epoch, as lines with time stamps.

Lines are appended and flushed one by one, so that ``tail -f`` follows a run and a killed one leaves what it did.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.core.files import described, is_stream
from isthmus.core.version import __version__

LOGGER = logging.getLogger("isthmus")
_LogFile = Annotated[
    str | None,
    Option(
        "--log-file",
        metavar="FILE",
        help="Append to this file what is printed, and each epoch, with time stamps; JSON lines in FILE.jsonl.",
        rich_help_panel="output",
    ),
]
_JSON = (".jsonl", ".ndjson")
# A first line that isthmus wrote: no other file is appended to.
_OURS = re.compile(rb'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d isthmus |\{"time": "')


def writes_log(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --log-file."""
    signature = inspect.signature(run, eval_str=True)

    @functools.wraps(run)
    def command(log_file: str | None = None, **given: Any) -> None:
        if log_file is not None and _writes(given):
            start(log_file, given)
        run(**given)

    own = list(signature.parameters.values())
    made = inspect.Parameter("log_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_LogFile)
    command.__signature__ = signature.replace(parameters=[*own, made])  # type: ignore[attr-defined]
    return command


def _writes(given: Mapping[str, Any]) -> bool:
    """Whether this process writes the log: of several that train together the main one."""
    if not given.get("distributed"):
        return True
    from isthmus.core import processes

    processes.join()
    return processes.is_main_process()


def start(path: str, given: Mapping[str, Any]) -> None:
    """Begin a log with the command; refuse a file that is another option's, or that has something else.

    Parameters
    ----------
    path : str
        The file.
    given : mapping of str to object
        The arguments and options of the command.
    """
    _check(path, given)
    try:
        handler = _Handler(path)
    except OSError as error:
        raise UnwritableError(f"cannot write --log-file {path}: {described(error)}") from error
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    command = [_public(word) for word in sys.argv[1:]]
    record(
        f"isthmus {__version__}: isthmus {shlex.join(command)}", "start", {"version": __version__, "arguments": command}
    )


def record(text: str, event: str = "message", facts: Mapping[str, Any] | None = None) -> None:
    """Write to the log, if there is one.

    Parameters
    ----------
    text : str
        What was printed.
    event : str
        What kind of line it is: start, message, epoch, result or end.
    facts : mapping of str to object or None
        What JSON lines have besides.
    """
    for handler in _handlers():
        handler.handle(
            LOGGER.makeRecord(
                LOGGER.name, logging.INFO, __file__, 0, text, (), None, extra={"event": event, "facts": facts or {}}
            )
        )


def is_active() -> bool:
    """Whether there is a log."""
    return bool(_handlers())


def stop(code: int) -> None:
    """End the log with the exit code; a log without it is that of a process that was killed."""
    for handler in _handlers():
        seconds = time.monotonic() - handler.began
        record(f"ended with exit code {code} after {seconds:.1f} s", "end", {"exit_code": code, "seconds": seconds})
        handler.close()


def _handlers() -> list[_Handler]:
    return [handler for handler in LOGGER.handlers if isinstance(handler, _Handler)]


def _public(word: str) -> str:
    """Return an argument without the credentials that a URL may have."""
    if "://" not in word:
        return word
    from isthmus.data.sources.places import public_url

    return public_url(word)


def _check(path: str, given: Mapping[str, Any]) -> None:
    target = Path(path)
    if path in ("", "-"):
        raise InvalidParameterError(f"--log-file={path!r} must be the path of a file; messages are on stderr as well")
    if target.suffix.lower() in (".json", ".csv"):
        raise InvalidParameterError(
            f"--log-file {path}: a log has a JSON object in each line; name it {target.with_suffix('.jsonl')}"
        )
    for value in given.values():
        for other in value if isinstance(value, list) else [value]:
            if isinstance(other, str) and os.path.realpath(other) == os.path.realpath(path):
                raise InvalidParameterError(f"--log-file {path} is another file of this command; give another name")
    if is_stream(target):  # reading its first bytes would wait for them
        return
    try:
        with target.open("rb") as file:
            first = file.read(64)
    except OSError:  # it does not exist, or the attempt to write it says why not
        return
    if first and not _OURS.match(first):
        raise InvalidParameterError(f"--log-file {path} exists and is no log of isthmus; give another name")


class _Handler(logging.StreamHandler[Any]):
    """Appends lines to a file; where it cannot be written any more, it says so once and ends no fit."""

    def __init__(self, path: str) -> None:
        cut = False
        if Path(path).is_file() and Path(path).stat().st_size:
            with Path(path).open("rb") as before:
                before.seek(-1, os.SEEK_END)
                cut = before.read() != b"\n"  # of a process that was killed while it wrote
        file = Path(path).open("a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        super().__init__(file)
        self.path, self.began, self.level_before = path, time.monotonic(), LOGGER.level
        self.setFormatter(_JsonLines() if Path(path).suffix.lower() in _JSON else _TextLines())
        if cut:
            file.write("\n")

    def close(self) -> None:
        """Close the file and leave the logger as it was."""
        LOGGER.removeHandler(self)
        LOGGER.setLevel(self.level_before)
        super().close()
        with contextlib.suppress(OSError):  # the disk is full; that was said
            self.stream.close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say that the log cannot be written, and write no more."""
        error = sys.exc_info()[1]
        self.close()
        reason = described(error) if isinstance(error, OSError) else str(error)
        if sys.stderr is not None:
            print(f"isthmus: cannot write --log-file {self.path}: {reason}; the log ends here", file=sys.stderr)


class _TextLines(logging.Formatter):
    """The local time before each line of a message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as lines."""
        stamp = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
        return "\n".join(f"{stamp} {line}".rstrip() for line in record.getMessage().splitlines() or [""])


class _JsonLines(logging.Formatter):
    """One JSON object: time, event, the facts of the event, and the text that was printed."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        stamp = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        facts = {name: _plain(value) for name, value in getattr(record, "facts", {}).items()}
        line = {"time": stamp, "event": getattr(record, "event", "message"), **facts, "text": record.getMessage()}
        return json.dumps(line, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, which has no NaN."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
