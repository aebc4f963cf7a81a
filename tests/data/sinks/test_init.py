import gc
import gzip
import resource

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError, UnwritableError
from isthmus.data.sinks import SINKS, SPARSE_SINKS, Sink, open_sink, sink_kind
from isthmus.data.sources import SparseCodesSource, open_source
from isthmus.data.tables import read_table

NAMES = ["a", "b, c", 'd"e']
TEXT = [suffix for suffix in SINKS if "sv" in suffix]


def write(path, rows, names=NAMES, dtype=np.float32, cuts=(), **options):
    with open_sink(path, names, dtype, **options) as sink:
        for block in np.split(rows, cuts):
            sink.write(block)
    return path


def read(path):
    source = open_source(path)
    blocks = [block.values for block in source.blocks()]
    return source, np.concatenate(blocks) if blocks else np.empty((0, source.schema.n_features), source.dtype)


def some_rows(n=500, dtype=np.float32):
    rows = np.random.default_rng(0).normal(size=(n, 3)).astype(dtype)
    rows[0] = [1e-30, -np.pi * 1e20, 0.1]
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", SINKS)
def test_rows_are_read_back_from_every_format(tmp_path, suffix, dtype):
    rows = some_rows(dtype=dtype)
    source, found = read(write(tmp_path / f"rows{suffix}", rows, dtype=dtype, cuts=[1, 1, 300]))
    assert_array_equal(found.astype(dtype), rows)
    assert source.dtype == (np.float64 if suffix in TEXT else dtype)
    assert source.schema.names == (("x0", "x1", "x2") if suffix == ".npy" else tuple(NAMES))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=5), st.integers(1, 200))
def test_the_file_does_not_depend_on_the_blocks(tmp_path_factory, n, cuts, group):
    folder, rows = tmp_path_factory.mktemp("rows"), some_rows(31)[:n]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", group)
        for suffix in (".npy", ".csv", ".parquet", ".feather"):
            whole = write(folder / f"whole{suffix}", rows)
            parts = write(folder / f"parts{suffix}", rows, cuts=sorted(cuts))
            if suffix in (".npy", ".csv"):
                assert whole.read_bytes() == parts.read_bytes()
            assert_array_equal(read(parts)[1].astype(np.float32), rows)


def test_npy_equals_what_numpy_writes(tmp_path):
    rows = some_rows(12345)
    np.save(tmp_path / "numpy.npy", rows)
    written = write(tmp_path / "ours.npy", rows, cuts=[1000, 5000])
    assert_array_equal(np.load(written, mmap_mode="r"), rows)
    assert np.load(write(tmp_path / "none.npy", rows[:0])).shape == (0, 3)
    assert written.stat().st_size == (tmp_path / "numpy.npy").stat().st_size


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".csv", 'a,"b, c","d""e"\n1.5,-2,nan\n0.1,1e+20,3\n'),
        (".tsv", 'a\tb, c\t"d""e"\n1.5\t-2\tnan\n0.1\t1e+20\t3\n'),
    ],
)
def test_the_whole_text(tmp_path, suffix, text):
    rows = np.array([[1.5, -2, np.nan], [0.1, 1e20, 3]])
    assert write(tmp_path / f"r{suffix}", rows).read_text() == text
    packed = write(tmp_path / f"r{suffix}.gz", rows)
    assert gzip.decompress(packed.read_bytes()).decode() == text
    assert packed.read_bytes() == write(tmp_path / f"again{suffix}.gz", rows).read_bytes()


def test_stdout_is_csv(capsysbinary):
    write("-", np.array([[1, 2.25]]), ["x", "y"])
    assert capsysbinary.readouterr().out == b"x,y\n1,2.25\n"


def test_rows_of_other_types_and_layouts_are_converted(tmp_path):
    rows = np.arange(12).reshape(4, 3)
    for given_rows in (rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2], rows.astype(">i2")):
        assert_array_equal(np.load(write(tmp_path / "r.npy", given_rows, overwrite=True)), rows.astype(np.float32))


def test_small_blocks_are_gathered_into_groups(tmp_path, monkeypatch):
    rows = some_rows(1000)
    assert pq.read_metadata(write(tmp_path / "a.parquet", rows, cuts=range(0, 1000, 10))).num_row_groups == 1
    monkeypatch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", 100 * 12)
    assert pq.read_metadata(write(tmp_path / "b.parquet", rows, cuts=range(0, 1000, 10))).num_row_groups == 10


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_the_memory_of_a_block_may_be_reused(tmp_path, suffix):
    block = np.zeros((2, 3), np.float32)
    with open_sink(tmp_path / f"r{suffix}", NAMES, np.float32) as sink:
        for value in (1, 2):
            block[:] = value
            sink.write(block)
    assert_array_equal(read(tmp_path / f"r{suffix}")[1][:, 0], [1, 1, 2, 2])


@pytest.mark.parametrize("suffix", SINKS)
def test_an_existing_file_is_kept_on_a_full_disk_or_an_error(tmp_path, suffix):
    path, limit = tmp_path / f"r{suffix}", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(b"old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(UnwritableError, match=r"^cannot write .*: File too large$"):
            write(path, some_rows(5000), cuts=range(0, 5000, 500), overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    with pytest.raises(KeyError), open_sink(path, NAMES, np.float32, overwrite=True) as sink:
        sink.write(some_rows(10))
        raise KeyError("reader")
    # A writer that is garbage-collected must not raise.
    gc.collect()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("codes.parket", "cannot write codes.parket: it has none of the suffixes .*; did you mean '.parquet'?"),
        ("codes", "cannot write codes: it has none of the suffixes"),
        ("codes.gz", "none of the suffixes"),
    ],
)
def test_unknown_suffixes(name, match):
    with pytest.raises(InvalidParameterError, match=match), open_sink(name, ["x"], np.float32):
        pass


def test_suffixes_in_upper_case():
    assert sink_kind("A.CSV.GZ") is SINKS[".csv.gz"]


@pytest.mark.parametrize("shape", [(2, 2), (3,), (2, 3, 1)])
def test_rows_that_do_not_fit(tmp_path, shape):
    with pytest.raises(InvalidDataError, match="do not fit the 3 columns"):
        write(tmp_path / "r.csv", np.zeros(shape))
    assert list(tmp_path.iterdir()) == []


# Rows that are mostly zeros --------------------------------------------------------------------------------------


def write_sparse(path, rows, names=None, dtype=np.float32, cuts=(), **options):
    names = names or [f"unit{i}" for i in range(rows.shape[1])]
    with open_sink(path, names, dtype, sparse=True, **options) as sink:
        for block in np.split(rows, cuts):
            sink.write(block)
    return path


def mostly_zeros(n=300, width=40, dtype=np.float32):
    rng = np.random.default_rng(0)
    rows = np.where(rng.random((n, width)) < 0.1, rng.normal(size=(n, width)), 0).astype(dtype)
    rows[10:60] = 0
    rows[5] = np.arange(width) + 1
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", SINKS)
def test_sparse_rows_are_read_back_from_every_format(tmp_path, suffix, dtype):
    rows = mostly_zeros(dtype=dtype)
    source, found = read(write_sparse(tmp_path / f"rows{suffix}", rows, dtype=dtype, cuts=[0, 20, 50]))
    assert_array_equal(found.astype(dtype), rows)
    assert source.schema.n_features == 40
    assert isinstance(source, SparseCodesSource) == (suffix in SPARSE_SINKS)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=5), st.integers(1, 400))
def test_sparse_rows_do_not_depend_on_the_blocks(tmp_path_factory, n, cuts, group):
    folder, rows = tmp_path_factory.mktemp("rows"), mostly_zeros(31)[:n]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", group)
        _, found = read(write_sparse(folder / "parts.parquet", rows, cuts=sorted(cuts)))
    assert_array_equal(found, rows, strict=True)


def test_sparse_rows_are_compact(tmp_path):
    rows = mostly_zeros(2000, 500)
    sparse = write_sparse(tmp_path / "sparse.parquet", rows)
    assert sparse.stat().st_size < 6 * np.count_nonzero(rows)


@pytest.mark.parametrize("width", [3, 1 << 16, (1 << 16) + 1])
def test_the_last_unit_of_many(tmp_path, width):
    rows = np.zeros((2, width), np.float32)
    rows[1, -1] = 1
    path = write_sparse(tmp_path / "rows.parquet", rows)
    assert_array_equal(read(path)[1], rows)
    assert pq.read_schema(path).field("unit").type.value_type == ("uint16" if width <= 1 << 16 else "uint32")


def test_sparse_rows_are_read_by_pandas_and_polars(tmp_path):
    rows = mostly_zeros()
    path = write_sparse(tmp_path / "rows.parquet", rows)
    for table in (
        pd.read_parquet(path).explode(["unit", "value"]).dropna().reset_index(names="row"),
        pl.read_parquet(path).with_row_index("row").explode("unit", "value").drop_nulls(),
    ):
        found = np.zeros_like(rows)
        row, unit, value = (np.asarray(table[name]) for name in ("row", "unit", "value"))
        found[row.astype(int), unit.astype(int)] = value.astype(np.float32)
        assert_array_equal(found, rows)


def test_groups_of_sparse_rows_are_sized_by_their_cells(tmp_path):
    rows = np.zeros((50, 60_000), np.float32)
    rows[:, 7] = 1
    path = write_sparse(tmp_path / "rows.parquet", rows, cuts=range(0, 50, 5))
    assert pq.read_metadata(path).num_row_groups == 1


def test_an_existing_file_is_kept_if_writing_sparse_rows_fails(tmp_path):
    path, limit = tmp_path / "rows.parquet", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(b"old")
    with pytest.raises(InvalidDataError, match="do not fit the 40 columns"):
        write_sparse(path, np.zeros((2, 39)), [f"unit{i}" for i in range(40)], overwrite=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(UnwritableError, match=r"^cannot write .*: File too large$"):
            write_sparse(path, mostly_zeros(20_000), overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    gc.collect()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


class ToySink(Sink):
    """Rows to text with spaces between cells."""

    def _put(self, rows, kept):
        np.savetxt(self.file, rows, fmt="%g")


def test_a_format_can_be_added_from_outside(tmp_path):
    rows = some_rows()
    SINKS[".toy"] = ToySink
    try:
        write(tmp_path / "rows.toy", rows, cuts=[200])
    finally:
        del SINKS[".toy"]
    np.testing.assert_allclose(np.loadtxt(tmp_path / "rows.toy"), rows, rtol=1e-5)
    with pytest.raises(InvalidParameterError, match=r"has none of the suffixes"):
        write(tmp_path / "rows.toy", rows)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.csv"])
def test_tables_without_other_rows_are_written_with_their_types(tmp_path, name, monkeypatch):
    monkeypatch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", 16)
    table = pa.table({"n": [1, 2, 3], "c": pa.array(["a", None, "b"]).dictionary_encode(), "t": [True, False, None]})
    with open_sink(tmp_path / name, (), np.float32, kept=table.schema) as sink:
        for start in range(3):
            sink.write(np.empty((1, 0), np.float32), table.slice(start, 1))
    assert read_table(tmp_path / name).to_pylist() == table.to_pylist()
    with (
        pytest.raises(InvalidParameterError, match="keep: 'n' is also the name of a column"),
        open_sink(tmp_path / f"twice-{name}", (), np.float32, kept=pa.schema([*table.schema, ("n", pa.int64())])),
    ):
        pass
