"""Recovery of a known dictionary: 64 atoms in 32 dimensions, 3 of them active in each of 40,000 rows.

python benchmarks/planted.py [--seeds 0 1 2 3 4] [--only topk l1]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from common import machine
from sklearn.decomposition import MiniBatchDictionaryLearning

from isthmus import SparseAutoencoder
from isthmus.sparsity import L1, BatchTopK, Gated, JumpReLU, Lifetime, Matryoshka, TopK

ATOMS, WIDTH, ACTIVE, ROWS, EPOCHS = 64, 32, 3, 40_000, 60
# A unit that is active in 3 of 64 rows is inactive in 500 consecutive rows with probability 4e-11.
SELECTING = {"k": ACTIVE, "auxiliary": 0.0, "dead_after": 500, "resample_dead": 1}
METHODS = {
    "defaults": None,  # SparseAutoencoder(64, k=3) and nothing else
    "topk": TopK(**SELECTING),
    "batch_topk": BatchTopK(**SELECTING),
    "l1": L1(weight=1.5),
    "jumprelu": JumpReLU(weight=0.3, bandwidth=0.5, dead_after=500, resample_dead=1),
    "gated": Gated(weight=2.0),
    "lifetime": Lifetime(target=ACTIVE / ATOMS),
    "matryoshka": Matryoshka(**SELECTING, prefixes=(16, 64)),
}


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (40,000, 32), and the atoms (64, 32) of norm 1 that they combine with weights of 0.5 to 1.5."""
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((ATOMS, WIDTH))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    which = np.argsort(rng.random((ROWS, ATOMS)), axis=1)[:, :ACTIVE]
    codes = np.zeros((ROWS, ATOMS))
    np.put_along_axis(codes, which, rng.uniform(0.5, 1.5, (ROWS, ACTIVE)), axis=1)
    return (codes @ atoms).astype(np.float32), atoms


def best_cosines(learned: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Return each atom's largest cosine similarity with a learned atom."""
    learned = learned / np.maximum(np.linalg.norm(learned, axis=1, keepdims=True), 1e-12)
    return (atoms @ learned.T).max(axis=1)


def isthmus(name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if METHODS[name] is None:
        model = SparseAutoencoder(ATOMS, k=ACTIVE, random_state=0).fit(rows)
        return model.components_, model.transform(rows[:5000])
    model = SparseAutoencoder(
        ATOMS,
        sparsity=METHODS[name],
        scaling="mean_norm",
        learning_rate=3e-3,
        batch_size=256,
        max_epochs=EPOCHS,
        early_stopping=False,
        random_state=0,
    ).fit(rows)
    return model.components_, model.transform(rows[:5000])


def dictionary_learning(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model = MiniBatchDictionaryLearning(
        ATOMS,
        alpha=0.1,
        batch_size=256,
        max_iter=2,
        transform_algorithm="omp",
        transform_n_nonzero_coefs=ACTIVE,
        random_state=0,
    ).fit(rows[:10_000])
    return np.vstack([model.components_, -model.components_]), model.transform(rows[:5000])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", default=[*METHODS, "scikit-learn"])
    given = parser.parse_args()
    print(f"{machine()}\n\n{'method':16}{'mean best cosine, by seed':40}{'atoms found':20}{'L0':>6}{'s per fit':>11}")
    for name in given.only:
        cosines, found, active, seconds = [], [], [], []
        for seed in given.seeds:
            rows, atoms = planted(seed)
            start = time.perf_counter()
            learned, codes = dictionary_learning(rows) if name == "scikit-learn" else isthmus(name, rows)
            seconds.append(time.perf_counter() - start)
            best = best_cosines(learned, atoms)
            cosines.append(best.mean())
            found.append(int((best >= 0.95).sum()))
            active.append(float((codes != 0).sum(axis=1).mean()))
        by_seed = ", ".join(f"{cosine:.4f}" for cosine in cosines)
        counts = ", ".join(map(str, found))
        print(f"{name:16}{by_seed:40}{counts:20}{np.mean(active):>6.2f}{np.median(seconds):>11.1f}", flush=True)


if __name__ == "__main__":
    main()
