"""`CSVLogger`: a file with a line for each epoch."""

from __future__ import annotations

import csv
import errno
import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.core.errors import ExistingFileError, InvalidParameterError, IsthmusError, IsthmusWarning
from isthmus.core.files import atomic_write, check_overwriting, check_writable, described, is_stream
from isthmus.data.sources.places import local_files
from isthmus.estimators.callbacks.base import (
    Begun,
    EpochCallback,
    Followed,
    History,
    digest_of,
    epochs_of,
    local_path,
    place_of,
)
from isthmus.estimators.callbacks.claim import Claim

_FIRST, _LAST = ("epoch", "loss", "validation_loss"), ("seconds", "waiting")


class CSVLogger(EpochCallback):
    """Writes ``history_`` to a CSV file, a line after each epoch.

    The columns are ``epoch`` and the other names of ``history_``, with all digits. A fit that continues from a
    checkpoint, and `partial_fit`, continue the file: an epoch that is trained again replaces its line, so that the file
    is that of a fit without the interruption. Each fit of scikit-learn's searches has a file of its own, of ``log.csv``
    ``log-fit-0.csv``, ``log-fit-1.csv`` and so on (candidate by candidate, and split by split) and ``log-refit.csv``,
    whatever ``n_jobs`` is. The first stage of a map is in ``log-features.csv``.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.
    overwrite : bool
        Whether an existing file is replaced that this fit does not continue.

    Raises
    ------
    InvalidParameterError
        Where `path` is not the path of a file; in `fit`, where another fit writes to it.
    ExistingFileError
        In `fit`, where the file exists, is not one that the fit continues, and `overwrite` is false.
    UnwritableError
        In `fit`, where it cannot be written.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from isthmus import Autoencoder
    >>> from isthmus.callbacks import CSVLogger
    >>> rows = np.random.default_rng(0).normal(size=(100, 4))
    >>> log = tempfile.mkdtemp() + "/log.csv"
    >>> model = Autoencoder(2, max_epochs=3, random_state=0)
    >>> model = model.set_callbacks(CSVLogger(log)).fit(rows)
    >>> table = np.genfromtxt(log, delimiter=",", names=True)
    >>> table["loss"].tolist() == model.history_["loss"]
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        super().__init__()
        self.path = local_path("path", path)
        self.overwrite = overwrite
        if is_stream(self.path):
            raise InvalidParameterError(f"path={self.path!r} is a stream, which cannot be continued; name a file")

    def _opened(self, estimator: Any, context: Any) -> Followed:
        path = Path(self.path)
        if place := place_of(context):
            path = path.with_name(f"{path.stem}-{place}{path.suffix}")
        return _Files(path, self.overwrite, digest_of(estimator))

    def _check_rows(self, fit: Any, X: Any) -> None:
        check_overwriting(fit.path, overwrite=True, reads=local_files(X))

    def __repr__(self) -> str:
        return f"CSVLogger({self.path!r}{', overwrite=True' if self.overwrite else ''})"


class _Files:
    """The files of one fit."""

    def __init__(self, path: Path, overwrite: bool, owner: str) -> None:
        self.path = path
        self._options: dict[str, Any] = {"overwrite": overwrite, "owner": owner}
        # Opened before the rows are read, so that a file that cannot be written is refused at once.
        self.files = {"": _File(path, **self._options)}
        self._finished = False

    def begin(self, begun: Begun) -> None:
        self._file(begun.stage).begin(begun.history)

    def _file(self, stage: str) -> _File:
        if stage not in self.files:
            path = self.path.with_name(f"{self.path.stem}-{stage}{self.path.suffix}")
            self.files[stage] = _File(path, **self._options)
        return self.files[stage]

    def rows_done(self, rows: int) -> None:
        pass

    def epoch_done(self, stage: str, history: History) -> None:
        self.files[stage].epoch_done(history)

    def end(self, histories: Mapping[str, History]) -> None:
        self._finished = True
        for stage, file in self.files.items():
            file.end(histories.get(stage, {}))

    def close(self) -> None:
        for file in self.files.values():
            file.claim.release(finished=self._finished or not file.rows)


class _File:
    """The file of one history."""

    def __init__(self, path: Path, *, overwrite: bool, owner: str) -> None:
        self.path = path
        self.columns: list[str] = []
        self.rows = 0
        self._failed = False
        check_writable(path, overwrite=True)
        self.claim = Claim(path.with_name(f".{path.name}.lock"), path, owner)
        self.replaces = overwrite or self.claim.left_behind
        if not self.replaces and self._head().partition(",")[0] not in ("", _FIRST[0]):
            self.claim.release(finished=False)
            raise ExistingFileError(
                f"{path} exists and is no log of epochs; pass another path, or --force (overwrite=True) to replace it"
            )

    def begin(self, history: History) -> None:
        """Begin the file, or continue it: it has the epochs of the history from now on."""
        text, existing = text_of(history), self._text()
        if existing and not self.replaces and not _continues(existing, text):
            raise ExistingFileError(
                f"{self.path} is the log of another fit; pass another path, or --force (overwrite=True) to replace it"
            )
        self.claim.take()
        if text and text != existing:
            self._write(text)
        elif existing and not text:
            self.path.unlink()
        self.columns, self.rows = columns_of(history) if text else [], epochs_of(history)

    def epoch_done(self, history: History) -> None:
        """Add the last epoch; a file that cannot be written any more is tried again at the end, and ends no fit."""
        if self._failed:
            return
        columns, rows = columns_of(history), epochs_of(history)
        try:
            if columns == self.columns and rows == self.rows + 1:
                self._append(line_of(history, columns, rows - 1))
            else:
                self._write(text_of(history))
        except OSError as error:
            self._fail(error)
        self.columns, self.rows = columns, rows

    def end(self, history: History) -> None:
        """Check that the file has what the estimator keeps."""
        text = text_of(history)
        try:
            if text and self._text() != text:
                self._write(text)
        except OSError as error:
            if not self._failed:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._failed = True
        text = str(error) if isinstance(error, IsthmusError) else f"cannot write {self.path}: {described(error)}"
        warnings.warn(f"{text}; epochs from here on are not in the log", IsthmusWarning, stacklevel=2)

    def _head(self) -> str:
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            return file.read(64).decode(errors="replace")

    def _text(self) -> str:
        return self.path.read_bytes().decode(errors="replace") if self.path.exists() else ""

    def _write(self, text: str) -> None:
        with atomic_write(self.path, overwrite=True) as file:
            file.write(text.encode())

    def _append(self, line: str) -> None:
        # In one piece and not buffered: a process that is killed leaves whole lines.
        data = line.encode()
        with self.path.open("ab", buffering=0) as file:
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def columns_of(history: History) -> list[str]:
    """Return the columns of a history in an order of their own: that of a checkpoint's is another than a fit's."""
    others = sorted(set(history) - {*_FIRST, *_LAST})
    return [name for name in (*_FIRST, *others, *_LAST) if name in history]


def line_of(history: History, columns: list[str], row: int) -> str:
    """Return the line of an epoch."""
    cells = [int(history[name][row]) if name == _FIRST[0] else repr(float(history[name][row])) for name in columns]
    return _line(cells)


def text_of(history: History) -> str:
    """Return the text of a file; none without epochs."""
    rows = epochs_of(history)
    if not rows:
        return ""
    columns = columns_of(history)
    return _line(columns) + "".join(line_of(history, columns, row) for row in range(rows))


def _line(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _continues(existing: str, text: str) -> bool:
    """Whether a history has the whole lines of a file, as far as it goes."""
    known, own = existing.split("\n")[:-1], text.split("\n")[:-1]
    return bool(known and own) and all(one == other for one, other in zip(known, own, strict=False))
