import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from commands import fails, isthmus
from isthmus.data.tables import read_table, write_table

FEW = ["--epochs", "0", "--seed", "0"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    t = rng.normal(size=120)
    complete = {
        "id": pa.array(np.arange(120)),
        "day": pa.array(pd.date_range("2020-01-01", periods=120).date),
        "height": pa.array(t + 0.1 * rng.normal(size=120)),
        "count": pa.array(np.rint(4 * t).astype(int)),
        "tall": pa.array(t > 0),
        "size": pa.array(np.where(t > 0, "big", "small")),
    }
    incomplete = {
        name: pa.array(column.to_pylist(), column.type, mask=None if number < 2 else rng.random(120) < 0.2)
        for number, (name, column) in enumerate(complete.items())
    }
    return pa.table({**incomplete, "empty": pa.nulls(120, pa.float64())})


@pytest.fixture(params=[".csv", ".tsv", ".csv.gz", ".parquet", ".feather"])
def table_file(request, table, tmp_path):
    path = tmp_path / f"table{request.param}"
    write_table(table, path)
    return path


def test_missing_cells_are_filled_and_all_others_kept(table_file):
    filled = table_file.with_name(f"filled-{table_file.name}")
    result = isthmus("impute", table_file, "-o", filled, "--drop", "id", *FEW)
    before, after = read_table(table_file), read_table(filled)
    assert after.schema.equals(before.schema)
    assert [c.null_count for c in after.columns] == [0] * 6 + [120]
    for name in before.column_names:
        pairs = zip(before[name].to_pylist(), after[name].to_pylist(), strict=True)
        assert all(old == new for old, new in pairs if old is not None)
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:4]] == [
        ["height", "real"],
        ["count", "integer"],
        ["tall", "boolean"],
        ["size", "category"],
    ]
    n_missing = sum(before[name].null_count for name in ("height", "count", "tall", "size"))
    assert lines[-1].startswith(f"{n_missing} cells of 120 rows filled")
    assert result.stderr.splitlines() == [
        "isthmus: no observed values in 'empty'; left empty",
        "isthmus: copied without change: id, day",
    ]


@pytest.fixture
def in_folder(table, tmp_path, monkeypatch):
    write_table(table, tmp_path / "table.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_saved_imputer_fills_another_table(in_folder):
    facts = json.loads(
        isthmus("impute", "table.parquet", "-o", "a.parquet", "--save", "model", "--json", "--drop", "id", *FEW).stdout
    )
    isthmus("impute", "table.parquet", "-o", "b.parquet", "--model", "model", "-q")
    assert read_table("a.parquet").equals(read_table("b.parquet"))
    assert facts["filled"] == sum(column["missing"] for column in facts["columns"][:4])
    assert [column["kind"] for column in facts["columns"]] == ["real", "integer", "boolean", "category", "empty"]
    assert facts["copied"] == ["id", "day"]


def test_an_imputer_is_no_autoencoder(in_folder):
    isthmus("impute", "table.parquet", "-o", "a.parquet", "--save", "model", "-q", *FEW)
    match = "model has a model of class AutoencoderImputer, which .*; pass it to isthmus impute --model"
    fails("inspect", "model", match=match)
    fails("score", "model", "table.parquet", match=match)
    fails("encode", "model", "table.parquet", "-o", "codes.csv", match=match)


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_table_and_the_imputer_have_different_files(in_folder, force):
    names = ("-o", "a.csv", "--save", "./a.csv")
    fails("impute", "table.parquet", *names, *FEW, *force, match="--output and --save are both a.csv")
    assert not (in_folder / "a.csv").exists()


def test_only_requested_columns_are_filled(in_folder):
    isthmus("impute", "table.parquet", "-o", "a.feather", "--columns", "count,height", *FEW)
    filled = read_table("a.feather")
    assert [filled[name].null_count > 0 for name in ("height", "count", "tall", "size")] == [False, False, True, True]


def test_the_input_is_overwritten_only_with_force(in_folder):
    fails(
        "impute",
        "table.parquet",
        "-o",
        "table.parquet",
        *FEW,
        match="is read by this command",
    )
    isthmus("impute", "table.parquet", "-o", "table.parquet", "--force", "--drop", "id", *FEW)
    assert read_table("table.parquet")["height"].null_count == 0


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["none.csv", "-o", "a.csv"], "none.csv"),
        (["table.parquet", "-o", "a.xlsx"], "a.xlsx"),
        (["table.parquet", "-o", "a.csv", "--columns", "heigth"], "no column 'heigth'; its columns are id, day"),
        (["table.parquet", "-o", "a.csv", "--columns", "day"], "'day' .*date32"),
        (["table.parquet", "-o", "a.csv", "--columns", "id", "--drop", "id"], "no column .* to fill"),
        (["table.parquet", "-o", "a.csv", "--epochs", "-1"], "max_epochs=-1 "),
        (["table.parquet", "-o", "a.csv", "--seed", "-1"], "random_state=-1 "),
        (["table.parquet", "-o", "a.csv", "--model", "table.parquet"], "table.parquet .*model"),
    ],
)
def test_invalid_arguments(in_folder, args, match):
    fails("impute", *args, match=match)
    assert sorted(path.name for path in in_folder.iterdir()) == ["table.parquet"]


TEXT = "zip;town;size\n" + "".join(f"{i:05};{['Köln', 'NA'][i % 2]};{'' if i % 5 == 1 else i % 9}\n" for i in range(40))


def test_text_goes_from_stdin_to_stdout(tmp_path):
    result = isthmus("impute", "-", "-o", "-", *FEW, input=TEXT)
    before, after = TEXT.splitlines(), result.stdout.splitlines()
    assert [a for a, b in zip(after, before, strict=True) if a != b and not b.endswith(";")] == []
    assert all(a.startswith(b) and a != b for a, b in zip(after, before, strict=True) if b.endswith(";"))
    packed = isthmus("impute", "-", "-o", tmp_path / "out.csv.gz", *FEW, input=gzip.compress(TEXT.encode()))
    assert "8 cells of 40 rows filled" in packed.stdout
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).decode() == result.stdout


def test_other_spellings_of_missing_cells(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT.replace(";\n", ";-9\n").replace("0;NA", "0;?"))
    fails("impute", "-", "-o", "-", *FEW, input="a,b\n1,2\n2,3\n3,x\n4,5\n", match="'b' holds 'x' in row 2 .line 4.")
    isthmus("impute", tmp_path / "t.csv", "-o", tmp_path / "o.csv", *FEW, "--missing-values", "-9,?", "--drop", "zip")
    assert [cell in (tmp_path / "o.csv").read_text() for cell in ("-9", "?", ";NA;")] == [False, False, True]


def test_columns_with_commas_in_their_names(tmp_path):
    rows = "".join(f"{i},{i if i % 4 else ''},\n" for i in range(12))
    (tmp_path / "t.csv").write_text('"Length, mm","Width, mm",id\n' + rows)
    args = ("--columns", "Length, mm", "--columns", "Width, mm")
    facts = json.loads(isthmus("impute", tmp_path / "t.csv", "-o", tmp_path / "o.csv", *args, *FEW, "--json").stdout)
    assert ([column["name"] for column in facts["columns"]], facts["copied"]) == (["Length, mm", "Width, mm"], ["id"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("empty", [False, True])
def test_without_a_missing_cell_nothing_is_trained(tmp_path, monkeypatch, suffix, empty):
    monkeypatch.setattr("isthmus.cli.impute._fit_imputer", lambda *arguments: pytest.fail("trained"))
    table = pd.DataFrame({"zip": ["02139", "10001"], "size": [1.5, 2.0]})
    if empty:
        table["empty"] = np.full(2, np.nan)
    path, filled = tmp_path / f"table{suffix}", tmp_path / f"filled{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    result = isthmus("impute", path, "-o", filled)
    assert "no cell to fill; the table is written as it was, and nothing is trained" in result.stderr
    assert "0 cells of 2 rows filled" in result.stdout
    if suffix == ".csv":
        assert filled.read_bytes() == path.read_bytes()
    else:
        pd.testing.assert_frame_equal(pd.read_parquet(filled), table)


def test_an_imputer_is_not_written_to_stdout(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n,3\n")
    fails("impute", path, "-o", tmp_path / "filled.csv", "--save", "-", match="--save -: a model cannot be written to")


def test_an_imputer_to_save_is_trained_on_a_complete_table(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) ** 2}).to_csv(path, index=False)
    isthmus("impute", path, "-o", tmp_path / "filled.csv", "--save", tmp_path / "imputer", *FEW)
    assert (tmp_path / "imputer").exists()
    assert (tmp_path / "filled.csv").read_bytes() == path.read_bytes()
