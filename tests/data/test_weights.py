import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources import ArraySource, CsrSource
from isthmus.data.splitting import HashHoldout, MaskHoldout
from isthmus.data.weights import RowWeights, SelectedRows, checked_weights, number_in_file

ROWS = np.arange(60.0).reshape(20, 3)
VALUES = np.arange(1, 21.0)


def test_weights_have_mean_1_over_the_training_rows_and_over_those_held_out():
    weights, holdout = RowWeights(VALUES), HashHoldout(3, 0.4)
    held = holdout.mask(0, 20)
    assert_allclose(weights.factor() * VALUES.mean(), 1)
    assert_allclose(weights.factor(holdout) * VALUES[~held].mean(), 1)
    assert_allclose(weights.factor(holdout, validation=True) * VALUES[held].mean(), 1)
    assert_allclose(weights.factor(MaskHoldout(held)) * VALUES[~held].mean(), 1)
    assert RowWeights(VALUES, relative=False).factor(holdout) == 1
    assert_array_equal(weights.training(holdout).values, VALUES[~held])
    assert weights.training(HashHoldout(0, 0.0)) is weights


def test_equal_weights_have_one_hash():
    assert RowWeights(VALUES).digest == RowWeights(VALUES.astype("f4")).digest != RowWeights(VALUES + 1).digest


@pytest.mark.parametrize(
    "given",
    [
        [1, 2, 0],
        (True, True, False),
        np.array([1, 2, 0], "u1"),
        np.array([1, 2, 0], object),
        np.array([1, 2, 0], "f2"),
        pd.Series([1.0, 2, 0]),
        pl.Series([1, 2, 0]),
        np.ma.array([1, 2, 0]),
    ],
)
def test_weights_are_floats(given):
    found = checked_weights(given, 3)
    assert found.dtype.kind == "f"
    assert_array_equal(found, np.asarray(given, float))


def test_one_number_is_the_weight_of_each_row():
    assert_array_equal(checked_weights(2, 3), [2, 2, 2])
    assert checked_weights(None, 3) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], r"sample_weight has shape \(2,\), but there are 3 rows; pass one weight for each"),
        ([[1], [2], [3]], r"shape \(3, 1\), but there are 3 rows"),
        ([1, np.nan, 3], "sample_weight of row 1 is nan; weights must be finite numbers >= 0"),
        ([1, 2, np.inf], "row 2 is inf"),
        ([1, -2, 3], "row 1 is -2"),
        ([1, None, 3], "row 1 is nan"),
        (np.ma.array([1, 2, 3], mask=[0, 0, 1]), "row 2 is nan"),
        ([0, 0, 0], "sample_weight is zero for all rows"),
        (["1", "2", "3"], "values that are not numbers"),
        (np.array([1j, 2, 3]), "values of type complex128"),
        (np.array(["2020-01-01"] * 3, "M8[D]"), "not numbers"),
    ],
)
def test_invalid_weights(given, message):
    with pytest.raises(InvalidDataError, match=message):
        checked_weights(given, 3)


@pytest.mark.parametrize(
    "source", [ArraySource(ROWS), CsrSource(scipy.sparse.csr_array(ROWS))], ids=["dense", "sparse"]
)
def test_selected_rows_are_the_rows(source):
    numbers = np.array([1, 4, 5, 11, 19])
    selected = SelectedRows(source, numbers)
    assert (selected.n_rows, selected.schema, selected.dtype) == (5, source.schema, source.dtype)
    for start, stop in [(0, None), (1, 4), (2, 2), (4, 9)]:
        blocks = [*selected.blocks(start, stop)]
        values = np.concatenate([np.empty((0, 3)), *(block.values for block in blocks)])
        assert_array_equal(values, ROWS[numbers[start:stop]])
        assert [block.start for block in blocks[:1]] == [start][: len(blocks)]
    out = np.empty((3, 3))
    selected.take(np.array([4, 0, 2]), out)
    assert_array_equal(out, ROWS[[19, 1, 5]])
    assert selected.fingerprint != SelectedRows(source, numbers[1:]).fingerprint
    assert (number_in_file(selected, 3), number_in_file(source, 3)) == (11, 3)
    if source.schema.sparse:
        assert_array_equal(selected.csr(slice(1, 3)).toarray(), ROWS[[4, 5]])


def test_rows_are_selected_from_several_blocks():
    class Blocks(ArraySource):
        def blocks(self, start=0, stop=None):
            for first in range(start, stop, 4):
                yield from super().blocks(first, min(first + 4, stop))

    numbers = np.array([0, 3, 9, 10, 16])
    blocks = [*SelectedRows(Blocks(ROWS), numbers).blocks()]
    assert [block.start for block in blocks] == [0, 2, 4]
    assert_array_equal(np.concatenate([block.values for block in blocks]), ROWS[numbers])
