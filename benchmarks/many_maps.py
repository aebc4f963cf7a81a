"""A map of many rows: seconds, peak of memory, recall of the graph, and how well it keeps classes, next to PCA.

    python benchmarks/many_maps.py [--rows 1000000] [--set NAME=VALUE ...]

The rows are twenty classes in fifty columns, each a curved sheet of eight dimensions with noise, in a ``.npy`` file.
Seconds are those of the clock, processor seconds those of all threads. The peak of memory is that of the process, pages
of the mapped file included. The codes of 10,000 rows classify those of 10,000 others by five neighbours.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from common import machine, settings_of
from sklearn.decomposition import PCA

from isthmus import NeighborAutoencoder
from isthmus.evaluation.metrics import knn_accuracy, trustworthiness

BLOCK, CLASSES, COLUMNS, DIMENSIONS = 50_000, 20, 50, 8
JUDGED = 20_000


def write_rows(path: Path, n_rows: int) -> np.ndarray:
    """Write the rows to a file and return their classes."""
    rng = np.random.default_rng(0)
    centers = 2 * rng.normal(size=(CLASSES, DIMENSIONS))
    classes = rng.integers(0, CLASSES, n_rows)
    flat, curved = rng.normal(size=(2, DIMENSIONS, COLUMNS))
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, COLUMNS))
    for first in range(0, n_rows, BLOCK):
        part = classes[first : first + BLOCK]
        inner = centers[part] + rng.normal(size=(len(part), DIMENSIONS))
        noise = 0.1 * rng.normal(size=(len(part), COLUMNS))
        rows[first : first + BLOCK] = inner @ flat / 3 + np.tanh(inner @ curved / 2) + noise
    rows.flush()
    return classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        classes = write_rows(path, options.rows)[:JUDGED]
        clock, processor = time.perf_counter(), time.process_time()
        model = NeighborAutoencoder(random_state=0, verbose=1, **settings_of(options.set)).fit(path)
        seconds, busy = time.perf_counter() - clock, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"fit {seconds:.0f} s, {busy:.0f} processor seconds, peak {peak:.2f} GB, recall {model.graph_recall_:.4f}"
        )
        rows = np.array(np.load(path, mmap_mode="r")[:JUDGED])
    half = len(rows) // 2
    for name, codes in (("map", model.transform(rows)), ("PCA", PCA(2).fit_transform(rows))):
        accuracy = knn_accuracy(codes[:half], classes[:half], codes[half:], classes[half:])
        print(f"{name}: 5-NN accuracy {accuracy:.3f}, trustworthiness of 5,000 rows {trustworthiness(rows, codes):.3f}")


if __name__ == "__main__":
    main()
