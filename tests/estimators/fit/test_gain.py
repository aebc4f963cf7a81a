import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ttest_1samp
from sklearn.decomposition import PCA

from isthmus import Autoencoder
from isthmus.estimators.fit import gain


class Losses:
    """Stands for `gain._losses`: given losses of the start and of what was learned."""

    def __init__(self, monkeypatch, before, after, usual=None, groups=None):
        self.given = [np.asarray(before, float), np.asarray(after, float)]
        self.given.append(self.given[0] if usual is None else np.asarray(usual, float))
        holdout = type("Holdout", (), {"groups": groups})
        loader = type("Loader", (), {"holdout": holdout})
        self.trainer = type("Trainer", (), {"validation": None, "loader": loader})
        monkeypatch.setattr(gain, "_losses", lambda *_, **__: (self.given.pop(0), np.arange(len(before))))

    def decide(self):
        return gain.gain_on_validation_rows(self.trainer, None, None).exceeds_chance


@pytest.mark.parametrize("seed", range(20))
def test_the_decision_is_scipys_one_sided_t_test(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    before = rng.uniform(1, 2, 12)
    after = before - rng.normal(0.05, 0.1, 12)
    expected = ttest_1samp(before - after, 0, alternative="greater").pvalue < 0.01
    assert Losses(monkeypatch, before, after).decide() == expected


def test_one_row_that_outweighs_all_others_decides_nothing(monkeypatch):
    before = np.r_[1e4, np.ones(99)]
    assert not Losses(monkeypatch, before, np.r_[1.0, np.ones(99)]).decide()


def test_validation_rows_without_the_outliers_of_the_training_rows_decide_nothing(monkeypatch):
    before, after = np.linspace(1, 2, 50), np.linspace(0.5, 1, 50)
    assert Losses(monkeypatch, before, after).decide()
    assert not Losses(monkeypatch, before, after, usual=np.r_[1e4, np.ones(99)]).decide()


def test_groups_count_once(monkeypatch):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(5), 40)
    # Two of five groups gain and three do not: by rows that is significant, by groups it is not.
    gains = np.array([0.3, 0.3, -0.1, -0.1, -0.1])[groups] + rng.normal(0, 0.01, 200)
    assert Losses(monkeypatch, np.ones(200), 1 - gains).decide()
    assert not Losses(monkeypatch, np.ones(200), 1 - gains, groups=groups).decide()


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_too_few_rows_decide_nothing(monkeypatch, rows):
    assert not Losses(monkeypatch, np.ones(rows), np.zeros(rows)).decide()


def factors(n_rows, seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((4, 50))

    def draw(n):
        return rng.standard_normal((n, 4)) @ weights + 0.3 * rng.standard_normal((n, 50))

    return draw(n_rows), draw(300)


@pytest.mark.parametrize("seed", range(3))
def test_few_rows_of_a_linear_model_give_pca(seed):
    rows, new = factors(36, seed)
    model = Autoencoder(2, hidden_layer_sizes=(32,), scaling=None, random_state=seed).fit(rows)
    pca = PCA(2).fit(rows)
    errors = [
        np.mean((found - new) ** 2) for found in (model.reconstruct(new), pca.inverse_transform(pca.transform(new)))
    ]
    assert errors[0] <= 1.05 * errors[1]


@pytest.mark.slow
def test_a_curve_is_learned_with_its_losses_compared_row_by_row():
    angle = np.random.default_rng(0).uniform(-1, 1, 400)
    rows = np.c_[angle, angle**2]
    model = Autoencoder(1, hidden_layer_sizes=(32,), max_epochs=60, random_state=0).fit(rows)
    assert model.best_iter_ > 0
    assert model.score(rows) > 0.15 + PCA(1).fit(rows / rows.std(0)).explained_variance_ratio_[0]


def test_row_losses_are_squared_errors(monkeypatch):
    seen = []
    original = gain._losses

    def spy(trainer, loader, params, **how):
        found = original(trainer, loader, params, **how)
        seen.append((trainer, loader, found))
        return found

    monkeypatch.setattr(gain, "_losses", spy)
    angle = np.random.default_rng(0).uniform(-1, 1, 400)
    rows = np.c_[angle, angle**2, np.where(np.arange(400) % 7, angle, np.nan)]
    model = Autoencoder(1, hidden_layer_sizes=(8,), max_epochs=3, missing="mask", random_state=0).fit(rows)
    _, loader, (losses, numbers) = seen[0]
    assert loader.holdout.count(400) == len(losses)
    assert loader.holdout.mask(0, 400)[numbers].all()
    held = model.scaler_.scaled(rows[numbers], np.float64)
    kept = ~np.isnan(held)
    pca = PCA(1).fit(np.nan_to_num(model.scaler_.scaled(rows[~loader.holdout.mask(0, 400)], np.float64)))
    difference = pca.inverse_transform(pca.transform(np.nan_to_num(held))) - held
    assert_allclose(losses, np.nansum(difference**2, axis=1) / kept.sum(axis=1), rtol=2e-3)
