import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import csr_matrix, save_npz

from isthmus.data.sources import CsrSource, StackedSource, open_source
from isthmus.data.sources.arrays import ArraySource
from isthmus.data.sources.content import add_sums, content_sum
from isthmus.data.sources.spooled import gathered_rows

ROWS = np.random.default_rng(0).normal(size=(3000, 5)).astype(np.float32)


def content(rows):
    return add_sums([content_sum(open_source(rows))])


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i2"])
@given(row=st.integers(0, 2999), column=st.integers(0, 4), bit=st.integers(0, 7))
def test_any_changed_bit_is_noticed(dtype, row, column, bit):
    rows = (100 * ROWS).astype(dtype)
    before = content(rows)
    assert content(rows.copy()) == before
    cell = rows[row : row + 1, column : column + 1].copy()
    cell.view(np.uint8)[0, 0] ^= 1 << bit
    rows[row, column] = cell[0, 0]
    assert content(rows) != before


@pytest.mark.parametrize("change", ["swapped rows", "swapped columns", "order", "one row less", "twice"])
def test_rearranged_rows_are_other_rows(change):
    other = {
        "swapped rows": ROWS[[1, 0, *range(2, 3000)]],
        "swapped columns": ROWS[:, [1, 0, 2, 3, 4]],
        "order": ROWS[::-1].copy(),
        "one row less": ROWS[:-1],
        "twice": np.concatenate([ROWS, ROWS]),
    }[change]
    assert content(other) != content(ROWS)
    assert content(ROWS.reshape(-1, 3)) != content(ROWS)
    assert content(ROWS.astype(np.float64)) != content(ROWS)


def test_the_same_rows_in_other_forms_have_the_same_content(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.arrays.BLOCK_BYTES", 10_000)
    expected = content(ROWS)
    np.save(tmp_path / "rows.npy", ROWS)
    assert content(tmp_path / "rows.npy") == content(np.asfortranarray(ROWS)) == content(ROWS.astype(">f4")) == expected
    stacked = StackedSource([ArraySource(ROWS[:1234]), ArraySource(ROWS[1234:])], "")
    assert add_sums([content_sum(stacked)]) == expected
    assert add_sums([content_sum(CsrSource(csr_matrix(ROWS)))]) == expected


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shares_of_several_processes_add_up(parts, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.arrays.BLOCK_BYTES", 10_000)
    source = open_source(ROWS)
    assert add_sums([content_sum(source, part, parts) for part in range(parts)]) == content(ROWS)


def test_pictures_are_compared_as_files(tmp_path):
    for number in range(3):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(tmp_path / f"{number}.png")
    before = content(tmp_path)
    assert content(tmp_path) == before
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / "1.png")
    assert content(tmp_path) != before


def test_tables_and_archives(tmp_path):
    frame = pd.DataFrame(ROWS.astype(np.float64), columns=list("abcde"))
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=1000)
    save_npz(tmp_path / "m.npz", csr_matrix(ROWS))
    assert content(tmp_path / "m.npz") == content(ROWS)
    table = gathered_rows(open_source(tmp_path / "rows.parquet"), 1 << 20)
    assert content(table) == content(ROWS.astype(np.float64))
