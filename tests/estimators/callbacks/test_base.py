import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from isthmus.callbacks import CSVLogger, RichProgress
from sklearn.callback import FitCallback
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV

from isthmus import ESTIMATORS, Autoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.estimators.callbacks.base import digest_of, epochs_of, place_of


def context(*names):
    """Return a context of scikit-learn's, below others; each a name and a number."""
    found = None
    for name, number in names:
        found = SimpleNamespace(parent=found, task_name="fit", source_task_name=name, task_id=number)
    return found


FIT = "candidate-split-evaluation"


@pytest.mark.parametrize(
    ("names", "place"),
    [
        ([(None, 0)], ""),
        ([(None, 0), ("search", 0), (FIT, 7)], "fit-7"),
        ([(None, 0), ("search", 0), (FIT, 7), ("fit-final-estimator", 1)], "fit-7"),
        ([(None, 0), ("fit-transform-codes", 1)], ""),
        ([(None, 0), ("refit-with-best-params", 1)], "refit"),
        ([(None, 0), ("search", 0), ("halving-iteration", 2), (FIT, 3)], "halving-iteration-2-fit-3"),
        ([(None, 0), ("step: a/b", 4)], "step-a-b-4"),
    ],
)
def test_the_name_of_a_fit_in_a_search(names, place):
    assert place_of(context(*names)) == place


def test_equal_settings_have_one_digest():
    first = digest_of(Autoencoder(2, max_epochs=3))
    assert first == digest_of(Autoencoder(2, max_epochs=9, verbose=1, device="cpu"))
    others = [Autoencoder(3), Autoencoder(2, learning_rate=0.5), ESTIMATORS["DenoisingAutoencoder"](2)]
    assert len({first, *map(digest_of, others)}) == 4


def test_epochs_of_a_history():
    assert epochs_of({}) == 0
    assert epochs_of({"epoch": [1, 2], "loss": [0.1, 0.2]}) == 2


def test_a_callback_has_the_protocol_and_is_copied_without_its_fits(tmp_path):
    for callback in (CSVLogger(tmp_path / "log.csv", overwrite=True), RichProgress()):
        assert isinstance(callback, FitCallback)
        callback._fits[1] = object()
        for other in (pickle.loads(pickle.dumps(callback)), copy.deepcopy(callback)):
            assert other._fits == {}
            assert repr(other) == repr(callback)
    assert repr(CSVLogger("log.csv")) == "CSVLogger('log.csv')"


def test_an_estimator_without_epochs_is_refused(tmp_path):
    search = GridSearchCV(KMeans(), {"n_clusters": [1]}, cv=2).set_callbacks(RichProgress())
    match = "RichProgress follows the epochs of an autoencoder, which GridSearchCV has none of; call set_callbacks of"
    with pytest.raises(InvalidParameterError, match=match):
        search.fit(np.eye(4))


def test_only_the_main_process_writes(small, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.estimators.callbacks.base.is_main_process", lambda: False)
    small(max_epochs=1).set_callbacks(CSVLogger(tmp_path / "log.csv")).fit(rows)
    assert list(tmp_path.iterdir()) == []
