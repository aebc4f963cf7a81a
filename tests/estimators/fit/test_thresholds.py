import numpy as np
import pytest
from scipy.stats import expon, genpareto, lognorm

from isthmus.estimators.fit.thresholds import Tail, held_back_threshold, robust_threshold


def test_threshold_of_log_normal_scores_is_their_quantile():
    scores = lognorm.rvs(0.7, size=20_000, random_state=0)
    assert robust_threshold(scores, 0.01) == pytest.approx(lognorm.isf(0.01, 0.7), rel=0.05)


def test_a_tenth_of_outliers_about_doubles_the_robust_threshold_and_is_found():
    scores = lognorm.rvs(0.7, size=20_000, random_state=0)
    scores[:2000] *= 100
    threshold = robust_threshold(scores, 0.01)
    assert lognorm.isf(0.01, 0.7) < threshold < 2.2 * lognorm.isf(0.01, 0.7)
    assert (scores[:2000] > threshold).mean() > 0.99


def test_a_heavier_upper_half_does_not_raise_the_share_of_alarms():
    logs = np.random.default_rng(0).exponential(size=20_000)
    assert (np.exp(logs) > robust_threshold(np.exp(logs), 0.01)).mean() < 0.05
    logs = -np.random.default_rng(0).exponential(size=20_000)
    assert (np.exp(logs) > robust_threshold(np.exp(logs), 0.01)).mean() < 0.01


def test_duplicates_without_a_score_do_not_decide():
    scores = lognorm.rvs(0.7, size=1000, random_state=0)
    assert robust_threshold(np.concatenate([np.zeros(800), scores]), 0.01) == robust_threshold(scores, 0.01)
    assert robust_threshold(np.zeros(5), 0.01) == 0


def test_new_rows_exceed_the_held_back_threshold_at_most_as_often_as_asked():
    rng = np.random.default_rng(0)
    alarms = [(rng.random(200) > held_back_threshold(rng.random(99), 0.05)).mean() for _ in range(400)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.006)


@pytest.mark.parametrize("true", [expon(), genpareto(0.3)])
def test_tail_gives_quantiles_beyond_the_largest_tenth(true):
    scores = true.rvs(50_000, random_state=0)
    tail = Tail.learn(scores)
    assert tail.threshold(0.001) == pytest.approx(true.isf(0.001), rel=0.1)
    assert tail.threshold(0.3) == pytest.approx(true.isf(0.3), rel=0.03)


def test_percentiles_undo_the_threshold_and_never_reach_100():
    tail = Tail.learn(expon.rvs(size=2000, random_state=1))
    for alarms in (0.4, 0.1, 0.01, 1e-4):
        assert tail.percentiles(np.array([tail.threshold(alarms)]))[0] == pytest.approx(100 - 100 * alarms, abs=1e-6)
    far = tail.percentiles(np.array([0.0, 1.0, 5.0, 10.0, 20.0]))
    assert (np.diff(far) > 0).all()
    assert far[-1] < 100


@pytest.mark.parametrize("scores", [np.zeros(1), np.ones(50), np.arange(3.0)])
def test_degenerate_scores_have_percentiles(scores):
    found = Tail.learn(scores).percentiles(np.array([0.0, 1.0, 1e6]))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
