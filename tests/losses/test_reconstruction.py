import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from isthmus.core.random import Stream, key_words
from isthmus.core.types import Batch, Noise
from isthmus.losses import LOSSES, REDUCTIONS
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1, TopK
from stepping import drawn, slopes_agree, step

rng = np.random.default_rng(0)
X = rng.random((5, 4))
WEIGHT = np.array([1.0, 1, 1, 0, 0])
ROWS = np.stack([np.arange(5, dtype=np.uint32), np.zeros(5, np.uint32)], axis=1)
NOISE = Noise(key_words(1, Stream.NOISE), np.uint32(2))


def gradients_agree(network, losses=("mse",)):
    """Compare the gradients of several losses of one network, in one program, with central differences."""
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), network.init(0))
    flat, unravel = ravel_numpy(params)

    def totals(flat):
        batch = Batch(jnp.asarray(X), jnp.asarray(WEIGHT), jnp.asarray(ROWS))
        each = [Reconstruction(network, loss)(unravel(flat), (), batch, batch.x, NOISE, {})[0] for loss in losses]
        return jnp.stack(each)

    with jax.enable_x64(True):
        both = jax.jit(lambda flat: (totals(flat), jax.jacrev(totals)(flat)))
        found = np.asarray(both(flat)[1])
        steps = 1e-5 * np.eye(len(flat))
        differences = np.array([(both(flat + step)[0] - both(flat - step)[0]) / 2e-5 for step in steps]).T
    assert found.dtype == np.float64
    assert (np.abs(found).max(axis=1) > 1e-3).all()
    assert_allclose(found, differences, rtol=1e-5, atol=1e-8)


def ravel_numpy(params):
    leaves, tree = jax.tree.flatten(params)
    cuts = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def unravel(flat):
        parts = jnp.split(flat, cuts)
        return tree.unflatten([part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])

    return np.concatenate([leaf.ravel() for leaf in leaves]), unravel


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_finite_differences(activation, tied):
    gradients_agree(Dense(4, 2, (3,), (3,), activation, activation, "sigmoid", tied=tied), LOSSES)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("linear_path", [False, True])
def test_gradients_of_the_other_options(tied, linear_path):
    options = {"tied": tied, "linear_path": linear_path, "dropout": 0.4, "layer_norm": True}
    gradients_agree(Dense(4, 2, (4, 3), (3, 4), "tanh", **options))


BY_HAND = {
    "mse": lambda z, p, x: (z - x) ** 2,
    "bce": lambda z, p, x: -x * np.log(expit(p)) - (1 - x) * np.log(expit(-p)),
    "huber": lambda z, p, x: np.where(np.abs(z - x) <= 1, (z - x) ** 2 / 2, np.abs(z - x) - 0.5),
}


def test_every_loss_has_a_closed_form():
    assert set(BY_HAND) == set(LOSSES)


@pytest.mark.parametrize("loss", LOSSES)
def test_closed_form(loss):
    pre_output = rng.normal(size=(50, 3)) * 4
    reconstruction = expit(pre_output) if loss == "bce" else pre_output
    target = rng.random((50, 3))
    cells = LOSSES[loss](reconstruction, pre_output, target)
    assert_allclose(cells, BY_HAND[loss](reconstruction, pre_output, target), rtol=1e-5, atol=1e-5)
    assert cells.shape == (50, 3)


def test_cross_entropy_is_exact_where_the_sigmoid_has_rounded():
    cells = LOSSES["bce"](np.ones(2), np.array([80.0, -80.0]), np.array([0.0, 1.0]))
    assert_allclose(cells, [80, 80])


def test_padding_has_no_effect_on_the_mean():
    network = Dense(4, 2, (3,), (3,))
    params, objective = network.init(0), Reconstruction(network)
    short = Batch(X[:3].astype("f4"), WEIGHT[:3].astype("f4"), ROWS[:3])
    padded = Batch(np.where(WEIGHT[:, None] > 0, X, 1e6).astype("f4"), WEIGHT.astype("f4"), ROWS)
    (a, (state, terms)), (b, _) = (objective(params, ("kept",), batch, batch.x, None, {}) for batch in (short, padded))
    assert_allclose(a, b, rtol=1e-6)
    output, _ = objective.forward(params, X[:3].astype("f4"), None, None)
    assert_allclose(a, np.mean((output.reconstruction - X[:3]) ** 2), rtol=1e-5)
    assert (state, terms) == (("kept",), {})


def test_the_network_sees_the_noisy_rows_and_the_loss_the_clean_ones():
    network = Dense(4, 4)
    identity = {"encoder": [{"weight": np.eye(4, dtype="f4"), "bias": np.zeros(4, "f4")}]}
    identity["decoder"] = identity["encoder"]
    clean, noisy = X.astype("f4"), (X + 2).astype("f4")
    batch = Batch(clean, np.ones(5, "f4"), ROWS)
    assert_allclose(Reconstruction(network)(identity, (), batch, noisy, None, {})[0], 4, rtol=1e-5)


def test_equal_objectives_are_one():
    assert hash(Reconstruction(Dense(4, 2), "mse")) == hash(Reconstruction(Dense(4, 2), "mse"))
    assert Reconstruction(Dense(4, 2), "mse") == Reconstruction(Dense(4, 2))


# Sums of squares, penalties and unit rows --------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions(reduction):
    cells = rng.normal(size=(6, 4))
    by_hand = {"mean": cells.mean(axis=1), "sum": cells.sum(axis=1), "half_sum": cells.sum(axis=1) / 2}
    assert_allclose(REDUCTIONS[reduction](cells), by_hand[reduction], rtol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_ngs_objective(tied):
    network, method = Dense(4, 7, code_activation="sigmoid", tied=tied), KL(0.1, 3.0)
    params = drawn(network, method)
    taken = step(network, method, params, X, WEIGHT, reduction="half_sum", l2=0.01)
    first = params["encoder"][0]["weight"]
    second = first.T if tied else params["decoder"][0]["weight"]
    code = expit(X[:3] @ first + params["encoder"][0]["bias"])
    reconstruction, mean = code @ second + params["decoder"][0]["bias"], code.mean(axis=0)
    squares = 0.5 * np.sum((reconstruction - X[:3]) ** 2) / 3
    decay = 0.01 / 2 * (np.sum(first**2) + (0 if tied else np.sum(second**2)))
    divergence = 3 * np.sum(0.1 * np.log(0.1 / mean) + 0.9 * np.log(0.9 / (1 - mean)))
    assert_allclose(taken.total, squares + decay + divergence, rtol=1e-6)
    assert_allclose(
        [taken.terms[name] for name in ("reconstruction", "l2", "kl")], [squares, decay, divergence], rtol=1e-6
    )
    slopes_agree(network, method, params, X, weight=WEIGHT, reduction="half_sum", l2=0.01)


def test_the_l2_penalty_is_of_matrices_alone():
    network = Dense(4, 7, (5,), (3,), "tanh")
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype("f4"), network.init(0))
    batch = Batch(X.astype("f4"), WEIGHT.astype("f4"), ROWS)
    total, (_, terms) = Reconstruction(network, l2=True)(params, (), batch, batch.x, None, {"l2": np.float32(0.5)})
    plain, (_, nothing) = Reconstruction(network)(params, (), batch, batch.x, None, {})
    squares = sum(np.sum(layer["weight"] ** 2) for layer in params["encoder"] + params["decoder"])
    assert_allclose(total - plain, 0.25 * squares, rtol=1e-5)
    assert_allclose(terms["reconstruction"], plain)
    assert nothing == {}


def test_a_network_without_matrices_has_no_l2_penalty():
    network = Custom(lambda n, k, key: ((lambda row: row[:k]), (lambda code: code.sum() * jnp.ones(n))), 4, 2)
    batch = Batch(X.astype("f4"), WEIGHT.astype("f4"), ROWS)
    _, (_, terms) = Reconstruction(network, l2=True)(network.init(0), (), batch, batch.x, None, {"l2": np.float32(1)})
    assert float(terms["l2"]) == 0


def test_decoder_rows_are_kept_at_length_1():
    network = Dense(4, 7, (5,), (3,))
    objective = Reconstruction(network, unit_norm=True)
    params, gradients = (
        jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype("f4"), network.init(0)) for _ in range(2)
    )
    params["decoder"][0]["weight"][2] = 0
    kept = objective.constrain_parameters(params)
    rows = np.asarray(kept["decoder"][0]["weight"])
    lengths = np.linalg.norm(rows, axis=1)
    assert_allclose(lengths, np.where(np.arange(7) == 2, 0, 1), rtol=1e-6)
    assert_allclose(
        rows * np.linalg.norm(params["decoder"][0]["weight"], axis=1, keepdims=True),
        params["decoder"][0]["weight"],
        rtol=1e-5,
    )
    gradients = objective.constrain_gradients(kept, gradients)
    across, gradient = np.asarray(gradients["decoder"][0]["weight"]), gradients["decoder"][0]["weight"]
    assert_allclose(np.sum(across * rows, axis=1), 0, atol=1e-6)
    assert_allclose(across, gradient - np.sum(gradient * rows, axis=1, keepdims=True) * rows, rtol=1e-5, atol=1e-6)
    for before, after in ((params, kept), (gradients, gradients)):
        assert after["encoder"] is before["encoder"]
        assert after["decoder"][1] is before["decoder"][1]
        assert after["decoder"][0]["bias"] is before["decoder"][0]["bias"]
    plain = Reconstruction(network)
    assert plain.constrain_parameters(params) is params
    assert plain.constrain_gradients(params, gradients) is gradients


def test_the_report_counts_dead_units():
    state, scheduled = {"idle": np.array([0, 99, 100, 2**24 + 1, 2**31], np.uint32)}, {"dead_after": 100.0}
    assert Reconstruction(Dense(4, 5), sparsity=L1()).report(state, scheduled) == {"dead_units": 3}
    assert Reconstruction(Dense(4, 5)).report((), {}) == Reconstruction(Dense(4, 5), sparsity=KL()).report({}, {}) == {}


def test_a_sparsity_is_part_of_what_an_objective_is():
    objectives = [Reconstruction(Dense(4, 2), sparsity=method) for method in (None, KL(), L1(), KL(0.2))]
    assert len(set(objectives)) == 4
    assert Reconstruction(Dense(4, 2), sparsity=KL(0.2).static()) == objectives[1]


# Missing and corrupted cells ---------------------------------------------------------------------------------------


def loss_of(batch, reduction="mean", scheduled=None, noisy=None, **settings):
    objective = Reconstruction(NETWORK, reduction=reduction, **settings)
    return float(objective(PARAMS, (), batch, batch.x if noisy is None else noisy, None, scheduled or {})[0])


NETWORK = Dense(4, 2, activation="tanh", init_name="glorot", indicator=True)
PARAMS = NETWORK.init(0) | {"indicator": rng.normal(size=(4, 2)).astype(np.float32)}
OBSERVED = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 1]], bool)


def reconstructed():
    """The reconstruction of rows with missing cells, in numpy: zeros in their place, and the missing mask."""
    encoder, decoder = PARAMS["encoder"][0], PARAMS["decoder"][0]
    code = np.where(OBSERVED, X, 0) @ encoder["weight"] + encoder["bias"] + ~OBSERVED @ PARAMS["indicator"]
    return code @ decoder["weight"] + decoder["bias"]


def with_missing(weight=WEIGHT):
    x = jnp.asarray(np.where(OBSERVED, X, 0), jnp.float32)
    condition = jnp.asarray(~OBSERVED, jnp.float32)
    return Batch(x, jnp.asarray(weight, jnp.float32), jnp.asarray(ROWS), jnp.asarray(OBSERVED), condition=condition)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_missing_cells_are_left_out_of_the_loss(reduction):
    squares = np.where(OBSERVED, (reconstructed() - X) ** 2, 0)
    by_row = {
        "mean": squares.sum(1) / np.maximum(OBSERVED.sum(1), 1),
        "sum": squares.sum(1),
        "half_sum": squares.sum(1) / 2,
    }[reduction]
    assert_allclose(loss_of(with_missing(), reduction), by_row[:3].mean(), rtol=1e-5)


def test_the_value_of_a_missing_cell_has_no_effect():
    batch = with_missing()
    other = batch._replace(x=jnp.where(batch.observed, batch.x, 77.0))
    assert loss_of(other, noisy=batch.x) == loss_of(batch)


def test_complete_rows_have_the_same_loss_to_the_bit_with_a_missing_mask():
    plain = Batch(jnp.asarray(X, jnp.float32), jnp.asarray(WEIGHT, jnp.float32), jnp.asarray(ROWS))
    seen = plain._replace(observed=jnp.ones((5, 4), bool), condition=jnp.zeros((5, 4), jnp.float32))
    assert loss_of(seen) == loss_of(plain)


@pytest.mark.parametrize("untouched", [0.0, 0.5, 1.0])
def test_the_emphasised_loss(untouched):
    corrupted = rng.random((5, 4)) < 0.5
    plain = Batch(jnp.asarray(X, jnp.float32), jnp.ones(5, jnp.float32), jnp.asarray(ROWS))
    batch = plain._replace(corrupted=jnp.asarray(corrupted))
    reconstruction = np.asarray(Reconstruction(NETWORK).forward(PARAMS, plain.x, None, None)[0].reconstruction)
    expected = np.mean(np.where(corrupted, 1, untouched) * (reconstruction - X) ** 2)
    assert_allclose(loss_of(batch, scheduled={"untouched_weight": jnp.float32(untouched)}), expected, rtol=1e-5)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_weighted_loss(reduction, missing):
    weights = np.array([0, 0.5, 2, 1])
    observed = OBSERVED if missing else np.ones_like(OBSERVED)
    reconstruction = (
        reconstructed() if missing else np.asarray(Reconstruction(NETWORK).forward(PARAMS, X, None, None)[1])
    )
    squares = np.where(observed, weights * (reconstruction - X) ** 2, 0).sum(1)
    seen = (observed * weights).sum(1)
    by_row = {"mean": squares / np.where(seen > 0, seen, 1), "sum": squares, "half_sum": squares / 2}[reduction]
    plain = Batch(jnp.asarray(X, jnp.float32), jnp.asarray(WEIGHT, jnp.float32), jnp.asarray(ROWS))
    found = loss_of(with_missing() if missing else plain, reduction, feature_weights=tuple(weights.tolist()))
    assert_allclose(found, by_row[:3].mean(), rtol=1e-5)


def test_equal_weights_have_no_effect():
    for batch in (with_missing(), with_missing()._replace(observed=None, condition=None)):
        assert loss_of(batch, feature_weights=(1.0,) * 4) == loss_of(batch)
        assert_allclose(loss_of(batch, feature_weights=(7.0,) * 4), loss_of(batch), rtol=1e-6)


def test_cells_without_weight_have_no_gradient():
    objective = Reconstruction(NETWORK, feature_weights=(1.0, 0.0, 0.0, 1.0))
    batch = with_missing()
    gradients = jax.grad(lambda params: objective(params, (), batch, batch.x, None, {})[0])(PARAMS)["decoder"][0]
    assert not gradients["weight"][:, [1, 2]].any() and not gradients["bias"][jnp.array([1, 2])].any()
    assert gradients["weight"][:, [0, 3]].all()


def test_condition_kind():
    assert Reconstruction(NETWORK).condition_kind == "missing"
    assert Reconstruction(Dense(4, 2)).condition_kind is None


@pytest.mark.parametrize("idle_rows", [0, 100])
def test_separate_branches_give_the_same_gradients(idle_rows):
    """Of a wide code, with and without dead units."""
    network, sparsity = Dense(8, 4096, code_activation="relu"), TopK(4, dead_after=50)
    assert sparsity.branches(network)
    objective = Reconstruction(network, sparsity=sparsity.static())
    params = network.init(0)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 8)), jnp.float32)
    numbers = jnp.arange(6, dtype=jnp.uint32)
    batch = Batch(x, jnp.ones(6), jnp.stack([numbers, 0 * numbers], axis=1))
    state = {"idle": np.where(np.arange(4096) < 30, idle_rows, 0).astype(np.uint32)}
    scheduled = {"dead_after": jnp.float32(50)}

    def gradients(function):
        return jax.jit(jax.value_and_grad(lambda p: function(p, state, batch, x, None, scheduled), has_aux=True))(
            params
        )

    (total, rest), gradient = gradients(objective)
    (expected, expected_rest), expected_gradient = gradients(objective.loss_of)
    assert_allclose(total, expected, rtol=1e-6)
    assert (float(rest[1]["auxiliary"]) > 0) == (idle_rows > 0)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-5, atol=1e-7), rest, expected_rest)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-4, atol=1e-7), gradient, expected_gradient)


# The linear path's own loss ----------------------------------------------------------------------------------------


def path_case(weight):
    network = Dense(6, 2, (5,), (5,), linear_path=True)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.4, leaf.shape), jnp.float32), network.init(0))
    x = jnp.asarray(rng.normal(size=(7, 6)), jnp.float32)
    batch = Batch(x, jnp.ones(7), jnp.zeros((7, 2), jnp.uint32))
    noise = Noise(jnp.zeros(2, jnp.uint32), jnp.uint32(1))
    objective = Reconstruction(network, linear=weight > 0)
    value = lambda params: objective(params, (), batch, x, noise, {"linear": jnp.float32(weight)})[0]  # noqa: E731
    return network, params, np.asarray(x, np.float64), value


@pytest.mark.slow
def test_the_linear_paths_loss_changes_gradients_and_not_the_value():
    network, params, x, value = path_case(1.5)
    plain = path_case(0.0)[3]
    assert_allclose(value(params), plain(params), rtol=1e-6)
    pulled, free = jax.grad(value)(params), jax.grad(plain)(params)

    def linear(params):
        straight = x @ params["encoder_path"] + params["encoder"][-1]["bias"]
        hidden = network.before_code(params, jnp.asarray(x, jnp.float32))
        added = hidden @ params["encoder"][-1]["weight"] @ params["decoder_path"]
        output = straight @ params["decoder_path"] + params["decoder"][-1]["bias"]
        return jnp.mean((output - x) ** 2) + jnp.mean(added**2)

    share = min(1.0, float(plain(params)) / float(linear(params)))
    expected = jax.tree.map(lambda a, b: a + 1.5 * share * b, free, jax.grad(linear)(params))
    for found, wanted in zip(jax.tree.leaves(pulled), jax.tree.leaves(expected), strict=True):
        assert_allclose(found, wanted, atol=2e-5)


def test_with_categories_the_linear_path_to_the_code_stays_and_all_else_is_trained():
    _, params, x, _ = path_case(1.5)
    x = jnp.asarray(np.where(np.arange(6) < 4, x, np.eye(2)[np.arange(7) % 2][:, [0, 0, 0, 0, 0, 1]]), jnp.float32)
    batch = Batch(x, jnp.ones(7), jnp.zeros((7, 2), jnp.uint32))
    noise = Noise(jnp.zeros(2, jnp.uint32), jnp.uint32(1))
    network = Dense(6, 2, (5,), (5,), linear_path=True, categories=((4, 6),))

    def gradient(linear):
        objective = Reconstruction(network, linear=linear)
        return jax.grad(lambda p: objective(p, (), batch, x, noise, {"linear": jnp.float32(1.5)})[0])(params)

    fixed, free = gradient(True), gradient(False)
    assert not fixed.pop("encoder_path").any()
    assert free.pop("encoder_path").any()
    assert all(leaf.any() for leaf in jax.tree.leaves(fixed))


def test_validation_leaves_the_linear_paths_loss_out():
    network, params, x, _ = path_case(1.5)
    batch = Batch(jnp.asarray(x, jnp.float32), jnp.ones(7), jnp.zeros((7, 2), jnp.uint32))
    gradients = [
        jax.grad(lambda p, o=objective: o(p, (), batch, batch.x, None, {"linear": 1.5})[0])(params)
        for objective in (Reconstruction(network, linear=True), Reconstruction(network))
    ]
    for found, wanted in zip(*map(jax.tree.leaves, gradients), strict=True):
        assert_allclose(found, wanted)
