import jax
import numpy as np
from numpy.testing import assert_allclose

from isthmus.core.reductions import batch_mean, weighted_mean
from isthmus.core.types import Batch

rng = np.random.default_rng(0)


def test_weighted_mean_over_a_mesh_axis():
    values, weight = rng.normal(size=(2, 5)).astype("f4"), np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], "f4")
    means = jax.vmap(lambda v, w: weighted_mean(v, w, "hosts"), axis_name="hosts")(values, weight)
    assert_allclose(means, [values[weight > 0].mean()] * 2, rtol=1e-5)
    assert float(weighted_mean(values[0], np.zeros(5, "f4"))) == 0


def test_the_mean_of_a_batch_counts_rows_rather_than_their_weights():
    values, mask, weights = np.array([1.0, 5, 3, 9]), np.array([1.0, 1, 1, 0]), np.array([0.5, 2, 1, 7])
    plain = Batch(None, mask, None)
    assert batch_mean(values, plain) == 3
    assert_allclose(batch_mean(values, plain._replace(sample_weight=weights)), (0.5 + 10 + 3) / 3)
    assert_allclose(plain._replace(sample_weight=weights).shares, [0.5, 2, 1, 0])
    assert plain.shares is mask
