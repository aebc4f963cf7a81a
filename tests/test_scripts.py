import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from isthmus.denoiser import Denoiser
from isthmus.networks.residual import ResidualDenoiser

SCRIPTS = Path(__file__).parent.parent / "scripts"
SMALL = ("--side", "16", "--batch", "4")


@pytest.fixture
def trainer(monkeypatch):
    spec = importlib.util.spec_from_file_location("train_denoiser", SCRIPTS / "train_denoiser.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"NETWORK": ResidualDenoiser((4,), (1,)), "STEPS_PER_CALL": 10}.items():
        monkeypatch.setattr(module, name, value)
    return module


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, shape in enumerate([(24, 30), (18, 40), (20, 20)]):
        rows, columns = np.indices(shape)
        waves = 128 + 100 * np.sin(rows / 3 + number) * np.cos(columns / 4)
        Image.fromarray(waves.astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def run(trainer, monkeypatch, photos, output, *options):
    monkeypatch.setattr(sys, "argv", ["train_denoiser.py", str(photos), "-o", str(output), *SMALL, *map(str, options)])
    trainer.main()
    return Denoiser.load(output)


def test_train_denoiser(trainer, photos, tmp_path, monkeypatch, capsys):
    output = tmp_path / "weights.safetensors"
    denoiser = run(trainer, monkeypatch, photos, output, "--steps", 200, "--hold-back", 1)
    assert denoiser.network == trainer.NETWORK
    assert denoiser.strongest == 55
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("200 steps, ")
    at_50 = float(told.partition(" dB at 25, ")[2].removesuffix(" dB at 50"))
    assert at_50 > 20 * np.log10(255 / 50) + 1  # than the noisy picture


def test_training_repeats_itself(trainer, photos, tmp_path, monkeypatch):
    first, again, other = (
        run(trainer, monkeypatch, photos, tmp_path / f"{number}.safetensors", "--steps", 10, "--seed", seed).params
        for number, seed in enumerate((0, 0, 1))
    )
    for name in first:
        assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["enter"], other["enter"])


def test_photographs_too_small_are_named(trainer, photos, tmp_path, monkeypatch):
    Image.fromarray(np.zeros((15, 40), np.uint8)).save(photos / "narrow.png")
    with pytest.raises(SystemExit, match=r"narrow\.png has no crop of 16 x 16 pixels"):
        run(trainer, monkeypatch, photos, tmp_path / "weights.safetensors")


def test_crops_are_turned_windows_of_one_picture(trainer):
    # Every pixel of every picture has a value of its own, from 1 on.
    sizes = [(16, 18), (20, 16)]
    pictures, first = [], 1
    for shape in sizes:
        pictures.append(np.arange(first, first + shape[0] * shape[1]).reshape(shape).astype(np.float32))
        first += pictures[-1].size
    together = np.zeros((2, 20, 18), np.float32)
    for place, picture in zip(together, pictures, strict=True):
        place[: picture.shape[0], : picture.shape[1]] = picture
    windows = [
        np.rot90(window, turns).T if flipped else np.rot90(window, turns)
        for picture in pictures
        for window in np.lib.stride_tricks.sliding_window_view(picture, (16, 16)).reshape(-1, 16, 16)
        for turns in range(4)
        for flipped in (False, True)
    ]
    known = {window.tobytes(): number for number, window in enumerate(map(np.ascontiguousarray, windows))}
    recipe = trainer.Recipe(steps=10, side=16, batch=4, rate=1e-3, middling=False)
    draw = jax.jit(jax.vmap(trainer.crop, in_axes=(0, None, None, None)), static_argnums=3)
    keys = jax.random.split(jax.random.key(0), 2000)
    crops, deviations = draw(keys, together, np.array(sizes), recipe)
    seen = {known[np.rint(255 * crop).astype(np.float32).tobytes()] for crop in np.asarray(crops)}
    assert seen == set(known.values())
    assert 0 <= deviations.min() < 1 / 255
    assert 54 / 255 < deviations.max() <= 55 / 255
    _, middling = draw(keys, together, np.array(sizes), recipe._replace(middling=True))
    # The mean of two even draws has half the variance.
    assert abs(np.var(middling) / np.var(deviations) - 0.5) < 0.05


def test_training_goes_on_from_weights_in_a_file(trainer, photos, tmp_path, monkeypatch):
    first = tmp_path / "first.safetensors"
    begun = run(trainer, monkeypatch, photos, first, "--steps", 20).params
    on = run(trainer, monkeypatch, photos, tmp_path / "on.safetensors", "--steps", 10, "--start", first, "--rate", 0)
    for name in begun:
        assert_array_equal(begun[name], on.params[name])
