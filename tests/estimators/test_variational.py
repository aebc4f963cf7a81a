import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from checks import expected_failures
from isthmus import VariationalAutoencoder
from isthmus.core.errors import CollapseWarning, InvalidDataError, InvalidParameterError
from isthmus.estimators import variational
from isthmus.losses.likelihoods import Gaussian


def quick(**settings):
    options = {"hidden_layer_sizes": (8,), "max_epochs": 3, "batch_size": 32, "random_state": 0}
    return VariationalAutoencoder(**{**options, **settings})


PICTURES = {"conditions": [0], "network": "convolutional", "hidden_layer_sizes": ()}
LONG = {"max_epochs": 200, "learning_rate": 1e-2, "kl_warmup": 0.5, "early_stopping": False}


def planted(n_rows=200, seed=0):
    """Return rows of five columns that two normal factors make, with noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(n_rows, 5)) + 4


@pytest.fixture(scope="module")
def fitted():
    return quick(**LONG).fit(planted())


@pytest.mark.slow
@parametrize_with_checks([quick()], expected_failed_checks=expected_failures)
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def test_codes_have_means_and_deviations(fitted):
    X = planted()
    mean, deviation = fitted.transform(X, return_std=True)
    assert_array_equal(mean, fitted.transform(X))
    assert mean.shape == deviation.shape == (200, 2)
    assert ((deviation > 0) & (deviation < 1)).all()
    assert_allclose(fitted.activity_, mean.var(axis=0), rtol=1e-5)
    assert fitted.n_active_units_ == 2
    assert fitted.score(X) > 0.8
    assert set(fitted.history_) >= {"loss", "reconstruction", "kl"}
    assert_allclose(fitted.history_["loss"][-1], fitted.history_["reconstruction"][-1] + fitted.history_["kl"][-1])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_deviations_are_a_frame_where_means_are(fitted, library):
    X = pd.DataFrame(planted(), index=np.arange(200)[::-1])
    expected = fitted.transform(planted(), return_std=True)
    model = copy.copy(fitted).set_output(transform=library)
    for frame, codes in zip(model.transform(X, return_std=True), expected, strict=True):
        assert type(frame).__module__.startswith(library)
        assert list(frame.columns) == list(fitted.get_feature_names_out())
        assert_array_equal(frame.to_numpy(), codes)
        assert library == "polars" or frame.index.equals(X.index)


def test_likelihoods_are_in_the_units_of_the_rows(fitted):
    X = planted()
    one, many = fitted.log_likelihood(X, 1), fitted.log_likelihood(X, 200)
    assert one.shape == (200,)
    assert one.mean() < many.mean()
    assert abs(fitted.elbo_ - one.mean()) < 0.2
    assert_allclose(fitted.log_likelihood(X, 200)[:3], fitted.log_likelihood(X[:3], 200), rtol=1e-4, atol=1e-4)
    # A model of rows in other units is the same one: the density of a cell is per unit.
    other = quick(**LONG).fit(1000 * X)
    assert_allclose(other.log_likelihood(1000 * X, 20), fitted.log_likelihood(X, 20) - 5 * np.log(1000), atol=0.05)


def test_samples_come_from_the_prior_and_repeat(fitted):
    X = planted()
    drawn = fitted.sample(4000, random_state=1)
    assert_array_equal(drawn[:5], fitted.sample(4000, random_state=1)[:5])
    assert drawn.shape == (4000, 5)
    noisy = fitted.sample(4000, random_state=1, draw=True)
    assert_allclose(noisy.mean(axis=0), X.mean(axis=0), atol=0.3)
    assert_allclose(np.cov(noisy.T), np.cov(X.T), atol=0.5)
    scale = np.exp(float(fitted.params_["likelihood"]["log_scale"])) * fitted.scaler_.scale
    assert_allclose((noisy - drawn).std(axis=0), scale, rtol=0.1)
    near = fitted.sample_near(X, random_state=2)
    assert (near.shape, near.dtype) == (X.shape, X.dtype)
    assert np.mean((near - X) ** 2) < 0.5 * np.mean((drawn[:200] - X) ** 2)


def test_a_file_has_the_model(fitted, tmp_path):
    fitted.save(tmp_path / "m")
    loaded = isthmus.load(tmp_path / "m")
    X = planted()
    assert type(loaded) is VariationalAutoencoder
    assert_array_equal(loaded.transform(X), fitted.transform(X))
    assert_array_equal(loaded.log_likelihood(X[:9]), fitted.log_likelihood(X[:9]))
    assert (loaded.elbo_, loaded.n_active_units_) == (fitted.elbo_, fitted.n_active_units_)


@pytest.mark.slow
def test_counts_keep_their_sums_and_come_sparse():
    rng = np.random.default_rng(0)
    X = rng.poisson(rng.gamma(2.0, 1.5, (120, 1)) * rng.dirichlet(np.ones(6), 2)[rng.integers(0, 2, 120)] * 8)
    settings = {"likelihood": "negative_binomial", "max_epochs": 10, "learning_rate": 1e-2, "n_components": 1}
    model = quick(**settings).fit(X.astype(float))
    assert_allclose(model.reconstruct(X).sum(axis=1), np.maximum(X.sum(axis=1), 1), rtol=1e-4)
    drawn = model.sample(50, random_state=0, draw=True)
    assert ((drawn >= 0) & (drawn == np.round(drawn))).all()
    sparse = quick(**settings).fit(csr_array(X.astype(float)))
    assert_allclose(sparse.transform(csr_array(X.astype(float))), model.transform(X), atol=1e-4)
    assert model.sample_near(X, random_state=0).shape == X.shape


@pytest.mark.slow
def test_conditions_are_read_and_can_be_replaced(tmp_path):
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 2, 300)
    frame = pd.DataFrame(planted(300) + 5 * batch[:, None] * np.array([1, 0, 1, 0, 1]), columns=list("abcde"))
    frame["batch"] = np.array(["north", "south"])[batch]
    model = quick(conditions=["batch"], likelihood=Gaussian("feature"), max_epochs=60, learning_rate=1e-2).fit(frame)
    codes = model.transform(frame)
    # The code does not tell the batches apart, which half of the columns show.
    assert abs(codes[batch == 0].mean(axis=0) - codes[batch == 1].mean(axis=0)).max() < 0.4
    moved = model.inverse_transform(codes, conditions={"batch": "south"})
    assert (moved["batch"] == "south").all()
    assert_allclose(moved["a"].mean(), frame["a"][batch == 1].mean(), atol=0.7)
    assert list(model.reconstruct(frame)["batch"]) == list(frame["batch"])
    as_frame = model.inverse_transform(codes, conditions=pd.DataFrame({"batch": frame["batch"]}))
    assert_allclose(as_frame["a"], model.reconstruct(frame)["a"], rtol=1e-4)
    assert (model.sample(5, random_state=0, conditions={"batch": "north"})["batch"] == "north").all()
    model.save(tmp_path / "m")
    assert isthmus.load(tmp_path / "m").likelihood == Gaussian("feature")
    with pytest.raises(InvalidDataError, match="conditions: column 'batch' has no level 'west'; it has 'north'"):
        model.inverse_transform(codes, conditions={"batch": "west"})
    with pytest.raises(InvalidParameterError, match="conditions: 'bach' is none of the model's, 'batch'; did you mean"):
        model.inverse_transform(codes, conditions={"bach": "north"})
    with pytest.raises(InvalidDataError, match="conditions have 3 rows, but there are 300 codes"):
        model.inverse_transform(codes, conditions={"batch": ["north"] * 3})


@pytest.mark.slow
def test_numbers_of_conditions_may_be_text_where_columns_have_no_names():
    # As a command line gives them.
    X = planted()
    by_text, by_number = quick(conditions=["4", "0"]).fit(X), quick(conditions=[4, 0]).fit(X)
    assert_array_equal(by_text.transform(X), by_number.transform(X))
    moved = [model.inverse_transform(X[:, :2], conditions={4: 1.0}) for model in (by_text, by_number)]
    assert_array_equal(*moved)
    with pytest.raises(InvalidParameterError, match="conditions: the rows have no column '4'"):
        quick(conditions=["4"]).fit(pd.DataFrame(X, columns=list("abcde")))


@pytest.mark.slow
def test_rows_of_other_conditions_are_framed_as_those_of_the_training_mean():
    X = planted()
    model = quick(conditions=[4]).fit(X)
    for dtype in (np.float32, np.float64):
        codes = model.transform(X.astype(dtype))
        assert model.inverse_transform(codes).dtype == dtype
        moved = model.inverse_transform(codes, conditions=X)
        assert moved.dtype == dtype
        assert_allclose(moved, model.reconstruct(X.astype(dtype)), rtol=1e-5, atol=1e-5)
    codes[3, 1] = np.nan
    for conditions in (None, X):
        with pytest.raises(InvalidDataError, match="NaN at row 3"):
            model.inverse_transform(codes, conditions=conditions)
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(200) + 50)
    model = quick(conditions=["e"]).set_output(transform="pandas").fit(frame)
    assert_array_equal(model.inverse_transform(model.transform(frame), conditions={"e": 4.0}).index, frame.index)
    assert_array_equal(model.sample_near(frame, random_state=0).index, frame.index)


@pytest.mark.slow
def test_a_row_of_weight_2_is_two_rows_of_what_is_measured():
    X, weights = planted(), np.arange(200) % 3
    model = quick().fit(X, sample_weight=weights)
    kept, counts = X[weights > 0], weights[weights > 0]
    assert_allclose(model.activity_, np.repeat(model.transform(kept), counts, axis=0).var(axis=0), rtol=1e-5)
    likelihood = model.log_likelihood(kept, 1, random_state=model.seed_)
    assert_allclose(model.elbo_, np.repeat(likelihood, counts).mean(), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")  # of two epochs
def test_pictures_with_conditions(tmp_path):
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    X, y = load_digits(return_X_y=True)
    table = pd.DataFrame(X).rename(columns=lambda number: f"p{number}").assign(digit=y.astype(str))
    settings = {"network": "convolutional", "channels": (8, 16), "image_shape": (8, 8), "max_epochs": 20}
    settings |= {"learning_rate": 3e-3, "kl_warmup": 0.3, "random_state": 0}
    model = VariationalAutoencoder(6, conditions=["digit"], **settings).fit(table)
    assert model.scaler_.kind == "unit"
    codes = model.transform(table)
    without = VariationalAutoencoder(6, **settings).fit(X).transform(X)
    # A code need not say which digit it is, where the decoder reads it.
    shares = [
        LogisticRegression(max_iter=2000).fit(own[::2], y[::2]).score(own[1::2], y[1::2]) for own in (codes, without)
    ]
    assert shares[0] < 0.6 < 0.8 < shares[1]
    # Whatever the code, the picture is of the digit that was asked for.
    judge = KNeighborsClassifier(5).fit(X, y)
    for digit in "37":
        drawn = model.inverse_transform(codes[:200], conditions={"digit": digit})
        assert (drawn["digit"] == digit).all()
        assert (judge.predict(drawn.iloc[:, :64].to_numpy()) == int(digit)).mean() > 0.8
    drawn = model.sample(50, random_state=0, conditions={"digit": "0"})
    assert (judge.predict(drawn.iloc[:, :64].to_numpy()) == 0).mean() > 0.8
    again = model.reconstruct(table)
    assert list(again["digit"]) == list(table["digit"])
    assert np.mean((again.iloc[:, :64].to_numpy() - X) ** 2) < 0.6 * X.var(axis=0).mean()
    model.save(tmp_path / "m")
    assert_array_equal(isthmus.load(tmp_path / "m").transform(table), codes)
    assert np.isfinite(model.log_likelihood(table, 10)).all()
    matrix = VariationalAutoencoder(6, conditions=[64], **settings | {"max_epochs": 2}).fit(np.column_stack([X, y]))
    assert matrix.reconstruct(np.column_stack([X, y])).shape == (1797, 65)
    with pytest.raises(
        InvalidParameterError, match="cannot learn text or categories; name these columns in conditions"
    ):
        VariationalAutoencoder(6, **settings).fit(table)


def test_a_collapse_is_said(monkeypatch):
    monkeypatch.setattr(variational, "ACTIVE", 10)
    with pytest.warns(CollapseWarning, match="2 of 2 code units are inactive: .* is below 10; set a smaller beta"):
        model = quick().fit(planted())
    assert model.n_active_units_ == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"likelihood": "gausian"}, "likelihood='gausian' must be one of .*; did you mean 'gaussian'"),
        ({"beta": -1}, "beta=-1 must be a number >= 0"),
        ({"free_bits": 0.1, "n_samples": 3}, "free_bits=0.1 cannot be combined with n_samples=3; leave one out"),
        ({"likelihood": "bernoulli"}, r"likelihood Bernoulli needs values in \[0, 1\].*; use scaling='minmax'"),
        ({"likelihood": "bernoulli", "output_activation": "tanh"}, "needs output_activation='sigmoid', not 'tanh'"),
        ({"likelihood": "poisson"}, "likelihood Poisson needs counts, and the rows have "),
        ({"likelihood": "poisson", "scaling": "standard"}, "needs counts as they are, not scaling='standard'"),
        ({"conditions": ["a"]}, "conditions: the rows have no column 'a'"),
        ({"conditions": [7]}, "conditions: the rows have no column 7"),
        (
            PICTURES | {"image_shape": (2, 3)},
            r"\(2, 3\) is not the shape of rows of 4 cells and 1 of conditions; pass flat",
        ),
        (
            PICTURES | {"channels": ()},
            r"channels=\(\) cannot be combined with conditions; give the channels of at least",
        ),
        ({"conditions": [0], "scaling": "zca"}, "conditions need a scaling by column, not scaling='zca'; use scaling="),
        ({"conditions": [0, 1, 2, 3, 4]}, "conditions has all columns; leave out at least one"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(settings, message):
    with pytest.raises((InvalidParameterError, InvalidDataError), match=message):
        quick(**settings).fit(planted())


def test_calls_that_mean_nothing_are_one_line(fitted):
    with pytest.raises(InvalidParameterError, match="n_samples=0 must be an integer >= 1"):
        fitted.sample(0)
    with pytest.raises(InvalidParameterError, match="n_importance_samples=0 must be an integer >= 1"):
        fitted.log_likelihood(planted(), 0)
    with pytest.raises(InvalidParameterError, match="conditions need a model that was fitted with conditions"):
        fitted.inverse_transform(np.zeros((1, 2)), conditions={"a": 1})
    assert not hasattr(fitted, "to_classifier")


@pytest.mark.slow
def test_a_linear_decoder_is_probabilistic_pca():
    """Tipping and Bishop 1999; Lucas et al. 2019: PCA's directions, and the mean of the other variances."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(4000, 3)) * [3.0, 2.0, 1.5]
    X = factors @ rng.normal(size=(3, 8)) + 0.5 * rng.normal(size=(4000, 8))
    X -= X.mean(axis=0)
    model = VariationalAutoencoder(
        3,
        hidden_layer_sizes=(),
        scaling=None,
        output_activation="identity",
        early_stopping=False,
        learning_rate=1e-2,
        max_epochs=200,
        random_state=0,
    ).fit(X)
    pca = PCA(3).fit(X)
    variance = np.exp(2 * float(model.params_["likelihood"]["log_scale"]))
    assert_allclose(variance, pca.noise_variance_, rtol=0.01)
    weights = np.asarray(model.params_["decoder"][0]["weight"], float)
    basis = np.linalg.qr(weights.T)[0]
    cosines = np.linalg.svd(basis.T @ pca.components_.T)[1]
    assert_allclose(cosines, 1, atol=1e-3)
    assert_allclose(model.log_likelihood(X[:500], 200).mean(), pca.score(X[:500]), rtol=0.01)
    assert_allclose(model.elbo_, pca.score(X), rtol=0.02)


@pytest.mark.slow
def test_pictures_and_importance_weights():
    from sklearn.datasets import load_digits

    images = load_digits().images[:600]
    model = VariationalAutoencoder(
        4, network="convolutional", channels=(8, 16), n_samples=4, kl_warmup=0.5, max_epochs=20, random_state=0
    ).fit(images)
    assert model.sample(3, random_state=0).shape == (3, 8, 8)
    assert model.sample_near(images[:2]).shape == (2, 8, 8)
    assert model.n_active_units_ > 0


@pytest.mark.slow
def test_a_fit_continues_from_its_checkpoint(tmp_path):
    X = planted()
    whole = quick(max_epochs=6).fit(X)
    quick(max_epochs=3, learning_rate_schedule="constant").fit(X, checkpoint=tmp_path / "c")
    part = quick(max_epochs=6, learning_rate_schedule="constant").fit(X, checkpoint=tmp_path / "c")
    assert part.n_iter_ == whole.n_iter_ == 6
    again = quick(max_epochs=6, learning_rate_schedule="constant").fit(X)
    assert_array_equal(part.transform(X), again.transform(X))


COUNTS = np.random.default_rng(0).poisson(3.0, (60, 4)).astype(float)
OF_COUNTS = {"max_epochs": 20, "n_components": 1, "beta": 0.0, "learning_rate": 1e-2}
SHARES = COUNTS / COUNTS.max()


@pytest.fixture(scope="module")
def of_counts():
    return quick(likelihood="poisson", **OF_COUNTS).fit(COUNTS)


@pytest.mark.parametrize("value", [-1.0, 0.5])
@pytest.mark.parametrize("form", [np.asarray, csr_array, np.asfortranarray])
@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "log_likelihood", "sample_near", "score", "code_statistics", "fit"]
)
def test_a_model_of_counts_refuses_other_rows_everywhere(of_counts, method, form, value):
    rows = COUNTS.copy()
    rows[41, 2] = value
    model = quick(likelihood="poisson", **OF_COUNTS) if method == "fit" else of_counts
    with pytest.raises(InvalidDataError, match=f"needs counts, and the rows have {value:g} at row 41, column 2; use"):
        getattr(model, method)(form(rows))


def test_a_model_of_counts_refuses_other_rows_from_file_to_file(of_counts, tmp_path):
    np.save(tmp_path / "rows.npy", COUNTS + 0.5)
    with pytest.raises(InvalidDataError, match=r"needs counts, and the rows have .*\.5 at row 0, column 0"):
        of_counts.transform_to(tmp_path / "rows.npy", tmp_path / "codes.npy")
    assert not (tmp_path / "codes.npy").exists()


@pytest.fixture(scope="module")
def of_shares():
    return quick(likelihood="bernoulli", **OF_COUNTS).fit(SHARES)


@pytest.mark.parametrize(
    ("method", "value", "form"),
    [
        ("transform", 1.5, np.asarray),
        ("transform", -0.5, csr_array),
        ("reconstruct", -0.5, np.asarray),
        ("log_likelihood", 1.5, csr_array),
        ("sample_near", 1.5, np.asfortranarray),
        ("score", -0.5, np.asarray),
        ("code_statistics", 255.0, np.asarray),
        ("partial_fit", 1.5, np.asarray),
    ],
)
def test_a_model_of_shares_refuses_other_rows_everywhere(of_shares, method, value, form):
    rows = SHARES.copy()
    rows[41, 2] = value
    place = (
        "scaled rows range" if method == "partial_fit" else rf"and the rows have {value:g} at row 41, column 2; give"
    )
    with pytest.raises(InvalidDataError, match=f"needs values .*{place}"):
        getattr(copy.deepcopy(of_shares), method)(form(rows))


def test_validation_rows_have_to_be_shares_too():
    other = np.where(np.arange(len(SHARES))[:, None] == 3, 2.0, SHARES)
    with pytest.raises(InvalidDataError, match=r"validation_data: likelihood Bernoulli needs values in \[0, 1\]"):
        quick(likelihood="bernoulli", **OF_COUNTS).fit(SHARES, validation_data=other)


def test_rows_beyond_the_range_of_training_rows_have_a_code_and_no_likelihood():
    rows = 10 * SHARES
    model = quick(likelihood="bernoulli", **OF_COUNTS, scaling="minmax").fit(rows, validation_data=1.1 * rows)
    assert np.isfinite(model.transform(1.1 * rows)).all()
    assert np.isfinite(model.score(1.1 * rows))
    with pytest.raises(
        InvalidDataError, match=r"needs values in the range of each column, and the rows have 11 at row"
    ):
        model.log_likelihood(np.where(SHARES.max() == SHARES, 11.0, rows))


def test_conditions_of_shares_may_be_any_numbers(tmp_path):
    rows = np.column_stack([SHARES, np.arange(len(SHARES)) % 7 - 300.0])
    model = quick(likelihood="bernoulli", **OF_COUNTS, scaling=None, conditions=[rows.shape[1] - 1]).fit(rows)
    assert np.isfinite(model.log_likelihood(rows, 2)).all()
    model.save(tmp_path / "model")
    rows[4, 0] = -1
    with pytest.raises(InvalidDataError, match=r"values from 0 to 1, and the rows have -1 at row 4, column 0"):
        VariationalAutoencoder.load(tmp_path / "model").transform(rows)


def test_rows_that_are_held_out_and_counts_beside_conditions_are_counts_too():
    rows = COUNTS.copy()
    rows[41, 2] = 0.5
    settings = OF_COUNTS | {"likelihood": "poisson"}
    with pytest.raises(InvalidDataError, match=r"have 0\.5 at row 41, column 2"):
        quick(**settings, conditions=[0]).fit(rows)
    with pytest.raises(InvalidDataError, match=r"validation_data: .* have 0\.5 at row 41, column 2"):
        quick(**settings).fit(COUNTS, validation_data=rows)
    for seed in range(4):
        with pytest.raises(InvalidDataError, match=r"have 0\.5 at row 41, column 2"):
            quick(**settings, validation_fraction=0.5, early_stopping=True, random_state=seed).fit(rows)


def test_what_is_set_after_a_fit_changes_the_next_fit_alone(tmp_path):
    model = quick(likelihood=Gaussian("feature"), conditions=[0], max_epochs=2).fit(COUNTS)
    codes, given = model.transform(COUNTS[:5]), {0: np.arange(5.0)}
    model.save(tmp_path / "model")

    def results(model):
        rows = model.inverse_transform(codes, conditions=given)
        return rows, model.log_likelihood(COUNTS[:5], 2), model.sample(3, random_state=0, draw=True)

    expected = results(model)
    changed = model.set_params(likelihood="poisson", conditions=[1], network="convolutional")
    for other in (changed, VariationalAutoencoder.load(tmp_path / "model").set_params(likelihood="bernoulli")):
        assert other.likelihood_ == Gaussian("feature")
        for found, known in zip(results(other), expected, strict=True):
            assert_array_equal(found, known)
