"""The founding experiment: ten digits through two numbers, beside our defaults and beside PCA."""

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

from isthmus.core.errors import SampleDataWarning, UnwritableError
from isthmus.core.files import atomic_write

# 784-128-64-10-2, as the founding program has it: sigmoid layers around a linear code, weights from a unit normal cut
# at two deviations, biases from a unit normal, squared error, Adam at 0.01, batches of 256, ten epochs.
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
_FOLDER = Path("runs/demo")
_SEED = 0


class Digits(NamedTuple):
    """MNIST, or the sample of it that stands in."""

    train: NDArray[np.uint8]  # (n, 784)
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    what: str  # where they came from, in words

    @property
    def note(self) -> str:
        """Which digits they are and how many, in a line."""
        return f"{self.what} digits: {len(self.train):,} to learn from, {len(self.test):,} to test on"


class Result(NamedTuple):
    """One way of making two numbers of a digit."""

    model: Any
    codes: NDArray[Any]  # of the test digits
    rebuilt: NDArray[Any]  # the test digits rebuilt, in [0, 1]
    figures: dict[str, float]


def load_digits(data_home: str | os.PathLike[str] | None = None) -> Digits:
    """Return the digits on this machine; nothing is downloaded."""
    from isthmus.data.datasets import load_mnist

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SampleDataWarning)
        train, test = (load_mnist(data_home=data_home, subset=part, download=False) for part in ("train", "test"))
    what = "a sample of MNIST's" if any(issubclass(one.category, SampleDataWarning) for one in caught) else "MNIST's"
    return Digits(train.data, train.target, test.data, test.target, what)


def run(
    folder: str | os.PathLike[str] = _FOLDER,
    *,
    quick: bool = False,
    data_home: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run the founding experiment and leave its results in a folder.

    Parameters
    ----------
    folder : path-like
        Gets ``model.safetensors`` (our defaults) and ``founding.safetensors``, ``codes.parquet`` (of the test digits),
        ``codes.png``, ``reconstructions.png``, ``manifold.png``, ``loss.png`` and ``metrics.json``.
    quick : bool
        Two epochs on a tenth of the digits: to see that everything works.
    data_home : path-like or None
        A folder with MNIST's four IDX files; see `isthmus.data.datasets.load_mnist`.
    say : callable
        Told each line of the report.

    Returns
    -------
    metrics : dict
        By method, ``mse`` (per pixel in [0, 1]) and ``accuracy`` (of the 5 nearest codes' vote) on the test digits, and
        the ``seconds`` of the fit.
    """
    from sklearn.decomposition import PCA

    from isthmus.estimators.autoencoder import Autoencoder

    home = Path(folder)
    _make(home)
    digits = load_digits(data_home)
    if quick:
        digits = digits._replace(train=digits.train[::10], train_labels=digits.train_labels[::10])
    say(digits.note)
    few = {"max_epochs": 2} if quick else {}
    sizes = {"hidden_layer_sizes": FOUNDING["hidden_layer_sizes"], "random_state": _SEED}
    founding = Autoencoder(**FOUNDING | {"random_state": _SEED} | few)
    founding.set_callbacks(_EpochLines(say))
    say("The founding network, 784-128-64-10-2, as it was written:")
    results = {"founding": _update_stopping(founding, digits)}
    say("The same sizes with isthmus's defaults, and PCA ...")
    results["isthmus"] = _update_stopping(Autoencoder(**sizes | few), digits)
    results["PCA"] = _update_stopping(PCA(2, random_state=_SEED), digits)
    _leave(home, digits, results)
    for line in _table(results):
        say(line)
    say(f"Pictures, codes and models are in {home}")
    return {name: result.figures for name, result in results.items()}


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(f"cannot make the folder {home}: {error.strerror or error}") from error


class _EpochLines:
    """Says the founding program's line after each epoch; a callback by scikit-learn's protocol."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing has to be made ready."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing is said before an epoch."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Say how the epoch went."""
        if context.task_name == "epoch":
            history = estimator.history_
            self.say(f"Epoch: {int(history['epoch'][-1]):04d} cost= {history['loss'][-1]:.9f}")

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing has to be cleared away."""


def _update_stopping(model: Any, digits: Digits) -> Result:
    from isthmus.evaluation.metrics import neighbour_accuracy

    # PCA wants pixels as floats; the autoencoders divide bytes by 255 themselves.
    divisor = np.float32(1 if hasattr(model, "reconstruct") else 255)

    def ready(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        return pixels if divisor == 1 else pixels / divisor

    began = time.perf_counter()
    model.fit(ready(digits.train))
    seconds = time.perf_counter() - began
    codes, test_codes = model.transform(ready(digits.train)), model.transform(ready(digits.test))
    rebuilt = model.inverse_transform(test_codes) * (divisor / np.float32(255))
    error = float(np.square(rebuilt - digits.test / 255.0).mean())
    accuracy = neighbour_accuracy(codes, digits.train_labels, test_codes, digits.test_labels)
    return Result(model, test_codes, rebuilt, {"mse": error, "accuracy": accuracy, "seconds": seconds})


def _table(results: dict[str, Result]) -> list[str]:
    rows = [f"{'':10}{'MSE':>9}{'5-NN accuracy':>16}{'seconds':>10}"]
    for name, result in results.items():
        figures = result.figures
        rows.append(f"{name:10}{figures['mse']:>9.4f}{figures['accuracy']:>16.3f}{figures['seconds']:>10.1f}")
    return rows


def _leave(home: Path, digits: Digits, results: dict[str, Result]) -> None:
    """Write models, codes, pictures and figures."""
    from isthmus.data.sinks import open_sink

    ours, founding = results["isthmus"], results["founding"]
    ours.model.save(home / "model.safetensors")
    founding.model.save(home / "founding.safetensors")
    names = [*ours.model.get_feature_names_out(), "label"]
    with open_sink(home / "codes.parquet", names, np.float32) as sink:
        sink.write(np.column_stack([ours.codes, digits.test_labels]).astype(np.float32))
    _draw(home, digits, results)
    with atomic_write(home / "metrics.json") as file:
        metrics = {"digits": digits.note, **{name: result.figures for name, result in results.items()}}
        file.write(json.dumps(metrics, indent=2).encode())


def _draw(home: Path, digits: Digits, results: dict[str, Result]) -> None:
    from isthmus.evaluation import plots

    named = {"founding": "founding network", "isthmus": "isthmus, same sizes", "PCA": "PCA"}
    codes = {named[name]: result.codes for name, result in results.items()}
    rebuilt = {named[name]: result.rebuilt for name, result in results.items()}
    pixels, labels, ours = digits.test / 255.0, digits.test_labels, results["isthmus"]
    # The first test digit of each class.
    firsts = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    order = np.concatenate([firsts, np.setdiff1d(np.arange(len(labels)), firsts)])
    figures = {
        "codes": plots.codes(codes, labels, label_name="digit"),
        "reconstructions": plots.reconstructions(
            pixels[order], {name: rows[order] for name, rows in rebuilt.items()}, image_shape=(28, 28)
        ),
        "manifold": plots.manifold(
            lambda points: ours.model.inverse_transform(points) / 255.0,
            ours.codes,
            image_shape=(28, 28),
            labels=labels,
            label_name="digit",
        ),
        "loss": plots.history(ours.model.history_, best=ours.model.best_iter_),
    }
    for name, figure in figures.items():
        plots.save(figure, home / f"{name}.png")
