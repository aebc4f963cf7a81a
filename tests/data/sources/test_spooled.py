import gc
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, UnwritableError
from isthmus.data.sources import ArraySource, open_source
from isthmus.data.sources.spooled import gathered_rows

ROWS = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    table = pa.table({name: ROWS[:, number] for number, name in enumerate("abc")})
    pq.write_table(table, folder / "rows.parquet")
    pa.csv.write_csv(table.cast(pa.schema([(name, pa.float64()) for name in "abc"])), folder / "rows.csv")
    return folder


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
@pytest.mark.parametrize("most", [0, 11_999, 24_000, 1 << 30])
def test_rows_are_the_same_in_memory_and_in_a_file(folder, name, most):
    source = open_source(folder / name)
    gathered = gathered_rows(source, most)
    # CSV is read as float64: twice the bytes.
    assert isinstance(gathered.values.base, np.memmap) == (ROWS.nbytes * (2 if name == "rows.csv" else 1) > most)
    assert gathered.random_access
    assert gathered.n_rows == 1000
    assert gathered.dtype == source.dtype
    assert gathered.schema == source.schema
    out = np.empty((3, 3), source.dtype)
    gathered.take(np.array([999, 0, 5]), out)
    assert_array_equal(out, ROWS[[999, 0, 5]])
    assert_array_equal(np.concatenate([block.values for block in gathered.blocks()]), ROWS)
    assert gathered.fingerprint == ArraySource(ROWS.astype(source.dtype)).fingerprint


def test_the_file_is_unnamed_and_deleted_with_the_source(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gathered = gathered_rows(open_source(folder / "rows.parquet"), 0)
    assert not list(tmp_path.iterdir())
    rows = gathered.values
    descriptors = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else None
    del gathered
    gc.collect()
    assert_array_equal(rows, ROWS)
    if descriptors is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) < descriptors


def test_a_full_folder_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(UnwritableError, match=r"nowhere: No such file or directory; set TMPDIR to a folder with room"):
        gathered_rows(open_source(folder / "rows.parquet"), 0)


class Growing:
    """A table that states fewer rows than it has."""

    n_rows, dtype, random_access = 2, np.dtype(np.float32), False
    schema = ArraySource(ROWS).schema

    def blocks(self, start=0, stop=None):
        return ArraySource(ROWS).blocks()


def test_a_table_that_grows_while_it_is_read(monkeypatch):
    with pytest.raises(InvalidDataError, match="states 2 rows but has more"):
        gathered_rows(Growing(), 1 << 20)


def test_a_table_without_rows(tmp_path):
    pq.write_table(pa.table({"a": pa.array([], pa.float32())}), tmp_path / "none.parquet")
    with pytest.raises(InvalidDataError, match=r"none\.parquet holds no rows"):
        gathered_rows(open_source(tmp_path / "none.parquet"), 1 << 20)
