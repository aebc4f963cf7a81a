"""Test error on MNIST, in percent, of three layers of 1,000 units pretrained layerwise, then fine-tuned with labels.

python benchmarks/stacked.py [--validate] [--plain] [--seeds 0] [--set NAME=VALUE ...]

Needs MNIST's four files in the folder ISTHMUS_DATA. --validate trains on 50,000 training digits and prints the error on
the other 10,000, to choose parameters; otherwise it trains on all 60,000 and prints the error on the test digits.
--plain skips pretraining, for comparison. --set changes parameters of fine-tuning.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from common import machine, settings_of

from isthmus import AutoencoderClassifier, DenoisingAutoencoder
from isthmus.corruption import Masking
from isthmus.data.datasets import load_mnist

LAYERS: dict[str, Any] = {
    "n_components": 1000,
    "hidden_layer_sizes": (1000, 1000),
    "activation": "relu",
    "code_activation": "relu",
    "tied_weights": True,
    "corruption": Masking(0.25),
    "early_stopping": False,
}
TUNING: dict[str, Any] = {
    "max_epochs": 40,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "cosine",
    "dropout": 0.4,
    "corruption": Masking(0.2),
}


def pretrained(digits: np.ndarray, epochs: int, seed: int) -> DenoisingAutoencoder:
    # One epoch of joint training of the deep autoencoder; fine-tuning with labels follows.
    return DenoisingAutoencoder(
        **LAYERS, pretrain=epochs or None, linear_path=False, max_epochs=1, random_state=seed
    ).fit(digits)


def error_of(model: AutoencoderClassifier, digits: np.ndarray, labels: np.ndarray) -> float:
    return 100 * float(np.mean(model.predict(digits) != labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--pretrain-epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    digits, labels = load_mnist(subset="train", return_X_y=True)
    train, evaluation = (digits[:50_000], labels[:50_000]), (digits[50_000:], labels[50_000:])
    name = "validation"
    if not given.validate:
        train, evaluation, name = (digits, labels), load_mnist(subset="test", return_X_y=True), "test"
    print(machine())
    for seed in given.seeds:
        start = time.perf_counter()
        model = pretrained(train[0], 0 if given.plain else given.pretrain_epochs, seed)
        print(f"  layers pretrained in {time.perf_counter() - start:.0f} s", flush=True)
        classifier = model.to_classifier(**TUNING | settings_of(given.set), random_state=seed).fit(*train)
        seconds, loss = np.median(classifier.history_["seconds"]), classifier.history_["loss"][-1]
        print(f"  {loss:.5f} loss, {seconds:.1f} s per epoch of fine-tuning")
        error = error_of(classifier, *evaluation)
        print(f"seed {seed}: {error:.2f} % of {name} digits, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
