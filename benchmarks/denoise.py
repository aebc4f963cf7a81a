"""The shipped denoiser on Set12: PSNR at noise 15, 25 and 50, BM3D beside it, blind against told, seconds a picture.

    ISTHMUS_BM3D_PYTHON=venv/bin/python python benchmarks/denoise.py SET12 [--quick]

SET12 is a folder of the twelve grey pictures. As published figures have it, noise is neither clipped nor rounded (.npy
files through ``isthmus denoise``); the same rounded and clipped to bytes (.png files) stands beside. BM3D (``pip
install bm3d``) runs in the interpreter that ISTHMUS_BM3D_PYTHON names, or in this one where it has it. --quick leaves
BM3D and the timing out.
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

# Cleans the pictures of an archive of arrays and writes them to another, with the seconds that each took.
BM3D = """
import sys, time
import bm3d, numpy as np
given, level, out = np.load(sys.argv[1]), float(sys.argv[2]), {}
for name in given.files:
    began = time.perf_counter()
    cleaned = bm3d.bm3d(given[name], level / 255)
    out[name], out[name + " seconds"] = cleaned, time.perf_counter() - began
np.savez(sys.argv[3], **out)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set12", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    pictures = load(given.set12)
    print(machine())
    label(pictures)
    blind(pictures)
    if not given.quick:
        speed()
        beside_bm3d(pictures)


def load(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".png")
    return {file.stem: np.asarray(Image.open(file).convert("L")) / 255 for file in files}


def noisy(pictures: dict[str, np.ndarray], level: float) -> dict[str, np.ndarray]:
    """Return the pictures with noise, drawn from a seed for each."""
    return {
        name: clean + level / 255 * np.random.default_rng(seed).standard_normal(clean.shape)
        for seed, (name, clean) in enumerate(pictures.items())
    }


def psnr(cleaned: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((cleaned - clean) ** 2)))


def label(pictures: dict[str, np.ndarray]) -> None:
    print(
        f"\nPSNR in dB, noise told\n{'':8}"
        + "".join(f"{f'{level} float':>10}{f'{level} bytes':>10}" for level in LEVELS)
    )
    rows: dict[str, list[float]] = {name: [] for name in pictures}
    for level in LEVELS:
        seen = noisy(pictures, level)
        for cleaned in (through_command(seen, level, ".npy"), through_command(seen, level, ".png")):
            for name, clean in pictures.items():
                rows[name].append(psnr(cleaned[name], clean))
    for name, values in [*rows.items(), ("mean", list(np.mean(list(rows.values()), axis=0)))]:
        print(f"{name:8}" + "".join(f"{value:>10.2f}" for value in values))


def through_command(seen: dict[str, np.ndarray], level: float, suffix: str) -> dict[str, np.ndarray]:
    """Return what ``isthmus denoise`` makes of a folder of .npy files of floats, or of .png files of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "noisy"), Path(folder, "clean")
        given.mkdir()
        for name, picture in seen.items():
            if suffix == ".npy":
                np.save(given / f"{name}.npy", picture.astype(np.float32))
            else:
                Image.fromarray(np.rint(255 * picture).clip(0, 255).astype(np.uint8)).save(given / f"{name}.png")
        command = [sys.executable, "-m", "isthmus", "denoise", str(given), "-o", str(made), "--noise", str(level)]
        subprocess.run(command, check=True, capture_output=True)
        if suffix == ".npy":
            return {name: np.load(made / f"{name}.npy") for name in seen}
        return {name: np.asarray(Image.open(made / f"{name}.png")) / 255 for name in seen}


def blind(pictures: dict[str, np.ndarray]) -> None:
    denoiser = Denoiser.shipped()
    print(f"\n{'noise':>8}{'estimated, range':>20}{'largest error':>15}{'told, dB':>12}{'blind, dB':>12}")
    for level in BLIND_LEVELS:
        seen = noisy(pictures, level)
        found = {name: estimate_noise(picture) for name, picture in seen.items()}
        by_truth = np.mean([psnr(denoiser.clean(seen[name], level), clean) for name, clean in pictures.items()])
        by_guess = np.mean([psnr(denoiser.clean(seen[name], found[name]), clean) for name, clean in pictures.items()])
        span = f"{min(found.values()):.2f} to {max(found.values()):.2f}"
        worst = max(abs(value - level) for value in found.values())
        print(f"{level:>8}{span:>20}{worst:>15.2f}{by_truth:>12.2f}{by_guess:>12.2f}")


def speed() -> None:
    denoiser = Denoiser.shipped()
    draw = np.random.default_rng(0)
    grey, coloured = (0.5 + 25 / 255 * draw.standard_normal(shape) for shape in ((512, 512), (512, 512, 3)))

    def run(picture: np.ndarray, noise: float | None) -> Callable[[], None]:
        def job() -> None:
            denoiser.clean(picture, noise)

        return job

    print()
    grey_job = "512 x 512 grey, noise told"
    blind_job, coloured_job = "512 x 512 grey, blind", "512 x 512 coloured, noise told"
    report(in_turn({grey_job: run(grey, 25), blind_job: run(grey, None), coloured_job: run(coloured, 25)}), grey_job)


def beside_bm3d(pictures: dict[str, np.ndarray]) -> None:
    python = os.environ.get("ISTHMUS_BM3D_PYTHON") or (sys.executable if importlib.util.find_spec("bm3d") else None)
    if python is None:
        print("\nBM3D is left out: pip install bm3d, or name an interpreter that has it in ISTHMUS_BM3D_PYTHON")
        return
    print(
        f"\n{'noise':>8}{'ours, dB':>12}{'BM3D, dB':>12}{'ours, s':>12}{'BM3D, s':>12}   (seconds: mean of a picture)"
    )
    for level in LEVELS:
        seen = noisy(pictures, level)
        found = []
        for cleaned, seconds in (ours(seen, level), bm3d(seen, level, python)):
            found.append((np.mean([psnr(cleaned[name], clean) for name, clean in pictures.items()]), seconds))
        (our_psnr, our_seconds), (psnr_there, seconds_there) = found
        print(f"{level:>8}{our_psnr:>12.2f}{psnr_there:>12.2f}{our_seconds:>12.3f}{seconds_there:>12.3f}")


def ours(seen: dict[str, np.ndarray], level: float) -> tuple[dict[str, np.ndarray], float]:
    """Return the shipped denoiser's pictures, and its seconds for one, warm."""
    denoiser = Denoiser.shipped()
    for picture in seen.values():
        denoiser.clean(picture, level)
    began = time.perf_counter()
    cleaned = {name: denoiser.clean(picture, level) for name, picture in seen.items()}
    return cleaned, (time.perf_counter() - began) / len(seen)


def bm3d(seen: dict[str, np.ndarray], level: float, python: str) -> tuple[dict[str, np.ndarray], float]:
    """Return BM3D's pictures, and its seconds for one."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "noisy.npz"), Path(folder, "clean.npz")
        np.savez(given, **seen)
        subprocess.run([python, "-W", "ignore", "-c", BM3D, str(given), str(level), str(made)], check=True)
        with np.load(made) as found:
            return {name: found[name] for name in seen}, float(np.mean([found[f"{name} seconds"] for name in seen]))


if __name__ == "__main__":
    main()
