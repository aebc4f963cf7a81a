"""Epoch time of the founding network with each corruption relative to none: 784-128-64-10-2, batches of 256.

python benchmarks/denoising_epoch.py [NAME ...] [--rows 55000]
"""

from __future__ import annotations

import argparse

import numpy as np
from common import in_turn, machine, report

from isthmus import Autoencoder
from isthmus.cli.founding import FOUNDING
from isthmus.corruption import CORRUPTIONS
from isthmus.data.sources import open_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*CORRUPTIONS])
    parser.add_argument("--rows", type=int, default=55_000)
    given = parser.parse_args()
    rows = open_source(np.random.default_rng(0).integers(0, 256, (given.rows, 28, 28), dtype=np.uint8))
    print(f"{machine()}; {given.rows:,} rows\n")
    jobs = {}
    for name in (None, *given.names):
        model = Autoencoder(**FOUNDING | {"corruption": name, "max_epochs": 3, "random_state": 0})
        jobs[name or "no corruption"] = lambda model=model: min(model.fit(rows).history_["seconds"][1:])
    report(in_turn(jobs), "no corruption")


if __name__ == "__main__":
    main()
