import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix, random_array, save_npz
from scipy.sparse import random as random_matrix

from isthmus import Autoencoder
from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.data.sinks import open_sink
from isthmus.data.sources import CsrSource, ParquetSource, Source, SparseCodesSource, open_source
from isthmus.data.sparse_table import schema_for

NAMES = ["unit0", "unit1", "unit2", "unit3"]
ROWS = np.zeros((200, 4), np.float32)
ROWS[::3, 1] = np.linspace(-1, 1, 67)
ROWS[7] = [1e-30, np.pi, -2.5, 1e30]
ROWS[150:, 3] = 5


def write(path, rows=ROWS, names=NAMES, dtype=np.float32):
    with open_sink(path, names, dtype, sparse=True) as sink:
        sink.write(rows)
    return path


def joined(source, *span):
    return np.concatenate([np.empty((0, 4), np.float32), *(block.values for block in source.blocks(*span))])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("codes") / "codes.parquet")


@pytest.fixture(params=["file", "matrix", "array"])
def source(request, path):
    forms = {"file": lambda: SparseCodesSource(path), "matrix": lambda: CsrSource(csr_matrix(ROWS))}
    return forms.get(request.param, lambda: CsrSource(csr_array(ROWS)))()


def test_it_is_a_source_of_dense_rows(source):
    assert isinstance(source, Source)
    assert (source.n_rows, source.dtype, source.schema.n_features) == (200, np.float32, 4)
    assert_array_equal(joined(source), ROWS, strict=True)


@given(st.integers(0, 210), st.integers(0, 210), st.integers(1, 60))
def test_any_range_of_rows_in_any_block_size(path, start, stop, size):
    with pytest.MonkeyPatch.context() as patch:
        for module in ("arrays", "sparse"):
            patch.setattr(f"isthmus.data.sources.{module}.block_rows", lambda row_bytes: size)
        for source in (SparseCodesSource(path), CsrSource(csr_matrix(ROWS))):
            blocks = list(source.blocks(start, stop))
            assert all(len(block.values) <= size for block in blocks)
            for block in blocks:
                assert_array_equal(block.values, ROWS[block.start : block.start + len(block.values)])
            assert_array_equal(joined(source, start, stop), ROWS[start:stop])


def test_rows_by_number(source):
    wanted, out = np.array([7, 0, 199, 7]), np.full((5, 4), 9, np.float32)
    source.take(wanted, out)
    assert_array_equal(out, np.vstack([ROWS[wanted], [[9] * 4]]))
    with pytest.raises(InvalidParameterError, match="row 200 is out of range; the rows are 0 to 199"):
        source.take(np.array([200]), out)


def test_fingerprints_of_different_rows_differ(tmp_path, path):
    other = ROWS.copy()
    other[0, 0] = 1
    again, different = write(tmp_path / "a.parquet"), write(tmp_path / "b.parquet", other)
    first, second, third = (SparseCodesSource(each).fingerprint for each in (path, again, different))
    assert first == second != third
    first, second, third = (CsrSource(csr_matrix(each)).fingerprint for each in (ROWS, ROWS.copy(), other))
    assert first == second != third


def test_names_are_stored_in_the_file_and_the_format_is_found(path):
    source = open_source(path)
    assert isinstance(source, SparseCodesSource)
    assert source.schema.names == tuple(NAMES)
    assert source.schema.named
    assert not source.random_access
    found = source.csr()
    assert (found != csr_matrix(ROWS)).nnz == 0
    assert found.dtype == np.float32


def test_a_file_without_rows(tmp_path):
    source = open_source(write(tmp_path / "none.parquet", ROWS[:0], dtype=np.float64))
    assert (source.n_rows, source.dtype) == (0, np.float64)
    assert list(source.blocks()) == []
    assert source.csr().shape == (0, 4)


def test_other_parquet_files_are_not_sparse_codes(tmp_path, path):
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"unit": [1, 2], "value": [0.5, 1]}), table)
    assert isinstance(open_source(table), ParquetSource)
    with pytest.raises(BrokenFileError, match=r"table\.parquet holds no sparse codes; open it with open_source"):
        SparseCodesSource(table)
    with pytest.raises(InvalidParameterError, match=r"columns= does not apply to .*, which takes no options"):
        open_source(path, columns=["unit0"])


def test_folders_of_sparse_codes_are_refused(tmp_path):
    write(tmp_path / "part.parquet")
    with pytest.raises(InvalidDataError, match=r"sparse codes like part\.parquet cannot be read; open one file of"):
        open_source(tmp_path)
    with pytest.raises(MissingFileError):
        SparseCodesSource(tmp_path / "gone.parquet")


def damaged(path, how):
    whole = bytearray(path.read_bytes())
    if how == "cut":
        whole = whole[: len(whole) // 2]
    elif how == "pages":
        whole[4:200] = bytes(196)
    else:
        whole = b"PAR1 not a table PAR1"
    return bytes(whole)


@pytest.mark.parametrize("how", ["cut", "pages", "foreign"])
def test_damaged_files(tmp_path, how):
    path = write(tmp_path / "codes.parquet")
    path.write_bytes(damaged(path, how))
    with pytest.raises(BrokenFileError, match=r"codes\.parquet cannot be read: ") as caught:
        list(open_source(path).blocks())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"unit": pa.array([[0]], pa.list_(pa.uint16()))}, r"its columns are unit \(list"),
        ({"unit": [1], "value": [0.5]}, r"its columns are unit \(int64\), value \(double\); write it again"),
    ],
)
def test_columns_that_differ_from_the_note_are_refused(tmp_path, columns, match):
    metadata = schema_for(NAMES, np.float32).metadata
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), tmp_path / "codes.parquet")
    with pytest.raises(BrokenFileError, match=rf"codes\.parquet says it holds sparse codes, but {match}"):
        open_source(tmp_path / "codes.parquet")


# Archives of scipy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia"])
@pytest.mark.parametrize("make", [random_matrix, random_array])
def test_an_archive_of_scipy_is_read_as_rows(tmp_path, kind, make):
    size = ((50, 20),) if make is random_array else (50, 20)
    matrix = make(*size, density=0.1, format=kind, random_state=0)
    save_npz(tmp_path / "m.npz", matrix)
    source = open_source(tmp_path / "m.npz")
    assert (source.n_rows, source.schema.n_features) == (50, 20)
    assert_array_equal(np.concatenate([block.values for block in source.blocks()]), matrix.toarray())
    out = np.empty((2, 20))
    source.take(np.array([49, 3]), out)
    assert_array_equal(out, matrix.toarray()[[49, 3]])


def test_a_fit_of_an_archive_of_scipy_equals_that_of_its_array(tmp_path):
    matrix = random_matrix(60, 5, 0.3, format="csr", random_state=0)
    save_npz(tmp_path / "m.npz", matrix)
    one, other = (
        Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(rows).encoder_weights_[0]
        for rows in (tmp_path / "m.npz", matrix.toarray())
    )
    assert_allclose(one, other, atol=1e-6)  # sums over sparse rows are rounded in another order


def test_types_of_archives_of_scipy(tmp_path):
    save_npz(tmp_path / "flags.npz", csr_matrix(np.eye(3, dtype=bool)))
    assert open_source(tmp_path / "flags.npz").dtype == np.uint8
    save_npz(tmp_path / "complex.npz", csr_matrix(np.eye(3) * 1j))
    with pytest.raises(
        InvalidDataError, match=r"complex.npz: a sparse matrix of shape .* and complex128 does not hold"
    ):
        open_source(tmp_path / "complex.npz")
    with pytest.raises(InvalidParameterError, match="key= does not apply"):
        open_source(tmp_path / "flags.npz", key="data")


@pytest.mark.parametrize(
    "damage",
    [{"indices": np.array([0, 99])}, {"indices": np.array([0, -1])}, {"indptr": np.array([0, 1, 9])}, {"data": None}],
)
def test_damaged_archives_of_scipy(tmp_path, damage):
    parts = {"indices": np.array([0, 1]), "indptr": np.array([0, 1, 2]), "data": np.ones(2)}
    kinds = {"format": np.array(b"csr"), "shape": np.array([2, 3])}
    np.savez(tmp_path / "m.npz", **kinds, **{name: v for name, v in (parts | damage).items() if v is not None})
    refused = pytest.raises((BrokenFileError, InvalidParameterError, InvalidDataError))
    with refused as caught:
        list(open_source(tmp_path / "m.npz").blocks())
    assert "\n" not in str(caught.value)
