"""Root mean squared error of imputed cells of real tables, in standard deviations of each column.

10, 30 and 50 % of the cells of tables included in scikit-learn and mlxtend are removed completely at random, three
times each. All methods get standardised columns; constant columns (three of the digits) are ignored.

    python benchmarks/impute.py                                   everything: about 20 minutes on two cores
    python benchmarks/impute.py --tables wine --methods isthmus start --set n_networks=10
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from common import machine, settings_of
from mlxtend.data import autompg_data, boston_housing_data
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from isthmus import AutoencoderImputer

SHARES = (0.1, 0.3, 0.5)

TABLES: dict[str, Callable[[], np.ndarray]] = {
    "wine": lambda: datasets.load_wine().data,
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "diabetes": lambda: datasets.load_diabetes().data,
    "auto-mpg": lambda: np.column_stack(autompg_data()),
    "digits": lambda: datasets.load_digits().data,
    "boston housing": lambda: np.column_stack(boston_housing_data()),
}


def trees(n_rows: int) -> Any:
    """Return the iterative imputer with trees; fewer rounds for large tables, where each round takes minutes."""
    forest = ExtraTreesRegressor(50, random_state=0)
    return IterativeImputer(forest, max_iter=5 if n_rows < 1000 else 2, random_state=0, keep_empty_features=True)


METHODS: dict[str, Callable[[int, dict[str, Any]], Any]] = {
    "mean": lambda n_rows, settings: SimpleImputer(keep_empty_features=True),
    "nearest rows": lambda n_rows, settings: KNNImputer(keep_empty_features=True),
    "iterative, ridge": lambda n_rows, settings: IterativeImputer(
        max_iter=20, random_state=0, keep_empty_features=True
    ),
    "iterative, trees": lambda n_rows, settings: trees(n_rows),
    "start": lambda n_rows, settings: AutoencoderImputer(max_epochs=0, keep_empty_features=True),
    "isthmus": lambda n_rows, settings: AutoencoderImputer(random_state=0, keep_empty_features=True, **settings),
}


def error(rows: np.ndarray, share: float, seed: int, imputer: Any) -> float:
    """Return the error over the removed cells."""
    removed = np.random.default_rng(seed).random(rows.shape) < share
    incomplete = np.where(removed, np.nan, rows)
    observed = np.where(np.isnan(incomplete).all(axis=0), 0.0, incomplete)
    mean, deviation = np.nanmean(observed, axis=0), np.nanstd(observed, axis=0)
    deviation[deviation == 0] = 1
    filled = imputer.fit_transform((incomplete - mean) / deviation) * deviation + mean
    spread = rows.std(axis=0)
    counted = removed & (spread > 0)
    return float(np.sqrt(np.mean(np.square((filled - rows) / np.where(spread > 0, spread, 1))[counted])))


def main() -> None:
    """Print one line per table and share of missing cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of AutoencoderImputer")
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", RuntimeWarning)
    print(machine())
    print(f"{'table':16}{'missing':>8}" + "".join(f"{name:>18}" for name in given.methods) + "   seconds per fit")
    for name in given.tables:
        rows = np.asarray(TABLES[name](), np.float64)
        # A column of auto-mpg contains text, which mlxtend reads as NaN.
        rows = rows[:, ~np.isnan(rows).any(axis=0)]
        for share in SHARES:
            results, seconds = [], []
            for method in given.methods:
                start = time.perf_counter()
                errors = [
                    error(rows, share, seed, METHODS[method](len(rows), settings_of(given.set)))
                    for seed in range(given.seeds)
                ]
                results.append(np.mean(errors))
                seconds.append((time.perf_counter() - start) / given.seeds)
            figures = "".join(f"{value:>18.4f}" for value in results)
            print(f"{name:16}{share:>8.0%}{figures}   {' '.join(f'{s:.1f}' for s in seconds)}", flush=True)


if __name__ == "__main__":
    main()
