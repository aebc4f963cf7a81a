"""Seconds of an epoch against rows, columns and processes, on two logarithmic axes.

    python benchmarks/scale.py [-o scale.png] [--most 100000000]

Rows of four numbers through two hidden units, batches of 65,536; columns from 4 to 4,096 at 2**26 cells in all, through
two hidden units as well, batches of 256 rows; slopes are of a straight line through the logarithms.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import machine
from matplotlib.figure import Figure

from isthmus import Autoencoder

CELLS = 1 << 26


def seconds(path: Path, batch: int, epochs: int) -> float:
    """Return an epoch's seconds: the median but for the first."""
    model = Autoencoder(
        2,
        hidden_layer_sizes=(),
        linear_path=False,
        code_activation="sigmoid",
        batch_size=batch,
        max_epochs=epochs,
        scaling=None,
        early_stopping=False,
        random_state=0,
    )
    return float(np.median(model.fit(path).history_["seconds"][1:]))


def rows_of(path: Path, n_rows: int, width: int) -> Path:
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_rows, width))
    rng = np.random.default_rng(0)
    step = max(1, (1 << 22) // width)
    for start in range(0, n_rows, step):
        rows[start : start + step] = rng.standard_normal((min(step, n_rows - start), width), np.float32)
    return path


def slope(x: list[int], y: list[float]) -> float:
    return float(np.polyfit(np.log10(x), np.log10(y), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--most", type=int, default=100_000_000)
    given = parser.parse_args()
    print(machine())
    counts = [n for n in (10**5, 10**6, 10**7, 10**8, 10**9) if n <= given.most]
    widths = [4, 16, 64, 256, 1024, 4096]
    by_rows, by_width = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.npy")
        for n_rows in counts:
            by_rows.append(seconds(rows_of(path, n_rows, 4), 65_536, 3 if n_rows >= 10**7 else 8))
            print(
                f"{n_rows:>13,} rows of 4: {by_rows[-1]:.4f} s, {n_rows / by_rows[-1] / 1e6:.1f} million/s", flush=True
            )
        for width in widths:
            by_width.append(1e9 * seconds(rows_of(path, CELLS // width, width), 256, 4) / CELLS)
            print(f"{width:>5} columns: {by_width[-1]:.2f} ns a cell", flush=True)
    rows_slope, cells_slope = slope(counts, by_rows), slope(widths, by_width)
    print(f"slopes: rows {rows_slope:.2f}, columns (of time per cell) {cells_slope:.2f}")
    if given.output:
        draw(given.output, counts, by_rows, widths, by_width, rows_slope, cells_slope)


def draw(
    output: Path,
    counts: list[int],
    by_rows: list[float],
    widths: list[int],
    by_width: list[float],
    rows_slope: float,
    cells_slope: float,
) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(counts, by_rows, "o-", color="#1b6ca8")
    left.set(xlabel="rows of 4 numbers", ylabel="seconds an epoch", title=f"slope {rows_slope:.2f}")
    right.loglog(widths, by_width, "o-", color="#c05a2b", base=10)
    right.set(xlabel="columns", ylabel="nanoseconds a cell", title=f"slope {cells_slope:.2f}")
    right.set_xticks(widths, [f"{width:,}" for width in widths])
    right.set_yticks([2, 3, 5, 10], ["2", "3", "5", "10"])
    right.minorticks_off()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    main()
