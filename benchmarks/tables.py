"""How useful codes of tables of mixed columns are: five-fold scores of models on codes of 8 and 16 units.

The columns of credit, churn, diamonds and penguins (Parquet files in the folder ISTHMUS_DATA/tables), without the
target, become codes: of `Autoencoder`, which takes the frame as it is; of PCA and TruncatedSVD of its numbers,
standardised, and its one-hot categories. A linear model (ridge or logistic regression on standardised codes) and
gradient boosting predict the target from the codes, next to all columns. Every step is fitted on four folds and scored
on the fifth; R² of log10(price) for diamonds, accuracy elsewhere.

    python benchmarks/tables.py                        the defaults, codes of 8 and 16 units
    python benchmarks/tables.py --set dropout=0.1      other parameters
    python benchmarks/tables.py --data penguins --components 4
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import machine, settings_of
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from isthmus import Autoencoder

TARGETS = {"diamonds": "price", "credit": "Status", "churn": "churn", "penguins": "species"}
ALL = "all columns"


def table(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the columns and the target of a table."""
    frame = pd.read_parquet(Path(os.environ["ISTHMUS_DATA"]) / "tables" / f"{name}.parquet")
    target = frame.pop(TARGETS[name])
    if pd.api.types.is_numeric_dtype(target):
        return frame, np.log10(target.to_numpy(float))
    return frame, pd.factorize(target)[0]


def one_hot() -> Any:
    """Return the standardised numbers, missing ones at the mean, and one-hot categories of a frame."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )


def methods(n_components: int, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the methods that make codes of a frame."""
    return {
        "isthmus": Autoencoder(n_components, missing="mask", random_state=seed, **settings),
        "PCA": make_pipeline(one_hot(), PCA(n_components, random_state=seed)),
        "TruncatedSVD": make_pipeline(one_hot(), TruncatedSVD(n_components, random_state=seed)),
    }


def scores(codes: np.ndarray, test: np.ndarray, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the scores of a linear model and of gradient boosting on codes."""
    numbers = known.dtype.kind == "f"
    linear = RidgeCV(np.logspace(-3, 3, 7)) if numbers else LogisticRegression(max_iter=3000)
    boosting = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    models = make_pipeline(StandardScaler(), linear), boosting(random_state=0)
    return np.array([model.fit(codes, known).score(test, asked) for model in models])


def folds(frame: pd.DataFrame, target: np.ndarray) -> Iterator[tuple[int, Any, Any, np.ndarray, np.ndarray]]:
    """Yield the number of each fold, its rows for fitting and for scoring, and their targets."""
    kind = KFold if target.dtype.kind == "f" else StratifiedKFold
    for fold, (fit, test) in enumerate(kind(5, shuffle=True, random_state=0).split(frame, target)):
        yield fold, frame.iloc[fit], frame.iloc[test], target[fit], target[test]


def compare(name: str, components: list[int], settings: dict[str, Any]) -> None:
    """Print the mean scores over folds of each method and number of components, and the seconds of making codes."""
    frame, target = table(name)
    found: dict[tuple[str, int], list[np.ndarray]] = {}
    for fold, train, test, known, asked in folds(frame, target):
        encoder = one_hot().fit(train)
        rows, others = encoder.transform(train), encoder.transform(test)
        width = next((width for method, width in found if method == ALL), rows.shape[1])  # that of the first fold
        found.setdefault((ALL, width), []).append(np.append(scores(rows, others, known, asked), 0))
        for count in (count for count in components if count < rows.shape[1]):
            for method, model in methods(count, settings, fold).items():
                start = time.perf_counter()
                codes, others = model.fit(train).transform(train), model.transform(test)
                seconds = time.perf_counter() - start
                scored = scores(np.asarray(codes), np.asarray(others), known, asked)
                found.setdefault((method, count), []).append(np.append(scored, seconds))
    for (method, count), values in found.items():
        linear, boosting, seconds = np.mean(values, axis=0)
        print(f"{name:10}{method:14}{count:>5}{linear:>9.3f}{boosting:>10.3f}{seconds:>9.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--data", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--components", nargs="*", type=int, default=[8, 16])
    arguments = parser.parse_args()
    if "ISTHMUS_DATA" not in os.environ:
        parser.error("set ISTHMUS_DATA to the folder that has tables/")
    print(f"{machine()}\n\n{'data':10}{'codes of':14}{'k':>5}{'linear':>9}{'boosting':>10}{'seconds':>9}")
    for name in arguments.data:
        compare(name, arguments.components, settings_of(arguments.set))


if __name__ == "__main__":
    main()
