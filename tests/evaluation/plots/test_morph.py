import numpy as np
import pytest
from numpy.testing import assert_allclose

from drawing import CODES, ROWS, SHAPE, assert_raises, decode, images, tiles
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation import plots


def test_a_morph_decodes_the_line_between_two_codes():
    codes, calls = CODES / 10 + 0.5, []

    def recording_decode(points):
        calls.append(points)
        return decode(points)

    figure = plots.morph(ROWS, codes, recording_decode, [(3, 7), (0, 1)], image_shape=SHAPE, n=5)
    (asked,) = calls
    assert_allclose(asked[:5], [codes[3] + (codes[7] - codes[3]) * step for step in (0, 0.25, 0.5, 0.75, 1)], rtol=1e-6)
    assert_allclose(asked[[5, 9]], codes[[0, 1]], rtol=1e-6)
    for image, (first, last), points in zip(images(figure), [(3, 7), (0, 1)], np.split(asked, 2), strict=True):
        mosaic = np.asarray(image.get_array().filled(np.nan))
        shown = [mosaic[:, :3], *tiles(mosaic[:, 6:25], *SHAPE), mosaic[:, -3:]]
        assert_allclose(shown[0], ROWS[first].reshape(SHAPE))
        assert_allclose(shown[-1], ROWS[last].reshape(SHAPE))
        assert_allclose(np.reshape(shown[1:-1], (5, -1)), np.clip(decode(points), 0, 1), rtol=1e-6)
    lines = [line.get_xydata() for line in figure.axes[-1].lines]
    assert_allclose(lines, [codes[[3, 7]], codes[[0, 1]]])


def test_codes_of_more_units_have_no_map():
    codes = np.tile(CODES, 3)
    figure = plots.morph(ROWS, codes, lambda points: ROWS[: len(points)], [(0, 1)], image_shape=SHAPE)
    assert len(figure.axes) == 1


def test_coloured_pictures():
    pictures = np.random.default_rng(0).random((30, 5, 4, 3))
    figure = plots.morph(pictures, CODES, lambda points: pictures[: len(points)], [(0, 1)], n=4)
    mosaic = images(figure)[0].get_array()
    assert mosaic.shape[2] == 4
    assert_allclose(mosaic[:, :4, :3], pictures[0])
    assert_allclose(mosaic[:, 4:7, 3], 0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pairs": []}, InvalidParameterError, "must be pairs of row numbers"),
        ({"pairs": [(0, 1, 2)]}, InvalidParameterError, "must be pairs of row numbers"),
        ({"pairs": [(0, 1), (2,)]}, InvalidParameterError, "must be pairs of row numbers"),
        ({"pairs": [(0, 0.5)]}, InvalidParameterError, "must be pairs of row numbers"),
        ({"pairs": [(0, 30)]}, InvalidParameterError, "row 30 does not exist; rows are 0 to 29"),
        ({"n": 0}, InvalidParameterError, "n=0 must be an integer >= 1"),
        ({"image_shape": None}, InvalidParameterError, "image_shape=None, but rows are drawn as pictures"),
        ({"codes": CODES[:4]}, InvalidDataError, "4 codes for 30 rows"),
        ({"decode": lambda points: points}, InvalidDataError, "decode returned an array of shape"),
        ({"decode": lambda points: ROWS[:1]}, InvalidDataError, "decode returned an array of shape"),
    ],
)
def test_errors(options, error, message):
    given = {"rows": ROWS, "codes": CODES, "decode": decode, "pairs": [(0, 1)], "image_shape": SHAPE} | options
    assert_raises(error, message, plots.morph, **given)
