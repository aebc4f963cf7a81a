import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import SparseAutoencoder
from isthmus.data.sources import open_source
from isthmus.estimators.fit.resampling import resample, resampled
from isthmus.estimators.fit.run import start_fit
from isthmus.sparsity import L1, BatchTopK, JumpReLU, TopK

DEAD = [2, 5, 7]
PARTS = ("params", "model", "optimizer")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (rng.random((400, 10)) < 0.2) @ rng.standard_normal((10, 6))


def after_two_epochs(rows, sparsity, dead=DEAD, **options):
    """A run after two epochs whose units `dead` have been inactive for too long."""
    model = SparseAutoencoder(
        10,
        sparsity=sparsity,
        scaling="standard",
        early_stopping=False,
        max_epochs=8,
        batch_size=32,
        random_state=0,
        **options,
    )
    run = start_fit(model, open_source(rows))
    epochs = run.trainer.epochs(run.state)
    state = [next(epochs), next(epochs)][1]
    state = state._replace(**{part: jax.tree.map(np.array, getattr(state, part)) for part in PARTS})
    state.model["idle"][:] = 0
    state.model["idle"][dead] = 10**6
    return run, state


def active_of(state):
    return np.setdiff1d(np.arange(10), DEAD), state.params["encoder"][-1], state.params["decoder"][0]


@pytest.mark.parametrize(("sparsity", "encoder_scale"), [(TopK(2), 1.0), (L1(), 0.2)], ids=["topk", "l1"])
def test_dead_units_become_residuals_of_rows(rows, sparsity, encoder_scale):
    run, before = after_two_epochs(rows, sparsity)
    after = resampled(run.trainer, before, sparsity)
    active, encoder, decoder = active_of(before)
    new_encoder, new_decoder = (jax.tree.map(np.array, after.params[half][0]) for half in ("encoder", "decoder"))

    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    bias = decoder["bias"]
    pre = np.maximum((scaled - bias) @ encoder["weight"] + encoder["bias"], 0)
    if isinstance(sparsity, TopK):
        pre[pre < np.sort(pre, axis=1)[:, -2:-1]] = 0
    residual = scaled - (pre @ decoder["weight"] + bias)
    # By chance the contribution of the row's most used unit is added, which finds an atom that shares a unit.
    used = np.where(pre > 0, (pre > 0).mean(axis=0), -1).argmax(axis=1)
    split = residual + pre[np.arange(len(pre)), used][:, None] * decoder["weight"][used]
    starts = np.vstack([residual, split])
    directions = starts / np.linalg.norm(starts, axis=1, keepdims=True)
    made = new_decoder["weight"][DEAD]
    length = np.linalg.norm(decoder["weight"][active], axis=1).mean()
    assert_allclose(np.linalg.norm(made, axis=1), length, rtol=1e-4)
    assert_allclose((made / length @ directions.T).max(axis=1), 1, atol=1e-3)

    detectors = new_encoder["weight"][:, DEAD]
    wanted = encoder_scale * np.linalg.norm(encoder["weight"][:, active], axis=0).mean()
    assert_allclose(detectors.T / wanted, made / length, atol=1e-4)
    assert_allclose(new_encoder["bias"][DEAD], encoder["bias"][active].mean(), rtol=1e-5)


def test_active_units_are_unchanged_and_moments_of_dead_units_are_zero(rows):
    sparsity = JumpReLU(0.1, threshold=0.3)
    run, before = after_two_epochs(rows, sparsity)
    after = jax.tree.map(np.array, resampled(run.trainer, before, sparsity))
    active = active_of(before)[0]
    assert_array_equal(
        after.params["encoder"][0]["weight"][:, active], before.params["encoder"][0]["weight"][:, active]
    )
    assert_array_equal(after.params["decoder"][0]["weight"][active], before.params["decoder"][0]["weight"][active])
    assert_array_equal(after.params["decoder"][0]["bias"], before.params["decoder"][0]["bias"])
    assert_allclose(after.params["sparsity"]["log_threshold"][DEAD], np.log(0.3), rtol=1e-6)
    assert (
        after.params["sparsity"]["log_threshold"][active] == before.params["sparsity"]["log_threshold"][active]
    ).all()
    assert not after.model["idle"].any()
    moments = [after.optimizer.mu, after.optimizer.nu]
    old = [before.optimizer.mu, before.optimizer.nu]
    for new, was in zip(moments, old, strict=True):
        assert not new["encoder"][0]["weight"][:, DEAD].any() and was["encoder"][0]["weight"][:, active].any()
        assert not new["decoder"][0]["weight"][DEAD].any()
        assert not new["sparsity"]["log_threshold"][DEAD].any()
        assert_array_equal(new["encoder"][0]["weight"][:, active], was["encoder"][0]["weight"][:, active])


@pytest.mark.parametrize("idle", [0, 10**6], ids=["none", "all"])
def test_where_none_or_all_are_dead_nothing_changes(rows, idle):
    run, state = after_two_epochs(rows, TopK(2))
    state.model["idle"][:] = idle
    assert resampled(run.trainer, state, TopK(2)) is state


def test_rows_without_an_error_reinitialise_nothing():
    run, state = after_two_epochs(np.zeros((64, 4)), TopK(2, bias_start="zeros"))
    assert resampled(run.trainer, state, TopK(2)) is state


def test_units_of_a_deep_network_start_from_hidden_activations(rows):
    run, before = after_two_epochs(rows, TopK(2), hidden_layer_sizes=(5,))
    after = jax.tree.map(np.array, resampled(run.trainer, before, TopK(2)))
    active, encoder, decoder = active_of(before)
    assert_allclose(
        np.linalg.norm(after.params["encoder"][-1]["weight"][:, DEAD], axis=0),
        np.linalg.norm(encoder["weight"][:, active], axis=0).mean(),
        rtol=1e-4,
    )
    old, new = decoder["weight"][DEAD], after.params["decoder"][0]["weight"][DEAD]
    cosines = np.sum(old * new, axis=1) / np.linalg.norm(old, axis=1) / np.linalg.norm(new, axis=1)
    assert_allclose(cosines, 1, rtol=1e-5)


def test_a_single_dead_unit_of_a_deep_network_has_encoder_weights(rows):
    run, before = after_two_epochs(rows, TopK(2), dead=[3], hidden_layer_sizes=(5,))
    after = resampled(run.trainer, before, TopK(2))
    lengths = np.linalg.norm(before.params["encoder"][-1]["weight"], axis=0)
    made = np.linalg.norm(np.array(after.params["encoder"][-1]["weight"])[:, 3])
    assert_allclose(made, np.delete(lengths, 3).mean(), rtol=1e-4)


def test_a_fit_reinitialises_dead_units_and_can_be_repeated(rows):
    # Here a unit that is inactive for a single batch counts as dead.
    settings = {"early_stopping": False, "max_epochs": 8, "batch_size": 32, "random_state": 0}
    fits = [
        SparseAutoencoder(10, sparsity=TopK(1, auxiliary=0.0, dead_after=32, resample_dead=every), **settings).fit(rows)
        for every in (1, 1, None)
    ]
    assert_array_equal(fits[0].components_, fits[1].components_)
    assert not np.array_equal(fits[0].components_, fits[2].components_)


@pytest.mark.parametrize(("epoch", "expected"), [(1, False), (2, True), (3, False), (6, True), (8, False)])
def test_units_are_reinitialised_every_so_many_epochs_until_three_quarters_are_done(rows, epoch, expected):
    # Of eight epochs; the sixth is the last of three quarters.
    run, state = after_two_epochs(rows, TopK(2))
    state = state._replace(epoch=epoch)
    assert (resample(TopK(2, resample_dead=2), run.trainer, state) is not state) == expected
    assert resample(TopK(2, resample_dead=None), run.trainer, state) is state


def test_a_unit_that_is_seldom_active_restarts_before_it_is_dead(rows):
    # Of ten units two are active in a row: 32 times five rows, which is less than two epochs of 400 rows.
    run, state = after_two_epochs(rows, TopK(2))
    for idle, restarts in ((159, False), (160, True)):
        state.model["idle"][DEAD] = idle
        assert (resampled(run.trainer, state, TopK(2)) is not state) is restarts
    # What is given is kept to.
    run, state = after_two_epochs(rows, TopK(2, dead_after=700))
    state.model["idle"][DEAD] = 699
    assert resampled(run.trainer, state, TopK(2, dead_after=700)) is state


@pytest.mark.parametrize(
    ("sparsity", "n_rows", "expected"),
    [
        (TopK(4), 10**6, 32 * 100 / 4),
        (BatchTopK(4), 10**6, 32 * 100 / 4),
        (TopK(4), 300, 600),
        (TopK(4, dead_after=77), 10**6, 77),
        (JumpReLU(target=2.5), 10**6, 32 * 100 / 2.5),
        (JumpReLU(), 1000, 2000),
        (L1(), 1000, 2000),
    ],
)
def test_rows_after_which_units_restart(sparsity, n_rows, expected):
    dead_after = float(sparsity.schedules(100, n_rows)["dead_after"](np.ones(1))[0])
    assert sparsity.restarts_after(100, dead_after) == expected


def test_the_rows_are_drawn_by_seed_and_epoch(rows):
    run, state = after_two_epochs(rows, TopK(2))
    weights = [
        np.asarray(resampled(run.trainer, state._replace(**changes), TopK(2)).params["decoder"][0]["weight"])
        for changes in ({}, {}, {"seed": 1})
    ]
    assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
