import sys

import numpy as np
import pytest

from isthmus import Autoencoder
from isthmus.core.errors import ExistingFileError, InvalidParameterError
from isthmus.export.onnx.graph import OPSET, Graph
from isthmus.export.onnx.writing import to_model
from running_onnx import run
from sae_folders import randomized

onnx = pytest.importorskip("onnx")
ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), ROWS)


def test_a_file_is_the_model_that_is_returned(model, tmp_path):
    path = tmp_path / "m.onnx"
    proto = model.to_onnx(path)
    assert onnx.load(path) == proto
    assert (proto.opset_import[0].version, proto.ir_version, proto.producer_name) == (OPSET, 8, "isthmus")
    assert {entry.key for entry in proto.metadata_props} >= {"isthmus.version", "isthmus.columns", "isthmus.scaling"}
    with pytest.raises(ExistingFileError, match="exists"):
        model.to_onnx(path)
    model.to_onnx(path, part="encoder", overwrite=True)
    assert [output.name for output in onnx.load(path).graph.output] == ["codes"]


def test_the_number_of_rows_is_free(model):
    proto = model.to_onnx(part="encoder")
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
    assert [len(run(proto, x=ROWS[:n])["codes"]) for n in (0, 1, 7)] == [0, 1, 7]


def test_onnx_is_an_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InvalidParameterError, match=r"onnx is not installed; pip install 'isthmus\[onnx\]'"):
        model.to_onnx()


def test_weights_beyond_one_file_are_refused():
    graph = Graph()
    graph.constants["weight"] = np.broadcast_to(np.float32(0), (1 << 16, 1 << 14))
    with pytest.raises(InvalidParameterError, match=r"4\.0 GiB of weights, but one ONNX file has at most 2"):
        to_model(graph)
