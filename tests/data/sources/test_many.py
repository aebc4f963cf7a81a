import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError
from isthmus.data.sources import ArraySource, SequenceSource, StackedSource, open_source

ROWS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
OPTIONS = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}


def read(source, *within):
    return np.concatenate([np.empty((0, 3), source.dtype), *(block.values for block in source.blocks(*within))])


class Digits:
    """What torch calls a map-style data set: a length, and for each number a picture and its label."""

    def __init__(self, rows, shape=(3,)):
        self.rows, self.shape = rows, shape

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        return self.rows[number].reshape(self.shape), number % 10


@given(st.lists(st.integers(0, 50), max_size=4), st.integers(0, 50), st.integers(0, 50), st.integers(0, 99))
def test_stacked_arrays_are_read_as_one(cuts, start, stop, seed):
    parts = [ArraySource(part) for part in np.split(ROWS, sorted(cuts)) if len(part)]
    source = StackedSource(parts, "parts")
    assert source.n_rows == 50
    assert_array_equal(read(source, start, stop), ROWS[start:stop])
    rows = np.random.default_rng(seed).integers(0, 50, 20)
    out = np.empty((20, 3), np.float32)
    source.take(rows, out)
    assert_array_equal(out, ROWS[rows])
    blocks = list(source.blocks())
    assert [block.start for block in blocks] == list(np.cumsum([0, *(len(block.values) for block in blocks[:-1])]))


def test_arrays_of_different_widths_or_types_are_not_stacked():
    for other in (ROWS[:, :2], ROWS.astype(np.float64)):
        with pytest.raises(InvalidDataError, match=r"parts: file 2 has rows of . float.., but file 1 of 3 float32"):
            StackedSource([ArraySource(ROWS), ArraySource(other)], "parts")


def test_fingerprints_of_different_rows_differ():
    def stacked(rows):
        return StackedSource([ArraySource(rows[:20]), ArraySource(rows[20:])], "").fingerprint

    assert stacked(ROWS) == stacked(ROWS.copy()) != stacked(ROWS + 1)
    assert SequenceSource(Digits(ROWS)).fingerprint == ArraySource(ROWS).fingerprint


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1, 1)])
def test_a_sequence_of_pictures_and_labels(shape):
    source = open_source(Digits(ROWS, shape))
    assert source.schema.image_shape == (shape if len(shape) > 1 else None)
    assert_array_equal(read(source), ROWS)
    model = Autoencoder(2, **OPTIONS).fit(Digits(ROWS, shape))
    assert_array_equal(model.transform(Digits(ROWS, shape)), Autoencoder(2, **OPTIONS).fit(ROWS).transform(ROWS))


def test_sequences_that_are_not_rows():
    with pytest.raises(InvalidDataError, match="Digits holds no items"):
        open_source(Digits(ROWS[:0]))
    with pytest.raises(InvalidDataError, match="not numbers"):
        open_source(Digits(np.array([["a", "b", "c"]])))

    class Uneven(Digits):
        def __getitem__(self, number):
            return self.rows[number][: 3 - number % 2]

    with pytest.raises(InvalidDataError, match=r"item 1 has shape \(2,\), but item 0 has \(3,\)"):
        read(open_source(Uneven(ROWS)))


def test_an_iterator_is_accepted_only_by_partial_fit():
    parts = np.split(ROWS, [20, 40])
    model = Autoencoder(2, **OPTIONS).partial_fit(iter(parts))
    expected = Autoencoder(2, **OPTIONS)
    for part in parts:
        expected.partial_fit(part)
    assert_array_equal(model.transform(ROWS), expected.transform(ROWS))
    for call in (model.fit, model.transform, model.score, model.reconstruct):
        with pytest.raises(InvalidDataError, match=r"read only once, .*; use partial_fit, or write the rows"):
            call(iter(parts))
