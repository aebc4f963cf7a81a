"""Test error relative to PCA on small tables and pictures, for the default parameters and alternatives.

Each data set is split three times into 80 % training and 20 % test rows. PCA gets the same scaled rows and the same
number of components. The ratio is the autoencoder's summed squared error over PCA's, over the three splits.

    python benchmarks/against_pca.py                                     the defaults
    python benchmarks/against_pca.py --set learning_rate=0.003 ...       other parameters
    python benchmarks/against_pca.py --study                             the parameters that were compared
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import settings_of
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from isthmus import Autoencoder
from isthmus.data.datasets import load_portraits

SPLITS = 3
COMPONENTS = (2, 10)


def patches() -> np.ndarray:
    """Return 4,000 grey patches of 8 x 8 pixels from the photographs included in scikit-learn."""
    from sklearn.feature_extraction.image import extract_patches_2d

    grey = [photo.mean(axis=2).astype(np.float32) / 255 for photo in datasets.load_sample_images().images]
    parts = [extract_patches_2d(photo, (8, 8), max_patches=2000, random_state=0) for photo in grey]
    return np.concatenate(parts).reshape(-1, 64)


TABLES: dict[str, Callable[[], np.ndarray]] = {
    "digits": lambda: datasets.load_digits().data,
    "wine": lambda: datasets.load_wine().data,
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "diabetes": lambda: datasets.load_diabetes().data,
    "portraits": lambda: load_portraits().data,
    "photo patches": patches,
}


def error_ratio(rows: np.ndarray, n_components: int, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the error relative to PCA's, and the mean seconds of a fit."""
    error = pca_error = seconds = 0.0
    for split in range(SPLITS):
        train, test = train_test_split(rows, test_size=0.2, random_state=split)
        start = time.perf_counter()
        model = Autoencoder(n_components, random_state=split, **settings).fit(train)
        seconds += time.perf_counter() - start
        scaled, scaled_test = (model.scaler_.scaled(part, np.float64) for part in (train, test))
        pca = PCA(n_components).fit(scaled)
        pca_error += np.square(pca.inverse_transform(pca.transform(scaled_test)) - scaled_test).sum()
        error += model.reconstruction_error(test, per="cell").sum()
    return error / pca_error, seconds / SPLITS


def compare(settings: dict[str, Any], names: list[str]) -> None:
    """Print one line per data set."""
    print(f"{'data':15}" + "".join(f"{f'{k} of D':>10}{'s':>6}" for k in COMPONENTS))
    logarithms = []
    for name in names:
        rows = TABLES[name]()
        results = [error_ratio(rows, min(k, rows.shape[1] // 2), settings) for k in COMPONENTS]
        logarithms += [np.log(ratio) for ratio, _ in results]
        print(f"{name:15}" + "".join(f"{ratio:>10.3f}{seconds:>6.1f}" for ratio, seconds in results), flush=True)
    print(f"geometric mean {np.exp(np.mean(logarithms)):>9.3f}", flush=True)


STUDY: list[dict[str, Any]] = [
    {},
    {"n_iter_no_change": 10},
    {"learning_rate": 3e-3},
    {"learning_rate": 3e-3, "learning_rate_schedule": "one_cycle"},
    {"batch_size": 16},
    {"hidden_layer_sizes": (128, 64)},
    {"hidden_layer_sizes": (256, 128)},
    {"activation": "tanh"},
    {"activation": "silu"},
    {"dropout": 0.1},
    {"optimizer": "adamw"},
    {"linear_path": False},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--data", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--study", action="store_true")
    arguments = parser.parse_args()
    for settings in STUDY if arguments.study else [settings_of(arguments.set)]:
        print(f"\n{settings or 'defaults'}")
        compare(settings, arguments.data)


if __name__ == "__main__":
    main()
