import subprocess
import sys

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import isthmus.sparsity
from isthmus.core.errors import InvalidParameterError
from isthmus.networks.dense import Dense
from isthmus.sparsity import (
    KL,
    L1,
    SPARSITIES,
    BatchTopK,
    Gated,
    JumpReLU,
    Lifetime,
    Matryoshka,
    Sparsity,
    Step,
    TopK,
    resolve,
)
from stepping import drawn, step
from toys import Shrinking

rng = np.random.default_rng(0)
X = np.vstack([rng.normal(size=(6, 5)), np.full((2, 5), 1e4)])
WEIGHT = np.repeat([1.0, 0.0], [6, 2])
METHODS = pytest.mark.parametrize("name", SPARSITIES)


def network_of(kind):
    return Dense(5, 32, (7,), (7,), "tanh", kind.code_activation)


# Every row of the table --------------------------------------------------------------------------------------------


@METHODS
def test_padding_has_no_effect(name):
    method = SPARSITIES[name]()
    network = network_of(SPARSITIES[name])
    params, state = drawn(network, method), method.init(32)
    if "idle" in state:
        state["idle"][:20] = 5000
    large, small = (step(network, method, params, x, WEIGHT, state) for x in (X, np.where(WEIGHT[:, None] > 0, X, 0)))
    jax.tree.map(lambda one, other: assert_allclose(one, other, rtol=1e-9, atol=1e-12), large, small)
    assert large.terms.get("auxiliary", 1) > 0
    empty = step(network, method, params, X, np.zeros(8), state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(empty))


@METHODS
def test_shapes_types_and_gradients(name):
    method = SPARSITIES[name]()
    network = network_of(SPARSITIES[name])
    params, state = drawn(network, method), method.init(32)
    taken = step(network, method, params, X, WEIGHT)
    jax.tree.map(assert_array_equal, taken, step(network, method, params, X, WEIGHT))
    assert all(np.shape(term) == () for term in taken.terms.values())
    assert {k: (v.shape, v.dtype) for k, v in taken.state.items()} == {k: (v.shape, v.dtype) for k, v in state.items()}
    for one, gradient in zip(jax.tree.leaves(params), jax.tree.leaves(taken.gradients), strict=True):
        assert (gradient.shape, gradient.dtype) == (one.shape, np.float64)
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 1e-9
    pre_code = np.asarray(network.encode(params, X[:6].astype("f4")))
    code, _ = method.select(Step(network, params, state, pre_code=pre_code, train=False))
    assert code.shape == (6, 32)
    # A row's code depends on that row alone.
    alone, _ = method.select(Step(network, params, state, pre_code=pre_code[2:3], train=False))
    assert_array_equal(alone[0], code[2])


@METHODS
def test_declarations(name):
    kind = SPARSITIES[name]
    method = kind()
    assert issubclass(kind, Sparsity)
    assert kind.loss_reduction in ("mean", "sum", "half_sum")
    assert set(kind.traced) <= set(method.get_params())
    assert set(method.schedules(8, 10)) >= set(kind.traced)
    assert kind.__doc__.rstrip().endswith(".")
    assert all(f"\n    {setting}" in kind.__doc__ or f", {setting}" in kind.__doc__ for setting in method.get_params())
    assert method.prefixes_of(32)[-1] == 32


# Names and settings ------------------------------------------------------------------------------------------------


@METHODS
def test_names_and_objects(name):
    assert resolve(name) == SPARSITIES[name]()
    given = SPARSITIES[name]()
    found = resolve(given)
    assert found == given
    # A later change of the given object does not change what was fitted.
    assert found is not given


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("kl", {"target": 0.1, "weight": 2}, KL(0.1, 2)),
        ("l1", {"weight": 0}, L1(0)),
        ("topk", {"k": 5}, TopK(5)),
        ("batch_topk", {"k": 5}, BatchTopK(5)),
        ("matryoshka", {"k": 5}, Matryoshka(5)),
        ("jumprelu", {"target": 30, "weight": 2}, JumpReLU(2, 30)),
        ("gated", {"weight": 2}, Gated(2)),
        ("lifetime", {"target": 0.1}, Lifetime(0.1)),
    ],
)
def test_settings_by_name(name, settings, expected):
    nothing = {"k": None, "target": None, "weight": None}
    assert resolve(name, **{**nothing, **settings}) == expected


@pytest.mark.parametrize(
    ("sparsity", "settings", "said"),
    [
        ("kl", {"k": 3}, "k=3 has no effect with sparsity='kl', only with topk, batch_topk, matryoshka"),
        (
            "topk",
            {"target": 0.1},
            "sparsity_target=0.1 has no effect with sparsity='topk', only with kl, jumprelu, lifetime",
        ),
        (
            "lifetime",
            {"weight": 1},
            "sparsity_weight=1 has no effect with sparsity='lifetime', only with kl, l1, jumprelu",
        ),
        (TopK(3), {"k": 4}, "k=4 cannot be combined with an object; write TopK(k=4)"),
        (L1(), {"weight": 2}, "sparsity_weight=2 cannot be combined with an object; write L1(weight=2)"),
        (None, {"k": 4}, "k=4 has no effect without sparsity"),
        (None, {"weight": 0.1}, "sparsity_weight=0.1 has no effect without sparsity"),
        ("topkk", {}, "sparsity='topkk' is not one of 'kl', 'l1', 'topk',"),
        (TopK, {}, "sparsity=<class 'isthmus.sparsity.selection.TopK'> is not"),
        ("kl", {"target": 1.5}, "sparsity_target=1.5 must be a number > 0 and < 1"),
        ("l1", {"weight": -1}, "sparsity_weight=-1 must be a number >= 0"),
        ("topk", {"k": 0}, "k=0 must be an integer >= 1"),
        ("topk", {"resample_dead": 0}, "resample_dead=0 must be an integer >= 1"),
        ("topk", {"pre_bias": 1}, "pre_bias=1 must be True, False or 'auto'"),
        ("topk", {"bias_start": "median"}, "bias_start='median' is not one of"),
        (TopK(3), {"pre_bias": False}, "pre_bias=False cannot be combined with an object; write TopK(pre_bias=False)"),
        (None, {"resample_dead": 5}, "resample_dead=5 has no effect without sparsity"),
    ],
)
def test_refused_settings(sparsity, settings, said):
    with pytest.raises(InvalidParameterError) as caught:
        resolve(sparsity, **settings)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_none_is_none():
    assert resolve(None, k=None, pre_bias="auto", bias_start="auto") is None


def test_settings_of_all_methods():
    found = resolve("topk", k=5, resample_dead=3, pre_bias=True, unit_norm_decoder="auto", bias_start="zeros")
    assert found == TopK(5, resample_dead=3, pre_bias=True, bias_start="zeros")
    assert repr(found) == "TopK(resample_dead=3, pre_bias=True, bias_start='zeros', k=5)"
    assert found.static() == TopK(5)
    with pytest.raises(TypeError):
        TopK(5, None, 0.2, 0.1, None, None, 3)


def test_names_are_read_without_jax():
    code = """
import sys
from isthmus.losses import LOSSES, REDUCTIONS
from isthmus.networks import FAMILIES
from isthmus.networks.activations import ACTIVATIONS, ODD
from isthmus.networks.initializers import INITIALIZERS, default_init
from isthmus.sparsity import SPARSITIES
tables = [SPARSITIES, FAMILIES, LOSSES, REDUCTIONS, ACTIVATIONS, INITIALIZERS]
assert all(isinstance(name, str) for table in tables for name in table)
assert not {"jax", "numpy", "pyarrow"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_attributes_of_the_module():
    with pytest.raises(AttributeError, match=r"^module 'isthmus\.sparsity' has no attribute 'Topk'$"):
        isthmus.sparsity.Topk


@pytest.mark.usefixtures("toys")
def test_a_method_from_outside():
    method, network = resolve("toy"), Dense(5, 32, code_activation="relu")
    assert method == Shrinking()
    params, state = drawn(network, method), method.init(32)
    taken = step(network, method, params, X, WEIGHT, state)
    assert_allclose(taken.state["margin"], 0.1)
    pre_code = network.encode(params, X[:6])
    code, _ = method.select(Step(network, params, taken.state, pre_code=pre_code, train=False))
    assert_allclose(code, np.maximum(pre_code - np.float32(0.1), 0), rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidParameterError, match=r"^k=3 has no effect with sparsity='toy', only with topk, .*"):
        resolve("toy", k=3)
