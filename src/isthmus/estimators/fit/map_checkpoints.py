"""The checkpoints of a map's fit: its graph, and those of its two stages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.errors import ModelFileError
from isthmus.core.persistence import read_model, write_model
from isthmus.engine.checkpoint import Checkpoint, Checkpoints
from isthmus.engine.edges import Edges
from isthmus.estimators.fit.graph import Graph
from isthmus.estimators.fit.run import Watcher

_CLASS = "Graph"


@dataclass(frozen=True)
class Stage:
    """What accompanies the training of one stage.

    Parameters
    ----------
    watcher : Watcher or None
        Follows its epochs.
    checkpoints : Checkpoints or None
        Where its checkpoints are written.
    found : Checkpoint or None
        The checkpoint that it continues from.
    """

    watcher: Watcher | None = None
    checkpoints: Checkpoints | None = None
    found: Checkpoint | None = None


class MapCheckpoints:
    """A folder with the graph of a fit and a folder of checkpoints for each stage, ``features`` and ``map``.

    Parameters
    ----------
    folder : str or os.PathLike
        Created if missing.
    every : float
        Seconds between checkpoints, as in `Checkpoints`.
    identity : mapping of str to str
        Settings and data of the run, by name.

    Raises
    ------
    InvalidParameterError
        If the folder holds checkpoints of another run.
    """

    def __init__(self, folder: str | os.PathLike[str], every: float, identity: Mapping[str, str]) -> None:
        self.whole = Checkpoints(folder, every)
        self.whole.find(identity)  # an autoencoder's checkpoints are refused
        self.identity = dict(identity)
        self.path = self.whole.folder / "graph.safetensors"
        self.stages = {name: Checkpoints(self.whole.folder / name, every) for name in ("features", "map")}
        self.found = {name: stage.find(identity) for name, stage in self.stages.items()}
        self._graph = read_model(self.path) if self.path.exists() else None
        if self._graph is not None:
            header = self._graph[0]
            if header.get("class") != _CLASS:
                raise ModelFileError(f"{self.path} is not a graph; remove it or name another folder")
            self.whole.check(header, identity)

    @property
    def seed(self) -> int | None:
        """The seed of the run that is continued; None at its start."""
        return None if self._graph is None else int(self._graph[0]["seed"])

    def graph(self, seed: int, make: Callable[[], Graph]) -> Graph:
        """Return the graph in the folder, or make one and write it there."""
        if self._graph is not None:
            header, tensors = self._graph
            edges = Edges(tensors["starts"], tensors["ends"], seed)
            return Graph(edges, int(header["n_rows"]), header["recall"])
        graph = make()
        if self.whole.writes:
            facts: dict[str, Any] = {"class": _CLASS, "identity": self.identity, "seed": seed}
            facts |= {"n_rows": graph.n_rows, "recall": graph.recall}
            arrays = {"starts": np.asarray(graph.edges.starts), "ends": np.asarray(graph.edges.ends)}
            write_model(self.path, facts, arrays, overwrite=True)
        return graph

    def stage(self, name: str, watcher: Watcher | None) -> Stage:
        """Return what accompanies a stage, ``features`` or ``map``."""
        return Stage(watcher, self.stages[name], self.found[name])
