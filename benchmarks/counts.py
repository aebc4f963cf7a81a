"""Counts of gene expression: a negative binomial likelihood next to squared errors and PCA, and batches as conditions.

    python benchmarks/counts.py [--data pbmc pbmc68k] [--seeds 0 1 2] [--units 10] [--part prediction batches]
    ... --set NAME=VALUE ...       other parameters of the variational networks
    ... --environments FOLDER      where the environment with the data is made, and found by the next run

The data are read from packages in an environment of their own:

* ``pbmc``: blood cells of two experiments of 10x Genomics, PBMC 10k and 5k of version 3, which are two batches. Test
  data in the source distribution of scvi-tools, 200 cells of each. Of their genes the 1,000 whose counts vary most
  beyond Poisson's distribution. Types are read from surface proteins, which were counted apart from the genes.
* ``pbmc68k``: 700 blood cells of 10x Genomics with 765 genes, in scanpy. Its file has logarithms of counts per 10,000,
  rounded to three decimals, and each cell's number of molecules, and so the counts. It has no batches that matter. One
  is simulated: of half of the cells each molecule is kept with a probability of its gene, between 0.2 and 1. Types
  are those of the file.

Prediction. The molecules of each cell are divided at random into two halves, and models are fitted on the first halves
of seven cells in ten. From a cell's first half a model says what share of the cell's molecules each gene has. These
shares are judged by the second half: by the log probability of its counts under negative binomial distributions of
these means, in nats for each cell. What makes distributions of shares is of the same kind for all models, and is fitted
on the second halves of the training cells, which no model saw: a factor for each gene that makes its total right, a
dispersion of maximum likelihood for each gene, and one share in which the mean profile is mixed in. Squared errors and
PCA are of logarithms of counts per 10,000, each gene divided by its standard deviation, and taken back by expm1.

Batches. Models are fitted on all cells, with the batch as a condition or without. `mixing` is the mean entropy of
batches among the 30 nearest neighbours of a cell's code, divided by that among all cells of its type: 1 where batches
do not matter. `gap` is the silhouette of batches within types: 0 where they do not matter, 1 where they are apart.
`types` is the accuracy of types by the 15 nearest neighbours of each cell.

The parameters of the variational networks were chosen with seed 100, another division of the same cells.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import machine, settings_of
from numpy.typing import NDArray
from scipy.special import gammaln
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_samples
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from isthmus import Autoencoder, VariationalAutoencoder
from isthmus.corruption import Masking

Array = NDArray[Any]
_DEPTH = 1e4  # molecules to which logarithms are normalised
_GENES = 1000
# Of the variational networks; the other one has its defaults, which end at PCA where training improves nothing.
VARIATIONAL: dict[str, Any] = {
    "batch_size": 32,
    "learning_rate": 3e-3,
    "max_epochs": 100,
    "early_stopping": False,
    "dropout": 0.3,
    "corruption": Masking(0.5),
}
# Each model, and whether batches are conditions.
KINDS = (
    ("PCA", False),
    ("squared error", False),
    ("negative binomial", False),
    ("negative binomial", True),
)

# Data --------------------------------------------------------------------------------------------------------------


class Cells(NamedTuple):
    """Counts (n, G), and the batch and the type of each cell, as numbers (n,)."""

    counts: Array
    batch: Array
    types: Array


_PBMC = """
import glob, subprocess, sys, tarfile, tempfile
import h5py
import numpy as np
with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "scvi-tools", "-d", folder]
    subprocess.run([*command, "scvi-tools==1.4.2"], check=True)
    archive = tarfile.open(glob.glob(folder + "/*.tar.gz")[0])
    out = {}
    for name in ("10k", "5k"):
        path = f"scvi_tools-1.4.2/tests/test_data/pbmc_{name}_protein_v3.h5ad"
        with h5py.File(archive.extractfile(path)) as file:
            out[f"counts_{name}"] = file["X"][:]
            out[f"genes_{name}"] = file["var/index"][:].astype(str)
            out[f"proteins_{name}"] = file["obsm/protein_expression"][:]
            out[f"markers_{name}"] = file["uns/protein_names"][:].astype(str)
np.savez_compressed(sys.argv[1], **out)
"""
_PBMC68K = """
import importlib.util, os, sys
import h5py
import numpy as np
folder = importlib.util.find_spec("scanpy").submodule_search_locations[0]
with h5py.File(os.path.join(folder, "datasets", "10x_pbmc68k_reduced.h5ad")) as file:
    rows, obs = file["raw.X"], file["obs"][:]
    ends, places = rows["indptr"][:], rows["indices"][:]
    counts = np.zeros((len(obs), len(file["raw.var"])))
    counts[np.repeat(np.arange(len(obs)), np.diff(ends)), places] = rows["data"][:]
np.savez_compressed(sys.argv[1], counts=np.expm1(counts) * obs["n_counts"][:, None] / 1e4, types=obs["bulk_labels"])
"""


def read(name: str, code: str, folder: Path) -> dict[str, Array]:
    """Return what a script makes of a package's files, in an environment of its own; it is kept for the next run."""
    home, path = folder / "gene-expression", folder / "gene-expression" / f"{name}.npz"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        python = str(home / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "h5py"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "scanpy"], check=True)
        (home / "ready").touch()
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=home) as place:
            made = Path(place) / "made.npz"
            subprocess.run([str(home / "bin" / "python"), "-c", code, str(made)], check=True)
            made.rename(path)
    return dict(np.load(path))


def pbmc(folder: Path) -> Cells:
    """Return the cells of two experiments."""
    found = read("pbmc", _PBMC, folder)
    shared = [np.intersect1d(found[f"{what}_10k"], found[f"{what}_5k"]) for what in ("genes", "markers")]
    counts, types = [], []
    for name in ("10k", "5k"):
        genes, markers = found[f"genes_{name}"], found[f"markers_{name}"]
        order = {gene: place for place, gene in reversed(list(enumerate(genes)))}
        counts.append(found[f"counts_{name}"][:, [order[gene] for gene in shared[0]]].astype(np.float64))
        proteins = found[f"proteins_{name}"][:, [list(markers).index(marker) for marker in shared[1]]]
        types.append(gated(proteins, [marker.split("_")[0] for marker in shared[1]]))
    both = np.concatenate(counts)
    expected = both.sum(axis=1, keepdims=True) * (both.sum(axis=0) / both.sum())
    with np.errstate(invalid="ignore"):
        excess = np.nan_to_num(((both - expected) ** 2).mean(axis=0) / expected.mean(axis=0))
    chosen = np.sort(np.argsort(-excess)[:_GENES])
    return Cells(both[:, chosen], np.repeat([0, 1], [len(own) for own in counts]), np.concatenate(types))


def gated(proteins: Array, markers: list[str]) -> Array:
    """Return the type of each cell by its surface proteins: B, CD8 T, CD4 T, monocyte, or NK and others."""
    level = {marker: np.log1p(proteins[:, place]) for place, marker in enumerate(markers)}

    def high(marker: str) -> Array:
        rows = level[marker][:, None]
        mixture = GaussianMixture(2, n_init=5, random_state=0).fit(rows)
        return np.asarray(mixture.predict(rows) == mixture.means_[:, 0].argmax())

    is_killer = high("CD8a") & (level["CD8a"] > level["CD4"])
    return np.select([high("CD19"), high("CD3") & is_killer, high("CD3"), high("CD14")], [0, 1, 2, 3], default=4)


def pbmc68k(folder: Path) -> Cells:
    """Return 700 cells, of half of which molecules are lost gene by gene."""
    found = read("pbmc68k", _PBMC68K, folder)
    counts = np.round(found["counts"])
    assert np.abs(counts - found["counts"]).max() < 0.2, "logarithms of counts per 10,000"
    rng = np.random.default_rng(0)
    batch = rng.permutation(np.arange(len(counts)) % 2)
    kept = np.where(batch[:, None] == 1, rng.uniform(0.2, 1, counts.shape[1]), 1.0)
    return Cells(rng.binomial(counts.astype(np.int64), kept).astype(np.float64), batch, found["types"].astype(np.int64))


DATA = {"pbmc": pbmc, "pbmc68k": pbmc68k}


# Models ------------------------------------------------------------------------------------------------------------


def logarithms(counts: Array) -> Array:
    """Return logarithms of counts per 10,000."""
    return np.log1p(counts * (_DEPTH / np.maximum(counts.sum(axis=1, keepdims=True), 1)))


class Logarithms:
    """Logarithms of counts, each gene in standard deviations of the training cells."""

    def __init__(self, counts: Array) -> None:
        rows = logarithms(counts)
        self.mean, self.scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)

    def __call__(self, counts: Array) -> Array:
        """Return rows of counts."""
        return (logarithms(counts) - self.mean) / self.scale

    def shares(self, rows: Array) -> Array:
        """Return the shares of molecules that rows stand for."""
        numbers = np.expm1(np.clip(rows * self.scale + self.mean, 0, np.log1p(_DEPTH)))
        return numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1e-12)


class Model:
    """A model of counts (n, G), with one-hot batches (n, B) as conditions or without."""

    def __init__(self, kind: str, units: int, seed: int, settings: dict[str, Any]) -> None:
        self.kind, self.units, self.seed, self.settings = kind, units, seed, settings

    def fit(self, counts: Array, batches: Array | None = None) -> Model:
        """Fit the model, and return it."""
        width = counts.shape[1]
        self.rows_of = (lambda given: given) if self.kind == "negative binomial" else Logarithms(counts)
        common: dict[str, Any] = {"hidden_layer_sizes": (128,), "random_state": self.seed}
        options = common | VARIATIONAL | self.settings
        if batches is not None:
            options["conditions"] = list(range(width, width + batches.shape[1]))
        makers: dict[str, Callable[[], Any]] = {
            "PCA": lambda: PCA(self.units, random_state=self.seed),
            "squared error": lambda: Autoencoder(self.units, **common),
            "negative binomial": lambda: VariationalAutoencoder(self.units, likelihood="negative_binomial", **options),
        }
        self.model = makers[self.kind]().fit(self._given(counts, batches))
        return self

    def _given(self, counts: Array, batches: Array | None) -> Array:
        rows = self.rows_of(counts)
        return (rows if batches is None else np.hstack([rows, batches])).astype(np.float32)

    def codes(self, counts: Array, batches: Array | None = None) -> Array:
        """Return codes (n, K)."""
        return np.asarray(self.model.transform(self._given(counts, batches)), np.float64)

    def shares(self, counts: Array, batches: Array | None = None) -> Array:
        """Return the shares of a cell's molecules that the genes have, (n, G)."""
        given = self._given(counts, batches)
        if self.kind == "PCA":
            rows = self.model.inverse_transform(self.model.transform(given))
        else:
            rows = self.model.reconstruct(given)
        rows = np.asarray(rows, np.float64)[:, : counts.shape[1]]
        if isinstance(self.rows_of, Logarithms):
            return self.rows_of.shares(rows)
        return rows / rows.sum(axis=1, keepdims=True)


# Prediction --------------------------------------------------------------------------------------------------------


def log_probability(counts: Array, mean: Array, theta: Array) -> Array:
    """Return the log probabilities (n, G) of counts of variance ``mean + mean**2 / theta``."""
    chosen = gammaln(counts + theta) - gammaln(theta) - gammaln(counts + 1)
    return chosen + theta * np.log(theta / (theta + mean)) + counts * np.log(mean / (theta + mean))


class Judge:
    """What turns shares into distributions: the same for all models, and fitted on molecules that no model saw."""

    def __init__(self, shares: Array, counts: Array) -> None:
        totals = counts.sum(axis=1, keepdims=True)
        self.profile = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * counts.shape[1])
        self.factor = (counts.sum(axis=0) + 0.5) / ((totals * shares).sum(axis=0) + 0.5)
        found = []
        for self.mixed in (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0):
            mean = totals * self.completed(shares)
            theta = dispersions(counts, mean)
            found.append((float(log_probability(counts, mean, theta).sum()), self.mixed, theta))
        _, self.mixed, self.theta = max(found, key=lambda one: one[0])

    def completed(self, shares: Array) -> Array:
        """Return shares with the right totals, and with the mean profile mixed in."""
        right = shares * self.factor
        right = right / np.maximum(right.sum(axis=1, keepdims=True), 1e-12)
        return (1 - self.mixed) * right + self.mixed * self.profile

    def __call__(self, shares: Array, counts: Array) -> Array:
        """Return the log probability of each cell's counts, (n,)."""
        mean = counts.sum(axis=1, keepdims=True) * self.completed(shares)
        return log_probability(counts, mean, self.theta).sum(axis=1)


def dispersions(counts: Array, mean: Array) -> Array:
    """Return the thetas (G,) of maximum likelihood, by golden sections of their logarithms."""
    ratio = (np.sqrt(5) - 1) / 2
    low, high = np.full(counts.shape[1], -4.0), np.full(counts.shape[1], 8.0)

    def value(logarithm: Array) -> Array:
        return log_probability(counts, mean, np.exp(logarithm)).sum(axis=0)

    for _ in range(18):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        better = value(left) > value(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    return np.exp((low + high) / 2)


def prediction(counts: Array, batches: Array, seed: int, units: int, settings: dict[str, Any]) -> dict[str, float]:
    """Return each model's mean log probability of the second halves of the cells that no model saw, in nats."""
    rng = np.random.default_rng(seed)
    given = rng.binomial(counts.astype(np.int64), 0.5).astype(np.float64)
    other = counts - given
    order = rng.permutation(len(counts))
    train, test = order[: len(order) * 7 // 10], order[len(order) * 7 // 10 :]
    flat = np.broadcast_to(given[train].sum(axis=0) / given[train].sum(), counts.shape)
    found = {"mean profile": float(Judge(flat[train], other[train])(flat[test], other[test]).mean())}
    for kind, conditioned in KINDS:
        own = batches if conditioned else None
        model = Model(kind, units, seed, settings)
        model.fit(given[train], None if own is None else own[train])
        shares = model.shares(given, own)
        judge = Judge(shares[train], other[train])
        found[label(kind, conditioned)] = float(judge(shares[test], other[test]).mean())
    return found


# Batches -----------------------------------------------------------------------------------------------------------


def entropies(labels: Array, neighbors: Array) -> Array:
    """Return the entropy (n,) of the labels among each cell's neighbours (n, k)."""
    shares = np.stack([(labels[neighbors] == one).mean(axis=1) for one in np.unique(labels)], axis=1)
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1)


def mixing(codes: Array, batch: Array, types: Array) -> dict[str, float]:
    """Return how far batches are mixed in codes, and how far types are apart."""
    neighbors = NearestNeighbors(n_neighbors=31).fit(codes).kneighbors(codes, return_distance=False)[:, 1:]
    most, gaps = np.zeros(len(codes)), []
    for one in np.unique(types):
        members = np.flatnonzero(types == one)
        most[members] = entropies(batch[members], np.broadcast_to(np.arange(len(members)), (1, len(members))))[0]
        if len(np.unique(batch[members])) > 1 and np.bincount(batch[members]).max() < len(members) - 1:
            gaps.append(silhouette_samples(codes[members], batch[members]))
    mixed = most > 0
    votes = np.stack([(types[neighbors[:, :15]] == one).sum(axis=1) for one in np.unique(types)], axis=1)
    right = np.unique(types)[votes.argmax(axis=1)] == types
    share = np.minimum(entropies(batch, neighbors)[mixed] / most[mixed], 1)
    return {"mixing": float(share.mean()), "gap": float(np.concatenate(gaps).mean()), "types": float(right.mean())}


def batches(cells: Cells, seed: int, units: int, settings: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return for each model how far its codes mix batches and tell types apart."""
    given = np.eye(cells.batch.max() + 1)[cells.batch]
    found = {}
    for kind, conditioned in KINDS:
        own = given if conditioned else None
        codes = Model(kind, units, seed, settings).fit(cells.counts, own).codes(cells.counts, own)
        found[label(kind, conditioned)] = mixing(codes, cells.batch, cells.types)
    return found


def label(kind: str, conditioned: bool) -> str:
    """Return the name of a model in tables."""
    return f"{kind}, conditions" if conditioned else kind


def show(name: str, results: list[dict[str, float]]) -> None:
    """Print a figure of each model: its mean over seeds, and the standard deviation."""
    print(name)
    for model in results[0]:
        values = np.array([result[model] for result in results])
        print(f"    {model:32}{values.mean():>12.3f} ± {values.std():.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=[*DATA], choices=DATA)
    parser.add_argument("--part", nargs="+", default=["prediction", "batches"], choices=("prediction", "batches"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--units", type=int, default=10)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "isthmus-benchmarks"
    parser.add_argument("--environments", type=Path, default=default)
    options = parser.parse_args()
    settings = settings_of(options.set)
    print(machine())
    for name in options.data:
        cells = DATA[name](options.environments)
        sizes = "/".join(map(str, np.bincount(cells.batch)))
        molecules = np.median(cells.counts.sum(axis=1))
        print(f"{name}: {cells.counts.shape}, batches of {sizes}, {molecules:.0f} molecules in the median cell")
        given = np.eye(cells.batch.max() + 1)[cells.batch]
        if "prediction" in options.part:
            found = [prediction(cells.counts, given, seed, options.units, settings) for seed in options.seeds]
            show("log probability of the other half of a new cell's molecules, nats", found)
            show("... more than the mean profile's", [gains(result) for result in found])
        if "batches" in options.part:
            found = [batches(cells, seed, options.units, settings) for seed in options.seeds]
            for what in ("mixing", "gap", "types"):
                show(what, [{model: values[what] for model, values in result.items()} for result in found])


def gains(result: dict[str, float]) -> dict[str, float]:
    """Return what each model's log probability is above the mean profile's."""
    return {model: value - result["mean profile"] for model, value in result.items() if model != "mean profile"}


if __name__ == "__main__":
    main()
