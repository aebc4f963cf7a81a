"""A photograph composed of tiles of other photographs, and reconstructed from atoms learned on other photographs.

    python examples/photo_pieces.py

First a landscape is cut into 8 by 8 tiles. The tiles are shuffled and noise is added; the nearest code, of a model
trained on the other photographs, finds the place of each. Then each tile is replaced by the tile of another photograph
with the nearest code.

Second, the landscape is reconstructed in patches of 8 x 8 pixels from a dictionary learned on the other photographs.
One model is trained for each number of active atoms, because a model for eight atoms is not the best one for two. Every
method gets the same patches, each without its mean, which is added back, and the same number of atoms.

The result: a top-k code, computed by one matrix product, has a much higher PSNR than as many leading components of PCA.
Orthogonal matching pursuit (OMP), which searches for each patch, has a far higher one with the same atoms, and with
scikit-learn's; and from four atoms on, so has PCA if every patch may choose among all 64 components.
"""

import warnings
from pathlib import Path

import numpy as np
from isthmus.datasets import load_photos
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning, sparse_encode

from isthmus import SparseAutoencoder, plots
from isthmus.data.sources import PatchSource, from_patches, to_patches

LANDSCAPE = "china"
GREY = ("camera", "coins")  # not used for tiles in colour
TILE = (52, 80)  # 8 by 8 of them fill 416 x 640 pixels
THUMBNAIL = (13, 20)  # the size that tiles are averaged down to before they are encoded


def rows_of(source):
    rows = np.empty((source.n_rows, source.schema.n_features), source.dtype)
    source.take(np.arange(source.n_rows), rows)
    return rows


def thumbnails(tiles):
    """Return tiles (n, height, width, 3) of bytes, averaged down to THUMBNAIL, as rows in [0, 1]."""
    n, height, width, _ = tiles.shape
    down, across = height // THUMBNAIL[0], width // THUMBNAIL[1]
    small = tiles.reshape(n, THUMBNAIL[0], down, THUMBNAIL[1], across, 3).mean(axis=(2, 4))
    return (small / 255).reshape(n, -1).astype(np.float32)


def nearest(codes, wanted):
    """Return, for each of the wanted codes, the index of the nearest of the codes."""
    squares = (codes**2).sum(axis=1) - 2 * wanted @ codes.T  # without the squares of `wanted`, which change no order
    return squares.argmin(axis=1)


def compose_from_tiles(folder, n_tiles, max_epochs, stride, noise=0.1):
    photos = load_photos()
    files = dict(zip(photos.names, photos.filenames, strict=True))
    others = [file for name, file in files.items() if name not in (LANDSCAPE, *GREY)]

    def cut(pictures, size, **where):
        return rows_of(PatchSource(pictures, size, grey=False, **where)).reshape(-1, *size, 3)

    model = SparseAutoencoder(128, k=16, max_epochs=max_epochs, random_state=0)
    samples = [cut(others, size, n_patches=n_tiles // 2) for size in (TILE, THUMBNAIL)]
    model.fit(np.concatenate([thumbnails(tiles) for tiles in samples]))

    tiles = cut([files[LANDSCAPE]], TILE)
    shape = (8 * TILE[0], 8 * TILE[1], 3)
    random = np.random.default_rng(0)
    order = random.permutation(64)
    noisy = np.clip(tiles[order] + 255 * noise * random.standard_normal(tiles.shape), 0, 255)
    codes = model.transform(thumbnails(tiles))
    for description, shuffled in (("shuffled", tiles[order].astype(float)), (f"and with noise of {noise:g}", noisy)):
        found = nearest(model.transform(thumbnails(shuffled)), codes)
        print(f"{description}: {int((order[found] == np.arange(64)).sum())} of 64 tiles are in their original places")
    pictures = {
        "a photograph": from_patches(tiles.astype(float), shape),
        "its tiles, shuffled, with noise": from_patches(noisy, shape),
        "each tile placed by the nearest code": from_patches(noisy[found], shape),
    }
    for side in (8, 16, 32):
        size = (8 * TILE[0] // side, 8 * TILE[1] // side)
        bank = cut(others, size, stride=2 * stride if side == 8 else stride)
        wanted = cut([files[LANDSCAPE]], size)[: side * side]
        taken = bank[nearest(model.transform(thumbnails(bank)), model.transform(thumbnails(wanted)))]
        pictures[f"tiles of other photographs, {side} by {side}"] = from_patches(taken.astype(float), shape)
    shown = {name: picture.astype(np.uint8) for name, picture in pictures.items()}
    plots.save(plots.gallery(shown, columns=3), folder / "tiles.png", overwrite=True)


def psnr(picture, reconstruction):
    """Return the peak signal-to-noise ratio in dB of pictures in [0, 1]."""
    return float(-10 * np.log10(np.mean((np.clip(reconstruction, 0, 1) - picture) ** 2)))


def strongest(codes, k):
    return np.where(np.abs(codes) >= -np.sort(-np.abs(codes), axis=1)[:, [k - 1]], codes, 0)


def by_omp(rows, atoms, k):
    """Return rows reconstructed from k of the atoms, chosen by orthogonal matching pursuit."""
    atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    with warnings.catch_warnings():
        # scikit-learn warns of flat patches, which need fewer than k atoms.
        warnings.simplefilter("ignore", RuntimeWarning)
        return sparse_encode(rows, atoms, algorithm="omp", n_nonzero_coefs=k) @ atoms


def patches_of_photos(n_patches):
    """Return the landscape in [0, 1], its patches' means, and patches less their means: the others' and its own."""
    photos = load_photos()
    chosen = photos.names.index(LANDSCAPE)
    others = [image for i, image in enumerate(photos.images) if i != chosen]
    train = rows_of(PatchSource(others, 8, n_patches=n_patches)) / np.float32(255)
    picture = photos.images[chosen][:424] / np.float32(255)
    rows = to_patches(picture, 8).reshape(-1, 64)
    means = rows.mean(axis=1, keepdims=True)
    return picture, means, train - train.mean(axis=1, keepdims=True), rows - means


def reconstruct(train, rows, n_atoms, max_epochs, counts):
    """Return the rows reconstructed by each method from each number of atoms, and the models by number."""
    pca = PCA(64).fit(train)
    codes = pca.transform(rows)
    learned = MiniBatchDictionaryLearning(n_atoms, alpha=1, batch_size=256, max_iter=2, random_state=0)
    learned.fit(train / train.std())
    settings = {"scaling": "mean_norm", "learning_rate": 5e-3, "early_stopping": False, "random_state": 0}
    reconstructions, models = {}, {}
    for k in counts:
        models[k] = model = SparseAutoencoder(n_atoms, k=k, max_epochs=max_epochs, **settings).fit(train)
        each = {
            "isthmus, top-k": model.reconstruct(rows),
            "isthmus's atoms, by OMP": by_omp(rows, model.components_, k),
            "scikit-learn's atoms, by OMP": by_omp(rows, learned.components_, k),
            "PCA, the first": pca.inverse_transform(np.where(np.arange(64) < k, codes, 0)),
            "PCA, the strongest of 64": pca.inverse_transform(strongest(codes, k)),
        }
        for name, values in each.items():
            reconstructions.setdefault(name, {})[k] = values
    return reconstructions, models


def reconstruct_from_atoms(folder, n_patches, n_atoms, max_epochs, counts):
    picture, means, train, rows = patches_of_photos(n_patches)
    reconstructions, models = reconstruct(train, rows, n_atoms, max_epochs, counts)
    whole = {
        name: {k: from_patches(values + means, picture.shape) for k, values in of.items()}
        for name, of in reconstructions.items()
    }
    flat = from_patches(np.repeat(means, 64, axis=1), picture.shape)
    print(f"PSNR in dB, without atoms {psnr(picture, flat):.1f}, with {', '.join(map(str, counts))} of {n_atoms}:")
    curves = {name: (counts, [psnr(picture, of[k]) for k in counts]) for name, of in whole.items()}
    for name, (_, heights) in curves.items():
        print(f"{name}: {' '.join(f'{height:.1f}' for height in heights)}")
    figure = plots.tradeoffs(
        curves,
        x_label="atoms in each 8 x 8 patch, without its mean",
        y_label="PSNR (dB)",
        title="A landscape from atoms learned on other photographs",
    )
    plots.save(figure, folder / "psnr.png", overwrite=True)
    middle = counts[len(counts) // 2]
    frequency = models[middle].code_statistics(train).codes.frequency
    title = f"The 96 most frequent of {n_atoms} atoms, {middle} in each 8 x 8 patch, learned on other photographs"
    atoms = models[middle].components_
    figure = plots.atoms(atoms, image_shape=(8, 8), n=96, sort="frequency", frequency=frequency, title=title)
    plots.save(figure, folder / "atoms.png", overwrite=True)
    some = {k: whole["isthmus, top-k"][k] for k in (counts[0], middle, counts[-1])}
    shown = {f"{k} atom{'s' * (k > 1)}, {psnr(picture, each):.1f} dB": each for k, each in some.items()}
    plots.save(
        plots.gallery({"the photograph": picture, **shown}, columns=2), folder / "reconstructions.png", overwrite=True
    )


def main(
    folder: str = "runs/photo_pieces",
    n_tiles: int = 8000,
    stride: int = 8,  # pixels from one tile of the other photographs to the next
    n_patches: int = 20_000,
    n_atoms: int = 256,
    max_epochs: int = 40,
    counts: tuple[int, ...] = (1, 2, 4, 8, 16),
) -> None:
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    compose_from_tiles(output, n_tiles, max_epochs // 2, stride)
    reconstruct_from_atoms(output, n_patches, n_atoms, max_epochs, counts)


if __name__ == "__main__":
    main()
