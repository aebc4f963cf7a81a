import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
from isthmus.callbacks import CSVLogger
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus import ESTIMATORS, NeighborAutoencoder
from isthmus.core.errors import ExistingFileError, InvalidParameterError, IsthmusWarning, UnwritableError
from isthmus.estimators.callbacks import csv_log
from isthmus.estimators.callbacks.base import digest_of
from isthmus.estimators.callbacks.claim import Claim

MEASURED = ("seconds", "waiting")


def table(path):
    """Return the columns of a log as lists of floats."""
    with Path(path).open(newline="") as file:
        head, *lines = csv.reader(file)
    columns = zip(*lines, strict=True)
    return {name: [float(cell) for cell in column] for name, column in zip(head, columns, strict=True)}


def same(log, history):
    """Whether a log has a history, to the last digit."""
    found = table(log)
    assert found.keys() == history.keys()
    assert next(iter(found)) == "epoch"
    return all(np.array_equal(found[name], history[name], equal_nan=True) for name in found)


def unmeasured(log):
    return {name: values for name, values in table(log).items() if name not in MEASURED}


class StoppedError(Exception):
    """Raised by a callback."""


def stop_at(epoch):
    def stop(model):
        if model.n_iter_ == epoch:
            raise StoppedError

    return stop


def test_a_log_is_the_history_after_each_epoch(small, rows, tmp_path):
    log, lines = tmp_path / "log.csv", []
    model = small().set_callbacks(CSVLogger(log), lambda model: lines.append(log.read_text().count("\n")))
    model.fit(rows)
    assert same(log, model.history_)
    assert lines == [2, 3, 4, 5]  # with the header
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_numbers_keep_their_digits():
    history = {"loss": [0.1 + 0.2, 1e-300, float("inf"), float("nan")], "epoch": [1, 2.0, 3, 4], 'a,"b': [1, 2, 3, 4]}
    head, *lines = csv_log.text_of(history).splitlines()
    assert next(csv.reader([head])) == ["epoch", "loss", 'a,"b']
    assert lines == ["1,0.30000000000000004,1.0", "2,1e-300,2.0", "3,inf,3.0", "4,nan,4.0"]
    assert csv_log.text_of({}) == csv_log.text_of({"loss": []}) == ""


@pytest.fixture
def whole(small, rows, tmp_path):
    """The log of a fit without an interruption."""
    log = tmp_path / "whole.csv"
    small().set_callbacks(CSVLogger(log)).fit(rows)
    return log


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "damage", [pytest.param("", marks=SLOW), "4,0.12", pytest.param("4,0.5,0.5\n5,0.5,0.5\n", marks=SLOW)]
)
def test_a_resumed_fit_has_the_log_of_one_without_an_interruption(small, rows, tmp_path, whole, damage):
    log, folder = tmp_path / "log.csv", tmp_path / "checkpoints"

    def fit(*others):
        model = small().set_callbacks(CSVLogger(log), *others)
        return model.fit(rows, checkpoint=folder, checkpoint_every=0)

    with pytest.raises(StoppedError):
        fit(stop_at(3))
    assert len(table(log)["loss"]) == 3
    with log.open("a") as file:
        file.write(damage)  # by a process that was killed
    model = fit()
    assert same(log, model.history_)
    assert unmeasured(log) == unmeasured(whole)
    before = log.read_bytes()
    fit()  # nothing is left to do
    assert log.read_bytes() == before
    log.unlink()
    fit()
    assert log.read_bytes() == before


def test_a_fit_that_was_killed_before_its_first_checkpoint_begins_again(small, rows, tmp_path, whole):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n1,0.5\n2,0.")
    (tmp_path / ".log.csv.lock").write_text(digest_of(small()))
    with pytest.raises(ExistingFileError, match="is the log of another fit"):
        small(learning_rate=0.5).set_callbacks(CSVLogger(log)).fit(rows)
    model = small().set_callbacks(CSVLogger(log)).fit(rows)
    assert same(log, model.history_)
    assert unmeasured(log) == unmeasured(whole)
    assert not (tmp_path / ".log.csv.lock").exists()


def test_the_log_of_another_fit_is_replaced_only_on_request(small, rows, tmp_path, whole):
    before, model = whole.read_bytes(), small(learning_rate=0.1)
    with pytest.raises(ExistingFileError, match=r"whole\.csv is the log of another fit; pass another path, or --force"):
        model.set_callbacks(CSVLogger(whole)).fit(rows)
    assert whole.read_bytes() == before
    assert not hasattr(model, "params_")
    (tmp_path / "notes.csv").write_text("name,age\n")
    with pytest.raises(
        ExistingFileError, match=r"notes\.csv exists and is no log of epochs; pass another path, or --f"
    ):
        model.set_callbacks(CSVLogger(tmp_path / "notes.csv")).fit(rows)
    assert (tmp_path / "notes.csv").read_text() == "name,age\n"
    model.set_callbacks(CSVLogger(whole, overwrite=True)).fit(rows)
    assert same(whole, model.history_)
    (tmp_path / "empty.csv").touch()
    model.set_callbacks(CSVLogger(tmp_path / "empty.csv")).fit(rows)
    assert same(tmp_path / "empty.csv", model.history_)
    assert not list(tmp_path.glob(".*"))


def test_rows_are_not_written_over(small, rows, tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    before = path.read_bytes()
    with pytest.raises(ExistingFileError, match="is read by this command"):
        small().set_callbacks(CSVLogger(path, overwrite=True)).fit(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", ["", "-", "s3://bucket/log.csv", 3, None, b"log.csv"])
def test_a_path_must_be_local(path):
    with pytest.raises(InvalidParameterError, match="must be a path on a disk of this machine"):
        CSVLogger(path)


def test_a_path_that_cannot_be_written(small, rows, tmp_path):
    with pytest.raises(InvalidParameterError, match="is a stream, which cannot be continued; name a file"):
        CSVLogger("/dev/null")
    with pytest.raises(UnwritableError, match=r"log\.csv: No such file or directory; create the folder first"):
        small().set_callbacks(CSVLogger(tmp_path / "missing" / "log.csv")).fit(rows)
    with pytest.raises(UnwritableError, match="it is a folder; name a file in it"):
        small().set_callbacks(CSVLogger(tmp_path)).fit(rows)


def test_a_file_has_one_fit_at_a_time(small, rows, tmp_path):
    claim = Claim(tmp_path / ".log.csv.lock", "log.csv", "of another fit")
    with pytest.raises(InvalidParameterError, match=r"another fit writes .* now"):
        small().set_callbacks(CSVLogger(tmp_path / "log.csv")).fit(rows)
    claim.release(finished=True)


def test_a_full_disk_ends_no_fit(small, rows, tmp_path, monkeypatch):
    log = tmp_path / "log.csv"

    def full(file, line):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_log._File, "_append", full)
    with pytest.warns(IsthmusWarning, match=r"cannot write .*log\.csv: No space left on device; free some space") as w:
        model = small().set_callbacks(CSVLogger(log)).fit(rows)
    assert len(w) == 1
    assert model.n_iter_ == 4
    assert same(log, model.history_)  # there was room again at the end


def test_partial_fit_adds_a_line_for_each_call(small, rows, tmp_path):
    log, model = tmp_path / "log.csv", small().set_callbacks(CSVLogger(tmp_path / "log.csv"))
    for epochs in (1, 2):
        model.partial_fit(rows)
        assert len(table(log)["loss"]) == epochs
    loaded = tmp_path / "model"
    model.save(loaded, optimizer=True)
    other = isthmus.load(loaded).set_callbacks(CSVLogger(log)).partial_fit(iter([rows, rows]))
    assert len(table(log)["loss"]) == 4
    assert same(log, other.history_)


def test_partial_fit_after_fit_has_no_validation_loss(small, rows, tmp_path):
    log = tmp_path / "log.csv"
    model = small().set_callbacks(CSVLogger(log)).fit(rows).partial_fit(rows)
    assert same(log, model.history_)
    assert np.isnan(table(log)["validation_loss"]).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=SLOW)])
def test_each_fit_of_a_search_has_its_log(small, rows, tmp_path, n_jobs):
    model = small(early_stopping=False).set_callbacks(CSVLogger(tmp_path / "log.csv"))
    pipeline = make_pipeline(StandardScaler(), model)
    for name, searched, parameter in (("a", model, "max_epochs"), ("b", pipeline, "autoencoder__max_epochs")):
        folder = tmp_path / name
        folder.mkdir()
        model.set_callbacks(CSVLogger(folder / "log.csv"))
        search = GridSearchCV(clone(searched), {parameter: [1, 3]}, cv=2, n_jobs=n_jobs, error_score="raise").fit(rows)
        epochs = {path.name: len(table(path)["loss"]) for path in folder.iterdir()}
        best = search.best_estimator_
        best = best if name == "a" else best[-1]
        fits = {f"log-fit-{number}.csv": one for number, one in enumerate([1, 1, 3, 3])}
        assert epochs == {**fits, "log-refit.csv": best.max_epochs}
        assert same(folder / "log-refit.csv", best.history_)
        alone = clone(best).set_callbacks().fit(rows if name == "a" else StandardScaler().fit_transform(rows))
        assert alone.history_["loss"] == table(folder / "log-refit.csv")["loss"]


def test_a_pipeline_alone_has_the_file_itself(small, rows, tmp_path):
    pipeline = make_pipeline(StandardScaler(), small(max_epochs=1).set_callbacks(CSVLogger(tmp_path / "log.csv")))
    assert same(tmp_path / "log.csv", pipeline.fit(rows)[-1].history_)


def quick_map():
    sizes = {"hidden_layer_sizes": (16,), "feature_components": 8, "batch_size": 32}
    return NeighborAutoencoder(**sizes, max_epochs=2, random_state=0)


@pytest.mark.slow
def test_both_stages_of_a_map_are_logged_and_continued(rows, tmp_path):
    quick_map().set_callbacks(CSVLogger(tmp_path / "whole.csv")).fit(rows)

    class StopIn:
        def __init__(self, task):
            self.task = task

        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context):
            if context.task_name == self.task:
                raise StoppedError

    log = tmp_path / "log.csv"
    for task in ("feature epoch", "epoch"):
        with pytest.raises(StoppedError):
            fit = quick_map().set_callbacks(CSVLogger(log), StopIn(task)).fit
            fit(rows, checkpoint=tmp_path / "run", checkpoint_every=0)
    model = quick_map().set_callbacks(CSVLogger(log)).fit(rows, checkpoint=tmp_path / "run", checkpoint_every=0)
    assert same(log, model.history_)
    assert same(tmp_path / "log-features.csv", model.feature_history_)
    for name in ("", "-features"):
        assert unmeasured(tmp_path / f"log{name}.csv") == unmeasured(tmp_path / f"whole{name}.csv")


SETTINGS = {
    "ConvolutionalAutoencoder": {"channels": (2,), "image_shape": (4, 4)},
    "SparseAutoencoder": {"k": 2, "n_components": 8},
    "NeighborAutoencoder": {"hidden_layer_sizes": (8,), "batch_size": 32},
}
FOLLOWED = [name for name, estimator in ESTIMATORS.items() if hasattr(estimator, "set_callbacks")]


def test_the_estimators_that_take_callbacks():
    assert set(ESTIMATORS) - set(FOLLOWED) == {
        *("AutoencoderClassifier", "AutoencoderImputer", "AutoencoderOutlierDetector"),
        *("PatchAutoencoder", "PictureDenoiser"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLLOWED)
def test_every_estimator_that_takes_callbacks_is_logged(name, tmp_path):
    X = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
    model = ESTIMATORS[name](max_epochs=2, random_state=0, **SETTINGS.get(name, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        model.set_callbacks(CSVLogger(tmp_path / "log.csv")).fit(X)
        assert same(tmp_path / "log.csv", model.history_)
        if hasattr(model, "partial_fit"):
            assert same(tmp_path / "log.csv", model.partial_fit(X).history_)
