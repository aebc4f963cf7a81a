import gc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError, UnwritableError
from isthmus.data.sinks import SINKS, SPARSE_SINKS, Sink, open_sink
from isthmus.data.sources import SparseCodesSource
from isthmus.data.tables import read_table
from written_rows import NAMES, full_disk, mostly_zeros, read, some_rows, write, write_sparse

TEXT = [suffix for suffix in SINKS if "sv" in suffix]


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


def test_rows_of_other_types_and_layouts_are_converted(tmp_path):
    rows = np.arange(12).reshape(4, 3)
    for given_rows in (rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2], rows.astype(">i2")):
        assert_array_equal(np.load(write(tmp_path / "r.npy", given_rows, overwrite=True)), rows.astype(np.float32))


@pytest.mark.parametrize("suffix", SINKS)
def test_an_existing_file_is_kept_on_a_full_disk_or_an_error(tmp_path, suffix):
    path = tmp_path / f"r{suffix}"
    path.write_bytes(b"old")
    with full_disk(), pytest.raises(UnwritableError, match=r"^cannot write .*: File too large; raise the limit"):
        write(path, some_rows(5000), cuts=range(0, 5000, 500), overwrite=True)
    with pytest.raises(KeyError), open_sink(path, NAMES, np.float32, overwrite=True) as sink:
        sink.write(some_rows(10))
        raise KeyError("reader")
    # A writer that is garbage-collected must not raise.
    gc.collect()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(2, 2), (3,), (2, 3, 1)])
def test_rows_that_do_not_fit(tmp_path, shape):
    with pytest.raises(InvalidDataError, match="do not fit the 3 columns"):
        write(tmp_path / "r.csv", np.zeros(shape))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", SINKS)
def test_sparse_rows_are_read_back_from_every_format(tmp_path, suffix, dtype):
    rows = mostly_zeros(dtype=dtype)
    source, found = read(write_sparse(tmp_path / f"rows{suffix}", rows, dtype=dtype, cuts=[0, 20, 50]))
    assert_array_equal(found.astype(dtype), rows)
    assert source.schema.n_features == 40
    assert isinstance(source, SparseCodesSource) == (suffix in SPARSE_SINKS)


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
