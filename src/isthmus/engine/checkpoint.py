"""Checkpoints of a run: everything it needs to go on as if it had never stopped, in a folder of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from isthmus.core.errors import InvalidParameterError, IsthmusError, ModelFileError, UnwritableError
from isthmus.core.persistence import Tensors, read_header, read_model, write_model
from isthmus.core.processes import global_maximum, is_main_process
from isthmus.core.types import Stopping, TrainState

_CLASS = "Checkpoint"
_KEPT = 2  # the newest, and the one before, should a disk have lost the newest
_TREES = ("params", "optimizer", "model", "best")


class Found(NamedTuple):
    """A checkpoint that was read."""

    header: dict[str, Any]
    tensors: Tensors


class Checkpoints:
    """The checkpoints of one run, in one folder: written whole, the last two kept.

    Parameters
    ----------
    folder : str or os.PathLike
        Made where it is missing. A run whose settings and data are those of the checkpoints in it goes on from the
        newest one that can be read; a run with others is refused.
    every : float
        Seconds between checkpoints; 0 writes one after each chunk of rows, of about 8 MB.
    """

    def __init__(self, folder: str | os.PathLike[str], every: float = 60.0) -> None:
        self.folder = Path(folder)
        self.every = every
        self.writes = is_main_process()  # of several processes; all read
        self.identity: dict[str, str] = {}
        self.seconds = 0.0  # spent on writing
        self._last = time.monotonic()
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidParameterError(f"checkpoint={str(self.folder)!r} is a file; name a folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnwritableError(f"cannot make the folder {self.folder}: {error.strerror}") from error
        if not every >= 0:
            raise InvalidParameterError(f"checkpoint_every={every} is not legal; it is a number of seconds from 0 on")
        self._sweep()

    def _sweep(self) -> None:
        """Remove what a process that was killed had half written."""
        if self.writes:
            for stray in self.folder.glob(".checkpoint-*"):
                stray.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """Return the checkpoints' files, the newest first."""
        return sorted(self.folder.glob("checkpoint-*.safetensors"), reverse=True)

    def newest(self) -> Found | None:
        """Return the newest checkpoint that can be read, None where there is none.

        Raises
        ------
        ModelFileError
            Where there are files, of which none can be read.
        """
        trouble: IsthmusError | None = None
        for file in self.files():
            try:
                if read_header(file).get("class") != _CLASS:
                    raise ModelFileError(f"{file} is no checkpoint of a run")
                return Found(*read_model(file))
            except IsthmusError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return None

    def found(self, identity: Mapping[str, str]) -> Found | None:
        """Return the newest checkpoint of a run with these settings and this data.

        Raises
        ------
        InvalidParameterError
            Where it is of a run with others, saying what differs.
        ModelFileError
            Where there are files, of which none can be read.
        """
        self.identity = dict(identity)
        found = self.newest()
        step = -1 if found is None else int(found.header["step"])
        if global_maximum(step + 1) != step + 1 or global_maximum(-step) != -step:
            raise InvalidParameterError(f"{self.folder} does not hold the same checkpoints for all processes; share it")
        if found is not None:
            self._check(found, identity)
        return found

    def _check(self, found: Found, identity: Mapping[str, str]) -> None:
        before = found.header.get("identity", {})
        names = [name for name in {**before, **identity} if before.get(name) != identity.get(name)]
        if names:
            condition = "; ".join(f"{name} was {before.get(name)}, now {identity.get(name)}" for name in names[:3])
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise InvalidParameterError(
                f"{self.folder} holds checkpoints of another run ({condition}{more}); name another folder, or empty it"
            )

    def restored(self, found: Found, fresh: TrainState, put: Callable[[Any], Any]) -> TrainState:
        """Return a checkpoint's state, given the state that the run would begin with."""
        header = found.header
        trees = {
            "params": fresh.params,
            "optimizer": fresh.optimizer,
            "model": fresh.model,
            "best": (fresh.params, fresh.model),
        }
        try:
            if not header["best"]:
                del trees["best"]
            filled = {name: put(_filled(tree, name, found.tensors)) for name, tree in trees.items()}
            return TrainState(
                params=filled["params"],
                optimizer=filled["optimizer"],
                model=filled["model"],
                best=filled.get("best"),
                seed=int(header["seed"]),
                step=int(header["step"]),
                epoch=int(header["epoch"]),
                cursor=int(header["cursor"]),
                epoch_sums=header["underway"],
                stopping=Stopping(*header["stopping"]),
                metrics=header["metrics"],
            )
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ModelFileError(
                f"the checkpoint in {self.folder} does not fit ({reason}); empty the folder"
            ) from error

    def offer(self, state: TrainState) -> None:
        """Write a state where the last checkpoint is so many seconds ago."""
        if time.monotonic() - self._last >= self.every:
            self.save(state)

    def save(self, state: TrainState) -> None:
        """Write a state now, and let go of all but the last two.

        Raises
        ------
        UnwritableError
            Where it cannot be written; those before stay.
        """
        if not self.writes:
            return
        began = time.monotonic()
        header = {
            "class": _CLASS,
            "identity": self.identity,
            "seed": state.seed,
            "step": state.step,
            "epoch": state.epoch,
            "cursor": state.cursor,
            "underway": state.epoch_sums,
            "stopping": list(state.stopping),
            "metrics": state.metrics,
            "best": state.best is not None,
        }
        tensors = {
            f"{name}/{number}": np.asarray(leaf)
            for name in _TREES
            for number, leaf in enumerate(jax.tree.leaves(getattr(state, name)))
        }
        # Names sort as numbers do. Steps alone do not tell a finished epoch from the chunk it ended with.
        name = f"checkpoint-{state.step:012}-{state.epoch:06}.safetensors"
        write_model(self.folder / name, header, tensors)
        for old in self.files()[_KEPT:]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()
        self.seconds += self._last - began


def _filled(tree: Any, name: str, tensors: Tensors) -> Any:
    leaves = jax.tree.leaves(tree)
    shape: Any = jax.tree.structure(tree)
    found = [tensors[f"{name}/{number}"] for number in range(len(leaves))]
    for leaf, tensor in zip(leaves, found, strict=True):
        if leaf.shape != tensor.shape or leaf.dtype != tensor.dtype:
            raise ValueError(f"an array of {name} is {tensor.shape} {tensor.dtype}, not {leaf.shape} {leaf.dtype}")
    return shape.unflatten(found)
