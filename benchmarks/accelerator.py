"""Training throughput on JAX's default device by batch size, for a 4-2-4 network and the founding network.

    python benchmarks/accelerator.py [--rows 100000000] [--folder DIR]

4-2-4 reads one .npy file with window shuffling; 784-128-64-10-2 trains on rows in memory. Prints rows per second of the
second epoch and the share of its time spent waiting for rows.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import jax
import numpy as np
from common import machine
from stream import FOUNDING, NARROW, make_rows

from isthmus import Autoencoder


def second_epoch(rows: str | np.ndarray, n_rows: int, **settings: object) -> tuple[float, float]:
    """Return million rows per second, and the share of the time spent waiting for rows."""
    history = Autoencoder(**settings, max_epochs=2).fit(rows).history_
    return n_rows / history["seconds"][1] / 1e6, history["waiting"][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    print(f"{machine()}, {jax.devices()[0].device_kind}")
    with tempfile.TemporaryDirectory() as temporary:
        npy = (given.folder or Path(temporary)) / "rows.npy"
        make_rows(npy, given.rows)
        for batch in (4_096, 65_536, 1_048_576):
            n_rows = min(given.rows, batch * 2_000)
            rows = str(npy) if n_rows == given.rows else np.load(npy, mmap_mode="r")[:n_rows]
            speed, waiting = second_epoch(rows, n_rows, **{**NARROW, "batch_size": batch, "shuffle": "window"})
            print(
                f"4-2-4, {n_rows:,} rows, batch {batch:9,}: {speed:8.2f} million rows/s, {waiting:4.0%} waiting",
                flush=True,
            )
    digits = np.random.default_rng(0).random((55_000, 784), np.float32)
    for batch in (256, 4_096):
        speed, waiting = second_epoch(digits, len(digits), **{**FOUNDING, "batch_size": batch})
        label = f"founding network, batch {batch:,}"
        print(f"{label:46}{speed:8.3f} million rows/s, {waiting:4.0%} waiting", flush=True)


if __name__ == "__main__":
    main()
