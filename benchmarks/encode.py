"""Time and memory of `transform`: a million rows of 784 float32 through 784-128-64-10-2.

Compared with PyTorch eager at several batch sizes, if it is installed, and scikit-learn's PCA.

    python benchmarks/encode.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile

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


# Runs in another process: loads a model and encodes; prints memory before the call, and at its peak.
MEMORY = """
import sys
import numpy as np
from isthmus import Autoencoder
def megabytes(field):  # not from getrusage, whose peak includes that of the parent process
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) >> 10
rows = np.full((int(sys.argv[2]), 784), 0.5, np.float32)
model = Autoencoder.load(sys.argv[1])
before = megabytes("VmRSS")
model.transform(rows)
size = rows.nbytes >> 20
print(size, before - size, megabytes("VmHWM") - before)
"""


def memory(model: Autoencoder, n_rows: int) -> str:
    """Return the memory that another process takes to encode rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.safetensors"
        model.save(path, overwrite=True)
        command = [sys.executable, "-c", MEMORY, path, str(n_rows)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows, libraries, added = out.split()
    return f"rows {rows} MB, libraries and model {libraries} MB, the call adds at most {added} MB"


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
    print(f"{machine()}\n{memory(model, n_rows)}\n")

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
