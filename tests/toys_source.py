"""A file format that is added from outside the package."""

import hashlib
from pathlib import Path

import numpy as np

from isthmus.data.sources import Block, Column, Schema


class ToySource:
    """The rows of a text file: a line of column names, then one line of integers per row, separated by spaces."""

    random_access = False
    n_rows = None

    def __init__(self, path):
        self.path = Path(path)
        with self.path.open() as file:
            self.schema = Schema(tuple(Column(name, "integer") for name in file.readline().split()), named=True)
        self.dtype = np.dtype(np.int64)

    @property
    def fingerprint(self):
        return hashlib.blake2b(self.path.read_bytes(), digest_size=16).hexdigest()

    def _rows(self):
        lines = self.path.read_text().splitlines()[1:]
        return np.array([line.split() for line in lines], self.dtype).reshape(-1, self.schema.n_features)

    def blocks(self, start=0, stop=None):
        rows = self._rows()[start:stop]
        if len(rows):
            yield Block(rows, start)

    def take(self, rows, out):
        out[: len(rows)] = self._rows()[rows]
