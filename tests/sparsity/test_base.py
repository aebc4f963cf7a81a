import dataclasses
import math

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidParameterError
from isthmus.networks.base import Network
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1, SPARSITIES, BatchTopK, Gated, JumpReLU, Lifetime, Matryoshka, Sparsity, Step, TopK
from isthmus.sparsity.base import constant, decoder_norms, ramp
from stepping import batch_of, drawn, step

SHARES = np.linspace(0, 1, 11)
# Another value of every setting that is a number.
OTHERS = {
    KL: {"target": 0.2, "weight": 7.0, "warm_up": 0.3},
    L1: {"weight": 7.0, "warm_up": 0.3, "dead_after": 9},
    TopK: {"anneal": 0.7, "dead_after": 9},
    BatchTopK: {"anneal": 0.7, "dead_after": 9},
    JumpReLU: {"weight": 7.0, "target": 3.0, "threshold": 0.7, "bandwidth": 0.7, "warm_up": 0.3, "dead_after": 9},
    Gated: {"weight": 7.0, "warm_up": 0.3, "dead_after": 9},
    Matryoshka: {"anneal": 0.7, "dead_after": 9},
    Lifetime: {"target": 0.2},
}


@pytest.mark.parametrize("kind", SPARSITIES.values(), ids=list(SPARSITIES))
def test_get_and_set_params(kind):
    method = kind()
    assert method.get_params() == {field.name: field.default for field in dataclasses.fields(kind)}
    changed = OTHERS[kind]
    twin = kind(**changed)
    assert method.set_params(**changed) is method
    assert (method, hash(method)) == (twin, hash(twin)) != (kind(), hash(kind()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.weight = 3
    with pytest.raises(InvalidParameterError, match=rf"^{kind.__name__} has no setting 'wight'; it has .*"):
        method.set_params(wight=3)


def test_a_refused_setting_changes_nothing():
    method = L1(0.5)
    with pytest.raises(InvalidParameterError, match="weight=-1 must be a number >= 0"):
        method.set_params(dead_after=5, weight=-1)
    assert method == L1(0.5)


@pytest.mark.parametrize("kind", SPARSITIES.values(), ids=list(SPARSITIES))
def test_static_is_independent_of_traced_and_host_settings(kind):
    given = {"target": 5.0} if kind is JumpReLU else {}
    assert kind(**OTHERS[kind]).static() == kind(**given).static()
    assert hash(kind(**OTHERS[kind]).static()) == hash(kind(**given).static())


def test_static_keeps_all_other_settings():
    different = [
        TopK(3),
        TopK(4),
        TopK(3, k_start=5),
        BatchTopK(3),
        KL(memory=0.5),
        KL(),
        JumpReLU(target=3),
        JumpReLU(),
    ]
    assert len({method.static() for method in different}) == len(different)


def test_schedules():
    assert_array_equal(constant(3)(SHARES), np.full(11, 3.0))
    assert_allclose(ramp(4, 0.5)(SHARES), [0, 0.8, 1.6, 2.4, 3.2, 4, 4, 4, 4, 4, 4])
    assert_allclose(ramp(2, 1.0, 4)(SHARES), 4 - 2 * SHARES)
    assert_array_equal(ramp(4, 0)(SHARES), np.full(11, 4.0))


@pytest.mark.parametrize("kind", SPARSITIES.values(), ids=list(SPARSITIES))
def test_schedules_of_methods(kind):
    scheduled = kind(**OTHERS[kind]).schedules(20, 500)
    values = {name: schedule(SHARES) for name, schedule in scheduled.items()}
    for name, value in OTHERS[kind].items():
        if name in values:
            assert values[name][-1] == value
            warms = name == "weight"
            assert_allclose(values[name], value * (np.minimum(SHARES / 0.3, 1) if warms else 1))
    if kind.counts_dead:
        assert kind().schedules(20, 500)["dead_after"](SHARES)[0] == 2 * 500


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", None, True, -1])
def test_numbers_out_of_range(value):
    with pytest.raises(InvalidParameterError, match=r"^warm_up=.* must be a number >= 0 and <= 1$"):
        KL(warm_up=value)
    with pytest.raises(InvalidParameterError, match=r"^target=.* must be a number > 0 and < 1$"):
        KL(target=value)
    if value is not None:
        with pytest.raises(InvalidParameterError, match=r"^dead_after=.* must be an integer >= 1$"):
            L1(dead_after=value)


def test_ends():
    KL(weight=0, warm_up=np.float32(1))
    TopK(k=np.int64(1), dead_after=None)
    for end in (0, 1, 1.0):
        with pytest.raises(InvalidParameterError):
            KL(target=end)
    with pytest.raises(InvalidParameterError):
        TopK(k=1.0)


@dataclasses.dataclass(frozen=True, repr=False)
class Distant(Sparsity):
    target: float = -3.0


def test_a_method_of_another_range():
    assert Distant().target == -3
    with pytest.raises(InvalidParameterError, match=r"^resample_dead=0 must be an integer >= 1, None or 'auto'$"):
        Distant(resample_dead=0)
    with pytest.raises(InvalidParameterError, match=r"^pre_bias='yes' must be True, False or 'auto'$"):
        Distant(pre_bias="yes")


@pytest.mark.parametrize("tied", [False, True])
def test_the_length_of_decoder_rows(tied):
    network = Dense(5, 4, tied=tied)
    params = network.init(0)
    weight = params["encoder"][0]["weight"].T if tied else params["decoder"][0]["weight"]
    assert_allclose(decoder_norms(network, params), np.linalg.norm(weight, axis=1), rtol=1e-5)
    assert decoder_norms(Network(), params) is None


def test_decoder_norms_of_zeros_have_no_gradient():
    network = Dense(5, 4)
    params = jax.tree.map(np.zeros_like, network.init(0))
    gradient = jax.grad(lambda params: decoder_norms(network, params).sum())(params)
    assert_array_equal(gradient["decoder"][0]["weight"], np.zeros((4, 5)))


# Dead units --------------------------------------------------------------------------------------------------------

COUNTING = [L1(), TopK(2), BatchTopK(2), JumpReLU(threshold=0.5), Gated(), Lifetime(0.3)]


@pytest.mark.parametrize("method", COUNTING, ids=lambda method: type(method).__name__)
def test_rows_since_the_last_activation_are_counted_exactly(method):
    network = Dense(3, 8, code_activation="relu")
    params = drawn(network, method)
    params["encoder"][0]["bias"][:2] = -100
    rng = np.random.default_rng(1)
    weight, state = np.array([1.0, 1, 1, 0, 0]), method.init(8)
    state["idle"] = np.array([0, 2**24 + 1, 2**30, 2**24 + 1, 7, 7, 7, 7], np.uint32)
    for _ in range(3):
        # Rows of padding in which every unit would be active.
        x = np.vstack([rng.normal(size=(3, 3)), np.full((2, 3), 1e3)])
        before, taken = state, step(network, method, params, x, weight, state)
        code = by_method(method, network, params, before, x[:3])
        fired = (code != 0).any(axis=0)
        assert not fired[:2].any()
        state = taken.state
        assert state["idle"].dtype == np.uint32
        assert_array_equal(state["idle"], np.where(fired, 0, before["idle"].astype(np.int64) + 3))
        assert_allclose(taken.terms["l0"], (code != 0).sum(axis=1).mean())


def by_method(method, network, params, state, x):
    with jax.enable_x64(True):
        pre_code = network.encode(params, x)
        scheduled = {"bandwidth": 1.0, "target": getattr(method, "target", None)}
        given = Step(network, params, state, batch_of(x), scheduled=scheduled, pre_code=pre_code)
        return np.asarray(method.select(given)[0])


def test_the_count_does_not_overflow():
    network = Dense(3, 2, code_activation="relu")
    params = drawn(network, TopK(1))
    params["encoder"][0]["bias"][:] = -100
    state = {"idle": np.array([2**32 - 1, 2**31 + 5], np.uint32)}
    taken = step(network, TopK(1), params, np.ones((4, 3)), state=state)
    assert (taken.state["idle"] > 2**31).all()


def test_sigmoid_codes_are_not_counted():
    assert KL().init(8) == {}
    assert "dead_after" not in KL().schedules(8, 100)


def test_the_norm_of_a_row_of_zeros_has_a_finite_gradient():
    network = Dense(3, 2)
    params = network.init(0)
    params["decoder"][0]["weight"][1] = 0
    gradient = jax.grad(lambda p: jax.numpy.sum(decoder_norms(network, p)))(params)["decoder"][0]["weight"]
    assert np.isfinite(gradient).all() and not gradient[1].any()
