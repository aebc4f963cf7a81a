"""The included denoiser on Set12: PSNR at noise 15, 25 and 50, compared with BM3D; blind denoising; time per picture.

    ISTHMUS_BM3D_PYTHON=venv/bin/python python benchmarks/denoise.py SET12 [--quick]

SET12 is a folder with the twelve grey pictures. Noise is neither clipped nor rounded, as in published results (.npy
files through ``isthmus denoise``); results on pictures rounded and clipped to bytes (.png files) are printed as well.
BM3D (``pip install bm3d``) runs in the interpreter ISTHMUS_BM3D_PYTHON, or in this one if it is installed. --quick
omits BM3D and the timing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import in_turn, machine, report
from PIL import Image

from isthmus.images.denoiser import Denoiser
from isthmus.images.noise_level import estimate_noise

LEVELS = (15, 25, 50)
BLIND_LEVELS = (10, 25, 50)

# Denoises the pictures of a .npz archive and writes them to another one, with the seconds of each.
BM3D = """
import sys, time
import bm3d, numpy as np
given, level, out = np.load(sys.argv[1]), float(sys.argv[2]), {}
for name in given.files:
    start = time.perf_counter()
    cleaned = bm3d.bm3d(given[name], level / 255)
    out[name], out[name + " seconds"] = cleaned, time.perf_counter() - start
np.savez(sys.argv[3], **out)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set12", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    pictures = load(given.set12)
    print(machine())
    compare_levels(pictures)
    blind(pictures)
    if not given.quick:
        speed()
        compare_with_bm3d(pictures)


def load(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".png")
    return {file.stem: np.asarray(Image.open(file).convert("L")) / 255 for file in files}


def noisy(pictures: dict[str, np.ndarray], level: float) -> dict[str, np.ndarray]:
    """Return the pictures with noise, from one seed per picture."""
    return {
        name: clean + level / 255 * np.random.default_rng(seed).standard_normal(clean.shape)
        for seed, (name, clean) in enumerate(pictures.items())
    }


def psnr(cleaned: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((cleaned - clean) ** 2)))


def compare_levels(pictures: dict[str, np.ndarray]) -> None:
    print(
        f"\nPSNR in dB, noise level given\n{'':8}"
        + "".join(f"{f'{level} float':>10}{f'{level} bytes':>10}" for level in LEVELS)
    )
    rows: dict[str, list[float]] = {name: [] for name in pictures}
    for level in LEVELS:
        inputs = noisy(pictures, level)
        for cleaned in (through_command(inputs, level, ".npy"), through_command(inputs, level, ".png")):
            for name, clean in pictures.items():
                rows[name].append(psnr(cleaned[name], clean))
    for name, values in [*rows.items(), ("mean", list(np.mean(list(rows.values()), axis=0)))]:
        print(f"{name:8}" + "".join(f"{value:>10.2f}" for value in values))


def through_command(inputs: dict[str, np.ndarray], level: float, suffix: str) -> dict[str, np.ndarray]:
    """Return the results of ``isthmus denoise`` on a folder of .npy files of floats, or .png files of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "noisy"), Path(folder, "clean")
        source.mkdir()
        for name, picture in inputs.items():
            if suffix == ".npy":
                np.save(source / f"{name}.npy", picture.astype(np.float32))
            else:
                Image.fromarray(np.rint(255 * picture).clip(0, 255).astype(np.uint8)).save(source / f"{name}.png")
        command = [sys.executable, "-m", "isthmus", "denoise", str(source), "-o", str(target), "--noise", str(level)]
        subprocess.run(command, check=True, capture_output=True)
        if suffix == ".npy":
            return {name: np.load(target / f"{name}.npy") for name in inputs}
        return {name: np.asarray(Image.open(target / f"{name}.png")) / 255 for name in inputs}


def blind(pictures: dict[str, np.ndarray]) -> None:
    denoiser = Denoiser.shipped()
    print(f"\n{'noise':>8}{'estimated, range':>20}{'largest error':>15}{'given, dB':>12}{'blind, dB':>12}")
    for level in BLIND_LEVELS:
        inputs = noisy(pictures, level)
        estimates = {name: estimate_noise(picture) for name, picture in inputs.items()}
        given = np.mean([psnr(denoiser.clean(inputs[name], level), clean) for name, clean in pictures.items()])
        blind_psnr = np.mean(
            [psnr(denoiser.clean(inputs[name], estimates[name]), clean) for name, clean in pictures.items()]
        )
        span = f"{min(estimates.values()):.2f} to {max(estimates.values()):.2f}"
        worst = max(abs(value - level) for value in estimates.values())
        print(f"{level:>8}{span:>20}{worst:>15.2f}{given:>12.2f}{blind_psnr:>12.2f}")


def speed() -> None:
    denoiser = Denoiser.shipped()
    rng = np.random.default_rng(0)
    grey, coloured = (0.5 + 25 / 255 * rng.standard_normal(shape) for shape in ((512, 512), (512, 512, 3)))

    def run(picture: np.ndarray, noise: float | None) -> Callable[[], None]:
        def job() -> None:
            denoiser.clean(picture, noise)

        return job

    print()
    grey_job = "512 x 512 grey, noise given"
    blind_job, coloured_job = "512 x 512 grey, blind", "512 x 512 coloured, noise given"
    report(in_turn({grey_job: run(grey, 25), blind_job: run(grey, None), coloured_job: run(coloured, 25)}), grey_job)


def compare_with_bm3d(pictures: dict[str, np.ndarray]) -> None:
    python = os.environ.get("ISTHMUS_BM3D_PYTHON") or (sys.executable if importlib.util.find_spec("bm3d") else None)
    if python is None:
        print("\nBM3D is not installed: pip install bm3d, or set ISTHMUS_BM3D_PYTHON to an interpreter that has it")
        return
    print(
        f"\n{'noise':>8}{'isthmus, dB':>12}{'BM3D, dB':>12}{'isthmus, s':>12}{'BM3D, s':>12}"
        "   (seconds: mean per picture)"
    )
    for level in LEVELS:
        inputs = noisy(pictures, level)
        results = []
        for cleaned, seconds in (isthmus(inputs, level), bm3d(inputs, level, python)):
            results.append((np.mean([psnr(cleaned[name], clean) for name, clean in pictures.items()]), seconds))
        (isthmus_psnr, isthmus_seconds), (bm3d_psnr, bm3d_seconds) = results
        print(f"{level:>8}{isthmus_psnr:>12.2f}{bm3d_psnr:>12.2f}{isthmus_seconds:>12.3f}{bm3d_seconds:>12.3f}")


def isthmus(inputs: dict[str, np.ndarray], level: float) -> tuple[dict[str, np.ndarray], float]:
    """Return the pictures of the included denoiser, and its mean seconds per picture, after compilation."""
    denoiser = Denoiser.shipped()
    for picture in inputs.values():
        denoiser.clean(picture, level)
    start = time.perf_counter()
    cleaned = {name: denoiser.clean(picture, level) for name, picture in inputs.items()}
    return cleaned, (time.perf_counter() - start) / len(inputs)


def bm3d(inputs: dict[str, np.ndarray], level: float, python: str) -> tuple[dict[str, np.ndarray], float]:
    """Return the pictures of BM3D, and its mean seconds per picture."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "noisy.npz"), Path(folder, "clean.npz")
        np.savez(source, **inputs)
        subprocess.run([python, "-W", "ignore", "-c", BM3D, str(source), str(level), str(target)], check=True)
        with np.load(target) as results:
            seconds = float(np.mean([results[f"{name} seconds"] for name in inputs]))
            return {name: results[name] for name in inputs}, seconds


if __name__ == "__main__":
    main()
