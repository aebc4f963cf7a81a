"""`TensorBoard`: the figures of epochs as TensorBoard's events."""

from __future__ import annotations

import math
import os
import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.core.errors import ExistingFileError, InvalidParameterError, IsthmusError, IsthmusWarning, UnwritableError
from isthmus.core.files import described, make_folder
from isthmus.core.parameters import values_of
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

_NAMES = "events.out.tfevents."  # TensorBoard reads files with such names, in their order
_SECONDS = 1.0  # between two flushes


class TensorBoard(EpochCallback):
    """Writes the figures of each epoch for TensorBoard, which ``tensorboard --logdir FOLDER`` shows.

    Each name of ``history_`` is a scalar, with the epoch as its step; those of a map's first stage begin with
    ``features/``. The parameters are a table under Text. A fit that continues from a checkpoint, and `partial_fit`,
    continue the curves. Each fit of scikit-learn's searches has a folder in `folder`: ``fit-0``, ``fit-1`` and so on
    (candidate by candidate, and split by split), and ``refit``. Needs ``isthmus[tensorboard]``, which writes events;
    TensorBoard itself is another package.

    Parameters
    ----------
    folder : path-like
        Created if missing. TensorBoard shows the folders in a folder as runs to compare: ``runs/first``,
        ``runs/second``.
    overwrite : bool
        Whether events are removed that are in the folder and that this fit does not continue.

    Raises
    ------
    InvalidParameterError
        Where tensorboardX is not installed, or `folder` is not the path of a folder; in `fit`, where another fit writes
        to it.
    ExistingFileError
        In `fit`, where the folder has events of another fit and `overwrite` is false.
    UnwritableError
        In `fit`, where it cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        super().__init__()
        self.folder = local_path("folder", folder)
        self.overwrite = overwrite
        _package()

    def _opened(self, estimator: Any, context: Any) -> Followed:
        folder = Path(self.folder) / place_of(context)
        return _Events(folder, self.overwrite, estimator, continues=context.task_name == "partial_fit")

    def __repr__(self) -> str:
        return f"TensorBoard({self.folder!r}{', overwrite=True' if self.overwrite else ''})"


class _Events:
    """The events of one fit.

    Parameters
    ----------
    folder : Path
        The run's folder.
    overwrite : bool
        Whether other events in it are removed.
    estimator : Autoencoder
        The estimator.
    continues : bool
        Whether earlier epochs are in the folder already; else they are written again in place of what is there, since
        a killed process may have lost some.
    """

    def __init__(self, folder: Path, overwrite: bool, estimator: Any, *, continues: bool) -> None:
        self.folder, self.continues = folder, continues
        self.digest, self.parameters = digest_of(estimator), parameters_text(estimator)
        self._writer: Any = None
        self._flushed = 0.0
        self._failed = self._finished = False
        make_folder(folder)
        self.claim = Claim(folder / ".isthmus.lock", folder, self.digest)
        self.replaces = overwrite or self.claim.left_behind

    def begin(self, begun: Begun) -> None:
        try:
            self._begin(begun)
        except IsthmusError:
            raise
        except OSError as error:
            raise UnwritableError(f"cannot write events to {self.folder}: {described(error)}") from error

    def _begin(self, begun: Begun) -> None:
        writes = True
        if self._writer is None:
            existing = self._existing(begun.epochs)
            self.claim.take()
            writes = not (self.continues and existing)
            self._open(existing, writes)
        for epoch in range(begun.epochs if writes else 0):
            self._write(begun.stage, begun.history, epoch)
        self._flush()

    def _existing(self, epochs: int) -> bool:
        """Whether the folder has events that the fit continues; those of others are refused, or removed."""
        files = sorted(self.folder.glob(f"{_NAMES}*"))
        if self.replaces:
            for file in files:
                file.unlink()
            return False
        if files and (not epochs or any(file.suffix != f".{self.digest}" for file in files)):
            raise ExistingFileError(
                f"{self.folder} has events of another fit; pass another folder, or --force (overwrite=True) to remove "
                "them"
            )
        return bool(files)

    def _open(self, existing: bool, writes: bool) -> None:
        writer, events, _, text = _package()
        stamp = time.time_ns()
        name = f"{_NAMES}{stamp // 10**9:010d}.{socket.gethostname()}.{stamp}.{self.digest}"
        self._writer = writer(str(self.folder / name))
        self._add(file_version="brain.Event:2")
        if existing and writes:
            # From here on the folder's earlier events do not count.
            self._add(step=0, session_log=events.SessionLog(status=events.SessionLog.START))
        if writes:
            self._add(step=0, summary=text("parameters", self.parameters))

    def _add(self, **values: Any) -> None:
        event = _package()[1].Event(**{"wall_time": time.time(), **values})
        self._writer.write(event.SerializeToString())

    def _write(self, stage: str, history: History, epoch: int) -> None:
        summary = _package()[2].Summary
        prefix = f"{stage}/" if stage else ""
        values = {name: float(numbers[epoch]) for name, numbers in history.items() if name != "epoch"}
        scalars = [
            summary.Value(tag=prefix + name, simple_value=value)
            for name, value in values.items()
            if not math.isnan(value)  # an epoch of `partial_fit` has no validation loss
        ]
        # An epoch that was done earlier is put before those that followed it.
        later = sum(history.get("seconds", ())[epoch + 1 :])
        self._add(wall_time=time.time() - later, step=int(history["epoch"][epoch]), summary=summary(value=scalars))

    def _flush(self) -> None:
        self._writer.flush()
        self._flushed = time.monotonic()

    def rows_done(self, rows: int) -> None:
        pass

    def epoch_done(self, stage: str, history: History) -> None:
        if self._failed:
            return
        try:
            self._write(stage, history, epochs_of(history) - 1)
            if time.monotonic() - self._flushed >= _SECONDS:
                self._flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._failed = True
        warnings.warn(
            f"cannot write events to {self.folder}: {described(error)}; they end here", IsthmusWarning, stacklevel=2
        )

    def end(self, histories: Mapping[str, History]) -> None:
        self._finished = True

    def close(self) -> None:
        if self._writer is not None:
            try:
                self._writer.flush()
                self._writer.close()
            except OSError as error:
                if not self._failed:
                    self._fail(error)
        self.claim.release(finished=self._finished)


def parameters_text(estimator: Any) -> str:
    """Return an estimator's parameters as a table in Markdown."""
    rows = [f"| {name} | {_cell(value)} |" for name, value in values_of(estimator).items()]
    return "\n".join([f"**{type(estimator).__name__}**", "", "| parameter | value |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    return " ".join(repr(value).split()).replace("|", "\\|")


def _package() -> tuple[Any, Any, Any, Any]:
    """Return tensorboardX's writer of records, its messages of events and of summaries, and its summary of a text."""
    try:
        from tensorboardX import RecordWriter
        from tensorboardX.proto import event_pb2, summary_pb2
        from tensorboardX.summary import text
    except ImportError as error:
        raise InvalidParameterError(
            f"TensorBoard's events need tensorboardX, which is not installed ({error}); pip install "
            "'isthmus[tensorboard]'"
        ) from error
    return RecordWriter, event_pb2, summary_pb2, text
