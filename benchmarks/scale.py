"""Epoch time by number of rows, columns and processes, with slopes on logarithmic axes.

    python benchmarks/scale.py [-o scale.png] [--max-rows 100000000]

Rows of four columns through two hidden units, batches of 65,536 rows; 4 to 4,096 columns with 2**26 cells in total,
through two hidden units, batches of 256 rows; the founding network with 1 to 4 processes on one machine, as in
`processes.py`, with 256 and 4,096 rows per batch each. Slopes are those of a linear fit of the logarithms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
from common import machine
from matplotlib.figure import Figure
from processes import rows_per_second

from isthmus import Autoencoder

CELLS = 1 << 26
PROCESSES = [1, 2, 3, 4]
EACH = (256, 4096)


def seconds(path: Path, batch: int, epochs: int) -> float:
    """Return the median seconds of all epochs but the first."""
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


def by_processes(folder: Path, each: int, turns: int = 3) -> list[float]:
    """Return the rows per second of the founding network with 1 to 4 processes of `each` rows per batch."""
    rows = folder / "pictures.npy"
    if not rows.exists():
        np.save(rows, np.random.default_rng(0).random((27_500, 784), np.float32))
    results: list[list[float]] = [[] for _ in PROCESSES]
    for _ in range(turns):
        for count, speeds in zip(PROCESSES, results, strict=True):
            speeds.append(rows_per_second(rows, folder, count, 4, each))
    return [statistics.median(speeds) for speeds in results]


def slope(x: list[int], y: list[float]) -> float:
    return float(np.polyfit(np.log10(x), np.log10(y), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--max-rows", type=int, default=100_000_000)
    given = parser.parse_args()
    print(machine())
    counts = [n for n in (10**5, 10**6, 10**7, 10**8, 10**9) if n <= given.max_rows]
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
            print(f"{width:>5} columns: {by_width[-1]:.2f} ns per cell", flush=True)
        path.unlink()
        by_count = {each: by_processes(Path(folder), each) for each in EACH}
    for each, speeds in by_count.items():
        listed = ", ".join(f"{speed:,.0f}" for speed in speeds)
        print(f"1 to 4 processes of {each:,} rows: {listed} rows/s; slope {slope(PROCESSES, speeds):.2f}")
    print(f"slopes: rows {slope(counts, by_rows):.2f}, columns (of time per cell) {slope(widths, by_width):.2f}")
    if given.output:
        draw(given.output, counts, by_rows, widths, by_width, by_count)


def draw(
    output: Path,
    counts: list[int],
    by_rows: list[float],
    widths: list[int],
    by_width: list[float],
    by_count: dict[int, list[float]],
) -> None:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.loglog(counts, by_rows, "o-", color="#1b6ca8")
    left.set(xlabel="rows of 4 columns", ylabel="seconds per epoch", title=f"slope {slope(counts, by_rows):.2f}")
    middle.loglog(widths, by_width, "o-", color="#c05a2b", base=10)
    middle.set(xlabel="columns", ylabel="nanoseconds per cell", title=f"slope {slope(widths, by_width):.2f}")
    middle.set_xticks(widths, [f"{width:,}" for width in widths])
    middle.set_yticks(ticks := [n for n in (1, 2, 3, 5, 10, 20, 30, 50) if n >= 0.8 * min(by_width)], map(str, ticks))
    for (each, speeds), color in zip(by_count.items(), ("#7a4fa3", "#2e8b57"), strict=True):
        right.plot(PROCESSES, [speed / speeds[0] for speed in speeds], "o-", color=color, label=f"{each:,} rows each")
    right.set(
        xlabel="processes",
        ylabel="rows per second, relative to one process",
        title=f"{os.cpu_count()} cores",
        ylim=(0, None),
    )
    right.set_xticks(PROCESSES)
    right.legend(frameon=False)
    for axes in (left, middle, right):
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    main()
