import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose, assert_array_equal

from drawing import CODES, LABELS, NAMES, ROWS, SHAPE, assert_raises, points, rng
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation import plots
from isthmus.evaluation.plots.atlas import apart, glyphs
from isthmus.evaluation.plots.style import STYLES

STYLE = STYLES["light"]


def thumbnails(ax):
    return [(np.array(image.get_extent()), np.asarray(image.get_array())) for image in ax.images]


def test_thumbnails_are_on_their_codes_and_do_not_overlap():
    codes, rows = rng.normal(size=(2000, 2)), rng.random((2000, 12))
    (ax,) = plots.atlas(codes, rows=rows, image_shape=SHAPE).axes
    shown = thumbnails(ax)
    assert 100 < len(shown) < 600
    centers = np.array([[extent[:2].mean(), extent[2:].mean()] for extent, _ in shown])
    sides = np.array([[extent[1] - extent[0], extent[3] - extent[2]] for extent, _ in shown])
    assert_allclose(sides, np.tile(sides[0], (len(sides), 1)))
    assert_allclose(sides[0, 0] / sides[0, 1], SHAPE[1] / SHAPE[0])
    nearest = np.abs(centers[:, None] - codes).max(axis=2).argmin(axis=1)
    assert_allclose(centers, codes[nearest])
    gaps = np.abs(centers[:, None] - centers).max(axis=2) + 10 * np.eye(len(centers))
    assert gaps.min() >= sides.max()
    # Each shows its own row, up to the scale of all.
    background = np.median(np.concatenate([rows.reshape(-1, *SHAPE)[nearest][:, [0, -1]].ravel()]))
    for row, (_, picture) in zip(nearest[:9], shown, strict=False):
        strength = np.abs(rows[row].reshape(SHAPE) - background)
        assert np.corrcoef(strength.ravel(), picture[..., :3].mean(axis=2).ravel())[0, 1] < -0.95


def test_both_axes_have_one_scale_and_all_points_are_drawn():
    figure = plots.atlas(CODES * [10, 1], NAMES)
    (ax,) = figure.axes
    assert ax.get_aspect() == 1
    assert_allclose(np.sort(points(ax), axis=0), np.sort(CODES * [10, 1], axis=0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["_two", "one", "zero"]


@pytest.mark.parametrize(
    ("labels", "legend"), [(LABELS, True), (NAMES, True), (np.arange(30), False), (ROWS[:, 0], False)]
)
def test_few_classes_have_a_legend_and_numbers_a_colour_bar(labels, legend):
    figure = plots.atlas(CODES, labels)
    assert (figure.axes[0].get_legend() is not None) == legend
    assert len(figure.axes) == (1 if legend else 2)


def test_a_point_far_outside_is_left_out():
    (ax,) = plots.atlas(np.concatenate([CODES, [[1000, 3]]])).axes
    assert ax.get_xlim()[1] < 10
    assert ax.get_xlabel() == "code 0\n1 point outside"


def test_points_apart():
    points = rng.random((500, 2))
    kept = points[apart(points, 0.1)]
    distances = np.abs(kept[:, None] - kept).max(axis=2) + np.eye(len(kept))
    assert distances.min() >= 0.1
    # No other point has room.
    assert (np.abs(points[:, None] - kept).max(axis=2).min(axis=1) < 0.1).all()
    assert_array_equal(apart(points, 0.1), apart(points, 0.1))
    assert apart(np.zeros((5, 2)), 1.0) == apart(np.zeros((5, 2)), 1.0)[:1]


@pytest.mark.parametrize("flipped", [False, True])
def test_grey_pictures_are_drawn_in_ink_without_their_background(flipped):
    pictures = np.zeros((3, 8, 8))
    pictures[:, 3, 3], pictures[:, 4, 3] = 1, 0.5
    drawn = glyphs(1 - pictures if flipped else pictures, STYLE)
    assert_allclose(drawn[:, 3, 3], [[*to_rgb(STYLE.ink), 1]] * 3)
    assert_allclose(drawn[:, 4, 3, :3], [np.mean([to_rgb(STYLE.ink), to_rgb(STYLE.paper)], axis=0)] * 3)
    assert_allclose(drawn[:, 3, 4], [[*to_rgb(STYLE.paper), 0.8]] * 3)  # the rim
    assert (drawn[:, 0, :, 3] == 0).all()
    assert (glyphs(np.ones((2, 4, 4)), STYLE)[..., 3] == 0).all()


def test_coloured_pictures_are_drawn_as_they_are():
    pictures = rng.random((30, 5, 4, 3))
    (ax,) = plots.atlas(CODES, rows=pictures).axes
    for extent, picture in thumbnails(ax):
        row = np.abs(CODES - [extent[:2].mean(), extent[2:].mean()]).sum(axis=1).argmin()
        assert_allclose(picture, pictures[row], atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.atlas(CODES[:, :1]), InvalidDataError, "codes have one unit, and a map needs two"),
        (lambda: plots.atlas(CODES, components=(1,)), InvalidDataError, "is one unit, and a map needs two"),
        (lambda: plots.atlas(CODES, rows=ROWS), InvalidParameterError, "image_shape=None, but rows are drawn"),
        (lambda: plots.atlas(CODES, rows=ROWS[:9], image_shape=SHAPE), InvalidDataError, "30 codes for 9 rows"),
        (lambda: plots.atlas(CODES, LABELS[:4]), InvalidDataError, "labels have shape"),
        (lambda: plots.atlas(CODES * np.inf), InvalidDataError, "codes contain"),
    ],
)
def test_errors(call, error, message):
    assert_raises(error, message, call)
