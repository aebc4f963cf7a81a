import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus import Autoencoder
from isthmus.core.types import Stopping
from isthmus.data.sources import open_source
from isthmus.engine import plateau
from isthmus.estimators.fit.run import start_fit


@pytest.mark.parametrize(
    ("epoch", "best_epoch", "stale", "expected"),
    [
        (40, 38, 2, (0, 0)),  # still improving
        (25, 5, 20, (25, 45)),  # at least 20 epochs
        (50, 30, 20, (50, 70)),
        (66, 46, 20, (66, 86)),
        (67, 47, 20, (0, 0)),  # it falls already
    ],
)
def test_what_a_plateau_begins(epoch, best_epoch, stale, expected):
    found = plateau.begin(Stopping(1.0, best_epoch, stale), epoch, 100, 20)
    assert (found.fall_begins, found.fall_ends) == expected


@pytest.mark.parametrize(
    ("stopping", "max_epochs", "expected"),
    [
        (Stopping(1.0, 0, 0), 100, (67, 100)),
        (Stopping(1.0, 0, 0), 1, (0, 1)),
        (Stopping(1.0, 0, 0), 3, (2, 3)),
        (Stopping(1.0, 5, 20, 25, 45), 100, (25, 45)),
        (Stopping(1.0, 5, 20, 25, 45), 40, (25, 40)),
    ],
)
def test_when_the_rate_falls(stopping, max_epochs, expected):
    assert plateau.fall(stopping, max_epochs) == expected


def test_a_long_way_to_the_best_epoch_has_a_long_fall():
    found = plateau.begin(Stopping(1.0, 300, 20), 320, 1000, 20)
    assert (found.fall_begins, found.fall_ends) == (320, 420)


def test_factors_are_one_and_then_half_a_cosine():
    epochs = np.array([0.0, 10, 15, 20, 30])
    assert_allclose(plateau.factors(Stopping(1.0, 0, 0), 90, epochs), 1)
    assert_allclose(plateau.factors(Stopping(1.0, 0, 0), 30, epochs), [1, 1, 1, 1, 0], atol=1e-15)
    assert_allclose(plateau.factors(Stopping(1.0, 0, 0, 10, 20), 90, epochs), [1, 1, 0.5, 0, 0], atol=1e-15)


def test_training_falls_to_zero():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 6))
    model = Autoencoder(2, hidden_layer_sizes=(16,), learning_rate=1e-2, n_iter_no_change=3, random_state=0).fit(rows)
    rates = np.array(model.history_["learning_rate"])
    first = int(np.argmax(rates < 1e-2))
    assert_allclose(rates[:first], 1e-2)
    assert (np.diff(rates[first:]) < 0).all()
    assert rates[-1] < 1e-4
    assert model.n_iter_ == len(rates) < 100


def test_the_fall_begins_at_the_best_weights(small_table):
    model = Autoencoder(1, hidden_layer_sizes=(4,), random_state=0)
    run = start_fit(model, open_source(small_table))
    best = jax.tree.map(lambda leaf: leaf + 1, run.state.params)
    stale = run.state._replace(best=(best, ()), epoch=25, stopping=Stopping(1.0, 5, 20))
    falling = run.trainer._with_fall(stale)
    assert falling.stopping == Stopping(1.0, 5, 20, 25, 45)
    for found, expected in zip(jax.tree.leaves(falling.params), jax.tree.leaves(best), strict=True):
        assert_allclose(found, expected)
    # The last third of all epochs goes on from the current weights.
    late = stale._replace(epoch=67, stopping=Stopping(1.0, 47, 20))
    assert run.trainer._with_fall(late) == late


def test_more_epochs_than_before_continue_a_run(small_table, tmp_path):
    def fit(folder, max_epochs):
        model = Autoencoder(1, hidden_layer_sizes=(4,), max_epochs=max_epochs, learning_rate=1e-2, random_state=0)
        return model.fit(small_table, checkpoint=tmp_path / folder)

    assert fit("run", 3).n_iter_ == 3
    continued = fit("run", 6)
    # The rate is that of six epochs from the fourth on, which begins to fall after the fourth.
    whole = fit("other", 6)
    assert continued.n_iter_ == 6
    assert_allclose(continued.history_["learning_rate"][3:], whole.history_["learning_rate"][3:])


def test_without_early_stopping_the_last_third_falls(small_table):
    model = Autoencoder(1, hidden_layer_sizes=(4,), learning_rate=1e-2, max_epochs=9, early_stopping=False)
    rates = model.fit(small_table).history_["learning_rate"]
    assert_allclose(rates[:6], 1e-2)
    assert (np.diff(rates[5:]) < 0).all()


@pytest.fixture
def small_table():
    return np.random.default_rng(1).standard_normal((64, 3))
