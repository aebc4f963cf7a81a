import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from commands import fails, isthmus
from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.export.ray import Encoder, encode

pytestmark = pytest.mark.slow

ROWS = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
TABLE = pa.table(
    {"id": [f"row {n}" for n in range(600)], "c": ROWS[:, 2], **{n: ROWS[:, i] for i, n in enumerate("ab")}}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    (folder / "parts").mkdir()
    for number in range(3):
        pq.write_table(TABLE.slice(200 * number, 200), folder / "parts" / f"part-{number}.parquet")
    pq.write_table(TABLE.select(["a", "b", "c"]), folder / "rows.parquet")
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(folder / "rows.parquet")
    model.save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return Autoencoder.load(folder / "model")


def expected(model):
    return model.transform(pa.table({name: TABLE[name] for name in "abc"}).to_pandas())


# The actor class without Ray -----------------------------------------------------------------------------------------


def test_the_actor_returns_named_codes_and_kept_columns(folder, model):
    encoder = Encoder((folder / "model").read_bytes(), ["a", "b", "c"], ["id"])
    codes = encoder(TABLE)
    assert codes.column_names == ["id", *model.get_feature_names_out()]
    assert codes["id"].to_pylist() == TABLE["id"].to_pylist()
    assert_array_equal(np.stack([codes[name] for name in codes.column_names[1:]], axis=1), expected(model))


def test_the_actor_returns_sparse_codes_as_dense_columns(tmp_path):
    model = SparseAutoencoder(8, k=2, sparse_output=True, max_epochs=1, random_state=0).fit(ROWS)
    model.save(tmp_path / "model")
    codes = Encoder((tmp_path / "model").read_bytes(), ["a", "b", "c"])(TABLE)
    assert_array_equal(np.stack(codes.columns, axis=1), model.transform(ROWS).toarray())


def test_the_actor_encodes_tables_of_mixed_columns(tmp_path):
    table = TABLE.select(["a", "b"]).append_column("home", pa.array(["own", "rent"] * 300))
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(table)
    model.save(tmp_path / "model")
    codes = Encoder((tmp_path / "model").read_bytes(), ["a", "b", "home"])(table)
    assert_array_equal(np.stack(codes.columns, axis=1), model.transform(table))


def test_the_actor_in_an_iterator_of_frames_as_for_spark(folder, model):
    # The signature of mapInPandas: an iterator of frames to an iterator of frames.
    content = (folder / "model").read_bytes()

    def codes(frames):
        encoder = Encoder(content, ["a", "b", "c"], ["id"])
        for frame in frames:
            yield encoder(pa.Table.from_pandas(frame)).to_pandas()

    frames = [TABLE.slice(0, 250).to_pandas(), TABLE.slice(250).to_pandas()]
    found = np.concatenate([frame.iloc[:, 1:] for frame in codes(iter(frames))])
    assert_array_equal(found, expected(model))


# Ray -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        yield ray
        ray.shutdown()


ignore_warnings = pytest.mark.filterwarnings("ignore")


@ignore_warnings
def test_codes_of_many_files_are_bitwise_equal_to_transform(cluster, folder, model):
    codes = encode(str(folder / "parts"), model, keep=["id"], batch_size=150).to_pandas()
    codes = codes.set_index("id").loc[TABLE["id"].to_pylist()]
    assert list(codes.columns) == list(model.get_feature_names_out())
    assert_array_equal(codes, expected(model))


@ignore_warnings
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"keep": ["ids"]}, InvalidParameterError, "keep: the rows have no column 'ids'; did you mean 'id'"),
        ({"columns": ["a", "b", "x"]}, InvalidParameterError, "columns: the rows have no column 'x'"),
        ({"columns": ["a", "b"]}, InvalidDataError, "the rows have 2 features, but the model expects 3"),
    ],
)
def test_invalid_columns_raise_before_anything_runs(cluster, folder, options, error, message):
    with pytest.raises(error, match=message):
        encode(str(folder / "parts"), folder / "model", **options)


@ignore_warnings
def test_the_command(cluster, folder, model, tmp_path):
    out = tmp_path / "codes"
    result = isthmus(
        "encode", folder / "model", folder / "parts", "-o", out, "--ray", "--keep", "id", "--concurrency", 1
    )
    assert "600 rows in" in result.stdout
    codes = pq.read_table(out).to_pandas().set_index("id")
    assert sorted(codes.index) == sorted(
        TABLE["id"].to_pylist()
    )  # under load, files have been written in another order
    assert_array_equal(codes.loc[TABLE["id"].to_pylist()], expected(model))
    for option, value in (("--drop", "id"), ("--key", "rows"), ("--missing-values", "-9"), ("--delimiter", ";")):
        refused = f"{option} cannot be combined with --ray; only --columns"
        fails("encode", folder / "model", folder / "parts", "-o", out, "--ray", option, value, match=refused)
    fails("encode", folder / "model", folder / "parts", "-o", out, "--ray", match="pass an empty or new folder")


@ignore_warnings
def test_an_actors_error_is_raised_unwrapped(cluster, folder, tmp_path):
    incomplete = pa.table({**{name: TABLE[name] for name in "bc"}, "a": np.full(600, np.nan, np.float32)})
    pq.write_table(incomplete, tmp_path / "incomplete.parquet")
    result = isthmus(
        "encode", folder / "model", tmp_path / "incomplete.parquet", "-o", tmp_path / "none", "--ray", code=2
    )
    assert re.fullmatch("isthmus: .*NaN at row 0, column 'a'.*", result.stderr.splitlines()[-1])


def test_without_ray_the_error_names_the_package(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'isthmus\[ray\]'"):
        encode("rows.parquet", folder / "model")


def test_a_missing_model_file(cluster, folder):
    with pytest.raises(MissingFileError):
        encode(str(folder / "parts"), folder / "none")
