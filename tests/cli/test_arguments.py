import isthmus as package
from commands import isthmus, refused
from isthmus import Autoencoder


class Renamed(Autoencoder):
    """Stands for another public estimator."""


def test_the_estimator_is_the_one_the_file_names(inside, tmp_path, frame, monkeypatch):
    Renamed(hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(frame).save(tmp_path / "m")
    refused("inspect", tmp_path / "m", match="m holds a Renamed, which this isthmus has not; upgrade isthmus")
    monkeypatch.setattr("isthmus.Renamed", Renamed, raising=False)
    monkeypatch.setattr("isthmus.__all__", [*package.__all__, "Renamed"])
    assert "kind              Renamed\n" in isthmus("inspect", tmp_path / "m").stdout
