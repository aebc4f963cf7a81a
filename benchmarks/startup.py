"""Start-up times in a new process: imports, `isthmus --help`, and the first epoch of the founding network.

Each line is the median over several processes. The last line is the number of programs compiled by a second fit with
another seed, learning rate and number of rows.

    python benchmarks/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from common import machine

FIRST_EPOCH = """
import numpy as np
rows = np.random.default_rng(0).integers(0, 256, (55_000, 784), dtype=np.uint8)
import time; start = time.perf_counter()
from isthmus import Autoencoder
imported = time.perf_counter() - start
def model(**other):
    return Autoencoder(2, hidden_layer_sizes=(128, 64, 10), activation="sigmoid", linear_path=False,
                       max_epochs=1, early_stopping=False, **other)
start = time.perf_counter()
model(random_state=0).fit(rows)
first = time.perf_counter() - start
compiled = []
import jax.monitoring
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiled.append(event) if "backend_compile" in event else None)
model(random_state=1, learning_rate=0.02).fit(rows[:31_000])
print(imported, first, len(compiled))
"""


def seconds_of(*command: str, repeats: int = 7) -> float:
    """Return the median wall-clock seconds of a command."""
    measured = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured[1:])


def main() -> None:
    print(machine() + "\n")
    python, imports = (seconds_of(sys.executable, "-c", program) for program in ("pass", "import isthmus"))
    print(f"{'import isthmus, without starting Python':60}{imports - python:8.3f} s")
    print(f"{'isthmus --help, complete process':60}{seconds_of(sys.executable, '-m', 'isthmus', '--help'):8.3f} s")
    for title, cache in (("every program compiled", "off"), ("programs loaded from disk", "")):
        imported, first, compiled = first_epoch({**os.environ, "ISTHMUS_CACHE": cache})
        print(f"{'from isthmus import Autoencoder (includes JAX and scikit-learn)':60}{imported:8.3f} s")
        print(f"{f'first fit of one epoch, {title}':60}{first:8.3f} s")
        print(f"{'programs compiled by a second fit':60}{compiled:8.0f}")


def first_epoch(environment: dict[str, str], repeats: int = 5) -> list[float]:
    """Return the medians over processes: import, first fit, and programs compiled by a second fit."""
    runs = []
    for _ in range(repeats + 1):
        command = [sys.executable, "-c", FIRST_EPOCH]
        out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        runs.append([float(word) for word in out.split()])
    # The first run may fill the cache.
    return [statistics.median(column) for column in zip(*runs[1:], strict=True)]


if __name__ == "__main__":
    main()
