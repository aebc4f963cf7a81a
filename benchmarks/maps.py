"""Maps in two dimensions: isthmus next to UMAP, PaCMAP, openTSNE and PCA, each in an environment of its own.

    ISTHMUS_DATA=folder python benchmarks/maps.py [--methods isthmus umap ...] [--seeds 0 1 2] [--train 60000]
    ... --data wine penguins ...   tables of useful_codes.py, standardised, not MNIST; a seed is a split, 70 to 30 %
    ... --validate                 on 10,000 training digits that are left out of the fit, to choose parameters
    ... --set NAME=VALUE ...       with other parameters of NeighborAutoencoder
    ... --environments FOLDER      where the peers' environments are made, and found by the next run

With the files of other pictures of that size in ISTHMUS_DATA/mnist, such as Fashion-MNIST's, it is about those.

No method sees a label. The protocol: a method is fitted on the training digits and then transforms the test digits;
the 5-NN accuracy is that of a classifier fitted on the codes of the training digits and asked for those of the test
digits. Trustworthiness (k 5) is that of 5,000 test digits, the squared error per pixel in [0, 1] of the test digits
decoded from their codes, where a method decodes. Seconds are those of the clock and of the processor, in which import
and compilation count; of `transform` for all test digits and for one of them, after a first call.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, settings_of
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from useful_codes import TABLES

from isthmus.data.datasets import load_mnist
from isthmus.evaluation.metrics import cluster_scores, knn_accuracy, trustworthiness

PACKAGES = {"umap": "umap-learn", "pacmap": "pacmap", "opentsne": "openTSNE"}
# Each defines fit(rows, seed), which returns a model with `transform`; rows are float32 in [0, 1].
PEERS = {
    "pca": "from sklearn.decomposition import PCA\ndef fit(X, seed): return PCA(2, random_state=seed).fit(X)",
    "umap": "from umap import UMAP\ndef fit(X, seed): return UMAP(random_state=seed, n_jobs=1).fit(X)",
    "umap-parallel": "from umap import UMAP\ndef fit(X, seed): return UMAP().fit(X)",
    "pacmap": """
from pacmap import PaCMAP
def fit(X, seed):
    model = PaCMAP(random_state=seed, save_tree=True)
    model.fit(X)
    return model
""",
    "opentsne": """
from openTSNE import TSNE
class Model:
    def __init__(self, X, seed): self.embedding = TSNE(random_state=seed, n_jobs=-1).fit(X)
    def transform(self, X): return self.embedding.transform(X)
def fit(X, seed): return Model(X, seed)
""",
    "isthmus": """
from isthmus import NeighborAutoencoder
def fit(X, seed):
    def shaped(rows):
        return np.round(rows * 255).astype(np.uint8).reshape(-1, 28, 28) if rows.shape[1] == 784 else rows
    model = NeighborAutoencoder(random_state=seed, **settings).fit(shaped(X))
    class Model:
        def transform(self, rows): return model.transform(shaped(rows))
        def inverse_transform(self, codes):
            rows = model.inverse_transform(codes)
            return rows.reshape(-1, 784) / 255 if rows.ndim == 3 else rows
        def save(self, path): model.save(path)
    return Model()
""",
}
CHILD = """
import json, os, pickle, sys, tempfile, time, warnings
import numpy as np
warnings.simplefilter("ignore")
given, out, seed, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
data = np.load(given)
clock, processor = time.perf_counter(), time.process_time()
{peer}
model = fit(data["train"], seed)
found = {{"fit": time.perf_counter() - clock, "processor": time.process_time() - processor}}
train, test = model.transform(data["train"]), None
for name, rows in (("all", data["test"]), ("one", data["test"][:1])):
    model.transform(rows)
    clock = time.perf_counter()
    codes = model.transform(rows)
    found[name] = time.perf_counter() - clock
    test = codes if test is None else test
path = os.path.join(tempfile.mkdtemp(), "model")
try:
    model.save(path) if hasattr(model, "save") else pickle.dump(model, open(path, "wb"))
    found["megabytes"] = os.path.getsize(path) / 1e6
except Exception as error:
    print(f"not saved: {{error}}", file=sys.stderr)
arrays = {{"train": train, "test": test}}
if {decodes}:
    arrays["decoded"] = model.inverse_transform(test)
np.savez(out, **arrays)
print(json.dumps(found))
"""


def python_of(method: str, folder: Path) -> str:
    """Return the interpreter of a method, its environment made where it is not there yet."""
    package = PACKAGES.get(method.partition("-")[0])
    if package is None:
        return sys.executable
    home = folder / package
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
        (home / "ready").touch()
    return str(python)


def digits(n_train: int, validate: bool) -> tuple[np.ndarray, ...]:
    """Return training rows and labels, and test rows and labels."""
    (X, y), (X_test, y_test) = (load_mnist(subset=part, return_X_y=True) for part in ("train", "test"))
    X, X_test = (rows.astype(np.float32) / 255 for rows in (X, X_test))
    if validate:
        order = np.random.default_rng(1).permutation(len(X))
        X, y, X_test, y_test = X[order[:-10_000]], y[order[:-10_000]], X[order[-10_000:]], y[order[-10_000:]]
    return X[:n_train], y[:n_train], X_test, y_test


def table(name: str, seed: int) -> tuple[np.ndarray, ...]:
    """Return a split of a table of classes, standardised by its training rows."""
    rows, classes = TABLES[name]()
    if classes.dtype.kind == "f":
        raise SystemExit(f"{name} has no classes")
    X, X_test, y, y_test = train_test_split(rows, classes, test_size=0.3, random_state=seed, stratify=classes)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X).astype(np.float32), y, scaler.transform(X_test).astype(np.float32), y_test


def run(method: str, seed: int, data: tuple[np.ndarray, ...], settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what one fit reached."""
    X, y, X_test, y_test = data
    decodes = method in ("isthmus", "pca")
    code = CHILD.format(peer=PEERS[method], decodes=decodes)
    with tempfile.TemporaryDirectory() as place:
        given, out = Path(place) / "rows.npz", Path(place) / "codes.npz"
        np.savez(given, train=X, test=X_test)
        command = [python_of(method, folder), "-c", code, str(given), str(out), str(seed), json.dumps(settings)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        codes = dict(np.load(out))
    found["5-NN"] = knn_accuracy(codes["train"], y, codes["test"], y_test, n_samples=None)
    found["trust"] = trustworthiness(X_test, codes["test"], n_samples=5_000)
    found["clusters"], found["NMI"], *_ = cluster_scores(codes["test"], y_test, method="mixture")
    if len(X) < 10_000:
        found["rows"] = knn_accuracy(X, y, X_test, y_test, n_samples=None)
    if "decoded" in codes:
        found["MSE"] = float(np.mean(np.square(codes["decoded"] - X_test)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["pca", "isthmus", "umap", "pacmap"], choices=PEERS)
    parser.add_argument("--data", nargs="+", default=["mnist"], choices=["mnist", *TABLES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--train", type=int, default=60_000)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "isthmus-benchmarks"
    parser.add_argument("--environments", type=Path, default=default)
    options = parser.parse_args()
    print(machine())
    columns = ("5-NN", "rows", "trust", "clusters", "NMI", "MSE", "fit", "processor", "all", "one", "megabytes")
    print(f"{'':30}{'seed':>5}" + "".join(f"{name:>11}" for name in columns))
    for name, seed in itertools.product(options.data, options.seeds):
        data = digits(options.train, options.validate) if name == "mnist" else table(name, seed)
        for method in options.methods:
            found = run(method, seed, data, settings_of(options.set), options.environments)
            cells = "".join(f"{found[name]:>11.4g}" if name in found else f"{'':>11}" for name in columns)
            print(f"{name:16}{method:14}{seed:>5}{cells}", flush=True)


if __name__ == "__main__":
    main()
