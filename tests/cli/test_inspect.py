import json

import numpy as np
import pandas as pd
import pytest

from commands import fails, isthmus
from isthmus import Autoencoder
from isthmus.data.splitting import HashHoldout


def test_score(in_folder, model, frame):
    explained = model.score(frame)
    assert isthmus("score", "model", "rows.csv").stdout == f"explained variance: {explained:.6f}\n"
    assert json.loads(isthmus("score", "model", "rows.csv", "--json").stdout) == {"explained_variance": explained}


@pytest.mark.filterwarnings("always")
def test_the_score_of_one_row_is_null_in_json(in_folder):
    one = isthmus("score", "model", "-", "--json", input="1,2,3,4\n")
    assert json.loads(one.stdout) == {"explained_variance": None}
    assert "fewer than two rows" in one.stderr


def test_inspect(in_folder, model):
    text = isthmus("inspect", "model").stdout
    for line in ("kind              Autoencoder", "encoder           4 -> 5 -> 2", "feature names     a, b, c, d"):
        assert line in text.splitlines()
    facts = json.loads(isthmus("inspect", "model", "--json").stdout)
    weights = [*model.encoder_weights_, *model.encoder_biases_, *model.decoder_weights_, *model.decoder_biases_]
    assert facts["weights"] == sum(w.size for w in [*weights, *model.linear_path_])
    assert facts["decoder"] == [2, 5, 4]
    assert (facts["epochs"], facts["loss"], facts["seed"]) == (3, model.loss_, 0)
    assert facts["validation_loss"] == min(model.history_["validation_loss"])
    assert facts["scaling"] == "standard"


@pytest.mark.parametrize("data", ["rows.csv", "more.csv", "rows.npy"])
def test_inspect_reports_on_codes_of_data(in_folder, model, frame, data):
    plain, report = isthmus("inspect", "model").stdout, model.code_statistics(frame)
    assert isthmus("inspect", "model", "--data", data).stdout == f"{plain}\n{report}\n"
    facts = json.loads(isthmus("inspect", "model", "--data", data, "--json").stdout)
    assert facts == {**json.loads(isthmus("inspect", "model", "--json").stdout), **report.facts()}
    assert (facts["rows"], facts["l0"], facts["dead"]) == (300, 2, 0)


def test_inspect_reads_the_chosen_array_and_stdin(in_folder):
    assert "rows              9\n" in isthmus("inspect", "model", "--data", "rows.npz", "--key", "test").stdout
    one = json.loads(isthmus("inspect", "model", "--data", "-", "--json", input="1,2,3,4\n").stdout)
    assert (one["rows"], one["explained_variance"], one["fvu"]) == (1, None, None)
    fails("inspect", "model", "--data", "-", input="a,b,c,d\n", match="no rows")
    fails("inspect", "model", "--data", "gone.csv", match="gone.csv does not exist")


@pytest.mark.parametrize("names", [["age", "income", "city"], None])
def test_inspect_names_the_columns_with_cells_far_out(tmp_path, names):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    rows[:3, 1] *= 1000
    table = rows if names is None else pd.DataFrame(rows, columns=names)
    model = Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(table)
    model.save(tmp_path / "model")
    facts = json.loads(isthmus("inspect", tmp_path / "model", "--json").stdout)
    lower, upper = np.quantile(rows[~held_out(model, rows), 1], [0.25, 0.75])
    deviation = rows[~held_out(model, rows), 1].std()
    name = "1" if names is None else "income"
    assert facts["extreme_values"] == {name: pytest.approx(1.349 * deviation / (upper - lower))}
    line = (
        f"extreme values    {name} ({facts['extreme_values'][name]:.3g} x): a few cells are far out, scaled by median"
    )
    assert line in isthmus("inspect", tmp_path / "model").stdout


def held_out(model, rows):
    return HashHoldout(model.seed_, 0.1).mask(0, len(rows))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    rows = [f"{20 + k},{'rent' if k % 3 else 'own'},2020-01-{1 + k % 28:02},p{k}" for k in range(60)]
    path.write_text("\n".join(["age,home,since,who", *rows, ",,,"]))
    return path


def test_inspect_lists_the_columns_of_a_table(table):
    lines = isthmus("inspect", table).stdout.splitlines()
    assert lines[:2] == ["rows              61", "columns           4"]
    assert lines[3:6] == [
        "age               integer, 20 to 79, 1 missing",
        "home              category, 2 levels: own, rent, 1 missing",
        "since             datetime, 2020-01-01 to 2020-01-28, 1 missing",
    ]
    assert lines[6].startswith("who               cannot be encoded: column 'who' has 60 different values")
    facts = json.loads(isthmus("inspect", table, "--json", "--columns", "home,age").stdout)
    assert (facts["kind"], facts["rows"], len(facts["columns"])) == ("table", 61, 2)
    assert facts["columns"][0] == {"name": "home", "kind": "category", "levels": ["own", "rent"], "missing": 1}
    table.write_text("a,b\n")
    assert isthmus("inspect", table).stdout.startswith("rows              0\n")
    fails("inspect", "gone.csv", match="there is no model file gone.csv")


def test_inspect_lists_the_columns_of_a_model_of_a_mixed_table(table, tmp_path):
    options = ["--drop", "who", "--missing", "mask", "--epochs", "1", "--hidden", "4", "-o", tmp_path / "m.csv"]
    isthmus("fit", table, *options)
    lines = isthmus("inspect", tmp_path / "m.csv").stdout.splitlines()
    assert lines[-4:] == [
        "",
        "age               integer, 20 to 79",
        "home              category, 2 levels: own, rent",
        "since             datetime, 2020-01-01 to 2020-01-28",
    ]
    facts = json.loads(isthmus("inspect", tmp_path / "m.csv", "--json").stdout)
    assert facts["columns"][1] == {"name": "home", "kind": "category", "levels": ["own", "rent"]}
