import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import dataset

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError
from isthmus.data.sources import ArrowSource, open_source

ROWS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
TABLE = pa.table({name: ROWS[:, number] for number, name in enumerate("abc")})


def read(source, *within):
    return np.concatenate([np.empty((0, 3), source.dtype), *(block.values for block in source.blocks(*within))])


@pytest.mark.parametrize(
    "given", [TABLE, TABLE.to_batches()[0], dataset.dataset(TABLE)], ids=["table", "batch", "data set"]
)
def test_tables_of_pyarrow(given):
    source = open_source(given, columns=["c", "a"])
    assert isinstance(source, ArrowSource)
    assert source.n_rows == 50
    assert source.schema.names == ("c", "a")
    assert_array_equal(np.concatenate([block.values for block in source.blocks()]), ROWS[:, [2, 0]])
    assert source.fingerprint != open_source(given, columns=["a", "c"]).fingerprint


def test_a_column_of_lists_is_read_as_columns():
    lists = pa.table({"embedding": pa.FixedSizeListArray.from_arrays(ROWS.reshape(-1), 3)})
    source = open_source(lists)
    assert source.schema.names == ("embedding_0", "embedding_1", "embedding_2")
    assert_array_equal(read(source), ROWS)
    with pytest.raises(InvalidDataError, match="lists in column 'embedding' of Table have several lengths, 1 numbers"):
        list(open_source(pa.table({"embedding": pa.array([[1.0], [1.0, 2.0]])})).blocks())


def test_data_sets_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    own = datasets.Dataset.from_dict({name: ROWS[:, number] for number, name in enumerate("abc")})
    assert_array_equal(read(open_source(own)), ROWS)
    assert_array_equal(read(open_source(own.select([3, 1]))), ROWS[[3, 1]])
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(own)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
