"""Checkpoints of a run, in its own folder: a run that resumes from one ends as if it had not been interrupted."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from isthmus.core.errors import InvalidParameterError, IsthmusError, ModelFileError, UnwritableError
from isthmus.core.persistence import Tensors, read_header, read_model, write_model
from isthmus.core.processes import global_maximum, is_main_process
from isthmus.core.types import Stopping, TrainState
from isthmus.data.sources.places import is_location, locate

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_CLASS = "Checkpoint"
_KEPT = 2  # the newest, and the one before in case the newest is damaged
_TREES = ("params", "optimizer", "model", "best")
_NUMBERS = ("seed", "step", "epoch", "cursor")
_OTHERS = ("epoch_sums", "metrics", "stopping")


class Checkpoint(NamedTuple):
    """The contents of a checkpoint file."""

    header: dict[str, Any]
    tensors: Tensors


class Checkpoints:
    """The checkpoints of one run, in one folder: written atomically; the last two are kept.

    Parameters
    ----------
    folder : str or os.PathLike
        Created if missing. A run with the same settings and data as the checkpoints in it resumes from the newest
        readable one; a run with others raises an error.
    every : float
        Seconds between checkpoints, >= 0; 0 writes one after each chunk of rows, of about 8 MB.

    Raises
    ------
    InvalidParameterError
        If `folder` is empty or a file, or `every` is negative.
    UnwritableError
        If the folder cannot be created.
    """

    def __init__(self, folder: str | os.PathLike[str], every: float = 60.0) -> None:
        if not os.fspath(folder):  # Path("") is the working folder
            raise InvalidParameterError("checkpoint='' is an empty path; name a folder")
        self.folder = Path(folder)
        self.every = every
        self.writes = is_main_process()  # of several processes one writes; all read
        self.identity: dict[str, str] = {}
        self.seconds = 0.0  # spent on writing
        self._last = time.monotonic()
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidParameterError(f"checkpoint={str(self.folder)!r} is a file; name a folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnwritableError(f"cannot create the folder {self.folder}: {error.strerror}") from error
        if not every >= 0:
            raise InvalidParameterError(f"checkpoint_every={every} must be a number of seconds >= 0")
        if self.writes:
            with self.held():  # partial files of a process that was killed
                for stray in self.folder.glob(".checkpoint-*"):
                    stray.unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder during the block; raise InvalidParameterError if another run has locked it."""
        if not self.writes or fcntl is None:
            yield
            return
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # of a file system without locks
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise InvalidParameterError(
                        f"another run writes its checkpoints to {self.folder} now; wait until it ends, or name another"
                    ) from None
            yield
        finally:
            os.close(handle)

    def files(self) -> list[Path]:
        """Return the checkpoint files, newest first."""
        return sorted(self.folder.glob("checkpoint-*.safetensors"), reverse=True)

    def _newest(self) -> Checkpoint | None:
        """Return the newest readable checkpoint, or None if there are no files; raise if none is readable."""
        first_error: IsthmusError | None = None
        for file in self.files():
            try:
                if read_header(file).get("class") != _CLASS:
                    raise ModelFileError(f"{file} is not a checkpoint; remove it or name another folder")
                return Checkpoint(*read_model(file))
            except IsthmusError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        return None

    def find(self, identity: Mapping[str, str]) -> Checkpoint | None:
        """Return the newest checkpoint of a run with these settings and data, or None if there are no files.

        Parameters
        ----------
        identity : mapping of str to str
            Settings and data of the run, by name.

        Raises
        ------
        InvalidParameterError
            If the checkpoint is from a run with others; the message names the differences.
        ModelFileError
            If there are files, but none is readable.
        """
        self.identity = dict(identity)
        found = self._newest()
        step = -1 if found is None else int(found.header["step"])
        # Both in all processes, before any of them raises: the others would wait for one that has.
        most, least = global_maximum(step), -global_maximum(-step)
        if (most, least) != (step, step):
            raise InvalidParameterError(
                f"{self.folder} has other checkpoints in other processes; use a folder that all share"
            )
        if found is not None:
            self.check(found.header, identity)
        return found

    def check(self, header: Mapping[str, Any], identity: Mapping[str, str]) -> None:
        """Raise InvalidParameterError if the header of a file in the folder is that of a run with another identity."""
        before = header.get("identity", {})
        names = [name for name in {**before, **identity} if before.get(name) != identity.get(name)]
        if names:
            differences = "; ".join(f"{name} was {before.get(name)}, now {identity.get(name)}" for name in names[:3])
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise InvalidParameterError(
                f"{self.folder} holds checkpoints of another run ({differences}{more}); name another folder or empty it"
            )

    def restore(self, found: Checkpoint, fresh: TrainState, put: Callable[[Any], Any]) -> TrainState:
        """Return a checkpoint's state.

        Parameters
        ----------
        found : Checkpoint
            The checkpoint.
        fresh : TrainState
            The run's initial state, whose trees the checkpoint's arrays must fit.
        put : callable
            Places a tree of arrays on the devices.

        Raises
        ------
        ModelFileError
            If the checkpoint does not fit.
        """
        header = found.header
        try:
            trees = fresh._replace(best=(fresh.params, fresh.model) if header["best"] else None)
            filled = {name: put(_filled(getattr(trees, name), name, found.tensors)) for name in _TREES}
            values: dict[str, Any] = {name: int(header[name]) for name in _NUMBERS}
            values |= {name: header[name] for name in _OTHERS}
            return TrainState(**filled, **values)._replace(stopping=Stopping(*header["stopping"]))
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ModelFileError(
                f"the checkpoint in {self.folder} does not fit this run ({reason}); empty the folder"
            ) from error

    def save_if_due(self, state: TrainState) -> None:
        """Write a state if the last checkpoint is at least `every` seconds old."""
        if time.monotonic() - self._last >= self.every:
            self.save(state)

    def save(self, state: TrainState) -> None:
        """Write a state now, and remove all but the last two checkpoints.

        Raises
        ------
        UnwritableError
            If it cannot be written; earlier checkpoints stay.
        """
        if not self.writes:
            return
        start = time.monotonic()
        header = {"class": _CLASS, "identity": self.identity, "best": state.best is not None}
        header |= {name: getattr(state, name) for name in (*_NUMBERS, *_OTHERS)}
        tensors = {
            f"{name}/{number}": np.asarray(leaf)
            for name in _TREES
            for number, leaf in enumerate(jax.tree.leaves(getattr(state, name)))
        }
        # Names sort as numbers. The epoch is needed too: its end has the same step as its last chunk.
        name = f"checkpoint-{state.step:012}-{state.epoch:06}.safetensors"
        write_model(self.folder / name, header, tensors, overwrite=True)
        for old in self.files()[_KEPT:]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()
        self.seconds += self._last - start


def refuse_folder_of_rows(folder: str | os.PathLike[str] | None, rows: Any) -> None:
    """Raise InvalidParameterError if a folder for checkpoints is one that rows are read from, or below it.

    Its files would be read as rows by the fit that continues.
    """
    where = getattr(rows, "path", rows)
    if folder is None or not is_location(where):
        return
    try:
        place = locate(where)
    except IsthmusError:  # the reader of the rows says it
        return
    own = Path(folder).resolve()
    if isinstance(place, Path) and place.is_dir() and place.resolve() in (own, *own.parents):
        raise InvalidParameterError(
            f"checkpoint={os.fspath(folder)!r} is in {place}, whose files are read as rows; name a folder elsewhere"
        )


def _filled(tree: Any, name: str, tensors: Tensors) -> Any:
    leaves, shape = jax.tree.flatten(tree)
    found = [tensors[f"{name}/{number}"] for number in range(len(leaves))]
    for leaf, tensor in zip(leaves, found, strict=True):
        if leaf.shape != tensor.shape or leaf.dtype != tensor.dtype:
            raise ValueError(
                f"an array of {name} has shape {tensor.shape} and type {tensor.dtype}, not {leaf.shape} {leaf.dtype}"
            )
    return jax.tree.unflatten(shape, found)
