import itertools
from importlib.resources import files

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import (
    InvalidDataError,
    InvalidParameterError,
    IsthmusWarning,
    MissingFileError,
    ModelFileError,
)
from isthmus.core.persistence import read_model, write_model
from isthmus.images.denoiser import LUMA_AND_CHROMA, Denoiser
from isthmus.images.noise_level import estimate_noise
from isthmus.networks.residual import ResidualDenoiser

FOLDER = files("isthmus") / "images"


@pytest.fixture(scope="module")
def shipped():
    return Denoiser.shipped()


def small(**options):
    network = ResidualDenoiser((4, 6), (1, 1))
    draw = np.random.default_rng(0)
    params = {name: 0.3 * draw.standard_normal(shape).astype(np.float32) for name, shape in network.shapes().items()}
    return Denoiser(network, params, 55.0, **options)


def random_picture(*shape, dtype=np.float32):
    return np.random.default_rng(1).random(shape).astype(dtype)


def psnr(cleaned, clean):
    return -10 * np.log10(np.mean((cleaned - clean) ** 2))


def photograph(name):
    photographs = pytest.importorskip("skimage.data", reason="the photographs are in scikit-image")
    return getattr(photographs, name)()[64:256, 64:256] / 255


def with_noise(clean, level):
    return clean + level / 255 * np.random.default_rng(0).standard_normal(clean.shape)


@pytest.mark.parametrize("name", ["camera", "astronaut"])
@pytest.mark.parametrize("level", [15, 25, 50])
def test_the_error_of_photographs_decreases(shipped, name, level):
    clean = photograph(name)
    noisy = with_noise(clean, level)
    assert psnr(shipped.clean(noisy, level), clean) > psnr(noisy, clean) + 4


def test_the_right_noise_level_gives_the_smallest_error(shipped):
    clean = photograph("camera")
    noisy = with_noise(clean, 25)
    found = {level: psnr(shipped.clean(noisy, level), clean) for level in (10, 25, 50)}
    assert max(found, key=found.get) == 25


def test_noise_is_estimated_by_default(shipped):
    noisy = with_noise(photograph("camera"), 20)
    assert_array_equal(shipped.clean(noisy), shipped.clean(noisy, estimate_noise(noisy)))
    coloured = with_noise(photograph("astronaut"), 20)
    level = np.sqrt(np.mean([estimate_noise(coloured[..., channel]) ** 2 for channel in range(3)]))
    assert_allclose(shipped.clean(coloured), shipped.clean(coloured, level), atol=1e-6)


def test_colours_are_rotated_and_rotated_back():
    assert_allclose(LUMA_AND_CHROMA @ LUMA_AND_CHROMA.T, np.eye(3), atol=1e-15)
    assert_allclose(LUMA_AND_CHROMA @ [1, 1, 1], [np.sqrt(3), 0, 0], atol=1e-15)
    untrained = small()
    untrained.params["leave"] = np.zeros_like(untrained.params["leave"])
    coloured = random_picture(20, 30, 3)
    assert_allclose(untrained.clean(coloured, 25), coloured, atol=1e-6)


def test_a_grey_picture_in_three_channels_stays_grey(shipped):
    grey = with_noise(photograph("camera"), 25)
    assert_array_equal(shipped.clean(np.dstack([grey] * 3)), np.dstack([shipped.clean(grey)] * 3))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3)])
def test_without_noise_the_result_is_a_copy(shipped, shape, dtype):
    picture = random_picture(*shape, dtype=dtype)
    cleaned = shipped.clean(picture, 0)
    assert_array_equal(cleaned, picture)
    assert cleaned.dtype == dtype
    assert not np.shares_memory(cleaned, picture)
    constant = np.full(shape, 0.25, dtype)
    assert_array_equal(shipped.clean(constant), constant)


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 90), (65, 64), (33, 17, 3), (1, 1, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_size(shape, dtype):
    picture = random_picture(*shape, dtype=dtype)
    cleaned = small().clean(picture, 30)
    assert cleaned.shape == shape
    assert cleaned.dtype == dtype
    assert np.isfinite(cleaned).all()


def test_values_outside_the_range_are_not_clipped():
    untrained = small()
    untrained.params["leave"] = np.zeros_like(untrained.params["leave"])
    picture = 4 * random_picture(12, 12) - 2
    assert_array_equal(untrained.clean(picture, 25), picture)


@pytest.mark.parametrize("shape", [(256, 192), (320, 64), (192, 192, 3)])
def test_tiles_have_no_seams(shape):
    picture = random_picture(*shape)
    assert_allclose(small(largest_tile=128).clean(picture, 25), small().clean(picture, 25), atol=1e-5)


def test_tiles_of_the_shipped_network_have_no_seams(shipped):
    in_pieces = Denoiser(shipped.network, shipped.params, shipped.strongest, largest_tile=256)
    picture = random_picture(384, 256)
    assert_allclose(in_pieces.clean(picture, 25), shipped.clean(picture, 25), atol=1e-5)


@pytest.mark.parametrize("length", [1, 64, 65, 511, 513, 1024, 1025, 1100, 5000])
def test_tiles_have_few_sizes_and_little_padding(length):
    denoiser = small()
    side, context = denoiser._side(length), 2 * denoiser.network.reach
    assert side <= denoiser.largest_tile
    assert side % 64 == 0
    n_tiles = max(1, int(np.ceil((length - context) / (side - context))))
    assert n_tiles * (side - context) + context <= length + 64 + n_tiles * 128


def test_pictures_of_similar_sizes_share_a_program(compilations):
    denoiser = small()
    denoiser.clean(random_picture(64, 64), 25)
    with compilations() as compiled:
        for shape in itertools.product((10, 33, 64), (50, 61)):
            denoiser.clean(random_picture(*shape), 25)
    assert compiled == []


def test_the_same_picture_gives_the_same_result(shipped):
    picture = random_picture(64, 64)
    assert_array_equal(shipped.clean(picture, 25), shipped.clean(picture, 25))


def test_more_noise_than_in_training_gives_a_warning(shipped):
    clean = photograph("camera")
    noisy = with_noise(clean, 75)
    with pytest.warns(IsthmusWarning, match=r"noise=75\.0 is above 55"):
        cleaned = shipped.clean(noisy, 75)
    assert psnr(cleaned, clean) > psnr(shipped.clean(noisy, 55), clean)


@pytest.mark.parametrize(
    ("picture", "match"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((4, 4, 4)), "shape"),
        (np.zeros((2, 4, 4, 3)), "shape"),
        (np.zeros((0, 4)), "shape"),
        (np.zeros((4, 4), np.uint8), "divide bytes by 255"),
        (np.zeros((4, 4), bool), "bool"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4, 3), np.inf), "NaN or infinite"),
    ],
)
def test_invalid_pictures(shipped, picture, match):
    with pytest.raises(InvalidDataError, match=match) as caught:
        shipped.clean(picture, 25)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("noise", [-1, np.nan, np.inf])
def test_invalid_noise(shipped, noise):
    with pytest.raises(InvalidParameterError, match="noise="):
        shipped.clean(np.zeros((4, 4)), noise)


def test_the_shipped_file(shipped):
    header, tensors = read_model(FOLDER / "denoiser.safetensors")
    assert (FOLDER / "denoiser.safetensors").stat().st_size < 2_000_000
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    assert shipped.network == ResidualDenoiser(tuple(header["widths"]), tuple(header["blocks"]))
    assert shipped.strongest == 55
    assert Denoiser.shipped() is shipped
    card = (FOLDER / "denoiser.md").read_text()
    assert f"{header['steps']:,} steps" in card
    assert f"{sum(tensor.size for tensor in tensors.values()):,} parameters" in card


def test_files_that_do_not_fit(tmp_path):
    header, tensors = read_model(FOLDER / "denoiser.safetensors")
    file = tmp_path / "other.safetensors"
    with pytest.raises(MissingFileError):
        Denoiser.load(file)
    write_model(file, {**header, "class": "Autoencoder"}, tensors)
    with pytest.raises(ModelFileError, match="is a Autoencoder, not a Denoiser"):
        Denoiser.load(file)
    write_model(file, {**header, "blocks": [1, 1]}, tensors, overwrite=True)
    with pytest.raises(ModelFileError, match="other parameters"):
        Denoiser.load(file)
    write_model(file, {"class": "Denoiser"}, tensors, overwrite=True)
    with pytest.raises(ModelFileError, match="damaged header"):
        Denoiser.load(file)


def test_a_denoiser_is_loaded_from_a_file(tmp_path):
    denoiser = small()
    header = {"class": "Denoiser", "widths": [4, 6], "blocks": [1, 1], "strongest": 55.0}
    write_model(tmp_path / "small.safetensors", header, jax.tree.map(np.asarray, denoiser.params))
    picture = random_picture(20, 20)
    assert_array_equal(Denoiser.load(tmp_path / "small.safetensors").clean(picture, 9), denoiser.clean(picture, 9))


SATURATED = [(1, 0, 0), (0, 0, 1), (1, 0.8, 0.1)]
MORE_SATURATED = [(0, 1, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1)]


@pytest.mark.parametrize("colour", [*SATURATED, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_SATURATED)])
def test_saturated_colours_are_kept(colour):
    shade = np.linspace(0.6, 1, 96)[:, None, None] * np.linspace(0.8, 1, 96)[None, :, None]
    clean = shade * np.array(colour)
    noisy = clean + 10 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    model = Denoiser.shipped()
    assert np.sqrt(np.mean((model.clean(clean, 1) - clean) ** 2)) < 1 / 255
    assert np.sqrt(np.mean((model.clean(noisy, 10) - clean) ** 2)) < 2.5 / 255
