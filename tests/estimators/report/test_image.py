import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import ArraySource
from isthmus.estimators.report.image import image_of
from isthmus.evaluation.report.facts import Image

RNG = np.random.default_rng(0)


class Model:
    """What `image_of` reads of a model."""

    network_ = None

    def __init__(self, image_shape=None):
        self.image_shape_ = image_shape


@pytest.mark.parametrize(
    ("rows", "known", "given", "image"),
    [
        (RNG.random((9, 12)), (3, 4), None, Image((3, 4), (0, 1))),
        (RNG.random((9, 12)), None, (4, 3), Image((4, 3), (0, 1))),
        (RNG.random((9, 12)), (3, 4), (2, 6), Image((2, 6), (0, 1))),  # what is given comes first
        (RNG.random((9, 12)), (3, 4, 1), None, Image((3, 4), (0, 1))),
        (RNG.random((9, 12)), (2, 2, 3), None, Image((2, 2, 3), (0, 1))),
        (RNG.random((9, 12)), (2, 3, 2), None, Image()),  # two channels are no colour
        (RNG.random((9, 12)), None, None, Image()),
        (RNG.random((9, 13)), (3, 4), None, Image()),  # and a condition
        (RNG.integers(2, 256, (9, 12)).astype(np.uint8), (3, 4), None, Image((3, 4), (0, 255))),
        (RNG.random((9, 3, 4)), None, None, Image((3, 4), (0, 1))),  # what the source says
    ],
)
def test_the_shape_and_the_shades_of_pictures(rows, known, given, image):
    assert image_of(Model(known), ArraySource(rows), given, 0) == image


def test_other_values_have_their_range_as_black_and_white():
    rows = RNG.normal(size=(9, 12))
    rows[0, 0] = np.nan
    shades = image_of(Model((3, 4)), ArraySource(rows), None, 0).shades
    assert shades == (np.nanmin(rows), np.nanmax(rows))


def test_a_shape_of_other_rows_is_refused():
    with pytest.raises(InvalidParameterError, match="the rows"):
        image_of(Model(), ArraySource(RNG.random((9, 12))), (3, 5), 0)
