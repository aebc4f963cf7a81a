"""Variational autoencoders: the likelihood of binarised MNIST, and the cost of an epoch.

    python benchmarks/variational.py mnist [--samples 50] [--epochs 200]   784-200-200-50, tanh; needs ISTHMUS_DATA
    python benchmarks/variational.py mnist --start MODEL --samples 50 --epochs 10   goes on with what --save wrote
    python benchmarks/variational.py epoch    next to the plain autoencoder, interleaved; random rows
    python benchmarks/variational.py picture  docs/assets/samples.png; needs ISTHMUS_DATA

The network of `mnist` is that of Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, with one
stochastic layer. Pixels of the test digits are drawn once. The paper draws those of the training digits anew in each
epoch; here `--copies` drawings of all of them are the rows of one fit. The negative log-likelihood is estimated with
5,000 importance samples. A reproduction of the paper in PyTorch
(github.com/xqding/Importance_Weighted_Autoencoders) reports 87.78 nats for the variational autoencoder and 84.59 for
50 importance-weighted samples.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from common import Job, in_turn, machine, report, settings_of

from isthmus import Autoencoder, VariationalAutoencoder, load
from isthmus.core.errors import CollapseWarning
from isthmus.data.datasets import load_mnist

NETWORK: dict[str, Any] = {
    "n_components": 50,
    "hidden_layer_sizes": (200, 200),
    "activation": "tanh",
    "likelihood": "bernoulli",
    "scaling": None,
    "batch_size": 100,
    "learning_rate": 1e-3,
    "early_stopping": False,
    "random_state": 0,
}
# The network of `benchmarks/epoch.py`, with as many rows and batches.
EPOCH: dict[str, Any] = {
    "n_components": 2,
    "hidden_layer_sizes": (128, 64, 10),
    "activation": "sigmoid",
    "output_activation": "sigmoid",
    "learning_rate_schedule": "constant",
    "learning_rate": 1e-3,
    "batch_size": 256,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
}


def binarised(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Return pixels of 0 to 255 that are 1 with a probability of their brightness."""
    return (np.random.default_rng(seed).random(pixels.shape) < pixels / 255).astype(np.uint8)


def mnist(arguments: argparse.Namespace) -> None:
    digits = load_mnist(download=False, return_X_y=True)[0]
    test = binarised(load_mnist(subset="test", download=False, return_X_y=True)[0], 1)[: arguments.test]
    rows = np.concatenate([binarised(digits, seed) for seed in range(2, 2 + arguments.copies)])
    epochs = max(arguments.epochs // arguments.copies, 1)
    settings = NETWORK | {"n_samples": arguments.samples, "max_epochs": epochs} | settings_of(arguments.set)
    print(f"{machine()}; {arguments.copies} drawings of 60,000 digits, {epochs} epochs of them, {settings}", flush=True)
    model = VariationalAutoencoder(**settings)
    if arguments.start is not None:
        model = load(arguments.start).set_params(warm_start=True, **settings)
    start, processor = time.perf_counter(), time.process_time()
    model.fit(rows)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    if arguments.save is not None:
        model.save(arguments.save, overwrite=True)
    start = time.perf_counter()
    found = -model.log_likelihood(test, arguments.importance)
    print(
        f"{seconds:.0f} s, of processors {processor:.0f} s; {found.mean():.2f} nats "
        f"(standard error {found.std() / np.sqrt(len(found)):.2f}) with "
        f"{arguments.importance} samples of {len(test)} test digits in {time.perf_counter() - start:.0f} s; "
        f"bound {-model.log_likelihood(test, 1).mean():.2f}; {model.n_active_units_} active units",
        flush=True,
    )


def epoch(arguments: argparse.Namespace) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (55_000, 784), dtype=np.uint8)
    plain = Autoencoder(linear_path=False, **EPOCH)
    jobs: dict[str, Job] = {"plain": lambda: plain.fit(rows).history_["seconds"][-1]}
    for samples in (1, 5):
        model = VariationalAutoencoder(n_samples=samples, **EPOCH)
        jobs[f"variational, {samples} samples"] = lambda model=model: model.fit(rows).history_["seconds"][-1]
    warnings.simplefilter("ignore", CollapseWarning)  # of random rows nothing can be learned
    print(machine())
    report(in_turn(jobs, repeats=arguments.repeats), "plain")


def picture(arguments: argparse.Namespace) -> None:
    digits = load_mnist(download=False, return_X_y=True)[0]
    settings = NETWORK | {"n_components": 16, "hidden_layer_sizes": (512, 256), "activation": "gelu"}
    settings |= {"max_epochs": arguments.epochs, "batch_size": 256, "scaling": "auto"}
    model = VariationalAutoencoder(**settings | settings_of(arguments.set)).fit(digits)
    draw(model.sample(96, random_state=0) / 255, arguments.out)


def draw(samples: np.ndarray, path: str, columns: int = 16) -> None:
    """Write pictures as one, without frames: dark on light."""
    from PIL import Image

    side = int(np.sqrt(samples.shape[1]))
    lines = -(-len(samples) // columns)
    sheet = samples.reshape(lines, columns, side, side).transpose(0, 2, 1, 3).reshape(lines * side, columns * side)
    grey = (255 * (1 - np.clip(sheet, 0, 1))).astype(np.uint8)
    Image.fromarray(grey).resize((columns * side * 2, lines * side * 2), Image.Resampling.LANCZOS).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("mnist", "epoch", "picture"))
    parser.add_argument("--samples", type=int, default=1, help="codes drawn for each row in training")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--copies", type=int, default=10, help="drawings of the training pixels")
    parser.add_argument("--start", metavar="MODEL", help="a fitted model that training continues from")
    parser.add_argument("--save", metavar="MODEL", help="where the fitted model is written")
    parser.add_argument("--importance", type=int, default=5000, help="samples of the estimate")
    parser.add_argument("--test", type=int, default=10_000, help="test digits")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", default="docs/assets/samples.png")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    {"mnist": mnist, "epoch": epoch, "picture": picture}[arguments.what](arguments)


if __name__ == "__main__":
    main()
