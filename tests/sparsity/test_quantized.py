import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from isthmus.core.errors import InvalidParameterError
from isthmus.core.types import Noise
from isthmus.networks.dense import Dense
from isthmus.sparsity import CODES, VectorQuantization
from isthmus.sparsity.base import Sparsity, Step
from isthmus.sparsity.quantized import entries_of, in_groups, nearest, perplexity
from stepping import batch_of, drawn, numbers_at, step

SEED = np.array([3, 4], np.uint32)


FIND = jax.jit(
    lambda values, state: nearest(in_groups(values, state), state),
    compiler_options={"xla_backend_optimization_level": 0},
)


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


def state_of(codebook, count=None):
    codebook = np.asarray(codebook, np.float64)
    return {"codebook": codebook, "count": np.ones(codebook.shape[:2]) if count is None else np.asarray(count, float)}


def taken(method, values, state, *, epoch=1, first=0, weight=None, sample_weight=None, **numbers):
    """Take a training step of which the encoder's output is `values`; `first` is the number of the first row."""
    batch = batch_of(np.asarray(values, float), weight)
    weights = jnp.ones(len(values)) if sample_weight is None else jnp.asarray(sample_weight)
    batch = batch._replace(row=batch.row + np.array([first, 0], np.uint32), sample_weight=weights)
    scheduled = numbers_at(method, values.shape[1]) | numbers
    found = compiled(method.static())(jnp.asarray(values), state, batch, Noise(SEED, np.uint32(epoch)), scheduled)
    return jax.tree.map(np.asarray, found)


@functools.cache
def compiled(method):
    network = SimpleNamespace(activate_code=lambda pre_code: pre_code)

    def select(values, state, batch, noise, scheduled):
        return method.select(Step(network, {}, state, batch, noise=noise, scheduled=scheduled, pre_code=values))

    # As in `stepping`: optimising a program takes longer than it runs.
    return jax.jit(select, compiler_options={"xla_backend_optimization_level": 0})


def distances(groups, codebook):
    return np.square(groups[:, :, None] - codebook[None]).sum(axis=3)


# The nearest entry -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "offset"), [pytest.param(1, 0.0, marks=pytest.mark.slow), (3, 1e4)])
def test_the_nearest_entry_is_numpys(groups, offset):
    rng = np.random.default_rng(groups)
    codebook = rng.normal(size=(groups, 7, 6 // groups)) + offset
    count = np.ones((groups, 7))
    count[:, 2] = 0  # not set: never chosen
    values = rng.normal(size=(50, 6)) + offset
    state = state_of(codebook, count)
    split = values.reshape(50, groups, -1)
    expected = np.where(count > 0, distances(split, codebook), np.inf).argmin(axis=2)
    found = np.asarray(FIND(values, state))
    assert_array_equal(found, expected)
    # In single precision too, also far from 0.
    single = state_of(codebook, count)
    single = {name: leaf.astype(np.float32) for name, leaf in single.items()}
    rounded = values.astype(np.float32)
    away = distances(rounded.reshape(50, groups, -1).astype(float), single["codebook"].astype(float))
    expected = np.where(count > 0, away, np.inf).argmin(axis=2)
    assert_array_equal(FIND(rounded, single), expected)


def test_of_equal_entries_the_first_is_chosen():
    state = state_of([[[1.0, 0], [2, 2], [1, 0], [2, 2]]])
    assert_array_equal(FIND(np.array([[2.0, 2], [1, 0]]), state), [[1], [0]])


@pytest.mark.slow
def test_outside_training_codes_are_entries_and_infinite_ones_are_none():
    rng = np.random.default_rng(0)
    method, state = VectorQuantization(4, 2), state_of(rng.normal(size=(2, 4, 3)))
    values = rng.normal(size=(5, 6))
    values[3, 1] = np.inf
    network = SimpleNamespace(activate_code=lambda pre_code: pre_code)
    given = Step(network, {}, state, train=False)
    code, after = jax.jit(lambda pre_code: method.select(given._replace(pre_code=pre_code)))(values)
    numbers, _ = method.numbered().select(given._replace(pre_code=jnp.asarray(values)))
    assert np.isnan(code[3, 1]) and np.isnan(numbers[3, 0])
    finite = np.arange(5) != 3
    assert_array_equal(entries_of(np.asarray(numbers)[finite].astype(int), state), np.asarray(code)[finite])
    jax.tree.map(assert_array_equal, after, state)


# Gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_gradients_are_those_of_the_loss_with_constant_differences():
    """Straight-through: decode(z + (e - z)) with e - z constant, plus the commitment with e constant."""
    rng = np.random.default_rng(0)
    network, method = Dense(5, 4, (6,), (6,), "tanh"), VectorQuantization(5, 2, commitment=0.7)
    params, x = drawn(network, method), rng.normal(size=(8, 5))
    state = state_of(rng.normal(size=(2, 5, 2)))
    found = step(network, method, params, x, state=state)
    before = np.asarray(network.encode(params, x))
    entries = np.asarray(entries_of(np.asarray(nearest(in_groups(jnp.asarray(before), state), state)), state))

    def surrogate(leaves):
        there = tree.unflatten(leaves)
        z = np.asarray(network.encode(there, x))
        output = np.asarray(network.decode(there, jnp.asarray(z + (entries - before))))
        return np.mean((output - x) ** 2) + 0.7 * np.mean((z - entries) ** 2)

    leaves, tree = jax.tree.flatten(params)
    assert_allclose(found.total, surrogate(leaves), rtol=1e-12)
    assert_allclose(found.terms["commitment"], 0.7 * np.mean((before - entries) ** 2), rtol=1e-12)
    for number, (leaf, slopes) in enumerate(zip(leaves, jax.tree.leaves(found.gradients), strict=True)):
        for place in [*np.ndindex(leaf.shape)][::3]:
            ends = []
            for reach in (1e-6, -1e-6):
                moved = leaf.copy()
                moved[place] += reach
                ends.append(surrogate([*leaves[:number], moved, *leaves[number + 1 :]]))
            assert_allclose(slopes[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-8)


# The codebook ------------------------------------------------------------------------------------------------------


def test_entries_are_the_moving_averages_of_the_paper():
    """Appendix A.1: N = g N + (1 - g) n, m = g m + (1 - g) the sum of the outputs nearest to e, and e = m / N."""
    rng = np.random.default_rng(1)
    method, decay = VectorQuantization(6, 2), 0.9
    state = state_of(rng.normal(size=(2, 6, 2)), rng.uniform(1, 2, (2, 6)))
    count, e = state["count"].copy(), state["codebook"].copy()
    m = count[..., None] * e
    for number in range(6):
        values = rng.normal(size=(20, 4))
        weight, sample_weight = np.repeat([1.0, 0], [17, 3]), rng.uniform(0.5, 2, 20)
        groups = values.reshape(20, 2, 2)
        chosen = distances(groups, e).argmin(axis=2)
        code, state = taken(
            method,
            values,
            state,
            first=100 * number,
            weight=weight,
            sample_weight=sample_weight,
            decay=decay,
            min_usage=0.0,
        )
        assert_allclose(code.reshape(20, 2, 2), np.stack([e[g, chosen[:, g]] for g in range(2)], axis=1), rtol=1e-9)
        for g, i in np.ndindex(2, 6):
            share = weight * sample_weight * (chosen[:, g] == i)
            count[g, i] = decay * count[g, i] + (1 - decay) * share.sum()
            m[g, i] = decay * m[g, i] + (1 - decay) * share @ groups[:, g]
        e = m / count[..., None]
        assert_allclose(state["count"], count, rtol=1e-10)
        assert_allclose(state["codebook"], e, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_an_entry_without_rows_stays_as_it_is():
    method = VectorQuantization(2, 1)
    state = state_of([[[0.3, 0.1], [50.1, 50.7]]])
    for number in range(3):
        _, state = taken(method, np.full((4, 2), 0.2), state, first=10 * number, min_usage=0.0)
    assert_array_equal(state["codebook"][0, 1], [50.1, 50.7])


def test_at_the_start_entries_are_outputs_of_rows_and_those_too_many_wait():
    rng = np.random.default_rng(2)
    method = VectorQuantization(7, 2)
    values = rng.normal(size=(6, 4))
    code, state = taken(method, values, method.init(4), weight=np.repeat([1.0, 0], [4, 2]))
    assert_array_equal((state["count"] > 0).sum(axis=1), [4, 4])
    assert_allclose(code[:4], values[:4])  # each row is an entry
    for group in range(2):
        entries = state["codebook"][group][state["count"][group] > 0]
        assert_allclose(np.sort(entries, axis=0), np.sort(values[:4, 2 * group : 2 * group + 2], axis=0))
    _, state = taken(method, rng.normal(size=(6, 4)), state, first=6)
    assert (state["count"] > 0).all()


def test_a_dead_entry_is_used_again():
    rng = np.random.default_rng(3)
    method = VectorQuantization(4, 1, min_usage=0.1)
    codebook = np.array([[[0.0, 0], [5, 5], [900, 900], [0, 5]]])
    values = rng.normal(size=(30, 2)) + 5 * rng.integers(0, 2, (30, 1))
    before = state_of(codebook, [[10.0, 10, 0.1, 10]])
    # A decay of 1 leaves the entry where it restarted: at the output of a row, whose code it is.
    code, after = taken(method, values, before, decay=1.0)
    entry = codebook[0, 2]
    row = np.flatnonzero((values == after["codebook"][0, 2]).all(axis=1))
    assert len(row) == 1
    assert_array_equal(code[row[0]], values[row[0]])
    assert_allclose(after["count"][0], [10, 10, 2 * 0.1 * 30.1 / 4, 10])
    # The same step gives the same entry, another epoch another.
    assert_array_equal(taken(method, values, before, decay=1.0)[1]["codebook"], after["codebook"])
    assert not np.array_equal(taken(method, values, before, epoch=2, decay=1.0)[1]["codebook"], after["codebook"])
    kept = taken(method, values, before, min_usage=0.0)[1]
    assert_array_equal(kept["codebook"][0, 2], entry)


@pytest.mark.slow
def test_validation_rows_do_not_move_the_codebook():
    method, state = VectorQuantization(4, 1), state_of(np.eye(4)[None])
    network = Dense(4, 4)
    found = step(network, method, drawn(network, method), np.eye(4), state=state)
    jax.tree.map(assert_array_equal, found.state, state)
    # Before any entry is set they have no loss, so that early stopping does not keep the start.
    assert np.isnan(step(network, method, drawn(network, method), np.eye(4), state=method.init(4)).total)


@pytest.mark.slow
def test_padding_has_no_effect():
    rng = np.random.default_rng(4)
    method, weight = VectorQuantization(5, 1), np.repeat([1.0, 0], [6, 2])
    near, far = np.zeros((8, 2)), np.full((8, 2), 1e3)
    near[:6] = far[:6] = rng.normal(size=(6, 2))
    results = [taken(method, values, method.init(2), weight=weight) for values in (near, far)]
    assert_allclose(results[0][0][:6], results[1][0][:6])
    jax.tree.map(assert_allclose, results[0][1], results[1][1])


@pytest.mark.slow
def test_without_an_encoder_it_is_k_means():
    X, _ = make_blobs(3000, 2, centers=6, cluster_std=1.5, random_state=0)
    method, batch = VectorQuantization(16, 1), 100
    state, rng = method.init(2), np.random.default_rng(0)
    for number in range(800):
        values = X[rng.integers(0, len(X), batch)]
        decay = 0.95 if number < 500 else 0.99
        _, state = taken(method, values, state, first=number * batch, decay=decay)
    chosen = nearest(in_groups(jnp.asarray(X), state), state)
    mean = np.square(X - np.asarray(entries_of(chosen, state))).sum(axis=1).mean()
    best = KMeans(16, n_init=5, random_state=0).fit(X).inertia_ / len(X)
    assert mean < 1.05 * best
    assert perplexity(np.asarray(state["count"]))[0] > 12


# Settings and reports ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_components", "groups"), [(1, 1), (2, 1), (4, 1), (7, 1), (8, 2), (10, 2), (12, 3), (13, 1), (32, 8), (64, 16)]
)
def test_groups_have_at_least_four_units(n_components, groups):
    method = VectorQuantization()
    assert method.groups_of(n_components) == groups
    assert method.init(n_components)["codebook"].shape == (groups, 256, n_components // groups)
    method.check(SimpleNamespace(n_components=n_components))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_codes": 1}, "n_codes=1 must be an integer >= 2"),
        ({"n_groups": 0}, "n_groups=0 must be an integer >= 1 or 'auto'"),
        ({"decay": 1}, "decay=1 must be a number >= 0 and < 1"),
        ({"min_usage": 1.0}, "min_usage=1.0 must be a number >= 0 and < 1"),
        ({"commitment": -1}, "commitment=-1 must be a number >= 0"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        VectorQuantization(**settings)


def test_units_that_cannot_be_divided_are_refused():
    with pytest.raises(
        InvalidParameterError, match=r"^n_groups=3 must divide n_components=8: groups have equal sizes$"
    ):
        VectorQuantization(n_groups=3).check(SimpleNamespace(n_components=8))


def test_perplexity_is_the_exponential_of_the_entropy():
    usage = np.random.default_rng(0).uniform(size=(3, 8))
    assert_allclose(perplexity(usage), np.exp(entropy(usage, axis=1)))
    assert_allclose(perplexity([[1, 1, 1, 1], [0, 5, 0, 0], [0, 0, 0, 0]]), [4, 1, 0])


def test_the_report_counts_entries_that_restart_next():
    state = state_of(np.zeros((2, 4, 1)), [[1, 1, 1, 1], [10, 1, 0.1, 0]])
    found = VectorQuantization(4, 2).report(state, {"min_usage": np.asarray(0.1)})
    assert_allclose(found["perplexity"], (4 + np.exp(entropy([10, 1, 0.1, 0]))) / 2)
    assert found["unused_codes"] == 2


@pytest.mark.parametrize("name", CODES)
def test_every_row_declares_its_settings(name):
    kind = CODES[name]
    method = kind()
    assert issubclass(kind, VectorQuantization)
    assert issubclass(kind, Sparsity)
    assert set(kind.traced) <= set(method.schedules(8, 10))
    assert all(f"\n    {setting}" in kind.__doc__ or f", {setting}" in kind.__doc__ for setting in method.get_params())
