"""Train on a Ray cluster of GPUs: python deploy/ray_train.py rows.npy model.safetensors run --workers 4.

Ray's JaxTrainer starts one process per worker and, if they have GPUs or TPUs, connects them before it calls the
function; all of them fit, and the first one writes the model. Rows and checkpoints must be accessible to all workers.
"""

import argparse
from typing import Any

from ray.train import ScalingConfig
from ray.train.v2.jax import JaxTrainer


def train(config: dict[str, Any]) -> None:
    """Fit as one of several workers."""
    import jax

    from isthmus import Autoencoder

    # Workers that are not connected would each train on all rows and overwrite each other's files.
    if jax.process_count() != config["workers"]:
        raise SystemExit(
            f"{jax.process_count()} of {config['workers']} workers are connected; Ray connects workers with GPUs"
        )
    model = Autoencoder(2, random_state=0).fit(config["rows"], checkpoint=config["checkpoints"])
    if jax.process_index() == 0:
        model.save(config["model"], overwrite=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows")
    parser.add_argument("model")
    parser.add_argument("checkpoints")
    parser.add_argument("--workers", type=int, default=4)
    given = vars(parser.parse_args())
    scaling = ScalingConfig(num_workers=given["workers"], use_gpu=True)
    JaxTrainer(train, train_loop_config=given, scaling_config=scaling).fit()
