"""Portraits from eight features each, and a picture of Chelsea the cat from four features per patch.

    python examples/faces.py

PCA uses the same eight components for every face. A sparse code has more units to choose from and uses as few in each
face, which gives a much lower error on the training faces. The error on unseen faces is printed as well; eighty
portraits and their mirror images are too few to generalise. The picture of Chelsea is reconstructed by a model of its
own patches.
"""

from pathlib import Path

import numpy as np
from isthmus.datasets import load_photos, load_portraits
from sklearn.decomposition import PCA

from isthmus import SparseAutoencoder, plots
from isthmus.data.sources import PatchSource, from_patches

FACE = (25, 25)
SETTINGS = {"learning_rate": 3e-3, "early_stopping": False, "random_state": 0}


def mean_square(rows, reconstruction):
    return float(np.mean((reconstruction - rows) ** 2))


def strongest(pca, rows, k):
    """Return PCA reconstructions from the k components with the largest absolute scores in each row."""
    codes = pca.transform(rows)
    threshold = -np.sort(-np.abs(codes), axis=1)[:, [k - 1]]
    return pca.inverse_transform(np.where(np.abs(codes) >= threshold, codes, 0))


def portraits(folder, n_units, k, max_epochs):
    faces = load_portraits().data
    order = np.random.default_rng(0).permutation(100)
    seen, unseen = faces[order[:80]], faces[order[80:]]
    mirrored = seen.reshape(-1, *FACE)[:, :, ::-1].reshape(80, -1)
    train = np.concatenate([seen, mirrored])

    model = SparseAutoencoder(n_units, k=k, scaling=None, max_epochs=max_epochs, **SETTINGS).fit(train)
    few, many = PCA(k).fit(train), PCA(min(n_units, 160)).fit(train)
    print(f"portraits, mean squared error with {k} features; training and unseen faces")
    methods = {
        f"sparse code, {k} of {n_units}": model.reconstruct,
        f"PCA, the first {k}": lambda rows: few.inverse_transform(few.transform(rows)),
        f"PCA, the strongest {k} of {n_units}": lambda rows: strongest(many, rows, k),
    }
    for name, method in methods.items():
        print(f"{name}: {mean_square(seen, method(seen)):.4f} {mean_square(unseen, method(unseen)):.4f}")

    shown = {name: np.clip(method(seen), 0, 1) for name, method in methods.items() if "strongest" not in name}
    title = f"Portraits, each from {k} features"
    plots.save(
        plots.reconstructions(seen, shown, image_shape=FACE, n=10, title=title),
        folder / "portraits.png",
        overwrite=True,
    )
    frequency = model.code_statistics(train).codes.frequency
    figure = plots.atoms(model.components_, image_shape=FACE, n=40, sort="frequency", frequency=frequency)
    plots.save(figure, folder / "portrait_atoms.png", overwrite=True)
    base = model.inverse_transform(np.zeros((1, n_units), np.float32))[0]
    figure = plots.parts(
        seen,
        model.transform(seen),
        model.components_,
        base=base,
        image_shape=FACE,
        n=4,
        title="Portraits as sums of atoms",
    )
    plots.save(figure, folder / "portrait_parts.png", overwrite=True)


def cat_picture(folder, n_units, k, max_epochs, stride, size=8):
    photos = load_photos()
    source = PatchSource([photos.filenames[photos.names.index("chelsea")]], size, stride=stride, grey=False)
    patches = np.empty((source.n_rows, source.schema.n_features), source.dtype)
    source.take(np.arange(source.n_rows), patches)
    patches = patches / np.float32(255)
    means = patches.mean(axis=1, keepdims=True)
    rows = patches - means

    model = SparseAutoencoder(n_units, k=k, scaling="mean_norm", max_epochs=max_epochs, **SETTINGS).fit(rows)
    few, many = PCA(k).fit(rows), PCA().fit(rows)
    height, width = ((edge - size) // stride * stride + size for edge in (300, 451))  # the area that patches cover
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
    print(f"Chelsea in patches of {size} x {size} pixels, PSNR in dB with {k} features and each patch's mean")
    titled = {"Chelsea": whole}
    for name, each in zip(list(pictures)[1:], others, strict=True):
        decibels = -10 * np.log10(mean_square(whole, np.clip(each, 0, 1)))
        print(f"{name}: {decibels:.1f}")
        titled[f"{name}: {decibels:.1f} dB"] = each
    plots.save(plots.gallery(titled, columns=2), folder / "chelsea.png", overwrite=True)
    frequency = model.code_statistics(rows).codes.frequency
    figure = plots.atoms(model.components_, image_shape=(size, size, 3), n=60, sort="frequency", frequency=frequency)
    plots.save(figure, folder / "chelsea_atoms.png", overwrite=True)


def main(
    folder: str = "runs/faces",
    n_units: int = 64,
    max_epochs: int = 200,
    stride: int = 4,
    k_face: int = 8,
    k_cat: int = 4,
) -> None:
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    portraits(output, n_units, k_face, max_epochs)
    cat_picture(output, 2 * n_units, k_cat, max(1, max_epochs // 2), stride)


if __name__ == "__main__":
    main()
