import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from checks import expected_failures
from commands import isthmus as command
from isthmus import NeighborAutoencoder
from isthmus.core.errors import CollapseWarning, InvalidDataError, InvalidParameterError, ModelFileError
from isthmus.estimators.fit import neighborhood


def quick(**settings):
    options = {"hidden_layer_sizes": (16,), "feature_components": 8, "max_epochs": 2, "batch_size": 32}
    return NeighborAutoencoder(**{**options, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def groups():
    """Three groups of 40 rows in five dimensions, far from one another, and the group of each row."""
    rng = np.random.default_rng(0)
    centers = 6 * rng.standard_normal((3, 5))
    labels = np.repeat(np.arange(3), 40)
    return centers[labels] + rng.standard_normal((120, 5)), labels


@pytest.fixture(scope="module")
def fitted(groups):
    return quick(max_epochs=60, learning_rate=1e-2).fit(groups[0])


@pytest.mark.slow
@parametrize_with_checks([quick()], expected_failed_checks=expected_failures)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def test_the_map_keeps_groups_apart_and_is_decoded(groups, fitted):
    rows, labels = groups
    codes = fitted.transform(rows)
    assert codes.shape == (120, 2)
    assert KNeighborsClassifier(5).fit(codes[::2], labels[::2]).score(codes[1::2], labels[1::2]) > 0.9
    assert fitted.score(rows) > 0.5
    assert fitted.inverse_transform(codes).shape == rows.shape
    assert_allclose(fitted.reconstruct(rows), fitted.inverse_transform(codes))


def test_a_code_depends_on_its_row_alone(groups, fitted):
    rows = groups[0]
    assert_array_equal(fitted.transform(rows[7:8]), fitted.transform(rows)[7:8])


def test_what_a_fit_keeps(fitted):
    assert fitted.n_iter_ == 60 == len(fitted.history_["neighbors"]) == len(fitted.feature_history_["neighbors"])
    assert fitted.feature_history_["neighbors"][-1] < fitted.feature_history_["neighbors"][0]
    assert fitted.history_["reconstruction"][-1] < fitted.history_["reconstruction"][0]
    assert (fitted.n_graph_rows_, fitted.graph_recall_) == (120, 1.0)
    assert fitted.get_feature_names_out().tolist() == ["neighborautoencoder0", "neighborautoencoder1"]


def test_saving_and_loading(groups, fitted, tmp_path):
    path = tmp_path / "map.isthmus"
    fitted.save(path)
    for other in (isthmus.load(path), NeighborAutoencoder.load(path)):
        assert_array_equal(other.transform(groups[0]), fitted.transform(groups[0]))
        assert other.get_params() == fitted.get_params()
        assert other.feature_history_ == fitted.feature_history_
    assert "NeighborAutoencoder" in command("inspect", path).stdout
    with pytest.raises(ModelFileError, match="not the class Autoencoder"):
        isthmus.Autoencoder.load(path)


def test_a_fit_is_repeatable_and_takes_files_and_graphs(groups, tmp_path):
    rows = groups[0]
    model = quick().fit(rows)
    np.save(tmp_path / "rows.npy", rows)
    assert_array_equal(quick().fit(tmp_path / "rows.npy").transform(rows), model.transform(rows))
    found = isthmus.estimators.fit.graph.neighbors.exact(StandardScaler().fit_transform(rows), 15)
    given = quick().fit(rows, graph=found)
    assert given.graph_recall_ is None
    assert_allclose(given.transform(rows), model.transform(rows), atol=1e-3)
    matrix = scipy.sparse.csr_matrix((np.ones(found.size), (np.repeat(np.arange(120), 15), found.ravel())))
    assert np.isfinite(quick().fit(rows, graph=matrix).transform(rows)).all()


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (np.zeros((3, 2), int), r"graph has the shape \(3, 2\), but X has 120 rows; it must be \(n, k\)"),
        (np.zeros((120, 2)), "graph has the type float64; the numbers of neighbours must be integers"),
        (np.full((120, 2), 120), "graph has the neighbour 120 in row 0; rows are 0 to 119"),
        (np.arange(120)[:, None], "graph has no edge between two different rows"),
        (scipy.sparse.eye(7), r"graph has the shape \(7, 7\), but X has 120 rows; it must be \(n, n\)"),
    ],
)
def test_a_graph_that_does_not_fit(groups, graph, message):
    with pytest.raises(InvalidDataError, match=message):
        quick().fit(groups[0], graph=graph)


def test_other_rows():
    rows = np.random.default_rng(1).normal(size=(20, 5))
    rows[:9] = 5.0  # equal rows
    for X in (rows, np.ones((20, 5)), np.concatenate([rows, rows + 1e6])):
        codes = quick().fit(X).transform(X)
        assert np.isfinite(codes).all()
    with pytest.raises(InvalidDataError, match="n_samples=1"):
        quick().fit(rows[:1])


@pytest.mark.slow
def test_tables_with_missing_cells_and_categories():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "c": rng.choice(["x", "y", "z"], 60)})
    table.loc[::7, "a"] = np.nan
    model = quick(missing="mask").fit(table)
    assert np.isfinite(model.transform(table)).all()
    assert model.inverse_transform(model.transform(table)).columns.tolist() == ["a", "b", "c"]
    with pytest.raises(InvalidDataError, match="NaN"):
        quick().fit(table)


def test_pictures(groups):
    pictures = groups[0].reshape(120, 1, 5)
    model = quick(augmentation=None).fit(pictures)
    assert model.transform(pictures).shape == (120, 2)
    assert model.inverse_transform([[0.0, 0.0]]).shape == (1, 1, 5)
    flat = quick(augmentation=None, image_shape=(1, 5)).fit(groups[0])
    assert flat.inverse_transform([[0.0, 0.0]]).shape == (1, 5)
    with pytest.raises(InvalidDataError, match="image_shape"):
        quick(image_shape=(3, 3)).fit(groups[0])


def test_rows_of_weight_zero_are_left_out(groups):
    rows = np.concatenate([groups[0], groups[0][:30] + 1])
    weights = np.repeat([1, 0], [120, 30])
    graph = np.concatenate([np.roll(np.arange(120), 1), np.arange(30)])[:, None]
    model = quick().fit(rows, graph=graph, sample_weight=weights)
    assert_array_equal(model.transform(rows), quick().fit(groups[0], graph=graph[:120]).transform(rows))


def test_partial_fit_is_refused_in_words(fitted):
    assert not hasattr(fitted, "partial_fit")
    with pytest.raises(AttributeError, match="neighbours are searched among all rows"):
        fitted.partial_fit([[0.0]])


def test_an_earlier_fit_stays_where_another_is_refused(groups, fitted):
    before = fitted.transform(groups[0])
    with pytest.raises(InvalidParameterError, match=r"n_neighbors=0 must be an integer >= 1"):
        fitted.set_params(n_neighbors=0).fit(groups[0])
    fitted.set_params(n_neighbors=15)
    assert_array_equal(fitted.transform(groups[0]), before)


def test_a_map_in_a_pipeline(groups):
    pipeline = make_pipeline(StandardScaler(), quick(), KNeighborsClassifier(3))
    assert pipeline.fit(*groups).predict(groups[0]).shape == (120,)


def test_callbacks_see_the_map_and_stop_it(groups):
    seen = []

    def watch(model):
        seen.append(model.transform(groups[0]).shape)
        return len(seen) == 2

    model = quick(max_epochs=3).set_callbacks(watch).fit(groups[0])
    assert seen == [(120, 2), (120, 2)]  # not the features of the first stage
    assert model.n_iter_ == 2
    assert len(model.feature_history_["neighbors"]) == 3


def test_neighbours_of_the_last_stage_are_those_of_the_features(groups, monkeypatch):
    seen = []
    real = neighborhood._run

    def run(plan, prepared, edges, objective, *others):
        seen.append(edges)
        return real(plan, prepared, edges, objective, *others)

    monkeypatch.setattr(neighborhood, "_run", run)
    model = quick(neighbors_of="features").fit(groups[0])
    assert (model.n_graph_rows_, model.graph_recall_) == (120, 1.0)
    assert len(seen) == 2
    assert not np.array_equal(seen[0].ends, seen[1].ends)
    for other, message in (
        ({"feature_components": None}, "neighbors_of='features' needs the first stage"),
        ({"hidden_layer_sizes": ()}, "neighbors_of='features' needs hidden layers"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            quick(neighbors_of="features", **other).fit(groups[0])


def test_a_decoder_that_is_worse_than_the_mean_row_is_reported(groups):
    rows = groups[0]
    with pytest.warns(CollapseWarning, match=r"its loss is [0-9.]+, that of the mean row 1;"):
        quick(max_epochs=1).fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(max_epochs=1, reconstruction_weight=0).fit(rows)


def test_a_fit_without_a_finished_epoch_has_no_decoder_to_report(fitted, monkeypatch):
    monkeypatch.setattr(fitted, "history_", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted._warn_of_useless_decoder(1.0)
