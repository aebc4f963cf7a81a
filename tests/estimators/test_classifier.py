import copy

import jax
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from checks import expected_failures
from isthmus import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from isthmus.core.errors import InvalidDataError, InvalidParameterError

rng = np.random.default_rng(0)
QUICK = {"max_epochs": 5, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def model(digits):
    return DenoisingAutoencoder(16, hidden_layer_sizes=(32,), **QUICK).fit(digits[0][:1200])


@pytest.mark.slow
@parametrize_with_checks(
    [
        AutoencoderClassifier(
            Autoencoder(
                2,
                hidden_layer_sizes=(8,),
                max_epochs=3,
                early_stopping=False,
                batch_size=1000,
                precision="float64",
                random_state=0,
            ),
            batch_size=1000,
            learning_rate=0.02,
            random_state=0,
        )
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_a_frozen_linear_encoder_converges_to_logistic_regression():
    X = rng.standard_normal((400, 4))
    y = (X @ [1.0, -2, 0.5, 0] + rng.standard_normal(400) > 0).astype(int)
    linear = {"hidden_layer_sizes": (), "linear_path": False, "scaling": None, "output_activation": "identity"}
    model = Autoencoder(4, **linear, **QUICK).fit(X)
    found = model.to_classifier(
        freeze_encoder=True, l2_penalty=0.01, max_epochs=400, learning_rate=0.05, random_state=0
    ).fit(X, y)
    codes = model.transform(X)
    # In scikit-learn, C multiplies the sum of the losses. Two logits with opposite weights have half the penalty each.
    exact = LogisticRegression(C=2 / (0.01 * len(X)), tol=1e-8).fit(codes, y)
    weight = found.params_["head"]["weight"]
    assert_allclose(weight[:, 1] - weight[:, 0], exact.coef_[0], atol=0.02)
    assert_allclose(found.predict_proba(X), exact.predict_proba(codes), atol=0.01)


def test_fine_tuning_copies_the_encoder_and_raises_the_accuracy(digits, model):
    X, y = digits
    before = copy.deepcopy(model.params_)
    tuned = model.to_classifier(**QUICK | {"max_epochs": 15}).fit(X[:1200], y[:1200])
    frozen = model.to_classifier(freeze_encoder=True, **QUICK | {"max_epochs": 15}).fit(X[:1200], y[:1200])
    jax.tree.map(assert_array_equal, before, model.params_)
    jax.tree.map(assert_array_equal, frozen.params_["encoder"], model.params_["encoder"])
    assert tuned.autoencoder_ is model
    assert tuned.score(X[1200:], y[1200:]) > frozen.score(X[1200:], y[1200:])
    assert tuned.history_["accuracy"][-1] > tuned.history_["accuracy"][0]


@pytest.mark.slow
def test_string_labels_and_a_clone_with_identical_results(digits):
    X, y = digits[0][:300], np.array(["odd", "even"])[(digits[1][:300] % 2 == 0).astype(int)].astype(object)
    classifier = AutoencoderClassifier(Autoencoder(4, hidden_layer_sizes=(8,), **QUICK), **QUICK).fit(X, y)
    assert list(classifier.classes_) == ["even", "odd"]
    assert set(classifier.predict(X)) <= {"even", "odd"}
    repeated = clone(classifier).fit(X, y)
    assert_array_equal(repeated.predict_proba(X), classifier.predict_proba(X))
    assert_allclose(classifier.predict_proba(X).sum(axis=1), 1, rtol=1e-12)


def test_early_stopping(digits, model):
    X, y = digits
    found = model.to_classifier(early_stopping=True, n_iter_no_change=1, learning_rate=0.05, random_state=0).fit(X, y)
    assert found.n_iter_ < 100
    assert len(found.history_["validation_loss"]) == found.n_iter_


def test_corruption_and_dropout_apply_only_in_training(digits, model):
    X, y = digits
    noisy = model.to_classifier(dropout=0.3, corruption="masking", corruption_level=0.2, **QUICK).fit(X, y)
    assert_array_equal(noisy.predict_proba(X[:5]), noisy.predict_proba(X)[:5])
    assert noisy.history_["loss"] != model.to_classifier(**QUICK).fit(X, y).history_["loss"]


@pytest.mark.slow
def test_the_network_uses_the_missing_mask(digits):
    X, y = digits
    incomplete = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    model = Autoencoder(8, hidden_layer_sizes=(32,), missing="mask", **QUICK).fit(incomplete)
    found = model.to_classifier(max_epochs=15, random_state=0).fit(incomplete, y)
    assert found.score(incomplete, y) > 0.8
    assert found.params_["indicator"].any()


def test_invalid_data_and_parameters(digits, model):
    X, y = digits
    with pytest.raises(InvalidDataError, match="only one class is present"):
        model.to_classifier().fit(X, 0 * y)
    with pytest.raises(InvalidDataError, match="inconsistent numbers of samples"):
        model.to_classifier().fit(X, y[:-1])
    with pytest.raises(InvalidDataError, match="X has 3 features, but the autoencoder was fitted on 64"):
        model.to_classifier().fit(X[:, :3], y)
    with pytest.raises(InvalidDataError, match="NaN at row 0, column 0;"):
        model.to_classifier().fit(np.where(np.arange(64) == 0, np.nan, X), y)
    with pytest.raises(InvalidParameterError, match=r"dropout=1\.5"):
        model.to_classifier(dropout=1.5).fit(X, y)
    with pytest.raises(InvalidParameterError, match="freeze_encoder='yes'"):
        model.to_classifier(freeze_encoder="yes").fit(X, y)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_labels_are_shuffled_with_their_rows(digits, model, monkeypatch, chunk_bytes):
    monkeypatch.setattr("isthmus.engine.loading.CHUNK_BYTES", chunk_bytes or 8 << 20)
    X, y = digits[0][:300], digits[1][:300]
    settings = {"max_epochs": 2, "learning_rate": 1e-30, "batch_size": 32, "random_state": 0}
    # The weights do not change, so the accuracy of an epoch equals that of the predictions.
    classifier = model.to_classifier(**settings).fit(X, y)
    accuracy = np.mean(classifier.predict(X) == y)
    assert 0 < accuracy < 1
    assert_allclose(classifier.history_["accuracy"], accuracy, rtol=1e-5)


@pytest.mark.slow
def test_columns_are_checked_as_the_autoencoder_checks_them(digits, tmp_path):
    X, y = digits[0][:100, 18:22], digits[1][:100]
    for names in (["a", "b", "c", "d"], [3, 1, 2, 0]):
        frame = pd.DataFrame(X, columns=names)
        classifier = Autoencoder(2, hidden_layer_sizes=(4,), **QUICK).fit(frame).to_classifier(**QUICK)
        for verb in (classifier.fit, classifier.fit(frame, y).score):
            with pytest.raises(ValueError, match=r"in the same order|put the columns in the order of fit"):
                verb(frame[names[::-1]], y)
    assert list(AutoencoderClassifier(**QUICK).fit(frame, y).column_labels_) == names


def test_tables_in_files_are_matched_by_name(digits, tmp_path):
    X, y = pd.DataFrame(digits[0][:100, 18:22], columns=["a", "b", "c", "d"]), digits[1][:100]
    classifier = Autoencoder(2, hidden_layer_sizes=(4,), **QUICK).fit(X).to_classifier(**QUICK)
    X[["d", "a", "c", "b"]].to_parquet(tmp_path / "turned.parquet")
    assert_array_equal(classifier.fit(X, y).predict(X), classifier.fit(tmp_path / "turned.parquet", y).predict(X))


def test_a_refused_fit_changes_nothing(digits, model):
    X, y = digits
    classifier = model.to_classifier(**QUICK).fit(X, y)
    before = {**vars(classifier)}
    bad = X.copy()
    bad[3, 5] = np.inf
    for rows, labels in ((bad, y + 1), (X[:, :3], y), (X, y[:5]), (np.where(bad == np.inf, 1e300, X), -y)):
        with pytest.raises(ValueError, match=r"."):
            classifier.fit(rows, labels)
        assert vars(classifier) == before


def test_rows_that_are_too_large_are_refused(digits, model):
    X, y = digits
    classifier = model.to_classifier(**QUICK).fit(X, y)
    large = X.copy()
    large[3, 5] = 1e300
    with pytest.raises(InvalidDataError, match=r"row 3, column 5 has the value 1e\+300"):
        classifier.fit(large, y)
    with pytest.raises(InvalidDataError, match=r"row 3 is too large for the model.*column 5 is 1e\+300"):
        classifier.predict(large)


def test_masked_labels_are_refused(digits, model):
    X, y = digits
    with pytest.raises(InvalidDataError, match="the label of row 2 is masked"):
        model.to_classifier(**QUICK).fit(X, np.ma.masked_array(y, np.arange(len(y)) == 2))


@pytest.mark.slow
def test_a_table_of_mixed_columns_needs_no_fitted_autoencoder():
    draws = np.random.default_rng(0)
    town = draws.choice(["Ulm", "Bonn", "Kiel"], 200)
    frame = pd.DataFrame({"town": town, "pay": draws.normal(size=200), "since": pd.date_range("2020", periods=200)})
    labels = pd.Series(town == "Ulm", dtype="boolean")
    unfitted = Autoencoder(4, hidden_layer_sizes=(8,), **QUICK)
    found = AutoencoderClassifier(unfitted, max_epochs=60, learning_rate=1e-2, random_state=0).fit(frame, labels)
    assert found.score(frame, labels.to_numpy(bool)) > 0.95
    assert found.predict(frame).dtype == bool
    same = unfitted.fit(frame).to_classifier(max_epochs=60, learning_rate=1e-2, random_state=0).fit(frame, labels)
    assert_array_equal(found.predict_proba(frame), same.predict_proba(frame))


@pytest.mark.parametrize(
    "other", [AutoencoderImputer(), AutoencoderOutlierDetector()], ids=lambda one: type(one).__name__
)
def test_what_has_no_encoder_is_refused(digits, other):
    with pytest.raises(InvalidParameterError, match=r"autoencoder=.* must be an autoencoder"):
        AutoencoderClassifier(other).fit(*digits)


@pytest.mark.parametrize("kind", [VariationalAutoencoder, VectorQuantizedAutoencoder])
def test_codes_that_a_classifier_would_not_read_as_they_are_are_refused(digits, kind):
    with pytest.raises(InvalidParameterError, match=f"^autoencoder={kind.__name__}: .* has no to_classifier; fit a"):
        AutoencoderClassifier(kind()).fit(*digits)
