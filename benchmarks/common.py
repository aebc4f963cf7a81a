"""Functions shared by the benchmarks: machine description, interleaved timing, parsing of parameters."""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = Callable[[], float | None]  # one run; may return its own measurement in seconds


def machine() -> str:
    """Return processor, number of cores and Python version."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def sae_lens_python() -> str | None:
    """Return an interpreter with SAELens: ISTHMUS_SAE_PYTHON, or this one if SAELens is installed, or None."""
    named = os.environ.get("ISTHMUS_SAE_PYTHON")
    return named or (sys.executable if importlib.util.find_spec("sae_lens") else None)


def in_turn(jobs: dict[str, Job], repeats: int = 7, warmups: int = 1) -> dict[str, list[float]]:
    """Run the jobs alternately (A B C A B C …), so that drifts of speed affect all equally; return their seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(warmups + repeats):
        for name, job in jobs.items():
            start = time.perf_counter()
            measured = job()
            if turn >= warmups:
                seconds[name].append(time.perf_counter() - start if measured is None else measured)
    return seconds


def report(seconds: dict[str, list[float]], baseline: str, unit: str = "s", per: float = 1.0) -> None:
    """Print for each job the median, the range, and the median over repeats of its ratio to the baseline."""
    print(f"{'':44}{'median ' + unit:>12}{'min':>9}{'max':>9}{'x ' + baseline:>28}")
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, seconds[baseline], strict=True))
        shown = [f(values) / per for f in (statistics.median, min, max)]
        print(f"{name:44}{shown[0]:>12.4g}{shown[1]:>9.4g}{shown[2]:>9.4g}{ratio:>28.2f}")


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """Parse texts like ``learning_rate=0.003`` into parameters of an estimator."""
    settings: dict[str, Any] = {}
    for name, text in (pair.split("=", 1) for pair in pairs):
        try:
            settings[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[name] = text
    return settings
