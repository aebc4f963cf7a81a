import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import stepping
from isthmus.core.errors import InvalidParameterError
from isthmus.networks.dense import Dense
from isthmus.sparsity import BatchTopK, Lifetime, Matryoshka, Step, TopK, selection
from stepping import batch_of, drawn, numbers_at, slopes_agree, step

rng = np.random.default_rng(0)
NETWORK = Dense(6, 16, code_activation="relu")
# Rows of padding that would be the largest.
X = np.vstack([rng.normal(size=(7, 6)), np.full((3, 6), 99.0)])
REAL, WEIGHT = X[:7], np.repeat([1.0, 0.0], [7, 3])


def activations(params, x):
    return np.maximum(x @ params["encoder"][0]["weight"] + params["encoder"][0]["bias"], 0)


def reconstructed(params, code):
    return code @ params["decoder"][0]["weight"] + params["decoder"][0]["bias"]


def global_maximum(values, k):
    kept = np.zeros_like(values)
    columns = np.argsort(-values, axis=1, kind="stable")[:, :k]
    np.put_along_axis(kept, columns, np.take_along_axis(values, columns, axis=1), axis=1)
    return kept


def selects(method, values, weight=None, state=None, train=True, lengths=None, **scheduled):
    """The code and state for activations, with a network that does not change them."""
    values = np.asarray(values, np.float32)
    state = method.init(values.shape[1]) if state is None else state
    weight = np.ones(len(values), np.float32) if weight is None else np.asarray(weight, np.float32)
    network = Dense(3, values.shape[1], code_activation="relu")
    rows = np.zeros((values.shape[1], 3), np.float32)
    rows[:, 0] = 1 if lengths is None else lengths
    params = {"decoder": [{"weight": rows}]}
    scheduled = {name: np.float32(value) for name, value in scheduled.items()}
    batch = batch_of(np.zeros((len(values), 3), np.float32), weight) if train else None
    given = Step(network, params, state, batch, scheduled=scheduled, pre_code=values, train=train)
    return jax.tree.map(np.asarray, method.select(given))


# top-k -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_topk_reconstructs_from_the_k_largest(k):
    method = TopK(k, auxiliary=0)
    params = drawn(NETWORK, method)
    code = global_maximum(activations(params, REAL), k)
    taken = step(NETWORK, method, params, X, WEIGHT)
    assert_allclose(taken.total, np.square(reconstructed(params, code) - REAL).mean(), rtol=1e-12)
    assert_allclose(taken.terms["l0"], (code > 0).sum(axis=1).mean())
    slopes_agree(NETWORK, method, params, X, weight=WEIGHT)


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=6, max_size=6), st.integers(1, 6))
def test_at_most_k_and_the_first_of_equal_ones(row, k):
    code, _ = selects(TopK(k), [row])
    assert_array_equal(code, global_maximum(np.maximum([row], 0), k))
    assert (code != 0).sum() <= k
    assert_array_equal(selects(TopK(k), [row], train=False)[0], code)


@pytest.mark.parametrize(("width", "k"), [(8, 1), (15, 1), (16, 1), (64, 4), (1000, 62)])
def test_default_k_is_a_sixteenth(width, k):
    assert TopK().k_of(width) == BatchTopK().k_of(width) == Matryoshka().k_of(width) == k
    assert TopK(k_start=k + 3).most_of(width) == min(k + 3, width)


@pytest.mark.parametrize("kind", [TopK, BatchTopK])
def test_k_is_annealed(kind):
    method = kind(2, k_start=6, anneal=0.5, auxiliary=0)
    params = drawn(NETWORK, method)
    for share, k in ((0.0, 6), (0.25, 4), (0.45, 2), (0.5, 2), (1.0, 2)):
        assert round(numbers_at(method, 16, share=share)["k"]) == k
        values = activations(params, REAL)
        lengths = np.linalg.norm(params["decoder"][0]["weight"], axis=1)
        code = global_maximum(values, k) if kind is TopK else batch_kept(values, k * len(REAL), lengths)
        taken = step(NETWORK, method, params, X, WEIGHT, share=share)
        assert_allclose(taken.total, np.square(reconstructed(params, code) - REAL).mean(), rtol=1e-12)
        assert_allclose(taken.terms["l0"], (code > 0).sum(axis=1).mean())
    assert "k" not in kind(2).schedules(16, 100)


# Dead units --------------------------------------------------------------------------------------------------------


def test_dead_units_reconstruct_the_residual():
    method = TopK(2, auxiliary=0.25, auxiliary_k=3, dead_after=100)
    params, state = drawn(NETWORK, method), method.init(16)
    dead = np.isin(np.arange(16), [1, 4, 5, 9, 12])
    state["idle"] = np.where(dead, 100, 99).astype(np.uint32)
    D, values = params["decoder"][0]["weight"], activations(params, REAL)
    residual = REAL - reconstructed(params, global_maximum(values, 2))
    code = global_maximum(np.where(dead, values, 0), 3)
    assert (code > 0).sum(axis=1).max() == 3

    taken = step(NETWORK, method, params, X, WEIGHT, state)
    assert_allclose(taken.terms["auxiliary"], 0.25 * np.square(residual - code @ D).mean(), rtol=1e-12)
    plain = step(NETWORK, TopK(2, auxiliary=0), params, X, WEIGHT, state).gradients
    added = jax.tree.map(np.subtract, taken.gradients, plain)
    pull = 0.25 * 2 / residual.size * (code @ D - residual)
    at_pre = pull @ D.T * (code > 0)
    assert_allclose(added["encoder"][0]["weight"], REAL.T @ at_pre, atol=1e-12)
    assert_allclose(added["encoder"][0]["bias"], at_pre.sum(axis=0), atol=1e-12)
    assert_allclose(added["decoder"][0]["weight"], code.T @ pull, atol=1e-12)
    assert_allclose(added["decoder"][0]["bias"], 0, atol=1e-12)
    assert not np.abs(added["encoder"][0]["weight"][:, ~dead]).max() > 1e-12
    assert np.abs(added["decoder"][0]["weight"][dead]).max() > 1e-3


def test_without_dead_units_the_auxiliary_loss_is_0():
    # The same program as above, and the same numbers as without an auxiliary loss.
    method, plain = TopK(2, auxiliary=0.25, auxiliary_k=3, dead_after=100), TopK(2, auxiliary=0)
    params = drawn(NETWORK, method)
    taken, without = (step(NETWORK, one, params, X, WEIGHT) for one in (method, plain))
    assert taken.terms["auxiliary"] == 0
    assert_allclose(taken.total, without.total, rtol=1e-14)
    jax.tree.map(lambda a, b: assert_allclose(a, b, atol=1e-14), taken.gradients, without.gradients)


def test_few_dead_units_have_a_smaller_weight():
    method = TopK(2, auxiliary=0.25, auxiliary_k=3, dead_after=100)
    params, state = drawn(NETWORK, method), method.init(16)
    state["idle"][3] = 100
    D, values = params["decoder"][0]["weight"], activations(params, REAL)
    residual = REAL - reconstructed(params, global_maximum(values, 2))
    alone = residual - values[:, [3]] @ D[[3]]
    assert_allclose(
        step(NETWORK, method, params, X, WEIGHT, state).terms["auxiliary"], 0.25 / 3 * np.square(alone).mean()
    )


@pytest.mark.parametrize(
    ("settings", "features", "wanted"),
    [({"k": 2}, 100, 16), ({"k": 2}, 10, 5), ({"k": 2}, 1, 1), ({"k": 4}, 100, 20), ({"k": 2, "auxiliary_k": 7}, 6, 7)],
)
def test_auxiliary_count(settings, features, wanted):
    assert TopK(**settings).auxiliary_count(Dense(features, 20)) == wanted


# Wide codes --------------------------------------------------------------------------------------------------------

WIDE = {
    "one layer": {"pre_bias": True, "transposed_start": True},
    "deep": {"encoder_sizes": (5,), "decoder_sizes": (4,), "activation": "tanh", "layer_norm": True},
    "squeezed": {"decoder_sizes": (7,), "output_activation": "sigmoid", "activation": "tanh"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDE)
def test_wide_codes_give_the_same_results(name, monkeypatch):
    network = Dense(6, 16, code_activation="relu", **WIDE[name])
    method = TopK(2, auxiliary_k=3, auxiliary=0.5, dead_after=100)
    params = drawn(network, method)
    x, options = (np.abs(X) / 100, {"loss": "bce"}) if name == "squeezed" else (X, {})
    states = [{"idle": np.where(np.arange(16) < dead, 100, 0).astype(np.uint32)} for dead in (0, 1, 6)]
    taken = []
    for units in (4096, 1):
        monkeypatch.setattr(selection, "_WIDE_UNITS", units)
        monkeypatch.setattr(selection, "_WIDE_SHARE", 1)
        assert method.is_wide(network) is (units == 1)
        stepping.compiled.cache_clear()
        taken.append([step(network, method, params, x, WEIGHT, state, **options) for state in states])
    stepping.compiled.cache_clear()
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-9, atol=1e-12), *taken)
    assert [float(one.terms["auxiliary"]) > 0 for one in taken[1]] == [False, True, True]


@pytest.mark.parametrize(
    ("network", "settings", "wide"),
    [
        ({}, {}, True),
        ({}, {"k": 65}, False),
        ({}, {"k_start": 32}, False),
        ({"n_components": 4095}, {}, False),
        ({"n_components": 8192}, {"k": 128}, True),
        ({"code_activation": "gelu"}, {}, False),
        ({"tied": True}, {}, False),
        ({"linear_path": True}, {}, False),
        ({"precision": "bfloat16"}, {}, False),
        ({"encoder_sizes": (5,), "decoder_sizes": (3, 2)}, {}, True),
    ],
)
def test_is_wide(network, settings, wide):
    built = Dense(**{"n_features": 6, "n_components": 4096, "code_activation": "relu", **network})
    assert TopK(**{"k": 16, **settings}).is_wide(built) is wide


# batch top-k -------------------------------------------------------------------------------------------------------


def batch_kept(values, wanted, lengths=1):
    sizes = values * lengths
    least = np.sort(sizes, axis=None)[-wanted]
    return np.where((sizes >= least) & (values > 0), values, 0)


@pytest.mark.parametrize("k", [1, 3])
def test_batch_topk_reconstructs_from_the_largest_of_the_batch(k):
    method = BatchTopK(k, auxiliary=0)
    params = drawn(NETWORK, method)
    lengths = np.linalg.norm(params["decoder"][0]["weight"], axis=1)
    code = batch_kept(activations(params, REAL), k * len(REAL), lengths)
    taken = step(NETWORK, method, params, X, WEIGHT)
    assert_allclose(taken.total, np.square(reconstructed(params, code) - REAL).mean(), rtol=1e-12)
    assert_allclose(taken.terms["l0"], (code > 0).sum(axis=1).mean())
    slopes_agree(NETWORK, method, params, X, weight=WEIGHT)


def test_all_values_equal_to_the_smallest_kept_are_kept():
    values = [[3, 2, 1, 1], [1, 1, -5, 0]]
    assert_array_equal(selects(BatchTopK(2), values)[0], [[3, 2, 1, 1], [1, 1, 0, 0]])
    assert_array_equal(selects(BatchTopK(1), values)[0], [[3, 2, 0, 0], [0, 0, 0, 0]])
    assert_array_equal(selects(BatchTopK(4), values)[0], [[3, 2, 1, 1], [1, 1, 0, 0]])
    padded = [*values, [9, 9, 9, 9]]
    assert_array_equal(selects(BatchTopK(1), padded, [1, 1, 0])[0][:2], [[3, 2, 0, 0], [0, 0, 0, 0]])


def test_the_threshold_is_the_running_mean_of_the_smallest_kept():
    method, state, least = BatchTopK(2, memory=0.6), None, []
    for _ in range(4):
        values = np.abs(rng.normal(size=(5, 8))).astype("f4")
        code, state = selects(method, values, state=state)
        least.append(code[code > 0].min())
        share = 0.4 * 0.6 ** np.arange(len(least))[::-1]
        threshold = share @ least / share.sum()
        assert_allclose(state["threshold"] / state["known"], threshold, rtol=1e-5)
        outside, same = selects(method, values, state=state, train=False)
        assert_array_equal(outside, np.where(values >= np.float32(state["threshold"] / state["known"]), values, 0))
        assert_array_equal(same["threshold"], state["threshold"])
    # A batch without activations, or of padding alone, changes nothing.
    for values, weight in ((np.full((5, 8), -1.0), np.ones(5)), (np.ones((5, 8)), np.zeros(5))):
        _, unmoved = selects(method, values, weight, state)
        assert (unmoved["threshold"], unmoved["known"]) == (state["threshold"], state["known"])


def test_activations_are_weighted_by_decoder_row_lengths():
    lengths = np.array([1, 0.5, 4, 2], np.float32)
    values = np.abs(rng.normal(size=(6, 4))).astype(np.float32)
    code, state = selects(BatchTopK(2), values, lengths=lengths)
    assert_array_equal(code, batch_kept(values, 12, lengths))
    least = (code * lengths)[code > 0].min()
    assert_allclose(state["threshold"] / state["known"], least)
    outside, _ = selects(BatchTopK(2), values, state=state, train=False, lengths=lengths)
    assert_array_equal(outside > 0, values * lengths >= state["threshold"] / state["known"])


def test_the_papers_rule_compares_activations_alone():
    lengths = np.array([1, 0.5, 4, 2], np.float32)
    values = np.abs(rng.normal(size=(6, 4))).astype(np.float32)
    code, state = selects(BatchTopK(2, rule="paper"), values, lengths=lengths)
    assert_array_equal(code, batch_kept(values, 12))
    assert_allclose(state["threshold"] / state["known"], code[code > 0].min())
    assert (BatchTopK(rule="paper").unit_rows, BatchTopK().unit_rows, TopK().unit_rows) == (True, False, True)
    with pytest.raises(InvalidParameterError, match="rule='papr' is not one of 'contribution', 'paper'; did you mean"):
        BatchTopK(rule="papr")


def test_before_any_batch_all_positive_values_are_kept():
    assert_array_equal(selects(BatchTopK(1), [[1, -1, 2]], train=False)[0], [[1, 0, 2]])


# Lifetime ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "kept"), [(0.05, 1), (0.25, 10), (0.5, 20), (0.99, 40)])
def test_each_unit_is_active_in_its_fraction_of_rows(target, kept):
    values = np.abs(rng.normal(size=(50, 6)))
    values[40:] = 99
    weight = np.repeat([1, 0], [40, 10])
    code = selects(Lifetime(target), values, weight, target=target)[0][:40]
    expected = max(1, round(target * 40))
    assert_array_equal((code > 0).sum(axis=0), np.full(6, expected))
    assert kept in (expected, expected + 1, expected - 1)
    least = np.sort(values[:40], axis=0)[-expected]
    assert_array_equal(code, np.where(values[:40] >= least, values[:40], 0).astype("f4"))
    assert_array_equal(selects(Lifetime(target), values, train=False)[0], values.astype("f4"))


def test_only_the_largest_reconstruct_and_have_gradients():
    method = Lifetime(0.3)
    params = drawn(NETWORK, method)
    values = activations(params, REAL)
    code = np.where(values >= np.sort(values, axis=0)[-2], values, 0)
    taken = step(NETWORK, method, params, X, WEIGHT)
    assert_allclose(taken.total, np.square(reconstructed(params, code) - REAL).mean(), rtol=1e-12)
    slopes_agree(NETWORK, method, params, X, weight=WEIGHT)


# Refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (TopK, {"k": 0}, "k=0 must be an integer >= 1"),
        (TopK, {"k": 2.0}, "k=2.0 must be an integer >= 1"),
        (TopK, {"k": 5, "k_start": 4}, "k_start=4 must be at least k=5"),
        (TopK, {"anneal": 1.2}, "anneal=1.2 must be a number >= 0 and <= 1"),
        (TopK, {"auxiliary": -1}, "auxiliary=-1 must be a number >= 0"),
        (TopK, {"auxiliary_k": 0}, "auxiliary_k=0 must be an integer >= 1"),
        (BatchTopK, {"dead_after": 0}, "dead_after=0 must be an integer >= 1"),
        (BatchTopK, {"memory": 1}, "memory=1 must be a number >= 0 and < 1"),
        (Lifetime, {"target": 1.0}, "target=1.0 must be a number > 0 and < 1"),
        (Lifetime, {"target": 0}, "target=0 must be a number > 0 and < 1"),
    ],
)
def test_settings(kind, settings, said):
    with pytest.raises(InvalidParameterError) as caught:
        kind(**settings)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("kind", [TopK, BatchTopK, Matryoshka])
def test_k_above_the_code_width(kind):
    with pytest.raises(InvalidParameterError, match=r"^k=17 must be at most the code's 16 units$"):
        kind(17).check(NETWORK)
    kind(16).check(NETWORK)
    with pytest.raises(InvalidParameterError, match=r"^k_start=3 must be at least k=4$"):
        kind(k_start=3).check(Dense(6, 64))
