import jax
import numpy as np
from numpy.testing import assert_allclose

from isthmus.core.reductions import weighted_mean

rng = np.random.default_rng(0)


def test_weighted_mean_over_a_mesh_axis():
    values, weight = rng.normal(size=(2, 5)).astype("f4"), np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], "f4")
    means = jax.vmap(lambda v, w: weighted_mean(v, w, "hosts"), axis_name="hosts")(values, weight)
    assert_allclose(means, [values[weight > 0].mean()] * 2, rtol=1e-5)
    assert float(weighted_mean(values[0], np.zeros(5, "f4"))) == 0
