import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from commands import isthmus, refused
from isthmus.data.tables import FORMATS, read_table, write_table

FEW = ["--epochs", "0", "--seed", "0"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    t = rng.normal(size=120)
    whole = {
        "id": pa.array(np.arange(120)),
        "day": pa.array(pd.date_range("2020-01-01", periods=120).date),
        "height": pa.array(t + 0.1 * rng.normal(size=120)),
        "count": pa.array(np.rint(4 * t).astype(int)),
        "tall": pa.array(t > 0),
        "size": pa.array(np.where(t > 0, "big", "small")),
    }
    holed = {
        name: pa.array(column.to_pylist(), column.type, mask=None if number < 2 else rng.random(120) < 0.2)
        for number, (name, column) in enumerate(whole.items())
    }
    return pa.table({**holed, "empty": pa.nulls(120, pa.float64())})


@pytest.fixture(params=list(FORMATS))
def holes(request, table, tmp_path):
    path = tmp_path / f"holes{request.param}"
    write_table(table, path)
    return path


def test_holes_are_filled_and_all_else_stays(holes):
    whole = holes.with_stem("whole")
    said = isthmus("impute", holes, "-o", whole, "--drop", "id", *FEW)
    before, after = read_table(holes), read_table(whole)
    assert after.schema.equals(before.schema)
    assert [c.null_count for c in after.columns] == [0] * 6 + [120]
    for name in before.column_names:
        pairs = zip(before[name].to_pylist(), after[name].to_pylist(), strict=True)
        assert all(old == new for old, new in pairs if old is not None)
    lines = said.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:4]] == [
        ["height", "real"],
        ["count", "integer"],
        ["tall", "boolean"],
        ["size", "category"],
    ]
    n_holes = sum(before[name].null_count for name in ("height", "count", "tall", "size"))
    assert lines[-1].startswith(f"{n_holes} cells of 120 rows filled")
    assert said.stderr.splitlines() == [
        "isthmus: nothing was observed in 'empty'; left as it is",
        "isthmus: passed over: id, day",
    ]


@pytest.fixture
def inside(table, tmp_path, monkeypatch):
    write_table(table, tmp_path / "holes.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_saved_imputer_fills_another_table(inside):
    facts = json.loads(
        isthmus("impute", "holes.parquet", "-o", "a.parquet", "--save", "model", "--json", "--drop", "id", *FEW).stdout
    )
    isthmus("impute", "holes.parquet", "-o", "b.parquet", "--model", "model", "-q")
    assert read_table("a.parquet").equals(read_table("b.parquet"))
    assert facts["filled"] == sum(column["holes"] for column in facts["columns"][:4])
    assert [column["kind"] for column in facts["columns"]] == ["real", "integer", "boolean", "category", "empty"]
    assert facts["passed_over"] == ["id", "day"]


def test_only_asked_columns_are_filled(inside):
    isthmus("impute", "holes.parquet", "-o", "a.feather", "--columns", "count,height", *FEW)
    filled = read_table("a.feather")
    assert [filled[name].null_count > 0 for name in ("height", "count", "tall", "size")] == [False, False, True, True]


def test_its_input_is_written_over_by_force_alone(inside):
    refused("impute", "holes.parquet", "-o", "holes.parquet", *FEW, match="is the table itself.*--force")
    isthmus("impute", "holes.parquet", "-o", "holes.parquet", "--force", "--drop", "id", *FEW)
    assert read_table("holes.parquet")["height"].null_count == 0


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["none.csv", "-o", "a.csv"], "there is no table none.csv"),
        (["holes.parquet", "-o", "a.xlsx"], "no table by its name"),
        (["holes.parquet", "-o", "a.csv", "--columns", "heigth"], "no column 'heigth'; it has id, day"),
        (["holes.parquet", "-o", "a.csv", "--columns", "day"], "'day' is of type date32"),
        (["holes.parquet", "-o", "a.csv", "--columns", "id", "--drop", "id"], "no column .* left to fill"),
        (["holes.parquet", "-o", "a.csv", "--epochs", "-1"], "max_epochs=-1 is not legal"),
        (["holes.parquet", "-o", "a.csv", "--seed", "-1"], "random_state=-1 is not legal"),
        (["holes.parquet", "-o", "a.csv", "--model", "holes.parquet"], "holes.parquet is not a readable model"),
    ],
)
def test_what_cannot_be_done_gets_one_line(inside, args, match):
    refused("impute", *args, match=match)
    assert sorted(path.name for path in inside.iterdir()) == ["holes.parquet"]
