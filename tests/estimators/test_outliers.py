"""`AutoencoderOutlierDetector`: scores, contributions of columns, thresholds, files."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from checks import expected_failures
from isthmus import AutoencoderOutlierDetector
from isthmus.core.errors import InvalidDataError, InvalidParameterError, ModelFileError


def quick(**settings):
    return AutoencoderOutlierDetector(**{"hidden_layer_sizes": (8,), "max_epochs": 2, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def planted():
    """Rows on a curve in five dimensions, of which ten have one extreme value: the rows, numbers and columns."""
    rng = np.random.default_rng(0)
    t = rng.random(400)
    X = np.stack([np.cos(3 * t), np.sin(3 * t), t, t**2, 1 - t], axis=1) + 0.02 * rng.standard_normal((400, 5))
    rows, columns = rng.permutation(400)[:10], rng.integers(5, size=10)
    X[rows, columns] += rng.choice([-2, 2], 10)
    return X, rows, columns


@pytest.fixture(scope="module")
def fitted(planted):
    return quick(contamination=0.025).fit(planted[0])


@pytest.mark.slow
@parametrize_with_checks([quick()], expected_failed_checks=expected_failures)
def test_scikit_learn_accepts_the_detector(estimator, check):
    check(estimator)


def test_rows_with_one_extreme_value_have_the_largest_scores_and_that_column_is_blamed(planted, fitted):
    X, rows, columns = planted
    assert set(np.argsort(fitted.decision_scores_)[-10:]) == set(rows)
    assert (fitted.contributions(X)[rows].argmax(axis=1) == columns).all()
    assert set(np.flatnonzero(fitted.labels_)) == set(rows) == set(np.flatnonzero(fitted.predict(X) == -1))


def test_contributions_are_not_negative_and_add_up_to_the_score(planted, fitted):
    contributions = fitted.contributions(planted[0])
    assert contributions.shape == planted[0].shape
    assert (contributions >= 0).all()
    np.testing.assert_allclose(contributions.sum(axis=1), fitted.anomaly_score(planted[0]), rtol=1e-12)


def test_training_rows_are_as_odd_as_new_rows_of_the_same_values(planted, fitted):
    X = planted[0]
    np.testing.assert_allclose(fitted.anomaly_score(X[:7].copy()), fitted.decision_scores_[:7], rtol=1e-6)
    assert np.median(fitted.decision_scores_) == pytest.approx(1, rel=1e-6)


def test_scores_in_the_words_of_scikit_learn_and_of_pyod(planted, fitted):
    X = planted[0]
    scores = fitted.anomaly_score(X)
    np.testing.assert_array_equal(fitted.score_samples(X), -scores)
    np.testing.assert_array_equal(fitted.decision_function(X), fitted.threshold_ - scores)
    assert fitted.offset_ == -fitted.threshold_
    np.testing.assert_array_equal(fitted.labels_ == 1, fitted.decision_scores_ > fitted.threshold_)


def test_equal_seeds_give_equal_scores(planted, fitted):
    again = quick(contamination=0.025).fit(planted[0])
    np.testing.assert_array_equal(again.decision_scores_, fitted.decision_scores_)


def test_percentiles_grow_with_the_score_and_are_shares_of_the_training_rows(planted, fitted):
    X = planted[0]
    scores, percentiles = fitted.anomaly_score(X), fitted.anomaly_score(X, calibrated=True)
    order = np.argsort(scores)
    assert (np.diff(percentiles[order]) >= 0).all()
    assert percentiles[order][200] == pytest.approx(50, abs=0.5)
    assert 0 <= percentiles.min() < percentiles.max() < 100


def test_a_saved_detector_scores_as_before(planted, fitted, tmp_path):
    fitted.save(tmp_path / "detector.safetensors")
    for loaded in (isthmus.load(tmp_path / "detector.safetensors"),
                   AutoencoderOutlierDetector.load(tmp_path / "detector.safetensors")):  # fmt: skip
        np.testing.assert_array_equal(loaded.contributions(planted[0]), fitted.contributions(planted[0]))
        np.testing.assert_array_equal(loaded.decision_scores_, fitted.decision_scores_)
        assert (loaded.threshold_, loaded.seed_) == (fitted.threshold_, fitted.seed_)
    with pytest.raises(ModelFileError, match="AutoencoderOutlierDetector"):
        isthmus.Autoencoder.load(tmp_path / "detector.safetensors")


def test_several_autoencoders_are_averaged(planted):
    X = planted[0][:100]
    two = quick(n_estimators=2).fit(X)
    each = [quick(random_state=seed).fit(X).anomaly_score(X) for seed in (0, 1)]
    np.testing.assert_allclose(two.anomaly_score(X), np.mean(each, axis=0), rtol=1e-6)


def test_a_group_of_equal_outliers_does_not_hide_itself():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.standard_normal((300, 4)), 8 + 0.1 * rng.standard_normal((40, 4))])
    scores = quick().fit(X).decision_scores_
    assert roc_auc_score(np.arange(340) >= 300, scores) > 0.99


def test_outliers_of_wine_are_found_without_labels():
    X, y = load_wine(return_X_y=True)
    kept = np.flatnonzero((y != 0) | (np.cumsum(y == 0) <= 10))
    scores = quick().fit(X[kept]).decision_scores_
    assert roc_auc_score(y[kept] == 0, scores) > 0.85


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_contamination_is_the_share_of_training_rows_called_outliers(planted, share):
    assert quick(contamination=share).fit(planted[0]).labels_.mean() == pytest.approx(share, abs=1 / 400)


@pytest.mark.parametrize("threshold", ["auto", "tail", "holdout"])
def test_thresholds_call_few_ordinary_rows_outliers(threshold):
    X = np.random.default_rng(2).standard_normal((600, 3))
    detector = quick(threshold=threshold, false_alarms=0.05).fit(X[:400])
    assert 0 < (detector.predict(X[400:]) == -1).mean() < 0.15
    assert len(detector.decision_scores_) == 400


def test_frames_keep_their_names_and_missing_cells_are_no_evidence(planted):
    frame = pd.DataFrame(planted[0], columns=list("abcde"))
    frame.iloc[3, 1] = np.nan
    detector = quick(missing="mask").fit(frame)
    assert list(detector.feature_names_in_) == list("abcde")
    contributions = detector.contributions(frame)
    assert np.isfinite(contributions).all()
    assert contributions[planted[1][0]].argmax() == planted[2][0]


def test_mixed_frames_have_one_contribution_per_column(planted):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(planted[0][:, :2], columns=["x", "y"]).assign(colour=rng.choice(["red", "blue"], 400))
    frame.loc[5, "colour"] = "green"
    detector = quick().fit(frame)
    contributions = detector.contributions(frame)
    assert contributions.shape == (400, 3)
    assert contributions[5].argmax() == 2
    np.testing.assert_allclose(contributions.sum(axis=1), detector.decision_scores_, rtol=1e-6)


def test_odd_cells_of_skewed_columns_of_mixed_frames_come_first():
    rng = np.random.default_rng(0)
    amount = rng.lognormal(3, 1, 400)
    frame = pd.DataFrame({"amount": amount, "fee": 0.02 * amount + rng.normal(0, 0.05, 400)})
    frame["country"] = rng.choice(["DE", "FR", "NL"], 400, p=[0.6, 0.3, 0.1])
    frame.loc[0, ["amount", "fee"]] = [20 * amount.max(), 0.4 * amount.max()]
    frame.loc[1, "fee"] = 40.0
    scores = quick().fit(frame).decision_scores_
    assert set(np.argsort(-scores)[:2]) == {0, 1}


def test_files_are_scored_as_their_rows_are(planted, tmp_path):
    X = planted[0][:120]
    np.save(tmp_path / "rows.npy", X)
    from_file = quick().fit(tmp_path / "rows.npy")
    np.testing.assert_array_equal(from_file.decision_scores_, quick().fit(X).decision_scores_)
    np.testing.assert_array_equal(from_file.anomaly_score(tmp_path / "rows.npy"), from_file.anomaly_score(X))


def test_reference_rows_are_at_most_so_many(planted):
    detector = quick(max_reference_rows=50).fit(planted[0])
    assert len(detector.references_[0].points) == 50
    assert len(detector.decision_scores_) == 400


@pytest.mark.parametrize(
    "X",
    [
        np.ones((30, 3)),
        np.repeat(np.random.default_rng(0).random((6, 3)), 10, axis=0),
        np.random.default_rng(0).random((5, 40)),
        np.random.default_rng(0).random((2, 3)),
        np.column_stack([np.arange(50.0), np.zeros(50)]),
    ],
    ids=["constant", "duplicates", "fewer rows than columns", "two rows", "a constant column"],
)
def test_degenerate_rows_have_finite_scores(X):
    detector = quick().fit(X)
    assert np.isfinite(detector.decision_scores_).all()
    assert np.isfinite(detector.anomaly_score(X + 0.5, calibrated=True)).all()


def test_one_row_can_be_scored_alone(planted, fitted):
    np.testing.assert_allclose(fitted.anomaly_score(planted[0][:1]), fitted.decision_scores_[:1], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contamination": 0}, r"contamination=0 must be a number > 0 and <= 0.5 or 'auto'"),
        ({"contamination": 0.6}, r"contamination=0.6 must be"),
        ({"contamination": "many"}, r"contamination='many' must be"),
        ({"threshold": "tails"}, r"threshold='tails' must be .*did you mean 'tail'"),
        ({"contamination": 0.1, "threshold": "tail"}, "cannot be combined with contamination=0.1"),
        ({"n_estimators": 0}, "n_estimators=0 must be an integer >= 1"),
        ({"false_alarms": 0.7}, "false_alarms=0.7 must be"),
    ],
)
def test_wrong_parameters_are_named(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        quick(**settings).fit(np.zeros((4, 2)))


def test_too_few_rows_to_hold_back_and_iterators_are_refused(planted):
    with pytest.raises(InvalidDataError, match="needs 99 rows held back, at most half of 120"):
        quick(threshold="holdout").fit(planted[0][:120])
    with pytest.raises(InvalidDataError, match="an iterator can be read only once"):
        quick().fit(iter([planted[0]]))


def test_scores_are_written_block_by_block_with_the_largest_scores(planted, fitted, tmp_path):
    X = planted[0]
    found = fitted.anomaly_score_to(X, tmp_path / "scores.npy", top=3)
    scores, percentiles, outliers = np.load(tmp_path / "scores.npy").T
    np.testing.assert_array_equal(scores, fitted.decision_scores_)
    np.testing.assert_array_equal(percentiles, fitted.anomaly_score(X, calibrated=True))
    np.testing.assert_array_equal(outliers, fitted.labels_)
    assert (found.n_rows, found.n_outliers) == (400, 10)
    np.testing.assert_array_equal(found.rows, np.argsort(-scores)[:3])
    np.testing.assert_array_equal(found.contributions, fitted.contributions(X)[found.rows])
    assert fitted.anomaly_score_to(X[:5], None).rows.size == 0


def test_several_autoencoders_read_a_file_once(planted, tmp_path):
    frame = pd.DataFrame(planted[0][:80], columns=list("abcde")).assign(id=np.arange(80))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    two = quick(n_estimators=2).fit(frame[list("abcde")])
    two.anomaly_score_to(tmp_path / "rows.csv", tmp_path / "scores.csv", keep=["id"])
    written = pd.read_csv(tmp_path / "scores.csv")
    np.testing.assert_array_equal(written["id"], np.arange(80))
    np.testing.assert_allclose(written["score"], two.decision_scores_, rtol=1e-6)


@pytest.mark.parametrize("threshold", ["auto", "holdout"])
def test_rows_of_weight_0_are_scored_but_nothing_is_learned_from_them(planted, threshold):
    X, weights = planted[0], np.ones(400)
    weights[::5] = 0
    model = quick(threshold=threshold, false_alarms=0.05)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(clone(model).set_fit_request(sample_weight=True))
        weighted = pipeline.fit(X, sample_weight=weights)[-1]
    alone = clone(model).fit(X[weights > 0])
    assert len(weighted.decision_scores_) == 400
    if threshold == "auto":
        np.testing.assert_array_equal(weighted.references_[0].points, alone.references_[0].points)
        np.testing.assert_allclose(weighted.threshold_, alone.threshold_, rtol=1e-9)
    np.testing.assert_allclose(weighted.anomaly_score(X), weighted.decision_scores_, rtol=1e-6)
    np.testing.assert_allclose(weighted.anomaly_score(X), alone.anomaly_score(X), rtol=1e-6)
    with pytest.raises(InvalidDataError, match=r"sample_weight has shape \(3,\)"):
        quick(threshold=threshold, false_alarms=0.05).fit(X, sample_weight=[1, 2, 3])


def test_a_column_of_weights_is_no_feature(planted):
    frame = pd.DataFrame(planted[0], columns=list("abcde")).assign(w=np.arange(400) % 3)
    detector = quick().fit(frame, sample_weight="w")
    assert list(detector.feature_names_in_) == list("abcde")
    given = quick().fit(frame[list("abcde")], sample_weight=frame["w"])
    np.testing.assert_array_equal(given.decision_scores_, detector.decision_scores_)


@pytest.mark.slow
def test_a_file_of_mixed_columns_has_the_scores_of_its_frame(tmp_path):
    rng = np.random.default_rng(0)
    plans = rng.choice(["basic", "family", "firm"], 120)
    skewed = rng.lognormal(0, 2, 120).round(3)  # it is transformed, in both
    frame = pd.DataFrame({"plan": plans, "calls": skewed, "bill": rng.normal(size=120).round(3)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    options = {"n_estimators": 1, "max_epochs": 2, "random_state": 0}
    of_frame = AutoencoderOutlierDetector(**options).fit(frame)
    of_file = AutoencoderOutlierDetector(**options).fit(tmp_path / "rows.csv")
    np.testing.assert_allclose(of_file.decision_scores_, of_frame.decision_scores_, rtol=1e-6)
    np.testing.assert_allclose(of_file.anomaly_score(tmp_path / "rows.csv"), of_frame.anomaly_score(frame), rtol=1e-6)


def test_a_warm_start_continues_the_last_autoencoders(planted):
    X = planted[0][:60]
    first = quick(n_estimators=2).fit(X)
    weights = [model.encoder_weights_[0] for model in first.estimators_]
    warm = first.set_params(warm_start=True, learning_rate=1e-30, max_epochs=1).fit(X)
    for model, known in zip(warm.estimators_, weights, strict=True):
        np.testing.assert_allclose(model.encoder_weights_[0], known, rtol=1e-6)
