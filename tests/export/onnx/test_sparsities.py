import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.sparsities import NODES, sparse_code
from isthmus.export.onnx.writing import to_model
from isthmus.networks.dense import Dense
from isthmus.sparsity import CODES, SPARSITIES, BatchTopK, Matryoshka, TopK, VectorQuantization
from isthmus.sparsity.base import Step
from running_onnx import assert_near, run
from toys import Shrinking

WIDTH = 32
METHODS = [kind() for kind in SPARSITIES.values()]
METHODS += [TopK(k=WIDTH), TopK(k=1), BatchTopK(rule="paper"), Matryoshka(inner="topk", k=3)]


def test_every_sparsity_has_a_row():
    assert {*NODES} == {*SPARSITIES.values(), *CODES.values()}, "add a row to isthmus.export.onnx.sparsities.NODES"


@pytest.mark.parametrize("sparsity", METHODS, ids=repr)
def test_nodes_select_what_the_method_does(sparsity):
    rng = np.random.default_rng(3)
    network = Dense(6, WIDTH, code_activation=sparsity.code_activation)
    params = network.init(0)
    params["encoder"][0]["bias"] = rng.normal(0, 0.3, WIDTH).astype(np.float32)
    own = sparsity.learned(WIDTH)
    params["sparsity"] = {name: (leaf + rng.normal(0, 0.2, WIDTH)).astype(np.float32) for name, leaf in own.items()}
    state = sparsity.init(WIDTH)
    if "known" in state and "threshold" in state:
        state |= {"threshold": np.float32(0.3), "known": np.float32(0.5)}
    # Ties, since of equal values the first is kept.
    pre_code = np.round(rng.normal(0, 1, (50, WIDTH)), 1).astype(np.float32)
    graph = Graph()
    code = sparse_code(graph, sparsity, network, params, state, graph.input("x", "float32", ("n", WIDTH)))
    graph.output(code, "y", "float32", ("n", WIDTH))
    found = run(to_model(graph), x=pre_code)["y"]
    expected, _ = sparsity.select(Step(network, params, state, pre_code=pre_code, train=False))
    np.testing.assert_array_equal(found == 0, expected == 0)
    assert_near(found, expected, 1e-6)


@pytest.mark.parametrize("groups", [1, 4])
def test_nodes_find_the_nearest_entries(groups):
    rng = np.random.default_rng(5)
    network, sparsity = Dense(6, WIDTH), VectorQuantization(9, groups)
    state = {name: leaf.astype(np.float32) for name, leaf in sparsity.init(WIDTH).items()}
    state["codebook"] += rng.normal(2, 1, state["codebook"].shape).astype(np.float32)
    state["count"][:, :7] = 1  # the other entries were never set
    pre_code = rng.normal(2, 1, (50, WIDTH)).astype(np.float32)
    graph = Graph()
    code = sparse_code(graph, sparsity, network, {}, state, graph.input("x", "float32", ("n", WIDTH)))
    graph.output(code, "y", "float32", ("n", WIDTH))
    expected, _ = sparsity.select(Step(network, {}, state, pre_code=pre_code, train=False))
    np.testing.assert_array_equal(run(to_model(graph), x=pre_code)["y"], expected)


def test_a_sparsity_without_a_row_is_refused():
    network = Dense(6, WIDTH)
    with pytest.raises(InvalidParameterError, match=r"sparsity=Shrinking\(.*\) cannot be exported; add a row"):
        sparse_code(Graph(), Shrinking(), network, network.init(0), {}, "x")
