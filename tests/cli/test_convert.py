import os

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from commands import FAST, NAMES, fails, isthmus, read, spawn
from isthmus import Autoencoder
from isthmus.data.sources import open_source


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".npy"])
def test_round_trip(in_folder, tmp_path, model, frame, suffix):
    data = f"rows{suffix}"
    codes, rows, reconstructed = (tmp_path / f"{name}{suffix}" for name in ("codes", "rows", "reconstructed"))
    assert isthmus("encode", "model", data, "-o", codes).stdout.startswith(f"{codes}: 300 rows in ")
    isthmus("decode", "model", codes, "-o", rows)
    isthmus("reconstruct", "model", data, "-o", reconstructed)
    expected = model.transform(frame)
    assert_array_equal(read(codes), expected)
    assert_array_equal(read(rows), model.inverse_transform(expected))
    assert_array_equal(read(reconstructed), read(rows))
    if suffix != ".npy":
        assert open_source(codes).schema.names == tuple(model.get_feature_names_out())
        assert open_source(rows).schema.names == open_source(reconstructed).schema.names == tuple(NAMES)


@pytest.mark.parametrize("data", ["more.csv", "headless.csv", "rows.npy"])
def test_only_the_columns_of_the_model_are_read(in_folder, tmp_path, model, frame, data):
    isthmus("encode", "model", data, "-o", tmp_path / "codes.npy")
    assert_array_equal(np.load(tmp_path / "codes.npy"), model.transform(frame))


def test_codes_are_selected_by_name(in_folder, tmp_path, model, frame):
    codes = pd.DataFrame(model.transform(frame), columns=model.get_feature_names_out())
    codes.assign(label="text")[["label", "autoencoder1", "autoencoder0"]].to_parquet(tmp_path / "codes.parquet")
    isthmus("decode", "model", tmp_path / "codes.parquet", "-o", tmp_path / "rows.npy")
    assert_array_equal(np.load(tmp_path / "rows.npy"), model.inverse_transform(codes))


def test_sparse_codes_round_trip(in_folder, tmp_path, frame):
    model = Autoencoder(9, hidden_layer_sizes=(5,), code_activation="relu", max_epochs=1, random_state=0).fit(frame)
    model.save(tmp_path / "m")
    model.sparse_output = True
    model.transform_to(frame, tmp_path / "codes.parquet")
    isthmus("decode", tmp_path / "m", tmp_path / "codes.parquet", "-o", tmp_path / "rows.npy")
    assert_array_equal(np.load(tmp_path / "rows.npy"), model.reconstruct(frame))
    content = (tmp_path / "codes.parquet").read_bytes()
    (tmp_path / "codes.parquet").write_bytes(content[: len(content) // 2])
    fails(
        *("decode", tmp_path / "m", tmp_path / "codes.parquet", "-o", tmp_path / "rows.npy"),
        match="codes.parquet cannot be read",
    )


def test_stdin_and_stdout(in_folder, tmp_path, model, frame):
    text = (in_folder / "rows.csv").read_text()
    out = isthmus("encode", "model", "-", "-o", "-", input=text).stdout
    assert out.splitlines()[0] == "autoencoder0,autoencoder1"
    codes = np.loadtxt(out.splitlines(), delimiter=",", skiprows=1)
    assert_array_equal(codes, model.transform(frame))
    rows = isthmus("decode", "model", "-", "-o", "-", input=out).stdout
    assert_array_equal(np.loadtxt(rows.splitlines(), delimiter=",", skiprows=1), model.inverse_transform(codes))
    isthmus("fit", "-", "-o", tmp_path / "m", *FAST, input=text)
    assert_array_equal(Autoencoder.load(tmp_path / "m").transform(frame), model.transform(frame))
    fails("encode", "model", "-", "-o", "-", "--json", input=text, match="--json and -o - both write to stdout")


@pytest.mark.parametrize("width", [3, 5])
def test_rows_with_another_number_of_columns(in_folder, tmp_path, width):
    np.save(tmp_path / "wide.npy", np.ones((3, width)))
    for command in (["encode", "-o", tmp_path / "c.npy"], ["reconstruct", "-o", tmp_path / "c.npy"], ["score"]):
        fails(command[0], "model", tmp_path / "wide.npy", *command[1:], match=f"{width} features.* 4")
    assert len(list(tmp_path.iterdir())) == 1


def test_no_rows(in_folder, tmp_path):
    fails("encode", "model", "-", "-o", tmp_path / "c.csv", input="a,b,c,d\n", match="no rows")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_stdout_is_exit_code_141(in_folder, tmp_path):
    np.save(tmp_path / "many.npy", np.zeros((100_000, 4)))
    process = spawn("reconstruct", "model", tmp_path / "many.npy", "-o", "-", env={**os.environ, "PYTHONWARNINGS": ""})
    assert process.stdout.readline() == b"a,b,c,d\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    process.stderr.close()
