import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from isthmus.core.persistence import read_model
from isthmus.images.denoiser import Denoiser
from isthmus.networks.residual import ResidualDenoiser

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent.parent / "scripts"
SMALL = ("--side", "16", "--batch", "4", "--widths", "4", "--blocks", "1")


@pytest.fixture
def trainer(monkeypatch):
    spec = importlib.util.spec_from_file_location("train_denoiser", SCRIPTS / "train_denoiser.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STEPS_PER_LINE", 100)
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
    denoiser = run(trainer, monkeypatch, photos, output, "--steps", 200, "--validation", 1)
    assert denoiser.network == ResidualDenoiser((4,), (1,))
    assert denoiser.strongest == 55
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("100 steps, ") and last.startswith("200 steps, ")
    assert read_model(output)[0]["steps"] == 200
    at_50 = float(last.partition(" dB at 25, ")[2].removesuffix(" dB at 50"))
    assert at_50 > 20 * np.log10(255 / 50) + 1  # better than the noisy picture


def test_training_is_reproducible(trainer, photos, tmp_path, monkeypatch):
    first, again, other = (
        run(trainer, monkeypatch, photos, tmp_path / f"{number}.safetensors", "--steps", 10, "--seed", seed).params
        for number, seed in enumerate((0, 0, 1))
    )
    for name in first:
        assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["enter"], other["enter"])


def test_training_starts_from_the_weights_in_a_file(trainer, photos, tmp_path, monkeypatch):
    first = tmp_path / "first.safetensors"
    initial = run(trainer, monkeypatch, photos, first, "--steps", 20).params
    continued = run(
        trainer, monkeypatch, photos, tmp_path / "continued.safetensors", "--steps", 10, "--start", first, "--rate", 0
    )
    for name in initial:
        assert_array_equal(initial[name], continued.params[name])


def test_the_pictures_of_the_gallery_are_drawn_by_commands(tmp_path):
    options = ("-o", str(tmp_path), "--kinds", "history", "correlations", "--epochs", "1")
    subprocess.run([sys.executable, str(SCRIPTS / "gallery.py"), *options], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {"history.png", "correlations.png"}
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 100
