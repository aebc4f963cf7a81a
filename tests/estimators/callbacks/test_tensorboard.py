import functools
import struct
import sys

import numpy as np
import pytest
from isthmus.callbacks import TensorBoard
from sklearn.model_selection import GridSearchCV

from isthmus import NeighborAutoencoder
from isthmus.core.errors import ExistingFileError, InvalidParameterError, IsthmusWarning, UnwritableError
from isthmus.estimators.callbacks import tensorboard
from isthmus.estimators.callbacks.base import digest_of

proto = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")


def events(folder):
    """Return the events in a folder's files, in order, after TensorBoard's documentation of the format of records."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])  # then 4 bytes of checksum, the message, and 4 of checksum
            found.append(proto.Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def scalars(folder):
    """Return (step, value) by tag, without what a later start of a session has replaced."""
    found = {}
    for event in events(folder):
        if event.session_log.status:
            found = {tag: [(step, v) for step, v in pairs if step < event.step] for tag, pairs in found.items()}
        for value in event.summary.value:
            if not value.HasField("tensor"):
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def of(history, prefix=""):
    """Return the same of a history, in single precision."""
    return {
        prefix + name: [
            (step, float(np.float32(value)))
            for step, value in zip(history["epoch"], values, strict=True)
            if not np.isnan(value)
        ]
        for name, values in history.items()
        if name != "epoch"
    }


def accumulated(folder):
    """Return what TensorBoard's own reader finds, as `scalars` does."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    ).EventAccumulator(str(folder))
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(one.step, one.value) for one in accumulator.Scalars(tag)] for tag in tags}


class StoppedError(Exception):
    """Raised by a callback."""


def stop(model):
    if model.n_iter_ == 3:
        raise StoppedError


def test_the_events_are_the_history(small, rows, tmp_path):
    model = small().set_callbacks(TensorBoard(tmp_path / "runs" / "a")).fit(rows)
    assert scalars(tmp_path / "runs" / "a") == of(model.history_)
    first, text, *epochs = events(tmp_path / "runs" / "a")
    assert first.file_version == "brain.Event:2"
    assert text.summary.value[0].tag == "parameters/text_summary"
    table = text.summary.value[0].tensor.string_val[0].decode()
    assert table.startswith("**Autoencoder**\n\n| parameter | value |\n|---|---|\n| n_components | 2 |\n")
    assert [one.step for one in epochs] == [1, 2, 3, 4]
    times = [one.wall_time for one in epochs]
    assert times == sorted(times)
    assert all(path.name.startswith("events.") for path in (tmp_path / "runs" / "a").iterdir())


def test_a_resumed_fit_and_partial_fit_continue_the_curves(small, rows, tmp_path):
    folder = tmp_path / "a"

    def fit(*others):
        model = small().set_callbacks(TensorBoard(folder), *others)
        return model.fit(rows, checkpoint=tmp_path / "checkpoints", checkpoint_every=0)

    with pytest.raises(StoppedError):
        fit(stop)
    assert len(scalars(folder)["loss"]) == 3
    model = fit()
    assert scalars(folder) == of(model.history_)
    for _ in range(2):
        model.partial_fit(rows)
        assert scalars(folder) == of(model.history_)
    assert len(list(folder.iterdir())) == 3
    # A finished fit that is run again is its history once more.
    again = fit()
    assert scalars(folder) == of(again.history_)
    assert len(scalars(folder)["loss"]) == 4


@pytest.mark.slow
def test_tensorboard_reads_the_history(small, rows, tmp_path):
    folder, plain = tmp_path / "a", functools.partial(small, early_stopping=False)
    with pytest.raises(StoppedError):
        plain().set_callbacks(TensorBoard(folder), stop).fit(rows, checkpoint=tmp_path / "run", checkpoint_every=0)
    model = plain().set_callbacks(TensorBoard(folder)).fit(rows, checkpoint=tmp_path / "run", checkpoint_every=0)
    assert accumulated(folder) == of(model.history_) == scalars(folder)
    # The fit goes on: what is there of its first epochs is written again and does not count twice.
    model = plain(max_epochs=6).set_callbacks(TensorBoard(folder)).fit(rows, checkpoint=tmp_path / "run")
    assert len(accumulated(folder)["loss"]) == model.n_iter_ == 6
    assert accumulated(folder) == of(model.history_)
    model.partial_fit(rows)
    assert accumulated(folder) == of(model.history_)


def test_events_of_another_fit_are_removed_only_on_request(small, rows, tmp_path):
    folder = tmp_path / "a"
    small(max_epochs=1).set_callbacks(TensorBoard(folder)).fit(rows)
    before = scalars(folder)
    for other in (small(max_epochs=1), small(max_epochs=1, learning_rate=0.1)):
        with pytest.raises(ExistingFileError, match="a has events of another fit; pass another folder, or --force"):
            other.set_callbacks(TensorBoard(folder)).fit(rows)
    assert scalars(folder) == before
    model = small(learning_rate=0.1).set_callbacks(TensorBoard(folder, overwrite=True)).fit(rows)
    assert scalars(folder) == of(model.history_)
    assert len(list(folder.iterdir())) == 1
    # A fit that was killed before its first checkpoint begins again.
    (folder / ".isthmus.lock").write_text(digest_of(small()))
    model = small().set_callbacks(TensorBoard(folder)).fit(rows)
    assert scalars(folder) == of(model.history_)


@pytest.mark.slow
def test_each_fit_of_a_search_is_a_run(small, rows, tmp_path):
    model = small(early_stopping=False).set_callbacks(TensorBoard(tmp_path))
    search = GridSearchCV(model, {"max_epochs": [1]}, cv=2, error_score="raise").fit(rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit-0", "fit-1", "refit"]
    assert scalars(tmp_path / "refit") == of(search.best_estimator_.history_)


@pytest.mark.slow
def test_both_stages_of_a_map(rows, tmp_path):
    sizes = {"hidden_layer_sizes": (16,), "feature_components": 8, "batch_size": 32}
    model = NeighborAutoencoder(**sizes, max_epochs=2, random_state=0).set_callbacks(TensorBoard(tmp_path)).fit(rows)
    expected = of(model.feature_history_, "features/") | of(model.history_)
    assert scalars(tmp_path) == accumulated(tmp_path) == expected


@pytest.mark.parametrize("folder", ["", "-", "gs://bucket/runs", 3, None])
def test_a_folder_must_be_local(folder):
    with pytest.raises(InvalidParameterError, match=r"folder=.* must be a path on a disk of this machine"):
        TensorBoard(folder)


def test_a_folder_that_cannot_be_made(small, rows, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnwritableError, match=r"cannot create the folder .*file"):
        small().set_callbacks(TensorBoard(tmp_path / "file")).fit(rows)


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InvalidParameterError, match=r"need tensorboardX, which is not installed .*mus\[tensorboard\]"):
        TensorBoard(tmp_path)


def test_a_full_disk_ends_no_fit(small, rows, tmp_path, monkeypatch):
    def full(events, stage, history, epoch):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorboard._Events, "_write", full)
    with pytest.warns(IsthmusWarning, match="cannot write events to .*: No space left on device; .*they end here") as w:
        model = small().set_callbacks(TensorBoard(tmp_path)).fit(rows)
    assert (len(w), model.n_iter_) == (1, 4)


def test_a_value_with_a_bar_is_one_cell(small):
    text = tensorboard.parameters_text(small(optimizer="a|b"))
    assert r"| optimizer | 'a\|b' |" in text
