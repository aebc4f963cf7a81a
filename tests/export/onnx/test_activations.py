import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.functions import Function
from isthmus.export.onnx.activations import NODES, activated
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.writing import to_model
from isthmus.networks.activations import ACTIVATIONS
from running_onnx import assert_near, run


def test_every_activation_has_a_row():
    assert [*NODES] == [*ACTIVATIONS], "add a row to isthmus.export.onnx.activations.NODES"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nodes_compute_what_the_function_does(name):
    graph = Graph()
    graph.output(activated(graph, name, graph.input("x", "float32", ("n", 40))), "y", "float32", ("n", 40))
    x = np.linspace(-12, 12, 120, dtype=np.float32).reshape(3, 40)
    assert_near(run(to_model(graph), x=x)["y"], ACTIVATIONS[name](x), 1e-6)


def test_an_activation_without_a_row_is_refused():
    with pytest.raises(InvalidParameterError, match="activation='mish' cannot be exported; add a row to isthmus"):
        activated(Graph(), "mish", "x")


def test_a_function_without_a_name():
    with pytest.raises(InvalidParameterError, match=r"^activation=sin cannot be exported; .*ACTIVATIONS, and add"):
        activated(Graph(), Function(jnp.sin), "x")
