"""Train on a Ray cluster: python deploy/ray_train.py rows.npy model.safetensors run --workers 4.

Ray's JaxTrainer starts one process for each worker and joins them before the function runs; each then fits, and the first
writes the model. The folder of checkpoints lies where all workers see it.
"""

import argparse

from ray.train import ScalingConfig
from ray.train.v2.jax import JaxTrainer


def train(config: dict[str, str]) -> None:
    """Fit in one worker of several."""
    import jax

    from isthmus import Autoencoder

    model = Autoencoder(2, random_state=0).fit(config["rows"], checkpoint=config["checkpoints"])
    if jax.process_index() == 0:
        model.save(config["model"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows")
    parser.add_argument("model")
    parser.add_argument("checkpoints")
    parser.add_argument("--workers", type=int, default=4)
    given = vars(parser.parse_args())
    JaxTrainer(
        train, train_loop_config=given, scaling_config=ScalingConfig(num_workers=given.pop("workers"), use_tpu=False)
    ).fit()
