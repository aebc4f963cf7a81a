"""Test error on MNIST, in percent, of a linear classifier on codes learned without labels.

python benchmarks/frozen_codes.py [ROW ...] [--validate] [--seeds 0]

Needs MNIST's four files in the folder ISTHMUS_DATA. --validate trains on 50,000 training digits and prints the error on
the other 10,000, on which the parameters were chosen; the classifier's regularization is always chosen on these.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from common import machine, settings_of
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from isthmus import DenoisingAutoencoder, SparseAutoencoder
from isthmus.corruption import Gaussian, Masking
from isthmus.data.datasets import load_mnist
from isthmus.sparsity import Lifetime, TopK

LIFETIME = {"sparsity": Lifetime(target=0.05), "tied_weights": True, "output_activation": "identity", "max_epochs": 100}
K_SPARSE = {"sparsity": TopK(k=25, k_start=100, anneal=0.5, auxiliary=0.0, resample_dead=1), "max_epochs": 60}
DENOISING = {"hidden_layer_sizes": (), "code_activation": "relu", "tied_weights": True, "loss": "bce", "max_epochs": 60}
NOISE = Gaussian(0.3, unit="input")
ROWS: dict[str, dict[str, Any]] = {
    "raw": {},
    "k-sparse": {"n_components": 1000, "output_activation": "identity", **K_SPARSE},
    "denoising": {"n_components": 1000, "corruption": Masking(0.2), "batch_size": 128, **DENOISING},
    "denoising-lifetime": {"n_components": 1000, "corruption": NOISE, "sparsity": Lifetime(target=0.05), **DENOISING},
    "lifetime": {"n_components": 1000, **LIFETIME},
    "lifetime-2000": {"n_components": 2000, **LIFETIME},
}
STRENGTHS = {"logistic": (0.005, 0.02, 0.06), "svm": (0.0003, 0.001)}


def classifier(kind: str, strength: float) -> Any:
    if kind == "svm":
        return LinearSVC(C=strength, max_iter=2000)
    return LogisticRegression(C=strength, max_iter=200)


def codes_of(settings: dict[str, Any], seed: int, fit_on: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    if not settings:
        return [rows.astype(np.float32) / 255 for rows in (fit_on, *others)]
    kind = DenoisingAutoencoder if "corruption" in settings else SparseAutoencoder
    model = kind(early_stopping=False, scaling="auto", random_state=seed, **settings).fit(fit_on)
    loss, seconds = model.history_["loss"][-1], model.history_["seconds"][-1]
    print(f"  {loss:.5f} loss, {seconds:.2f} s an epoch, {model.score(others[0]):.4f} of the variance")
    return [model.transform(rows) for rows in (fit_on, *others)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", default=[*ROWS])
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    train, test = load_mnist(subset="train", return_X_y=True), load_mnist(subset="test", return_X_y=True)
    print(machine())
    for name in given.rows:
        kind = "svm" if name.endswith("2000") else "logistic"
        for seed in given.seeds:
            start = time.perf_counter()
            settings = {**ROWS[name], **settings_of(given.set)} if ROWS[name] else {}
            training, validation = codes_of(settings, seed, train[0][:50_000], train[0][50_000:])
            errors = {}
            scaler = StandardScaler().fit(training)
            for strength in STRENGTHS[kind]:
                model = classifier(kind, strength).fit(scaler.transform(training), train[1][:50_000])
                errors[strength] = 100 * (1 - model.score(scaler.transform(validation), train[1][50_000:]))
                print(f"  C={strength:g}: {errors[strength]:.2f} % of validation digits", flush=True)
            if given.validate:
                seconds = time.perf_counter() - start
                print(f"{name} seed {seed}: {min(errors.values()):.2f} % of validation digits, {seconds:.0f} s")
                continue
            best = min(errors, key=errors.get)
            # With the chosen regularization, train on all training digits, as in published results.
            training, last = codes_of(settings, seed, train[0], test[0])
            scaler = StandardScaler().fit(training)
            model = classifier(kind, best).fit(scaler.transform(training), train[1])
            error = 100 * (1 - model.score(scaler.transform(last), test[1]))
            print(f"{name} seed {seed}: {error:.2f} % of test digits (C={best:g}), {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
