import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array, vstack

from isthmus.data.sources import CsrSource
from isthmus.engine.slicing import layout_of, scaled_cells, sliced_batches, sliced_rows


def restored(slices, batch, width):
    """Return a batch's matrix, written cell by cell."""
    dense = np.zeros((slices.columns.shape[1], width))
    np.add.at(dense, (np.arange(len(dense))[:, None], slices.columns[batch]), slices.values[batch])
    np.add.at(dense, (slices.owners[batch][:, None], slices.more_columns[batch]), slices.more_values[batch])
    return dense


def skewed(n=120, width=50):
    """Return a matrix whose first column is full, and whose last row is."""
    cells = random_array((n, width), density=0.1, random_state=0).toarray()
    cells[:, 0], cells[-1] = 1, 2
    return csr_matrix(cells)


@pytest.mark.parametrize("batch_size", [8, 50, 120])
def test_pieces_hold_every_cell_of_rows_and_of_columns_once(batch_size):
    matrix = skewed()
    layout = layout_of(CsrSource(matrix), batch_size, 4)
    batches = [matrix[first : first + batch_size] for first in range(0, 120, batch_size)]
    rows, columns = sliced_batches(batches, batch_size, len(batches) + 1, layout)
    for number, batch in enumerate(batches):
        np.testing.assert_array_equal(restored(rows, number, 50)[: batch.shape[0]], batch.toarray())
        np.testing.assert_array_equal(restored(columns, number, batch_size)[:, : batch.shape[0]], batch.toarray().T)
    assert not rows.values[-1].any()
    assert (np.diff(columns.owners, axis=1) >= 0).all()


def test_a_batch_with_more_cells_than_the_shapes_have_gets_larger_ones():
    matrix = skewed()
    layout = layout_of(CsrSource(matrix), 20, 4)
    crowded = vstack([matrix[-1]] * 20, "csr")
    rows, _ = sliced_batches([crowded], 20, 1, layout)
    np.testing.assert_array_equal(restored(rows, 0, 50), crowded.toarray())


def test_shapes_do_not_depend_on_the_batch():
    matrix = skewed()
    layout = layout_of(CsrSource(matrix), 20, 4)
    shapes = {
        tuple(leaf.shape for part in sliced_batches([matrix[first : first + 20]], 20, 1, layout) for leaf in part)
        for first in (0, 20, 40)
    }
    assert len(shapes) == 1


def test_rows_without_cells():
    empty = csr_matrix((6, 5))
    layout = layout_of(CsrSource(empty), 4, 4)
    rows, columns = sliced_batches([empty[:4], empty[4:]], 4, 2, layout)
    assert not rows.values.any()
    assert not columns.values.any()
    assert not sliced_rows(empty, 8).more_values.any()


def test_cells_are_divided_by_the_scale_of_their_column():
    matrix, scale = skewed().astype(np.int64), np.linspace(1, 5, 50)
    scaled = scaled_cells(matrix, scale, np.float32)
    np.testing.assert_allclose(scaled.toarray(), matrix.toarray() / scale, 1e-6)
    assert scaled.dtype == np.float32
