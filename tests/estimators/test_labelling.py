import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators.labelling import divided, labels_in, labels_of, values_of

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0], "kind": ["x", None, "y"]})


class Model:
    feature_names_in_ = np.array(["b", "a"], object)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(["1", "2"], np.array([1, 2])), (["1.5", None], np.array([1.5, np.nan])), (["1", "x", ""], ["1", "x", None])],
)
def test_cells_are_numbers_where_all_are(cells, expected):
    assert_array_equal(values_of([pa.array(cells)]), np.array(expected, object) if "x" in cells else expected)


def test_a_column_of_a_frame_or_of_a_file(tmp_path):
    rows, labels = divided(FRAME, "kind")
    assert list(rows.columns) == ["a", "b"]
    assert labels.tolist() == ["x", None, "y"]
    path = tmp_path / "rows.csv"
    FRAME.to_csv(path, index=False)
    assert divided(path, "kind")[1].tolist() == ["x", None, "y"]


def test_a_file_of_labels(tmp_path):
    np.save(tmp_path / "y.npy", np.array(["p", "q"]))
    assert labels_in(tmp_path / "y.npy").tolist() == ["p", "q"]
    (tmp_path / "y.csv").write_text("label\n3\n4\n")
    assert labels_in(tmp_path / "y.csv").tolist() == [3, 4]
    np.save(tmp_path / "wide.npy", np.zeros((2, 3)))
    with pytest.raises(InvalidDataError, match=r"color .*wide.npy has the shape \(2, 3\)"):
        labels_in(tmp_path / "wide.npy", "color")


def test_what_colours_a_map(tmp_path):
    path = tmp_path / "rows.csv"
    FRAME.to_csv(path, index=False)
    assert labels_of(Model(), FRAME, None) == (FRAME, None, None)
    assert labels_of(Model(), FRAME, "a") == (FRAME, "a", None)
    # Of a file the model's own columns are read, in its order, and the label with them.
    rows, name, labels = labels_of(Model(), path, "kind")
    assert (rows, name, labels.tolist()) == (path, "kind", ["x", None, "y"])
    _, name, labels = labels_of(Model(), FRAME, pd.Series([7, 8, 9], name="own"))
    assert (name, labels.tolist()) == ("own", [7, 8, 9])
    with pytest.raises(InvalidParameterError, match="color nothing is neither a column of the rows nor a file"):
        labels_of(Model(), FRAME, "nothing")
