import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from commands import isthmus, refused
from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.export.ray import Encoder, encode

ROWS = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
TABLE = pa.table(
    {"id": [f"row {n}" for n in range(600)], "c": ROWS[:, 2], **{n: ROWS[:, i] for i, n in enumerate("ab")}}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    (folder / "fleet").mkdir()
    for number in range(3):
        pq.write_table(TABLE.slice(200 * number, 200), folder / "fleet" / f"part-{number}.parquet")
    pq.write_table(TABLE.select(["a", "b", "c"]), folder / "rows.parquet")
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(folder / "rows.parquet")
    model.save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return Autoencoder.load(folder / "model")


def expected(model):
    return model.transform(pa.table({name: TABLE[name] for name in "abc"}).to_pandas())


# The actor alone, as any engine may use it ----------------------------------------------------------------------------


def test_the_actor_gives_codes_by_name_and_keeps_columns(folder, model):
    encoder = Encoder((folder / "model").read_bytes(), ["a", "b", "c"], ["id"])
    codes = encoder(TABLE)
    assert codes.column_names == ["id", *model.get_feature_names_out()]
    assert codes["id"].to_pylist() == TABLE["id"].to_pylist()
    assert_array_equal(np.stack([codes[name] for name in codes.column_names[1:]], axis=1), expected(model))


def test_the_actor_makes_sparse_codes_whole(tmp_path):
    model = SparseAutoencoder(8, k=2, sparse_output=True, max_epochs=1, random_state=0).fit(ROWS)
    model.save(tmp_path / "model")
    codes = Encoder((tmp_path / "model").read_bytes(), ["a", "b", "c"])(TABLE)
    assert_array_equal(np.stack(codes.columns, axis=1), model.transform(ROWS).toarray())


def test_spark_takes_the_actor_as_an_iterator_of_frames(folder, model):
    # What mapInPandas asks for: an iterator of frames in, an iterator of frames out.
    content = (folder / "model").read_bytes()

    def codes(frames):
        encoder = Encoder(content, ["a", "b", "c"], ["id"])
        for frame in frames:
            yield encoder(pa.Table.from_pandas(frame)).to_pandas()

    frames = [TABLE.slice(0, 250).to_pandas(), TABLE.slice(250).to_pandas()]
    found = np.concatenate([frame.iloc[:, 1:] for frame in codes(iter(frames))])
    assert_array_equal(found, expected(model))


# Ray itself -----------------------------------------------------------------------------------------------------------


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


ignoring = pytest.mark.filterwarnings("ignore")


@ignoring
def test_a_fleet_of_files_is_encoded_to_the_bit(cluster, folder, model):
    codes = encode(str(folder / "fleet"), model, keep=["id"], batch_size=150).to_pandas()
    codes = codes.set_index("id").loc[TABLE["id"].to_pylist()]
    assert list(codes.columns) == list(model.get_feature_names_out())
    assert_array_equal(codes, expected(model))


@ignoring
@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"keep": ["ids"]}, InvalidParameterError, "keep: the rows have no column 'ids'; did you mean 'id'"),
        ({"columns": ["a", "b", "x"]}, InvalidParameterError, "columns: the rows have no column 'x'"),
        ({"columns": ["a", "b"]}, InvalidDataError, "the rows have 2 features, and the model is expecting 3"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(cluster, folder, options, error, said):
    with pytest.raises(error, match=said):
        encode(str(folder / "fleet"), folder / "model", **options)


@ignoring
def test_the_command(cluster, folder, model, tmp_path):
    out = tmp_path / "codes"
    condition = isthmus(
        "encode", folder / "model", folder / "fleet", "-o", out, "--ray", "--keep", "id", "--concurrency", 1
    )
    assert "600 rows in" in condition.stdout
    codes = pq.read_table(out).to_pandas().set_index("id")
    assert sorted(codes.index) == sorted(TABLE["id"].to_pylist())  # under load the second file's came first once
    assert_array_equal(codes.loc[TABLE["id"].to_pylist()], expected(model))
    refused("encode", folder / "model", folder / "fleet", "-o", out, "--ray", "--drop", "id", match="--drop and --key")
    refused("encode", folder / "model", folder / "fleet", "-o", out, "--ray", match="name a folder that is empty")


@ignoring
def test_an_actors_error_comes_through(cluster, folder, tmp_path):
    holes = pa.table({**{name: TABLE[name] for name in "bc"}, "a": np.full(600, np.nan, np.float32)})
    pq.write_table(holes, tmp_path / "holes.parquet")
    ended = isthmus("encode", folder / "model", tmp_path / "holes.parquet", "-o", tmp_path / "none", "--ray", code=2)
    assert re.fullmatch("isthmus: Input X contains NaN at row 0, column 'a'; .*", ended.stderr.splitlines()[-1])


def test_without_ray_the_remedy_is_named(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'isthmus\[ray\]'"):
        encode("rows.parquet", folder / "model")


def test_a_model_that_is_not_there(cluster, folder):
    with pytest.raises(MissingFileError):
        encode(str(folder / "fleet"), folder / "none")
