import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidParameterError
from isthmus.engine import OPTIMIZERS, SCHEDULES
from isthmus.engine.optimizers import DEFAULT_DECAY, Hyper, Optimizer, learning_rates, shares

rng = np.random.default_rng(0)
START = {"weight": rng.normal(size=(3, 2)), "bias": rng.normal(size=2)}
GRADIENTS = [{name: rng.normal(size=value.shape) for name, value in START.items()} for _ in range(12)]


def adam(g, s, t):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    return s["m"] / (1 - 0.9**t) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def momentum(g, s, t):
    s["m"] = 0.9 * s.get("m", 0) + g
    return s["m"]


def nesterov(g, s, t):
    return g + 0.9 * momentum(g, s, t)


def rmsprop(g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
    return g / np.sqrt(s["v"] + 1e-8)


def lion(g, s, t):
    m = s.get("m", 0)
    s["m"] = 0.99 * m + 0.01 * g
    return np.sign(0.9 * m + 0.1 * g)


RULES = {
    "adam": adam,
    "adamw": adam,
    "sgd": lambda g, s, t: g,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "lion": lion,
}


def by_hand(rule, rates, decay=0.0, clip=np.inf):
    params, state = dict(START), {name: {} for name in START}
    for t, (gradients, rate) in enumerate(zip(GRADIENTS, rates, strict=True), 1):
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        for name, g in gradients.items():
            update = rule(g * min(1, clip / norm), state[name], t)
            update = update + (decay * params[name] if params[name].ndim > 1 else 0)
            params[name] = params[name] - rate * update
    return params


def ours(optimizer, rates, decay=0.0, clip=0.0):
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, START)
        state = optimizer.init(params)
        update = jax.jit(optimizer.update)
        for gradients, rate in zip(GRADIENTS, rates, strict=True):
            params, state = update(gradients, state, params, Hyper(rate, decay, clip))
    return params


def test_every_rule_has_a_reference():
    assert set(RULES) == set(OPTIMIZERS)
    assert set(DEFAULT_DECAY) <= set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("decay", "clip"), [(0, 0), (0.1, 0), (0, 0.5), (0.1, 2.0)])
def test_steps_equal_numpy(name, decay, clip):
    rates = 0.1 * np.cos(np.arange(12) / 10)
    found = ours(Optimizer(name, clips=clip > 0, decays=decay > 0), rates, decay, clip)
    expected = by_hand(RULES[name], rates, decay, clip or np.inf)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-7), found, expected)


def test_a_zero_gradient_is_clipped_to_zero():
    optimizer = Optimizer("sgd", clips=True)
    zero = jax.tree.map(np.zeros_like, START)
    params, _ = optimizer.update(zero, optimizer.init(START), START, Hyper(1.0, 0.0, 1.0))
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-6), params, START)


def test_an_optax_transformation_has_its_own_rate():
    found = ours(Optimizer(optax.adam(0.05)), np.full(12, 99.0))
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-7), found, by_hand(adam, np.full(12, 0.05)))


def test_equal_rules_are_equal_and_hash_equally():
    assert Optimizer("adam", clips=True) == Optimizer("adam", clips=True)
    assert hash(Optimizer("adam")) == hash(Optimizer("adam"))
    assert Optimizer("adam") != Optimizer("adam", decays=True)


share = np.linspace(0, 1, 201)
SHAPES = {
    "constant": lambda s: 1.0,
    "cosine": lambda s: np.cos(np.pi * s / 2) ** 2,
    "one_cycle": lambda s: (
        1 / 25 + 24 / 25 * np.sin(np.pi * s / 0.6) ** 2 if s < 0.3 else np.cos(np.pi * (s - 0.3) / 1.4) ** 2
    ),
    "exponential": lambda s: np.exp(np.log(0.01) * s),
    "warmup": lambda s: s * 20 if s < 0.05 else 1.0,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    factors = SCHEDULES[name](share)
    assert_allclose(factors, [SHAPES[name](s) for s in share], atol=1e-12)
    assert factors.min() >= 0
    assert factors.max() <= 1
    assert np.abs(np.diff(factors)).max() < 0.15


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_half_a_step_later(name):
    rates = learning_rates(name, 0.3, shares(0, 40, 40))
    assert_allclose(rates, 0.3 * SCHEDULES[name]((np.arange(40) + 0.5) / 40))
    assert rates.min() > 0
    parts = [learning_rates(name, 0.3, shares(first, 10, 40)) for first in (0, 10, 20, 30)]
    assert_allclose(np.concatenate(parts), rates)
    assert_allclose(learning_rates(name, 0.3, shares(40, 3, 40)), 0.3 * SCHEDULES[name](np.ones(3)), atol=1e-15)


def test_a_callable_is_a_schedule():
    assert_allclose(learning_rates(lambda s: 1 - s, 2.0, shares(0, 4, 4)), 2 * (1 - np.array([1, 3, 5, 7]) / 8))
    assert learning_rates("cosine", 1.0, shares(0, 0, 0)).shape == (0,)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_named_rules_start_at_zero(name):
    params = {"weight": np.ones((3, 2), np.float32), "bias": np.ones(2, np.float16)}
    state, expected = Optimizer(name).init(params), OPTIMIZERS[name]().init(params)
    assert jax.tree.structure(state) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        assert (leaf.shape, leaf.dtype) == (other.shape, other.dtype)
        assert_allclose(leaf, other)


def test_a_row_can_be_added_from_outside():
    OPTIMIZERS["toy"], SCHEDULES["toy"] = optax.identity, lambda share: 1 - share
    try:
        assert_allclose(learning_rates("toy", 2.0, shares(0, 2, 2)), [1.5, 0.5])
        found, expected = ours(Optimizer("toy"), np.ones(12)), ours(Optimizer("sgd"), np.ones(12))
        jax.tree.map(assert_allclose, found, expected)
    finally:
        del OPTIMIZERS["toy"], SCHEDULES["toy"]
    with pytest.raises(InvalidParameterError, match="optimizer='toy' is not one of 'adam', "):
        Optimizer("toy").init(START)
    with pytest.raises(InvalidParameterError, match="learning_rate_schedule='toy' is not one of 'constant', "):
        learning_rates("toy", 2.0, shares(0, 2, 2))


def test_a_rule_from_outside_starts_where_it_says():
    OPTIMIZERS["rss"] = lambda: optax.scale_by_rss(0.25)
    try:
        state = Optimizer("rss").init({"weight": np.ones((2, 3), np.float32)})
    finally:
        del OPTIMIZERS["rss"]
    assert_array_equal(state.sum_of_squares["weight"], np.full((2, 3), 0.25, np.float32))
