import numpy as np
import pandas as pd
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.data.encoding import TableEncoding
from isthmus.export.onnx import tables
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.writing import to_model
from running_onnx import run


def test_equal_constants_are_stored_once_and_others_get_other_names():
    graph = Graph()
    one = graph.constant([1.0, 2.0], "weight")
    assert graph.constant([1.0, 2.0], "weight") == one
    assert graph.constant([1.0, 3.0], "weight") == "weight_1"
    assert graph.number(0.5) == graph.number(0.5)
    assert graph.number(0.5) != graph.number(0.5, np.float64)
    graph.node("Add", one, one)
    assert [*graph.used_constants()] == [one]


def test_columns_may_have_the_names_of_nodes():
    frame = pd.DataFrame({name: [f"{name}{i % 3}" for i in range(9)] for name in ("where", "cast", "equal", "concat")})
    encoding = TableEncoding.learn(frame)
    graph = Graph()
    graph.output(tables.read(graph, encoding, "float32", "n"), "y", "float32", ("n", encoding.width))
    found = run(to_model(graph), **{name: frame[name].to_numpy(object)[:, None] for name in frame})["y"]
    np.testing.assert_array_equal(found, encoding.encode(frame))


def test_columns_with_the_names_of_outputs_are_refused():
    graph = Graph()
    graph.input("1", "float32", ("n", 1))
    graph.input("codes", "float32", ("n", 1))
    with pytest.raises(InvalidParameterError, match="column 'codes' has the name of an output of the file; rename it"):
        graph.output("1", "codes", "float32", ("n", 1))
    with pytest.raises(InvalidParameterError, match="two columns are named '1' as text; rename one"):
        graph.input("1", "float32", ("n", 1))
