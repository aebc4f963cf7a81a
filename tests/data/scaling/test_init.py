import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError
from isthmus.core.persistence import Packer, Unpacker
from isthmus.data.scaling import SCALINGS, ColumnStatistics, Recipe, Scaler
from isthmus.data.scaling.choosing import choose_scaler, gathered, out_of_range, sample_stride, scaled_in_program
from isthmus.data.scaling.maps import Patches, Scaling, WhitenedPatches, Whitening

rng = np.random.default_rng(0)
UNIT = Scaler("none", np.zeros(2), np.ones(2))


def measured(values, scaling="standard", gathers=None):
    statistics = ColumnStatistics(
        values.shape[1], values.dtype, gathers=gathered(scaling, values.dtype) if gathers is None else gathers
    )
    statistics.update(values[:10])
    statistics.update(values[10:], 10) if len(values) > 10 else None
    return statistics


def chosen(values, scaling):
    return choose_scaler(measured(values, scaling), scaling)


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


BY_COLUMN = [name for name, recipe in SCALINGS.items() if recipe.makes is Scaler]


@pytest.mark.parametrize("scaling", ["auto", None, *BY_COLUMN])
@pytest.mark.parametrize("columns", COLUMNS)
def test_the_inverse_restores_the_rows(scaling, columns):
    raw = COLUMNS[columns]
    scaler = chosen(raw, scaling)
    wide = raw.astype(np.float64)
    # Values with an offset have the precision of their type.
    compute = np.float64 if scaling in (None, "mean_norm") else np.float32
    back = scaler.raw(scaler.scaled(raw, compute), np.float64)
    reach = np.maximum(wide.max(0) - wide.min(0), 4 * np.spacing(np.abs(wide).max(0)))
    assert (np.abs(back - wide) <= 1e-6 * reach + 4 * np.spacing(np.abs(wide))).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_scaling_contract(scaling, columns):
    raw = COLUMNS[columns]
    scaler = chosen(raw, scaling)
    assert isinstance(scaler, SCALINGS[scaling].makes)
    assert (scaler.kind, scaler.near_bounds, scaler.n_features) == (scaling, False, raw.shape[1])
    assert {scaler: 1}[scaler] == 1
    scaled = scaler.scaled(raw)
    assert scaled.dtype == np.float32
    assert scaled.shape == raw.shape
    assert np.isfinite(scaled).all()
    low, high = scaler.reach(raw.min(0).astype(np.float64), raw.max(0).astype(np.float64))
    assert low <= scaler.scaled(raw, np.float64).min() + 1e-12 * abs(low)
    assert high >= scaler.scaled(raw, np.float64).max() - 1e-12 * abs(high)
    if scaler.affine is None:
        assert scaling not in BY_COLUMN
        return
    center, scale = scaler.affine
    assert center.dtype == scale.dtype == np.float64
    assert (scale > 0).all()
    assert_allclose(scaler.scaled(raw, np.float64), (raw.astype(np.float64) - center) / scale)


def packer_of_scalings():
    return Packer(lambda value: type(value).__name__ if isinstance(value, Scaling) else None)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("columns", ["pixels", "outliers", "one row"])
def test_a_scaling_is_restored_from_a_file_with_the_same_bits(scaling, columns):
    raw = COLUMNS[columns]
    scaler = chosen(raw, scaling)
    packer = packer_of_scalings()
    packed = json.loads(json.dumps(packer.pack(scaler)))
    build = {kind.__name__: kind for kind in (Scaler, Patches, Whitening, WhitenedPatches)}
    other = Unpacker("file", packer.tensors, lambda name, fields: build[name](**fields)).unpack(packed)
    assert (other.kind, other.near_bounds, other.n_features) == (scaler.kind, scaler.near_bounds, scaler.n_features)
    scaled = scaler.scaled(raw)
    assert_array_equal(other.scaled(raw), scaled)
    assert_array_equal(other.raw(scaled, np.float64), scaler.raw(scaled, np.float64))
    assert_array_equal(other.raw(scaled, np.float64, like=raw), scaler.raw(scaled, np.float64, like=raw))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_scaling_keeps_nothing_of_the_statistics(scaling):
    statistics = measured(COLUMNS["pixels"], scaling)
    packer = packer_of_scalings()
    packer.pack(choose_scaler(statistics, scaling))
    tensors = packer.tensors.values()
    assert not any(np.shares_memory(t, own) for t in tensors for own in (statistics.mean, statistics.low))


def test_a_column_with_equal_quartiles_is_scaled_by_its_deviation():
    raw = np.zeros((100, 1))
    raw[:5] = 10
    assert_allclose(chosen(raw, "robust").scale, raw.std(0))


def test_rounding_noise_counts_as_constant():
    raw = np.float32(1e6) + np.float32(0.0625) * (np.arange(40)[:, None] % 2).astype(np.float32)
    assert_array_equal(chosen(raw, "standard").scale, [1])
    assert chosen(raw.astype(np.float64), "standard").scale < 1


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
    raw, kind, divisor, near_bounds = AUTO[name]
    scaler = chosen(raw, "auto")
    assert (scaler.kind, scaler.near_bounds) == (kind, near_bounds)
    if divisor is None:
        assert_allclose(scaler.center, raw.mean(0), atol=1e-9)
        deviation = raw.std(0)
        assert_allclose(scaler.scale, np.where(deviation > 0, deviation, 1))
    else:
        assert abs(scaler.scale - divisor).max() <= (300 if divisor > 60_000 else 0)
        assert not scaler.center.any()


def test_none_is_the_identity():
    scaler = chosen(COLUMNS["seconds"], None)
    assert scaler.kind == "none"
    assert_array_equal(scaler.scaled(COLUMNS["seconds"], np.float64), COLUMNS["seconds"])


GATHERED = {
    ("standard", "u1"): {"moments"},
    ("robust", "f4"): {"moments"},
    ("auto", "u1"): set(),
    ("auto", "f4"): {"moments"},
    (None, "f4"): set(),
    ("minmax", "f4"): set(),
    ("mean_norm", "u1"): {"norms"},
    ("patches", "u1"): {"moments", "contrast"},
    ("zca", "f4"): {"moments", "covariance"},
    ("whitened_patches", "f4"): {"moments", "covariance"},
}


@pytest.mark.parametrize(("scaling", "dtype"), GATHERED)
def test_only_needed_statistics_are_gathered(scaling, dtype):
    assert set(gathered(scaling, np.dtype(dtype))) == GATHERED[scaling, dtype]
    raw = COLUMNS["pixels"].astype(dtype)
    few = choose_scaler(measured(raw, scaling), scaling)
    everything = ("moments", "covariance", "norms", "contrast")
    all_ = choose_scaler(measured(raw, gathers=everything), scaling)
    # The larger pieces of a covariance round differently.
    assert_allclose(few.scaled(raw, np.float64), all_.scaled(raw, np.float64), rtol=1e-9, atol=1e-9)


@given(st.integers(0, 10**9))
def test_a_sample_is_large_enough_and_not_larger(n_rows):
    for scaling, most in (("robust", 65_536), ("auto", 4096)):
        stride = sample_stride(scaling, n_rows)
        assert min(n_rows, most) / 2 <= -(-n_rows // stride) <= most


@pytest.mark.parametrize("pair", ["u1 f4", "i2 f4", "f2 f4", "f4 f4", "f4 f8", "f8 f8"])
def test_narrow_types_are_scaled_on_the_device(pair):
    assert scaled_in_program(UNIT, *map(np.dtype, pair.split()))


@pytest.mark.parametrize("pair", ["f8 f4", "i4 f4", "i8 f4", "u8 f8", "? f4"])
def test_wide_types_and_booleans_are_scaled_on_the_host(pair):
    assert not scaled_in_program(UNIT, *map(np.dtype, pair.split()))


@pytest.mark.parametrize(
    ("center", "scale", "single", "double"),
    [
        (0.0, 1.0, True, True),
        (1e4, 1.0, False, True),  # float32 would round the center by 5e-4 of the scale
        (0.0, 1e-35, False, True),  # a processor may take the smallest floats for 0
        (0.0, 1e35, False, True),
        (0.0, 1e-305, False, False),
        (np.nan, 1.0, True, True),  # a column without a value
    ],
)
def test_rows_are_scaled_on_the_host_where_the_type_of_the_computation_loses_digits(center, scale, single, double):
    scaler = Scaler("standard", np.array([0.0, center]), np.array([1.0, scale]))
    assert scaler.exact_in(np.dtype(np.float32)) == single
    assert scaler.exact_in(np.dtype(np.float64)) == double
    assert not WhitenedPatches(Whitening(np.zeros(1), np.eye(1), np.eye(1)), Patches(1, 1.0)).exact_in(np.dtype("f8"))


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-100, 1.0, 1e100, 1e200, 1e300])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_scalings_do_not_depend_on_the_unit(unit, scaling):
    raw = rng.normal(size=(300, 3)) + np.array([0, 3, -5])
    plain, scaled = chosen(raw, scaling), chosen(raw * unit, scaling)
    assert_allclose(scaled.scaled(raw * unit, np.float64), plain.scaled(raw, np.float64), rtol=1e-12, atol=1e-12)
    assert_allclose(scaled.raw(plain.scaled(raw, np.float64), np.float64), raw * unit, rtol=1e-12)


def test_moments_of_pieces_of_very_different_size_equal_those_of_one_piece():
    raw = np.concatenate([rng.normal(size=(50, 2)) * unit for unit in (0.0, 1e-250, 1.0, 1e-30, 1e250, 1e200)])
    whole, first, second = (ColumnStatistics(2, raw.dtype) for _ in range(3))
    whole.update(raw)
    for start in range(0, 180, 20):
        first.update(raw[start : start + 20], start)
    second.update(raw[180:], 180)
    first.merge(second)
    for found in (whole, first):
        assert_allclose(found.mean, (raw / 1e250).mean(axis=0) * 1e250, rtol=1e-12)
        assert_allclose(found.deviation, (raw / 1e250).std(axis=0) * 1e250, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
@pytest.mark.parametrize("scaling", ["mean_norm", "zca", "patches", "whitened_patches"])
def test_scalings_that_join_columns_refuse_values_whose_squares_are_no_floats(unit, scaling):
    raw = rng.normal(size=(50, 3)) * unit
    raw[:, 1] *= 10
    with pytest.raises(InvalidDataError, match=r"^column 1 has values of about .*scaling='standard'"):
        chosen(raw, scaling)


def test_a_column_that_spans_more_than_a_float_holds_is_refused():
    raw = np.array([[0.0, 1e308], [1.0, -1e308]])
    with pytest.raises(InvalidDataError, match=r"^column 1 ranges from -1e\+308 to 1e\+308, more than a float"):
        chosen(raw, "standard")


@pytest.mark.parametrize(
    ("values", "wide"),
    [
        (np.array([0, 2**24]), False),
        (np.array([0, 2**24 + 1]), True),
        (np.array([0.0, 2**24 + 1]), True),  # integers stored as floats
        (np.array([1.7e9, 1.7e9 + 0.5]), True),
        (np.array([0.5, 1e9]), False),
        (np.array([1e9, 1e9 + 64], np.float32), False),  # float32 holds what it is given
        (np.array([0, 1e37], np.float32), True),  # but no reconstruction beyond its range
        (np.array([0, 1e-35]), True),
        (np.array([0, 255], np.uint8), False),
    ],
)
def test_rows_need_float64_where_float32_cannot_hold_them(values, wide):
    assert chosen(np.column_stack([values, values * 0]), "standard").wide == wide


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_outside_the_range_of_a_type_become_its_largest(dtype):
    largest = np.finfo(dtype).max
    scaler = Scaler("standard", np.zeros(2), np.array([1.0, largest]))
    assert_array_equal(scaler.raw(np.array([[2.0, 2.0], [0.0, -3.0]]), dtype), [[2, largest], [0, -largest]])


def test_the_largest_value_is_found_that_cannot_be_computed_with():
    scaler = Scaler("standard", np.zeros(3), np.array([1.0, 1e30, 1e-30]))
    low, high = np.array([-1e17, -1e40, 0.0]), np.array([0.0, 1e30, 1e-20])
    assert out_of_range(low, high, scaler, np.dtype(np.float32)) is None
    high[2] = 1e-9
    assert out_of_range(low, high, scaler, np.dtype(np.float32)) == (2, 1e-9, pytest.approx(1e21))
    assert out_of_range(low, high, scaler, np.dtype(np.float64)) is None


def test_mean_norm_is_one_number_for_all_columns():
    raw = (rng.normal(size=(400, 7)) * np.arange(1, 8) + 3).astype(np.float32)
    scaler = chosen(raw, "mean_norm")
    center, scale = scaler.affine
    assert not center.any()
    assert len(set(scale)) == 1
    assert_allclose(np.linalg.norm(scaler.scaled(raw, np.float64), axis=1).mean(), np.sqrt(7))
    assert_array_equal(chosen(np.zeros((3, 2)), "mean_norm").affine[1], [1, 1])


# Rows whose columns are correlated like pixels, each with its own brightness.
PIXELS = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + rng.normal(100, 30, (500, 1))).astype(np.float32)


def test_patches_equal_the_preprocessing_of_ng():
    wide = PIXELS.astype(np.float64)
    wide -= wide.mean(axis=1, keepdims=True)
    bound = 3 * wide.std()
    expected = (np.maximum(np.minimum(wide, bound), -bound) / bound + 1) * 0.4 + 0.1
    scaler = chosen(PIXELS, "patches")
    assert_allclose(scaler.scaled(PIXELS, np.float64), expected)
    assert_allclose(scaler.level, PIXELS.mean(dtype=np.float64))


def test_whitened_rows_have_the_damped_covariance():
    wide = PIXELS.astype(np.float64)
    variances, vectors = np.linalg.eigh(np.cov(wide.T, ddof=0))
    damped = variances / (variances + 0.01 * variances.mean())
    scaled = chosen(PIXELS, "zca").scaled(PIXELS, np.float64)
    assert_allclose(scaled.mean(0), 0, atol=1e-9)
    assert_allclose(np.cov(scaled.T, ddof=0), (vectors * damped) @ vectors.T, atol=1e-9)


def test_whitening_does_not_depend_on_units_and_does_not_rotate():
    scaler = chosen(PIXELS, "zca")
    other = chosen(PIXELS * np.float32(1 / 256), "zca")
    assert_allclose(other.scaled(PIXELS / 256), scaler.scaled(PIXELS), rtol=1e-4, atol=1e-4)
    assert_allclose(scaler.whitening, scaler.whitening.T)
    assert (np.linalg.eigvalsh(scaler.whitening) > 0).all()


def test_whitened_patches_are_whitened_then_preprocessed():
    white = chosen(PIXELS, "zca").scaled(PIXELS, np.float64)
    scaler = chosen(PIXELS, "whitened_patches")
    # The moments computed from the covariance equal those of a second pass.
    assert_allclose(scaler.patches.deviation, (white - white.mean(1, keepdims=True)).std())
    assert_allclose(scaler.scaled(PIXELS, np.float64), chosen(white, "patches").scaled(white, np.float64))


@pytest.mark.parametrize("scaling", ["patches", "zca", "whitened_patches"])
@pytest.mark.parametrize(
    "raw",
    [
        np.full((9, 4), 0.1, np.float32),
        np.full((9, 4), 1.7e9 + 0.1),
        np.full((9, 1), 7, np.uint8),
        np.arange(3.0)[None],
    ],
)
def test_constant_rows_and_a_single_row_are_not_rescaled(scaling, raw):
    scaler = chosen(raw, scaling)
    assert_allclose(
        scaler.scaled(raw, np.float64), chosen(raw, scaling).scaled(raw[:1], np.float64).repeat(len(raw), 0)
    )
    # A single row that is not constant has a contrast but no covariance.
    if scaling != "patches" or len(raw) > 1:
        assert_allclose(scaler.scaled(raw, np.float64), 0.5 if "patches" in scaling else 0, atol=1e-6)
    assert_allclose(scaler.raw(scaler.scaled(raw, np.float64), np.float64, like=raw), raw, rtol=1e-7)


def test_fewer_rows_than_columns_and_constant_columns_are_whitened():
    raw = np.concatenate([rng.normal(size=(5, 12)), np.full((5, 2), 3.0)], axis=1)
    scaler = chosen(raw, "zca")
    scaled = scaler.scaled(raw, np.float64)
    assert np.linalg.matrix_rank(scaled) == 4
    assert_allclose(scaled[:, 12:], 0, atol=1e-9)
    assert_allclose(scaler.raw(scaled, np.float64), raw, atol=1e-9)
    assert np.abs(scaler.raw(scaler.scaled(raw), np.float32) - raw).max() < 1e-4


def test_a_scaling_can_be_added_from_outside():
    rows = rng.normal(size=(100, 3))
    SCALINGS["centred"] = Recipe(lambda found: Scaler("centred", found.mean, np.ones(3)), ("moments",))
    try:
        model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, early_stopping=False, scaling="centred").fit(rows)
    finally:
        del SCALINGS["centred"]
    assert_allclose(model.scaler_.center, rows.mean(0))
    assert_array_equal(model.scaler_.scale, 1)


def test_shared_is_one_factor_about_the_means_of_the_columns():
    raw = np.random.default_rng(0).normal([0, 5, 900], [1, 2, 3], (400, 3))
    scaler = chosen(raw, "shared")
    assert_allclose(scaler.affine[0], raw.mean(axis=0))
    assert_allclose(scaler.affine[1], np.sqrt(raw.var(axis=0).mean()) * np.ones(3))
    assert_array_equal(chosen(np.full((3, 2), 7.0), "shared").affine[1], [1, 1])


MADE = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (MADE.normal(size=(200, 6)), "shared"),
        (MADE.integers(0, 256, (200, 20)).astype("u1"), "shared"),
        (np.hstack([MADE.integers(0, 256, (200, 20)), np.zeros((200, 30))]), "shared"),  # pixels of which many are 0
        (MADE.random((200, 20)), "shared"),
        (1000 + MADE.normal(size=(200, 6)), "shared"),
        (MADE.normal(size=(200, 3)) * [1, 1, 900], "standard"),
        (MADE.normal(size=(200, 5)) * [1, 0.01, 5, 900, 3], "standard"),
        (np.zeros((4, 3)), "shared"),
    ],
)
def test_columns_of_one_unit_share_a_factor_in_dictionaries(raw, kind):
    assert chosen(raw, "auto_dictionary").kind == kind
