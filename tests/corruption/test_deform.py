import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import affine_transform, map_coordinates
from scipy.stats import kstest

from corrupting import columns_of, corrupted
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import Deform
from isthmus.corruption.deform import Positions, displaced, interpolated, positions

rng = np.random.default_rng(0)
NOTHING = {"rotation": 0, "scale": 0, "shear": 0, "shift": 0}


def moved(pictures, angle=0.0, factors=(1.0, 1.0), shear=0.0, shift=(0.0, 0.0), knots=None):
    """Deform pictures (n, H, W) or (n, H, W, C), all in one way."""
    n = len(pictures)
    angle, factors, shear, shift = (np.tile(np.float32(value), (n, 1)) for value in (angle, factors, shear, shift))
    knots = np.zeros((n, 2, 4, 4)) if knots is None else knots
    result = deformed(*(np.float32(value) for value in (pictures, angle[:, 0], factors, shear[:, 0], shift, knots)))
    return np.asarray(result)


@jax.jit
def deformed(pictures, *amounts):
    origin = displaced(positions(pictures.shape[1:3], *amounts[:-1]), amounts[-1])
    shape = (*pictures.shape[1:], 1)[:3]
    return interpolated(pictures.reshape(len(pictures), -1), shape, origin).reshape(pictures.shape)


@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 3), (1, 7), (7, 1), (1, 1)])
@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-30, 4)])
def test_a_shift_by_whole_pixels_is_a_roll_filled_from_the_edge(shape, shift):
    pictures = rng.random((3, *shape)).astype(np.float32)
    # Edge pixels are repeated as far as the roll takes any from the other end.
    padded = np.pad(pictures, [(0, 0), (30, 30), (30, 30)] + [(0, 0)] * (len(shape) - 2), mode="edge")
    expected = np.roll(padded, shift, axis=(1, 2))[:, 30:-30, 30:-30]
    assert_array_equal(moved(pictures, shift=shift), expected)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns(turns):
    pictures = rng.random((2, 11, 11, 2)).astype(np.float32)
    assert_allclose(moved(pictures, angle=turns * np.pi / 2), np.rot90(pictures, turns, axes=(1, 2)), atol=1e-5)


def test_linear_maps_equal_those_of_scipy():
    shape = (10, 23)
    angle, (tall, wide), shear, shift = 0.3, (1.2, 0.9), 0.15, np.array([1.3, -2.6])
    pictures = rng.random((2, *shape))
    # Right is x and down is y, so that a counterclockwise turn as seen maps (y, x) by this matrix.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, 0], [shear, 1]]) @ np.diag([tall, wide])
    inverse, center = np.linalg.inv(matrix), (np.array(shape) - 1) / 2
    expected = [
        affine_transform(picture, inverse, center - inverse @ (center + shift), order=1, mode="nearest")
        for picture in pictures
    ]
    assert_allclose(moved(pictures, angle, (tall, wide), shear, shift), expected, atol=1e-5)


def test_elastic_displacements():
    pictures, knots = rng.random((2, 13, 10)), 3 * rng.uniform(-1, 1, (2, 2, 4, 4))
    still = Positions(*(jnp.asarray(np.tile(place, (2, 1, 1)), jnp.float32) for place in np.indices((13, 10))))
    field = np.stack(displaced(still, np.float32(knots)), axis=1) - np.stack(still, axis=1)
    assert np.abs(field).max() <= 3
    assert_allclose(field[:, :, ::4, ::3], knots, atol=1e-5)  # on the points of the grid
    assert_allclose(np.diff(field, axis=2)[:, :, ::4], 0, atol=1.1)  # flat next to them
    expected = [
        map_coordinates(picture, np.indices((13, 10)) + own, order=1, mode="nearest")
        for picture, own in zip(pictures, field, strict=True)
    ]
    assert_allclose(moved(pictures, knots=knots), expected, atol=1e-5)


def test_amounts_are_uniform_and_independent():
    """The planes of y and of x, as the channels of a picture, show where its pixels come from."""
    side, n = 31, 2000
    planes = np.tile(np.stack(np.indices((side, side)), axis=-1).reshape(-1), (n, 1))
    columns = columns_of(planes[:2])

    def centre_and_slopes(**amounts):
        method = Deform(**NOTHING | amounts, image_shape=(side, side, 2))
        came = corrupted(method, planes, columns=columns).x.reshape(n, side, side, 2)
        slopes = came[:, 20, 15] - came[:, 10, 15], came[:, 15, 20] - came[:, 15, 10]
        return came[:, 15, 15] - 15, np.stack(slopes, axis=2) / 10

    centre, slopes = centre_and_slopes(shift=2)
    for axis in (0, 1):
        assert kstest(centre[:, axis], "uniform", (-2, 4)).pvalue > 1e-4
    assert abs(np.corrcoef(centre.T)[0, 1]) < 0.05
    assert_allclose(slopes, np.tile(np.eye(2), (n, 1, 1)), atol=1e-5)

    _, slopes = centre_and_slopes(rotation=15)
    angle = np.rad2deg(np.arctan2(slopes[:, 0, 1], slopes[:, 0, 0]))
    assert kstest(angle, "uniform", (-15, 30)).pvalue > 1e-4

    _, slopes = centre_and_slopes(scale=0.1, shear=0.1)
    tall, wide = 1 / slopes[:, 0, 0], 1 / slopes[:, 1, 1]
    for factor in (tall, wide):
        assert kstest(np.log(factor) / np.log(1.1), "uniform", (-1, 2)).pvalue > 1e-4
    assert kstest(-slopes[:, 1, 0] * wide, "uniform", (-0.1, 0.2)).pvalue > 1e-4
    assert abs(np.corrcoef(tall, wide)[0, 1]) < 0.05


X = rng.random((40, 8 * 9 * 2)).astype(np.float32)
SHAPE = (8, 9, 2)


@pytest.mark.parametrize("settings", [NOTHING, {"strength": 0}, {"strength": 0, "elastic": 2}])
def test_nothing_is_the_identity_to_the_bit(settings):
    result = corrupted(Deform(**settings, image_shape=SHAPE), -X)
    assert_array_equal(result.x.view(np.uint32), (-X).view(np.uint32))
    assert not result.corrupted.any()


@pytest.mark.parametrize("elastic", [0, 1.5])
def test_pictures_are_deformed_in_the_units_before_scaling(elastic):
    method = Deform(elastic=elastic, image_shape=SHAPE)
    unit, zero = rng.uniform(0.5, 3, 144), rng.normal(size=144)
    plain = corrupted(method, X, columns=columns_of(X))
    scaled = corrupted(method, zero + X * unit, columns=columns_of(X, unit, zero))
    assert_allclose((scaled.x - zero) / unit, plain.x, atol=1e-5)
    assert plain.corrupted.all()
    assert X.min() <= plain.x.min() < plain.x.max() <= X.max()


def test_missing_cells_stay_and_contribute_nothing():
    observed = rng.random(X.shape) < 0.8
    method, one = Deform(image_shape=SHAPE), np.where(observed, 1, 0)
    result = corrupted(method, one, observed=observed, columns=columns_of(X))
    assert_allclose(result.x, one, atol=1e-6)  # a mean of ones, whatever the weights
    assert not result.corrupted[~observed].any()


def test_a_strength_multiplies_the_amounts():
    whole = corrupted(Deform(3, 0, 0, 1, image_shape=SHAPE), X)
    growing = corrupted(Deform(6, 0, 0, 2, strength=lambda done: done, image_shape=SHAPE), X, share=0.5)
    assert_array_equal(growing.x, whole.x)
    assert_array_equal(growing.level, np.float32(0.5))


def test_only_elastic_displacements_need_another_program():
    assert Deform(3, 0.5, 0.2, 1).static() == Deform().static()
    assert Deform(elastic=3).static() == Deform(elastic=lambda done: 2.0).static() != Deform().static()


def test_a_type_of_the_rows_is_kept():
    for dtype in (jnp.bfloat16, jnp.float32):
        origin = positions((8, 9), *(jnp.ones((4, *more), jnp.float32) for more in ((), (2,), (), (2,))))
        result = jax.eval_shape(lambda x, origin=origin: interpolated(x, SHAPE, origin), jnp.ones((4, 144), dtype))
        assert (result.shape, result.dtype) == ((4, 144), dtype)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Deform(-1), "rotation=-1 must be a number >= 0 or a function"),
        (lambda: Deform(shift=(1, 2)), "shift=(1, 2) must be a number >= 0 or a function"),
        (lambda: Deform().check(12, True), "Deform needs images, and these rows have no image shape; write Deform(im"),
        (lambda: corrupted(Deform(), X), "Deform needs images, and these rows have no image shape"),
        (lambda: Deform().bound((3, 5)).check(12, True), "image_shape=(3, 5) of Deform has 15 values, but rows have 1"),
        (lambda: Deform().bound((3, 4)).check(12, False), "Deform uses the input's units, which rows lose in a scali"),
        (lambda: Deform(image_shape=(3,)), "image_shape=(3,) must be (height, width) or"),
        (lambda: Deform(shear=lambda done: done - 0.5).bound((3, 4)).check(12, True), "shear=-0.5 at 0% of training"),
    ],
)
def test_errors(build, message):
    with pytest.raises(InvalidParameterError) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
