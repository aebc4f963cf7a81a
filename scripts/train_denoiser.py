r"""Train the denoiser that isthmus ships, on a folder of grey photographs.

    python scripts/train_denoiser.py PHOTOS -o denoiser.safetensors [--steps 50000] [--hold-back 20]
    python scripts/train_denoiser.py PHOTOS -o denoiser.safetensors --half --side 96 --batch 64 --steps 140000
    python scripts/train_denoiser.py PHOTOS -o better.safetensors --start denoiser.safetensors --half --side 128 \
        --batch 32 --steps 130000 --rate 0.0012 --seed 1

It learns as `isthmus.PictureDenoiser` does, which is for pictures of your own. What is kept, a running mean of the
weights, is written every 2,000 steps, in half precision. The first line takes some hours of two cores; the others, on a
GPU, made the shipped weights in ten minutes. With --start it goes on from weights in a file: larger crops then have
less of a border, where the network sees less than in a whole picture. With --hold-back the last photographs by name are
not learned from and tell the PSNR at 15, 25 and 50: they are for choosing, and the shipped weights learned from all.
The same seed and steps give the same weights on one machine's CPU.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.data.sources import PatchSource
from isthmus.images.denoiser import Denoiser
from isthmus.images.training import STEPS_PER_GROUP, Recipe, initial_weights, train
from isthmus.networks.residual import ResidualDenoiser

STRONGEST = 55.0
STEPS_PER_LINE = 20 * STEPS_PER_GROUP


def photographs(folder: Path) -> list[np.ndarray]:
    """Return grey pictures as uint8, in order of their names."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".bmp"})
    return [np.asarray(Image.open(path).convert("L")) for path in files]


def psnr(denoiser: Denoiser, pictures: list[np.ndarray], deviation: float) -> float:
    """Return the mean PSNR in dB of pictures cleaned of seeded noise, which is neither clipped nor rounded."""
    found = []
    for number, picture in enumerate(pictures):
        clean = picture.astype(np.float32) / 255
        noisy = clean + deviation / 255 * np.random.default_rng(number).standard_normal(clean.shape, np.float32)
        found.append(-10 * np.log10(np.mean((denoiser.clean(noisy, deviation) - clean) ** 2)))
    return float(np.mean(found))


def main() -> None:
    """Train with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--hold-back", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--side", type=int, default=64, help="of a crop, in pixels; a multiple of 4")
    parser.add_argument("--batch", type=int, default=8, help="crops of a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's largest")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128], help="of the network's levels")
    parser.add_argument("--blocks", type=int, nargs="+", default=[2, 2], help="of the network's levels")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16, for accelerators")
    parser.add_argument("--middling", action="store_true", help="draw deviations as means of two even draws")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draws = 2 if given.middling else 1
    recipe = Recipe(given.steps, given.side, given.batch, given.rate, 0.0, STRONGEST / 255, draws, given.half)
    pictures = photographs(given.photos)
    held = pictures[len(pictures) - given.hold_back :]
    learned_from = pictures[: len(pictures) - given.hold_back]
    crops = PatchSource(learned_from, given.side, n_patches=given.steps * given.batch, random_state=given.seed)
    if given.start:
        denoiser = Denoiser.load(given.start)
    else:
        network = ResidualDenoiser(tuple(given.widths), tuple(given.blocks))
        denoiser = Denoiser(network, initial_weights(network, given.seed), STRONGEST)
    began = time.perf_counter()
    for reached in train(denoiser.network, denoiser.params, crops, 255, recipe, given.seed):
        if reached.step % STEPS_PER_LINE and reached.step < given.steps:
            continue
        denoiser.params = reached.params
        denoiser.save(given.output, dtype=np.float16, about={"steps": reached.step})
        label = ", ".join(f"{psnr(denoiser, held, level):.3f} dB at {level}" for level in (15, 25, 50) if held)
        seconds = time.perf_counter() - began
        print(f"{reached.step} steps, {seconds:.0f} s: loss {reached.loss:.4f} {label}", flush=True)


if __name__ == "__main__":
    main()
