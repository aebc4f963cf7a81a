import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit

from isthmus.core.errors import InvalidParameterError
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1
from isthmus.sparsity.penalised import relative_entropy
from stepping import drawn, numbers_at, slopes_agree, step

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 4))
WEIGHT = np.array([1.0, 1, 1, 1, 0, 0])
SHARES = st.floats(0.001, 0.999)


def divergence(rho, mean):
    return rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))


def codes(network, params, x, function=expit):
    return function(x @ params["encoder"][0]["weight"] + params["encoder"][0]["bias"])


# Relative entropy --------------------------------------------------------------------------------------------------


@given(SHARES, SHARES)
def test_the_formula_and_its_slope(rho, mean):
    with jax.enable_x64(True):
        value, gradient = jax.value_and_grad(relative_entropy, argnums=1)(jnp.float64(rho), jnp.float64(mean))
    assert_allclose(value, divergence(rho, mean), rtol=1e-12, atol=1e-15)
    assert_allclose(gradient, -rho / mean + (1 - rho) / (1 - mean), rtol=1e-9, atol=1e-9)
    reach = 1e-7 * min(mean, 1 - mean)
    difference = (divergence(rho, mean + reach) - divergence(rho, mean - reach)) / (2 * reach)
    assert_allclose(gradient, difference, rtol=1e-4, atol=1e-5 / reach * 1e-9)


@given(st.floats(2**-10, 1 - 2**-10, width=32))
def test_exactly_0_where_the_mean_is_the_target(rho):
    assert float(relative_entropy(jnp.float32(rho), jnp.float32(rho))) == 0
    with jax.enable_x64(True):
        assert float(relative_entropy(jnp.float64(rho), jnp.float64(rho))) == 0


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_means_rounded_to_0_or_1_have_a_finite_penalty(mean):
    value, gradient = jax.value_and_grad(relative_entropy, argnums=1)(jnp.float32(0.05), jnp.float32(mean))
    assert 0 < value < 100
    assert np.isfinite(gradient)


# KL ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "function"), [("sigmoid", expit), ("tanh", lambda z: (np.tanh(z) + 1) / 2)])
def test_the_penalty_is_the_formula_over_real_rows(activation, function):
    network, method = Dense(4, 7, code_activation=activation), KL(0.1, 2.5)
    params = drawn(network, method)
    mean = codes(network, params, X[:4], function).mean(axis=0)
    taken = step(network, method, params, np.where(WEIGHT[:, None] > 0, X, 50.0), WEIGHT)
    assert_allclose(taken.terms["kl"], 2.5 * divergence(0.1, mean).sum(), rtol=1e-10)
    assert_allclose(taken.total, taken.terms["reconstruction"] + taken.terms["kl"], rtol=1e-12)
    slopes_agree(network, method, params, X, weight=WEIGHT)


def test_the_encoder_gradient_is_the_formula():
    network, method = Dense(4, 7, code_activation="sigmoid"), KL(0.1, 2.5)
    params = drawn(network, method)
    code = codes(network, params, X)
    mean = code.mean(axis=0)
    pull = 2.5 * (-0.1 / mean + 0.9 / (1 - mean)) / len(X) * code * (1 - code)
    with_, without = (step(network, KL(0.1, w), params, X).gradients["encoder"][0]["weight"] for w in (2.5, 0.0))
    assert_allclose(with_ - without, X.T @ pull, rtol=1e-9, atol=1e-12)


def test_means_at_the_target_have_no_penalty():
    network, method = Dense(4, 3, code_activation="sigmoid"), KL(0.25, 3.0)
    params = drawn(network, method)
    params["encoder"][0]["weight"][:] = 0
    params["encoder"][0]["bias"][:] = np.log(0.25 / 0.75)
    assert abs(float(step(network, method, params, X).terms["kl"])) < 1e-15


def test_a_running_mean():
    network, method = Dense(4, 3, code_activation="sigmoid"), KL(0.1, 1.0, memory=0.75)
    params, state = drawn(network, method), method.init(3)
    batches = [rng.normal(size=(5, 4)) for _ in range(3)]
    means = np.array([codes(network, params, x).mean(axis=0) for x in batches])
    for number, x in enumerate(batches, 1):
        share = 0.25 * 0.75 ** np.arange(number)[::-1]
        remembered = share @ means[:number] / share.sum()
        taken = step(network, method, params, x, state=state)
        assert_allclose(taken.terms["kl"], divergence(0.1, remembered).sum(), rtol=1e-5)
        code = codes(network, params, x)
        pull = (-0.1 / remembered + 0.9 / (1 - remembered)) / 5 * code * (1 - code)
        plain = step(network, KL(0.1, 0.0, memory=0.75), params, x, state=state)
        at_bias = taken.gradients["encoder"][0]["bias"] - plain.gradients["encoder"][0]["bias"]
        assert_allclose(at_bias, pull.sum(axis=0), rtol=1e-4)
        state = taken.state
    assert state["mean"].dtype == np.float32


@pytest.mark.parametrize("activation", ["identity", "relu", "gelu"])
def test_a_code_without_bounds(activation):
    with pytest.raises(
        InvalidParameterError,
        match=f"a code with bounds, and that of {activation!r} has none; use code_activation='sigmoid'",
    ):
        KL().check(Dense(4, 3, code_activation=activation))
    KL().check(Dense(4, 3, code_activation="sigmoid"))
    KL().check(Dense(4, 3, code_activation="tanh"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target": 0}, "target=0 must be a number > 0 and < 1"),
        ({"target": 1.0}, "target=1.0 must be a number > 0 and < 1"),
        ({"weight": -1e-9}, "weight=-1e-09 must be a number >= 0"),
        ({"memory": 1.0}, "memory=1.0 must be a number >= 0 and < 1"),
        ({"warm_up": 1.5}, "warm_up=1.5 must be a number >= 0 and <= 1"),
    ],
)
def test_settings_of_kl(settings, said):
    with pytest.raises(InvalidParameterError) as caught:
        KL(**settings)
    assert str(caught.value).startswith(said)


# L1 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_each_unit_is_weighted_by_its_decoder_row(hidden):
    network, method = Dense(4, 7, hidden, hidden, "tanh", "relu"), L1(0.3)
    params = drawn(network, method)
    with jax.enable_x64(True):
        code = np.asarray(network.activate_code(network.encode(params, X[:4])))
    lengths = np.linalg.norm(params["decoder"][0]["weight"], axis=1)
    taken = step(network, method, params, X, WEIGHT)
    assert_allclose(taken.terms["l1"], 0.3 * (code * lengths).sum(axis=1).mean(), rtol=1e-10)
    slopes_agree(network, method, params, X, weight=WEIGHT)


def test_smaller_codes_with_a_larger_decoder_have_the_same_penalty():
    network = Dense(4, 7, code_activation="relu")
    params = drawn(network, L1())
    before = step(network, L1(), params, X)
    for layer, factor in (("encoder", 0.125), ("decoder", 8)):
        params[layer][0]["weight"] *= factor
    params["encoder"][0]["bias"] *= 0.125
    assert_allclose(step(network, L1(), params, X).total, before.total, rtol=1e-12)


def test_a_custom_network_has_no_decoder_rows():
    def factory(n_features, n_components, key):
        return (lambda row: row[:n_components]), (lambda code: jnp.zeros(n_features) + code.sum())

    network = Custom(factory, 4, 3, "relu")
    taken = step(network, L1(0.5), network.init(0), X, WEIGHT)
    assert_allclose(taken.terms["l1"], 0.5 * np.maximum(X[:4, :3], 0).sum(axis=1).mean())


def test_the_weight_warms_up():
    assert [numbers_at(L1(4.0, warm_up=0.5), 3, share=s)["weight"] for s in (0, 0.25, 0.5, 1)] == [0, 2, 4, 4]
    network = Dense(4, 7, code_activation="relu")
    params = drawn(network, L1())
    ends = [float(step(network, L1(4.0, warm_up=0.5), params, X, share=s).terms["l1"]) for s in (0.25, 1)]
    assert_allclose(ends[0], ends[1] / 2)


def test_a_negative_weight():
    with pytest.raises(InvalidParameterError, match=r"^weight=-0\.5 must be a number >= 0$"):
        L1(-0.5)
    with pytest.raises(InvalidParameterError, match=r"^dead_after=0 must be an integer >= 1"):
        L1(dead_after=0)
