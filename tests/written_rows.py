"""Rows that are written by `open_sink` and read back, and a disk that is full."""

import resource
from contextlib import contextmanager

import numpy as np

from isthmus.data.sinks import open_sink
from isthmus.data.sources import open_source

NAMES = ["a", "b, c", 'd"e']


def write(path, rows, names=NAMES, dtype=np.float32, cuts=(), **options):
    with open_sink(path, names, dtype, **options) as sink:
        for block in np.split(rows, cuts):
            sink.write(block)
    return path


def write_sparse(path, rows, names=None, **options):
    return write(path, rows, names or [f"unit{i}" for i in range(rows.shape[1])], sparse=True, **options)


def read(path):
    source = open_source(path)
    blocks = [block.values for block in source.blocks()]
    return source, np.concatenate(blocks) if blocks else np.empty((0, source.schema.n_features), source.dtype)


def some_rows(n=500, dtype=np.float32):
    rows = np.random.default_rng(0).normal(size=(n, 3)).astype(dtype)
    rows[0] = [1e-30, -np.pi * 1e20, 0.1]
    return rows


def mostly_zeros(n=300, width=40, dtype=np.float32):
    rng = np.random.default_rng(0)
    rows = np.where(rng.random((n, width)) < 0.1, rng.normal(size=(n, width)), 0).astype(dtype)
    rows[10:60] = 0
    rows[5] = np.arange(width) + 1
    return rows


@contextmanager
def full_disk(size=10_000):
    """A limit of the size of files."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
