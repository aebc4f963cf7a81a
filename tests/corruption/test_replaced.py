import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from corrupting import columns_of, corrupted
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import Blockout, Masking, SaltAndPepper, Swap

rng = np.random.default_rng(0)
X = rng.normal(3, 1, (1000, 1000)).astype(np.float32)
DIGITS = np.arange(1.0, 21)[:, None] + 100 * np.arange(5000)  # a value identifies its row and its column


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.9])
@pytest.mark.parametrize("kind", [Masking, SaltAndPepper, Swap])
def test_a_million_cells_are_corrupted_at_the_rate(kind, rate):
    changed = corrupted(kind(rate), X).corrupted
    assert abs(changed.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / X.size)
    for axis in (0, 1):
        # Cells are independent: the counts of rows and columns are binomial.
        assert_allclose(changed.sum(axis).var(), 1000 * rate * (1 - rate), rtol=0.25)
    assert abs(np.corrcoef(changed[:, 1:].ravel(), changed[:, :-1].ravel())[0, 1]) < 0.005


@pytest.mark.parametrize("kind", [Masking, SaltAndPepper])
def test_all_cells_are_corrupted_at_rate_1(kind):
    assert corrupted(kind(1.0), X).corrupted.all()


@pytest.mark.parametrize("as_missing", [True, False])
def test_masked_cells_are_zero(as_missing):
    result = corrupted(Masking(0.3, as_missing=as_missing), X)
    assert_array_equal(result.x, np.where(result.corrupted, 0, X))
    assert (result.hidden is not None) == as_missing
    if as_missing:
        assert_array_equal(result.hidden, result.corrupted)


def test_salt_and_pepper_are_equally_likely():
    columns = columns_of(X)
    result = corrupted(SaltAndPepper(0.5), X, columns=columns)
    high, low = result.x == columns.high, result.x == columns.low
    assert_array_equal(
        result.x, np.where(result.corrupted & high, columns.high, np.where(result.corrupted, columns.low, X))
    )
    n = result.corrupted.sum()
    assert abs((high & result.corrupted).sum() / n - 0.5) < 5 * 0.5 / np.sqrt(n)
    assert (low | high)[result.corrupted].all()


def test_swapped_cells_come_equally_from_all_other_rows():
    result = corrupted(Swap(1.0), DIGITS)
    assert result.corrupted.all()
    assert_array_equal((result.x - 1) // 100, (DIGITS - 1) // 100)
    source = ((result.x - 1) % 100).astype(int)
    counts = np.array([np.bincount(row, minlength=20) for row in source])
    assert_array_equal(np.diag(counts), 0)
    others = counts[~np.eye(20, dtype=bool)]
    assert ((others - 5000 / 19) ** 2 / (5000 / 19)).sum() < 500  # chi-squared with 360 degrees of freedom


def test_padding_is_never_swapped_in():
    weight = np.arange(20) % 3 > 0
    result = corrupted(Swap(1.0), DIGITS, weight=weight)
    source = ((result.x - 1) % 100).astype(int)
    assert weight[source[weight]].all()
    assert (source[weight] != np.flatnonzero(weight)[:, None]).all()
    assert_array_equal(result.x[~weight], DIGITS[~weight])


@pytest.mark.parametrize("n_rows", [0, 1])
def test_a_single_row_stays(n_rows):
    result = corrupted(Swap(1.0), DIGITS[:4], weight=np.arange(4) < n_rows)
    assert_array_equal(result.x, DIGITS[:4])
    assert not result.corrupted.any()


def test_two_rows_swap():
    assert_array_equal(corrupted(Swap(1.0), DIGITS[:2]).x, DIGITS[1::-1])


def test_missing_values_are_not_swapped_in():
    observed = rng.random(DIGITS.shape) < 0.5
    result = corrupted(Swap(1.0), np.where(observed, DIGITS, 0), observed=observed)
    assert (result.x[observed] > 0).all()
    assert_array_equal(result.x[~observed], 0)
    assert 0.4 < result.corrupted[observed].mean() < 0.6


def images(n, *shape):
    return np.ones((n, int(np.prod(shape))))


def blocked(method, n, *shape, **options):
    result = corrupted(method.bound(shape), images(n, *shape), **options)
    assert_array_equal(result.x, np.where(result.corrupted, 0, 1))
    return result.corrupted.reshape(n, *shape)


@pytest.mark.parametrize(("size", "side"), [(3, (3, 3)), (0.5, (4, 6)), (0.01, (1, 1)), (8, (8, 8)), (3.0, (3, 3))])
def test_a_rectangle_has_the_size_and_is_inside(size, side):
    for inside in blocked(Blockout(size), 100, 8, 12):
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        assert (len(rows), len(columns)) == side
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == side
        assert inside.sum() == side[0] * side[1]


def test_all_places_are_equally_likely():
    share = blocked(Blockout(3), 20_000, 10, 8).mean(0)

    def along(side):
        starts = side - 3 + 1
        return np.array([sum(0 <= place - first < 3 for first in range(starts)) for place in range(side)]) / starts

    expected = np.outer(along(10), along(8))
    assert np.abs(share - expected).max() < 5 * np.sqrt(0.25 / 20_000)
    # Each epoch draws new places.
    assert (blocked(Blockout(3), 50, 10, 8, epoch=1) != blocked(Blockout(3), 50, 10, 8, epoch=2)).any(
        axis=(1, 2)
    ).sum() > 40


def test_several_rectangles_are_independent():
    two = blocked(Blockout(2, number=2), 5000, 9, 9)
    assert 4 <= two.sum((1, 2)).min() < two.sum((1, 2)).max() == 8
    overlap = (8 - two.sum((1, 2))).mean()
    along = sum(max(0, 2 - abs(one - other)) for one in range(8) for other in range(8)) / 64
    assert_allclose(overlap, along**2, rtol=0.15)


def test_channels_are_corrupted_together():
    corrupted = blocked(Blockout(0.5), 20, 6, 6, 3)
    assert_array_equal(corrupted, np.broadcast_to(corrupted[..., :1], corrupted.shape))
    assert corrupted.any()


def test_its_own_shape_takes_precedence():
    method = Blockout(2, image_shape=[4, 5])
    assert method.bound(None) is method
    assert method.bound((2, 10)).image_shape == (4, 5)
    assert Blockout(2).bound((4, 5)) == method
    method.check(20, True)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Blockout(2).check(12, True), "Blockout needs images, and these rows have no image shape"),
        (lambda: corrupted(Blockout(2), images(2, 12)), "Blockout needs images, and these rows have no"),
        (
            lambda: Blockout(2, image_shape=(3, 5)).check(12, True),
            "image_shape=(3, 5) of Blockout has 15 values, but rows have 12",
        ),
        (lambda: Blockout(4).bound((3, 5)).check(15, True), "size=4 of Blockout is larger than an image of 3 x 5 pix"),
        (lambda: Blockout(2, number=0), "number=0 must be an integer >= 1"),
        (lambda: Blockout(2, number=1.5), "number=1.5 must be an integer >= 1"),
        (lambda: Blockout(2, image_shape=(3,)), "image_shape=(3,) must be (height, width) or"),
        (lambda: Blockout((1, 2)), "size=(1, 2) must be a number >= 0 or a function"),
    ],
)
def test_errors(build, message):
    with pytest.raises(InvalidParameterError) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [Masking, SaltAndPepper, Swap])
def test_columns_of_one_number_are_replaced_together(kind):
    """A category is hidden, or another row's category, with all of its one-hot columns."""
    levels = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 500)]
    rows = np.column_stack([rng.normal(size=500), levels, rng.normal(size=500)]).astype(np.float32)
    columns = columns_of(rows)._replace(number=np.array([0, 1, 1, 1, 2], np.uint32))
    found = corrupted(kind(0.5), rows, columns=columns)
    together = found.corrupted[:, 1:4]
    assert (together == together[:, :1]).all()
    assert 0.4 < together[:, 0].mean() < 0.6
    assert 0.4 < (together[:, 0] == found.corrupted[:, 4]).mean() < 0.6, "other columns are drawn by themselves"
    if kind is Swap:
        assert_array_equal(found.x[:, 1:4].sum(axis=1), 1)
