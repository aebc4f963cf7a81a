"""A denoising autoencoder of patches: 17 x 17 noisy input pixels, the middle 9 x 9 output pixels; Set12 at noise 25.

    python benchmarks/patches.py PHOTOS SET12 [--validate] [--patches 1700000] [--epochs 10] [NAME=VALUE ...]

PHOTOS is a folder of grey photographs for training, SET12 a folder of the twelve test pictures; noise is neither
clipped nor rounded. --validate holds out the last 20 photographs and evaluates on them instead of the test pictures.
NAME=VALUE sets parameters of the autoencoder, which were chosen on these photographs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from common import machine, settings_of
from PIL import Image

from isthmus import DenoisingAutoencoder, PatchAutoencoder
from isthmus.corruption import Gaussian

NOISE, INPUT, OUTPUT, UNITS, N_VALIDATION = 25, 17, 9, 1024, 20

# Two hidden layers, the second of which is the code.
SETTINGS = {
    "n_components": UNITS,
    "hidden_layer_sizes": (UNITS,),
    "decoder_layer_sizes": (),
    "activation": "relu",
    "code_activation": "relu",
    "output_activation": "identity",
    "scaling": "standard",
    "batch_size": 256,
    "early_stopping": False,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("set12", type=Path)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--patches", type=int, default=1_700_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--strides", type=int, nargs="+", default=[3, 1])
    parser.add_argument("settings", nargs="*")
    given = parser.parse_args()
    photos = load(given.photos)
    test = photos[-N_VALIDATION:] if given.validate else load(given.set12)
    model = fitted(photos[:-N_VALIDATION] if given.validate else photos, given)
    noisy = [
        clean + NOISE * np.random.default_rng(seed).standard_normal(clean.shape) for seed, clean in enumerate(test)
    ]
    for stride in given.strides:
        model.set_params(stride=stride)
        model.denoise(noisy[:1])
        start = time.perf_counter()
        cleaned = model.denoise(noisy)
        seconds = (time.perf_counter() - start) / len(noisy)
        scores = [psnr(picture, clean) for picture, clean in zip(cleaned, test, strict=True)]
        print(f"stride {stride}: mean {np.mean(scores):.2f} dB in {seconds:.2f} s per picture")
        print(" ".join(f"{value:.2f}" for value in scores), flush=True)


def load(folder: Path) -> list[np.ndarray]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".png")
    return [np.asarray(Image.open(file).convert("L")) for file in files]


def fitted(photos: list[np.ndarray], given: argparse.Namespace) -> PatchAutoencoder:
    inner = DenoisingAutoencoder(**SETTINGS, corruption=Gaussian(NOISE, unit="input"), max_epochs=given.epochs)
    inner.set_params(random_state=0, **settings_of(given.settings))
    model = PatchAutoencoder(
        inner, patch_size=INPUT, kept_size=OUTPUT, n_patches=given.patches, center=True, random_state=0
    )
    start = time.perf_counter()
    model.fit(photos)
    seconds = time.perf_counter() - start
    n_weights = sum(leaf.size for leaf in jax.tree.leaves(model.autoencoder_.params_))
    print(f"{machine()}\n{n_weights:,} weights, {given.epochs} x {given.patches:,} patches in {seconds:.0f} s")
    return model


def psnr(cleaned: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((cleaned / 255 - clean / 255) ** 2)))


if __name__ == "__main__":
    main()
