"""Sparse counts: rows per second of an epoch, peak memory of the process, and error next to TruncatedSVD's.

100,000 rows of 20,000 columns, of which a row has about 100 (0.5 %): words of documents that mix two of 50 topics with
words that all documents have, of Zipf's frequencies. Of further rows that neither model has seen it prints the share of
the variance, in the scaled units of the model, that the reconstructions leave. Rows are made by another process, so
that the peak is that of reading, fitting and encoding.

    python benchmarks/sparse_rows.py
    python benchmarks/sparse_rows.py --rows 20000 --uniform max_epochs=4
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from common import machine, settings_of
from scipy.sparse import csr_matrix, load_npz, save_npz, vstack
from sklearn.decomposition import TruncatedSVD

from isthmus import Autoencoder

WORDS, TOPICS, TESTED = 115, 50, 2_000


def write_counts(folder: Path, n_rows: int, width: int, uniform: bool) -> None:
    rng = np.random.default_rng(0)
    frequency = np.ones(width) if uniform else 1 / (np.arange(width) + 10.0)
    share = np.cumsum(frequency) / frequency.sum()
    topics = np.stack([rng.permutation(width)[: width // 20] for _ in range(TOPICS)])
    parts = []
    for start in range(0, n_rows, 10_000):
        n = min(10_000, n_rows - start)
        words = np.minimum(np.searchsorted(share, rng.random((n, WORDS))), width - 1)
        own, mix = rng.integers(TOPICS, size=(n, 2)), rng.beta(0.5, 0.5, (n, 1))
        topic = np.where(rng.random((n, WORDS)) < mix, own[:, :1], own[:, 1:])
        place = (topics.shape[1] * rng.random((n, WORDS)) ** 2).astype(int)
        words = np.where(rng.random((n, WORDS)) < 0.5, topics[topic, place], words)
        numbers = np.repeat(np.arange(n), WORDS)
        part = csr_matrix((np.ones(n * WORDS, np.float32), (numbers, words.ravel())), shape=(n, width))
        parts.append(part)
    rows = vstack(parts, "csr")
    save_npz(folder / "train.npz", rows[:-TESTED], compressed=False)
    save_npz(folder / "test.npz", rows[-TESTED:], compressed=False)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def left_by_svd(train: csr_matrix, test: csr_matrix, scale: np.ndarray, n_components: int) -> tuple[float, float]:
    started = time.perf_counter()
    svd = TruncatedSVD(n_components, random_state=0).fit(train.multiply(1 / scale).tocsr())
    seconds = time.perf_counter() - started
    rows = test.multiply(1 / scale).toarray()
    error = np.square(rows - svd.inverse_transform(svd.transform(rows))).sum()
    return float(error / np.square(rows - rows.mean(axis=0)).sum()), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=20_000)
    parser.add_argument("--uniform", action="store_true", help="words of equal frequencies")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="parameters of the autoencoder")
    given = parser.parse_args()
    settings = {"n_components": 16, "hidden_layer_sizes": (128,), "max_epochs": 8, **settings_of(given.settings)}
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        child = context.Process(
            target=write_counts, args=(Path(folder), given.rows + TESTED, given.columns, given.uniform)
        )
        child.start()
        child.join()
        train, test = load_npz(Path(folder) / "train.npz"), load_npz(Path(folder) / "test.npz")
    print(f"{machine()}\n{train.shape[0]:,} x {train.shape[1]:,}, {train.nnz / np.prod(train.shape):.2%} filled")
    print(f"{'read':28}{peak():10.0f} MB")
    started, used = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Autoencoder(random_state=0, **settings).fit(train)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    epochs = np.array(model.history_["seconds"])
    took = f"{seconds:.1f} s, {used:.0f} s of processor time, best epoch {model.best_iter_} of {model.n_iter_}"
    print(f"{'fit':28}{peak():10.0f} MB  {took}")
    print(f"{'epochs after the first':28}{given.rows / np.median(epochs[1:]):10,.0f} rows/s, seconds {epochs.round(2)}")
    print(f"{'waiting for rows':28}{np.median(model.history_['waiting']):10.0%}")
    model.transform(train[:2000])
    started = time.perf_counter()
    model.transform(train)
    print(f"{'transform':28}{given.rows / (time.perf_counter() - started):10,.0f} rows/s{peak():8.0f} MB")
    print(f"{'left on test rows':28}{1 - model.score(test):10.4f}, scaling {model.scaler_.kind}{peak():8.0f} MB")
    left, seconds = left_by_svd(train, test, model.scaler_.scale, model.n_components_)
    print(f"{'left by TruncatedSVD':28}{left:10.4f}{seconds:10.1f} s")


if __name__ == "__main__":
    main()
