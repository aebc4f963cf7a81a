import json

import numpy as np
import pandas as pd
import pytest

import isthmus as package
from commands import fails, isthmus

QUICK = ["--hidden", "5", "--epochs", "2", "--seed", "0"]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    t = rng.random(120)
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(120)], "a": np.cos(3 * t), "b": np.sin(3 * t), "c": t})
    frame.loc[33, "b"] = 9.0
    return frame


@pytest.fixture
def table(frame, tmp_path):
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def test_scores_are_written_with_kept_columns_and_the_largest_score_is_printed(frame, table, tmp_path):
    options = ["--keep", "id", "--contamination", "0.05", "--top", "2"]
    result = isthmus("outliers", table, "-o", tmp_path / "scores.csv", *options, *QUICK)
    written = pd.read_csv(tmp_path / "scores.csv")
    assert list(written) == ["id", "score", "percentile", "outlier"]
    assert list(written["id"]) == list(frame["id"])
    assert written["score"].idxmax() == 33
    assert written["outlier"].sum() == 6
    head, _, _, first, _ = result.stdout.splitlines()
    assert "120 rows, 6 outliers" in head
    assert first.split()[0] == "33"
    column, share = first.split()[3:5]
    assert column == "b"
    assert int(share.rstrip("%,")) > 90


def test_scores_are_the_librarys(frame, table, tmp_path):
    isthmus("outliers", table, "-o", tmp_path / "scores.parquet", "--drop", "id", *QUICK)
    detector = package.AutoencoderOutlierDetector(hidden_layer_sizes=(5,), max_epochs=2, random_state=0)
    scores = detector.fit(frame[["a", "b", "c"]]).decision_scores_
    np.testing.assert_allclose(pd.read_parquet(tmp_path / "scores.parquet")["score"], scores, rtol=1e-6)


def test_a_saved_detector_scores_other_rows(frame, table, tmp_path):
    isthmus("outliers", table, "--drop", "id", "--save", tmp_path / "model", "-q", *QUICK)
    frame.iloc[30:40].to_csv(tmp_path / "new.csv", index=False)
    result = isthmus("outliers", tmp_path / "new.csv", "--model", tmp_path / "model", "--top", "1", "--json")
    facts = json.loads(result.stdout)
    assert facts["rows"] == 10
    assert facts["output"] is None
    (largest,) = facts["top"]
    assert largest["row"] == 3
    assert next(iter(largest["columns"])) == "b"
    assert sum(largest["columns"].values()) == pytest.approx(1)


def test_stdin_to_stdout(table):
    result = isthmus("outliers", "-", "-o", "-", "--keep", "id", *QUICK, input=table.read_bytes())
    lines = result.stdout.splitlines()
    assert lines[0] == "id,score,percentile,outlier"
    assert len(lines) == 121


def test_what_cannot_be_combined_is_refused(table, tmp_path):
    isthmus("outliers", table, "--drop", "id", "--save", tmp_path / "model", "-q", *QUICK)
    model = ["--model", tmp_path / "model"]
    fails("outliers", table, *model, "--epochs", "3", match="--epochs cannot be combined with --model")
    fails("outliers", table, *model, "--save", tmp_path / "x", match="--save cannot be combined with --model")
    fails("outliers", table, "-o", "-", "--json", match="both write to stdout")
    fails("outliers", table, "--contamination", "2", match="--contamination=2.0 must be a number > 0 and <= 0.5")
    same = ("-o", tmp_path / "a.csv", "--save", f"{tmp_path}/./a.csv")
    fails("outliers", table, *same, *QUICK, match="--output and --save are both")
    fails("outliers", table, "--save", "/dev/stdout", *QUICK, match="--save /dev/stdout: a model cannot be written to")
    fails("outliers", table, "-o", table, *QUICK, match="rows.csv", code=2)
    fails("score", tmp_path / "model", table, match="pass it to isthmus outliers --model")


def test_another_model_is_refused(table, tmp_path):
    isthmus("fit", table, "--drop", "id", "-o", tmp_path / "coder", "-q", "--hidden", "3", "--epochs", "1")
    fails("outliers", table, "--model", tmp_path / "coder", match="is no outlier detector")
