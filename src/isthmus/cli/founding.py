"""The founding experiment: MNIST digits encoded as two numbers by the founding network, the defaults, PCA and a map."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import SampleDataWarning
from isthmus.core.files import atomic_write, check_overwriting, make_folder

# 784-128-64-10-2, as in the founding program: sigmoid layers around a linear code, weights from a standard normal
# truncated at two deviations, biases from a standard normal, squared error, Adam at 0.01, batches of 256, ten epochs.
FOUNDING: dict[str, Any] = {
    "n_components": 2,
    "hidden_layer_sizes": (128, 64, 10),
    "linear_path": False,
    "activation": "sigmoid",
    "output_activation": "sigmoid",
    "loss": "mse",
    "init": "truncated_normal",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "learning_rate_schedule": "constant",
    "batch_size": 256,
    "max_epochs": 10,
    "early_stopping": False,
}
# A small map: a recipe for a minute, of at most so many digits and steps of each stage.
MAP: dict[str, Any] = {"n_components": 2, "hidden_layer_sizes": (256, 128), "batch_size": 256, "image_shape": (28, 28)}
_MAP_DIGITS, _MAP_STEPS = 10_000, 1000
_FOLDER = Path("runs/demo")
_SEED = 0
_FIGURES = ("codes", "reconstructions", "map", "manifold", "loss")
_RESULTS = (
    *("model.safetensors", "founding.safetensors", "codes.parquet", "metrics.json", "map.safetensors"),
    *(f"{name}.png" for name in _FIGURES),
)


class Digits(NamedTuple):
    """MNIST, or a sample of it."""

    train: NDArray[np.uint8]  # (n, 784)
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    source: str  # "MNIST's" or "a sample of MNIST's"

    @property
    def note(self) -> str:
        """Source and number of the digits, in one line."""
        return f"{self.source} digits: {len(self.train):,} for training, {len(self.test):,} for testing"


class Result(NamedTuple):
    """A fitted method and its test results."""

    model: Any
    codes: NDArray[Any]  # of the test digits
    reconstructed: NDArray[Any]  # of the test digits, in [0, 1]
    metrics: dict[str, float]


def load_digits(data_home: str | os.PathLike[str] | None = None) -> Digits:
    """Return the digits stored on this machine; nothing is downloaded."""
    from isthmus.data.datasets import load_mnist

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SampleDataWarning)
        train, test = (load_mnist(data_home=data_home, subset=part, download=False) for part in ("train", "test"))
    source = "a sample of MNIST's" if any(issubclass(one.category, SampleDataWarning) for one in caught) else "MNIST's"
    return Digits(train.data, train.target, test.data, test.target, source)


def run(
    folder: str | os.PathLike[str] = _FOLDER,
    *,
    quick: bool = False,
    data_home: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = print,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Run the founding experiment and write its results to a folder.

    Parameters
    ----------
    folder : path-like
        Receives ``model.safetensors`` (the defaults), ``founding.safetensors`` and ``map.safetensors``,
        ``codes.parquet`` (of the test digits), ``codes.png``, ``reconstructions.png``, ``map.png``, ``manifold.png``,
        ``loss.png`` and ``metrics.json``.
    quick : bool
        Two epochs on a tenth of the digits, as a quick check.
    data_home : path-like or None
        A folder with MNIST's four IDX files; see `isthmus.datasets.load_mnist`.
    say : callable
        Called with each line of the report.
    overwrite : bool
        Replace the results of an earlier run in the folder.

    Returns
    -------
    metrics : dict
        For each method, ``mse`` (per pixel in [0, 1]) and ``accuracy`` (5-NN, of the codes) on the test digits, and the
        ``seconds`` of training.
    """
    from sklearn.decomposition import PCA

    from isthmus.estimators.autoencoder import Autoencoder

    home = Path(folder)
    make_folder(home)
    for name in _RESULTS:
        check_overwriting(home / name, overwrite=overwrite)
    digits = load_digits(data_home)
    if quick:
        digits = digits._replace(train=digits.train[::10], train_labels=digits.train_labels[::10])
    say(digits.note)
    few = {"max_epochs": 2} if quick else {}
    sizes = {"hidden_layer_sizes": FOUNDING["hidden_layer_sizes"], "random_state": _SEED}
    founding = Autoencoder(**FOUNDING | {"random_state": _SEED} | few)
    founding.set_callbacks(_EpochLines(say))
    say("Training the founding network, 784-128-64-10-2:")
    results = {"founding": _fit_and_evaluate(founding, digits)}
    say("Training a network of the same sizes with the defaults, and PCA ...")
    results["isthmus"] = _fit_and_evaluate(Autoencoder(**sizes | few), digits)
    results["PCA"] = _fit_and_evaluate(PCA(2, random_state=_SEED), digits)
    some = digits.train[:_MAP_DIGITS]
    say(f"Training a map on {len(some):,} of the digits ...")
    results["map"] = _fit_and_evaluate(_map(len(some), few), digits, some)
    _write_results(home, digits, results, overwrite)
    for line in _table(results):
        say(line)
    say(f"Figures, codes and models are in {home}")
    return {name: result.metrics for name, result in results.items()}


class _EpochLines:
    """Prints the founding program's line after each epoch; a scikit-learn callback."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    on_fit_task_begin = teardown = setup

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Print the epoch and its loss."""
        if context.task_name == "epoch":
            history = estimator.history_
            self.say(f"Epoch: {int(history['epoch'][-1]):04d} cost= {history['loss'][-1]:.9f}")


def _map(n_rows: int, few: dict[str, int]) -> Any:
    """Return the map to train on so many rows."""
    from isthmus.estimators.neighbor import NeighborAutoencoder

    epochs = -(-_MAP_STEPS * MAP["batch_size"] // n_rows)
    return NeighborAutoencoder(**MAP | {"max_epochs": epochs, "random_state": _SEED, "verbose": 0} | few)


def _fit_and_evaluate(model: Any, digits: Digits, learned: NDArray[np.uint8] | None = None) -> Result:
    """Fit on the training digits, or on those given, and evaluate on the test digits."""
    from isthmus.evaluation.metrics import knn_accuracy

    # PCA needs floats; the autoencoders divide bytes by 255 themselves.
    divisor = np.float32(1 if hasattr(model, "reconstruct") else 255)

    def prepared(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        return pixels if divisor == 1 else pixels / divisor

    start = time.perf_counter()
    model.fit(prepared(digits.train if learned is None else learned))
    seconds = time.perf_counter() - start
    codes, test_codes = model.transform(prepared(digits.train)), model.transform(prepared(digits.test))
    reconstructed = model.inverse_transform(test_codes).reshape(digits.test.shape) * (divisor / np.float32(255))
    error = float(np.square(reconstructed - digits.test / 255.0).mean())
    accuracy = knn_accuracy(codes, digits.train_labels, test_codes, digits.test_labels)
    return Result(model, test_codes, reconstructed, {"mse": error, "accuracy": accuracy, "seconds": seconds})


def _table(results: dict[str, Result]) -> list[str]:
    rows = [f"{'':10}{'MSE':>9}{'5-NN accuracy':>16}{'seconds':>10}"]
    for name, result in results.items():
        metrics = result.metrics
        rows.append(f"{name:10}{metrics['mse']:>9.4f}{metrics['accuracy']:>16.3f}{metrics['seconds']:>10.1f}")
    return rows


def _write_results(home: Path, digits: Digits, results: dict[str, Result], overwrite: bool) -> None:
    """Write models, codes, metrics and figures."""
    from isthmus.data.sinks import open_sink

    default, founding = results["isthmus"], results["founding"]
    default.model.save(home / _RESULTS[0], overwrite=overwrite)
    founding.model.save(home / _RESULTS[1], overwrite=overwrite)
    results["map"].model.save(home / _RESULTS[4], overwrite=overwrite)
    names = [*default.model.get_feature_names_out(), "label"]
    with open_sink(home / _RESULTS[2], names, np.float32, overwrite=overwrite) as sink:
        sink.write(np.column_stack([default.codes, digits.test_labels]).astype(np.float32))
    _draw(home, digits, results, overwrite)
    with atomic_write(home / _RESULTS[3], overwrite=overwrite) as file:
        metrics = {"digits": digits.note, **{name: result.metrics for name, result in results.items()}}
        file.write(json.dumps(metrics, indent=2).encode())


def _draw(home: Path, digits: Digits, results: dict[str, Result], overwrite: bool) -> None:
    from isthmus.evaluation import plots

    titles = {"founding": "founding network", "isthmus": "isthmus, same sizes", "PCA": "PCA"}
    codes = {title: results[name].codes for name, title in titles.items()}
    reconstructed = {title: results[name].reconstructed for name, title in titles.items()}
    pixels, labels, default = digits.test / 255.0, digits.test_labels, results["isthmus"]
    # The first test digit of each class.
    firsts = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    order = np.concatenate([firsts, np.setdiff1d(np.arange(len(labels)), firsts)])
    figures = {
        "codes": plots.codes(codes, labels, label_name="digit"),
        "reconstructions": plots.reconstructions(
            pixels[order], {name: rows[order] for name, rows in reconstructed.items()}, image_shape=(28, 28)
        ),
        "map": plots.atlas(
            results["map"].codes,
            labels,
            rows=pixels,
            image_shape=(28, 28),
            label_name="digit",
            title="Map of test digits",
        ),
        "manifold": plots.manifold(
            lambda points: default.model.inverse_transform(points) / 255.0,
            default.codes,
            image_shape=(28, 28),
            labels=labels,
            label_name="digit",
        ),
        "loss": plots.history(default.model.history_, best=default.model.best_iter_),
    }
    for name, figure in figures.items():
        plots.save(figure, home / f"{name}.png", overwrite=overwrite)
