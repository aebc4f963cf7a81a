"""Seconds and memory of `transform`: a million rows of 784 float32 through 784-128-64-10-2.

Beside isthmus: PyTorch eager at several batch sizes, where it is installed, and scikit-learn's PCA.

    python benchmarks/encode.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import importlib.util
import resource

import numpy as np
from common import Job, in_turn, machine, report
from sklearn.decomposition import PCA

from isthmus import Autoencoder


def torch_encoder(rows: np.ndarray, batch: int) -> Job:
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Linear(784, 128), nn.Sigmoid(), nn.Linear(128, 64), nn.Sigmoid(), nn.Linear(64, 10), nn.Sigmoid(),
        nn.Linear(10, 2),
    )  # fmt: skip

    def run() -> None:
        with torch.inference_mode():
            torch.cat([net(torch.from_numpy(rows[i : i + batch])) for i in range(0, len(rows), batch)])

    return run


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_rows = parser.parse_args().rows
    rng = np.random.default_rng(0)
    rows = np.empty((n_rows, 784), np.float32)
    for start in range(0, n_rows, 10_000):
        rows[start : start + 10_000] = rng.random((min(10_000, n_rows - start), 784), np.float32)
    model = Autoencoder(
        2, hidden_layer_sizes=(128, 64, 10), activation="sigmoid", linear_path=False, max_epochs=1, random_state=0
    ).fit(rows[:20_000])
    model.transform(rows)
    print(
        f"{machine()}\npeak memory {peak_mb():.0f} MB with isthmus alone, the rows are {rows.nbytes / 2**20:.0f} MB\n"
    )

    def encode() -> None:
        model.transform(rows)

    jobs: dict[str, Job] = {"isthmus": encode}
    if importlib.util.find_spec("torch"):
        jobs |= {f"PyTorch eager, batch {batch}": torch_encoder(rows, batch) for batch in (1_024, 4_096, 16_384)}
    pca = PCA(2).fit(rows[:20_000])

    def project() -> None:
        pca.transform(rows)

    jobs["scikit-learn PCA"] = project
    report(in_turn(jobs, repeats=5), "isthmus")


if __name__ == "__main__":
    main()
