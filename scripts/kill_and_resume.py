"""Kill a fit again and again, at random moments, and see that it ends where an undisturbed one does, to the bit.

    python scripts/kill_and_resume.py [--kills 200] [--seed 0]

A child process fits a sparse autoencoder with early stopping, writing a checkpoint after every chunk. Each child is
killed with SIGKILL after a random time, every other one as soon after it as a file is being written; when so many are,
one is left to end. Weights, the optimizer's state, the history and what the sparsity remembers are compared with those
of a fit in one piece.
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
    """Return rows of a planted dictionary."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((48, WIDTH))
    return (rng.exponential(size=(ROWS, 48)) * (rng.random((ROWS, 48)) < 0.06) @ atoms).astype(np.float32)


def learned(checkpoint: str | None, epochs: int = EPOCHS) -> dict[str, Any]:
    """Fit, and return digests of everything that was learned."""
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
    """Start this script as a child that fits."""
    command = [sys.executable, __file__, "--child", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a child learned."""
    label, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the child failed with {process.returncode}")
    return json.loads(label)


def wait_for_a_write(folder: Path, process: subprocess.Popen[str]) -> None:
    """Return as soon as a file is being written, or the process has ended."""
    while process.poll() is None and not writing(folder):
        pass


def writing(folder: Path) -> bool:
    """Whether a file is being written, or was when its process was killed."""
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
        print(json.dumps(learned(given.child or None, given.epochs)))
        return
    epochs = ("--epochs", str(given.epochs))
    rng = random.Random(given.seed)
    began = time.perf_counter()
    whole = ended(child(*epochs))
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        kills, torn = 0, 0
        while kills < given.kills:
            process = child(folder, *epochs)
            try:
                process.wait(rng.uniform(0.2, 0.8) * seconds)
                # It ended before it was killed: from the beginning again.
                process.communicate()
                for file in Path(folder).iterdir():
                    file.unlink()
                continue
            except subprocess.TimeoutExpired:
                if kills % 2:
                    wait_for_a_write(Path(folder), process)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            kills += 1
            torn += writing(Path(folder))
            print(f"{kills} kills, {torn} in the middle of a write", end="\r", file=sys.stderr, flush=True)
        resumed = ended(child(folder, *epochs))
    different = [name for name in whole if whole[name] != resumed[name]]
    print(f"{kills} kills, {torn} of them in the middle of a write: {different or 'nothing'} differs")
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
