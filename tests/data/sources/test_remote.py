"""Rows from a real S3 server, which the tests start."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from pyarrow import csv, feather, fs
from typer.testing import CliRunner

from isthmus import Autoencoder
from isthmus.cli import app
from isthmus.core.errors import (
    BrokenFileError,
    ExistingFileError,
    InvalidDataError,
    InvalidParameterError,
    MissingFileError,
    UnwritableError,
)
from isthmus.data.sources import open_source
from opened_rows import read

server = pytest.importorskip("moto.server", reason="moto's S3 server is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ROWS = np.random.default_rng(0).normal(size=(300, 4))
TABLE = pa.table({name: ROWS[:, number] for number, name in enumerate("abcd")})


@pytest.fixture(scope="module")
def bucket():
    """Make URLs of keys in a bucket with rows in every format."""
    running = server.ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    options = {"access_key": "key", "secret_key": "secret", "region": "us-east-1", "scheme": "http"}
    s3 = fs.S3FileSystem(endpoint_override=f"{host}:{port}", allow_bucket_creation=True, **options)
    s3.create_dir("rows")
    for number in range(3):
        with s3.open_output_stream(f"rows/folder/part-{number}.parquet") as file:
            pq.write_table(TABLE.slice(100 * number, 100), file)
    with s3.open_output_stream("rows/folder/_SUCCESS"):
        pass
    with s3.open_output_stream("rows/rows.csv") as file:
        csv.write_csv(TABLE, file)
    with s3.open_output_stream("rows/rows.csv.gz", compression="gzip") as file:
        csv.write_csv(TABLE, file)
    with s3.open_output_stream("rows/rows.feather") as file:
        feather.write_feather(TABLE, file)
    with s3.open_output_stream("rows/rows.npy") as file:
        np.lib.format.write_array(file, ROWS)
    with s3.open_output_stream("rows/short.npy") as file:
        whole = pa.BufferOutputStream()
        np.lib.format.write_array(whole, ROWS)
        file.write(whole.getvalue().to_pybytes()[:-8])
    with s3.open_output_stream("rows/digits.npz") as file:
        file.write(b"PK")
    query = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    yield lambda key: f"s3://key:secret@{key}?{query}"
    running.stop()


NAMES = ["folder", "folder/part-*.parquet", "rows.csv", "rows.csv.gz", "rows.feather", "rows.npy"]


@pytest.mark.parametrize("name", NAMES)
def test_rows_equal_those_of_a_local_file(bucket, name):
    source = open_source(bucket(f"rows/{name}"))
    assert_array_equal(read(source), ROWS)
    again = open_source(bucket(f"rows/{name}"))
    assert again.fingerprint == source.fingerprint


@pytest.mark.parametrize("name", ["folder", "rows.npy"])
def test_a_fit_equals_that_of_a_local_file(bucket, name, tmp_path):
    options = {"n_components": 2, "hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}
    model = Autoencoder(**options).fit(bucket(f"rows/{name}"))
    same = Autoencoder(**options).fit(ROWS)
    assert_array_equal(model.transform(bucket(f"rows/{name}")), same.transform(ROWS))
    assert model.transform_to(bucket(f"rows/{name}"), tmp_path / "codes.npy") == 300
    assert_array_equal(np.load(tmp_path / "codes.npy"), same.transform(ROWS))


@pytest.mark.parametrize("suffix", ["npy", "parquet", "feather", "csv", "csv.gz"])
def test_codes_are_written_to_the_server(bucket, suffix, tmp_path):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    url = bucket(f"rows/codes/of.{suffix}")
    for overwrite in (False, True):
        assert model.transform_to(bucket("rows/folder"), url, overwrite=overwrite) == 300
    with pytest.raises(ExistingFileError, match=rf"rows/codes/of\.{suffix} exists; pass another path"):
        model.transform_to(bucket("rows/folder"), url)
    codes = read(open_source(url))
    assert codes.dtype.kind == "f"
    np.testing.assert_allclose(codes, model.transform(ROWS), rtol=1e-6)


def test_a_failed_upload_keeps_the_existing_file(bucket):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    url = bucket("rows/kept.parquet")
    model.transform_to(ROWS, url)
    bad = ROWS.copy()
    bad[200, 1] = np.nan
    with pytest.raises(InvalidDataError, match="NaN at row 200"):
        model.transform_to(bad, url, overwrite=True)
    assert_array_equal(read(open_source(url)), model.transform(ROWS))


@pytest.mark.parametrize(
    ("key", "error", "said"),
    [
        ("nowhere/codes.npy", UnwritableError, "cannot write s3://nowhere/codes.npy: there is no bucket 'nowhere'"),
        ("rows/codes.txt", InvalidParameterError, "cannot write s3://rows/codes.txt: it has none of the suffixes"),
    ],
)
def test_targets_that_cannot_be_written(bucket, key, error, said):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    with pytest.raises(error) as refusal:
        model.transform_to(ROWS, bucket(key))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.slow
def test_writing_to_an_unreachable_server_is_refused():
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    with pytest.raises(UnwritableError, match=r"cannot write s3://rows/codes\.npy: "):
        model.transform_to(ROWS, "s3://k:s@rows/codes.npy?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1")
    with pytest.raises(InvalidParameterError, match=r"none://rows/codes\.npy cannot be reached"):
        model.transform_to(ROWS, "none://rows/codes.npy")


def test_the_command_does_not_print_credentials(bucket, tmp_path):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    model.save(tmp_path / "model")
    np.save(tmp_path / "rows.npy", ROWS)
    arguments = ["encode", str(tmp_path / "model"), str(tmp_path / "rows.npy"), "-o", bucket("rows/codes.npy")]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0
    assert "s3://rows/codes.npy: 300 rows in" in said.output
    assert "secret" not in said.output
    assert_array_equal(read(open_source(bucket("rows/codes.npy"))), model.transform(ROWS))


def test_codes_are_written_to_a_file_url(tmp_path):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    assert model.transform_to(ROWS, f"file://{tmp_path}/codes.npy") == 300
    assert_array_equal(np.load(tmp_path / "codes.npy"), model.transform(ROWS))


def test_columns_are_chosen_by_name(bucket):
    assert_array_equal(read(open_source(bucket("rows/folder"), columns=["d", "a"])), ROWS[:, [3, 0]])
    assert_array_equal(read(open_source(bucket("rows/rows.csv"), drop=["b"])), ROWS[:, [0, 2, 3]])


@pytest.mark.parametrize(
    ("key", "error", "said"),
    [
        ("rows/none.parquet", MissingFileError, "does not exist; check the spelling, the bucket"),
        ("nowhere/rows.csv", MissingFileError, "does not exist; check the spelling, the bucket"),
        ("rows/folder/none-*.csv", MissingFileError, "holds no files with rows in them"),
        ("rows/short.npy", BrokenFileError, "is truncated: its header states 300 rows"),
        ("rows/digits.npz", InvalidDataError, "cannot be read from a remote file system"),
    ],
)
def test_missing_and_broken_files(bucket, key, error, said):
    with pytest.raises(error) as refusal:
        open_source(bucket(key))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.slow
def test_an_unreachable_server_is_refused():
    url = "s3://key:secret@rows/rows.csv?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    with pytest.raises(BrokenFileError, match="cannot be reached"):
        open_source(url)


def test_a_file_url_is_read(tmp_path):
    pq.write_table(TABLE, tmp_path / "rows.parquet")
    assert_array_equal(read(open_source(f"file://{tmp_path}/rows.parquet")), ROWS)
