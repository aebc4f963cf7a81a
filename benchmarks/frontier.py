"""Unexplained variance (FVU) against active units (L0) on 8x8 patches of photographs: all methods, and other libraries.

    ISTHMUS_SAE_PYTHON=venv/bin/python python benchmarks/frontier.py [PHOTOS] [--dead] [--picture FILE]

PHOTOS is a folder of photographs; the default is those included in scikit-learn and scikit-image. Rows are patches
minus their mean, divided by one number; a tenth is used for testing only. All methods have 256 units and the same
number of epochs. --dead instead counts the dead units of 16 units per input, k 32, after a million patches.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optax
from common import machine, sae_lens_python
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning

from isthmus import SparseAutoencoder, plots
from isthmus.data.datasets import load_photos
from isthmus.data.sources import PatchSource
from isthmus.evaluation.metrics import CodeStatistics, Fidelity
from isthmus.sparsity import L1, BatchTopK, Gated, JumpReLU, Matryoshka, TopK

UNITS, PATCHES, EPOCHS, BATCH = 256, 100_000, 10, 512
ACTIVE = (2, 4, 8, 16)
# The best of 0.003, 0.01 and 0.02 for top-k, both for isthmus and for SAELens. isthmus uses 0.02 with the one-cycle
# schedule if many units are active.
RATE = 1e-2
FAST: dict[str, Any] = {"learning_rate": 2e-2, "learning_rate_schedule": "one_cycle"}
METHODS: dict[str, list[Any]] = {
    "topk": [TopK(k) for k in ACTIVE],
    "batch_topk": [BatchTopK(k) for k in ACTIVE],
    "matryoshka": [Matryoshka(k) for k in ACTIVE],
    "l1": [L1(weight) for weight in (4.0, 2.0, 1.0, 0.5)],
    "jumprelu": [JumpReLU(weight, bandwidth=0.5) for weight in (2.0, 0.8, 0.3, 0.1)],
    "gated": [Gated(weight) for weight in (4.0, 2.0, 1.0, 0.5)],
}


def patches(photos: Path | None, n_patches: int) -> np.ndarray:
    """Return patches minus their mean, scaled to a mean norm of the square root of their size."""
    source = PatchSource(photos or load_photos().images, size=8, n_patches=n_patches, random_state=0)
    rows = np.concatenate([block.values for block in source.blocks()]).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows * np.float32(np.sqrt(rows.shape[1]) / np.linalg.norm(rows, axis=1).mean())


def settings_for(method: Any, n_rows: int) -> dict[str, Any]:
    """Return the sparsity of a method with the best training parameters found for it."""
    sparsity = replace(method, resample_dead=2)
    if isinstance(sparsity, BatchTopK) and sparsity.k >= ACTIVE[-2]:
        # Faster decay of squared gradients and a linear schedule, as in SAELens.
        steps = EPOCHS * -(-n_rows // BATCH)
        optimizer = optax.adam(optax.linear_schedule(3e-2, 0.0, steps), b2=0.99)
        return {"sparsity": replace(sparsity, pre_bias=False), "optimizer": optimizer}
    if isinstance(sparsity, BatchTopK) or (isinstance(sparsity, TopK) and sparsity.k >= ACTIVE[-1]):
        return {"sparsity": sparsity, **FAST}
    return {"sparsity": sparsity, "learning_rate": RATE}


def isthmus(sparsity: Any, rows: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    model = SparseAutoencoder(
        UNITS,
        scaling=None,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        early_stopping=False,
        random_state=0,
        **settings_for(sparsity, len(rows)),
    ).fit(rows)
    report = model.code_statistics(test)
    return report.codes.l0, report.fidelity.fvu


# Trains on one file of rows and reconstructs those of another.
SAE_LENS = """
import sys
import numpy as np, torch
from sae_lens import SAE
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer

kind, k, units, epochs, batch, rate, train, test, out = sys.argv[1:]
classes = {
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batch_topk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
}
make, config = classes[kind]
rows, batch, epochs = torch.from_numpy(np.load(train)), int(batch), int(epochs)
torch.manual_seed(0)
sae = make(config(d_in=rows.shape[1], d_sae=int(units), k=int(k)))

def batches():
    while True:
        yield from rows[torch.randperm(len(rows))].split(batch)

samples = len(rows) * epochs
settings = SAETrainerConfig(
    total_training_samples=samples,
    train_batch_size_samples=batch,
    lr=float(rate),
    lr_end=0.0,
    lr_decay_steps=samples // batch,
)
SAETrainer(settings, sae, batches()).fit()
# For inference: batch top-k applies its learned threshold to each row.
sae.save_inference_model(out + ".folder")
sae = SAE.load_from_disk(out + ".folder")
with torch.no_grad():
    codes = sae.encode(torch.from_numpy(np.load(test)))
    np.savez(out, codes=codes.numpy(), reconstructed=sae.decode(codes).numpy())
"""


def sae_lens(kind: str, k: int, rows: np.ndarray, test: np.ndarray, python: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        train_file, test_file, out = (str(Path(folder, name)) for name in ("train.npy", "test.npy", "out.npz"))
        np.save(train_file, rows)
        np.save(test_file, test)
        arguments = [kind, str(k), str(UNITS), str(EPOCHS), str(BATCH), str(RATE), train_file, test_file, out]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        subprocess.run([python, "-W", "ignore", "-c", SAE_LENS, *arguments], check=True, **quiet)
        with np.load(out) as results:
            return evaluate(test, results["codes"], results["reconstructed"])


def dictionary_learning(k: int, rows: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    model = MiniBatchDictionaryLearning(
        UNITS,
        alpha=1.0,
        batch_size=BATCH,
        max_iter=2,
        transform_algorithm="omp",
        transform_n_nonzero_coefs=k,
        random_state=0,
    ).fit(rows[:20_000])
    codes = model.transform(test)
    return evaluate(test, codes, codes @ model.components_)


def pca(k: int, rows: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    model = PCA(k).fit(rows)
    codes = model.transform(test)
    return evaluate(test, codes, model.inverse_transform(codes))


def evaluate(test: np.ndarray, codes: np.ndarray, reconstructed: np.ndarray) -> tuple[float, float]:
    statistics, fidelity = CodeStatistics(codes.shape[1]), Fidelity()
    statistics.update(codes)
    fidelity.update(test, reconstructed)
    return statistics.l0, fidelity.fvu


def curves(rows: np.ndarray, test: np.ndarray) -> dict[str, list[tuple[float, float]]]:
    jobs: dict[str, list[Any]] = {
        name: [lambda s=s: isthmus(s, rows, test) for s in sparsities] for name, sparsities in METHODS.items()
    }
    python = sae_lens_python()
    if python:
        for kind in ("topk", "batch_topk"):
            jobs[f"SAELens {kind}"] = [lambda k=k, kind=kind: sae_lens(kind, k, rows, test, python) for k in ACTIVE]
    jobs["scikit-learn, OMP"] = [lambda k=k: dictionary_learning(k, rows, test) for k in ACTIVE]
    jobs["PCA"] = [lambda k=k: pca(k, rows, test) for k in ACTIVE]
    found: dict[str, list[tuple[float, float]]] = {}
    for name, runs in jobs.items():
        start = time.perf_counter()
        found[name] = [run() for run in runs]
        points = ", ".join(f"{l0:.2f}: {fvu:.4f}" for l0, fvu in found[name])
        print(f"{name:22}{points}   ({time.perf_counter() - start:.0f} s)", flush=True)
    return found


def draw(found: dict[str, list[tuple[float, float]]], path: Path) -> None:
    curves = {name: tuple(zip(*sorted(points), strict=True)) for name, points in found.items()}
    labels = {"x_label": "active units per patch (L0)", "y_label": "fraction of variance unexplained (FVU)"}
    plots.save(plots.tradeoffs(curves, **labels), path, overwrite=True)


def dead(photos: Path | None) -> None:
    rows = patches(photos, 1_000_000)
    model = SparseAutoencoder(
        16 * rows.shape[1],
        k=32,
        resample_dead=1,
        scaling=None,
        batch_size=1024,
        max_epochs=4,
        early_stopping=False,
        random_state=0,
    ).fit(rows)
    report = model.code_statistics(rows)
    print(f"{model.n_components_} units, k 32, a million patches, {model.n_iter_} epochs: dead by epoch", end=" ")
    print([int(count) for count in model.history_["dead_units"]], f"of {sum(model.history_['seconds']):.0f} s")
    print(f"never active in a million patches: {report.codes.fraction_dead:.2%}; FVU {report.fidelity.fvu:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--dead", action="store_true")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    print(machine())
    if given.dead:
        dead(given.photos)
        return
    rows = patches(given.photos, PATCHES)
    found = curves(rows[PATCHES // 10 :], rows[: PATCHES // 10])
    if given.picture:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
