"""Outlier detectors on labelled tables: AUROC, average precision, mean rank and seconds.

Every ``.npz`` of the folder that ``ISTHMUS_OUTLIERS`` names has ``X`` and ``y``, 1 for an outlier. Protocol 1: fitted
on all rows without labels; the scores of the training rows. Protocol 2: fitted on half of the inliers; the scores of
the other rows. All but isthmus and the networks of PyOD, which scale rows themselves, are given standardised columns.

    ISTHMUS_OUTLIERS=folder python benchmarks/outliers.py [--seeds 0 1 2] [--methods isthmus kNN ...]

PyOD's methods are left out where PyOD is not installed. A rank is among the methods of the run; equal values share it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import machine
from scipy.stats import rankdata
from sklearn.covariance import EllipticEnvelope, MinCovDet
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from isthmus import Autoencoder, AutoencoderOutlierDetector

Scores = Callable[[Any, Any, int], Any]  # training rows, rows to score (None: the training rows), seed


def isthmus(train: Any, rows: Any, seed: int) -> Any:
    """Return the detector's scores."""
    detector = AutoencoderOutlierDetector(random_state=seed).fit(train)
    return detector.decision_scores_ if rows is None else detector.anomaly_score(rows)


def reconstruction_error(train: Any, rows: Any, seed: int) -> Any:
    """Return plain reconstruction errors, of a code as wide as the detector's."""
    model = Autoencoder(max(1, round(train.shape[1] ** 0.5)), random_state=seed).fit(train)
    return model.reconstruction_error(train if rows is None else rows)


def of_sklearn(make: Callable[[int], Any]) -> Scores:
    """Return the scores of one of scikit-learn's detectors."""

    def scores(train: Any, rows: Any, seed: int) -> Any:
        scaler = StandardScaler().fit(train)
        model = make(seed).fit(scaler.transform(train))
        rows = scaler.transform(train if rows is None else rows)
        return model.mahalanobis(rows) if isinstance(model, MinCovDet) else -model.score_samples(rows)

    return scores


def local_outlier_factor(train: Any, rows: Any, seed: int) -> Any:
    """Return local outlier factors; training rows are not their own neighbours."""
    scaler = StandardScaler().fit(train)
    model = LocalOutlierFactor(novelty=rows is not None).fit(scaler.transform(train))
    return -model.negative_outlier_factor_ if rows is None else -model.score_samples(scaler.transform(rows))


def of_pyod(module: str, name: str, *, scaled: bool, seeded: bool = True, **settings: Any) -> Scores:
    """Return the scores of one of PyOD's detectors."""

    def scores(train: Any, rows: Any, seed: int) -> Any:
        make = getattr(importlib.import_module(f"pyod.models.{module}"), name)
        scaler = StandardScaler(with_mean=scaled, with_std=scaled).fit(train)
        own = {key: train.shape[1] if value is None else value for key, value in settings.items()}
        model = make(**own, **({"random_state": seed} if seeded else {})).fit(scaler.transform(train))
        return model.decision_scores_ if rows is None else model.decision_function(scaler.transform(rows))

    return scores


METHODS: dict[str, Scores] = {
    "isthmus": isthmus,
    "plain error": reconstruction_error,
    "IsolationForest": of_sklearn(lambda seed: IsolationForest(random_state=seed)),
    "LOF": local_outlier_factor,
    "OneClassSVM": of_sklearn(lambda seed: OneClassSVM()),
    "EllipticEnvelope": of_sklearn(lambda seed: EllipticEnvelope(random_state=seed, support_fraction=0.9)),
    "MinCovDet": of_sklearn(lambda seed: MinCovDet(random_state=seed)),
}
PYOD: dict[str, Scores] = {
    "AutoEncoder": of_pyod("auto_encoder", "AutoEncoder", scaled=False, epoch_num=10, batch_size=32, verbose=0),
    "VAE": of_pyod("vae", "VAE", scaled=False, epoch_num=10, batch_size=32, verbose=0),
    "DeepSVDD": of_pyod("deep_svdd", "DeepSVDD", scaled=False, n_features=None, epochs=10, verbose=0),
    "ECOD": of_pyod("ecod", "ECOD", scaled=True, seeded=False),
    "kNN": of_pyod("knn", "KNN", scaled=True, seeded=False),
}


def tables() -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the rows and the labels of each set."""
    for path in sorted(Path(os.environ["ISTHMUS_OUTLIERS"]).glob("*.npz")):
        with np.load(path) as stored:
            yield path.stem, stored["X"], stored["y"]


def halved(y: Any, seed: int) -> tuple[Any, Any]:
    """Return the numbers of half of the inliers, and of all other rows."""
    inliers = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train = np.sort(inliers[: len(inliers) // 2])
    return train, np.setdiff1d(np.arange(len(y)), train)


def run(protocol: int, methods: dict[str, Scores], seeds: list[int]) -> None:
    """Measure all methods by one protocol, in turn on each set, and print the table."""
    names = [name for name, _, _ in tables()]
    found = np.zeros((3, len(methods), len(names)))  # AUROC, average precision and seconds
    for column, (_, X, y) in enumerate(tables()):
        for seed in seeds:
            train, others = halved(y, seed) if protocol == 2 else (np.arange(len(y)), None)
            truth = y if others is None else y[others]
            for row, scores in enumerate(methods.values()):
                start = time.perf_counter()
                values = scores(X[train], None if others is None else X[others], seed)
                seconds = time.perf_counter() - start
                quality = roc_auc_score(truth, values), average_precision_score(truth, values)
                found[:, row, column] += np.array([*quality, seconds]) / len(seeds)
    ranks = [rankdata(-np.round(measure, 6), axis=0).mean(axis=1) for measure in found[:2]]
    print(f"\nprotocol {protocol}, {len(seeds)} seeds")
    print("| method | " + " | ".join(names) + " | AUROC | rank | AP | rank | seconds |")
    print("|---|" + "---:|" * (len(names) + 5))
    for row in np.argsort(-found[0].mean(axis=1)):
        cells = [f"{value:.3f}" for value in found[0, row]]
        means = [found[0, row].mean(), ranks[0][row], found[1, row].mean(), ranks[1][row], found[2, row].sum()]
        shown = [f"{value:.{digits}f}" for value, digits in zip(means, (3, 1, 3, 1, 1), strict=True)]
        print("| " + " | ".join([[*methods][row], *cells, *shown]) + " |", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    every = METHODS | (PYOD if importlib.util.find_spec("pyod") else {})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--protocols", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--methods", nargs="+", default=[*every], choices=[*every])
    given = parser.parse_args()
    print(machine())
    warnings.simplefilter("ignore")
    for protocol in given.protocols:
        run(protocol, {name: every[name] for name in given.methods}, given.seeds)


if __name__ == "__main__":
    main()
