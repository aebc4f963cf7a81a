"""Every public estimator exports to what it computes itself, or says in one line why it does not."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import isthmus
from isthmus import Autoencoder, AutoencoderClassifier, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.estimators import ESTIMATORS
from isthmus.export.onnx import to_onnx
from isthmus.export.onnx.models import BUILDERS, PARTS, Refused, graph_of
from isthmus.images.denoiser import Denoiser
from running_onnx import assert_near, run
from sae_folders import randomized

ROWS = np.random.default_rng(0).normal(3, 2, (60, 16)).astype(np.float32)
LABELS = np.array(["down", "up"])[(ROWS[:, 0] > 3).astype(int)]
FAST = {"max_epochs": 1, "early_stopping": False, "random_state": 0}
OPTIONS = {
    "AutoencoderClassifier": {"autoencoder": Autoencoder(2, **FAST), "max_epochs": 1, "random_state": 0},
    "ConvolutionalAutoencoder": FAST | {"channels": (4,), "image_shape": (4, 4)},
    "NeighborAutoencoder": {"max_epochs": 1, "n_neighbors": 3, "random_state": 0},
    "SparseAutoencoder": FAST | {"n_components": 32, "k": 3},
}
ALONE = {"PictureDenoiser"}


@pytest.fixture(scope="module")
def model():
    """Return an autoencoder with random weights, as if fitted."""
    return randomized(Autoencoder(3, hidden_layer_sizes=(8,), random_state=0), ROWS)


def agree(model, part, X):
    """Check a part of an autoencoder against its own methods."""
    codes = model.transform(X)
    found = run(model.to_onnx(part=part), x=codes if part == "decoder" else X)
    expected = {
        "codes": codes,
        "reconstruction": model.inverse_transform(codes) if part == "decoder" else model.reconstruct(X),
    }
    assert [*found] == {"encoder": ["codes"], "decoder": ["reconstruction"]}.get(part, ["reconstruction", "codes"])
    for name, values in found.items():
        assert_near(values, np.reshape(expected[name], values.shape))


def test_every_estimator_has_a_row():
    assert {*BUILDERS} == {*ESTIMATORS, "Denoiser"}, "add a row to isthmus.export.onnx.models.BUILDERS"
    assert all(callable(cls.to_onnx) for cls in ESTIMATORS.values())


@pytest.mark.parametrize("part", PARTS)
def test_parts_compute_what_the_model_does(model, part):
    agree(model, part, ROWS)
    agree(model, part, ROWS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in ALONE])
def test_every_estimator_exports_or_says_why_not(name):
    if isinstance(BUILDERS[name], Refused):
        with pytest.raises(InvalidParameterError, match=f"^{name} cannot be exported: [^\n]+$"):
            ESTIMATORS[name]().to_onnx()
        return
    if name == "AutoencoderClassifier":
        classifier = ESTIMATORS[name](**OPTIONS[name]).fit(ROWS, LABELS)
        found = run(classifier.to_onnx(), x=ROWS)
        assert_near(found["probabilities"], classifier.predict_proba(ROWS))
        assert list(found["label"]) == list(classifier.predict(ROWS))
        return
    fitted = ESTIMATORS[name](**(OPTIONS.get(name) or FAST)).fit(ROWS)
    for part in PARTS:
        agree(fitted, part, ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [int, bool, float])
def test_a_classifier_gives_its_own_labels(dtype):
    y = (LABELS == "up").astype(dtype)
    classifier = AutoencoderClassifier(**OPTIONS["AutoencoderClassifier"]).fit(ROWS, y)
    found = run(classifier.to_onnx(), x=ROWS)
    np.testing.assert_array_equal(found["label"].astype(dtype), classifier.predict(ROWS))
    codes = run(classifier.to_onnx(part="encoder"), x=ROWS)["codes"]
    assert codes.shape == (60, 2)
    with pytest.raises(InvalidParameterError, match="part='decoder' has no meaning for a classifier"):
        classifier.to_onnx(part="decoder")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"scaling": "patches"}, {"scaling": "whitened_patches"}, {"scaling": "zca"}])
def test_scalings_of_rows_are_part_of_the_graph(options):
    fitted = randomized(Autoencoder(3, random_state=0, linear_path=False, **options), ROWS)
    for part in PARTS:
        agree(fitted, part, ROWS)


@pytest.mark.slow
def test_missing_cells_are_masked():
    holes = ROWS.copy()
    holes[::3, 2] = np.nan
    fitted = randomized(Autoencoder(3, missing="mask", hidden_layer_sizes=(6,), random_state=0), holes)
    for part in PARTS:
        agree(fitted, part, holes)


def test_rows_that_are_not_finite_have_codes_of_nan(model):
    bad = ROWS[:3].copy()
    bad[0, 1], bad[2, 3] = np.nan, -np.inf
    sparse = randomized(SparseAutoencoder(32, k=3, random_state=0), ROWS)
    for fitted in (model, sparse):
        codes = run(fitted.to_onnx(part="encoder"), x=bad)["codes"]
        assert np.isnan(codes[[0, 2]]).all()
        assert np.isfinite(codes[1]).all()


@pytest.mark.slow
def test_large_integers_are_float64():
    years = np.arange(60)[:, None] * np.array([[1, 7]]) + 2**40
    fitted = randomized(Autoencoder(1, random_state=0), years)
    found = run(fitted.to_onnx(), x=years.astype(np.float64))
    assert found["reconstruction"].dtype == np.float64
    assert_near(found["codes"], fitted.transform(years.astype(np.float64)))
    np.testing.assert_allclose(found["reconstruction"], fitted.reconstruct(years.astype(np.float64)), rtol=0, atol=0.1)


def test_metadata_names_columns_and_scaling():
    frame = pd.DataFrame(ROWS[:, :3], columns=["age", "height", "weight"])
    about = graph_of(randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), frame), "encoder").about
    assert [column["name"] for column in json.loads(about["isthmus.columns"])] == ["age", "height", "weight"]
    assert json.loads(about["isthmus.scaling"])["kind"] == "standard"
    assert json.loads(about["isthmus.codes"]) == ["autoencoder0", "autoencoder1"]
    assert (about["isthmus.part"], about["isthmus.version"]) == ("encoder", isthmus.__version__)


def test_what_cannot_be_exported_is_refused(model):
    with pytest.raises(InvalidParameterError, match="part='middle' is not one of"):
        model.to_onnx(part="middle")
    with pytest.raises(InvalidParameterError, match="dict cannot be exported; add a row"):
        graph_of({})
    with pytest.raises(NotFittedError):
        Autoencoder().to_onnx()
    with pytest.raises(InvalidParameterError, match="part='encoder' has no meaning for a denoiser"):
        to_onnx(Denoiser.shipped(), part="encoder")
