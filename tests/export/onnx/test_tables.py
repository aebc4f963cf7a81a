import json

import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.data.encoding import TableEncoding
from isthmus.export.onnx import tables
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.models import graph_of
from isthmus.export.onnx.tables import PROBABILITIES, RESTORED
from isthmus.export.onnx.writing import to_model
from running_onnx import assert_near, run
from sae_folders import randomized

N = 60
RNG = np.random.default_rng(0)
START = np.datetime64("2021-03-04T07:30", "us")


def frame_of(*, holes):
    """Return a table with a column of each kind."""
    columns = {
        "plan": pd.array(RNG.choice(["basic", "family", "business"], N), dtype="str"),
        "rooms": pd.Categorical(RNG.choice([1, 2, 5], N)),
        "calls": RNG.integers(0, 50, N).astype(np.int32),
        "height": RNG.normal(1.7, 0.1, N).astype(np.float32),
        "income": RNG.lognormal(9, 1, N),
        "loss": -RNG.lognormal(3, 1, N),
        "member": RNG.random(N) < 0.5,
        "since": START + RNG.integers(0, 900, N) * np.timedelta64(90, "m"),
        "waited": pd.array(RNG.integers(0, 900, N) * np.timedelta64(1, "m").astype("m8[us]"), dtype="m8[us]"),
    }
    frame = pd.DataFrame(columns)
    if holes:
        for place, name in enumerate(frame.columns):
            if name not in ("calls", "member"):
                frame.loc[RNG.permutation(N)[: 4 + place], name] = None
    return frame


def fed(frame, encoding):
    """Return the columns of a frame as the inputs of a graph."""
    inputs = {}
    for column in encoding.columns:
        cells = frame[column.name]
        if column.kind == "category":
            numeric = tables.has_numeric_labels(column)
            values = cells.astype(object).where(cells.notna(), np.nan if numeric else "").to_numpy()
            inputs[column.name] = values.astype(np.float64) if numeric else values.astype(object)
        elif column.kind in ("datetime", "duration"):
            inputs[column.name] = cells.to_numpy().view(np.int64).copy()
        else:
            inputs[column.name] = cells.to_numpy(np.float32 if column.exact_in_float32 else np.float64)
    return {name: values[:, None] for name, values in inputs.items()}


@pytest.fixture(scope="module", params=[False, True], ids=["complete", "holes"])
def table(request):
    frame = frame_of(holes=request.param)
    return frame, TableEncoding.learn(frame, unskew=True)


def test_columns_are_encoded_as_isthmus_encodes_them(table):
    frame, encoding = table
    assert {"loss"} <= {column.name for column in encoding.columns if column.skew} <= {"income", "loss"}
    graph = Graph()
    rows = tables.read(graph, encoding, "float64", "n")
    graph.output(rows, "rows", "float64", ("n", encoding.width))
    assert [value.name for value in graph.inputs] == list(frame.columns)
    found, expected = run(to_model(graph), **fed(frame, encoding))["rows"], encoding.encode(frame)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_unknown_labels_are_0_at_each_level(table):
    frame, encoding = table
    inputs = fed(frame, encoding)
    inputs["plan"][0, 0], inputs["rooms"][0, 0] = "free", 3.0
    graph = Graph()
    graph.output(tables.read(graph, encoding, "float64", "n"), "rows", "float64", ("n", encoding.width))
    rows = run(to_model(graph), **inputs)["rows"]
    for first, stop in encoding.categories:
        assert (rows[0, first:stop] == 0).all()


def test_rows_become_columns_as_isthmus_decodes_them(table):
    frame, encoding = table
    rows = encoding.encode(frame)
    rows = np.where(np.isnan(rows), 0.25, rows) + RNG.normal(0, 0.05, rows.shape)
    graph = Graph()
    tables.write(graph, encoding, graph.input("rows", "float64", ("n", encoding.width)), "float64", "n")
    found, expected = run(to_model(graph), rows=rows), encoding.decode(rows)
    for column in encoding.columns:
        values, cells = found[f"{column.name}{RESTORED}"][:, 0], expected[column.name]
        if column.kind in ("datetime", "duration"):
            np.testing.assert_array_equal(values, cells.to_numpy().view(np.int64))
        elif column.kind == "category":
            assert list(values) == list(cells)
        else:
            np.testing.assert_allclose(values, cells.to_numpy(np.float64), rtol=1e-6)
    for name, shares in encoding.probabilities(rows).items():
        assert shares.shape == found[f"{name}{PROBABILITIES}"].shape


def test_the_calendar_is_refused(table):
    frame, _ = table
    encoding = TableEncoding.learn(frame, "calendar")
    with pytest.raises(InvalidParameterError, match=r"column 'since' is encoded by the calendar.*datetimes='elapsed'"):
        tables.read(Graph(), encoding, "float64", "n")


@pytest.mark.slow
@pytest.mark.parametrize("holes", [False, True], ids=["complete", "holes"])
def test_a_model_of_a_table_takes_and_gives_its_columns(holes):
    frame = frame_of(holes=holes)
    options = {"missing": "mask"} if holes else {}
    model = randomized(Autoencoder(3, hidden_layer_sizes=(8,), random_state=0, **options), frame)
    model.params_["encoder_path"] *= 0.1
    found = run(model.to_onnx(), **fed(frame, model.encoding_))
    assert_near(found["codes"], model.transform(frame))
    expected, shares = model.reconstruct(frame), model.reconstruct(frame, probabilities=True)
    for column in model.encoding_.columns:
        values = found[f"{column.name}{RESTORED}"][:, 0]
        if column.kind == "category":
            assert list(values) == list(expected[column.name])
            names = [f"{column.name}={level}" for level in column.levels]
            assert_near(found[f"{column.name}{PROBABILITIES}"], shares[names])
        elif column.kind not in ("datetime", "duration"):
            assert_near(values, expected[column.name].to_numpy(np.float64))
    decoded = run(model.to_onnx(part="decoder"), x=model.transform(frame).astype(np.float32))
    assert list(decoded[f"plan{RESTORED}"][:, 0]) == list(expected["plan"])


@pytest.mark.slow
def test_missing_cells_of_a_model_without_a_mask_make_codes_of_nan():
    frame = frame_of(holes=False)
    model = randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), frame)
    inputs = fed(frame, model.encoding_)
    inputs["plan"][0, 0], inputs["rooms"][1, 0] = "", np.nan
    inputs["since"][2, 0] = np.iinfo(np.int64).min
    codes = run(model.to_onnx(part="encoder"), **inputs)["codes"]
    assert np.isnan(codes[:3]).all()
    assert np.isfinite(codes[3:]).all()


def test_metadata_describe_the_columns(table):
    frame, _ = table
    model = Autoencoder(2, hidden_layer_sizes=(), random_state=0, missing="mask")
    about = json.loads(graph_of(randomized(model, frame), "encoder").about["isthmus.columns"])
    kinds = {column["name"]: column for column in about}
    assert kinds["plan"]["levels"] == ["basic", "business", "family"]
    assert kinds["rooms"]["levels"] == [1.0, 2.0, 5.0]
    assert kinds["since"]["unit"] == "us since 1970-01-01 UTC"
    assert kinds["waited"] == {"name": "waited", "kind": "duration", "unit": "us"}
