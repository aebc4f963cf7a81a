"""A photograph from tiles of other photographs, and from pieces of 8 x 8 pixels learned on other photographs.

    python examples/photo_pieces.py

First a landscape is cut into 8 by 8 tiles. A code learned on the other photographs knows the tiles again when they are
shuffled and grainy; and where the tiles are those of other photographs, each place takes the one whose code is nearest.

Then it is rebuilt, 8 x 8 pixels at a time, from a dictionary that has never seen it. One model is trained for each
number of pieces: a model for eight pieces is not at its best with two. Every method gets the same patches, the mean of
each taken off and given back for nothing, and as many pieces as the others.

What comes out: a top-k code, read off in one product, is well above as many leading components of PCA. Orthogonal
matching pursuit (OMP), which searches for each patch, makes far more of the same atoms, as of scikit-learn's; and from
four pieces on, so does PCA where every patch may choose among all 64 components.
"""

import warnings
from pathlib import Path

import numpy as np
from isthmus.datasets import load_photos
from isthmus.sources import PatchSource, from_patches, to_patches
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning, sparse_encode

from isthmus import SparseAutoencoder, plots

LANDSCAPE = "china"
GREY = ("camera", "coins")  # for tiles in colour
TILE = (52, 80)  # 8 by 8 of them fill 416 x 640 pixels
THUMBNAIL = (13, 20)  # what the code sees of a tile


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
    """Return, for each of the codes wanted, which of the codes is nearest."""
    squares = (codes**2).sum(axis=1) - 2 * wanted @ codes.T  # the wanted codes' own squares change no order
    return squares.argmin(axis=1)


def tiles_of_others(folder, n_tiles, max_epochs, stride, noise=0.1):
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
    grainy = np.clip(tiles[order] + 255 * noise * random.standard_normal(tiles.shape), 0, 255)
    codes = model.transform(thumbnails(tiles))
    for what, shuffled in (("shuffled", tiles[order].astype(float)), (f"and with grain of {noise:g}", grainy)):
        found = nearest(model.transform(thumbnails(shuffled)), codes)
        print(f"{what}: {int((order[found] == np.arange(64)).sum())} of 64 tiles are back in their places")
    pictures = {
        "a photograph": from_patches(tiles.astype(float), shape),
        "its tiles, shuffled, with grain": from_patches(grainy, shape),
        "each place takes the nearest code": from_patches(grainy[found], shape),
    }
    for side in (8, 16, 32):
        size = (8 * TILE[0] // side, 8 * TILE[1] // side)
        bank = cut(others, size, stride=2 * stride if side == 8 else stride)
        wanted = cut([files[LANDSCAPE]], size)[: side * side]
        taken = bank[nearest(model.transform(thumbnails(bank)), model.transform(thumbnails(wanted)))]
        pictures[f"tiles of other photographs, {side} by {side}"] = from_patches(taken.astype(float), shape)
    named = {name: picture.astype(np.uint8) for name, picture in pictures.items()}
    plots.save(plots.gallery(named, columns=3), folder / "tiles.png")


def psnr(picture, rebuilt):
    """Return the peak signal-to-noise ratio in dB of pictures in [0, 1]."""
    return float(-10 * np.log10(np.mean((np.clip(rebuilt, 0, 1) - picture) ** 2)))


def strongest(codes, k):
    return np.where(np.abs(codes) >= -np.sort(-np.abs(codes), axis=1)[:, [k - 1]], codes, 0)


def pursued(rows, atoms, k):
    """Return rows rebuilt from k of the atoms, chosen one after the other by orthogonal matching pursuit."""
    atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    with warnings.catch_warnings():
        # A flat patch needs fewer atoms than it may have, which scikit-learn warns of.
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


def rebuild(train, rows, n_atoms, max_epochs, counts):
    """Return the rows rebuilt from so many pieces, by method and number, and the models by number."""
    pca = PCA(64).fit(train)
    codes = pca.transform(rows)
    learned = MiniBatchDictionaryLearning(n_atoms, alpha=1, batch_size=256, max_iter=2, random_state=0)
    learned.fit(train / train.std())
    settings = {"scaling": "mean_norm", "learning_rate": 5e-3, "early_stopping": False, "random_state": 0}
    rebuilt, models = {}, {}
    for k in counts:
        models[k] = model = SparseAutoencoder(n_atoms, k=k, max_epochs=max_epochs, **settings).fit(train)
        each = {
            "isthmus, top-k": model.reconstruct(rows),
            "isthmus's atoms, by OMP": pursued(rows, model.components_, k),
            "scikit-learn's atoms, by OMP": pursued(rows, learned.components_, k),
            "PCA, the first": pca.inverse_transform(np.where(np.arange(64) < k, codes, 0)),
            "PCA, the strongest of 64": pca.inverse_transform(strongest(codes, k)),
        }
        for name, values in each.items():
            rebuilt.setdefault(name, {})[k] = values
    return rebuilt, models


def pieces_of_others(folder, n_patches, n_atoms, max_epochs, counts):
    picture, means, train, rows = patches_of_photos(n_patches)
    rebuilt, models = rebuild(train, rows, n_atoms, max_epochs, counts)
    whole = {
        name: {k: from_patches(values + means, picture.shape) for k, values in of.items()}
        for name, of in rebuilt.items()
    }
    flat = from_patches(np.repeat(means, 64, axis=1), picture.shape)
    print(f"PSNR in dB, without a piece {psnr(picture, flat):.1f}, with {', '.join(map(str, counts))} of {n_atoms}:")
    curves = {name: (counts, [psnr(picture, of[k]) for k in counts]) for name, of in whole.items()}
    for name, (_, heights) in curves.items():
        print(f"{name}: {' '.join(f'{height:.1f}' for height in heights)}")
    figure = plots.tradeoffs(
        curves,
        x_label="pieces in each 8 x 8 pixels, beside their mean",
        y_label="PSNR (dB)",
        title="A landscape from pieces of other photographs",
    )
    plots.save(figure, folder / "psnr.png")
    middle = counts[len(counts) // 2]
    frequency = models[middle].code_statistics(train).codes.frequency
    title = f"The 96 most used of {n_atoms} pieces, {middle} for each 8 x 8 pixels, learned on other photographs"
    atoms = models[middle].components_
    figure = plots.atoms(atoms, image_shape=(8, 8), n=96, sort="frequency", frequency=frequency, title=title)
    plots.save(figure, folder / "atoms.png")
    some = {k: whole["isthmus, top-k"][k] for k in (counts[0], middle, counts[-1])}
    shown = {f"{k} piece{'s' * (k > 1)}, {psnr(picture, each):.1f} dB": each for k, each in some.items()}
    plots.save(plots.gallery({"the photograph": picture, **shown}, columns=2), folder / "rebuilt.png")


def main(
    folder: str = "runs/photo_pieces",
    n_tiles: int = 8000,
    stride: int = 8,  # pixels from one tile of the other photographs to the next
    n_patches: int = 20_000,
    n_atoms: int = 256,
    max_epochs: int = 40,
    counts: tuple[int, ...] = (1, 2, 4, 8, 16),
) -> None:
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    tiles_of_others(home, n_tiles, max_epochs // 2, stride)
    pieces_of_others(home, n_patches, n_atoms, max_epochs, counts)


if __name__ == "__main__":
    main()
