r"""Train the denoiser included in isthmus on a folder of grey photographs.

    python scripts/train_denoiser.py PHOTOS -o denoiser.safetensors [--steps 50000] [--validation 20]
    python scripts/train_denoiser.py PHOTOS -o denoiser.safetensors --half --side 96 --batch 64 --steps 140000
    python scripts/train_denoiser.py PHOTOS -o better.safetensors --start denoiser.safetensors --half --side 128 \
        --batch 32 --steps 130000 --rate 0.0012 --seed 1

To train on your own pictures, use `isthmus.PictureDenoiser`, which trains in the same way. A running mean of the
weights is written every 2,000 steps, in half precision. The first command takes several hours on two cores; the other
two made the included weights in ten minutes on a GPU. --start continues from the weights in a file: with larger crops,
fewer pixels are near a border, where the network has less context. --validation holds out the last photographs by name
and prints their PSNR at 15, 25 and 50; the included weights were trained on all photographs. On one machine's CPU, the
same seed and steps give the same weights.
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
    """Return the mean PSNR in dB of denoised pictures; the noise is seeded, not clipped and not rounded."""
    values = []
    for number, picture in enumerate(pictures):
        clean = picture.astype(np.float32) / 255
        noisy = clean + deviation / 255 * np.random.default_rng(number).standard_normal(clean.shape, np.float32)
        values.append(-10 * np.log10(np.mean((denoiser.clean(noisy, deviation) - clean) ** 2)))
    return float(np.mean(values))


def main() -> None:
    """Train with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--validation", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--side", type=int, default=64, help="side of a crop in pixels, a multiple of 4")
    parser.add_argument("--batch", type=int, default=8, help="crops per step")
    parser.add_argument("--rate", type=float, default=2e-3, help="largest learning rate of Adam")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128], help="one value per level of the network")
    parser.add_argument("--blocks", type=int, nargs="+", default=[2, 2], help="one value per level of the network")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16, for accelerators")
    parser.add_argument("--medium-noise", action="store_true", help="draw noise levels as means of two uniform draws")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draws = 2 if given.medium_noise else 1
    recipe = Recipe(given.steps, given.side, given.batch, given.rate, 0.0, STRONGEST / 255, draws, given.half)
    pictures = photographs(given.photos)
    validation = pictures[len(pictures) - given.validation :]
    training = pictures[: len(pictures) - given.validation]
    crops = PatchSource(training, given.side, n_patches=given.steps * given.batch, random_state=given.seed)
    if given.start:
        denoiser = Denoiser.load(given.start)
    else:
        network = ResidualDenoiser(tuple(given.widths), tuple(given.blocks))
        denoiser = Denoiser(network, initial_weights(network, given.seed), STRONGEST)
    start = time.perf_counter()
    for reached in train(denoiser.network, denoiser.params, crops, 255, recipe, given.seed):
        if reached.step % STEPS_PER_LINE and reached.step < given.steps:
            continue
        denoiser.params = reached.params
        denoiser.save(given.output, dtype=np.float16, about={"steps": reached.step}, overwrite=True)
        levels = (15, 25, 50) if validation else ()
        scores = ", ".join(f"{psnr(denoiser, validation, level):.3f} dB at {level}" for level in levels)
        seconds = time.perf_counter() - start
        print(f"{reached.step} steps, {seconds:.0f} s: loss {reached.loss:.4f} {scores}", flush=True)


if __name__ == "__main__":
    main()
