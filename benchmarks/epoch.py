"""Epoch time of the founding network after compilation: 784-128-64-10-2, 55,000 rows, batches of 256, Adam.

Compared with the matrix products of the epoch alone (numpy's BLAS, all threads), a PyTorch tutorial loop (DataLoader,
eager) and Keras, if they are installed, and with the same loss as a function of our own. Rows are random bytes, which
does not affect the speed.

    python benchmarks/epoch.py
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from common import Job, in_turn, machine, report

from isthmus import Autoencoder

N, BATCH = 55_000, 256
SIZES = (784, 128, 64, 10, 2, 10, 64, 128, 784)
OWN_LOSS = "isthmus, the loss as a function"


def products() -> Job:
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((BATCH, width)).astype(np.float32) for width in SIZES]
    weights = [rng.standard_normal(shape).astype(np.float32) for shape in pairwise(SIZES)]

    def run() -> None:
        for _ in range(-(-N // BATCH)):
            for k, weight in enumerate(weights):
                x[k] @ weight  # forward
                x[k].T @ x[k + 1]  # the weight's gradient
                if k:
                    x[k + 1] @ weight.T  # the input's gradient

    return run


def squared_error(reconstruction: Any, target: Any) -> Any:
    return (reconstruction - target) ** 2


def isthmus_epoch(rows: np.ndarray, loss: Any = "mse") -> Job:
    model = Autoencoder(
        2,
        hidden_layer_sizes=SIZES[1:4],
        activation="sigmoid",
        output_activation="sigmoid",
        linear_path=False,
        loss=loss,
        learning_rate=0.01,
        learning_rate_schedule="constant",
        batch_size=BATCH,
        max_epochs=2,
        early_stopping=False,
        random_state=0,
    )
    return lambda: model.fit(rows).history_["seconds"][-1]


def torch_epoch(rows: np.ndarray) -> Job:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    data = torch.from_numpy(rows.astype(np.float32) / 255)
    layers: list[nn.Module] = []
    for k, (wide, narrow) in enumerate(pairwise(SIZES)):
        layers += [nn.Linear(wide, narrow), *([] if k == 3 else [nn.Sigmoid()])]
    net = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(data), batch_size=BATCH, shuffle=True)

    def run() -> None:
        for (batch,) in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(batch), batch)
            loss.backward()
            optimizer.step()

    return run


def keras_epoch(rows: np.ndarray) -> Job:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if importlib.util.find_spec("tensorflow") else "jax")
    import keras

    data = rows.astype(np.float32) / 255
    net = keras.Sequential([keras.Input((SIZES[0],))])
    for k, width in enumerate(SIZES[1:]):
        net.add(keras.layers.Dense(width, activation=None if k == 3 else "sigmoid"))
    net.compile(keras.optimizers.Adam(0.01), "mse")

    def run() -> float:
        start = time.perf_counter()
        net.fit(data, data, batch_size=BATCH, epochs=1, verbose=0)
        return time.perf_counter() - start

    return run


PEERS: dict[str, tuple[str, Callable[[np.ndarray], Job]]] = {
    "PyTorch tutorial loop": ("torch", torch_epoch),
    "Keras": ("keras", keras_epoch),
}


def main() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (N, SIZES[0]), dtype=np.uint8)
    jobs: dict[str, Job] = {"isthmus": isthmus_epoch(rows), OWN_LOSS: isthmus_epoch(rows, squared_error)}
    jobs["matrix products alone"] = products()
    for name, (module, build) in PEERS.items():
        if importlib.util.find_spec(module):
            jobs[name] = build(rows)
        else:
            print(f"{name}: {module} is not installed, skipped")
    print(f"{machine()}\n")
    seconds = in_turn(jobs)
    report({name: seconds[name] for name in ("isthmus", OWN_LOSS)}, "isthmus")
    print()
    for baseline in jobs:
        if baseline not in ("isthmus", OWN_LOSS):
            report({name: seconds[name] for name in ("isthmus", baseline)}, baseline)
            print()


if __name__ == "__main__":
    main()
