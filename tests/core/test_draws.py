import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from isthmus.core.draws import normal, share_of, signed_share
from isthmus.core.random import mix

WORDS = np.random.default_rng(0).integers(0, 2**32, 1_000_000, dtype=np.uint32)
WORDS[:3] = 0, 2**32 - 1, 2**31


def test_words_become_shares():
    share, signed = (np.asarray(f(jnp.asarray(WORDS), jnp.float32), np.float64) for f in (share_of, signed_share))
    assert_array_equal(share, (WORDS >> 8) / 2**24)
    assert_array_equal(signed, (2 * (WORDS >> 8).astype(np.int64) + 1 - 2**24) / 2**24)
    assert (np.abs(signed) < 1).all()
    assert (signed != 0).all()


def test_normal_numbers_have_normal_tails():
    words = np.random.default_rng(1).integers(0, 2**32, 4_000_000, dtype=np.uint32)
    z = np.asarray(normal(jnp.asarray(words), jnp.float32))
    for bound in (2, 3, 4, 4.5):
        expected = len(z) * norm.sf(bound)
        for found in ((z > bound).sum(), (z < -bound).sum()):
            assert abs(found - expected) < 5 * np.sqrt(expected)
    assert_allclose([z.mean(), z.var(), (z**3).mean(), (z**4).mean()], [0, 1, 0, 3], atol=0.02)
    assert np.isfinite(np.asarray(normal(jnp.array([0, 255, 2**32 - 1], jnp.uint32), jnp.float32))).all()


def test_normal_numbers_equal_box_muller():
    words = np.random.default_rng(2).integers(0, 2**32, 10_000, dtype=np.uint32)
    radius = np.sqrt(-2 * np.log(((words >> 8) + 0.5) / 2**24))
    angle = np.pi / 2 * (2 * (mix(words ^ np.uint32(0x51ED270B)) >> 8).astype(float) + 1 - 2**24) / 2**24
    assert_allclose(normal(jnp.asarray(words), jnp.float32), radius * np.sin(angle), rtol=2e-6, atol=1e-5)
