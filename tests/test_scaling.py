from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.errors import InvalidDataError
from isthmus.scaling import (
    SCALINGS,
    ColumnStatistics,
    Scaler,
    choose_scaler,
    needs_moments,
    refuse_non_finite,
    sample_stride,
    scaled_in_program,
)

rng = np.random.default_rng(0)


def measured(values, cuts=(), **options):
    statistics = ColumnStatistics(values.shape[1], values.dtype, **options)
    edges = sorted({0, len(values), *cuts})
    for start, stop in pairwise(edges):
        statistics.update(values[start:stop], start)
    return statistics


types = st.sampled_from([np.uint8, np.int16, np.int64, np.float32, np.float64])


@st.composite
def tables(draw):
    dtype = np.dtype(draw(types))
    low, high = (0, 255) if dtype == np.uint8 else (-1000, 1000)
    cells = st.floats(low, high, width=32) if dtype.kind == "f" else st.integers(low, high)
    values = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=cells))
    return values, draw(st.lists(st.integers(0, len(values)), max_size=4))


@given(tables(), st.integers(1, 5))
def test_statistics_equal_numpys_however_the_rows_are_cut(table, every):
    values, cuts = table
    statistics = measured(values, cuts, sample_every=every)
    wide = values.astype(np.float64)
    assert statistics.n_rows == len(values)
    assert_array_equal(statistics.low, wide.min(0))
    assert_array_equal(statistics.high, wide.max(0))
    assert_allclose(statistics.mean, wide.mean(0), atol=1e-9)
    assert_allclose(statistics.deviation, wide.std(0), atol=1e-9)
    assert statistics.whole_numbers == bool((wide == np.floor(wide)).all())
    assert_array_equal(statistics.sample, values[::every])
    assert_allclose(statistics.quantiles(0.1, 0.5), np.quantile(wide[::every], [0.1, 0.5], axis=0))


def test_a_large_offset_costs_no_digits():
    values = 1.7e9 + rng.normal(size=(5000, 2))
    exact = (values - 1.7e9).std(0)
    assert_allclose(measured(values, [7, 1000]).deviation, exact, rtol=1e-7)


def test_pieces_are_whole_rows():
    values = rng.normal(size=(5, 1 << 17)).astype(np.float32)
    assert_allclose(measured(values).mean, values.mean(0, dtype=np.float64))
    assert not measured(values, moments=False).mean.any()


COLUMNS = {
    "unit floats": rng.random((300, 3)).astype(np.float32),
    "pixels as floats": rng.integers(0, 256, (300, 20)).astype(np.float32),
    "pixels": rng.integers(0, 256, (300, 20), np.uint8),
    "bits": rng.integers(0, 2, (300, 4), np.uint8),
    "seconds": 1.7e9 + 86_400 * rng.random((300, 2)),
    "nanoseconds": (1.7e18 + 8.64e13 * rng.random((300, 2))).astype(np.int64),
    "outliers": rng.standard_cauchy((300, 3)),
    "tiny": rng.normal(size=(300, 2)) * 1e-30,
    "huge": rng.normal(size=(300, 2)) * 1e30,
    "constant": np.full((300, 2), 0.1, np.float32),
    "constant seconds": np.full((300, 2), 1.7e9 + 0.1),
    "one row": rng.normal(size=(1, 3)),
    "half": rng.normal(size=(300, 3)).astype(np.float16),
}


@pytest.mark.parametrize("scaling", ["auto", None, *SCALINGS])
@pytest.mark.parametrize("columns", COLUMNS)
def test_there_and_back_is_the_identity(scaling, columns):
    raw = COLUMNS[columns]
    scaler = choose_scaler(measured(raw, [10]), scaling)
    wide = raw.astype(np.float64)
    # Unscaled values keep what digits their own type has.
    compute = np.float64 if scaling is None else np.float32
    back = scaler.raw(scaler.scaled(raw, compute), np.float64)
    reach = np.maximum(wide.max(0) - wide.min(0), 4 * np.spacing(np.abs(wide).max(0)))
    assert (np.abs(back - wide) <= 1e-6 * reach + 4 * np.spacing(np.abs(wide))).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_scaling_contract(scaling, columns):
    raw = COLUMNS[columns]
    statistics = measured(raw)
    center, scale = SCALINGS[scaling](statistics)
    assert center.shape == scale.shape == (raw.shape[1],)
    assert center.dtype == scale.dtype == np.float64
    assert (scale > 0).all()
    assert np.isfinite(center).all()
    assert not np.shares_memory(center, statistics.mean)
    scaled = choose_scaler(statistics, scaling).scaled(raw)
    assert scaled.dtype == np.float32
    assert np.isfinite(scaled).all()


def test_what_each_scaling_makes():
    raw = np.concatenate([rng.normal(size=(500, 2)) * [3, 50] + 7, [[1e4, 1e4]]])
    standard, minmax, robust = (
        choose_scaler(measured(raw), name).scaled(raw, np.float64) for name in ("standard", "minmax", "robust")
    )
    assert_allclose([standard.mean(0), standard.std(0)], [[0, 0], [1, 1]], atol=1e-12)
    assert_allclose([minmax.min(0), minmax.max(0)], [[0, 0], [1, 1]])
    quartiles = np.quantile(robust, [0.25, 0.5, 0.75], axis=0)
    assert_allclose(quartiles[1], 0, atol=1e-12)
    assert_allclose(quartiles[2] - quartiles[0], 1)


def test_a_column_without_spread_between_its_quartiles_takes_its_deviation():
    raw = np.zeros((100, 1))
    raw[:5] = 10
    assert_allclose(choose_scaler(measured(raw), "robust").scale, raw.std(0))


def test_rounding_noise_counts_as_constant():
    raw = np.float32(1e6) + np.float32(0.0625) * (np.arange(40)[:, None] % 2).astype(np.float32)
    assert_array_equal(choose_scaler(measured(raw), "standard").scale, [1])
    assert choose_scaler(measured(raw.astype(np.float64)), "standard").scale < 1


fill = rng.random((200, 20))
AUTO = {
    "uint8": (COLUMNS["pixels"], "unit", 255, False),
    "uint8 of 0 and 1": (COLUMNS["bits"], "unit", 1, True),
    "strokes": (np.where(fill < 0.8, 0, fill).astype(np.float32), "unit", 1, True),
    "shades": (fill.astype(np.float32), "unit", 1, False),
    "one-hot floats": (np.eye(4), "unit", 1, True),
    "pixels as floats": (COLUMNS["pixels as floats"], "unit", 255, False),
    "digits of 0 to 16": (rng.integers(0, 17, (300, 64)).astype(float), "unit", 16, False),
    "16-bit pixels": (rng.integers(0, 65_536, (300, 64)).astype(np.uint16), "unit", 65_535, False),
    "a few counts": (rng.integers(0, 17, (300, 4)), "standard", None, False),
    "counts of several ranges": (rng.integers(0, 2 ** np.arange(1, 21), (300, 20)), "standard", None, False),
    "negative": (rng.normal(size=(300, 20)), "standard", None, False),
    "near zero": (rng.random((300, 20)) * 1e-3, "standard", None, False),
    "shares of several orders": (rng.random((300, 20)) * 10.0 ** -np.arange(20), "standard", None, False),
    "all zero": (np.zeros((10, 3)), "standard", None, False),
}


@pytest.mark.parametrize("name", AUTO)
def test_auto(name):
    raw, kind, divisor, crowded = AUTO[name]
    scaler = choose_scaler(measured(raw), "auto")
    assert (scaler.kind, scaler.crowded) == (kind, crowded)
    if divisor is None:
        assert_allclose(scaler.center, raw.mean(0), atol=1e-9)
        deviation = raw.std(0)
        assert_allclose(scaler.scale, np.where(deviation > 0, deviation, 1))
    else:
        assert abs(scaler.scale - divisor).max() <= (300 if divisor > 60_000 else 0)
        assert not scaler.center.any()


def test_none_is_the_identity():
    scaler = choose_scaler(measured(COLUMNS["seconds"]), None)
    assert scaler.kind == "none"
    assert_array_equal(scaler.scaled(COLUMNS["seconds"], np.float64), COLUMNS["seconds"])


@given(
    hnp.arrays(np.float64, (5, 3), elements=st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_the_first_cell_that_is_not_finite_is_named(values, start, named):
    names = ["a", "b", "c"] if named else []
    bad = [(row, column) for row in range(5) for column in range(3) if not np.isfinite(values[row, column])]
    if not bad:
        refuse_non_finite(values, start, names)
        return
    row, column = bad[0]
    what = "NaN" if np.isnan(values[row, column]) else "infinity"
    where = f"contains {what} at row {start + row}, column {repr(names[column]) if named else column}; "
    with pytest.raises(InvalidDataError) as caught:
        refuse_non_finite(values, start, names)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


MOMENTS = [("standard", "u1", 1), ("robust", "f4", 1), ("auto", "u1", 0), ("auto", "f4", 1), (None, "f4", 0)]


@pytest.mark.parametrize(("scaling", "dtype", "wanted"), [*MOMENTS, ("minmax", "f4", 0)])
def test_moments_are_gathered_where_they_are_needed(scaling, dtype, wanted):
    assert needs_moments(scaling, np.dtype(dtype)) == wanted
    raw = COLUMNS["pixels"].astype(dtype)
    without = choose_scaler(measured(raw, moments=bool(wanted)), scaling)
    whole = choose_scaler(measured(raw), scaling)
    assert_array_equal(without.scale, whole.scale)
    assert_array_equal(without.center, whole.center)


@given(st.integers(0, 10**9))
def test_a_sample_is_large_enough_and_not_larger(n_rows):
    for scaling, most in (("robust", 65_536), ("auto", 4096)):
        stride = sample_stride(scaling, n_rows)
        assert min(n_rows, most) / 2 <= -(-n_rows // stride) <= most


@pytest.mark.parametrize("pair", ["u1 f4", "i2 f4", "f2 f4", "f4 f4", "f4 f8", "f8 f8"])
def test_narrow_types_go_to_the_program_as_they_are(pair):
    assert scaled_in_program(*map(np.dtype, pair.split()))


@pytest.mark.parametrize("pair", ["f8 f4", "i4 f4", "i8 f4", "u8 f8", "? f4"])
def test_wide_types_and_booleans_do_not(pair):
    assert not scaled_in_program(*map(np.dtype, pair.split()))


def test_raw_gives_the_type_that_is_asked_for():
    scaler = Scaler("standard", np.array([2.0]), np.array([3.0]))
    assert scaler.raw(np.ones((1, 1), np.float32), np.float32).dtype == np.float32
    assert_array_equal(scaler.raw(np.ones((1, 1), np.float32), np.float64), [[5.0]])
