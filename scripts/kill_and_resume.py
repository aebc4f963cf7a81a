"""Kill a fit repeatedly at random times and check that resuming gives bitwise the same result as an unkilled fit.

    python scripts/kill_and_resume.py [--kills 200] [--seed 0]

A child process fits a sparse autoencoder and writes a checkpoint after every chunk. Children are killed with SIGKILL
after a random time, every second one while it writes a file. After the given number of kills one child runs to the end.
Its weights, optimizer state, history and sparsity state are compared with those of a fit without interruption.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

# A fit of a few seconds: 40 epochs of three chunks each.
ROWS, WIDTH, EPOCHS = 60_000, 24, 40


def rows() -> np.ndarray:
    """Return sparse combinations of random atoms."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((48, WIDTH))
    return (rng.exponential(size=(ROWS, 48)) * (rng.random((ROWS, 48)) < 0.06) @ atoms).astype(np.float32)


def fit_digests(checkpoint: str | None, epochs: int = EPOCHS) -> dict[str, Any]:
    """Fit; return digests of all results."""
    import jax

    import isthmus.engine.loading
    from isthmus import SparseAutoencoder

    isthmus.engine.loading.CHUNK_BYTES = 2 << 20
    model = SparseAutoencoder(
        48, sparsity="batch_topk", k=3, max_epochs=epochs, n_iter_no_change=epochs, random_state=0, resample_dead=3
    )
    model.fit(rows(), checkpoint=checkpoint, checkpoint_every=0)
    trees = {"params": model.params_, "optimizer": model.optimizer_state_, "sparsity": model.sparsity_state_}
    digests = {name: _digest(jax.tree.leaves(tree)) for name, tree in trees.items()}
    history = {name: values for name, values in model.history_.items() if name not in ("seconds", "waiting")}
    return {**digests, "history": history, "best": model.best_iter_}


def _digest(leaves: list[Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for leaf in leaves:
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def child(*arguments: str) -> subprocess.Popen[str]:
    """Start this script as a child process that fits."""
    command = [sys.executable, __file__, "--child", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a child; return its digests."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the child failed with exit code {process.returncode}")
    return json.loads(output)


def wait_for_write(folder: Path, process: subprocess.Popen[str]) -> None:
    """Return when a file is being written, or the process has ended."""
    while process.poll() is None and not is_writing(folder):
        pass


def is_writing(folder: Path) -> bool:
    """Return whether a file is being written, or was when its process was killed."""
    return any(file.name.startswith(".") for file in folder.iterdir())


def main() -> None:
    """Run the comparison with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs="?", const="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        print(json.dumps(fit_digests(given.child or None, given.epochs)))
        return
    epochs = ("--epochs", str(given.epochs))
    rng = random.Random(given.seed)
    start = time.perf_counter()
    expected = result_of(child(*epochs))
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        kills, torn = 0, 0
        while kills < given.kills:
            process = child(folder, *epochs)
            try:
                process.wait(rng.uniform(0.2, 0.8) * seconds)
                # It ended before it was killed: start again without a checkpoint.
                process.communicate()
                for file in Path(folder).iterdir():
                    file.unlink()
                continue
            except subprocess.TimeoutExpired:
                if kills % 2:
                    wait_for_write(Path(folder), process)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            kills += 1
            torn += is_writing(Path(folder))
            print(f"{kills} kills, {torn} during a write", end="\r", file=sys.stderr, flush=True)
        resumed = result_of(child(folder, *epochs))
    different = [name for name in expected if expected[name] != resumed[name]]
    print(f"{kills} kills, {torn} of them during a write; different: {', '.join(different) or 'none'}")
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
