import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.data.sources import open_source
from isthmus.estimators.fit.arrangement import Arrangement
from isthmus.estimators.fit.run import start_fit, start_partial_fit
from isthmus.networks.dense import Dense
from isthmus.sparsity import Matryoshka, TopK

rng = np.random.default_rng(0)
# Units of variances 1, 9, 0, 4, 0 (two of them constant).
CODE = np.stack([rng.permuted(np.linspace(-1, 1, 200)) * scale for scale in (1, 3, 0, 2, 0)], axis=1)
ROWS = CODE @ rng.normal(size=(5, 3))
LINEAR = Dense(3, 5, linear_path=True)


def assert_same_trees(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(assert_array_equal, one, other)


def test_units_are_ordered_by_variance_and_constant_units_keep_their_places():
    assert_array_equal(Arrangement.of(LINEAR, None, CODE, ROWS).order, [1, 3, 0, 2, 4])


def test_units_are_ordered_within_each_prefix_that_may_be_reordered():
    method = Matryoshka(2, prefixes=(2, 5))
    assert method.prefixes_of(5) == (2, 5)
    found = Arrangement.of(Dense(3, 5, code_activation="relu"), method, np.abs(CODE[:, [0, 1, 4, 3, 2]]), ROWS)
    assert_array_equal(found.order, [1, 0, 3, 2, 4])


def test_signs_make_the_strongest_column_positive():
    found = Arrangement.of(LINEAR, None, CODE, ROWS)
    code = CODE[:, found.order] * found.signs
    joint = code.T @ (ROWS - ROWS.mean(axis=0))
    strongest = joint[np.arange(5), np.abs(joint).argmax(axis=1)]
    assert (strongest >= 0).all()
    assert set(found.signs) == {-1, 1}


@pytest.mark.parametrize(
    ("network", "sparsity"),
    [(Dense(3, 5, code_activation="relu"), None), (Dense(3, 5, code_activation="sigmoid"), None), (LINEAR, TopK(2))],
)
def test_codes_whose_sign_matters_are_not_turned(network, sparsity):
    assert (Arrangement.of(network, sparsity, CODE, ROWS).signs == 1).all()


def test_the_network_computes_the_same_with_its_code_rearranged():
    network = Dense(3, 5, (4,), (4,), "tanh", linear_path=True, init_name="glorot")
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), network.init(0))
    units = Arrangement(np.array([3, 0, 4, 1, 2]), np.array([1, -1, -1, 1, 1], np.float32))
    x = ROWS.astype(np.float32)
    before, after = (np.asarray(network.encode(tree, x)) for tree in (params, units.params(network, params)))
    assert_allclose(after, before[:, units.order] * units.signs, atol=1e-5)
    decoded = [
        np.asarray(network.decode(tree, code))
        for tree, code in ((params, before), (units.params(network, params), after))
    ]
    assert_allclose(decoded[0], decoded[1], atol=1e-4)


def test_state_and_parameters_of_a_method_move_with_their_units():
    units = Arrangement(np.array([2, 0, 1]), np.ones(3, np.float32))
    state = {"idle": np.array([5, 6, 7]), "threshold": np.float32(0.5)}
    assert_array_equal(units.model(state)["idle"], [7, 5, 6])
    assert units.model(state)["threshold"] == np.float32(0.5)
    network = Dense(4, 3, code_activation="relu")
    params = network.init(0) | {"sparsity": {"log_threshold": np.array([1.0, 2.0, 3.0])}}
    assert_array_equal(units.params(network, params)["sparsity"]["log_threshold"], [3, 1, 2])


def rearranged(fitted, tree, order, signs):
    return fitted.network_.reordered(tree, order, signs.astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "sgd", "lion"])
def test_the_optimizer_state_moves_with_the_units(small, rows, optimizer):
    run = start_fit(small(3, optimizer=optimizer, early_stopping=False), open_source(rows))
    run.reorders = False
    plain = run.train()
    run.reorders = True
    reordered = run.fitted(run.state)
    before, after = plain.params_["encoder"][-1]["bias"], reordered.params_["encoder"][-1]["bias"]
    order = np.array([int(np.argmin(abs(abs(before) - abs(value)))) for value in after])
    signs = np.sign(after) * np.sign(before[order])
    assert sorted(order) == [0, 1, 2]
    assert_same_trees(reordered.params_, rearranged(plain, plain.params_, order, signs))
    shape = jax.tree.structure(plain.params_)
    moments = [
        [
            node
            for node in jax.tree.leaves(tree, is_leaf=lambda n: jax.tree.structure(n) == shape)
            if isinstance(node, dict)
        ]
        for tree in (plain.optimizer_state_, reordered.optimizer_state_)
    ]
    assert len(moments[0]) == {"adam": 2, "sgd": 0}.get(optimizer, 1)
    for number, (old, new) in enumerate(zip(*moments, strict=True)):
        squares = optimizer == "rmsprop" or (optimizer == "adam" and number == 1)
        assert_same_trees(new, rearranged(plain, old, order, np.abs(signs) if squares else signs))


def test_a_fit_orders_its_units_and_partial_fit_does_not(small, rows):
    model = small(3, early_stopping=False).fit(rows)
    variances = model.transform(rows).var(axis=0)
    assert (np.diff(variances) <= 0).all()
    assert not start_partial_fit(model, open_source(rows)).reorders
