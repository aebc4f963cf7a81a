"""What the benchmarks share: the machine in one line, and ways of doing one thing timed in turn."""

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

Job = Callable[[], float | None]  # one run; returns its seconds where it knows them better than a clock around it


def machine() -> str:
    """Return processor, cores and Python version."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def sae_lens_python() -> str | None:
    """Return an interpreter that has SAELens: the one ISTHMUS_SAE_PYTHON names, this one where it has it, or None."""
    named = os.environ.get("ISTHMUS_SAE_PYTHON")
    return named or (sys.executable if importlib.util.find_spec("sae_lens") else None)


def in_turn(jobs: dict[str, Job], repeats: int = 7, warmups: int = 1) -> dict[str, list[float]]:
    """Run the jobs A B C A B C …, so that a machine whose speed drifts is as fast for each; return their seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(warmups + repeats):
        for name, job in jobs.items():
            began = time.perf_counter()
            own = job()
            if turn >= warmups:
                seconds[name].append(time.perf_counter() - began if own is None else own)
    return seconds


def report(seconds: dict[str, list[float]], baseline: str, unit: str = "s", per: float = 1.0) -> None:
    """Print each job's median, range, and the median over turns of its ratio to the baseline."""
    print(f"{'':44}{'median ' + unit:>12}{'min':>9}{'max':>9}{'x ' + baseline:>28}")
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, seconds[baseline], strict=True))
        shown = [f(values) / per for f in (statistics.median, min, max)]
        print(f"{name:44}{shown[0]:>12.4g}{shown[1]:>9.4g}{shown[2]:>9.4g}{ratio:>28.2f}")


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """Return the estimator's settings that texts like ``learning_rate=0.003`` stand for."""
    settings: dict[str, Any] = {}
    for name, text in (pair.split("=", 1) for pair in pairs):
        try:
            settings[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[name] = text
    return settings
