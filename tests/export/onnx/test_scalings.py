import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.data.scaling import SCALINGS, Scaler
from isthmus.data.scaling.maps import Patches, WhitenedPatches, Whitening
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.scalings import NODES, is_wide, maps_of
from isthmus.export.onnx.writing import to_model
from running_onnx import assert_near, run

WIDTH = 9
RNG = np.random.default_rng(0)
MATRIX = np.linalg.qr(RNG.normal(size=(WIDTH, WIDTH)))[0]
WHITENING = Whitening(RNG.normal(size=WIDTH), MATRIX * 2, MATRIX.T / 2)
SCALING = {
    Scaler: Scaler("standard", RNG.normal(5, 1, WIDTH), RNG.uniform(1, 2, WIDTH)),
    Patches: Patches(WIDTH, 0.4, level=0.3),
    Whitening: WHITENING,
    WhitenedPatches: WhitenedPatches(WHITENING, Patches(WIDTH, 0.4)),
}


def test_every_scaling_has_a_row():
    assert {*NODES} == {recipe.makes for recipe in SCALINGS.values()}, "add a row to isthmus.export.onnx.scalings.NODES"


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nodes_scale_as_the_map_does(kind, dtype):
    scaling, raw = SCALING[kind], RNG.normal(5, 1, (20, WIDTH)).astype(dtype)
    name, shape, graph = np.dtype(dtype).name, ("n", WIDTH), Graph()
    rows, means = maps_of(scaling).scaled(graph, scaling, graph.input("x", name, shape), np.dtype(dtype))
    graph.output(rows, "scaled", name, shape)
    graph.output(maps_of(scaling).raw(graph, scaling, rows, means, np.dtype(dtype)), "back", name, shape)
    graph.output(maps_of(scaling).raw(graph, scaling, rows, None, np.dtype(dtype)), "alone", name, shape)
    found = run(to_model(graph), x=raw)
    scaled = scaling.scaled(raw, dtype)
    assert_near(found["scaled"], scaled, 2e-6)
    assert_near(found["back"], scaling.raw(scaled, dtype, like=raw), 2e-6)
    assert_near(found["alone"], scaling.raw(scaled, dtype), 2e-6)


def test_a_scaling_that_changes_nothing_has_no_nodes():
    graph, none = Graph(), Scaler("none", np.zeros(2), np.ones(2))
    assert maps_of(none).scaled(graph, none, "x", np.dtype(np.float32)).rows == "x"
    assert maps_of(none).raw(graph, none, "x", None, np.dtype(np.float32)) == "x"
    assert not graph.nodes


def test_rows_far_from_0_need_float64():
    assert not is_wide(SCALING[Scaler])
    assert is_wide(Scaler("standard", np.array([1e9]), np.array([1.0])))
    assert is_wide(Scaler("standard", np.zeros(1), np.ones(1), wide=True))


def test_a_scaling_without_a_row_is_refused():
    class Halves(Scaler):
        pass

    with pytest.raises(InvalidParameterError, match="scaling='standard' cannot be exported; add a row"):
        maps_of(Halves("standard", np.zeros(2), np.ones(2)))
