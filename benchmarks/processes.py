"""Throughput of distributed training by several processes on one machine, relative to one process.

    python benchmarks/processes.py [--counts 1 2] [--each 256 1024 4096] [--epochs 6]

The founding network; each process takes --each rows of every batch. A single process runs on one core; several
processes have one XLA thread each and communicate over the loopback network.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import machine


def command(rows: Path, model: Path, count: int, epochs: int, each: int) -> list[str]:
    """Return the command of one process."""
    program = [
        "-m",
        "isthmus",
        "fit",
        str(rows),
        "-o",
        str(model),
        "--epochs",
        str(epochs),
        "--seed",
        "0",
        "-q",
        "--force",
    ]
    network = ["--components", "2", "--hidden", "128,64,10", "--activation", "sigmoid", "--no-linear-path"]
    training = ["--learning-rate", "0.01", "--batch-size", str(each * count), "--no-early-stopping"]
    return [sys.executable, *program, *network, *training, *(["--distributed"] if count > 1 else [])]


def rows_per_second(rows: Path, folder: Path, count: int, epochs: int, each: int) -> float:
    """Train with `count` processes; return the median throughput over all epochs but the first."""
    import isthmus

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    cores = sorted(os.sched_getaffinity(0))
    # A single process is pinned to one core. Several processes are not: pinned, a process would wait a whole time slice
    # for its own communication thread.
    pinned = ["taskset", "-c", str(cores[0])] if count == 1 else []
    model = folder / f"of-{count}"
    running = []
    for number in range(count):
        variables = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(count), "JAX_PROCESS_ID": str(number)}
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        running.append(
            subprocess.Popen(
                [*pinned, *command(rows, model, count, epochs, each)],
                env={**os.environ, **variables},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(f"one of {count} processes failed")
    history = isthmus.load(model).history_
    return float(len(np.load(rows, mmap_mode="r")) / statistics.median(history["seconds"][1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--each", type=int, nargs="*", default=[256, 1024, 4096], help="rows per batch of each process")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    print(f"{machine()}\n\nfounding network, one core for each process")
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.npy")
        np.save(rows, np.random.default_rng(0).random((55_000, 784), np.float32))
        for each in given.each:
            speeds: dict[int, list[float]] = {count: [] for count in given.counts}
            for _ in range(given.turns):
                for count, values in speeds.items():
                    values.append(rows_per_second(rows, Path(folder), count, given.epochs, each))
            baseline = speeds[given.counts[0]]
            for count, values in speeds.items():
                ratio = statistics.median(a / b for a, b in zip(values, baseline, strict=True))
                label = f"{each:,} rows per batch each, {count} processes"
                print(f"{label:46}{statistics.median(values):>10,.0f} rows/s, {ratio:.2f} x", flush=True)


if __name__ == "__main__":
    main()
