import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from isthmus.core.types import Batch
from isthmus.losses.classification import CrossEntropy
from isthmus.networks.classifying import Classifying
from isthmus.networks.dense import Dense

rng = np.random.default_rng(0)
NETWORK = Classifying(Dense(4, 3, (5,), activation="tanh", precision="float64"), 3)
X, LABELS = rng.normal(size=(6, 4)), np.array([1, 2, 2, 0, 1, 2], np.int32)
ROWS = np.array([3, 1, 6, 0, 2, 5], np.uint32)
WEIGHT = np.array([1.0, 1, 1, 1, 0, 0])


def params():
    body = NETWORK.body.init(0)
    return jax.tree.map(np.asarray, {"encoder": body["encoder"], **NETWORK.init(0)})


def loss(params, l2=0.3):
    labels = {"labels": jnp.asarray(LABELS)}
    batch = Batch(jnp.asarray(X), jnp.asarray(WEIGHT), jnp.stack([ROWS, 0 * ROWS], axis=1), extras=labels)
    total, (_, terms) = CrossEntropy(NETWORK)(params, (), batch, batch.x, None, {"l2": l2})
    return total, terms


def test_the_loss_by_hand():
    with jax.enable_x64(True):
        given = params()
        logits = np.asarray(NETWORK.encode(given, X))
        total, terms = loss(given)
    own = log_softmax(logits, axis=1)[np.arange(6), LABELS]
    expected = -own[:4].mean() + 0.15 * np.square(given["head"]["weight"]).sum()
    assert_allclose(total, expected, rtol=1e-12)
    assert_allclose(terms["accuracy"], np.mean(logits.argmax(1)[:4] == LABELS[:4]))


def test_gradients_equal_finite_differences():
    with jax.enable_x64(True):
        leaves, tree = jax.tree.flatten(params())
        found = jax.tree.leaves(jax.grad(lambda p: loss(p)[0])(tree.unflatten(leaves)))
        for number, leaf in enumerate(leaves):
            place = np.unravel_index(np.abs(found[number]).argmax(), leaf.shape)
            ends = []
            for side in (1e-6, -1e-6):
                moved = leaf.copy()
                moved[place] += side
                ends.append(float(loss(tree.unflatten([*leaves[:number], moved, *leaves[number + 1 :]]))[0]))
            assert_allclose(np.asarray(found[number])[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-5)


def test_a_frozen_encoder_has_no_gradient():
    gradients = jax.tree.map(np.ones_like, params())
    kept = CrossEntropy(NETWORK, freezes=True).constrain_gradients(params(), gradients)
    assert not any(leaf.any() for leaf in jax.tree.leaves(kept["encoder"]))
    assert kept["head"]["weight"].all()


@pytest.mark.parametrize("indicator", [False, True])
def test_condition_kind(indicator):
    network = Classifying(Dense(4, 3, indicator=indicator), 2)
    assert CrossEntropy(network).condition_kind == ("missing" if indicator else None)
