"""Digits with holes, filled: by means, by the nearest digits, by a Gaussian and by an autoencoder.

    python examples/fill_the_holes.py

Two fifths of the pixels of scikit-learn's 8 x 8 digits are taken away at random, from the digits that are learned from
as from those that are filled: nobody ever sees a whole one. A Gaussian, learned from what is left, already sees the
strokes; the networks that start from it see digits.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

from isthmus import AutoencoderImputer, plots

MISSING = 0.4


def main(folder: str = "runs/fill_the_holes", n_train: int = 1500, max_epochs: int = 40, n_shown: int = 10) -> None:
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    digits = load_digits().data
    gone = np.random.default_rng(0).random(digits.shape) < MISSING
    holed = np.where(gone, np.nan, digits)
    train, test = holed[:n_train], slice(len(digits) - 200, None)
    ways = {
        "means": SimpleImputer(keep_empty_features=True),
        "nearest digits": KNNImputer(keep_empty_features=True),
        "a Gaussian": AutoencoderImputer(max_epochs=0, keep_empty_features=True, random_state=0),
        "isthmus": AutoencoderImputer(max_epochs=max_epochs, n_networks=2, keep_empty_features=True, random_state=0),
    }
    rows = {"holes": np.where(gone, 16.0, digits)[test]}
    for way, imputer in ways.items():
        rows[way] = imputer.fit(train).transform(holed[test])
        error = np.sqrt(np.mean((rows[way] - digits[test])[gone[test]] ** 2))
        print(f"{way}: {error / 16:.4f}")
    rows["the digits"] = digits[test]
    shown = {name: strip(np.clip(each[:n_shown] / 16, 0, 1)) for name, each in rows.items()}
    plots.save(plots.gallery(shown, columns=1), home / "digits.png")


def strip(rows):
    """Digits side by side, dark on white, a white column between."""
    framed = np.pad(1 - rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), constant_values=1.0)
    return np.concatenate(list(framed), axis=1)


if __name__ == "__main__":
    main()
