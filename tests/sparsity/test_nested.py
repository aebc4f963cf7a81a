import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.core.errors import InvalidParameterError
from isthmus.networks.dense import Dense
from isthmus.sparsity import BatchTopK, Matryoshka, TopK
from stepping import drawn, slopes_agree, step

rng = np.random.default_rng(0)
X, WEIGHT = rng.normal(size=(6, 4)), np.array([1.0, 1, 1, 1, 0, 0])
NETWORK = Dense(4, 12, code_activation="relu")


def selected(method, params, x):
    values = np.maximum(x @ params["encoder"][0]["weight"] + params["encoder"][0]["bias"], 0)
    if method.inner == "topk":
        least = np.sort(values, axis=1)[:, [-method.k]]
    else:
        least = np.sort(values, axis=None)[-method.k * len(x)]
    return np.where(values >= least, values, 0)


@pytest.mark.parametrize("inner", ["topk", "batch_topk"])
@pytest.mark.parametrize("sizes", [(2, 5, 12), None])
def test_each_prefix_reconstructs_the_rows(inner, sizes):
    method = Matryoshka(3, prefixes=sizes, inner=inner, auxiliary=0)
    params = drawn(NETWORK, method)
    code = selected(method, params, X[:4])
    decoder, bias = params["decoder"][0]["weight"], params["decoder"][0]["bias"]
    losses = {size: np.square(code[:, :size] @ decoder[:size] + bias - X[:4]).mean() for size in method.prefixes_of(12)}
    taken = step(NETWORK, method, params, X, WEIGHT)
    assert_allclose(taken.terms["reconstruction"], losses.pop(12), rtol=1e-12)
    assert_allclose(taken.terms["prefixes"], sum(losses.values()), rtol=1e-12)
    assert_allclose(taken.total, taken.terms["reconstruction"] + taken.terms["prefixes"], rtol=1e-12)
    assert len(losses) == (2 if sizes else 3)


def test_gradients_are_those_of_the_sum():
    method = Matryoshka(3, prefixes=(2, 5, 12), inner="topk", auxiliary=0)
    slopes_agree(NETWORK, method, drawn(NETWORK, method), X, weight=WEIGHT)


@pytest.mark.parametrize(("inner", "kind"), [("topk", TopK), ("batch_topk", BatchTopK)])
def test_the_inner_selection_has_the_same_settings(inner, kind):
    settings = {"k": 3, "k_start": 6, "anneal": 0.5, "auxiliary": 0.1, "auxiliary_k": 2, "dead_after": 50}
    method = Matryoshka(**settings, inner=inner, prefixes=(6, 12))
    assert method.selection == kind(**settings)
    params, state = drawn(NETWORK, method), method.init(12)
    assert state.keys() == kind(3).init(12).keys()
    state["idle"][:4] = 50
    both = [step(NETWORK, one, params, X, WEIGHT, state, k=4.0) for one in (method, kind(**settings))]
    for name in ("reconstruction", "auxiliary", "l0"):
        assert_allclose(both[0].terms[name], both[1].terms[name], rtol=1e-12)
    assert both[0].terms["auxiliary"] > 0
    assert all(np.array_equal(both[0].state[name], both[1].state[name]) for name in state)


@pytest.mark.parametrize(
    ("width", "expected"),
    [(64, (4, 8, 16, 32, 64)), (100, (6, 12, 25, 50, 100)), (5, (1, 2, 5)), (2, (1, 2)), (1, (1,))],
)
def test_default_prefixes(width, expected):
    assert Matryoshka().prefixes_of(width) == expected
    assert Matryoshka(prefixes=[1, np.int64(width + 1)]).prefixes_of(width + 1) == (1, width + 1)


@pytest.mark.parametrize("sizes", [(), (0, 3), (3, 3), (4, 2, 12), (1.5, 12), (True, 12), "12", 12, [-1, 12]])
def test_prefixes_that_do_not_increase(sizes):
    with pytest.raises(
        InvalidParameterError, match=r"^prefixes=.* must be integers >= 1, each larger than the one before"
    ):
        Matryoshka(prefixes=sizes)


def test_prefixes_end_with_the_code():
    with pytest.raises(
        InvalidParameterError, match=r"^prefixes=\(2, 10\) must end with 12, the number of the code's units$"
    ):
        Matryoshka(3, prefixes=(2, 10)).check(NETWORK)
    Matryoshka(3, prefixes=(2, 12)).check(NETWORK)
    with pytest.raises(InvalidParameterError, match="k=13 must be at most the code's 12 units"):
        Matryoshka(13).check(NETWORK)


def test_an_unknown_selection():
    with pytest.raises(InvalidParameterError, match=r"inner='batch_top' .*did you mean 'batch_topk'"):
        Matryoshka(inner="batch_top")


def test_a_list_of_prefixes_hashes():
    assert hash(Matryoshka(prefixes=[2, 12])) == hash(Matryoshka(prefixes=(2, 12)))
