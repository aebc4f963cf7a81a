import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import SparseAutoencoder
from isthmus.core.errors import InterruptedFitWarning
from isthmus.core.types import Stopping
from isthmus.data.sources import open_source
from isthmus.data.splitting import HashHoldout
from isthmus.engine.checkpoint import Checkpoints
from isthmus.engine.loading import chunk_rows
from isthmus.estimators.fit.rows import FitRows
from isthmus.estimators.fit.run import start_fit, start_partial_fit


@pytest.fixture
def many_chunks(monkeypatch):
    monkeypatch.setattr("isthmus.engine.loading.CHUNK_BYTES", 1)
    assert chunk_rows(32, 16) == 32


def assert_same_trees(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for mine, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_weights_are_the_same_in_memory_and_on_disk(small, rows, tmp_path, many_chunks, monkeypatch, dtype):
    X = (10 * rows).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    memory, disk = small(linear_path=False).fit(X), small(linear_path=False).fit(tmp_path / "X.npy")
    assert_same_trees(disk.params_, memory.params_)
    assert_same_trees(disk.optimizer_state_, memory.optimizer_state_)
    monkeypatch.undo()
    whole = small(linear_path=False).fit(X)
    # Another chunk size is another program, which may round differently.
    assert_allclose(memory.encoder_weights_[0], whole.encoder_weights_[0], atol=1e-5)
    assert_allclose(memory.history_["loss"], whole.history_["loss"], rtol=1e-5)


@pytest.mark.parametrize("scaling", ["mean_norm", "patches", "zca", "whitened_patches"])
@pytest.mark.parametrize(
    "dtype", [np.uint8, *(pytest.param(one, marks=pytest.mark.slow) for one in (np.float32, np.float64))]
)
def test_scalings_by_row_are_the_same_in_memory_and_on_disk(small, tmp_path, many_chunks, scaling, dtype):
    X = np.random.default_rng(0).integers(0, 256, (300, 16)).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    memory, disk = small(scaling=scaling).fit(X), small(scaling=scaling).fit(tmp_path / "X.npy")
    assert_same_trees(disk.params_, memory.params_)
    assert_array_equal(memory.transform(X), disk.transform(tmp_path / "X.npy"))
    assert_array_equal(memory.transform(X[40:43]), memory.transform(X)[40:43])
    assert memory.score(X) == disk.score(tmp_path / "X.npy")


def test_an_interruption_ends_the_run_after_the_chunk(small, rows, many_chunks):
    model = small(early_stopping=False)
    run = start_fit(model, open_source(rows))
    epochs, chunks = [], []
    run.watcher = SimpleNamespace(
        follow=lambda run: None, begin=lambda: None, end=lambda run: epochs.append(run.state.epoch)
    )

    def chunk_done(rows):
        chunks.append(rows)
        if len(chunks) == 7:  # the second chunk of the second epoch
            os.kill(os.getpid(), signal.SIGINT)

    run.trainer.hooks = replace(run.trainer.hooks, chunk_done=chunk_done)
    found = run.train()
    assert run.interrupted
    assert len(chunks) == 7
    assert epochs == [1]
    assert found.n_iter_ == len(found.history_["loss"]) == 1
    once = small(early_stopping=False, max_epochs=1).fit(rows)
    assert not np.array_equal(found.params_["encoder"][0]["weight"], once.params_["encoder"][0]["weight"])


def test_an_interruption_in_the_first_epoch_leaves_a_fitted_model(small, rows, many_chunks, monkeypatch):
    def interrupt(reporter, rows):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("isthmus.estimators.fit.reporting.Reporter.rows_done", interrupt)
    model = small(early_stopping=False)
    with pytest.warns(InterruptedFitWarning, match="after 0 of 4 epochs"):
        model.fit(rows)
    assert np.isnan(model.loss_)
    assert (model.n_iter_, model.history_) == (0, {})
    assert model.transform(rows).shape == (150, 2)


@pytest.mark.parametrize(
    ("n_rows", "own", "stopping", "watched"),
    [(150, False, True, "some"), (30, False, True, "all"), (150, True, True, "own"), (150, False, False, "none")],
)
def test_validation_rows(small, rows, n_rows, own, stopping, watched):
    model = small(early_stopping=stopping, linear_path=False)
    trainer = start_fit(
        model, FitRows(open_source(rows[:n_rows]), validation=open_source(rows[:7]) if own else None)
    ).trainer
    held = HashHoldout(0, 0.1).count(n_rows)
    expected = {"some": (n_rows - held, held), "all": (30, 30), "own": (150, 7), "none": (150, 0)}[watched]
    assert (trainer.n_rows, trainer.n_held_out) == expected
    assert trainer.validates is (watched != "none")


def test_partial_fit_continues_with_the_optimizer_state(small, rows):
    model = small(optimizer="adam").partial_fit(rows)
    run = start_partial_fit(model, open_source(rows))
    assert (run.state.epoch, run.state.step) == (1, 5)
    assert_same_trees(jax.tree.map(np.asarray, run.state.optimizer), model.optimizer_state_)
    assert run.state.stopping == Stopping(np.inf, 0, 0)
    # Another optimizer has a state of another form, and starts with an empty one.
    other = start_partial_fit(model.set_params(optimizer="momentum"), open_source(rows))
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(other.state.optimizer))


def test_later_epochs_leave_a_fitted_state_as_it_was(small, rows):
    run = start_fit(small(early_stopping=False), open_source(rows))
    kept = []

    def keep(run):
        fitted = run.fitted(run.state)
        kept.append((fitted.params_, jax.tree.map(np.array, fitted.params_)))

    run.watcher = SimpleNamespace(follow=lambda run: None, begin=lambda: None, end=keep)
    run.train()
    assert len(kept) == 4
    for given, then in kept:
        assert_same_trees(given, then)


def test_a_watcher_stops_a_run(small, rows):
    begun, done = [], []
    watcher = SimpleNamespace(
        follow=lambda run: None,
        begin=lambda: begun.append(True),
        rows_done=done.append,
        end=lambda run: run.state.epoch == 2,
    )
    run = start_fit(small(), open_source(rows), watcher=watcher)
    found = run.train()
    assert (found.n_iter_, len(begun), len(found.history_["loss"])) == (2, 2, 2)
    assert sum(done) == 2 * run.trainer.n_rows


def test_sigterm_exits_with_a_checkpoint_and_the_same_fit_continues(small, rows, tmp_path, monkeypatch):
    whole = small().fit(rows)

    def terminate(state):
        if state.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    run = start_fit(small(), open_source(rows), checkpoints=Checkpoints(tmp_path, 60.0))
    run.trainer.hooks = replace(run.trainer.hooks, after_chunk=terminate)
    monkeypatch.setattr("isthmus.estimators.fit.run.disconnect", lambda: None)
    with pytest.raises(SystemExit) as caught:
        run.train()
    assert caught.value.code == 128 + signal.SIGTERM
    continued = start_fit(small(), open_source(rows), checkpoints=Checkpoints(tmp_path, 60.0))
    assert continued.state.epoch >= 1
    assert_same_trees(continued.train().params_, whole.params_)


def test_a_continued_fit_has_the_seed_of_its_checkpoint(small, rows, tmp_path):
    first = start_fit(small(random_state=None), open_source(rows), checkpoints=Checkpoints(tmp_path, 0.0))
    first.train()
    again = start_fit(small(random_state=None), open_source(rows), checkpoints=Checkpoints(tmp_path, 0.0))
    assert again.plan.seed == first.plan.seed
    assert again.state.epoch == 4


def test_partial_fit_has_the_scheduled_values_of_the_end(rows):
    model = SparseAutoencoder(8, sparsity="l1", sparsity_weight=3.0, batch_size=32, random_state=0)
    weights = {}
    for name, run in (
        ("fit", start_fit(model, open_source(rows))),
        ("partial", start_partial_fit(model, open_source(rows))),
    ):
        weights[name] = run.trainer.schedules["weight"](np.zeros(1))[0]
    assert weights["partial"] == 3 > weights["fit"]


def test_histories_of_several_calls_are_equally_long(small, rows):
    model = small().fit(rows).partial_fit(rows)
    assert {len(values) for values in model.history_.values()} == {5}
    assert np.isnan(model.history_["validation_loss"][-1])
    assert not np.isnan(model.history_["loss"]).any()
