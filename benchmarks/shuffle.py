"""Quality of shuffling methods, and their effect on the test error if the file is sorted by label.

    python benchmarks/shuffle.py [--rows 10000000]

Two statistics of the order of rows in a file sorted by ten classes, in batches of 256: the mean distance in the file of
consecutive rows, and the chi-square statistic of the classes in a batch; both relative to a uniform shuffle, which has
1. Then the test error on MNIST sorted by label, after five epochs in each order, with three seeds.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from common import machine

from isthmus import Autoencoder, datasets
from isthmus.engine.sampling import EpochOrder, Window, row_numbers

BATCH = 256


def order(n_rows: int, shuffle: bool | Window) -> np.ndarray:
    """Return the row numbers of an epoch in the order of training."""
    return np.concatenate([*row_numbers(EpochOrder(n_rows, BATCH, 0, 1, shuffle))]).astype(np.int64)


def buffered(n_rows: int) -> np.ndarray:
    """Return the order of a stream that is shuffled with a buffer of 2**20 rows."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.permutation(part) for part in np.split(np.arange(n_rows), range(1 << 20, n_rows, 1 << 20))]
    )


def statistics_of(rows: np.ndarray) -> tuple[float, float, float]:
    """Return the relative distance of consecutive rows, and chi-square of classes per batch and per 64 batches."""
    n_rows = len(rows)
    # The order within a batch is irrelevant.
    mixed = np.random.default_rng(0).permuted(rows[: n_rows // BATCH * BATCH].reshape(-1, BATCH), axis=1).reshape(-1)
    distance = np.abs(np.diff(mixed)).mean() / (n_rows / 3)
    label = rows * 10 // n_rows
    uneven = []
    for length in (BATCH, 64 * BATCH):
        runs = label[: n_rows // length * length].reshape(-1, length)
        counts = np.stack([(runs == kind).sum(axis=1) for kind in range(10)], axis=1)
        chi = ((counts - length / 10) ** 2 / (length / 10)).sum(axis=1)
        uneven.append(float(chi.mean() / 9))
    return float(distance), *uneven


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    n_rows = parser.parse_args().rows
    print(f"{machine()}\n\n{n_rows:,} rows of 4 columns in ten classes, sorted")
    print(f"{'':26}{'distance':>12}{'batch':>10}{'64 batches':>12}")
    window = Window.for_width(4)
    orders = {
        "uniform": order(n_rows, True),
        f"windows of {window.blocks} x {window.block:,}": order(n_rows, window),
        "a buffer of 1,048,576": buffered(n_rows),
        "file order": np.arange(n_rows),
    }
    for name, rows in orders.items():
        distance, batch, run = statistics_of(rows)
        print(f"{name:26}{distance:>12.3f}{batch:>10.2f}{run:>12.2f}", flush=True)

    data = datasets.load_mnist()
    by_label = np.argsort(data.target, kind="stable")
    train, test = data.data[by_label], datasets.load_mnist(subset="test").data
    print(f"\n{len(train):,} digits sorted by label, 784-128-64-10-2, five epochs: squared error of test digits")
    for setting, name in (
        ("global", "uniform"),
        ("window", "windows of 256 x 16"),
        (False, "file order"),
    ):
        errors = [_error(train, test, setting, seed) for seed in range(3)]
        print(
            f"{name:26}{statistics.mean(errors):>10.5f}   {', '.join(f'{error:.5f}' for error in errors)}", flush=True
        )


def _error(train: np.ndarray, test: np.ndarray, shuffle: bool | str, seed: int) -> float:
    model = Autoencoder(
        2,
        hidden_layer_sizes=(128, 64, 10),
        activation="sigmoid",
        linear_path=False,
        learning_rate=0.01,
        batch_size=BATCH,
        max_epochs=5,
        early_stopping=False,
        shuffle=shuffle,
        random_state=seed,
    ).fit(train)
    return float(model.reconstruction_error(test).mean())


if __name__ == "__main__":
    main()
