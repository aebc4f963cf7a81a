import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidParameterError
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.sparsity import Gated, JumpReLU, Step
from isthmus.sparsity.gates import jump, passes
from stepping import drawn, step

rng = np.random.default_rng(0)
NETWORK = Dense(4, 9, code_activation="relu")
# Rows of padding with large values.
X = np.vstack([rng.normal(size=(6, 4)), np.full((2, 4), 99.0)])
REAL, ROWS = X[:6], 6
WEIGHT = np.repeat([1.0, 0.0], [6, 2])


def split(params):
    encoder, decoder = params["encoder"][0], params["decoder"][0]
    return encoder["weight"], encoder["bias"], decoder["weight"], decoder["bias"]


def rectangle(distance):
    return (np.abs(distance) < 0.5).astype(float)


# JumpReLU ----------------------------------------------------------------------------------------------------------

VALUES = np.array([[0.0, 0.45, 0.5], [0.52, 0.549, 0.56], [0.7, 2.0, 0.451]])
THRESHOLD = np.array([0.5, 0.5, 0.5])


def gradients(function):
    pull = rng.normal(size=(3, 3))
    with jax.enable_x64(True):
        found = jax.vjp(function, *map(jnp.asarray, (VALUES, THRESHOLD, 0.1)))[1](jnp.asarray(pull))
    return pull, found


def test_the_jump_and_its_pseudo_derivative():
    assert_array_equal(jump(VALUES, THRESHOLD, 0.1), np.where(VALUES > 0.5, VALUES, 0).astype("f4"))
    pull, (at_values, at_threshold, _) = gradients(jump)
    assert_allclose(at_values, pull * (VALUES > 0.5))
    # Equation 11 of the paper: -(theta / epsilon) K((z - theta) / epsilon).
    assert_allclose(at_threshold, -(0.5 / 0.1 * rectangle((VALUES - 0.5) / 0.1) * pull).sum(axis=0))


def test_the_step_and_its_pseudo_derivative():
    assert_array_equal(passes(VALUES, THRESHOLD, 0.1), VALUES > 0.5)
    pull, (at_values, at_threshold, _) = gradients(passes)
    assert_array_equal(at_values, np.zeros((3, 3)))
    # Equation 12: -(1 / epsilon) K((z - theta) / epsilon).
    assert_allclose(at_threshold, -(rectangle((VALUES - 0.5) / 0.1) / 0.1 * pull).sum(axis=0))


@pytest.mark.parametrize("target", [None, 2.5])
def test_jumprelu_is_the_papers_loss_and_gradient(target):
    method = JumpReLU(0.7, target, threshold=0.5, bandwidth=0.8)
    params = drawn(NETWORK, method)
    W, b, D, c = split(params)
    theta = np.exp(params["sparsity"]["log_threshold"])
    pre = REAL @ W + b
    values = np.maximum(pre, 0)
    open_, near = values > theta, rectangle((values - theta) / 0.8)
    assert 0 < near.sum() < near.size
    assert (near * open_).sum() > 3
    code = values * open_
    error = code @ D + c - REAL
    l0 = open_.sum(axis=1).mean()
    penalty, slope_of_l0 = (
        (0.7 * l0, 0.7) if target is None else (0.7 * (l0 / 2.5 - 1) ** 2, 1.4 * (l0 / 2.5 - 1) / 2.5)
    )
    # With a target the value, not the gradient, is in units of the loss of an empty code.
    penalty *= 1 if target is None else np.square(c - REAL).sum(axis=1).mean()

    taken = step(NETWORK, method, params, X, WEIGHT, reduction="sum")
    assert_allclose(taken.terms["reconstruction"], np.square(error).sum(axis=1).mean(), rtol=1e-12)
    assert_allclose(taken.terms["l0_loss"], penalty, rtol=1e-12)
    assert_allclose(taken.terms["l0"], l0)
    at_code = 2 / ROWS * error @ D.T
    at_pre = at_code * open_ * (pre > 0)
    at_theta = (-theta / 0.8 * near * at_code - slope_of_l0 / 0.8 / ROWS * near).sum(axis=0)
    found = split(taken.gradients)
    expected = REAL.T @ at_pre, at_pre.sum(axis=0), code.T @ error * 2 / ROWS, 2 / ROWS * error.sum(axis=0)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert_allclose(taken.gradients["sparsity"]["log_threshold"], theta * at_theta, rtol=1e-9)


@pytest.mark.parametrize(("target", "factor"), [(2.0, None), (100.0, np.exp(-0.5)), (1e-4, np.exp(0.5))])
def test_all_thresholds_move_towards_the_target(target, factor):
    method = JumpReLU(0.7, target, threshold=0.5, bandwidth=0.8)
    params = drawn(NETWORK, method)
    state = step(NETWORK, method, params, X, WEIGHT, reduction="sum").state
    W, b, _, _ = split(params)
    thresholds = np.exp(params["sparsity"]["log_threshold"])
    l0 = (np.maximum(REAL @ W + b, 0) > thresholds).sum(axis=1).mean()
    moved = np.exp(method.adjusted(params, state)["sparsity"]["log_threshold"])
    assert_allclose(moved / thresholds, (l0 / target) ** 0.3 if factor is None else factor, rtol=1e-6)


def test_without_a_target_thresholds_are_learned_alone():
    method = JumpReLU(0.7)
    params = drawn(NETWORK, method)
    assert "shift" not in method.init(9)
    assert method.adjusted(params, method.init(9)) is params


def test_initial_thresholds():
    assert_allclose(np.exp(JumpReLU(threshold=0.3).learned(5)["log_threshold"]), np.full(5, 0.3))


# Gated -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pre_bias", [False, True])
def test_gated_is_the_papers_loss_and_gradient(pre_bias):
    network, method = Dense(4, 9, code_activation="relu", pre_bias=pre_bias), Gated(0.3)
    params = drawn(network, method)
    W, b, D, c = split(params)
    r, b_mag = params["sparsity"]["log_scale"], params["sparsity"]["magnitude_bias"]
    centred = REAL - c if pre_bias else REAL
    product = centred @ W
    gate, magnitude = product + b, np.exp(r) * product + b_mag
    open_, positive = gate > 0, magnitude > 0
    assert 0 < (open_ & positive).sum() < min(open_.sum(), positive.sum())
    code, gates = np.where(open_ & positive, magnitude, 0), np.maximum(gate, 0)
    error, second = code @ D + c - REAL, gates @ D + c - REAL

    taken = step(network, method, params, X, WEIGHT, reduction="sum")
    assert_allclose(taken.terms["reconstruction"], np.square(error).sum(axis=1).mean(), rtol=1e-12)
    assert_allclose(taken.terms["gate_l1"], 0.3 * gates.sum(axis=1).mean(), rtol=1e-12)
    assert_allclose(taken.terms["gate_reconstruction"], np.square(second).sum(axis=1).mean(), rtol=1e-12)
    assert_allclose(taken.total, sum(taken.terms[name] for name in taken.terms if name != "l0"), rtol=1e-12)
    # The decoder and its bias learn from the first loss alone.
    at_magnitude = 2 / ROWS * error @ D.T * open_ * positive
    at_gate = (0.3 / ROWS + 2 / ROWS * second @ D.T) * open_
    at_product = at_magnitude * np.exp(r) + at_gate
    at_output_bias = 2 / ROWS * error.sum(axis=0) - (at_product.sum(axis=0) @ W.T if pre_bias else 0)
    found = split(taken.gradients)
    expected = centred.T @ at_product, at_gate.sum(axis=0), 2 / ROWS * code.T @ error, at_output_bias
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert_allclose(
        taken.gradients["sparsity"]["log_scale"], (at_magnitude * np.exp(r) * product).sum(axis=0), rtol=1e-9
    )
    assert_allclose(taken.gradients["sparsity"]["magnitude_bias"], at_magnitude.sum(axis=0), rtol=1e-9)


def test_gated_with_a_custom_network():
    network = Custom(lambda n, k, key: ((lambda row: row[:k]), (lambda code: jnp.zeros(n) + code.sum())), 4, 3, "relu")
    params = {
        **network.init(0),
        "sparsity": {"log_scale": np.log([2.0, 1, 1]), "magnitude_bias": np.array([0, 0, -9.0])},
    }
    code, _ = Gated().select(Step(network, params, (), pre_code=REAL[:, :3], train=False))
    assert_allclose(code, np.maximum(REAL[:, :3] * [2, 1, 0], 0), rtol=1e-6)


# Refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [JumpReLU(), Gated()])
@pytest.mark.parametrize("activation", ["identity", "tanh", "sigmoid"])
def test_other_activations_are_refused(method, activation):
    with pytest.raises(InvalidParameterError, match=f"needs relu codes, not {activation}; use code_activation="):
        method.check(Dense(4, 9, code_activation=activation))
    method.check(NETWORK)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (JumpReLU, {"weight": -1}, "weight=-1 must be a number >= 0"),
        (JumpReLU, {"threshold": 0}, "threshold=0 must be a number > 0"),
        (JumpReLU, {"bandwidth": 0.0}, "bandwidth=0.0 must be a number > 0"),
        (JumpReLU, {"target": 0}, "target=0 must be a number > 0"),
        (JumpReLU, {"warm_up": -0.1}, "warm_up=-0.1 must be a number >= 0 and <= 1"),
        (JumpReLU, {"dead_after": 1.5}, "dead_after=1.5 must be an integer >= 1"),
        (Gated, {"weight": "1"}, "weight='1' must be a number >= 0"),
        (Gated, {"warm_up": 2}, "warm_up=2 must be a number >= 0 and <= 1"),
        (Gated, {"dead_after": 0}, "dead_after=0 must be an integer >= 1"),
    ],
)
def test_settings(kind, settings, said):
    with pytest.raises(InvalidParameterError) as caught:
        kind(**settings)
    assert str(caught.value).startswith(said)


def test_target_above_the_code_width():
    with pytest.raises(InvalidParameterError, match="sparsity_target=10 must be at most the code's 9 units"):
        JumpReLU(target=10).check(NETWORK)
