import signal

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import binomtest, ttest_1samp

from isthmus import Autoencoder
from isthmus.core.errors import DivergedError
from isthmus.data.splitting import HashHoldout, MaskHoldout
from isthmus.engine.interruption import Interruption
from isthmus.estimators.fit import crossing, starting
from isthmus.estimators.fit.gain import Gain
from isthmus.estimators.fit.preparing import Prepared


@pytest.mark.parametrize(("n_rows", "share"), [(10, 0.25), (33, 0.2), (601, 0.1)])
def test_folds_divide_the_rows(n_rows, share):
    found = list(crossing.folds(n_rows, share, seed=3))
    assert_array_equal(np.sort(np.concatenate([fold.test for fold in found])), np.arange(n_rows))
    for fold in found:
        assert_array_equal(np.sort(np.concatenate(fold)), np.arange(n_rows))
        others = n_rows - len(fold.test)
        assert len(fold.validation) == pytest.approx(share * others, abs=1)
        assert len(fold.training) > 0


def test_folds_follow_from_the_seed():
    first, again, other = (next(crossing.folds(50, 0.1, seed)).test for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


class Loader:
    def __init__(self, n_rows, holdout):
        self.n_rows, self.holdout = n_rows, holdout


@pytest.mark.parametrize(
    ("gain", "n_rows", "holdout", "expected"),
    [
        (Gain(1.8, 40), 300, HashHoldout(0, 0.1), True),
        (Gain(5.0, 40), 300, HashHoldout(0, 0.1), False),  # clear already
        (Gain(5.0, 40, representative=False), 300, HashHoldout(0, 0.1), True),  # but for the outliers
        (Gain(0.5, 40), 300, HashHoldout(0, 0.1), False),
        (Gain(-np.inf, 2), 10, HashHoldout(0, 0.1), False),
        (Gain(1.8, 20), 100, HashHoldout(0, 0.2), False),
        (Gain(1.8, 40), 100_000, HashHoldout(0, 0.001), False),
        (Gain(1.8, 40), 300, MaskHoldout(np.arange(300) > 260), False),  # the last rows, or groups
    ],
)
def test_what_few_validation_rows_leave_open(gain, n_rows, holdout, expected):
    assert crossing.is_open(gain, Loader(n_rows, holdout)) is expected


@pytest.mark.parametrize("seed", range(10))
def test_the_sign_test_is_scipys(seed):
    gains = np.random.default_rng(seed).normal(0.4, 1, 60)
    expected = binomtest(int((gains > 0).sum()), 60, alternative="greater").pvalue < 0.001
    assert crossing.most_gain(gains) == expected


class Folds:
    """Stands for the fits of the folds: gains are given by row number."""

    def __init__(self, monkeypatch, gains, interruption=None):
        self.gains, self.done, self.interruption = np.asarray(gains, float), 0, interruption or Interruption()
        monkeypatch.setattr(crossing, "_gains", self.fit)

    def fit(self, plan, loader, network, interruption, fold):
        self.done += 1
        return self.gains[fold.test]

    def decide(self):
        plan = type("Plan", (), {"validation_share": 0.1, "seed": 0})
        return crossing.training_beats_pca(plan, Prepared(Loader(len(self.gains), None), None), None, self.interruption)


@pytest.mark.parametrize("seed", range(10))
def test_the_gains_of_all_folds_are_tested_together(monkeypatch, seed):
    gains = np.random.default_rng(seed).normal(0.28, 1, 150)
    folds = Folds(monkeypatch, gains)
    mean = ttest_1samp(gains, 0, alternative="greater").pvalue < 0.001
    signs = binomtest(int((gains > 0).sum()), 150, alternative="greater").pvalue < 0.001
    assert folds.decide() == (mean and signs)


def test_a_gain_of_few_rows_does_not_count(monkeypatch):
    # A tenth of the rows gains 1, the others lose 0.01: the mean is significant, and most rows are worse.
    gains = np.where(np.arange(400) % 10, -0.01, 1.0)
    assert ttest_1samp(gains, 0, alternative="greater").pvalue < 1e-6
    assert not Folds(monkeypatch, gains).decide()


def test_it_ends_after_a_fold_without_a_gain(monkeypatch):
    folds = Folds(monkeypatch, -np.ones(100))
    assert not folds.decide()
    assert folds.done == 1


def test_an_interruption_ends_it(monkeypatch):
    folds = Folds(monkeypatch, np.ones(100), Interruption(signal=2))
    assert not folds.decide()
    assert folds.done == 1


def test_a_fold_that_diverges_decides_for_pca(monkeypatch):
    def fails(*arguments):
        raise DivergedError("the loss is not finite")

    folds = Folds(monkeypatch, np.ones(100))
    monkeypatch.setattr(crossing, "_gains", fails)
    assert not folds.decide()


def curve(n_rows):
    angle = np.random.default_rng(0).uniform(-1, 1, n_rows)
    return np.c_[angle, angle**2, angle**3]


OPTIONS = {"hidden_layer_sizes": (16,), "random_state": 0, "max_epochs": 20}


def test_the_network_of_each_fold_has_not_seen_its_test_rows(monkeypatch):
    seen = []

    def spy(trainer, rows, start, learned):
        held = rows.holdout.mask(0, rows.n_rows)
        assert not (held & ~trainer.loader.holdout.mask(0, rows.n_rows)).any()  # not trained on
        assert not (held & ~trainer.validation.holdout.mask(0, rows.n_rows)).any()  # nor used to stop
        seen.append(np.flatnonzero(held))
        return np.ones(held.sum())

    monkeypatch.setattr(crossing, "gains_on", spy)
    monkeypatch.setattr(starting, "gain_on_validation_rows", lambda *arguments: Gain(1.9, 20))
    model = Autoencoder(1, **OPTIONS).set_params(max_epochs=2).fit(curve(200))
    assert_array_equal(np.sort(np.concatenate(seen)), np.arange(200))
    assert model.best_iter_ > 0


@pytest.mark.slow
def test_a_gain_that_few_validation_rows_leave_open_is_found(monkeypatch):
    monkeypatch.setattr(starting, "gain_on_validation_rows", lambda *arguments: Gain(1.9, 20))
    rows = curve(200)
    options = OPTIONS | {"hidden_layer_sizes": (32,), "max_epochs": 60}
    first, again = (Autoencoder(1, **options).fit(rows) for _ in range(2))
    assert first.best_iter_ > 0
    assert_array_equal(first.transform(rows), again.transform(rows))


def test_callbacks_do_not_cross_validate(monkeypatch):
    monkeypatch.setattr(starting, "gain_on_validation_rows", lambda *arguments: Gain(1.9, 20))
    calls = []
    monkeypatch.setattr(starting.crossing, "training_beats_pca", lambda *arguments: calls.append(1) or True)
    model = Autoencoder(1, **OPTIONS).set_params(max_epochs=3)
    scores = []

    def score(estimator):
        scores.append(estimator.score(curve(50)))

    model.set_callbacks(score).fit(curve(200))
    assert len(scores) == 3
    assert len(calls) == 1


def test_a_fit_continued_from_its_last_checkpoint_decides_again(monkeypatch, tmp_path):
    monkeypatch.setattr(starting, "gain_on_validation_rows", lambda *arguments: Gain(1.9, 20))
    decided = []
    monkeypatch.setattr(starting.crossing, "training_beats_pca", lambda *arguments: decided.append(1) or True)
    rows, options = curve(200), OPTIONS | {"max_epochs": 3}
    first, again = (Autoencoder(1, **options).fit(rows, checkpoint=tmp_path / "checkpoints") for _ in range(2))
    assert len(decided) == 2
    assert_array_equal(first.transform(rows), again.transform(rows))


def test_sigterm_while_it_decides_leaves_a_checkpoint(monkeypatch, tmp_path):
    def terminated(plan, loader, network, interruption):
        interruption.signal = signal.SIGTERM
        return False

    monkeypatch.setattr(starting, "gain_on_validation_rows", lambda *arguments: Gain(1.9, 20))
    monkeypatch.setattr(starting.crossing, "training_beats_pca", terminated)
    model = Autoencoder(1, **OPTIONS).set_params(max_epochs=3)
    with pytest.raises(SystemExit) as ended:
        model.fit(curve(200), checkpoint=tmp_path / "checkpoints")
    assert ended.value.code == 128 + signal.SIGTERM
    assert any((tmp_path / "checkpoints").iterdir())
