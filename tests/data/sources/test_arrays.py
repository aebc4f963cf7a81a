import gzip
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.data.sources import ArraySource, open_source
from opened_rows import read


def refused(error, data, match, **options):
    with pytest.raises(error, match=match) as caught:
        open_source(data, **options)
    assert "\n" not in str(caught.value)


numeric = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.boolean_dtypes(),
)
matrices = hnp.arrays(numeric, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20))


@settings(deadline=None, max_examples=60)
@given(matrices, st.sampled_from(["C", "F"]), st.booleans(), st.randoms(use_true_random=False))
def test_rows_do_not_depend_on_the_memory_layout(values, order, strided, random):
    values = np.asarray(values, order=order)
    if strided:
        values = np.repeat(np.repeat(values, 2, axis=0), 3, axis=1)[::2, ::3]
    source = open_source(values)
    expected = values.astype(source.dtype)
    assert source.dtype.isnative
    assert source.dtype.kind == ("u" if values.dtype.kind == "b" else values.dtype.kind)
    assert source.n_rows == len(values)
    fingerprint = source.fingerprint
    assert_array_equal(read(source), expected)
    rows = np.array([random.randrange(len(values)) for _ in range(9)])
    out = np.empty((9, values.shape[1]), source.dtype)
    source.take(rows, out)
    assert_array_equal(out, expected[rows])
    assert fingerprint == ArraySource(np.ascontiguousarray(expected)).fingerprint


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "u1", "?", ">i8"])
def test_npy_equals_the_array(tmp_path, order, dtype):
    values = np.asarray(np.random.default_rng(0).integers(0, 2, (200, 5)), dtype, order=order)
    np.save(tmp_path / "rows.npy", values)
    source, memory = open_source(tmp_path / "rows.npy"), open_source(values)
    assert_array_equal(read(source), values)
    assert source.fingerprint == memory.fingerprint
    out = np.empty((200, 5), source.dtype)
    rows = np.arange(200)[::-1]
    source.take(rows, out)
    assert_array_equal(out, values[rows])


def test_memmap_is_not_read_or_copied(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((10, 3), np.float32))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    source = open_source(mapped)
    assert np.shares_memory(source.values, mapped)
    assert np.shares_memory(next(source.blocks()).values, mapped)


def test_booleans_are_a_view():
    values = np.eye(3, dtype=bool)
    source = open_source(values)
    assert np.shares_memory(source.values, values)
    assert {column.kind for column in source.schema.columns} == {"boolean"}


def test_fingerprint_samples_rows():
    values = np.random.default_rng(0).random((1000, 3))
    known = open_source(values).fingerprint
    for row in (0, -1):
        changed = values.copy()
        changed[row, 2] += 1
        assert open_source(changed).fingerprint != known
    assert open_source(values.astype(np.float32)).fingerprint != known
    assert open_source(values[:-1]).fingerprint != known
    assert open_source(values.reshape(500, 6)).fingerprint != known


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        (np.array([[1, 2.5], [None, 4]], object), np.array([[1, 2.5], [np.nan, 4]])),
        (np.array([[1, 2]], np.longdouble), np.array([[1.0, 2.0]])),
        (np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]), np.array([[1, np.nan], [3, 4]])),
        (np.empty((0, 3)), np.empty((0, 3))),
    ],
)
def test_other_rows(data, expected):
    source = open_source(data)
    assert source.dtype == expected.dtype
    assert_array_equal(read(source), expected)
    assert isinstance(source.fingerprint, str)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_keep_their_names(frame):
    source = open_source(frame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    assert source.schema.names == ("a", "b")
    assert source.schema.named
    assert_array_equal(read(source), [[1, 3], [2, 4]])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pictures_are_flattened(shape, dtype):
    pictures = np.arange(6 * np.prod(shape)).reshape(6, *shape).astype(dtype)
    source = open_source(pictures)
    assert source.schema.image_shape == shape
    assert source.dtype == dtype
    assert_array_equal(read(source), pictures.reshape(6, -1))


class Sparse:
    def toarray(self):
        return np.eye(2)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (np.arange(3.0), r"Expected 2D array, got 1D array instead; .*reshape\(-1, 1\).*reshape\(1, -1\)"),
        (3.0, "got scalar array instead"),
        (np.zeros((1,) * 5), "dim 5"),
        (np.zeros((2, 3, 28, 28)), r"channels first; put them last with np.moveaxis"),
        (np.zeros((2, 0)), r"0 feature\(s\)"),
        ([["a", "b"]], "not numbers"),
        (np.array([[1, "a\nb"]], object), r"not all numbers: 'a\\nb' at \[0, 1\]"),
        (np.array([[1, "2"]], object), r"'2' at \[0, 1\]"),
        (np.array([[1, 1j]], object), "not all numbers"),
        (np.array([[1, object()]], object), "not all numbers"),
        (np.array([[1j, 2]]), "Complex data not supported"),
        (np.array([["2020-01-01"]], "M8[D]"), "not numbers"),
        (np.zeros(3, [("a", "f4")]), "Structured"),
        ([[1, 2], [3]], "do not form one array"),
        (Sparse(), r"X.toarray\(\)"),
        ({"a": 1}, "not all numbers"),
        (None, "scalar array"),
    ],
)
def test_refused_rows(data, match):
    refused(InvalidDataError, data, match)


def test_a_schema_must_fit():
    with pytest.raises(InvalidDataError, match="have 2 features, but their schema names 3"):
        ArraySource(np.eye(2), schema=open_source(np.eye(3)).schema)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("empty.npy", b"", "cannot be read as an array"),
        ("text.npy", b"1,2,3\n", "cannot be read as an array"),
        ("text.npz", b"1,2,3\n", "not a .npz archive"),
    ],
)
def test_not_arrays(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    refused(BrokenFileError, tmp_path / name, match)


def test_truncated_npy(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.zeros((100, 7)))
    whole = path.read_bytes()
    for size in (5, 64, 150, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(BrokenFileError, path, "rows.npy cannot be read as an array")


def test_a_second_array_behind_the_first_is_not_left_out(tmp_path):
    path = tmp_path / "rows.npy"
    with path.open("wb") as file:
        np.save(file, np.zeros((10, 2)))
        np.save(file, np.ones((10, 2)))
    refused(InvalidDataError, path, "rows.npy has 288 bytes after its array.*save all rows as one array")
    np.lib.format.open_memmap(path, "w+", np.float64, (0, 3)).flush()
    assert open_source(path).n_rows == 0


@pytest.mark.parametrize("name", ["rows.npy", "rows.npz"])
def test_files_that_are_not_what_their_suffix_says(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"rows"))
    refused(BrokenFileError, tmp_path / name, f"{name} is not an? .* but compressed with gzip; unpack it")


def test_truncated_npz(tmp_path):
    path = tmp_path / "rows.npz"
    np.savez_compressed(path, X=np.random.default_rng(0).random((100, 7)))
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:-30])
    refused(BrokenFileError, path, "rows.npz is not a .npz archive, or is truncated")
    whole[200:400] = bytes(200)
    path.write_bytes(whole)
    refused(BrokenFileError, path, "rows.npz cannot be read as an array")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickles_are_never_loaded(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, np.array([[1, "a"]], object))
    refused(InvalidDataError, path, "Python objects, which are never loaded")


def test_npz_names(tmp_path):
    path = tmp_path / "rows.npz"
    np.savez(path, features=np.eye(3), labels=np.arange(3))
    assert_array_equal(read(open_source(path)), np.eye(3))
    np.savez(path, train=np.eye(3), test=np.eye(3) * 2)
    refused(InvalidParameterError, path, "several arrays, 'train', 'test'; choose one, such as key='train'")
    refused(InvalidParameterError, path, "has no array 'tset', only .*did you mean 'test'", key="tset")
    assert_array_equal(read(open_source(path, key="test")), np.eye(3) * 2)
    np.savez(path)
    refused(InvalidDataError, path, "holds no arrays|not a .npz")


def test_names_of_files_are_in_errors(tmp_path):
    np.save(tmp_path / "flat.npy", np.arange(3))
    refused(InvalidDataError, tmp_path / "flat.npy", r"flat\.npy: Expected 2D array")


def test_paths_that_do_not_exist(tmp_path):
    refused(MissingFileError, tmp_path / "none.npy", "none.npy does not exist")
    refused(MissingFileError, "none.xyz", "none.xyz does not exist")
    refused(InvalidParameterError, "xyz://bucket/rows.parquet", "xyz://bucket/rows.parquet cannot be reached: ")
    (tmp_path / "rows.parket").touch()
    unknown = r"rows.parket has none of the suffixes .npy, .*did you mean '.parquet'"
    refused(InvalidParameterError, tmp_path / "rows.parket", unknown)
    refused(InvalidDataError, tmp_path, "holds no pictures and no tables, only files like rows.parket")
    (tmp_path / "sub").mkdir()
    refused(InvalidDataError, tmp_path / "sub", "holds no pictures and no tables$")
    np.savez(tmp_path / "sub" / "rows.npz", np.eye(2))
    refused(InvalidDataError, tmp_path / "sub", "folders of files like rows.npz cannot be read")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(BrokenFileError, match="is a folder"):
        from isthmus.data.sources import NpySource

        NpySource(tmp_path / "folder.npy")


def test_options_that_do_not_apply(tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(2))
    refused(InvalidParameterError, tmp_path / "rows.npy", "columns= does not apply to .*rows.npy", columns=["a"])
    refused(InvalidParameterError, np.eye(2), "key= does not apply to ndarray", key="a")


def test_nothing_heavy_is_imported():
    import subprocess
    import sys

    heavy = "{'jax', 'sklearn', 'pandas', 'pyarrow', 'PIL', 'scipy'}"
    code = f"import sys, isthmus.data.sources; print({heavy} & set(sys.modules))"
    with warnings.catch_warnings():
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
