from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus import NeighborAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import values_of
from isthmus.corruption import Deform, Gaussian, Masking
from isthmus.data.sources import open_source
from isthmus.engine.inference import Inference
from isthmus.estimators.fit.neighborhood import MapPlan, _cost_of_mean, _with_unit_codes, over_training
from isthmus.estimators.fit.preparing import prepare


def plan_of(n_rows=100, rows=None, **settings):
    source = open_source(np.zeros((n_rows, 6)) if rows is None else rows)
    return MapPlan.of(values_of(NeighborAutoencoder(random_state=0, **settings)), source.schema, n_rows)


@pytest.mark.parametrize(
    ("n_rows", "batch", "epochs"),
    [(20, 32, 200), (150, 32, 200), (1797, 128, 200), (10_000, 512, 150), (60_000, 512, 26), (10**6, 512, 5)],
)
def test_automatic_batches_and_epochs(n_rows, batch, epochs):
    plan = plan_of(n_rows, np.zeros((2, 6)), feature_components=64).plan
    assert (plan.batch_size, plan.settings.max_epochs) == (batch, epochs)


def test_the_plan_of_the_autoencoder_underneath():
    plan = plan_of().plan
    assert plan.settings.learning_rate == 2e-3
    assert plan_of(1000, np.zeros((2, 6))).plan.settings.learning_rate == 5e-3
    assert plan_of(learning_rate=0.1).plan.settings.learning_rate == 0.1
    assert (plan.network.linear_path, plan.settings.early_stopping, plan.validation_share) == (False, False, 0.0)


@pytest.mark.parametrize(
    ("shape", "settings", "kind"),
    [
        ((9, 4), {}, Gaussian),
        ((9, 4), {"augmentation": None}, None),
        ((9, 4), {"augmentation": "masking"}, Masking),
        ((9, 4, 4), {}, Deform),
        ((9, 4, 4, 1), {}, Deform),
        ((9, 4, 4), {"scaling": "patches"}, None),
        ((9, 4, 4, 3), {}, None),
        ((9, 1, 4), {}, Gaussian),
    ],
)
def test_augmentations(shape, settings, kind):
    corruption = plan_of(9, np.zeros(shape), **settings).plan.corruption
    assert corruption is None if kind is None else type(corruption) is kind


def test_deformations_fade_at_the_end():
    strengths = plan_of(9, np.zeros((9, 4, 4))).plan.corruption.schedules()
    strength = next(schedule for name, schedule in strengths.items() if "strength" in name and "low" in name)
    assert_allclose(strength(np.array([0, 0.6, 0.8, 1])), [1, 1, 0.5, 0], atol=1e-12)


def test_a_network_of_your_own_has_one_stage():
    def network(n_features, n_components, key):
        return (lambda row: row[:n_components]), (lambda code: jnp.tile(code, n_features)[:n_features])

    with pytest.raises(InvalidParameterError, match="feature_components=64 cannot be combined with a network"):
        plan_of(network=network, feature_components=64)
    assert plan_of(20_000, np.zeros((2, 6)), network=network).feature_components is None


@pytest.mark.parametrize(
    ("n_rows", "rows", "settings", "width", "epochs"),
    [
        (9_999, np.zeros((9, 4)), {}, None, 250),
        (10_000, np.zeros((9, 4)), {}, 64, 150),
        (100, np.zeros((9, 4)), {}, None, 500),
        (100, np.zeros((9, 4)), {"neighbors_of": "features"}, 64, 200),
        (100, np.zeros((9, 4)), {"feature_components": 8}, 8, 200),
        (100, np.zeros((9, 4, 4)), {}, 64, 200),
        (100, np.zeros((9, 1, 4)), {}, None, 500),
    ],
)
def test_how_many_stages_and_epochs(n_rows, rows, settings, width, epochs):
    plan = plan_of(n_rows, rows, **settings)
    assert (plan.feature_components, plan.plan.settings.max_epochs) == (width, epochs)


def test_schedules():
    assert_allclose(over_training("temperature", 0.5)(np.linspace(0, 1, 3)), 0.5)
    assert_allclose(over_training("temperature", lambda share: 1 - share / 2, 3.0)(np.array([0.0, 1])), [3, 1.5])
    with pytest.raises(InvalidParameterError, match=r"temperature=0.0 at 100% of training must be a number > 0"):
        over_training("temperature", lambda share: 1 - share, above=0)


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_the_cost_of_the_mean_row(loss):
    rows = np.random.default_rng(0).random((50, 6))
    plan = plan_of(50, rows, loss=loss, scaling=None).plan
    prepared = prepare(plan, open_source(rows), ())
    network = plan.network.build(2, near_bounds=True)
    mean = rows.mean(axis=0)
    entropy = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean)).mean()
    expected = rows.var(axis=0).mean() if loss == "mse" else entropy
    assert_allclose(_cost_of_mean(plan.objective(network), prepared), expected, rtol=1e-5)
    constant = prepared._replace(loader=replace(prepared.loader, source=open_source(np.ones((5, 6)))))
    if loss == "mse":
        assert (
            _cost_of_mean(
                replace(plan.objective(network), network=replace(network, output_activation="identity")), constant
            )
            == 1
        )


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_codes_of_large_features_start_with_unit_deviation(network):
    rows = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    plan = plan_of(300, rows, network=network, feature_components=4)
    prepared = prepare(plan.plan, open_source(rows), ())
    built = plan.plan.network.build(2, near_bounds=False)
    params = built.init(0)
    hidden = [{"weight": 5 * layer["weight"], "bias": layer["bias"] + 1} for layer in params["encoder"][:-1]]
    large = {**params, "encoder": [*hidden, params["encoder"][-1]]}
    started = _with_unit_codes(built, large, plan, prepared)

    def codes(params):
        inference = Inference(built, params, prepared.loader.scaler)
        return np.concatenate(list(inference.encode_source(prepared.loader.source)))

    before, after = codes(large).astype(np.float64), codes(started)
    assert before.std(axis=0).min() > 5
    assert_allclose(after, (before - before.mean(axis=0)) / before.std(axis=0), atol=1e-3)
    assert started["decoder"] is large["decoder"]


def test_a_code_that_is_the_same_for_all_rows_stays_finite():
    rows = np.ones((30, 6))
    plan = plan_of(30, rows, feature_components=4)
    prepared, built = prepare(plan.plan, open_source(rows), ()), plan.plan.network.build(2, near_bounds=False)
    started = _with_unit_codes(built, built.init(0), plan, prepared)
    assert all(np.isfinite(leaf).all() for leaf in started["encoder"][-1].values())
