"""Training throughput of a 4-2-4 network on rows in memory, with and without shuffling.

python benchmarks/narrow.py [--rows 10000000]
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from common import machine

from isthmus import Autoencoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    n_rows = parser.parse_args().rows
    rows = np.random.default_rng(0).standard_normal((n_rows, 4)).astype(np.float32)
    print(
        f"{machine()}\n\n{'batch':>7}{'shuffled':>10}{'million rows/s (median of 6 epochs)':>38}{'best':>7}{'worst':>7}"
    )
    for batch_size in (256, 4_096, 65_536):
        for shuffle in (True, False):
            model = Autoencoder(
                2,
                hidden_layer_sizes=(),
                linear_path=False,
                code_activation="sigmoid",
                batch_size=batch_size,
                max_epochs=7,
                shuffle=shuffle,
                scaling=None,
                early_stopping=False,
                random_state=0,
            )
            speeds = [n_rows / seconds / 1e6 for seconds in model.fit(rows).history_["seconds"][1:]]
            median = statistics.median(speeds)
            print(f"{batch_size:>7}{shuffle!s:>10}{median:>38.1f}{max(speeds):>7.1f}{min(speeds):>7.1f}", flush=True)


if __name__ == "__main__":
    main()
