from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context

import mixed
from isthmus.data.encoding import TableEncoding
from isthmus.estimators.framing import as_asked, asked_library, filled_rows, reconstructed_rows

TYPES = [(library, place) for library, frame in mixed.FRAMES.items() for place in range(frame(0).shape[1])]


def as_list(frame):
    if isinstance(frame, pd.DataFrame):
        return [None if pd.isna(cell) else cell for cell in frame.iloc[:, 0].astype(object)]
    return frame[frame.columns[0]].to_list() if hasattr(frame, "rows") else frame.column(0).to_pylist()


@pytest.mark.parametrize(("library", "place"), TYPES)
def test_missing_cells_of_every_type_are_filled_and_the_others_stay(library, place):
    whole = mixed.FRAMES[library](0)
    names = whole.column_names if library == "pyarrow" else list(whole.columns)
    frame = whole[[names[place]]] if library == "pandas" else whole.select([names[place]])
    model = SimpleNamespace(encoding_=TableEncoding.learn(frame))
    rows = model.encoding_.encode(frame)
    filled = filled_rows(model, frame, np.where(np.isnan(rows), rows[0], rows))
    given = as_list(frame)
    assert as_list(filled) == [given[0] if cell is None else cell for cell in given]
    types = [list(table.dtypes) if library != "pyarrow" else table.schema.types for table in (frame, filled)]
    assert types[0] == types[1]


@pytest.mark.parametrize("library", mixed.FRAMES)
def test_reconstructed_numbers_of_a_skewed_column_are_in_its_own_unit(library):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"kind": rng.choice(["a", "b"], 300), "price": rng.lognormal(3, 1, 300)})
    table = {"pandas": lambda: frame, "polars": lambda: pl.from_pandas(frame), "pyarrow": lambda: pa.table(frame)}
    X = table[library]()
    model = SimpleNamespace(encoding_=TableEncoding.learn(X, unskew=True))
    assert model.encoding_.columns[1].skew
    found = reconstructed_rows(model, X, model.encoding_.encode(X), probabilities=True)
    assert_allclose(np.asarray(found["price"]), frame["price"], rtol=1e-9)
    assert_allclose(np.asarray(found["kind=a"]), frame["kind"] == "a")


@pytest.mark.parametrize("asked", ["pandas", "polars"])
@pytest.mark.parametrize("given", ["pandas", "polars", "pyarrow"])
def test_a_frame_keeps_its_types_in_the_library_that_is_asked_for(given, asked):
    frame = pd.DataFrame({"n": np.arange(3), "x": [0.5, 1.5, 2.5], "flag": [True, False, True], "town": list("aba")})
    same = {"pandas": frame, "polars": pl.from_pandas(frame), "pyarrow": pa.Table.from_pandas(frame)}
    model = SimpleNamespace(_sklearn_output_config={"transform": asked})
    found = as_asked(model, same[given])
    assert type(found) is type(same[asked])
    if asked == "pandas":
        pd.testing.assert_frame_equal(found, frame)
    else:
        assert found.schema == same["polars"].schema


def test_the_library_of_frames_is_that_of_the_model_or_else_of_the_configuration():
    model = SimpleNamespace(_sklearn_output_config={"transform": "default"})
    with config_context(transform_output="polars"):
        assert asked_library(SimpleNamespace()) == "polars"
        assert asked_library(model) is None
    frame = pl.DataFrame({"a": [1]})
    assert as_asked(model, frame) is frame


def test_a_reconstruction_has_the_index_and_the_columns_index_of_its_rows():
    names = pd.MultiIndex.from_tuples([("g", "a"), ("g", "b"), ("h", "a")], names=["group", "name"])
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), index=[*"uvwxyz"], columns=names)
    model = SimpleNamespace(encoding_=TableEncoding.learn(rows))
    found = reconstructed_rows(model, rows, rows.to_numpy())
    pd.testing.assert_frame_equal(found, rows)
