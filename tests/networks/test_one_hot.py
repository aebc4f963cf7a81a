"""The softmax of categories, and the logits that follow a linear reconstruction."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from isthmus.networks.dense import Dense
from isthmus.networks.one_hot import is_category, log_probabilities, starting_logits, with_probabilities

GROUPS = ((1, 4), (4, 6), (8, 9))  # of ten columns
WIDTH = 10


@pytest.fixture
def pre_output():
    return np.random.default_rng(0).normal(0, 30, (7, WIDTH)).astype(np.float32)


def test_members_of_categories():
    assert np.flatnonzero(is_category(GROUPS, WIDTH)).tolist() == [1, 2, 3, 4, 5, 8]


def test_log_probabilities_are_those_of_scipy(pre_output):
    found = np.asarray(log_probabilities(jnp.asarray(pre_output), GROUPS))
    for start, stop in GROUPS:
        assert_allclose(found[:, start:stop], log_softmax(pre_output[:, start:stop], axis=1), atol=1e-4)
    assert not found[:, ~is_category(GROUPS, WIDTH)].any()


def test_other_columns_stay(pre_output):
    found = np.asarray(with_probabilities(2 * pre_output, jnp.asarray(pre_output), GROUPS))
    others = ~is_category(GROUPS, WIDTH)
    assert np.array_equal(found[:, others], 2 * pre_output[:, others])
    for start, stop in GROUPS:
        assert_allclose(found[:, start:stop].sum(axis=1), 1, rtol=1e-5)


def test_gradient_of_the_cross_entropy(pre_output):
    """It is the probability less the target, in closed form."""
    level = np.eye(3, dtype=np.float32)[[0, 2, 1, 0, 0, 1, 2]]

    def loss(pre):
        return -jnp.sum(level * log_probabilities(pre, GROUPS)[:, 1:4])

    gradient = np.asarray(jax.grad(loss)(jnp.asarray(pre_output / 30)))
    expected = np.exp(log_softmax(pre_output[:, 1:4] / 30, axis=1)) - level
    assert_allclose(gradient[:, 1:4], expected, atol=1e-5)
    assert not gradient[:, [0, *range(4, WIDTH)]].any()


def test_large_values_are_finite():
    rows = jnp.asarray(np.array([[0, 1e30, -1e30, 0, 3e38, -3e38, 0, 0, 1, 0]], np.float32))
    assert np.isfinite(np.asarray(log_probabilities(rows / 4, GROUPS))).all()


def test_starting_logits_follow_small_changes():
    """The softmax of log(p) + d / p is p + d, to first order in d."""
    shares = np.array([0.0, 0.5, 0.3, 0.2, 0.6, 0.4, 0.0, 0.0, 1.0, 0.0])
    change = np.array([5.0, 0.01, -0.004, -0.006, 0.02, -0.02, 7.0, 8.0, 0.0, 9.0])
    bias, slope = starting_logits(shares, GROUPS)
    pre = jnp.asarray((bias + slope * change)[None])
    found = np.asarray(with_probabilities(pre, pre, GROUPS))[0]
    chosen = is_category(GROUPS, WIDTH)
    assert_allclose(found[chosen], (shares + change)[chosen], atol=1e-3)
    assert_allclose(found[~chosen], change[~chosen], rtol=1e-6)


def test_dense_output_has_probabilities():
    network = Dense(WIDTH, 2, (8,), (8,), categories=GROUPS)
    params = network.init(0)
    rows = np.asarray(network.activate_output(network.decode(params, jnp.ones((3, 2)))))
    for start, stop in GROUPS:
        assert_allclose(rows[:, start:stop].sum(axis=1), 1, rtol=1e-5)
