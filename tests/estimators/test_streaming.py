import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources import SparseCodesSource, open_source
from isthmus.estimators.streaming import counted, joined, joined_sparse, written

ROWS = np.arange(12.0).reshape(6, 2) - 4


def parts(*cuts):
    return iter(np.split(ROWS, cuts))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cuts", [(), (2, 5), (0, 3, 3, 6)])
def test_blocks_become_one_array_or_one_matrix(cuts, dtype):
    assert_array_equal(joined(parts(*cuts), dtype, 6, 2), ROWS.astype(dtype), strict=True)
    sparse = joined_sparse(parts(*cuts), dtype, 2)
    assert_array_equal(sparse.toarray(), ROWS.astype(dtype), strict=True)
    assert sparse.nnz == np.count_nonzero(ROWS)


def test_what_a_narrower_type_rounds_to_zero_is_not_kept():
    assert joined_sparse([np.array([[1e-200, 1.0]])], np.float32, 2).nnz == 1


def test_rows_are_told_when_they_are_used():
    condition = []
    dealt = counted(parts(2, 5), 6, lambda *seen: condition.append(seen))
    assert len(next(dealt)) == 2
    assert condition == []
    assert [len(part) for part in dealt] == [3, 1]
    assert condition == [(2, 6), (5, 6), (6, 6)]


@pytest.mark.parametrize("sparse", [False, True])
def test_files_hold_the_rows(tmp_path, sparse):
    path = tmp_path / "rows.parquet"
    assert written(parts(2, 5), path, ["a", "b"], np.float32, None, None, sparse=sparse) == 6
    source = open_source(path)
    assert isinstance(source, SparseCodesSource) == sparse
    assert_array_equal(np.concatenate([block.values for block in source.blocks()]), ROWS)
    with pytest.raises(InvalidDataError, match="holds no rows; there is nothing to write"):
        written([ROWS[:0]], path, ["a", "b"], np.float32, None, None, sparse=sparse)
    assert open_source(path).n_rows == 6
