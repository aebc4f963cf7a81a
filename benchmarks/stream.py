"""Training and encoding of 10^8 rows of four columns on disk: throughput, memory, tables, checkpoints.

    python benchmarks/stream.py [--rows 100000000] [--folder DIR]
        [--only npy memory tables transform founding checkpoint]

Files are created in DIR (default: a temporary folder): 1.6 GB as .npy, the same as Parquet, and a tenth of the rows as
CSV. They are read from the page cache. Each measurement runs in its own process; memory is the peak of its anonymous
memory, which excludes the page cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import machine

NARROW = {
    "n_components": 2,
    "hidden_layer_sizes": (),
    "linear_path": False,
    "code_activation": "sigmoid",
    "early_stopping": False,
    "random_state": 0,
}
FOUNDING = {
    "n_components": 2,
    "hidden_layer_sizes": (128, 64, 10),
    "activation": "sigmoid",
    "linear_path": False,
    "learning_rate": 0.01,
    "batch_size": 256,
    "early_stopping": False,
    "random_state": 0,
}


def make_rows(path: Path, n_rows: int) -> None:
    """Write rows near a curved surface."""
    if path.exists():
        return
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_rows, 4))
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((2, 4)).astype(np.float32)
    for start in range(0, n_rows, 1 << 22):
        count = min(1 << 22, n_rows - start)
        curved = np.tanh(rng.standard_normal((count, 2), dtype=np.float32) @ mix)
        rows[start : start + count] = curved + 0.05 * rng.standard_normal((count, 4), dtype=np.float32)
    rows.flush()


def make_parquet(folder: Path, npy: Path) -> None:
    """Write the same rows as eight Parquet files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if folder.exists():
        return
    folder.mkdir()
    rows = np.load(npy, mmap_mode="r")
    edges = np.linspace(0, len(rows), 9).astype(int)
    for number in range(8):
        part = rows[edges[number] : edges[number + 1]]
        table = pa.table({f"x{column}": np.ascontiguousarray(part[:, column]) for column in range(4)})
        pq.write_table(table, folder / f"part-{number}.parquet", use_dictionary=False)


def make_csv(path: Path, npy: Path, n_rows: int) -> None:
    """Write the first rows as CSV."""
    import pyarrow as pa
    from pyarrow import csv

    if not path.exists():
        rows = np.load(npy, mmap_mode="r")[:n_rows]
        csv.write_csv(pa.table({f"x{column}": np.ascontiguousarray(rows[:, column]) for column in range(4)}), path)


# Measurements, each run in its own process ---------------------------------------------------------------------------


def fit(path: str, columns: dict[str, Any], settings: dict[str, Any], memory: str | None = None) -> dict[str, Any]:
    """Fit to a file, or to its array in memory if the path starts with ``memory:``."""
    from isthmus import Autoencoder

    data: Any = np.load(path.removeprefix("memory:")) if path.startswith("memory:") else path
    start_time = time.perf_counter()
    model = Autoencoder(**{**columns, **settings}).fit(data, max_memory=memory)
    total = time.perf_counter() - start_time
    history = model.history_
    return {"seconds": history["seconds"], "waiting": history["waiting"], "loss": history["loss"], "total": total}


def read_with_pyarrow(path: str) -> dict[str, Any]:
    """Read all batches of a table."""
    from pyarrow import dataset

    form = "csv" if path.endswith(".csv") else "parquet"
    seconds = []
    for _ in range(3):
        start_time = time.perf_counter()
        rows = sum(len(batch) for batch in dataset.dataset(path, format=form).to_batches())
        seconds.append(time.perf_counter() - start_time)
    return {"seconds": min(seconds), "rows": rows}


def scaling_pass(path: str) -> dict[str, Any]:
    """Compute the column statistics of a table from its blocks."""
    from isthmus.data.scaling import ColumnStatistics
    from isthmus.data.sources import open_source

    seconds = []
    for _ in range(3):
        start_time = time.perf_counter()
        source = open_source(path)
        statistics = ColumnStatistics(source.schema.n_features, source.dtype, sample_every=1 << 14)
        for block in source.blocks():
            statistics.update(block.values, block.start)
        seconds.append(time.perf_counter() - start_time)
    return {"seconds": min(seconds)}


def spool(path: str) -> dict[str, Any]:
    """Write the rows of a table to the temporary file that training reads."""
    from isthmus.data.sources import open_source
    from isthmus.data.sources.spooled import gathered_rows

    start_time = time.perf_counter()
    gathered_rows(open_source(path), 0)
    return {"seconds": time.perf_counter() - start_time}


def transform(path: str, out: str) -> dict[str, Any]:
    """Write the codes of all rows to Parquet."""
    from isthmus import Autoencoder

    model = Autoencoder(**NARROW, max_epochs=1).fit(np.load(path, mmap_mode="r")[:100_000])
    model.transform_to(np.array(np.load(path, mmap_mode="r")[:100_000]), out, overwrite=True)
    start_time = time.perf_counter()
    n_rows = model.transform_to(path, out, overwrite=True)
    return {"seconds": time.perf_counter() - start_time, "rows": n_rows}


def checkpoints(path: str, folder: str) -> dict[str, Any]:
    """Measure the time of checkpoints in a fit, and of resuming a finished fit."""
    from isthmus import Autoencoder
    from isthmus.engine.checkpoint import Checkpoints

    written: list[float] = []
    save = Checkpoints.save

    def timed(self: Any, state: Any) -> None:
        start_time = time.perf_counter()
        save(self, state)
        written.append(time.perf_counter() - start_time)

    Checkpoints.save = timed  # type: ignore[method-assign]
    settings = {**FOUNDING, "max_epochs": 30}
    Autoencoder(**settings).fit(path, checkpoint=folder, checkpoint_every=1)
    start_time = time.perf_counter()
    Autoencoder(**settings).fit(path, checkpoint=folder)
    return {"each": float(np.median(written)), "count": len(written), "resume": time.perf_counter() - start_time}


def torch_loader(path: str, batch: int, n_rows: int) -> dict[str, Any]:
    """Train on the first rows with a DataLoader, as in tutorials."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    rows = torch.from_numpy(np.array(np.load(path, mmap_mode="r")[:n_rows]))
    network, adam = _torch_network(torch)
    start_time = time.perf_counter()
    for (x,) in DataLoader(TensorDataset(rows), batch_size=batch, shuffle=True):
        _torch_step(torch, network, adam, x)
    return {"seconds": time.perf_counter() - start_time}


def torch_slices(path: str, batch: int, n_rows: int) -> dict[str, Any]:
    """Train on consecutive slices of the file."""
    import torch

    rows = np.load(path, mmap_mode="c")
    network, adam = _torch_network(torch)
    start_time = time.perf_counter()
    for start in range(0, n_rows, batch):
        _torch_step(torch, network, adam, torch.from_numpy(rows[start : start + batch]))
    return {"seconds": time.perf_counter() - start_time}


def _torch_network(torch: Any) -> Any:
    network = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Sigmoid(), torch.nn.Linear(2, 4))
    return network, torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)


def _torch_step(torch: Any, network: Any, adam: Any, x: Any) -> None:
    adam.zero_grad()
    torch.nn.functional.mse_loss(network(x), x).backward()
    adam.step()


# --------------------------------------------------------------------------------------------------------------------


def _peak() -> Callable[[], float]:
    """Record the anonymous memory of this process; return a function that returns its peak in MB."""
    peak = [0]

    def watch() -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    peak[0] = max(peak[0], int(line.split()[1]))
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    return lambda: peak[0] / 1e3


def in_process(name: str, *arguments: Any) -> dict[str, Any]:
    """Run one of the functions above in its own process."""
    command = [sys.executable, __file__, "--run", name, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def on_npy(npy: Path, n_rows: int) -> None:
    print(f"\nan epoch over {n_rows:,} rows of one .npy, million rows/s (second epoch), share of time waiting, MB")
    for batch in (256, 65_536):
        for shuffle in (True, "global", False):
            found = in_process("fit", str(npy), NARROW, {"batch_size": batch, "shuffle": shuffle, "max_epochs": 2})
            speed, waiting = n_rows / found["seconds"][1] / 1e6, found["waiting"][1]
            label = {True: "windows, the default", "global": "uniform shuffle", False: "file order"}[shuffle]
            print(f"  batch {batch:6}  {label:24}{speed:7.1f}{waiting:7.0%}{found['peak']:7.0f} MB", flush=True)
        count = min(n_rows, 2_000_000 if batch == 256 else 20_000_000)
        for name, label in (("torch_loader", "PyTorch, DataLoader"), ("torch_slices", "PyTorch, slices in order")):
            try:
                found = in_process(name, str(npy), batch, count)
                print(f"  batch {batch:6}  {label:24}{count / found['seconds'] / 1e6:7.2f}", flush=True)
            except subprocess.CalledProcessError:
                print(f"  {label}: PyTorch is not installed")


def on_memory(npy: Path, folder: Path, n_rows: int) -> None:
    """Run with a tenth of the rows, all rows, and ten times as many in a sparse file of zeros."""
    tenth, tenfold = folder / "tenth.npy", folder / "tenfold.npy"
    make_rows(tenth, n_rows // 10)
    np.lib.format.open_memmap(tenfold, mode="w+", dtype=np.float32, shape=(10 * n_rows, 4))
    print("\nbatches of 65,536, windows: million rows/s and peak anonymous memory, by number of rows")
    for path, count in ((tenth, n_rows // 10), (npy, n_rows), (tenfold, 10 * n_rows)):
        settings = {"batch_size": 65_536, "shuffle": "window", "max_epochs": 1 if path is tenfold else 2}
        found = in_process("fit", str(path), NARROW, settings)
        speed = count / found["seconds"][-1] / 1e6
        print(f"  {count:13,}{speed:7.1f}{found['peak']:7.0f} MB, {found['total']:.0f} s in total", flush=True)
    tenfold.unlink()


def on_tables(npy: Path, folder: Path, n_rows: int) -> None:
    make_parquet(folder / "parquet", npy)
    n_csv = n_rows // 10
    make_csv(folder / "rows.csv", npy, n_csv)
    settings = {"batch_size": 65_536, "max_epochs": 2, "shuffle": "window"}
    for name, path, count in (("8 Parquet files", folder / "parquet", n_rows), ("CSV", folder / "rows.csv", n_csv)):
        alone = in_process("read_with_pyarrow", str(path))["seconds"]
        scaling = in_process("scaling_pass", str(path))["seconds"]
        spooling = in_process("spool", str(path))["seconds"]
        epoch = in_process("fit", str(path), NARROW, settings, "500MB")
        print(
            f"\n{name}, {count:,} rows: pyarrow reads them in {alone:.2f} s; reading and column statistics "
            f"{scaling:.2f} s ({scaling / alone:.2f} x); reading and writing the temporary file, once, "
            f"{spooling:.2f} s; epochs {', '.join(f'{s:.2f}' for s in epoch['seconds'])} s; {epoch['peak']:.0f} MB",
            flush=True,
        )


def on_transform(npy: Path, folder: Path, n_rows: int) -> None:
    found = in_process("transform", str(npy), str(folder / "codes.parquet"))
    print(f"\ntransform to Parquet: {n_rows / found['seconds'] / 1e6:.1f} million rows/s, {found['peak']:.0f} MB")


def on_founding(folder: Path) -> None:
    path = folder / "pictures.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(0).random((55_000, 784), np.float32))
    settings = {"max_epochs": 8}
    seconds: dict[str, list[float]] = {"memory": [], "file": []}
    for _ in range(3):
        for name, where in (("memory", f"memory:{path}"), ("file", str(path))):
            seconds[name] += in_process("fit", where, FOUNDING, settings)["seconds"][1:]
    memory, file = (float(np.median(values)) for values in (seconds["memory"], seconds["file"]))
    print(f"\nfounding network, an epoch from memory {memory:.3f} s, from .npy {file:.3f} s: {file / memory:.2f} x")


def on_checkpoint(folder: Path) -> None:
    path = folder / "pictures.npy"
    with tempfile.TemporaryDirectory() as checkpoint_folder:
        found = in_process("checkpoints", str(path), checkpoint_folder)
    share = found["each"] / 60
    print(
        f"\na checkpoint of the founding network takes {1e3 * found['each']:.1f} ms (of {found['count']}): one "
        f"per minute takes {share:.3%} of the time; a finished fit is resumed in {found['resume']:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path)
    parts = ["npy", "memory", "tables", "transform", "founding", "checkpoint"]
    parser.add_argument("--only", nargs="*", default=parts, choices=parts)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        peak = _peak()
        found = globals()[given.run[0]](*json.loads(given.run[1]))
        print(json.dumps({**found, "peak": peak()}))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        npy = folder / "rows.npy"
        make_rows(npy, given.rows)
        jobs: dict[str, Callable[[], None]] = {
            "npy": lambda: on_npy(npy, given.rows),
            "memory": lambda: on_memory(npy, folder, given.rows),
            "tables": lambda: on_tables(npy, folder, given.rows),
            "transform": lambda: on_transform(npy, folder, given.rows),
            "founding": lambda: on_founding(folder),
            "checkpoint": lambda: on_checkpoint(folder),
        }
        for name in given.only:
            jobs[name]()


if __name__ == "__main__":
    main()
