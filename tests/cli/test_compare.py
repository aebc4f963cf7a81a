import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from commands import fails, isthmus
from isthmus.estimators import comparing

QUICK = ["--hidden", "8", "--epochs", "1", "--max-rows", "120"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    frame = load_digits(as_frame=True).frame[:150].rename(columns={"target": "digit"})
    frame.to_csv(folder / "digits.csv", index=False)
    np.save(folder / "digits.npy", frame.drop(columns="digit").to_numpy())
    np.save(folder / "labels.npy", frame["digit"].to_numpy())
    frame["digit"].map(lambda digit: f"digit {digit}").to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture
def without_the_map(monkeypatch):
    """The map compiles three programs."""
    monkeypatch.setattr(comparing, "MODELS", {"autoencoder": "Autoencoder"})


def facts_of(*args):
    return json.loads(isthmus("compare", *args, *QUICK, "--json").stdout)


@pytest.mark.usefixtures("without_the_map")
def test_a_column_and_a_file_of_labels_give_the_same(folder, tmp_path):
    facts = facts_of(folder / "digits.csv", "--labels", "digit", "-o", tmp_path / "codes.png")
    assert (facts["rows"], facts["features"], facts["train_rows"], facts["test_rows"]) == (150, 64, 96, 24)
    assert [*facts["models"]] == ["PCA", "autoencoder"]
    with Image.open(tmp_path / "codes.png") as picture:
        assert picture.size[0] > 1000
    for labels in ("labels.npy", "labels.csv"):
        other = facts_of(folder / "digits.npy", "--labels", folder / labels)
        for name, one in facts["models"].items():
            assert other["models"][name]["accuracy"] == one["accuracy"]
    assert other["figure"] is None


@pytest.mark.slow
def test_the_table(folder):
    result = isthmus("compare", folder / "digits.npy", *QUICK)
    head, names, *rows = result.stdout.splitlines()
    assert head.endswith("150 rows of 64 columns, 96 for training and 24 for evaluation")
    assert names.split() == ["error", "explained", "5-NN", "accuracy", "trustworthiness", "seconds"]
    assert [row.split()[0] for row in rows] == ["PCA", "autoencoder", "map"]
    assert all(row.split()[3] == "-" for row in rows)
    assert "isthmus: fitting map" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "gone"], "--labels gone is neither a column of the rows nor a file"),
        (
            ["--labels", "digits.npy"],
            "--labels digits.npy has the shape .150, 64.; it must have one label",
        ),
        (["-o", "codes.txt"], "--output codes.txt must end in one of .png, .svg, .pdf"),
        (["-o", "labels.csv.png", "--max-rows", "20", "--labels", "short.npy"], "3 labels for 150 rows"),
    ],
)
def test_errors(folder, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    np.save("short.npy", np.arange(3))
    fails("compare", "digits.csv", *options, match=message)
