import io

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.errors import InvalidDataError
from isthmus.data.sinks.npy import NpySink
from written_rows import some_rows, write


def written(rows, kept=None):
    file = io.BytesIO()
    sink = NpySink(file, [f"z{place}" for place in range(rows.shape[1])], rows.dtype, kept and kept.schema)
    sink.write(rows[:1], kept and kept.slice(0, 1))
    sink.write(rows[1:], kept and kept.slice(1))
    sink.finish()
    return file.getvalue()


def test_the_bytes_are_those_of_numpy():
    rows, file = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32), io.BytesIO()
    np.save(file, rows)
    assert written(rows) == file.getvalue()


def test_kept_numbers_are_the_first_columns_in_a_type_that_holds_all():
    kept = pa.table({"n": pa.array([1, None, 3]), "flag": [True, False, None]})
    found = np.load(io.BytesIO(written(np.ones((3, 1), np.float32), kept)))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[1, 1, 1], [np.nan, 0, 1], [3, np.nan, 1]])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", "b"], "column 'n' holds string, and a .npy file holds only numbers"),
        ([0, 2**53 + 1], "column 'n' holds 9007199254740993, which float64 would round"),
    ],
)
def test_what_an_array_cannot_hold_is_refused(cells, message):
    with pytest.raises(InvalidDataError, match=message):
        written(np.ones((2, 1)), pa.table({"n": cells}))


def test_a_file_of_several_blocks_is_mapped_by_numpy(tmp_path):
    rows = some_rows(12345)
    np.save(tmp_path / "numpy.npy", rows)
    path = write(tmp_path / "ours.npy", rows, cuts=[1000, 5000])
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), rows)
    assert np.load(write(tmp_path / "none.npy", rows[:0])).shape == (0, 3)
    assert path.stat().st_size == (tmp_path / "numpy.npy").stat().st_size
