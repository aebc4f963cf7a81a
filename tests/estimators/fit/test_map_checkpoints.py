import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus import NeighborAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.core.persistence import write_model
from isthmus.estimators.fit.map_checkpoints import MapCheckpoints

ROWS = np.random.default_rng(0).normal(size=(120, 5))
IDENTITY = {"data": "some"}


def quick(**settings):
    options = {"hidden_layer_sizes": (16,), "feature_components": 8, "max_epochs": 2, "batch_size": 32}
    return NeighborAutoencoder(**{**options, "random_state": None, **settings})


class StoppedError(Exception):
    """Raised by a callback."""


class StopAt:
    """Ends the fit with an error after some epochs of a stage."""

    def __init__(self, task, epochs):
        self.task, self.epochs = task, epochs

    def setup(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == self.task:
            self.epochs -= 1
            if not self.epochs:
                raise StoppedError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def whole(folder):
    """A fit of a drawn seed that was interrupted in both stages."""
    for task in ("feature epoch", "epoch"):
        with pytest.raises(StoppedError):
            quick().set_callbacks(StopAt(task, 1)).fit(ROWS, checkpoint=folder, checkpoint_every=0)
    return quick().fit(ROWS, checkpoint=folder, checkpoint_every=0)


def test_a_fit_interrupted_in_both_stages_ends_as_one_that_was_not(whole, folder):
    assert sorted(path.name for path in folder.iterdir()) == ["features", "graph.safetensors", "map"]
    other = quick(random_state=whole.seed_).fit(ROWS)
    assert_array_equal(whole.transform(ROWS), other.transform(ROWS))
    assert whole.history_["neighbors"] == other.history_["neighbors"]
    assert whole.feature_history_["neighbors"] == other.feature_history_["neighbors"]
    assert (whole.n_graph_rows_, whole.graph_recall_) == (120, 1.0)


def test_a_finished_fit_is_read_from_its_checkpoints(whole, folder):
    again = quick().fit(ROWS, checkpoint=folder)
    assert_array_equal(again.transform(ROWS), whole.transform(ROWS))


@pytest.mark.parametrize("other", [{"max_epochs": 3}, {"n_neighbors": 4}])
def test_other_settings_are_refused(whole, folder, other):
    with pytest.raises(InvalidParameterError, match=f"holds checkpoints of another run .{next(iter(other))} was"):
        quick(**other).fit(ROWS, checkpoint=folder)


def test_other_graphs_are_refused(whole, folder):
    with pytest.raises(InvalidParameterError, match=r"holds checkpoints of another run \(graph was None, now"):
        quick().fit(ROWS, graph=np.roll(np.arange(120), 1)[:, None], checkpoint=folder)


def test_the_checkpoints_of_an_autoencoder_are_refused(tmp_path):
    header = {"class": "Checkpoint", "identity": {"data": "some", "estimator": "Autoencoder"}, "step": 1}
    write_model(tmp_path / "checkpoint-1.safetensors", header, {})
    with pytest.raises(InvalidParameterError, match="holds checkpoints of another run"):
        MapCheckpoints(tmp_path, 60.0, IDENTITY)


def test_an_empty_path_is_refused():
    with pytest.raises(InvalidParameterError, match="checkpoint='' is an empty path"):
        MapCheckpoints("", 60.0, IDENTITY)
