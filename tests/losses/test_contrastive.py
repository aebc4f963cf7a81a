from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from numpy.testing import assert_allclose

from isthmus.core.functions import Function
from isthmus.core.types import Batch
from isthmus.losses import CONTRASTS, KERNELS
from isthmus.losses.contrastive import Contrastive, cauchy, cosine, squared_distances
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense

rng = np.random.default_rng(0)
NETWORK = Dense(4, 3, (5,), (5,), activation="tanh", precision="float64")
X = rng.normal(size=(8, 4))
PADDED = np.array([1.0, 1, 1, 1, 1, 1, 0, 0])
SCHEDULED = {"neighbor_weight": 0.7, "reconstruction_weight": 2.0, "temperature": 0.5}


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def similarity_of(kernel, a, b):
    """Return the similarity of two codes, from the papers."""
    if kernel == "cauchy":
        return 1 / (1 + np.sum((a - b) ** 2))
    return np.exp(a @ b / np.linalg.norm(a) / np.linalg.norm(b) - 1)


def by_hand(contrast, kernel, codes, weights, temperature=0.5, log_partition=0.3):
    losses = []
    for i, code in enumerate(codes):
        positive = similarity_of(kernel, code, codes[i ^ 1]) ** (1 / temperature)
        others = [j for j in range(len(codes)) if j not in (i, i ^ 1) and weights[j]]
        each = np.array([similarity_of(kernel, code, codes[j]) ** (1 / temperature) for j in others])
        shares = np.array([weights[j] for j in others]) / sum(weights[j] for j in others)
        if contrast == "infonce":
            losses.append(
                -np.log(positive / (positive + sum(weights[j] * q for j, q in zip(others, each, strict=True))))
            )
        elif contrast == "negative_sampling":
            losses.append(-np.log(positive) - 5 * shares @ np.log(1 - 0.999 * each))
        else:
            z = 5 * np.exp(log_partition)
            losses.append(-np.log(positive / (positive + z)) - 5 * shares @ np.log(z / (each + z)))
    return np.array(losses)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("width", [2, 12])
def test_contrasts_equal_numpy(contrast, kernel, width):
    codes = rng.normal(size=(8, width))
    weights = PADDED * rng.uniform(0.5, 2, 8)
    found = CONTRASTS[contrast](KERNELS[kernel](jnp.asarray(codes)) / 0.5, jnp.asarray(weights), jnp.asarray(0.3))
    assert_allclose(found[:6], by_hand(contrast, kernel, codes, weights)[:6], rtol=1e-6)


@pytest.mark.parametrize("width", [2, 12])
def test_squared_distances(width):
    codes = rng.normal(size=(8, width))
    expected = np.sum((codes[:, None] - codes) ** 2, axis=2)
    assert_allclose(squared_distances(jnp.asarray(codes)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("contrast", "kernel", "width"),
    [(contrast, kernel, 2) for contrast in CONTRASTS for kernel in KERNELS] + [("infonce", "cauchy", 12)],
)
def test_gradients_are_finite_at_distance_zero(contrast, kernel, width):
    def total(codes):
        return jnp.sum(CONTRASTS[contrast](KERNELS[kernel](codes) / 0.1, jnp.asarray(PADDED), jnp.asarray(0.0)))

    compiled = jax.jit(jax.value_and_grad(total))
    for codes in (np.zeros((8, width)), np.full((8, width), 1e15), np.eye(8, width) * 1e-30):
        value, gradient = compiled(jnp.asarray(codes, jnp.float32))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_similarities_that_round_to_zero_have_a_loss():
    codes = np.array([[1.0, 0], [1, 0], [-1, 0], [-1, 0]], np.float32)
    for end in (codes, codes[[0, 2, 1, 3]]):
        losses = CONTRASTS["infonce"](cosine(jnp.asarray(end)) / 0.001, jnp.ones(4), jnp.zeros(()))
        assert np.isfinite(losses).all()


def objective_of(contrast, kernel, reconstructs=True):
    return Contrastive(NETWORK, contrast, kernel, Reconstruction(NETWORK) if reconstructs else None)


def batch_of(x=X, weight=PADDED, sample_weight=None):
    rows = np.arange(len(x), dtype=np.uint32)
    own = None if sample_weight is None else jnp.asarray(sample_weight)
    return Batch(jnp.asarray(x), jnp.asarray(weight), jnp.stack([rows // 2, rows % 2], axis=1), sample_weight=own)


def loss(objective, params, batch):
    return objective(params, (), batch, batch.x, None, SCHEDULED)


@pytest.mark.parametrize(
    ("contrast", "kernel"), [("infonce", "cauchy"), ("negative_sampling", "cosine"), ("nce", "cauchy")]
)
def test_the_loss_and_its_gradient(contrast, kernel):
    objective = objective_of(contrast, kernel)
    params = objective.with_own(NETWORK.init(0))
    total, (_, terms) = loss(objective, params, batch_of())
    codes = np.asarray(NETWORK.encode(params, X))
    expected = by_hand(contrast, kernel, codes, PADDED, log_partition=0.0)[:6].mean()
    output = np.asarray(NETWORK.decode(params, jnp.asarray(codes)))
    error = np.mean((output - X)[:6] ** 2)
    assert_allclose([terms["neighbors"], terms["reconstruction"]], [expected, error], rtol=1e-6)
    assert_allclose(total, 0.7 * expected + 2 * error, rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda given: loss(objective, given, batch_of())[0]))(params)
    leaves, tree = jax.tree.flatten(params)
    along = [rng.normal(size=np.shape(leaf)) for leaf in leaves]

    value = jax.jit(lambda given: loss(objective, given, batch_of())[0])

    def moved(step):
        shifted = [leaf + step * one for leaf, one in zip(leaves, along, strict=True)]
        return value(jax.tree.unflatten(tree, shifted))

    slope = sum(np.sum(one * np.asarray(leaf)) for one, leaf in zip(along, jax.tree.leaves(gradient), strict=True))
    assert_allclose((moved(1e-6) - moved(-1e-6)) / 2e-6, slope, rtol=1e-6)


def test_padding_has_no_influence():
    objective = objective_of("infonce", "cauchy")
    params = NETWORK.init(0)
    other = np.where(PADDED[:, None] > 0, X, 7.0)
    assert_allclose(loss(objective, params, batch_of(other))[0], loss(objective, params, batch_of())[0], rtol=1e-12)
    # Without padding, but divided by the same number of rows.
    assert_allclose(loss(objective, params, batch_of(X[:6], PADDED[:6]))[0], loss(objective, params, batch_of())[0])


def test_an_edge_of_weight_2_counts_as_two():
    objective = objective_of("infonce", "cauchy", reconstructs=False)
    params = NETWORK.init(0)
    codes = np.asarray(NETWORK.encode(params, X))
    weights = np.array([2.0, 2, 1, 1, 0.5, 0.5, 0.5, 0.5])
    found = loss(objective, params, batch_of(weight=np.ones(8), sample_weight=weights))[1][1]["neighbors"]
    assert_allclose(found, np.mean(weights * by_hand("infonce", "cauchy", codes, weights)), rtol=1e-6)


def test_the_decoder_is_not_trained_without_a_reconstruction():
    objective = objective_of("infonce", "cosine", reconstructs=False)
    params = NETWORK.init(0)
    gradient = jax.grad(lambda given: loss(objective, given, batch_of())[0])(params)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["decoder"]))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient["encoder"]))


def test_own_parameters_of_nce():
    objective = objective_of("nce", "cauchy")
    params = NETWORK.init(0)
    both = objective.with_own(params)
    assert both["contrast"]["log_partition"].dtype == NETWORK.dtype
    assert float(both["contrast"]["log_partition"]) == 0
    assert objective.without_own(both) == params
    assert replace(objective, contrast="infonce").with_own(params) is params


def test_kernels_at_one_point():
    assert_allclose(cauchy(jnp.ones((3, 2))), 0)
    assert_allclose(cosine(jnp.ones((3, 2))), 0, atol=1e-12)


def slanted(code, params):
    """A penalty of a user."""
    return jnp.mean(code[:, 0] ** 3) + jnp.sum(params["encoder"][-1]["bias"] ** 2)


def with_penalty(penalty):
    return Contrastive(NETWORK, "infonce", "cauchy", Reconstruction(NETWORK, penalty=penalty))


def test_penalties_of_the_map():
    params = NETWORK.init(0)
    scheduled = {**SCHEDULED, "penalty_weight": 0.3}
    plain, (_, terms) = loss(objective_of("infonce", "cauchy"), params, batch_of())
    codes, (first, last) = np.asarray(NETWORK.encode(params, X))[:6], params["encoder"]
    slopes = 1 - np.tanh(X[:6] @ first["weight"] + first["bias"]) ** 2
    squares = np.sum(np.einsum("dh,bh,hk->bdk", first["weight"], slopes, last["weight"]) ** 2, axis=(1, 2))
    repeated = codes[np.arange(8) * 6 // 8]
    own = np.mean(repeated[:, 0] ** 3) + np.sum(last["bias"] ** 2)
    cases = (Function(slanted), "penalty", own), ("contractive", "contractive", squares.mean())
    for penalty, name, expected in cases:
        objective = with_penalty(penalty)

        def total(params, objective=objective):
            return objective(params, (), batch_of(), X, None, scheduled)

        found, (_, found_terms) = jax.jit(total)(params)
        assert_allclose(found_terms.pop(name), 0.3 * expected, rtol=1e-6)
        assert found_terms.keys() == terms.keys()
        assert_allclose(found, plain + 0.3 * expected, rtol=1e-6)
        check_grads(jax.jit(lambda params, total=total: total(params)[0]), (params,), 1, ["rev"], 1e-6, 1e-6)


def test_functions_of_a_user_are_named():
    assert objective_of("infonce", "cauchy", reconstructs=False).own_functions == ()
    assert with_penalty("contractive").own_functions == ()
    assert with_penalty(Function(slanted)).own_functions == ("penalty=slanted",)
