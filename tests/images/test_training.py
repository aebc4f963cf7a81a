import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.data.sources import PatchSource
from isthmus.images.training import Recipe, _deviations, _flipped, _share_of_rate, _Traced, initial_weights, train
from isthmus.networks.residual import ResidualDenoiser

NETWORK = ResidualDenoiser((4,), (1,))
RECIPE = Recipe(n_steps=320, side=8, batch=4, rate=1e-2, low=0.0, high=0.2)
TRACED = _Traced(120.0, 1e-3, 0.1, 0.3, 255.0)


def crops(n_patches=1280, scale=1.0, dtype=np.float32):
    rows, columns = np.indices((20, 24))
    waves = scale * (0.5 + 0.4 * np.sin(rows / 3) * np.cos(columns / 4))
    return PatchSource([waves.astype(dtype)], 8, n_patches=n_patches, random_state=0)


def test_training_lowers_the_loss_and_yields_progress():
    progress = list(train(NETWORK, initial_weights(NETWORK, 0), crops(), 1.0, RECIPE, 0))
    assert [now.step for now in progress] == [100, 200, 300, 320]
    assert progress[-1].loss < 0.5 * progress[0].loss
    assert {name: leaf.shape for name, leaf in progress[-1].params.items()} == NETWORK.shapes()


def test_the_same_seed_gives_the_same_weights_and_white_only_scales():
    def trained(seed, **options):
        source = crops(80, **options)
        white = options.get("scale", 1.0)
        return list(train(NETWORK, initial_weights(NETWORK, 0), source, white, RECIPE._replace(n_steps=20), seed))[-1]

    first, again, other, scaled = trained(0), trained(0), trained(1), trained(0, scale=256.0)
    for name in first.params:
        assert_array_equal(first.params[name], again.params[name])
        assert_allclose(first.params[name], scaled.params[name], atol=1e-5)
    assert first.loss != other.loss


def test_given_weights_are_not_changed():
    params = {name: np.asarray(leaf) for name, leaf in initial_weights(NETWORK, 0).items()}
    before = {name: leaf.copy() for name, leaf in params.items()}
    (progress,) = train(NETWORK, params, crops(80), 1.0, RECIPE._replace(n_steps=10, rate=0.0), 0)
    for name, leaf in before.items():
        assert_array_equal(params[name], leaf)
        assert_allclose(progress.params[name], leaf, rtol=1e-6)


@pytest.mark.slow
def test_half_precision_reaches_the_same_loss():
    recipe = RECIPE._replace(n_steps=300)
    whole, half = (
        list(train(NETWORK, initial_weights(NETWORK, 0), crops(), 1.0, variant, 0))[-1]
        for variant in (recipe, recipe._replace(half=True))
    )
    assert whole.loss != half.loss
    assert_allclose(half.loss, whole.loss, rtol=0.02)
    assert {leaf.dtype for leaf in half.params.values()} == {np.dtype(np.float32)}


def test_crops_are_flipped_in_all_eight_ways():
    crop = np.arange(9.0).reshape(3, 3)
    found = np.asarray(_flipped(jax.random.key(0), np.repeat(crop[None], 400, axis=0)))
    ways = [way for turns in range(4) for way in (np.rot90(crop, turns), np.rot90(crop, turns).T)]
    counts = [int((found == way).all(axis=(1, 2)).sum()) for way in ways]
    assert sum(counts) == 400 and min(counts) > 25


@pytest.mark.parametrize(("draws", "variance"), [(1, 1 / 12), (2, 1 / 24)])
def test_deviations_are_in_their_range(draws, variance):
    found = np.asarray(_deviations(jax.random.key(0), 20_000, TRACED, draws))
    assert found.min() >= 0.1 and found.max() <= 0.3
    assert_allclose(found.mean(), 0.2, atol=0.002)
    assert_allclose(found.var(), 0.2**2 * variance, rtol=0.05)


def test_the_rate_rises_and_falls():
    shares = np.array([_share_of_rate(np.float32(step), np.float32(2000)) for step in (0, 149, 299, 300, 1150, 1999)])
    assert_allclose(shares, [1 / 300, 0.5, 1, 1, 0.5, 0], atol=1e-5)
    assert float(_share_of_rate(np.float32(0), np.float32(1))) == 1
