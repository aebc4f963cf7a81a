"""Rows per second on JAX's default device, by batch size, of the narrowest network and of the founding one.

    python benchmarks/accelerator.py [--rows 100000000] [--folder DIR]

4-2-4 from one .npy in windows, and 784-128-64-10-2 from memory; the second epoch of each, and the share of it that
waited for rows.
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
    """Return million rows per second, and the share of the time that was waited."""
    history = Autoencoder(**settings, max_epochs=2).fit(rows).history_
    return n_rows / history["seconds"][1] / 1e6, history["waiting"][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    print(f"{machine()}, {jax.devices()[0].device_kind}")
    with tempfile.TemporaryDirectory() as own:
        npy = (given.folder or Path(own)) / "rows.npy"
        make_rows(npy, given.rows)
        for batch in (4_096, 65_536, 1_048_576):
            few = min(given.rows, batch * 2_000)
            rows = str(npy) if few == given.rows else np.load(npy, mmap_mode="r")[:few]
            speed, waited = second_epoch(rows, few, **{**NARROW, "batch_size": batch, "shuffle": "window"})
            print(
                f"4-2-4, {few:,} rows, batch {batch:9,}: {speed:8.2f} million rows/s, {waited:4.0%} waited", flush=True
            )
    digits = np.random.default_rng(0).random((55_000, 784), np.float32)
    for batch in (256, 4_096):
        speed, waited = second_epoch(digits, len(digits), **{**FOUNDING, "batch_size": batch})
        label = f"founding network, batch {batch:,}"
        print(f"{label:46}{speed:8.3f} million rows/s, {waited:4.0%} waited", flush=True)


if __name__ == "__main__":
    main()
