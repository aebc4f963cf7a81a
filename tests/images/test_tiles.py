import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import correlate

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.images.tiles import _padded, in_tiles

SHAPES = [(1, 1), (7, 1), (3000, 17), (64, 64), (65, 129), (200, 131), (90, 70, 3)]


def blur(radius):
    kernel = np.random.default_rng(0).normal(size=(2 * radius + 1, 2 * radius + 1))

    def function(picture):
        weights = kernel if picture.ndim == 2 else kernel[..., None]
        return correlate(picture, weights, mode="constant", cval=0.3)

    return function


def picture_of(shape):
    return np.random.default_rng(1).normal(size=shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("tile", "overlap"), [(32, 3), (64, 16), (512, 64)])
def test_tiles_give_the_same_result_as_the_whole(shape, tile, overlap):
    function, picture = blur(3), picture_of(shape)
    assert_allclose(in_tiles(function, picture, tile=tile, overlap=overlap), function(picture), atol=1e-12)


def test_a_radius_excess_the_overlap_changes_the_result():
    function, picture = blur(4), picture_of((64, 64))
    assert not np.allclose(in_tiles(function, picture, tile=32, overlap=3), function(picture))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tiles_start_at_multiples_of_the_strides(shape):
    # The mean of each 4 x 4 block changes if a tile starts inside a block.
    def blocks(picture):
        height, width = picture.shape[:2]
        means = picture.reshape(height // 4, 4, width // 4, 4, -1).mean(axis=(1, 3))
        return means.repeat(4, axis=0).repeat(4, axis=1).reshape(picture.shape)

    picture = picture_of(shape)
    expected = blocks(_padded(picture, 4))[: shape[0], : shape[1]]
    assert_allclose(in_tiles(blocks, picture, tile=24, overlap=4, multiple=4), expected, atol=1e-12)


@settings(max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 9), st.integers(0, 8), st.integers(1, 4))
def test_all_calls_have_one_shape_and_all_pixels_are_returned(height, width, excess, overlap, multiple):
    overlap *= multiple
    tile = 2 * overlap + excess * multiple
    seen = set()

    def function(piece):
        seen.add(piece.shape)
        return piece.copy()

    picture = np.arange(height * width, dtype=np.int32).reshape(height, width)
    result = in_tiles(function, picture, tile=tile, overlap=overlap, multiple=multiple)
    assert_array_equal(result, picture)
    assert result.dtype == picture.dtype
    assert seen == {tuple(min(tile, -(-side // multiple) * multiple) for side in picture.shape)}


def test_padding_reflects():
    assert_array_equal(_padded([[1, 2, 3]], 5), np.tile([1, 2, 3, 2, 1], (5, 1)))
    assert_array_equal(_padded([[7]], 4), np.full((4, 4), 7))
    assert _padded(np.zeros((3, 5, 3)), 4).shape == (4, 8, 3)
    assert _padded(np.zeros((2, 1)), 64)[63, 63] == 0
    assert _padded(same := np.zeros((8, 4)), 4) is same


@pytest.mark.parametrize("options", [{"tile": 8, "overlap": 4}, {"overlap": -1}, {"multiple": 0}, {"multiple": 48}])
def test_sizes_that_contradict_one_another(options):
    with pytest.raises(InvalidParameterError, match=r"contradict one another: tile must be > 2 \* overlap"):
        in_tiles(lambda piece: piece, np.zeros((3, 3)), **options)


def test_invalid_pictures_and_functions():
    for shape in ((3,), (0, 3), (1, 2, 3, 4)):
        with pytest.raises(InvalidDataError, match="picture has shape"):
            in_tiles(lambda piece: piece, np.zeros(shape))
    with pytest.raises(InvalidDataError, match="the function returned shape"):
        in_tiles(lambda piece: piece[:2], np.zeros((3, 3)))
