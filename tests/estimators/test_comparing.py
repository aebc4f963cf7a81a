import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError
from isthmus.estimators import comparing
from isthmus.estimators.comparing import _divided, compare

X, y = (part[:150] for part in load_digits(return_X_y=True))
SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 1}
TRAIN, TEST = _divided(150, 120, 0)


@pytest.fixture(scope="module")
def found():
    names = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "MODELS", {"autoencoder": "Autoencoder"})  # the map compiles three programs
        result = compare(X, y, max_rows=120, settings=SMALL, say=names.append)
    assert names == ["autoencoder", "PCA"]
    return result


def test_rows_are_sampled_and_divided(found):
    assert found[1:6] == (150, 64, 96, 24, 5)
    assert len({*TRAIN, *TEST}) == 120
    assert list(found.test_labels) == list(y[TEST])
    assert [*found.methods] == ["PCA", "autoencoder"]
    assert all(one.codes.shape == (24, 2) for one in found.methods.values())


def test_pca_is_judged_as_scikit_learn_judges_it(found):
    scaled, pca = X / 16, found.methods["PCA"]
    model = PCA(2).fit(scaled[TRAIN])
    codes = model.transform(scaled[TEST])
    difference = scaled[TEST] - model.inverse_transform(codes)
    assert_allclose(np.abs(pca.codes), np.abs(codes), atol=1e-6)
    assert_allclose(pca.error, np.square(difference).mean(), rtol=1e-6)
    assert_allclose(pca.explained, 1 - np.square(difference).sum() / (scaled[TEST].var(axis=0).sum() * 24), rtol=1e-6)
    classifier = KNeighborsClassifier(5).fit(model.transform(scaled[TRAIN]), y[TRAIN])
    assert pca.accuracy == classifier.score(codes, y[TEST])
    assert_allclose(pca.trustworthiness, trustworthiness(scaled[TEST], codes, n_neighbors=5), atol=0.003)


def test_an_autoencoder_learns_from_the_training_rows_alone(found):
    weights = np.isin(np.arange(150), TRAIN).astype(float)
    model = Autoencoder(2, random_state=0, **SMALL).fit(X, sample_weight=weights)
    one = found.methods["autoencoder"]
    assert_allclose(one.codes, model.transform(X[TEST]), rtol=1e-5, atol=1e-6)
    assert_allclose(one.error, np.square((model.reconstruct(X[TEST]) - X[TEST]) / 16).mean(), rtol=1e-5)


@pytest.mark.slow
def test_a_table_of_mixed_columns_with_missing_cells():
    rng = np.random.default_rng(0)
    t = rng.random(200)
    frame = pd.DataFrame({"a": np.cos(3 * t), "b": np.sin(3 * t), "c": np.where(t > 0.5, "high", "low")})
    frame.loc[::7, "a"] = np.nan
    labels = np.where(t > 0.3, "x", "y").astype(object)
    labels[::9] = None
    found = compare(frame, labels, settings=SMALL)
    assert (found.n_features, found.n_test) == (3, 40)
    for one in found.methods.values():
        assert np.isfinite([one.error, one.explained, one.accuracy, one.trustworthiness]).all()
        assert one.accuracy > 0.5


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (X[:19], None, "19 rows are too few to compare; use at least 20"),
        (X, y[:9], "9 labels for 150 rows; pass one label for each row"),
        (X, X[:, 2] + 0.5, "labels are measurements"),
        (X, np.full(150, None), "no row that is compared has a label; leave out the labels"),
    ],
)
def test_errors(rows, labels, message):
    with pytest.raises(InvalidDataError, match=message):
        compare(rows, labels, settings=SMALL)
