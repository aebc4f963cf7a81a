import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources import open_source
from isthmus.data.sources.columnar import FeatherSource, ParquetSource
from isthmus.data.tables import read_table


def read(source):
    return np.concatenate([block.values for block in source.blocks()])


@pytest.mark.parametrize(
    ("columns", "dtype", "kinds"),
    [
        ({"a": pa.array([1, 2], "u1"), "b": pa.array([3, 4], "u1")}, "u1", ["integer"] * 2),
        ({"a": pa.array([True, False])}, "u1", ["boolean"]),
        ({"a": pa.array([True, False]), "b": pa.array([3, -4], "i1")}, "i2", ["boolean", "integer"]),
        ({"a": pa.array([1, 2], "i2"), "b": pa.array([3, 4], "i8")}, "i8", ["integer"] * 2),
        ({"a": pa.array([1, 2], "f4"), "b": pa.array([3, 4], "f4")}, "f4", ["real"] * 2),
        ({"a": pa.array([1, 2], "i8"), "b": pa.array([3, 4], "f4")}, "f8", ["integer", "real"]),
        ({"a": pa.array([1, 2], "f4"), "b": pa.array([3, 4], "f8")}, "f8", ["real"] * 2),
        ({"a": pa.array([1, None], "u1"), "b": pa.array([3, 4], "u1")}, "f8", ["integer"] * 2),
        ({"a": pa.array([True, None])}, "f8", ["boolean"]),
        ({"a": pa.array([1, None], "f4")}, "f4", ["real"]),
        ({"a": pa.array([None, None])}, "f8", ["real"]),
        ({"a": pa.array([1, 2]).cast(pa.decimal128(21, 2))}, "f8", ["real"]),
    ],
)
def test_types(write, columns, dtype, kinds):
    source = open_source(write(columns))
    assert source.dtype == dtype
    assert [column.kind for column in source.schema.columns] == kinds
    assert source.schema.named
    assert source.n_rows == 2
    values = read(source)
    assert values.dtype == dtype
    expected = np.array([[np.nan if v is None else v for v in c.to_pylist()] for c in columns.values()], "f8").T
    assert_array_equal(values.astype("f8"), expected)


def test_parquet_without_statistics(tmp_path):
    for values, dtype in (([1, 2], "i8"), ([1, None], "f8")):
        pq.write_table(pa.table({"a": values}), tmp_path / "rows.parquet", write_statistics=False)
        assert open_source(tmp_path / "rows.parquet").dtype == dtype


def test_missing_cells_are_found_where_statistics_of_some_groups_know_them(tmp_path):
    path = tmp_path / "rows.parquet"
    values = pa.array([1, 2, 3, None])
    pq.write_table(pa.table({"a": values, "b": [1, 2, 3, 4]}), path, row_group_size=2)
    assert ParquetSource(path).dtype == "f8"
    assert ParquetSource(path, columns=["b"]).dtype == "i8"
    assert_array_equal(read(ParquetSource(path))[:, 0], values.to_pandas())


def test_a_stream_of_arrow_has_the_rows_of_the_file(tmp_path):
    table = pa.table({"a": np.arange(20), "b": np.linspace(0, 1, 20)})
    pyarrow.feather.write_feather(table, tmp_path / "file.feather")
    with pa.OSFile(str(tmp_path / "stream.feather"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    found = [FeatherSource(tmp_path / f"{name}.feather") for name in ("file", "stream")]
    for source in found:
        assert source.n_rows == 20
        assert_array_equal(read(source), table.to_pandas())
    assert found[0].schema == found[1].schema


def test_truncated_and_foreign_files(write):
    path = write({"a": np.random.default_rng(0).random(5000)})
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:3], b"not a table at all"):
        path.write_bytes(broken)
        with pytest.raises(BrokenFileError, match=rf"^\S*{path.name} cannot be read: .*$"):
            read(open_source(path))
    path.write_bytes(b"")
    with pytest.raises(InvalidDataError, match="is empty"):
        open_source(path)


def test_a_feather_column_that_claims_more_cells_than_the_file_has(tmp_path):
    # Arrow reads memory beyond its end.
    path = tmp_path / "rows.feather"
    pyarrow.feather.write_feather(pa.table({"a": np.arange(1234.0) + 0.5}), path, compression="uncompressed")
    path.write_bytes(path.read_bytes().replace((1234).to_bytes(8, "little"), (2468).to_bytes(8, "little")))
    with pytest.raises(BrokenFileError, match=r"rows\.feather cannot be read: .*Buffer #1 too small"):
        next(open_source(path).blocks())
    with pytest.raises(BrokenFileError, match=r"rows\.feather cannot be read: .*Buffer #1 too small"):
        read_table(path)


def test_damaged_pages(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": np.random.default_rng(0).random(5000)}), path, compression="zstd")
    whole = bytearray(path.read_bytes())
    whole[10:3000] = bytes(2990)
    path.write_bytes(whole)
    with pytest.raises(BrokenFileError, match=r"rows\.parquet cannot be read: "):
        read(open_source(path))
