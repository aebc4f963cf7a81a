import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.named_columns import NamedColumns, has_column, numbers_in
from isthmus.data.sources import open_source

TABLE = pd.DataFrame({"a": [1.5, 2, 3], "w": [1.0, np.nan, 2], "town": ["Bonn", "007", "Ulm"]})


def written(folder, form):
    if form == "csv":
        TABLE.to_csv(folder / "t.csv", index=False)
        return folder / "t.csv"
    if form == "decimal comma":
        TABLE.to_csv(folder / "t.csv", index=False, sep=";", decimal=",")
        return open_source(folder / "t.csv", drop=["w", "town"])
    TABLE.to_parquet(folder / "t.parquet", index=False)
    return folder / "t.parquet"


FORMS = {
    "pandas": lambda folder: TABLE,
    "polars": lambda folder: pl.from_pandas(TABLE),
    "pyarrow": lambda folder: pa.Table.from_pandas(TABLE),
    **{form: lambda folder, form=form: written(folder, form) for form in ("csv", "parquet", "decimal comma")},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_column_is_read_and_is_no_feature(form, tmp_path):
    table = NamedColumns(FORMS[form](tmp_path), {"sample_weight": "w", "groups": "town"})
    assert_array_equal(table.numbers("sample_weight", "w"), TABLE["w"])
    towns = [value for piece in table.values("town") for value in piece.to_pylist()]
    assert towns == list(TABLE["town"]), "text as it is written"
    if form in ("pandas", "polars"):
        assert list(table.rows.columns) == ["a"]
    else:
        names = table.rows.column_names if form == "pyarrow" else table.rows.schema.names
        assert list(names) == ["a"]


@pytest.mark.parametrize("form", FORMS)
def test_columns_that_are_not_there_are_named(form, tmp_path):
    given = FORMS[form](tmp_path)
    assert has_column(given, "w")
    assert not has_column(given, "v")
    with pytest.raises(InvalidParameterError, match=r"^sample_weight.*v"):
        NamedColumns(given, {"sample_weight": "v"})


@pytest.mark.parametrize("form", ["pandas", "csv", "parquet"])
def test_text_is_no_weight(form, tmp_path):
    with pytest.raises((InvalidDataError, InvalidParameterError), match=r"^sample_weight: .*town"):
        numbers_in(FORMS[form](tmp_path), "sample_weight", "town")


def test_a_feature_of_a_source_is_no_weight(tmp_path):
    TABLE[["a", "w"]].fillna(0).to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(InvalidParameterError, match=r"'w' is a feature of this source; open it with drop=\['w'\]"):
        NamedColumns(open_source(tmp_path / "t.parquet"), {"sample_weight": "w"})


def test_arrays_have_no_columns():
    assert not has_column(np.eye(2), "w")
    with pytest.raises(InvalidParameterError, match="sample_weight='w' is no column of these rows"):
        NamedColumns(np.eye(2), {"sample_weight": "w"})
    with pytest.raises(InvalidParameterError, match="validation_by='w' is neither 'last' nor a column"):
        NamedColumns(np.eye(2), {"validation_by": "w"})
