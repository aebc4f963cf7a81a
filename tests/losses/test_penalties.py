import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.core.functions import Function
from isthmus.core.types import Batch
from isthmus.losses import PENALTIES
from isthmus.losses.penalties import OWN, WEIGHT, weighted
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense
from isthmus.sparsity.base import Step
from isthmus.sparsity.ranking import SparseCode

NETWORK = Dense(4, 3, code_activation="sigmoid")
PARAMS = NETWORK.init(0)
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def batch_of(n_rows=6, sample_weight=None):
    numbers = np.arange(6, dtype=np.uint32)
    weight = (np.arange(6) < n_rows).astype(np.float32)
    rows = jnp.stack([numbers, 0 * numbers], axis=1)
    return Batch(jnp.asarray(X), jnp.asarray(weight), rows, sample_weight=sample_weight)


def term(penalty, batch, weight=1.0, code=None, eager=False):
    output, _ = Reconstruction(NETWORK).forward(PARAMS, batch.x, batch.row, None)
    output = output if code is None else output._replace(code=code)

    def computed(batch, output):
        return weighted(penalty, Step(NETWORK, PARAMS, (), batch, batch.x, None, {WEIGHT: weight}), output)

    return computed(batch, output) if eager else jax.jit(computed)(batch, output)


def codes():
    return np.asarray(NETWORK.activate_code(NETWORK.encode(PARAMS, X)))


@pytest.mark.parametrize("name", PENALTIES)
def test_rows_of_the_table(name):
    batch = batch_of()
    output, _ = Reconstruction(NETWORK).forward(PARAMS, batch.x, batch.row, None)
    values = PENALTIES[name].of_rows(Step(NETWORK, PARAMS, (), batch, batch.x), output)
    assert values.shape == (6,)
    assert (np.asarray(values) >= 0).all()
    assert_allclose(term(name, batch, 0.3)[name], 0.3 * values.mean(), rtol=1e-6)
    assert_allclose(term(name, batch_of(4))[name], values[:4].mean(), rtol=1e-6)
    shares = jnp.asarray([2.0, 0.5, 1, 1, 1, 0.5])
    assert_allclose(term(name, batch_of(6, shares))[name], (values * shares).mean(), rtol=1e-6)


@pytest.mark.slow
def test_a_function_of_the_code_and_the_parameters():
    def own(code, params):
        return jnp.mean(code**2) + jnp.sum(params["encoder"][0]["weight"])

    expected = (codes() ** 2).mean() + PARAMS["encoder"][0]["weight"].sum()
    assert_allclose(term(Function(own), batch_of(), 0.5)[OWN], 0.5 * expected, rtol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 6])
def test_a_short_batch_has_its_rows_repeated(n_rows):
    found = term(Function(lambda code, params: jnp.mean(code)), batch_of(n_rows))[OWN]
    # Six places divide by these numbers of rows, so that each row is repeated equally often.
    assert_allclose(found, codes()[:n_rows].mean(), rtol=1e-6)


@pytest.mark.slow
def test_places_that_do_not_divide_by_the_rows():
    seen = []
    term(Function(lambda code, params: seen.append(np.asarray(code)) or jnp.sum(code)), batch_of(4), eager=True)
    counts = [(seen[0] == code).all(axis=1).sum() for code in codes()]
    assert sorted(counts[:4]) == [1, 1, 2, 2]
    assert counts[4:] == [0, 0]


@pytest.mark.slow
def test_a_wide_code_is_a_matrix():
    values, units = jnp.asarray([[2.0, 1.0]] * 6), jnp.asarray([[0, 2], [1, 0], [2, 1], [0, 1], [1, 2], [2, 0]])
    whole = np.zeros((6, 3))
    for row, (largest, second) in enumerate(np.asarray(units)):
        whole[row, largest], whole[row, second] = 2, 1
    found = term(
        Function(lambda code, params: jnp.sum(code * jnp.arange(3.0))), batch_of(), code=SparseCode(values, units)
    )
    assert_allclose(found[OWN], (whole * np.arange(3)).sum())


def test_what_kind_of_objective_it_makes():
    assert Reconstruction(NETWORK, penalty="contractive").is_mean_over_rows
    own = Function(lambda code, params: jnp.mean(code))
    assert not Reconstruction(NETWORK, penalty=own).is_mean_over_rows
    assert not Reconstruction(Dense(4, 3), penalty="contractive").takes_sparse_rows
    assert Reconstruction(NETWORK, Function(jnp.subtract), penalty=own).own_functions == (
        "loss=subtract",
        f"penalty={own}",
    )
