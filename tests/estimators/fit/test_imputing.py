import functools
import signal

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.data.columns import ColumnOfTable
from isthmus.engine.gaussian import fit_gaussian
from isthmus.engine.interruption import Interruption
from isthmus.estimators.fit.imputing import ImputationPlan, learn

PLAN = ImputationPlan(
    n_components=4,
    hidden_layer_sizes=(8,),
    dropout=0.0,
    masking=(0.1, 0.5),
    n_networks=2,
    learning_rate=2e-3,
    batch_size=32,
    max_epochs=2,
    n_iter_no_change=5,
    seed=0,
)
NUMBERS = [ColumnOfTable(name, "real") for name in "abcd"]
rng = np.random.default_rng(0)
FULL = rng.normal(size=(120, 2)) @ rng.normal(size=(2, 4)) * [1, 10, 0.1, 5] + [0, 50, 1, -3]
HOLES = np.where(rng.random(FULL.shape) < 0.2, np.nan, FULL)


def learned(values, columns=NUMBERS, interruption=None, epochs=None, **changes):
    plan = PLAN.__class__(**{**vars(PLAN), **changes})
    epochs = [] if epochs is None else epochs

    def after_epoch(member, state):
        epochs.append((member, state.epoch))

    return learn(values, columns, plan, interruption or Interruption(), after_epoch)


@functools.cache
def ensemble():
    return learned(HOLES)[0]


def test_observed_cells_are_unchanged_and_missing_ones_filled():
    filled = ensemble().filled(HOLES)
    observed = ~np.isnan(HOLES)
    assert_array_equal(filled[observed], HOLES[observed])
    assert np.isfinite(filled).all()
    # Two dimensions explain the four columns.
    assert np.square(filled - FULL).mean() < 0.3 * np.square(np.nanmean(HOLES, axis=0) - FULL)[~observed].mean()


def test_rows_without_an_observed_cell_have_the_means():
    assert_allclose(ensemble().filled(np.full((2, 4), np.nan)), [np.nanmean(HOLES, axis=0)] * 2)


def test_a_row_is_filled_alike_whatever_the_other_rows():
    filled = ensemble().filled(HOLES)
    assert_array_equal(ensemble().filled(HOLES[37:38]), filled[37:38])
    assert_array_equal(ensemble().filled(np.concatenate([HOLES] * 5))[240:360], filled)


def test_without_epochs_cells_are_the_conditional_means_of_a_gaussian():
    found, states = learned(HOLES, max_epochs=0, n_networks=5)
    assert states == []
    row = HOLES[np.isnan(HOLES).sum(axis=1) == 1][:1]
    missing = np.isnan(row[0])
    scaled = (HOLES - found.center) / found.scale
    gaussian = fit_gaussian(scaled)
    x = (row[0] - found.center) / found.scale
    cov = gaussian.covariance
    mean = gaussian.mean[missing] + cov[np.ix_(missing, ~missing)] @ np.linalg.solve(
        cov[np.ix_(~missing, ~missing)], x[~missing] - gaussian.mean[~missing]
    )
    expected = mean * found.scale[missing] + found.center[missing]
    assert_allclose(found.filled(row)[0, missing], expected, rtol=1e-2, atol=1e-2)


def test_each_network_is_trained_and_reported():
    epochs = []
    found, states = learned(HOLES, n_networks=3, epochs=epochs)
    assert epochs == [(member, epoch) for member in range(3) for epoch in (1, 2)]
    assert len(states) == 3
    assert {len(leaf) for leaf in jax.tree.leaves(found.params)} == {3}


@pytest.mark.parametrize(("n_rows", "networks"), [(19, 1), (3, 1)])
def test_few_rows_have_the_gaussian_alone(n_rows, networks):
    found, states = learned(HOLES[:n_rows])
    assert states == []
    assert {len(leaf) for leaf in jax.tree.leaves(found.params)} == {networks}
    assert np.isfinite(found.filled(HOLES)).all()


def test_an_interruption_keeps_the_networks_so_far():
    interruption, epochs = Interruption(), []

    class Noting(list):
        def append(self, epoch):
            super().append(epoch)
            if epoch == (1, 1):
                interruption.signal = signal.SIGINT

    epochs = Noting()
    found, states = learned(HOLES, n_networks=4, interruption=interruption, epochs=epochs)
    assert epochs == [(0, 1), (0, 2), (1, 1)]
    assert len(states) == 2
    assert {len(leaf) for leaf in jax.tree.leaves(found.params)} == {2}


def test_the_seed_decides_the_result():
    one, again, other = (learned(HOLES, seed=seed)[0].filled(HOLES) for seed in (1, 1, 2))
    assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_folds_share_one_program(compilations):
    learned(HOLES, n_networks=1)
    with compilations() as compiled:
        learned(HOLES, n_networks=4)
    assert not [name for name in compiled if "train" in name or "evaluate" in name]


def test_categories_are_filled_with_one_of_their_levels():
    levels = ("x", "y", "z")
    table = np.column_stack([FULL[:, 0], np.digitize(FULL[:, 0], [-1.0, 1.0])]).astype(float)
    holes = table.copy()
    holes[::7, 1] = np.nan
    columns = [ColumnOfTable("a", "real"), ColumnOfTable("b", "category", levels=levels)]
    found = learned(holes, columns)[0]
    filled = found.filled(holes)
    assert set(filled[:, 1]) <= {0, 1, 2}
    values, counts = np.unique(holes[~np.isnan(holes[:, 1]), 1], return_counts=True)
    assert found.usual[1] == values[counts.argmax()]
    assert (found.center[1], found.scale[1]) == (0, 1)
