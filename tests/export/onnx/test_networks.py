import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.networks import NODES, nodes_of, reconstruction
from isthmus.export.onnx.writing import to_model
from isthmus.networks import FAMILIES
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from running_onnx import assert_near, run
from toys import ToyNetwork

WIDTH = 10
NETWORKS = {
    "one layer": Dense(WIDTH, 4),
    "hidden layers": Dense(WIDTH, 3, (7, 5), (5, 8), linear_path=True),
    "tied": Dense(WIDTH, 3, (7,), (7,), tied=True, linear_path=True, code_activation="tanh"),
    "layer norm": Dense(WIDTH, 3, (7, 6), (6, 7), layer_norm=True, activation="relu"),
    "pre-bias": Dense(WIDTH, 12, pre_bias=True, code_activation="relu"),
    "missing": Dense(WIDTH, 3, (7,), (7,), indicator=True),
    "missing, one layer": Dense(WIDTH, 3, indicator=True),
    "categories": Dense(WIDTH, 3, (7,), (7,), categories=((0, 2), (5, 8))),
    "one category": Dense(WIDTH, 3, categories=((0, WIDTH),)),
    "bfloat16": Dense(WIDTH, 3, (7,), (7,), precision="bfloat16", linear_path=True, tied=True),
    "convolutional": Convolutional((7, 10, 3), 4, channels=(4, 6), output_activation="sigmoid"),
    "whole blocks": Convolutional((8, 8, 1), 4, channels=(4,)),
    "no level": Convolutional((4, 3, 2), 4, channels=()),
}


FEW = ("missing", "categories", "whole blocks")


def drawn(network):
    """Return random parameters of a network: biases and a missing matrix start at zero."""
    rng = np.random.default_rng(1)

    def leaves(tree):
        if isinstance(tree, dict):
            return {name: leaves(leaf) for name, leaf in tree.items()}
        if isinstance(tree, list):
            return [leaves(leaf) for leaf in tree]
        return rng.normal(0, 0.5, tree.shape).astype(tree.dtype)

    return leaves(network.init(0))


def test_every_family_has_a_row():
    assert {*FAMILIES.values()} <= {*NODES}, "add a row to isthmus.export.onnx.networks.NODES"


@pytest.mark.parametrize("network", [NETWORKS[name] for name in FEW], ids=FEW)
def test_nodes_compute_what_a_network_does(network):
    agree(network)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_nodes_compute_what_the_network_does(network):
    agree(network)


def agree(network):
    """Check the nodes of a network's halves against the network."""
    rng, params = np.random.default_rng(0), drawn(network)
    x, width = rng.normal(size=(5, network.n_features)).astype(np.float32), network.n_features
    mask = (rng.random(x.shape) < 0.3).astype(np.float32) if network.indicator else None
    graph = Graph(rounded=network.precision == "bfloat16")
    given = graph.input("rows", "float32", ("n", width))
    missing = graph.input("mask", "float32", ("n", width)) if network.indicator else None
    code = nodes_of(network).encode(graph, network, params, given, missing)
    graph.output(code, "code", "float32", ("n", network.n_components))
    pre = nodes_of(network).decode(graph, network, params, graph.input("z", "float32", ("n", network.n_components)))
    graph.output(reconstruction(graph, network, pre), "output", "float32", ("n", width))
    z = rng.normal(size=(5, network.n_components)).astype(np.float32)
    found = run(to_model(graph), rows=x, z=z, **({} if mask is None else {"mask": mask}))
    # A factor at the middle of two numbers of bfloat16 may be rounded to either.
    tolerance = 1e-2 if network.precision == "bfloat16" else 1e-5
    assert_near(found["code"], network.encode(params, x, None, None, mask), tolerance)
    assert_near(found["output"], network.activate_output(network.decode(params, z)), tolerance)


def test_tied_weights_are_stored_once():
    network = NETWORKS["tied"]
    graph = Graph()
    code = nodes_of(network).encode(graph, network, drawn(network), "x", None)
    nodes_of(network).decode(graph, network, drawn(network), code)
    matrices = [name for name, array in graph.constants.items() if array.ndim == 2]
    assert sorted(matrices) == ["encoder.0.weight", "encoder.1.weight", "encoder.path"]


def test_networks_without_nodes_are_refused():
    with pytest.raises(InvalidParameterError, match="network=ToyNetwork cannot be exported; add a row"):
        nodes_of(ToyNetwork(4, 2))
    own = Custom(lambda d, k, key: (lambda x: x[:k], lambda z: z[0] * np.ones(d)), 4, 2)
    with pytest.raises(InvalidParameterError, match="a network of your own cannot be exported"):
        nodes_of(own)
