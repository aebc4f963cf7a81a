"""Digits with missing pixels, filled by means, by the nearest digits, by a Gaussian and by autoencoders.

    python examples/missing_pixels.py

Two fifths of the pixels of scikit-learn's 8 x 8 digits are removed at random, in the training digits as well as in
those that are filled, so no method sees a complete digit. A Gaussian fitted to the remaining pixels restores strokes;
the networks that start from it restore digits.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

from isthmus import AutoencoderImputer, plots

MISSING = 0.4


def main(folder: str = "runs/missing_pixels", n_train: int = 1500, max_epochs: int = 40, n_shown: int = 10) -> None:
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    digits = load_digits().data
    removed = np.random.default_rng(0).random(digits.shape) < MISSING
    incomplete = np.where(removed, np.nan, digits)
    train, test = incomplete[:n_train], slice(len(digits) - 200, None)
    methods = {
        "means": SimpleImputer(keep_empty_features=True),
        "nearest digits": KNNImputer(keep_empty_features=True),
        "a Gaussian": AutoencoderImputer(max_epochs=0, keep_empty_features=True, random_state=0),
        "isthmus": AutoencoderImputer(max_epochs=max_epochs, n_networks=2, keep_empty_features=True, random_state=0),
    }
    rows = {"missing pixels": np.where(removed, 16.0, digits)[test]}
    for name, imputer in methods.items():
        rows[name] = imputer.fit(train).transform(incomplete[test])
        error = np.sqrt(np.mean((rows[name] - digits[test])[removed[test]] ** 2))
        print(f"{name}: {error / 16:.4f}")
    rows["the digits"] = digits[test]
    shown = {name: strip(np.clip(each[:n_shown] / 16, 0, 1)) for name, each in rows.items()}
    plots.save(plots.gallery(shown, columns=1), output / "digits.png", overwrite=True)


def strip(rows):
    """Return the digits in one row, dark on white, with a white margin."""
    framed = np.pad(1 - rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), constant_values=1.0)
    return np.concatenate(list(framed), axis=1)


if __name__ == "__main__":
    main()
