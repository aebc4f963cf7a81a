import numpy as np
import pytest

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources import open_source
from isthmus.explore.explored import Explored
from isthmus.explore.others import labels_file, other_columns


def test_columns_that_are_no_features(explored_table, table_file, table):
    found = other_columns(explored_table, str(table_file))
    assert [*found] == ["answer"]
    np.testing.assert_array_equal(found["answer"](), np.where(np.arange(150) % 2, "yes", "no"))
    frame = table.assign(answer=np.arange(150))
    np.testing.assert_array_equal(other_columns(explored_table, frame)["answer"](), np.arange(150))


def test_of_a_selection_of_columns_the_others_can_be_read(explored_table, table_file):
    source = open_source(str(table_file), drop=["answer"], kinds={})
    assert other_columns(explored_table, source)["answer"]()[1] == "yes"


def test_a_sample_has_the_cells_of_its_rows(table_model, table_file):
    sample = Explored(table_model, str(table_file), sample=20)
    values = other_columns(sample, str(table_file))["answer"]()
    np.testing.assert_array_equal(values, np.where(sample.numbers % 2, "yes", "no"))


def test_arrays_have_no_further_columns(explored, pictures):
    assert other_columns(explored, pictures[0]) == {}


def test_labels_in_a_file(explored, pictures, tmp_path):
    np.save(tmp_path / "labels.npy", pictures[1])
    np.testing.assert_array_equal(labels_file(explored, str(tmp_path / "labels.npy"))(), pictures[1])
    np.save(tmp_path / "few.npy", pictures[1][:5])
    with pytest.raises(InvalidDataError, match="has 5 labels, but there are 120 rows"):
        labels_file(explored, str(tmp_path / "few.npy"))
