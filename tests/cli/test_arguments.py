from commands import fails, isthmus
from isthmus import Autoencoder
from isthmus.estimators import ESTIMATORS


class Renamed(Autoencoder):
    """A stand-in for another public estimator."""


def test_a_model_is_loaded_as_the_estimator_that_the_file_names(in_folder, tmp_path, frame):
    ESTIMATORS["Renamed"] = Renamed
    try:
        Renamed(hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(frame).save(tmp_path / "m")
        assert "kind              Renamed\n" in isthmus("inspect", tmp_path / "m").stdout
    finally:
        del ESTIMATORS["Renamed"]
    fails("inspect", tmp_path / "m", match="m .* Renamed, .*upgrade isthmus")
