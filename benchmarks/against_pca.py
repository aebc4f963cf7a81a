"""Test error relative to PCA on tables, pictures and made-up rows, for the default parameters and alternatives.

Each data set is drawn or split several times into training and test rows. PCA gets the same scaled rows and the same
number of components. The ratio is the autoencoder's summed squared error over PCA's. For curves and surfaces, which
PCA cannot follow, the share of the variance left over is also compared with that of a plain network: the same sizes,
no linear path, Adam at 0.001 for 100 epochs. Geometric means are printed over the tables (every line above the
manifolds, each number of components once), over the manifolds, and over both.

    python benchmarks/against_pca.py                                     the defaults
    python benchmarks/against_pca.py --set learning_rate=0.003 ...       other parameters
    python benchmarks/against_pca.py --data wine "30 rows"               some of the data sets
    python benchmarks/against_pca.py --study                             the parameters that were compared
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from common import settings_of
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder
from isthmus.data.datasets import load_portraits

SPLITS = 3
COMPONENTS = (2, 10)
PLAIN = {"linear_path": False, "early_stopping": False, "learning_rate": 1e-3, "learning_rate_schedule": "constant"}


class Part(NamedTuple):
    """Training rows, test rows, and the groups of the training rows."""

    train: np.ndarray
    test: np.ndarray
    groups: np.ndarray | None = None


def patches() -> np.ndarray:
    """Return 4,000 grey patches of 8 x 8 pixels from the photographs included in scikit-learn."""
    from sklearn.feature_extraction.image import extract_patches_2d

    grey = [photo.mean(axis=2).astype(np.float32) / 255 for photo in datasets.load_sample_images().images]
    parts = [extract_patches_2d(photo, (8, 8), max_patches=2000, random_state=0) for photo in grey]
    return np.concatenate(parts).reshape(-1, 64)


def heavy_tails() -> np.ndarray:
    """Return rows of four factors with Student's t distribution of three degrees of freedom."""
    rng = np.random.default_rng(5)
    return rng.standard_t(3, (1500, 4)) @ rng.standard_normal((4, 12)) + 0.3 * rng.standard_t(3, (1500, 12))


def counts() -> np.ndarray:
    """Return Poisson counts whose logarithmic rates have three factors."""
    rng = np.random.default_rng(6)
    return rng.poisson(np.exp(rng.standard_normal((1500, 3)) @ rng.standard_normal((3, 30)) * 0.5)).astype(float)


def factors(n_rows: int) -> Callable[[int], Part]:
    """Return a function that draws few rows of a linear model, which has nothing for a network to learn."""

    def draw(seed: int) -> Part:
        rng = np.random.default_rng(seed)
        weights = rng.standard_normal((4, 50))
        rows = [rng.standard_normal((n, 4)) @ weights + 0.3 * rng.standard_normal((n, 50)) for n in (n_rows, 500)]
        return Part(*rows)

    return draw


def outlying(seed: int) -> Part:
    """Return rows of which one in a hundred is a hundred times too large."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2000, 3)) @ rng.standard_normal((3, 10)) + 0.2 * rng.standard_normal((2000, 10))
    rows[rng.random(2000) < 0.01] *= 100
    return Part(rows[:1400], rows[1400:])


def grouped(seed: int) -> Part:
    """Return 40 groups of 25 rows around a point of their own, with test rows of other groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), 25)
    rows = rng.standard_normal((40, 30))[groups] + 0.2 * rng.standard_normal((1000, 30))
    train, test = next(GroupShuffleSplit(1, test_size=0.25, random_state=seed).split(rows, groups=groups))
    return Part(rows[train], rows[test], groups[train])


def split(load: Callable[[], np.ndarray]) -> Callable[[int], Part]:
    """Return a function that splits a data set into 80 % training and 20 % test rows."""
    return lambda seed: Part(*train_test_split(load(), test_size=0.2, random_state=seed))


TABLES: dict[str, Callable[[int], Part]] = {
    "digits": split(lambda: datasets.load_digits().data),
    "wine": split(lambda: datasets.load_wine().data),
    "breast cancer": split(lambda: datasets.load_breast_cancer().data),
    "diabetes": split(lambda: datasets.load_diabetes().data),
    "portraits": split(lambda: load_portraits().data),
    "photo patches": split(patches),
    "iris": split(lambda: datasets.load_iris().data),
    "heavy tails": split(heavy_tails),
    "counts": split(counts),
    **{f"{n} rows": factors(n) for n in (30, 40, 60, 80)},
    "outlying rows": outlying,
    "unseen groups": grouped,
}


def curve(points: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> Callable[[int, int], np.ndarray]:
    """Return a function that draws rows of a curve."""
    return lambda n, seed: points(np.random.default_rng(seed).uniform(low, high, n))


# Each draws rows without noise; the number of components is the dimension of the curve or surface.
MANIFOLDS: dict[str, tuple[Callable[[int, int], np.ndarray], int]] = {
    "circle": (curve(lambda t: np.c_[np.cos(t), np.sin(t)], 0, 2 * np.pi), 1),
    "spiral": (curve(lambda t: np.c_[t * np.cos(t), t * np.sin(t)], 1, 4 * np.pi), 1),
    "helix": (curve(lambda t: np.c_[np.cos(t), np.sin(t), t / 4], 0, 4 * np.pi), 1),
    "parabola": (curve(lambda t: np.c_[t, t**2], -1, 1), 1),
    "moons": (lambda n, seed: datasets.make_moons(n, random_state=seed)[0], 1),
    "swiss roll": (lambda n, seed: datasets.make_swiss_roll(n, random_state=seed)[0], 2),
    "s-curve": (lambda n, seed: datasets.make_s_curve(n, random_state=seed)[0], 2),
}


def error_ratio(draw: Callable[[int], Part], components: int, settings: dict[str, Any]) -> tuple[int, float, float]:
    """Return the number of components, the error relative to PCA's, and the mean seconds of a fit."""
    error = pca_error = seconds = 0.0
    for seed in range(SPLITS):
        train, test, groups = draw(seed)
        n_components = min(components, train.shape[1] // 2)
        start = time.perf_counter()
        model = Autoencoder(n_components, random_state=seed, **settings).fit(train, groups=groups)
        seconds += time.perf_counter() - start
        scaled, scaled_test = (model.scaler_.scaled(part, np.float64) for part in (train, test))
        pca = PCA(n_components, svd_solver="full").fit(scaled)
        pca_error += np.square(pca.inverse_transform(pca.transform(scaled_test)) - scaled_test).sum()
        error += model.reconstruction_error(test, per="cell").sum()
    return n_components, error / pca_error, seconds / SPLITS


def left_over(name: str, make: Callable[[int, int], Any]) -> float:
    """Return the mean share of the variance of new points that is left over by what `make(components, seed)` fits."""
    draw, n_components = MANIFOLDS[name]
    shares = []
    for seed in range(SPLITS):
        train, test = draw(1500, seed), draw(1000, seed + 100)
        model = make(n_components, seed).fit(train)
        new = model.inverse_transform(model.transform(test))
        shares.append(np.sum((new - test) ** 2) / np.sum((test - test.mean(axis=0)) ** 2))
    return float(np.mean(shares))


def standardised_pca(n_components: int, _: int) -> Any:
    """Return PCA of standardised rows, whose reconstruction is in the rows' own units."""
    return make_pipeline(StandardScaler(), PCA(n_components))


def geometric_mean(ratios: list[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(ratios))))


def compare(settings: dict[str, Any], names: list[str]) -> None:
    """Print one line per data set."""
    print(f"{'data':15}" + "".join(f"{'components':>12}{'x PCA':>8}{'s':>6}" for _ in COMPONENTS))
    ratios: dict[tuple[str, int], float] = {}
    for name in [name for name in names if name in TABLES]:
        line = f"{name:15}"
        for components in COMPONENTS:
            count, ratio, seconds = error_ratio(TABLES[name], components, settings)
            if (name, count) not in ratios:
                line += f"{count:>12}{ratio:>8.3f}{seconds:>6.1f}"
            ratios[name, count] = ratio
        print(line, flush=True)
    if ratios:
        worst = max(ratios, key=ratios.__getitem__)
        mean = geometric_mean([*ratios.values()])
        print(f"tables: geometric mean {mean:.3f}, worst {ratios[worst]:.3f} ({worst[0]})")
    curved: dict[str, float] = {}
    manifolds = [name for name in names if name in MANIFOLDS]
    if manifolds:
        print(f"{'left over':15}{'this':>12}{'plain':>10}{'PCA':>10}{'x plain':>9}{'x PCA':>8}")
    for name in manifolds:
        this, plain, pca = (
            left_over(name, make)
            for make in (
                lambda k, seed: Autoencoder(k, random_state=seed, **settings),
                lambda k, seed: Autoencoder(k, random_state=seed, **PLAIN),
                standardised_pca,
            )
        )
        curved[name] = this / pca
        print(f"{name:15}{this:>12.4f}{plain:>10.4f}{pca:>10.4f}{this / plain:>9.3f}{this / pca:>8.3f}", flush=True)
    if curved:
        worst_curve = max(curved, key=curved.__getitem__)
        mean = geometric_mean([*curved.values()])
        print(f"manifolds: geometric mean {mean:.3f} of PCA, worst {curved[worst_curve]:.3f} ({worst_curve})")
    if ratios and curved:
        everything = [*ratios.values(), *curved.values()]
        print(f"tables and manifolds: geometric mean {geometric_mean(everything):.3f}, worst {max(everything):.3f}")


STUDY: list[dict[str, Any]] = [
    {},
    {"learning_rate_schedule": "cosine", "learning_rate": 1e-3, "linear_weight": 0},
    {"linear_weight": 0},
    {"learning_rate": 1e-3},
    {"learning_rate": 3e-3},
    {"max_epochs": 200},
    {"activation": "tanh"},
    {"activation": "silu"},
    {"dropout": 0.1},
    {"linear_path": False},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    choices = [*TABLES, *MANIFOLDS]
    parser.add_argument("--data", nargs="*", default=choices, choices=choices)
    parser.add_argument("--study", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    for settings in STUDY if arguments.study else [settings_of(arguments.set)]:
        print(f"\n{settings or 'defaults'}")
        compare(settings, arguments.data)


if __name__ == "__main__":
    main()
