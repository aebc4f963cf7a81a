"""Training time per picture of a convolutional autoencoder of 28x28 pictures, compared with PyTorch.

python benchmarks/convolution.py [--pictures 4096] [--batches 16 32 64 128 256]

Both train the same network: pixel unshuffling by two, 3x3 kernels to 32 and 64 channels, a code of 32, and the mirrored
decoder; Adam, squared error. Compare each at its best batch size. Pictures are random, which does not affect the speed.
PyTorch iterates over slices of a shuffled tensor, without a data loader.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from common import in_turn, machine, report
from torch import nn

from isthmus import ConvolutionalAutoencoder
from isthmus.data.sources import open_source
from isthmus.estimators.fit.run import start_fit

CHANNELS, CODE = (32, 64), 32


def isthmus_epoch(pictures: np.ndarray, batch: int) -> Callable[[], float]:
    model = ConvolutionalAutoencoder(
        CODE,
        channels=CHANNELS,
        scaling=None,
        batch_size=batch,
        max_epochs=1_000_000,
        learning_rate_schedule="constant",
        output_activation="identity",
        early_stopping=False,
        random_state=0,
    )
    run = start_fit(model, open_source(pictures))
    epochs = run.trainer.epochs(run.state)
    return lambda: next(epochs).metrics["seconds"][-1]


def network() -> nn.Module:
    first, second = CHANNELS
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        nn.Conv2d(4, first, 3, padding=1),
        nn.ReLU(),
        nn.PixelUnshuffle(2),
        nn.Conv2d(4 * first, second, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(49 * second, CODE),
        nn.Linear(CODE, 49 * second),
        nn.Unflatten(1, (second, 7, 7)),
        nn.ReLU(),
        nn.Conv2d(second, 4 * first, 3, padding=1),
        nn.PixelShuffle(2),
        nn.ReLU(),
        nn.Conv2d(first, 4, 3, padding=1),
        nn.PixelShuffle(2),
    )


def torch_epoch(pictures: np.ndarray, batch: int) -> Callable[[], None]:
    torch.manual_seed(0)
    model, rows = network(), torch.from_numpy(pictures)[:, None]
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def run() -> None:
        for part in rows[torch.randperm(len(rows))].split(batch):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(part), part).backward()
            optimizer.step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=4096)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    given = parser.parse_args()
    pictures = np.random.default_rng(0).random((given.pictures, 28, 28), dtype=np.float32)
    print(f"{machine()}; seconds of an epoch of {given.pictures:,} pictures\n")
    jobs = {f"isthmus, {batch}": isthmus_epoch(pictures, batch) for batch in given.batches}
    jobs |= {f"PyTorch, {batch}": torch_epoch(pictures, batch) for batch in given.batches}
    report(in_turn(jobs), f"isthmus, {given.batches[0]}")


if __name__ == "__main__":
    main()
