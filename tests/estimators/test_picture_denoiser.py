import os
import signal

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from typer.testing import CliRunner

import isthmus
from isthmus import PictureDenoiser
from isthmus.cli import app
from isthmus.core.errors import (
    DivergedError,
    InterruptedFitWarning,
    InvalidDataError,
    InvalidParameterError,
    ModelFileError,
)
from isthmus.images.denoiser import Denoiser

rng = np.random.default_rng(0)
SMALL = {"start": None, "widths": (8,), "blocks": (1,), "crop_size": 16, "batch_size": 4, "random_state": 0}


def tiles(height, width, dtype=np.uint8):
    """An image of black and white 8x8 blocks, unlike a photograph."""
    blocks = rng.integers(0, 2, (-(-height // 8), -(-width // 8)))
    white = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    return (white * np.kron(blocks, np.ones((8, 8)))[:height, :width]).astype(dtype)


PICTURES = [tiles(48, 64), tiles(64, 40)]


@pytest.fixture(scope="module")
def model():
    return PictureDenoiser(40, max_steps=250, learning_rate=1e-2, **SMALL).fit(PICTURES)


def error(found, clean):
    return np.mean((np.asarray(found, float) - clean) ** 2)


def noisy(picture, level=40):
    return picture + level * np.random.default_rng(1).standard_normal(picture.shape)


@pytest.mark.slow
def test_training_reduces_the_error(model):
    degraded = noisy(PICTURES[0])
    (cleaned,) = model.denoise([degraded], noise=40)
    assert cleaned.dtype == np.float64
    assert error(cleaned, PICTURES[0]) < 0.35 * error(degraded, PICTURES[0])
    assert model.history_["step"] == [100, 200, 250] and model.n_steps_ == 250
    assert model.history_["loss"][2] < model.history_["loss"][0]
    assert (model.white_, model.seed_, model.denoiser_.strongest) == (255, 0, 40)


@pytest.mark.slow
def test_fine_tuning_of_the_shipped_weights_in_few_steps():
    """With noise 60 on images of blocks, fine-tuning lowers the error of the shipped weights by at least 10 %."""
    training, clean = [tiles(64, 64) for _ in range(12)], tiles(64, 96)
    degraded = noisy(clean, 60)
    fitted = PictureDenoiser(60, max_steps=30, crop_size=32, batch_size=4, random_state=0).fit(training)
    assert fitted.denoiser_.strongest == 60
    with pytest.warns(isthmus.core.errors.IsthmusWarning, match="above 55"):
        before = error(255 * Denoiser.shipped().clean(degraded / 255, 60), clean)
    assert error(fitted.denoise([degraded], noise=60)[0], clean) < 0.9 * before


@pytest.mark.parametrize("shipped", [True, False])
def test_training_starts_from_the_given_weights(shipped, model, monkeypatch):
    # A small network replaces the shipped one, which takes as long to compile as the rest of this file.
    monkeypatch.setattr(Denoiser, "shipped", lambda: model.denoiser_)
    start = "shipped" if shipped else model.denoiser_
    started = PictureDenoiser(40, max_steps=1, learning_rate=1e-12, **{**SMALL, "start": start})
    degraded = noisy(PICTURES[1], 20) / 255
    expected = model.denoiser_.clean(degraded, 20)
    assert_allclose(started.fit(PICTURES).denoise_picture(degraded, 20), expected, atol=1e-4)


@pytest.mark.slow
def test_arrays_folders_dtypes_and_colours(model, tmp_path):
    for number, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    from_folder = PictureDenoiser(40, max_steps=2, **SMALL).fit(tmp_path)
    from_arrays = PictureDenoiser(40, max_steps=2, **SMALL).fit(PICTURES)
    assert from_folder.history_ == from_arrays.history_
    for one, other in zip(from_folder.denoise(tmp_path), from_arrays.denoise(PICTURES), strict=True):
        assert_array_equal(one, other)
    stack = model.denoise(np.stack([PICTURES[0]] * 2), noise=30)
    assert stack.shape == (2, 48, 64) and stack.dtype == np.float32
    wide = (PICTURES[0].astype(np.uint16) * 257)[None]
    assert_allclose(model.denoise(wide, noise=30)[0] / 257, stack[0], atol=0.02)
    colours = np.stack([tiles(24, 32) for _ in range(3)], axis=-1)
    assert model.denoise([colours])[0].shape == (24, 32, 3)
    floats = PictureDenoiser(40, max_steps=2, **SMALL).fit([tiles(32, 32, np.float32)])
    assert floats.white_ == 1


def test_a_loaded_model_gives_identical_results(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    for loaded in (PictureDenoiser.load(path), isthmus.load(path)):
        assert loaded.get_params() == model.get_params()
        assert (loaded.history_, loaded.n_steps_, loaded.seed_) == (model.history_, model.n_steps_, model.seed_)
        assert_array_equal(loaded.denoise([PICTURES[0]], 30)[0], model.denoise([PICTURES[0]], 30)[0])
    model.denoiser_.save(path, overwrite=True)
    with pytest.raises(ModelFileError, match="holds a Denoiser, not the class PictureDenoiser"):
        PictureDenoiser.load(path)
    continued = clone(model).set_params(start=model.denoiser_, max_steps=1, random_state=np.random.RandomState(0))
    continued.fit(PICTURES).save(path, overwrite=True)
    loaded = PictureDenoiser.load(path)
    assert loaded.random_state is None
    assert_array_equal(loaded.start.clean(PICTURES[0] / 255, 30), model.denoiser_.clean(PICTURES[0] / 255, 30))


def test_the_denoise_command_loads_the_model(model, tmp_path):
    model.save(tmp_path / "model")
    Image.fromarray(np.clip(noisy(PICTURES[0]), 0, 255).astype(np.uint8)).save(tmp_path / "in.png")
    given = ["denoise", tmp_path / "in.png", "-o", tmp_path / "out.png", "--model", tmp_path / "model", "--noise", "40"]
    result = CliRunner().invoke(app, [str(word) for word in given])
    assert result.exit_code == 0, result.output
    degraded, cleaned = (np.asarray(Image.open(tmp_path / name)) for name in ("in.png", "out.png"))
    assert_allclose(cleaned, np.clip(255 * model.denoise_picture(degraded / 255, 40), 0, 255), atol=0.51)


def test_verbose_prints_the_progress(capsys):
    PictureDenoiser(max_steps=3, verbose=1, **SMALL).fit(PICTURES)
    assert capsys.readouterr().out.startswith("3 of 3 steps, loss ")


def test_ctrl_c_keeps_the_trained_weights(monkeypatch):
    from isthmus.estimators import picture_denoiser

    steps = picture_denoiser.train

    def interrupted(*given):
        for reached in steps(*given):
            os.kill(os.getpid(), signal.SIGINT)
            yield reached

    monkeypatch.setattr(picture_denoiser, "train", interrupted)
    with pytest.warns(InterruptedFitWarning, match="interrupted after 100 of 300 steps"):
        fitted = PictureDenoiser(max_steps=300, **SMALL).fit(PICTURES)
    assert fitted.n_steps_ == 100 and fitted.denoise(PICTURES[:1])[0].shape == (48, 64)


def test_a_learning_rate_that_diverges():
    with pytest.raises(DivergedError, match=r"before step 100; try learning_rate=1e\+29"):
        PictureDenoiser(max_steps=100, learning_rate=1e30, **SMALL).fit(PICTURES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 0}, "noise=0 must be a number > 0 or a pair"),
        ({"noise": (30, 20)}, r"noise=\(30, 20\) must be a number > 0 or a pair \(low, high\)"),
        ({"noise": (0, 0)}, "noise="),
        ({"noise": "25"}, "noise='25'"),
        ({"noise": (1, 2, 3)}, "noise="),
        ({"noise": float("nan")}, "noise=nan"),
        ({"crop_size": 15}, "crop_size=15 must be a multiple of 2 with 1 widths"),
        ({"max_steps": 0}, "max_steps=0 must be an integer >= 1"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"learning_rate": 0}, "learning_rate=0 must be a number > 0"),
        ({"widths": (8, 8)}, r"widths=\(8, 8\) and blocks=\(1,\) must have the same length"),
        ({"widths": ()}, "widths="),
        ({"start": "shiped"}, "start='shiped' must be 'shipped', a Denoiser or None; did you mean 'shipped'"),
        ({"start": "shipped"}, r"widths=\(8,\) and blocks=\(1,\) differ from those of the start, .* set start=None"),
    ],
)
def test_invalid_parameters(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        PictureDenoiser(**{**SMALL, **options}).fit(PICTURES)


def test_invalid_images(model):
    with pytest.raises(InvalidDataError, match="smaller than a patch of 16x16"):
        PictureDenoiser(**SMALL).fit([tiles(8, 40)])
    with pytest.raises(InvalidDataError, match=r"a picture has shape .* not \(3,\)"):
        model.denoise([np.ones(3)])
    with pytest.raises(NotFittedError):
        PictureDenoiser().denoise(PICTURES)
