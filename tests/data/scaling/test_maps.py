import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.data.scaling import ColumnStatistics, Patches, Scaler, WhitenedPatches, Whitening
from isthmus.data.scaling.choosing import choose_scaler

rng = np.random.default_rng(0)
WIDTH = 5


def fitted(kind, rows):
    statistics = ColumnStatistics(rows.shape[1], rows.dtype, gathers=("moments", "covariance", "contrast", "norms"))
    statistics.update(rows)
    return choose_scaler(statistics, kind)


ROWS = rng.normal(size=(300, WIDTH)) @ rng.normal(size=(WIDTH, WIDTH)) + rng.normal(50, 10, (300, 1))
MAPS = {kind: fitted(kind, ROWS) for kind in ("standard", "mean_norm", "patches", "zca", "whitened_patches")}
tables = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 20), st.just(WIDTH)), elements=st.floats(-200, 200, allow_subnormal=False)
)


def test_raw_returns_the_requested_type():
    scaler = Scaler("standard", np.array([2.0]), np.array([3.0]))
    assert scaler.raw(np.ones((1, 1), np.float32), np.float32).dtype == np.float32
    assert_array_equal(scaler.raw(np.ones((1, 1), np.float32), np.float64), [[5.0]])


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_directions_return_the_requested_type(kind, dtype):
    scaler = MAPS[kind]
    scaled = scaler.scaled(ROWS, dtype)
    assert scaled.dtype == dtype
    for like in (None, ROWS):
        assert scaler.raw(scaled, dtype, like=like).dtype == dtype
        assert scaler.raw(scaled, dtype, like=like).shape == ROWS.shape
    assert scaler.directions(scaled).dtype == np.float64


@given(tables)
@pytest.mark.parametrize("kind", ["zca", "standard", "mean_norm"])
def test_rows_are_restored(kind, rows):
    scaler = MAPS[kind]
    assert_allclose(scaler.raw(scaler.scaled(rows, np.float64), np.float64), rows, atol=1e-9)
    assert_allclose(scaler.raw(scaler.scaled(rows), np.float32, like=rows), rows, atol=3e-3)


@given(tables)
@pytest.mark.parametrize("kind", ["patches", "whitened_patches"])
def test_patches_are_in_range_and_invertible_where_not_clipped(kind, rows):
    scaler = MAPS[kind]
    scaled = scaler.scaled(rows, np.float64)
    assert 0.1 - 1e-15 <= scaled.min() <= scaled.max() <= 0.9 + 1e-15
    kept = ((scaled > 0.1) & (scaled < 0.9)).all(axis=1)
    assert_allclose(scaler.raw(scaled, np.float64, like=rows)[kept], rows[kept], atol=1e-9)


@given(tables)
@pytest.mark.parametrize("kind", ["patches", "whitened_patches"])
def test_row_means_are_restored_from_the_given_rows(kind, rows):
    scaler = MAPS[kind]
    scaled = scaler.scaled(rows, np.float64)
    brighter = (
        rows + 10.0
        if kind == "patches"
        else scaler.whitening.raw(scaler.whitening.scaled(rows, np.float64) + 1, np.float64)
    )
    assert_allclose(scaler.scaled(brighter, np.float64), scaled, atol=1e-9)
    assert_allclose(
        scaler.raw(scaled, np.float64),
        scaler.raw(scaled, np.float64, like=brighter)
        + (
            scaler.raw(np.full((1, WIDTH), 0.5), np.float64)
            - scaler.raw(np.full(rows.shape, 0.5), np.float64, like=brighter)
        ),
        atol=1e-9,
    )


def test_patches_without_row_means_are_restored_about_the_level():
    assert_allclose(MAPS["patches"].raw(np.full((2, WIDTH), 0.5), np.float64), ROWS.mean())
    assert_allclose(MAPS["whitened_patches"].raw(np.full((2, WIDTH), 0.5), np.float64), [ROWS.mean(0)] * 2)


@given(tables, st.floats(-3, 3))
@pytest.mark.parametrize("kind", MAPS)
def test_directions_are_differences_of_raw_rows(kind, steps, factor):
    scaler = MAPS[kind]
    base = rng.normal(size=steps.shape)
    moved = scaler.raw(base + factor * steps, np.float64, like=ROWS[: len(steps)])
    here = scaler.raw(base, np.float64, like=ROWS[: len(steps)])
    assert_allclose(moved - here, factor * scaler.directions(steps), rtol=1e-9, atol=1e-7)


WIDE = rng.normal(size=(200, 40)).astype(np.float32) * 20 + rng.normal(100, 30, (200, 1)).astype(np.float32)
WIDE_MAPS = {kind: fitted(kind, WIDE) for kind in MAPS}


@settings(max_examples=40)
@given(st.lists(st.integers(0, 199), min_size=1, max_size=150), st.booleans())
@pytest.mark.parametrize("kind", WIDE_MAPS)
def test_the_bits_of_a_row_depend_only_on_that_row(kind, chosen, fortran):
    scaler = WIDE_MAPS[kind]
    whole = scaler.scaled(WIDE)
    part = np.asfortranarray(WIDE[chosen]) if fortran else WIDE[chosen]
    assert_array_equal(scaler.scaled(part), whole[chosen])
    assert_array_equal(
        scaler.raw(whole[chosen], np.float32, like=part), scaler.raw(whole, np.float32, like=WIDE)[chosen]
    )


@pytest.mark.parametrize("kind", MAPS)
def test_raw_rows_are_not_modified(kind):
    rows = ROWS.copy()
    rows.setflags(write=False)
    scaled = MAPS[kind].scaled(rows, np.float64)
    scaled.setflags(write=False)
    MAPS[kind].raw(scaled, np.float64, like=rows)
    MAPS[kind].directions(scaled)


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_cell_that_is_not_finite_changes_no_other_row(kind, value):
    rows = ROWS.copy()
    rows[7, 2] = value
    finite = np.isfinite(MAPS[kind].scaled(rows)).all(axis=1)
    assert_array_equal(finite, np.arange(300) != 7)


@pytest.mark.parametrize("kind", MAPS)
def test_zero_rows_stay_zero_rows(kind):
    assert MAPS[kind].scaled(ROWS[:0]).shape == (0, WIDTH)
    assert MAPS[kind].raw(ROWS[:0], np.float32).shape == (0, WIDTH)


def test_only_maps_by_column_are_affine():
    for kind, scaler in MAPS.items():
        assert (scaler.affine is not None) == isinstance(scaler, Scaler)
        assert isinstance(scaler, Scaler | Patches | Whitening | WhitenedPatches)
        assert scaler.kind == kind
    center, scale = MAPS["standard"].affine
    assert_allclose(MAPS["standard"].scaled(ROWS, np.float64), (ROWS - center) / scale)
