import isthmus as package
from commands import fails, isthmus
from isthmus import Autoencoder


class Renamed(Autoencoder):
    """A stand-in for another public estimator."""


def test_a_model_is_loaded_as_the_estimator_that_the_file_names(in_folder, tmp_path, frame, monkeypatch):
    Renamed(hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(frame).save(tmp_path / "m")
    fails("inspect", tmp_path / "m", match="m .* Renamed, .*upgrade isthmus")
    monkeypatch.setattr("isthmus.Renamed", Renamed, raising=False)
    monkeypatch.setattr("isthmus.__all__", [*package.__all__, "Renamed"])
    assert "kind              Renamed\n" in isthmus("inspect", tmp_path / "m").stdout
