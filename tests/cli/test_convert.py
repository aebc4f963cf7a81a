import os

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from commands import FAST, NAMES, fails, isthmus, read, spawn
from isthmus import Autoencoder, load
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


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1"])
def test_nothing_but_rows_is_written_to_stdout_under_any_name(in_folder, capfd, path):
    expected = isthmus("encode", "model", "rows.csv", "-o", "-").stdout
    capfd.readouterr()
    assert isthmus("encode", "model", "rows.csv", "-o", path).stdout == ""
    assert capfd.readouterr().out == expected
    fails("encode", "model", "rows.csv", "-o", path, "--json", match=f"--json and -o {path} both write to stdout")


@pytest.mark.parametrize("width", [3, 5])
def test_rows_with_another_number_of_columns(in_folder, tmp_path, width):
    np.save(tmp_path / "wide.npy", np.ones((3, width)))
    for command in (["encode", "-o", tmp_path / "c.npy"], ["reconstruct", "-o", tmp_path / "c.npy"], ["score"]):
        fails(command[0], "model", tmp_path / "wide.npy", *command[1:], match=f"{width} features.* 4")
    assert len(list(tmp_path.iterdir())) == 1


def test_no_rows(in_folder, tmp_path):
    fails("encode", "model", "-", "-o", tmp_path / "c.csv", input="a,b,c,d\n", match="no rows")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_closed_stdout_is_exit_code_141(in_folder, tmp_path):
    np.save(tmp_path / "many.npy", np.zeros((100_000, 4)))
    process = spawn("reconstruct", "model", tmp_path / "many.npy", "-o", "-", env={**os.environ, "PYTHONWARNINGS": ""})
    assert process.stdout.readline() == b"a,b,c,d\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A table of columns of all kinds in several formats, and the file of a model that was fitted on it."""
    rng, n_rows = np.random.default_rng(0), 300
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n_rows),
            "income": rng.normal(2000, 300, n_rows),
            "home": pd.Categorical(rng.choice(["rent", "own"], n_rows)),
            "member": rng.random(n_rows) > 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n_rows), unit="D"),
            "id": [f"{number:03}" for number in range(n_rows)],
        }
    )
    table.loc[3, ["income", "home"]] = None
    folder = tmp_path_factory.mktemp("people")
    table.to_parquet(folder / "people.parquet")
    table.to_csv(folder / "people.csv", index=False)
    fit = ["fit", folder / "people.parquet", "--drop", "id", "--missing", "mask", "--epochs", "1", "--hidden", "4"]
    isthmus(*fit, "--seed", "0", "-o", folder / "m")
    return folder, table


@pytest.mark.parametrize("data", ["people.parquet", "people.csv"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".feather"])
def test_columns_of_a_mixed_table_keep_their_types(people, tmp_path, data, suffix):
    folder, table = people
    codes, rows, again = (tmp_path / f"{name}{suffix}" for name in ("codes", "rows", "again"))
    isthmus("encode", folder / "m", folder / data, "-o", codes, "--keep", "id")
    isthmus("decode", folder / "m", codes, "-o", rows)
    isthmus("reconstruct", folder / "m", folder / data, "-o", again, "--keep", "id")
    model = load(folder / "m")
    expected = model.reconstruct(table.drop(columns="id"))
    readers = {".parquet": pd.read_parquet, ".feather": pd.read_feather}
    read_back = readers.get(suffix, lambda path: pd.read_csv(path, dtype={"id": str}, parse_dates=["since"]))
    found = read_back(again)
    assert found["id"].tolist() == table["id"].tolist()
    types = expected.dtypes if suffix == ".parquet" else {**expected.dtypes, "home": "str"}
    for decoded in (found.drop(columns="id"), read_back(rows) if suffix != ".csv" else found.drop(columns="id")):
        assert decoded.dtypes.astype(str).to_dict() == {name: str(kind) for name, kind in dict(types).items()}
        assert decoded.astype(str).drop(columns="income").equals(expected.astype(str).drop(columns="income"))
        np.testing.assert_allclose(decoded["income"], expected["income"], rtol=1e-6)


def test_a_decoded_mixed_table_is_no_array(people, tmp_path):
    folder, _ = people
    message = "column 'home' holds dictionary.*, and a .npy file holds only numbers; write Parquet, Feather or CSV"
    fails("reconstruct", folder / "m", folder / "people.csv", "-o", tmp_path / "rows.npy", match=message)


def test_options_of_text_apply_to_mixed_tables(people, tmp_path):
    folder, table = people
    table.to_csv(tmp_path / "t.csv", sep="|", index=False, na_rep="?")
    options = ["--delimiter", "|", "--missing-values", "?", "--drop", "id"]
    isthmus("encode", folder / "m", tmp_path / "t.csv", "-o", tmp_path / "codes.npy", *options)
    isthmus("encode", folder / "m", folder / "people.csv", "-o", tmp_path / "same.npy")
    assert_array_equal(np.load(tmp_path / "codes.npy"), np.load(tmp_path / "same.npy"))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("encode", "model", "rows.csv"), "link.csv"),
        (("reconstruct", "model", "rows.csv"), "link.parquet"),
        (("impute", "holes.csv", "--model", "model"), "link.csv"),
        (("denoise", "gone.png", "--model", "model"), "link.png"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_model_is_never_written_over(in_folder, tmp_path, words, name):
    link = tmp_path / name
    link.symlink_to(in_folder / "model")
    before = (in_folder / "model").read_bytes()
    fails(*words, "-o", link, "--force", match=f"{name} is read by this command; pass another path")
    assert (in_folder / "model").read_bytes() == before
