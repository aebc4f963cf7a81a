import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus import Autoencoder, DenoisingAutoencoder, SparseAutoencoder, VectorQuantizedAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import Batch
from isthmus.corruption import Deform
from isthmus.engine.devices import Placement
from isthmus.engine.loading import Chunk
from isthmus.estimators.fit.choices import placement_for

pytestmark = pytest.mark.slow

# Methods that reduce over the batch: means, n-th largest values of the batch or of a column, dead units.
METHODS = ("kl", "batch_topk", "lifetime")
OPTIONS = {"learning_rate": 1e-3, "max_epochs": 3, "random_state": 0, "batch_size": 64}
MODELS = {
    "dropout": lambda: Autoencoder(3, hidden_layer_sizes=(16,), dropout=0.2, **OPTIONS),
    "swap": lambda: DenoisingAutoencoder(5, hidden_layer_sizes=(16,), corruption="swap", **OPTIONS),
    "float64": lambda: Autoencoder(3, hidden_layer_sizes=(16,), precision="float64", missing="mask", **OPTIONS),
    "penalty": lambda: Autoencoder(3, l2_penalty=1e-3, feature_weights=[1, 0, 2, 1, 1, 0.5, 1, 1], **OPTIONS),
    "gaussian": lambda: DenoisingAutoencoder(5, corruption="gaussian", untouched_weight=0.5, **OPTIONS),
    "deform": lambda: DenoisingAutoencoder(5, corruption=Deform(image_shape=(2, 4)), **OPTIONS),
    "vq": lambda: VectorQuantizedAutoencoder(8, n_codes=16, hidden_layer_sizes=(16,), **OPTIONS),
    **{name: lambda name=name: SparseAutoencoder(24, sparsity=name, **OPTIONS) for name in METHODS},
}


def losses(names):
    """Return each model's losses, validation losses and dead units of each epoch."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(701, 8)) @ rng.normal(size=(8, 8))).astype(np.float32)
    found = {}
    for name in names:
        history = MODELS[name]().fit(rows).history_
        found[name] = [history["loss"], history["validation_loss"], history.get("dead_units", [])]
    return found


@pytest.fixture(scope="module")
def three_devices():
    # A process has a fixed number of devices.
    code = "import json, sys, test_devices as t; print(json.dumps(t.losses(t.MODELS)))"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=3"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_cpus_read_ahead_with_one_thread_and_for_accelerators_with_several(monkeypatch):
    assert (Placement().readers, Placement().chunk_bytes) == (1, None)
    accelerator = Placement(SimpleNamespace(platform="gpu"))
    for cores, readers in ((1, 1), (2, 1), (8, 4), (128, 8)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert accelerator.readers == readers
    assert accelerator.chunk_bytes > 8 << 20


@pytest.mark.parametrize("name", MODELS)
def test_three_devices_train_like_one(name, three_devices):
    one_device = losses([name])[name]
    assert_allclose(three_devices[name][0], one_device[0], rtol=2e-5)
    assert_allclose(three_devices[name][1], one_device[1], rtol=2e-5)
    assert three_devices[name][2] == one_device[2]


def test_one_device_gets_whole_batches():
    placement = placement_for(None)
    assert placement == Placement()
    assert placement.n_devices == 1
    assert placement.shard(64) is None
    assert placement.replicated is None
    chunk = Chunk(np.arange(12.0).reshape(6, 2), np.arange(6, dtype=np.uint32), 5)
    values, rows, extras = placement.upload(chunk, 3)
    assert values.shape == (2, 3, 2)
    np.testing.assert_array_equal(rows, [[0, 1, 2], [3, 4, 5]])
    assert extras == {}


def test_a_mesh_of_one_device():
    placement = Placement.over(jax.devices())
    assert placement.n_devices == 1
    assert placement.shard(5) == (5, 0, 5)
    given = {"a": np.arange(3.0, dtype=np.float32)}
    put = placement.put(given)
    given["a"][0] = 7
    np.testing.assert_array_equal(put["a"], [0, 1, 2])
    assert put["a"].sharding.is_fully_replicated


def test_means_are_reduced_in_one_message():
    """The result and its gradients are means over the rows without padding."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(6, 3)), np.array([1, 1, 0, 1, 1, 0.0])
    batch = Batch(x, weight, np.zeros((6, 2), np.uint32))

    def means(params, state, batch, noisy, noise, scheduled):
        return jax.value_and_grad(lambda w: weighted_mean((batch.x @ w) ** 2, batch.weight))(params)

    given = (np.ones(3), (), batch, x, None, {})
    lowered = jax.jit(Placement.over(jax.devices()).summed_once(means)).lower(*given)
    assert lowered.as_text().count("stablehlo.all_reduce") == 1
    for one, other in zip(lowered.compile()(*given), means(*given), strict=True):
        assert_allclose(one, other, rtol=1e-5)


def test_a_device_with_a_number():
    assert placement_for("cpu:0") == Placement(jax.devices("cpu")[0])
    with pytest.raises(InvalidParameterError, match=r"device='cpu:9' is not available; JAX found: cpu"):
        placement_for("cpu:9")
