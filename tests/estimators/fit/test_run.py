import os
import signal
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from isthmus import Autoencoder
from isthmus.core.errors import InterruptedFitWarning, InvalidDataError, InvalidParameterError
from isthmus.core.types import Stopping
from isthmus.data.sources import open_source
from isthmus.data.splitting import HashHoldout
from isthmus.engine.loading import chunk_rows
from isthmus.estimators.fitting import measure, prepare, start_fit, start_partial_fit


@pytest.fixture
def many_chunks(monkeypatch):
    monkeypatch.setattr("isthmus.engine.loading.CHUNK_BYTES", 1)
    assert chunk_rows(32, 16) == 32


def assert_same_trees(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for mine, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_many_chunks_train_alike_in_memory_and_on_disk(small, rows, tmp_path, many_chunks, monkeypatch, dtype):
    X = (10 * rows).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    memory, disk = small(linear_path=False).fit(X), small(linear_path=False).fit(tmp_path / "X.npy")
    assert_same_trees(disk.params_, memory.params_)
    assert_same_trees(disk.optimizer_state_, memory.optimizer_state_)
    monkeypatch.undo()
    whole = small(linear_path=False).fit(X)
    # Another chunk size is another program, which may round otherwise.
    assert_allclose(memory.encoder_weights_[0], whole.encoder_weights_[0], atol=1e-5)
    assert_allclose(memory.history_["loss"], whole.history_["loss"], rtol=1e-5)


@pytest.mark.parametrize("scaling", ["mean_norm", "patches", "zca", "whitened_patches"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_rows_scaled_one_by_one_train_alike_in_memory_and_on_disk(small, tmp_path, many_chunks, scaling, dtype):
    X = np.random.default_rng(0).integers(0, 256, (300, 16)).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    memory, disk = small(scaling=scaling).fit(X), small(scaling=scaling).fit(tmp_path / "X.npy")
    assert_same_trees(disk.params_, memory.params_)
    assert_array_equal(memory.transform(X), disk.transform(tmp_path / "X.npy"))
    assert_array_equal(memory.transform(X[40:43]), memory.transform(X)[40:43])
    assert memory.score(X) == disk.score(tmp_path / "X.npy")


def test_held_back_rows_are_in_no_scalings_statistics(small, rows):
    model = small(scaling="zca", validation_fraction=0.3).fit(rows)
    held = HashHoldout(0, 0.3).mask(0, len(rows))
    assert held.any()
    alone = small(scaling="zca", early_stopping=False).fit(rows[~held])
    assert_allclose(model.scaler_.whitening, alone.scaler_.whitening, rtol=1e-9)


@pytest.mark.parametrize("scaling", ["patches", "zca"])
def test_a_cell_that_is_not_finite_is_named_whatever_the_scaling(small, rows, scaling):
    spoilt = rows.copy()
    spoilt[17, 2] = np.nan
    model = small(scaling=scaling, max_epochs=1)
    with pytest.raises(InvalidDataError, match="contains NaN at row 17, column 2"):
        model.fit(spoilt)
    with pytest.raises(InvalidDataError, match="contains NaN at row 17, column 2"):
        model.fit(rows).transform(spoilt)


def test_a_scaling_that_is_kept_is_not_measured_anew(small, rows, monkeypatch):
    model = small(scaling="zca", warm_start=True, max_epochs=1).fit(rows)
    scaler = model.scaler_
    monkeypatch.setattr("isthmus.data.scaling.statistics.ColumnStatistics._update_moments", None)
    assert model.fit(rows).scaler_ is scaler
    assert model.partial_fit(rows).scaler_ is scaler
    with pytest.raises(InvalidParameterError, match="set warm_start=False"):
        model.fit(rows[:, :3])


def test_an_interruption_in_an_epoch_ends_after_the_chunk(small, rows, many_chunks):
    model = small(early_stopping=False)
    run = start_fit(model, open_source(rows))
    condition, heard = [], []
    run.watcher = SimpleNamespace(begin=lambda: None, end=lambda run: condition.append(run.state.epoch))

    def progress(done):
        heard.append(done)
        if len(heard) == 7:  # the second chunk of the second epoch
            os.kill(os.getpid(), signal.SIGINT)

    run.trainer.progress = progress
    outcome = run.train()
    assert run.interrupted
    assert len(heard) == 7
    assert condition == [1]
    assert outcome.n_iter_ == len(outcome.history_["loss"]) == 1
    once = small(early_stopping=False, max_epochs=1).fit(rows)
    assert not np.array_equal(outcome.params_["encoder"][0]["weight"], once.params_["encoder"][0]["weight"])


def test_an_interruption_before_the_first_epochs_end_is_usable(small, rows, many_chunks, monkeypatch):
    def interrupt(reporter, done):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("isthmus.estimators.reporting.Reporter.rows_done", interrupt)
    model = small(early_stopping=False)
    with pytest.warns(InterruptedFitWarning, match="after 0 of 4 epochs"):
        model.fit(rows)
    assert np.isnan(model.loss_)
    assert (model.n_iter_, model.history_) == (0, {})
    assert model.transform(rows).shape == (150, 2)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "sgd", "lion"])
def test_the_optimizer_moves_with_the_code(small, rows, optimizer):
    model = small(3, optimizer=optimizer, early_stopping=False)
    run = start_fit(model, open_source(rows))
    run.arranges = False
    plain = run.train()
    run.arranges = True
    reordered = run.outcome(run.state)
    before, after = plain.params_["encoder"][-1]["bias"], reordered.params_["encoder"][-1]["bias"]
    order = np.array([int(np.argmin(abs(abs(before) - abs(value)))) for value in after])
    signs = np.sign(after) * np.sign(before[order])
    assert sorted(order) == [0, 1, 2]
    assert_same_trees(reordered.params_, model_arranged(plain, plain.params_, order, signs))
    shape = jax.tree.structure(plain.params_)
    moments = [
        [
            node
            for node in jax.tree.leaves(tree, is_leaf=lambda n: jax.tree.structure(n) == shape)
            if isinstance(node, dict)
        ]
        for tree in (plain.optimizer_state_, reordered.optimizer_state_)
    ]
    assert len(moments[0]) == {"adam": 2, "sgd": 0}.get(optimizer, 1)
    for number, (old, new) in enumerate(zip(*moments, strict=True)):
        squares = optimizer == "rmsprop" or (optimizer == "adam" and number == 1)
        assert_same_trees(new, model_arranged(plain, old, order, np.abs(signs) if squares else signs))


def model_arranged(fitted, tree, order, signs):
    return fitted.network_.reordered(tree, order, signs.astype(np.float32))


def test_held_back_rows_are_not_measured():
    values = np.random.default_rng(0).standard_normal((500, 3))
    held = HashHoldout(3, 0.3)
    statistics = measure(open_source(values), "standard", (), held)
    kept = values[~held.mask(0, 500)]
    assert statistics.n_rows == len(kept) < 500
    assert_allclose(statistics.mean, kept.mean(axis=0))
    values[np.flatnonzero(held.mask(0, 500))[0], 1] = np.nan
    with pytest.raises(InvalidDataError, match="column 'b'"):
        measure(open_source(values), "standard", ("a", "b", "c"), held)


def test_no_row_left_to_train_on(small, rows):
    with pytest.raises(InvalidParameterError, match="holds back all 6 rows"):
        prepare(small(), open_source(rows[:6]), 1 - 1e-9)
    assert prepare(small(), open_source(rows[:6]), 0.5).loader.count() > 0


def test_a_seed_that_is_given_is_kept(small, rows):
    assert prepare(small(random_state=None), open_source(rows), 0, seed=17).seed == 17
    assert prepare(small(random_state=5), open_source(rows), 0).seed == 5


@pytest.mark.parametrize(
    ("n_rows", "own", "stopping", "watched"),
    [(150, False, True, "some"), (30, False, True, "all"), (150, True, True, "own"), (150, False, False, "none")],
)
def test_which_rows_judge(small, rows, n_rows, own, stopping, watched):
    model = small(early_stopping=stopping)
    trainer = start_fit(model, open_source(rows[:n_rows]), open_source(rows[:7]) if own else None).trainer
    held = HashHoldout(0, 0.1).count(n_rows)
    expected = {"some": (n_rows - held, held), "all": (30, 30), "own": (150, 7), "none": (150, 0)}[watched]
    assert (trainer.n_rows, trainer.n_held_out) == expected
    assert trainer.validates is (watched != "none")


def test_partial_fit_takes_up_where_it_was(small, rows):
    model = small(optimizer="adam").partial_fit(rows)
    run = start_partial_fit(model, open_source(rows))
    assert (run.state.epoch, run.state.step) == (1, 5)
    assert_same_trees(jax.tree.map(np.asarray, run.state.optimizer), model.optimizer_state_)
    assert run.state.stopping == Stopping(np.inf, 0, 0)
    # Another rule has another state, and begins with an empty one.
    other = start_partial_fit(model.set_params(optimizer="momentum"), open_source(rows))
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(other.state.optimizer))


def test_an_outcome_stays_as_it_was(small, rows):
    run = start_fit(small(early_stopping=False), open_source(rows))
    kept = []

    def keep(run):
        outcome = run.outcome(run.state)
        kept.append((outcome.params_, jax.tree.map(np.array, outcome.params_)))

    run.watcher = SimpleNamespace(begin=lambda: None, end=keep)
    run.train()
    assert len(kept) == 4
    for given, then in kept:
        assert_same_trees(given, then)


def test_where_nothing_beats_the_start_it_is_pca_of_all_rows():
    rows = np.random.default_rng(3).standard_normal((60, 20))
    # A rate so high that the first epoch spoils the start.
    model = Autoencoder(3, hidden_layer_sizes=(8,), learning_rate=0.5, scaling=None, max_epochs=1, random_state=0)
    kept = model.fit(rows)
    assert kept.best_iter_ == 0
    pca = PCA(3).fit(rows)
    assert_allclose(kept.reconstruct(rows), pca.inverse_transform(pca.transform(rows)), atol=1e-4)
    # Where the training rows judge, or a validation set does, none was held back and the start is what it was.
    other = kept.fit(rows[:40], validation_data=rows[40:])
    assert other.best_iter_ == 0
    pca = PCA(3).fit(rows[:40])
    assert_allclose(other.reconstruct(rows), pca.inverse_transform(pca.transform(rows)), atol=1e-4)
