"""Time of a training step of top-k: 768 inputs, 24,576 units, 32 active, Adam, decoder rows of norm 1.

Compared with dense PyTorch (eager, fused Adam), if it is installed, and with the top-k trainer of SAELens with dense
and with sparse activations, in the interpreter ISTHMUS_SAE_PYTHON. Rows are random, which does not affect the speed. No
unit counts as dead, so the auxiliary loss is not computed.

    ISTHMUS_SAE_PYTHON=venv/bin/python python benchmarks/topk.py [--batch 1024 4096]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
from common import Job, in_turn, machine, report, sae_lens_python

from isthmus import SparseAutoencoder
from isthmus.data.sources import open_source
from isthmus.estimators.fit.run import start_fit
from isthmus.sparsity import TopK

NEVER = 10_000_000  # rows after which a unit counts as dead


class Size(NamedTuple):
    """Sizes of the model and of the measurement."""

    features: int
    units: int
    k: int
    batch: int
    steps: int  # per measurement


def random_rows(size: Size) -> np.ndarray:
    shape = (size.batch * size.steps, size.features)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def isthmus_steps(size: Size) -> Job:
    model = SparseAutoencoder(
        size.units,
        sparsity=TopK(size.k, dead_after=NEVER),
        scaling=None,
        batch_size=size.batch,
        max_epochs=1_000_000,
        learning_rate_schedule="constant",
        early_stopping=False,
        random_state=0,
    )
    run = start_fit(model, open_source(random_rows(size)))
    # Only the epochs: each measurement would otherwise include initializing 38 million weights.
    epochs = run.trainer.epochs(run.state)
    return lambda: next(epochs).metrics["seconds"][-1]


def torch_steps(size: Size) -> Job:
    import torch
    from torch.nn import Parameter
    from torch.nn.functional import normalize

    torch.manual_seed(0)
    decoder = Parameter(normalize(torch.randn(size.units, size.features), dim=1))
    encoder = Parameter(decoder.detach().T.contiguous())
    bias, code_bias = Parameter(torch.zeros(size.features)), Parameter(torch.zeros(size.units))
    optimizer = torch.optim.Adam([encoder, decoder, bias, code_bias], lr=1e-3, fused=True)
    batches = torch.from_numpy(random_rows(size)).split(size.batch)

    def run() -> None:
        for batch in batches:
            optimizer.zero_grad()
            values, units = torch.topk((batch - bias) @ encoder + code_bias, size.k)
            code = torch.zeros(len(batch), size.units).scatter(1, units, values.relu())
            loss = (code @ decoder + bias - batch).square().mean()
            loss.backward()
            with torch.no_grad():
                decoder.grad -= (decoder.grad * decoder).sum(1, keepdim=True) * decoder
            optimizer.step()
            with torch.no_grad():
                decoder.div_(decoder.norm(dim=1, keepdim=True))

    return run


# For each line of stdin, runs the steps of one measurement and prints their seconds.
SAE_LENS = """
import sys, time
import numpy as np, torch
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer

features, units, k, batch, steps, never, sparse = map(int, sys.argv[1:])
torch.manual_seed(0)
# PyTorch has no CPU gradient for the product of sparse tensors with the decoder norms.
options = {"use_sparse_activations": bool(sparse), "rescale_acts_by_decoder_norm": not sparse}
sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=features, d_sae=units, k=k, **options))
rows = np.random.default_rng(0).standard_normal((batch * steps, features), dtype=np.float32)
batches = torch.from_numpy(rows).split(batch)
config = SAETrainerConfig(
    total_training_samples=10**9, train_batch_size_samples=batch, dead_feature_window=never // batch, lr_end=3e-4
)
trainer = SAETrainer(config, sae, iter(batches))
for line in sys.stdin:
    start = time.perf_counter()
    for rows in batches:
        trainer.step(rows)
    print(time.perf_counter() - start, flush=True)
"""


def sae_lens_steps(size: Size, python: str, scope: ExitStack, *, sparse: bool) -> Job:
    arguments = [str(int(value)) for value in (*size, NEVER, sparse)]
    worker = scope.enter_context(
        subprocess.Popen(
            [python, "-W", "ignore", "-c", SAE_LENS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    )
    assert worker.stdin is not None and worker.stdout is not None
    stdin, stdout = worker.stdin, worker.stdout

    def run() -> float:
        stdin.write("go\n")
        stdin.flush()
        return float(stdout.readline())

    return run


def jobs_for(size: Size, scope: ExitStack) -> dict[str, Job]:
    jobs: dict[str, Job] = {"isthmus": isthmus_steps(size)}
    if importlib.util.find_spec("torch"):
        jobs["PyTorch eager, dense, fused Adam"] = torch_steps(size)
    else:
        print("PyTorch: torch is not installed, skipped")
    python = sae_lens_python()
    if python:
        jobs["SAELens"] = sae_lens_steps(size, python, scope, sparse=False)
        jobs["SAELens, sparse activations"] = sae_lens_steps(size, python, scope, sparse=True)
    else:
        print("SAELens is not installed and ISTHMUS_SAE_PYTHON is not set, skipped")
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1_024])
    parser.add_argument("--features", type=int, default=768)
    parser.add_argument("--units", type=int, default=24_576)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4, help="steps per measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements")
    given = parser.parse_args()
    print(machine())
    for batch in given.batch:
        size = Size(given.features, given.units, given.k, batch, given.steps)
        print(f"\n{size.features} to {size.units:,} units, k {size.k}, batches of {batch:,}")
        # The worker processes end when the scope closes their stdin.
        with ExitStack() as scope:
            seconds = in_turn(jobs_for(size, scope), given.repeats)
        report(seconds, "isthmus", "ms", size.steps / 1e3)


if __name__ == "__main__":
    main()
