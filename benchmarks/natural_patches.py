"""Edge detectors learned from 8x8 patches of photographs: sigmoid units, rho 0.01, beta 3, lambda 1e-4 (Ng, 2011).

python benchmarks/natural_patches.py [PHOTOS] [--units 25 64] [--seeds 0 1 2 3 4] [--picture FOLDER]

PHOTOS is a folder of photographs; the default is those included in scikit-learn and scikit-image. A unit is an oriented
edge if a Gabor function explains at least half of the variance of its weights (Ng, CS294A, 2011; Daugman 1985).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from common import machine
from scipy.optimize import least_squares

from isthmus import SparseAutoencoder, plots
from isthmus.data.datasets import load_photos
from isthmus.data.sources import PatchSource
from isthmus.sparsity import KL

SIZE, PATCHES = 8, 100_000
LOW = [0, -2, -2, -10, 2, -10, 0.5, 0.1]
HIGH = [np.inf, SIZE + 1, SIZE + 1, 10, 40, 10, 12, 3]


def gabor(parameters: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    height, x0, y0, angle, wavelength, phase, width, ratio = parameters
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    envelope = np.exp(-(along**2 + (ratio * across) ** 2) / (2 * width**2))
    return height * envelope * np.cos(2 * np.pi * along / wavelength + phase)


def gabor_share(atom: np.ndarray) -> float:
    """Return the fraction of an atom's variance explained by the best Gabor fit from twelve starting points."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    picture = atom.reshape(SIZE, SIZE) - atom.mean()
    spectrum = np.abs(np.fft.fft2(picture, (32, 32)))[:, :17]
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    vertical, horizontal = (row if row < 16 else row - 32) / 32, column / 32
    angle, frequency = np.arctan2(vertical, horizontal), max(np.hypot(vertical, horizontal), 1 / 16)
    energy = np.abs(picture)
    middle = [(energy * x).sum() / energy.sum(), (energy * y).sum() / energy.sum()]
    best = 0.0
    for turn in (0, 0.4):
        for width in (1.5, 3.0):
            for phase in (0, np.pi / 2, np.pi):
                start = [np.abs(picture).max(), *middle, angle + turn, 1 / frequency, phase, width, 0.7]
                fit = least_squares(
                    lambda p: (gabor(p, y, x) - picture).ravel(),
                    np.clip(start, LOW, HIGH),
                    bounds=(LOW, HIGH),
                    max_nfev=60,
                )
                best = max(best, 1 - 2 * fit.cost / np.square(picture).sum())
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--units", type=int, nargs="+", default=[25, 64])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    source = PatchSource(given.photos or load_photos().images, size=SIZE, n_patches=PATCHES, random_state=0)
    print(f"{machine()}\n\n{'units':>6}{'seed':>5}{'edges':>7}{'median share':>14}{'near rho':>10}{'seconds':>9}")
    for units in given.units:
        for seed in given.seeds:
            start_time = time.perf_counter()
            model = SparseAutoencoder(
                units,
                sparsity=KL(target=0.01, weight=3.0),
                l2_penalty=1e-4,
                scaling="patches",
                output_activation="sigmoid",
                batch_size=1000,
                learning_rate=3e-3,
                max_epochs=300,
                early_stopping=False,
                random_state=seed,
            ).fit(source)
            seconds = time.perf_counter() - start_time
            shares = np.array([gabor_share(atom) for atom in model.encoder_weights_[0].T])
            near = model.code_statistics(source).near_target()
            edges = int((shares >= 0.5).sum())
            print(f"{units:>6}{seed:>5}{edges:>7}{np.median(shares):>14.2f}{near:>10.2f}{seconds:>9.1f}", flush=True)
        if given.picture:
            figure = plots.weights(model.encoder_weights_[0], image_shape=(SIZE, SIZE), n=units, sort=False)
            plots.save(figure, given.picture / f"edges_{units}.png", overwrite=True)


if __name__ == "__main__":
    main()
