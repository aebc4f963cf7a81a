"""How much of a target the codes tell: linear and k-nearest-neighbour probes on held-out rows, next to PCA's scores.

Rows are standardised, categories one-hot. A ridge or logistic regression and ten nearest neighbours predict the target
from the standardised codes; R² for numbers, accuracy for classes, the mean over splits into 75 % and 25 %. The tables
credit, churn, diamonds and penguins (Parquet files of that name) are read from the folder ISTHMUS_DATA/tables and left
out without it.

    python benchmarks/useful_codes.py                               the defaults, 8 components
    python benchmarks/useful_codes.py --set linear_weight=0 ...     other parameters
    python benchmarks/useful_codes.py --study                       the parameters that were compared
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import settings_of
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder

Table = tuple[np.ndarray, np.ndarray]
TARGETS = {"diamonds": "price", "credit": "Status", "churn": "churn", "penguins": "species"}


def from_parquet(name: str) -> Table:
    """Return a table's columns, categories one-hot and missing numbers at the mean, and its target."""
    frame = pd.read_parquet(Path(os.environ["ISTHMUS_DATA"]) / "tables" / f"{name}.parquet")
    target = frame.pop(TARGETS[name])
    numbers = frame.select_dtypes("number").astype("float64")
    dummies = pd.get_dummies(frame[[column for column in frame if column not in numbers]])
    rows = np.hstack([numbers.fillna(numbers.mean()).to_numpy(), dummies.to_numpy(float)])
    is_number = pd.api.types.is_numeric_dtype(target)
    values = np.log10(target.to_numpy(float)) if is_number else pd.factorize(target)[0]
    return rows[:, rows.std(axis=0) > 0], values


TABLES: dict[str, Callable[[], Table]] = {
    **{name: lambda name=name: from_parquet(name) for name in TARGETS},
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "iris": lambda: datasets.load_iris(return_X_y=True),
}


def probes(train: np.ndarray, test: np.ndarray, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the scores of a linear model and of ten nearest neighbours on codes."""
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    numbers = known.dtype.kind == "f"
    linear = RidgeCV(np.logspace(-3, 3, 7)) if numbers else LogisticRegression(max_iter=3000)
    nearest = KNeighborsRegressor(10) if numbers else KNeighborsClassifier(10)
    return np.array([model.fit(train, known).score(test, asked) for model in (linear, nearest)])


def compare(name: str, settings: dict[str, Any], n_components: int, splits: int) -> str:
    """Return one line: both probes of codes and of PCA's scores, and the error relative to PCA's."""
    rows, target = TABLES[name]()
    n_components = min(n_components, rows.shape[1] // 2)
    scores, errors = np.zeros((2, 2)), np.zeros(2)
    for split in range(splits):
        train, test, known, asked = train_test_split(rows, target, test_size=0.25, random_state=split)
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
        model = Autoencoder(n_components, random_state=split, **settings).fit(train)
        pca = PCA(n_components).fit(train)
        for place, method in enumerate((model, pca)):
            scores[place] += probes(method.transform(train), method.transform(test), known, asked) / splits
        errors += [
            np.sum((model.reconstruct(test) - test) ** 2),
            np.sum((pca.inverse_transform(pca.transform(test)) - test) ** 2),
        ]
    (linear, nearest), (pca_linear, pca_nearest) = scores
    return (
        f"{name:15}{n_components:>4}{linear:>10.3f}{pca_linear:>8.3f}{linear - pca_linear:>+9.3f}"
        f"{nearest:>10.3f}{pca_nearest:>8.3f}{nearest - pca_nearest:>+9.3f}{errors[0] / errors[1]:>10.3f}"
    )


STUDY: list[dict[str, Any]] = [
    {},
    {"linear_weight": 0},
    {"linear_weight": 2},
    {"linear_weight": 0, "dropout": 0.1},
    {"linear_weight": 0, "dropout": 0.3},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = [name for name in TABLES if name not in TARGETS or "ISTHMUS_DATA" in os.environ]
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--data", nargs="*", default=here, choices=here)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--study", action="store_true")
    arguments = parser.parse_args()
    for settings in STUDY if arguments.study else [settings_of(arguments.set)]:
        print(f"\n{settings or 'defaults'}")
        print(f"{'data':15}{'k':>4}{'linear':>10}{'PCA':>8}{'':>9}{'10-NN':>10}{'PCA':>8}{'':>9}{'error':>10}")
        for name in arguments.data:
            print(compare(name, settings, arguments.components, arguments.splits), flush=True)


if __name__ == "__main__":
    main()
