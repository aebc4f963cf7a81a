import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy
from sklearn.cluster import KMeans
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from checks import expected_failures
from isthmus import VectorQuantizedAutoencoder
from isthmus.core.errors import CollapseWarning, InvalidDataError, InvalidParameterError
from isthmus.sparsity import CODES, VectorQuantization

SETTINGS = {"n_components": 8, "n_codes": 16, "hidden_layer_sizes": (12,), "max_epochs": 30, "batch_size": 32}


def quick(**settings):
    return VectorQuantizedAutoencoder(**{**SETTINGS, "learning_rate": 1e-2, "random_state": 0, **settings})


def planted(n_rows=200, seed=0):
    """Return rows of five columns that two uniform factors make, with noise."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-2, 2, (n_rows, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(n_rows, 5)) + 4


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(planted())


@pytest.mark.slow
@parametrize_with_checks(
    [VectorQuantizedAutoencoder(max_epochs=3, random_state=0)], expected_failed_checks=expected_failures
)
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def test_codes_are_entries_of_the_codebook(fitted):
    X = planted()
    codes, indices = fitted.transform(X), fitted.code_indices(X)
    assert (codes.shape, indices.shape, indices.dtype) == ((200, 8), (200, 2), np.int32)
    assert fitted.codebook_.shape == (2, 16, 4)
    assert fitted.n_groups_ == 2
    entries = np.concatenate([fitted.codebook_[group, indices[:, group]] for group in range(2)], axis=1)
    assert_array_equal(codes, entries)
    assert_array_equal(fitted.codes_of(indices), codes)
    # The nearest ones to what the encoder gives.
    given = np.asarray(fitted.network_.encode(fitted.params_, fitted.scaler_.scaled(X, np.float32)), np.float64)
    away = np.square(given.reshape(200, 2, 1, 4) - fitted.codebook_[None]).sum(axis=3)
    assert_array_equal(indices, away.argmin(axis=2))


def test_both_forms_of_codes_are_decoded_alike(fitted):
    X = planted().astype(np.float32)
    codes, indices = fitted.transform(X), fitted.code_indices(X)
    rows = fitted.inverse_transform(codes)
    assert_array_equal(fitted.inverse_transform(indices), rows)
    assert_array_equal(fitted.inverse_transform(indices.astype(np.uint8).tolist()), rows)
    assert_array_equal(fitted.inverse_transform(pd.DataFrame(indices)), rows)
    assert_array_equal(fitted.reconstruct(X), rows)
    assert fitted.score(X) > 0.8


def test_how_entries_are_used(fitted):
    X = planted()
    indices = fitted.code_indices(X)
    usage = np.stack([np.bincount(group, minlength=16) for group in indices.T]) / 200
    assert_allclose(fitted.usage_, usage)
    assert_allclose(fitted.perplexity_, np.exp(entropy(usage, axis=1)))
    assert fitted.n_unused_codes_ == (usage == 0).sum()
    history = fitted.history_
    assert_allclose(history["loss"], np.add(history["reconstruction"], history["commitment"]), rtol=1e-5)
    assert all(1 <= value <= 16 for value in history["perplexity"])
    assert len(history["unused_codes"]) == fitted.n_iter_


def test_a_row_of_weight_2_is_two_rows_of_the_usage():
    X, weights = planted(), np.arange(200) % 3
    model = quick(max_epochs=2).fit(X, sample_weight=weights)
    rows = np.repeat(X, weights, axis=0)
    usage = np.stack([np.bincount(group, minlength=16) for group in model.code_indices(rows).T]) / len(rows)
    assert_allclose(model.usage_, usage)


def test_a_file_has_the_model(fitted, tmp_path):
    fitted.save(tmp_path / "m")
    loaded = isthmus.load(tmp_path / "m")
    X = planted()
    assert type(loaded) is VectorQuantizedAutoencoder
    assert loaded.sparsity_ == fitted.sparsity_ == VectorQuantization(16)
    assert_array_equal(loaded.transform(X), fitted.transform(X))
    assert_array_equal(loaded.code_indices(X), fitted.code_indices(X))
    assert_array_equal(loaded.perplexity_, fitted.perplexity_)
    np.save(tmp_path / "rows.npy", X)
    assert_array_equal(loaded.code_indices(tmp_path / "rows.npy"), fitted.code_indices(X))


@pytest.mark.slow
def test_samples_are_decoded_entries(fitted):
    drawn = fitted.sample(20, planted(), random_state=1)
    assert drawn.shape == (20, 5)
    assert_array_equal(drawn, fitted.sample(20, random_state=1))
    codes = fitted.code_density_.draw(20, np.random.default_rng(1)).astype(np.float32)
    away = np.square(codes.reshape(20, 2, 1, 4) - fitted.codebook_[None]).sum(axis=3)
    assert_array_equal(drawn, fitted.inverse_transform(away.argmin(axis=2)))


@pytest.mark.slow
def test_a_collapse_is_said():
    rows = np.repeat(np.eye(3, 5), 40, axis=0)
    with pytest.warns(
        CollapseWarning, match=r"of the 16 entries for group \d of the code are used by none of 120 rows"
    ):
        model = quick(max_epochs=2).fit(rows)
    assert model.perplexity_.max() < 4
    assert model.n_unused_codes_ >= 26


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"code": "vqq"}, "code='vqq' must be 'vq'; did you mean 'vq'"),
        ({"n_codes": 1}, "n_codes=1 must be an integer >= 2"),
        ({"n_groups": 3}, "n_groups=3 must divide n_components=8: groups have equal sizes"),
        ({"n_groups": "all"}, "n_groups='all' must be an integer >= 1 or 'auto'"),
        ({"decay": 1.0}, "decay=1.0 must be a number >= 0 and < 1"),
        ({"n_components": 0.5}, "n_components=0.5 must be an integer >= 1"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        quick(**settings).fit(planted())


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([[0, 16]], "indices: row 0, group 1 is 16, but entries have numbers from 0 to 15"),
        ([[0, 1], [-1, 0]], "indices: row 1, group 0 is -1, but entries"),
        ([[0.0, 1.0]], r"indices must be integers of shape \(n_samples, 2\), not float64 of shape \(1, 2\)"),
        ([0, 1], r"indices must be integers of shape \(n_samples, 2\), not int64 of shape \(2,\)"),
    ],
)
def test_numbers_of_no_entry_are_one_line(fitted, indices, message):
    with pytest.raises(InvalidDataError, match=message):
        fitted.codes_of(np.array(indices))


def test_other_calls_that_mean_nothing_are_one_line(fitted):
    with pytest.raises(InvalidDataError, match="codes have 3 columns, but the model's codes have 8"):
        fitted.inverse_transform(np.zeros((1, 3)))
    with pytest.raises(InvalidDataError, match="indices: row 0, group 0 is 99"):
        fitted.inverse_transform(np.full((1, 2), 99))
    assert not hasattr(fitted, "to_classifier")


@pytest.mark.slow
def test_where_each_unit_is_a_group_integers_are_refused():
    X = planted().astype(np.float32)
    model = quick(n_components=2, n_groups=2).fit(X)
    indices = model.code_indices(X)
    with pytest.raises(InvalidDataError, match="integers of 2 columns may be codes or numbers of entries"):
        model.inverse_transform(indices)
    assert_array_equal(model.inverse_transform(model.codes_of(indices)), model.inverse_transform(model.transform(X)))


@pytest.mark.slow
def test_a_fit_continues_from_its_checkpoint_to_the_bit(tmp_path):
    X, constant = planted(), {"learning_rate_schedule": "constant"}
    quick(max_epochs=3, **constant).fit(X, checkpoint=tmp_path / "c")
    part = quick(max_epochs=6, **constant).fit(X, checkpoint=tmp_path / "c")
    whole = quick(max_epochs=6, **constant).fit(X)
    assert part.n_iter_ == whole.n_iter_ == 6
    jax.tree.map(assert_array_equal, part.sparsity_state_, whole.sparsity_state_)
    assert_array_equal(part.transform(X), whole.transform(X))
    assert_array_equal(part.usage_, whole.usage_)


@pytest.mark.slow
def test_training_continues_with_the_codebook(tmp_path):
    X = planted()
    model = quick(max_epochs=4, warm_start=True).fit(X)
    before = model.codebook_.copy()
    model.save(tmp_path / "m", optimizer=True)
    again = isthmus.load(tmp_path / "m").partial_fit(X)
    model.partial_fit(X)
    assert_array_equal(again.codebook_, model.codebook_)
    assert 0 < np.abs(model.codebook_ - before).max() < np.abs(before).max()
    # Another number of entries is another codebook, for the same network.
    assert model.set_params(n_codes=8).fit(X).codebook_.shape == (2, 8, 4)


@pytest.mark.slow
def test_float64_is_float64():
    X = planted()
    model = quick(precision="float64").fit(X)
    assert model.codebook_.dtype == np.float64
    assert not np.array_equal(model.codebook_, model.codebook_.astype(np.float32))
    assert_array_equal(model.codes_of(model.code_indices(X)), model.transform(X))
    assert model.transform(X).dtype == np.float64


@pytest.mark.slow
def test_a_frame_with_categories_and_missing_cells():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(planted(300), columns=list("abcde"))
    frame["side"] = np.array(["left", "right"])[(frame["a"] > 4).astype(int)]
    frame.loc[rng.random(300) < 0.1, "b"] = np.nan
    model = quick(missing="mask").fit(frame)
    rows = model.inverse_transform(model.code_indices(frame))
    assert list(rows.columns) == list(frame.columns)
    assert (rows["side"] == frame["side"]).mean() > 0.9
    weighted = quick().fit(planted(), sample_weight=np.repeat([1.0, 3.0], 100))
    assert np.isfinite(weighted.loss_)


@pytest.mark.slow
def test_pictures_have_their_shape():
    from sklearn.datasets import load_digits

    images = load_digits().images[:400]
    model = quick(n_components=16, n_codes=32, network="convolutional", channels=(4, 8), max_epochs=10).fit(images)
    indices = model.code_indices(images)
    assert indices.shape == (400, 4)
    assert model.inverse_transform(indices).shape == (400, 8, 8)
    assert model.reconstruct(images).shape == (400, 8, 8)
    assert model.sample(3, images, random_state=0).shape == (3, 8, 8)


@pytest.mark.slow
def test_with_an_encoder_that_copies_it_is_k_means():
    from sklearn.datasets import make_blobs

    X, _ = make_blobs(4000, 2, centers=8, random_state=0)
    settings = {"n_components": 2, "n_codes": 24, "n_groups": 1, "scaling": None, "max_epochs": 30, "batch_size": 64}
    model = quick(network=copying, early_stopping=False, **settings).fit(X)
    inertia = np.square(X - model.reconstruct(X)).sum()
    assert inertia < 1.05 * KMeans(24, n_init=5, random_state=0).fit(X).inertia_
    assert model.n_unused_codes_ == 0
    assert_allclose(model.inverse_transform(model.code_indices(X)), model.transform(X), rtol=1e-6)


def copying(n_features, n_components, key):
    return (lambda row: row), (lambda code: code)


@pytest.mark.slow
def test_a_report_does_not_take_the_code_for_a_sparse_one(fitted):
    facts = fitted.report(planted()).facts
    assert facts.sparse is None
    assert facts.reconstruction.components == 8
    assert ("Code", "VectorQuantization(n_codes=16)") in facts.about.structure


@pytest.mark.slow
def test_a_row_from_outside_works_by_name(tmp_path):
    class Halved(VectorQuantization):
        def penalties(self, step, output, pre_output):
            return {name: 0.5 * value for name, value in super().penalties(step, output, pre_output).items()}

    CODES["halved"] = Halved
    try:
        model = quick(code="halved", max_epochs=1).fit(planted())
        model.save(tmp_path / "m")
        assert type(isthmus.load(tmp_path / "m").sparsity_) is Halved
    finally:
        del CODES["halved"]


def test_numbers_of_entries_may_be_frames_of_every_library(fitted):
    indices = fitted.code_indices(planted())
    names = [f"group{place}" for place in range(indices.shape[1])]
    frame = pd.DataFrame(indices, columns=names)
    lazy = pl.from_pandas(frame).lazy()
    for given in (frame, frame.astype("Int64"), lazy, lazy.collect().to_arrow()):
        assert_array_equal(fitted.codes_of(given), fitted.codes_of(indices))
        assert_array_equal(fitted.inverse_transform(given), fitted.inverse_transform(indices))


def test_masked_numbers_of_entries_are_refused(fitted):
    indices = fitted.code_indices(planted())
    with pytest.raises(InvalidDataError, match="indices must be integers"):
        fitted.codes_of(np.ma.array(indices, mask=indices == indices[0, 0]))
