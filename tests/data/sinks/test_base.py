import io

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sinks.base import Sink, arrow_columns

KEPT = pa.schema([("who", pa.string())])


class Listed(Sink):
    """Keeps what it is asked to write."""

    def _put(self, rows, kept):
        self.last = rows, kept


def test_rows_are_written_in_the_type_of_the_file_and_counted():
    sink = Listed(io.BytesIO(), ["a", 1], np.float32)
    sink.write(np.array([[1, 2], [3, 4]]).T[:, ::-1])
    sink.write(np.zeros((3, 2)))
    assert (sink.names, sink.n_rows, sink.last[0].dtype) == (["a", "1"], 5, np.float32)


@pytest.mark.parametrize(
    ("rows", "kept", "message"),
    [
        (np.zeros((2, 3)), None, r"rows of shape \(2, 3\) do not fit the 2 columns"),
        (np.zeros(2), None, "do not fit the 2 columns"),
        (np.zeros((2, 2)), None, "2 rows were passed with no rows of the kept columns"),
        (np.zeros((2, 2)), pa.table({"who": ["x"]}), "2 rows were passed with 1 rows of the kept columns"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows, kept, message):
    with pytest.raises(InvalidDataError, match=message):
        Listed(io.BytesIO(), ["a", "b"], np.float32, KEPT if rows.shape == (2, 2) else None).write(rows, kept)


@pytest.mark.parametrize("kept", [pa.schema([("a", pa.int8())]), pa.schema([("b", pa.int8()), ("b", pa.int8())])])
def test_two_columns_of_one_name_are_refused(kept):
    with pytest.raises(InvalidParameterError, match="is also the name of a column of the result"):
        Listed(io.BytesIO(), ["a"], np.float32, kept)


def test_arrow_columns_are_those_of_the_rows():
    rows = np.arange(6.0).reshape(3, 2)
    assert [column.to_pylist() for column in arrow_columns(rows)] == rows.T.tolist()
