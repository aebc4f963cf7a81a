"""Portraits from eight features each, and Chelsea the cat from four for every patch of her.

    python examples/faces.py

PCA has eight features for all faces. A sparse code has more to choose from, and uses as few in each face: for faces it
has learned, that is worth a lot. How it does on faces it has never seen is printed beside it; from eighty portraits and
their mirror images nobody learns what all faces have in common. Chelsea is learned from her own patches.
"""

from pathlib import Path

import numpy as np
from isthmus.datasets import load_photos, load_portraits
from isthmus.sources import PatchSource, from_patches
from sklearn.decomposition import PCA

from isthmus import SparseAutoencoder, plots

FACE = (25, 25)
SETTINGS = {"learning_rate": 3e-3, "early_stopping": False, "random_state": 0}


def mean_square(rows, rebuilt):
    return float(np.mean((rebuilt - rows) ** 2))


def strongest(pca, rows, k):
    """Return rows rebuilt from the k components, of all that PCA has, that are strongest in each of them."""
    codes = pca.transform(rows)
    least = -np.sort(-np.abs(codes), axis=1)[:, [k - 1]]
    return pca.inverse_transform(np.where(np.abs(codes) >= least, codes, 0))


def portraits(folder, n_units, k, max_epochs):
    faces = load_portraits().data
    order = np.random.default_rng(0).permutation(100)
    known, unseen = faces[order[:80]], faces[order[80:]]
    mirrored = known.reshape(-1, *FACE)[:, :, ::-1].reshape(80, -1)
    train = np.concatenate([known, mirrored])

    model = SparseAutoencoder(n_units, k=k, scaling=None, max_epochs=max_epochs, **SETTINGS).fit(train)
    few, many = PCA(k).fit(train), PCA(min(n_units, 160)).fit(train)
    print(f"portraits, mean squared error with {k} features; known and unseen")
    ways = {
        f"sparse code, {k} of {n_units}": model.reconstruct,
        f"PCA, the first {k}": lambda rows: few.inverse_transform(few.transform(rows)),
        f"PCA, the strongest {k} of {n_units}": lambda rows: strongest(many, rows, k),
    }
    for name, way in ways.items():
        print(f"{name}: {mean_square(known, way(known)):.4f} {mean_square(unseen, way(unseen)):.4f}")

    rebuilt = {name: np.clip(way(known), 0, 1) for name, way in ways.items() if "strongest" not in name}
    title = f"Portraits, each from {k} features"
    plots.save(plots.reconstructions(known, rebuilt, image_shape=FACE, n=10, title=title), folder / "portraits.png")
    frequency = model.code_statistics(train).codes.frequency
    figure = plots.atoms(model.components_, image_shape=FACE, n=40, sort="frequency", frequency=frequency)
    plots.save(figure, folder / "portrait_atoms.png")
    base = model.inverse_transform(np.zeros((1, n_units), np.float32))[0]
    figure = plots.parts(
        known, model.transform(known), model.components_, base=base, image_shape=FACE, n=4, title="Portraits, added up"
    )
    plots.save(figure, folder / "portrait_parts.png")


def cat(folder, n_units, k, max_epochs, stride, size=8):
    photos = load_photos()
    source = PatchSource([photos.filenames[photos.names.index("chelsea")]], size, stride=stride, grey=False)
    patches = np.empty((source.n_rows, source.schema.n_features), source.dtype)
    source.take(np.arange(source.n_rows), patches)
    patches = patches / np.float32(255)
    means = patches.mean(axis=1, keepdims=True)
    rows = patches - means

    model = SparseAutoencoder(n_units, k=k, scaling="mean_norm", max_epochs=max_epochs, **SETTINGS).fit(rows)
    few, many = PCA(k).fit(rows), PCA().fit(rows)
    height, width = ((edge - size) // stride * stride + size for edge in (300, 451))  # as far as patches reach
    pictures = {
        "Chelsea": patches,
        f"a sparse code, {k} of {n_units}": model.reconstruct(rows) + means,
        f"PCA, the first {k}": few.inverse_transform(few.transform(rows)) + means,
        f"PCA, the strongest {k} of {rows.shape[1]}": strongest(many, rows, k) + means,
    }
    pictures = {
        name: from_patches(each.reshape(-1, size, size, 3), (height, width, 3), stride=stride)
        for name, each in pictures.items()
    }
    whole, *others = pictures.values()
    print(f"Chelsea in patches of {size} x {size} pixels, PSNR in dB with {k} features beside each patch's mean")
    named = {"Chelsea": whole}
    for name, each in zip(list(pictures)[1:], others, strict=True):
        decibels = -10 * np.log10(mean_square(whole, np.clip(each, 0, 1)))
        print(f"{name}: {decibels:.1f}")
        named[f"{name}: {decibels:.1f} dB"] = each
    plots.save(plots.gallery(named, columns=2), folder / "chelsea.png")
    frequency = model.code_statistics(rows).codes.frequency
    figure = plots.atoms(model.components_, image_shape=(size, size, 3), n=60, sort="frequency", frequency=frequency)
    plots.save(figure, folder / "chelsea_atoms.png")


def main(
    folder: str = "runs/faces",
    n_units: int = 64,
    max_epochs: int = 200,
    stride: int = 4,
    k_face: int = 8,
    k_cat: int = 4,
) -> None:
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    portraits(home, n_units, k_face, max_epochs)
    cat(home, 2 * n_units, k_cat, max(1, max_epochs // 2), stride)


if __name__ == "__main__":
    main()
