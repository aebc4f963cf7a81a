import json
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import isthmus.engine.loading
from isthmus import Autoencoder, DenoisingAutoencoder, NeighborAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError, ModelFileError, UnwritableError
from isthmus.core.persistence import read_model, write_model
from isthmus.engine.checkpoint import Checkpoints, refuse_folder_of_rows

rng = np.random.default_rng(0)
ROWS = (rng.normal(size=(700, 6)) @ rng.normal(size=(6, 6))).astype(np.float32)
OPTIONS = {"max_epochs": 3, "random_state": 0, "batch_size": 16, "hidden_layer_sizes": (8,)}
MODELS = {
    "early stopping": lambda: Autoencoder(2, **OPTIONS, learning_rate=0.03),
    "dropout, float64": lambda: Autoencoder(2, **OPTIONS, dropout=0.3, precision="float64", optimizer="adamw"),
    "one cycle": lambda: Autoencoder(2, **OPTIONS, learning_rate_schedule="one_cycle", early_stopping=False),
    "layer by layer": lambda: DenoisingAutoencoder(2, **OPTIONS, pretrain=1),
    "batch top-k": lambda: SparseAutoencoder(
        24, sparsity="batch_topk", k=2, max_epochs=3, random_state=0, batch_size=16, resample_dead=1
    ),
    "window": lambda: Autoencoder(2, **OPTIONS, shuffle="window"),
}


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    # Ten batches per chunk, five chunks per epoch.
    monkeypatch.setattr(isthmus.engine.loading, "CHUNK_BYTES", 16 * 6 * 4 * 10)


def killed_after(monkeypatch, model, folder, saves, rows=ROWS):
    """Fit until a number of checkpoints is written, then raise Killed."""
    written = Checkpoints.save

    def save(self, state):
        written(self, state)
        save.left -= 1
        if not save.left:
            raise Killed

    save.left = saves
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Checkpoints, "save", save)
        model.fit(rows, checkpoint=folder, checkpoint_every=0)


def arrays_of(model):
    trees = jax.tree.leaves((model.params_, model.optimizer_state_, model.sparsity_state_))
    return [np.asarray(leaf) for leaf in trees]


def assert_same(model, other):
    for one, other_one in zip(arrays_of(model), arrays_of(other), strict=True):
        assert_array_equal(one, other_one)
    assert model.history_.keys() == other.history_.keys()
    for name in model.history_.keys() - {"seconds", "waiting"}:
        assert_array_equal(model.history_[name], other.history_[name])
    assert (model.n_iter_, model.best_iter_, model.seed_) == (other.n_iter_, other.best_iter_, other.seed_)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_resumed_fit_ends_like_an_uninterrupted_one(name, tmp_path, monkeypatch):
    whole = MODELS[name]().fit(ROWS)
    for saves in (1, 4, 3):
        killed_after(monkeypatch, MODELS[name](), tmp_path, saves)
    resumed = MODELS[name]().fit(ROWS, checkpoint=tmp_path)
    assert_same(resumed, whole)
    assert len(list(tmp_path.iterdir())) <= 2
    # A finished fit is restored.
    assert_same(MODELS[name]().fit(ROWS, checkpoint=tmp_path), whole)


def test_a_finished_fit_is_continued_with_more_epochs(tmp_path):
    options = {**OPTIONS, "early_stopping": False, "learning_rate_schedule": "constant"}
    Autoencoder(2, **options).fit(ROWS, checkpoint=tmp_path)
    longer = Autoencoder(2, **{**options, "max_epochs": 5}).fit(ROWS, checkpoint=tmp_path)
    assert_same(longer, Autoencoder(2, **{**options, "max_epochs": 5}).fit(ROWS))


def test_a_drawn_seed_is_restored(tmp_path, monkeypatch):
    options = {**OPTIONS, "random_state": None}
    killed_after(monkeypatch, Autoencoder(2, **options), tmp_path, 2)
    header, _ = read_model(next(iter(tmp_path.iterdir())))
    resumed = Autoencoder(2, **options).fit(ROWS, checkpoint=tmp_path)
    assert resumed.seed_ == header["seed"]
    assert_same(resumed, Autoencoder(2, **{**OPTIONS, "random_state": resumed.seed_}).fit(ROWS))


@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [
        ({"n_components": 3}, ROWS, "n_components was 2, now 3"),
        ({"hidden_layer_sizes": (9,)}, ROWS, "hidden_layer_sizes was (8,), now (9,)"),
        ({"learning_rate": 0.5}, ROWS, "learning_rate was 'auto', now 0.5"),
        ({"random_state": 1}, ROWS, "random_state was 0, now 1"),
        ({}, ROWS[:-1], "rows was 700, now 699"),
        ({}, ROWS + 1, "data was"),
    ],
)
def test_checkpoints_of_another_run(change, rows, message, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "another_run"
    if not folder.exists():
        killed_after(monkeypatch, Autoencoder(2, **OPTIONS), folder, 1)
    before = sorted(file.read_bytes() for file in folder.iterdir())
    with pytest.raises(InvalidParameterError) as caught:
        Autoencoder(2, **OPTIONS).set_params(**change).fit(rows, checkpoint=folder)
    assert message in str(caught.value)
    assert "name another folder or empty it" in str(caught.value)
    assert sorted(file.read_bytes() for file in folder.iterdir()) == before


def test_settings_that_may_differ(tmp_path, monkeypatch, capsys):
    killed_after(monkeypatch, Autoencoder(2, **OPTIONS), tmp_path, 2)
    Autoencoder(2, **OPTIONS, verbose=1, device="cpu").fit(ROWS, checkpoint=tmp_path)
    assert "continues after 0 epochs and" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_skipped(tmp_path, monkeypatch):
    killed_after(monkeypatch, Autoencoder(2, **OPTIONS), tmp_path, 3)
    older, newest = sorted(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:100])
    (tmp_path / ".checkpoint-000.safetensors.partial").write_bytes(b"partial")
    found = Checkpoints(tmp_path)._newest()
    assert found.header == read_model(older)[0]
    assert_same(Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path), Autoencoder(2, **OPTIONS).fit(ROWS))
    assert not list(tmp_path.glob(".*"))


def test_a_folder_without_a_readable_checkpoint(tmp_path):
    (tmp_path / "checkpoint-000000000001-000000.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match="not a readable model file"):
        Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path)


@pytest.mark.parametrize("damage", ["missing", "shape", "words"])
def test_a_checkpoint_that_does_not_fit(damage, tmp_path, monkeypatch):
    killed_after(monkeypatch, Autoencoder(2, **OPTIONS), tmp_path, 1)
    (file,) = tmp_path.iterdir()
    header, tensors = read_model(file)
    if damage == "missing":
        del tensors["params/0"]
    elif damage == "shape":
        tensors["params/0"] = tensors["params/0"][:1]
    else:
        header["epoch"] = "three"
    write_model(file, {name: value for name, value in header.items() if name != "format"}, tensors, overwrite=True)
    with pytest.raises(ModelFileError, match="does not fit this run"):
        Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path)


def test_a_full_disk_keeps_earlier_checkpoints(tmp_path, monkeypatch):
    killed_after(monkeypatch, Autoencoder(2, **OPTIONS), tmp_path, 3)
    before = sorted(tmp_path.iterdir())

    def full(*arguments, **options):
        raise UnwritableError("cannot write: no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("isthmus.engine.checkpoint.write_model", full)
        with pytest.raises(UnwritableError, match="no space left"):
            Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path, checkpoint_every=0)
    assert sorted(tmp_path.iterdir()) == before
    assert_same(Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path), Autoencoder(2, **OPTIONS).fit(ROWS))


def test_invalid_folders_and_intervals(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InvalidParameterError, match="is a file; name a folder"):
        Checkpoints(file)
    with pytest.raises(InvalidParameterError, match="is an empty path; name a folder"):
        Checkpoints("")
    with pytest.raises(UnwritableError, match="cannot create the folder"):
        Checkpoints(file / "below")
    with pytest.raises(InvalidParameterError, match="checkpoint_every=-1 must be a number of seconds >= 0"):
        Checkpoints(tmp_path, -1)


@pytest.mark.parametrize("inside", [".", "below/run"])
@pytest.mark.parametrize("estimator", [Autoencoder, NeighborAutoencoder])
def test_a_folder_that_rows_are_read_from_is_refused(tmp_path, estimator, inside):
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidParameterError, match=r"checkpoint=.* is in .*, whose files are read as rows"):
        estimator(2).fit(tmp_path, checkpoint=tmp_path / "link" / inside)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "rows.npy"]


def test_a_folder_beside_the_rows_is_taken(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    for rows in ("rows.npy", "*.npy"):
        refuse_folder_of_rows(tmp_path, tmp_path / rows)
    refuse_folder_of_rows(tmp_path, ROWS)
    refuse_folder_of_rows(tmp_path, tmp_path / "gone")


def test_checkpoints_are_written_at_intervals(tmp_path, monkeypatch):
    clock = iter(np.arange(0, 1000, 7.0))
    monkeypatch.setattr("isthmus.engine.checkpoint.time.monotonic", lambda: next(clock))
    saved = []
    checkpoints = Checkpoints(tmp_path, 30)

    def save(state):
        saved.append(state)
        checkpoints._last = 7.0 * state

    monkeypatch.setattr(checkpoints, "save", save)
    for number in range(1, 20):
        checkpoints.save_if_due(number)
    assert saved == [5, 10, 15]


def test_sigterm_writes_a_checkpoint_and_exits(tmp_path):
    def terminate():
        while not list(tmp_path.glob("checkpoint-*")):
            time.sleep(0.001)
        signal.raise_signal(signal.SIGTERM)

    model = Autoencoder(2, **{**OPTIONS, "max_epochs": 400, "n_iter_no_change": 400})
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=terminate)
    thread.start()
    with pytest.raises(SystemExit) as exit_:
        model.fit(ROWS, checkpoint=tmp_path, checkpoint_every=0)
    thread.join()
    assert exit_.value.code == 143
    assert not hasattr(model, "params_")
    assert signal.getsignal(signal.SIGTERM) is before
    header = Checkpoints(tmp_path)._newest().header
    assert header["epoch"] + header["cursor"] > 0
    assert header["epoch"] < 400


def test_checkpoints_contain_only_json_and_arrays(tmp_path, monkeypatch):
    killed_after(monkeypatch, MODELS["batch top-k"](), tmp_path, 2)
    header, tensors = read_model(sorted(tmp_path.iterdir())[-1])
    assert json.loads(json.dumps(header)) == header
    assert {name.split("/")[0] for name in tensors} == {"params", "optimizer", "model", "best"}
    assert header["epoch_sums"].keys() >= {"loss", "seconds", "waited", "last_batch_loss"}


@pytest.mark.slow
def test_killed_processes_resume(monkeypatch, capsys):
    scripts = Path(__file__).parents[2] / "scripts"
    monkeypatch.syspath_prepend(scripts)
    import kill_and_resume

    monkeypatch.setattr(sys, "argv", ["kill_and_resume.py", "--kills", "1", "--epochs", "8"])
    with pytest.raises(SystemExit) as ended:
        kill_and_resume.main()
    assert not ended.value.code
    assert capsys.readouterr().out.endswith("different: none\n")
    shutil.rmtree(scripts / "__pycache__", ignore_errors=True)


def test_a_folder_that_another_run_writes_to_is_refused(tmp_path):
    message = "another run writes its checkpoints to .* now; wait until it ends, or name another"
    with Checkpoints(tmp_path).held(), pytest.raises(InvalidParameterError, match=message):
        Checkpoints(tmp_path)
    with Checkpoints(tmp_path).held(), pytest.raises(InvalidParameterError, match=message):
        Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path)
    Autoencoder(2, **OPTIONS).fit(ROWS, checkpoint=tmp_path)


def test_all_processes_refuse_a_folder_that_they_do_not_share(tmp_path, monkeypatch):
    # Two threads in the place of two processes; one that leaves before the other's last collective breaks the barrier.
    barrier, numbers, messages = threading.Barrier(2), {}, {}

    def exchanged(number):
        numbers[threading.get_ident()] = number
        barrier.wait(10)
        largest = max(numbers.values())
        barrier.wait(10)
        return largest

    monkeypatch.setattr(isthmus.engine.checkpoint, "global_maximum", exchanged)
    (tmp_path / "ahead").mkdir()
    write_model(
        tmp_path / "ahead" / "checkpoint-000000000005-000001.safetensors", {"class": "Checkpoint", "step": 5}, {}
    )

    def find(name):
        try:
            Checkpoints(tmp_path / name).find({})
        except Exception as error:
            messages[name] = str(error)

    threads = [threading.Thread(target=find, args=(name,)) for name in ("ahead", "empty")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(messages) == ["ahead", "empty"]
    assert all("has other checkpoints in other processes" in message for message in messages.values()), messages


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def unsupported(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unsupported)
    assert Checkpoints(tmp_path).files() == []
