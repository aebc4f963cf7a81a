"""Epoch time with KL and L1 sparsity, and with the contractive penalty, relative to none, with the same layer sizes.

The contractive penalty has a closed form for the encoder of one layer; with a hidden layer it is estimated.

python benchmarks/sparse_epoch.py [--rows 50000] [--width 784] [--units 256]
"""

from __future__ import annotations

import argparse

import numpy as np
from common import in_turn, machine, report

from isthmus import Autoencoder
from isthmus.sparsity import KL, L1

# Sparsity methods without the changes to the network that they make by default.
SAME_NETWORK = {"pre_bias": False, "transposed_start": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=784)
    parser.add_argument("--units", type=int, default=256)
    given = parser.parse_args()
    rows = np.random.default_rng(0).random((given.rows, given.width), dtype=np.float32)
    print(f"{machine()}; {given.rows:,} rows of {given.width}, {given.units} units, batches of 256\n")
    measured = (
        ("sigmoid", (), {"sparsity": KL(**SAME_NETWORK)}),
        ("relu", (), {"sparsity": L1(**SAME_NETWORK)}),
        ("sigmoid", (), {"penalty": "contractive"}),
        ("sigmoid", (given.units,), {"penalty": "contractive"}),
    )
    for activation, hidden, method in measured:
        jobs, plain = {}, f"{activation}, {len(hidden)} hidden, without"
        for name, settings in ((plain, {}), (f"{activation}, {len(hidden)} hidden, {method}", method)):
            model = Autoencoder(
                given.units,
                hidden_layer_sizes=hidden,
                code_activation=activation,
                **settings,
                scaling=None,
                early_stopping=False,
                max_epochs=3,
                random_state=0,
            )
            jobs[name] = lambda model=model: min(model.fit(rows).history_["seconds"][1:])
        report(in_turn(jobs), plain)
        print()


if __name__ == "__main__":
    main()
