"""Autoencoders of tables with text, categories, dates and missing cells: from the frame to the frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from isthmus import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning

OPTIONS = {"n_components": 3, "hidden_layer_sizes": (16,), "max_epochs": 4, "missing": "mask", "random_state": 0}
LIBRARIES = {"pandas": lambda frame: frame, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}


def people(n=240, seed=0):
    """Return rows in which the job says much about age and income, with some missing cells."""
    rng = np.random.default_rng(seed)
    job = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "age": 20 + 15 * job + rng.integers(0, 10, n),
            "income": rng.normal(1000, 50, n) * (1 + job),
            "job": pd.Categorical.from_codes(job, ["farmer", "baker", "judge"]),
            "town": np.array(["Ulm", "Bonn", "Kiel"])[(job + (rng.random(n) < 0.2)) % 3],
            "owner": rng.random(n) < 0.5,
            "since": pd.Timestamp("2001-03-04") + pd.to_timedelta(rng.integers(0, 9000, n), unit="D"),
        }
    )
    for name, share in {"income": 0.05, "job": 0.03, "town": 0.03}.items():
        frame.loc[rng.random(n) < share, name] = None
    return frame


FRAME = people()


@pytest.fixture(scope="module")
def model():
    return Autoencoder(**{**OPTIONS, "max_epochs": 40}).fit(FRAME)


def test_columns_are_those_of_the_frame(model):
    assert model.n_features_in_ == 6
    assert list(model.feature_names_in_) == list(FRAME)
    assert model.network_.n_features == 2 + 3 + 3 + 1 + 1
    assert model.network_.categories == ((2, 5), (5, 8))
    assert list(model.get_feature_names_out()) == [f"autoencoder{i}" for i in range(3)]
    assert model.transform(FRAME).shape == (len(FRAME), 3)


def test_reconstruction_has_the_columns_types_and_index(model):
    given = FRAME.iloc[5:50]
    found = model.reconstruct(given)
    assert list(found.dtypes) == list(FRAME.dtypes)
    assert_array_equal(found.index, given.index)
    assert (found["job"] == given["job"])[given["job"].notna()].mean() > 0.9
    assert_array_equal(model.inverse_transform(model.transform(given))["town"], found["town"])


def test_probabilities_add_up_to_1_and_choose_the_level(model):
    shares = model.reconstruct(FRAME, probabilities=True)
    levels = ["job=farmer", "job=baker", "job=judge"]
    assert_allclose(shares[levels].sum(axis=1), 1, rtol=1e-5)
    assert_array_equal("job=" + model.reconstruct(FRAME)["job"].astype(str), shares[levels].idxmax(axis=1))


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_library_is_that_of_the_frame(library):
    frame = LIBRARIES[library](FRAME)
    model = Autoencoder(**OPTIONS).fit(frame)
    # Categories of polars have no order of their own, so that their columns are in another one.
    if library != "polars":
        assert_array_equal(model.transform(frame), Autoencoder(**OPTIONS).fit(FRAME).transform(FRAME))
    for found in (model.reconstruct(frame), model.inverse_transform(model.transform(frame)), model.impute(frame)):
        assert type(found) is type(frame)
        assert list(found.columns if library != "pyarrow" else found.column_names) == list(FRAME)
    # Rows of another library than that of fit.
    assert_array_equal(model.transform(FRAME), model.transform(frame))


def test_set_output_names_the_library_of_decoded_rows():
    model = Autoencoder(**OPTIONS).set_output(transform="polars").fit(FRAME)
    assert isinstance(model.inverse_transform(model.transform(FRAME)), pl.DataFrame)


def test_imputed_cells_are_of_the_columns_types_and_others_stay(model):
    filled = model.impute(FRAME)
    assert not filled.isna().any().any()
    for name in FRAME:
        seen = FRAME[name].notna()
        assert (filled[name][seen] == FRAME[name][seen]).all()
    assert set(filled["town"]) == {"Ulm", "Bonn", "Kiel"}


def test_unknown_levels_are_said_once_and_are_no_error(model):
    strange = FRAME.copy()
    strange.loc[[3, 4], "town"] = "Rome"
    with pytest.warns(IsthmusWarning, match="column 'town' has 2 cells .* such as 'Rome'") as caught:
        codes = model.transform(strange)
    assert len(caught) == 1
    assert np.isfinite(codes).all()
    same = np.delete(np.arange(len(FRAME)), [3, 4])
    assert_array_equal(codes[same], model.transform(FRAME)[same])


def test_errors_are_of_the_frames_columns(model):
    cells = model.reconstruction_error(FRAME, per="cell")
    assert cells.shape == FRAME.shape
    assert_array_equal(np.isnan(cells), FRAME.isna())
    assert_allclose(model.reconstruction_error(FRAME, per="feature"), np.nanmean(cells, axis=0))
    assert_allclose(model.reconstruction_error(FRAME), np.nanmean(cells, axis=1))
    assert 0.5 < model.score(FRAME) <= 1


def test_a_constant_reconstruction_costs_1_for_each_column():
    """In scaled units the marginal of each column, whatever its kind, has the error 1."""
    frame = people(2000)[["income", "job", "town"]].dropna()
    options = {"hidden_layer_sizes": (), "linear_path": False, "early_stopping": False, "max_epochs": 1}
    model = Autoencoder(1, **options, random_state=0).fit(frame)
    shares = [frame[name].value_counts(normalize=True).sort_index() for name in ("job", "town")]
    bias = np.log(np.concatenate([[1.0], *shares]))  # the mean of scaled incomes is 0
    decoder = {"bias": bias.astype(np.float32), "weight": np.zeros((1, 7), np.float32)}
    model.params_ = {**model.params_, "decoder": [decoder]}
    assert_allclose(model.reconstruction_error(frame, per="feature"), 1, rtol=1e-3)


def test_weights_by_name():
    named = Autoencoder(**OPTIONS, feature_weights={"job": 3, "since": 0}).fit(FRAME)
    by_place = Autoencoder(**OPTIONS, feature_weights=(1, 1, 3, 1, 1, 0)).fit(FRAME)
    assert_array_equal(named.transform(FRAME), by_place.transform(FRAME))
    with pytest.raises(InvalidParameterError, match="the rows have no column 'jobs'; did you mean 'job'"):
        Autoencoder(**OPTIONS, feature_weights={"jobs": 3}).fit(FRAME)
    with pytest.raises(InvalidParameterError, match="the rows have no column names"):
        Autoencoder(**OPTIONS, feature_weights={"job": 3}).fit(FRAME[["age"]].to_numpy())


def test_only_a_columns_own_weight_matters_in_the_loss():
    """With all weight on one category, the loss of predicting its marginal is 1."""
    frame = people(2000)[["age", "job"]].dropna()
    model = Autoencoder(
        1, hidden_layer_sizes=(), feature_weights={"age": 0}, early_stopping=False, max_epochs=1, learning_rate=1e-9
    )
    model.set_params(linear_path=False, random_state=0, output_activation="identity").fit(frame)
    assert 0 < model.history_["loss"][0] < 1.2, "PCA's start is not worse than the marginal"


@pytest.mark.parametrize(
    "estimator",
    [
        DenoisingAutoencoder(3, hidden_layer_sizes=(16,)),
        pytest.param(DenoisingAutoencoder(3, corruption="swap"), marks=pytest.mark.slow),
        SparseAutoencoder(12, k=3),
        pytest.param(SparseAutoencoder(12, sparsity="kl"), marks=pytest.mark.slow),
        pytest.param(Autoencoder(3, hidden_layer_sizes=()), marks=pytest.mark.slow),
        pytest.param(Autoencoder(3, hidden_layer_sizes=(16,), tied_weights=True), marks=pytest.mark.slow),
        pytest.param(Autoencoder(3, hidden_layer_sizes=(16,), pretrain=2, linear_path=False), marks=pytest.mark.slow),
        pytest.param(Autoencoder(3, hidden_layer_sizes=(16,), scaling="minmax", loss="huber"), marks=pytest.mark.slow),
        pytest.param(Autoencoder(0.9, hidden_layer_sizes=(16,), datetimes="calendar"), marks=pytest.mark.slow),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.SparsityWarning")
def test_every_family_takes_tables(estimator, tmp_path):
    model = clone(estimator).set_params(max_epochs=3, missing="mask", random_state=0).fit(FRAME)
    rebuilt = model.reconstruct(FRAME)
    assert list(rebuilt.dtypes) == list(FRAME.dtypes)
    model.save(tmp_path / "model.safetensors")
    loaded = type(model).load(tmp_path / "model.safetensors")
    assert_array_equal(loaded.transform(FRAME), model.transform(FRAME))
    pd.testing.assert_frame_equal(loaded.reconstruct(FRAME), rebuilt)


@pytest.mark.slow
def test_pipelines_and_classifiers_take_tables(model):
    frame, y = FRAME.drop(columns="owner"), FRAME["owner"].to_numpy()
    pipeline = make_pipeline(Autoencoder(**OPTIONS), LogisticRegression()).fit(frame, y)
    assert pipeline.predict(frame).shape == y.shape
    classifier = model.to_classifier(max_epochs=2, random_state=0).fit(FRAME, y)
    assert classifier.predict_proba(FRAME).shape == (len(FRAME), 2)


def test_files_of_mixed_columns(tmp_path):
    FRAME.to_parquet(tmp_path / "people.parquet")
    model = Autoencoder(**OPTIONS).fit(tmp_path / "people.parquet")
    expected = Autoencoder(**OPTIONS).fit(FRAME)
    assert_array_equal(model.transform(tmp_path / "people.parquet"), expected.transform(FRAME))
    assert_array_equal(model.transform(FRAME), expected.transform(FRAME))
    rebuilt = model.reconstruct(tmp_path / "people.parquet")
    assert isinstance(rebuilt, pa.Table)
    assert rebuilt.column_names == list(FRAME)


def test_dates_are_refused_on_request():
    with pytest.raises(InvalidDataError, match=r"column 'since' holds dates or times .* encode it with datetimes="):
        Autoencoder(**OPTIONS, datetimes="refuse").fit(FRAME)


def test_missing_cells_need_a_mask():
    with pytest.raises(InvalidDataError, match=r"'(income|job|town)'"):
        Autoencoder(**{**OPTIONS, "missing": "refuse"}).fit(FRAME)


def test_an_array_for_a_model_of_a_table_is_refused(model):
    with pytest.raises(InvalidDataError, match="fitted on a table with columns of the kind category and datetime"):
        model.transform(np.zeros((3, 6)))


def test_networks_of_pictures_and_scalings_that_mix_columns_are_refused():
    with pytest.raises(InvalidParameterError, match="cannot learn text or categories"):
        ConvolutionalAutoencoder(2, image_shape=(2, 5), max_epochs=1).fit(FRAME.dropna())
    with pytest.raises(InvalidParameterError, match="mixes the columns of a row"):
        Autoencoder(2, scaling="zca", max_epochs=1).fit(FRAME.dropna())


def test_a_refused_fit_keeps_the_last_one(model):
    fitted = clone(model).set_params(max_epochs=1).fit(FRAME)
    before = fitted.transform(FRAME)
    with pytest.raises(InvalidDataError):
        fitted.fit(FRAME.assign(note=[f"text {i}" for i in range(len(FRAME))]))
    assert_array_equal(fitted.transform(FRAME), before)


def test_partial_fit_and_warm_start_continue_on_tables():
    model = Autoencoder(**OPTIONS).partial_fit(FRAME).partial_fit(FRAME[::2])
    assert model.n_iter_ == 2


@pytest.mark.parametrize("form", ["frame", "file"])
def test_a_warm_start_keeps_levels_and_the_origin_of_dates(form, tmp_path):
    """Rows with other levels and later dates would otherwise be encoded as others than the network knows."""
    later = FRAME[FRAME["town"] != "Bonn"].assign(since=FRAME["since"] + pd.Timedelta(days=5000))
    later["town"] = later["town"].replace("Kiel", "Aachen")
    given = later
    if form == "file":
        given = tmp_path / "later.parquet"
        later.to_parquet(given, index=False)
    model = Autoencoder(**OPTIONS, warm_start=True).fit(FRAME)
    known = model.encoding_
    with pytest.warns(IsthmusWarning, match="such as 'Aachen'"):
        model.fit(given)
    assert model.encoding_ is known
    assert_array_equal(model.encoding_.columns[3].levels, ["Bonn", "Kiel", "Ulm"])


def test_a_warm_start_on_other_columns_learns_them():
    model = Autoencoder(**OPTIONS, warm_start=True).fit(FRAME)
    with pytest.raises(InvalidParameterError, match="the width of the rows has changed"):
        model.fit(FRAME.drop(columns="town"))
