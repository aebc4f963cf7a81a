import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.decomposition import PCA

from isthmus import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    NeighborAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import open_source
from isthmus.estimators.fit.plan import resolve
from isthmus.estimators.fit.preparing import prepare
from isthmus.estimators.fit.starting import Previous, PrincipalStart, new_network, with_sparsity

RAW = {"scaling": None, "random_state": 0, "early_stopping": False}


def planned(X, **parameters):
    source = open_source(X)
    plan = resolve({**RAW, **parameters}, source.schema, len(X))
    return plan, prepare(plan, source, ())


def codes(network, params, X):
    return np.asarray(network.encode(params, X.astype(network.dtype)))


# A new network -----------------------------------------------------------------------------------------------------


def test_a_linear_path_starts_at_pca(rows):
    network, params = new_network(*planned(rows, n_components=2, hidden_layer_sizes=(6,), precision="float64"))
    pca = PCA(2).fit(rows)
    expected = pca.inverse_transform(pca.transform(rows))
    with jax.enable_x64(True):
        found = np.asarray(network.decode(params, codes(network, params, rows)))
    assert_allclose(found, expected, atol=1e-6)


def _dark_pictures() -> np.ndarray:
    """Pictures of 12 x 12 black pixels, of which a white square of 3 x 3 is at some place."""
    pictures = np.zeros((300, 12, 12), np.uint8)
    for picture, (line, column) in zip(pictures, np.random.default_rng(0).integers(0, 10, size=(300, 2)), strict=True):
        picture[line : line + 3, column : column + 3] = 255
    return pictures


DARK = [
    ConvolutionalAutoencoder(8, channels=(8, 8)),
    SparseAutoencoder(16, network="convolutional", hidden_layer_sizes=()),
    DenoisingAutoencoder(8, network="convolutional", hidden_layer_sizes=()),
    VariationalAutoencoder(8, network="convolutional", hidden_layer_sizes=(), beta=0.01),
    NeighborAutoencoder(network="convolutional", channels=(8, 8), augmentation=None),
]


@pytest.mark.filterwarnings("ignore::isthmus.errors.SparsityWarning")
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, id=type(model).__name__, marks=[pytest.mark.slow] if 0 < place < len(DARK) - 1 else [])
        for place, model in enumerate(DARK)
    ],
)
def test_a_convolutional_decoder_of_black_pictures_learns(model):
    X = _dark_pictures()
    model = clone(model).set_params(max_epochs=20, batch_size=32, random_state=0).fit(X)
    found = model.reconstruct(X).reshape(X.shape) / 255.0
    assert np.mean((found - X / 255.0) ** 2) < 0.9 * np.var(X / 255.0, axis=0).mean()  # that of the mean picture


@pytest.mark.parametrize("share", [0.5, 0.95, 0.999])
def test_a_share_of_the_variance_is_a_width(rows, share):
    X = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    network, _ = new_network(*planned(X, n_components=share))
    ratios = np.cumsum(PCA().fit(X).explained_variance_ratio_)
    assert network.n_components == np.argmax(ratios >= share) + 1


def test_the_seed_draws_the_weights(rows):
    options = {"n_components": 2, "hidden_layer_sizes": (6,), "linear_path": False}
    first, again, other = (
        new_network(*planned(rows, random_state=seed, **options))[1]["encoder"][0]["weight"] for seed in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_continued_fit_needs_no_pretraining(rows, monkeypatch):
    monkeypatch.setattr("isthmus.estimators.fit.starting.layerwise", lambda *arguments: pytest.fail("pretrained"))
    plan, prepared = planned(rows, n_components=2, hidden_layer_sizes=(6,), pretrain=2)
    network, params = new_network(plan, prepared, pretrained=False)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, network.init(0))


def test_counts_start_with_their_shares():
    X = np.random.default_rng(0).poisson([0.1, 4, 20, 900], (200, 4)).astype(float)
    bound = {"likelihood": "poisson", "beta": 1.0, "kl_warmup": 0.0, "free_bits": 0.0, "n_samples": 1}
    network, params = new_network(*planned(X, n_components=1, hidden_layer_sizes=(), **bound))
    found = network.activate_output(network.decode(params, np.zeros((1, 1), np.float32)))[0]
    assert_allclose(found / found.sum(), X.sum(axis=0) / X.sum(), rtol=0.05)


def median_of(X):
    return minimize(lambda point: np.linalg.norm(X - point, axis=1).sum(), X.mean(axis=0), tol=1e-12).x


@pytest.mark.parametrize(("start", "expected"), [("mean", "mean"), ("geometric_median", "median"), ("auto", "median")])
def test_the_output_bias_starts_at_the_middle_of_the_rows(start, expected):
    X = np.random.default_rng(0).exponential(size=(200, 3))
    network, params = new_network(*planned(X, n_components=8, hidden_layer_sizes=(), sparsity="topk", bias_start=start))
    assert network.pre_bias
    middle = X.mean(axis=0) if expected == "mean" else median_of(X)
    assert_allclose(params["decoder"][-1]["bias"], middle, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"sparsity": "topk", "bias_start": "zeros"},
        {"sparsity": "topk", "hidden_layer_sizes": (5,)},
        {"sparsity": "topk", "output_activation": "sigmoid"},
        {"sparsity": "kl"},
        {"linear_path": False},
    ],
)
def test_other_output_biases_start_at_zero(options):
    X = np.random.default_rng(0).uniform(size=(200, 3))
    _, params = new_network(*planned(X, **{"n_components": 8, "hidden_layer_sizes": (), **options}))
    assert not params["decoder"][-1]["bias"].any()


def test_a_bias_of_rows_that_are_squeezed_by_a_sigmoid_is_refused():
    X = (np.random.default_rng(0).random((200, 6)) < 0.5).astype(np.float32)  # near_bounds: its output is a sigmoid
    with pytest.raises(InvalidParameterError, match="bias_start='mean' needs output_activation='identity', not 'sigm"):
        new_network(
            *planned(
                X,
                n_components=8,
                hidden_layer_sizes=(),
                sparsity="topk",
                bias_start="mean",
                scaling="auto",
                output_activation="sigmoid",
            )
        )


def test_a_method_adds_its_own_parameters(rows):
    plan, prepared = planned(rows, n_components=8, hidden_layer_sizes=(), sparsity="jumprelu")
    network, params = new_network(plan, prepared)
    assert params["sparsity"]["log_threshold"].shape == (8,)
    assert params["sparsity"]["log_threshold"].dtype == network.dtype
    plain, _ = planned(rows, n_components=8)
    assert with_sparsity(plain, network, {"encoder": 1}) == {"encoder": 1}


def test_the_start_of_all_rows_has_held_out_rows_too(rows):
    plan, prepared = planned(rows, n_components=2, hidden_layer_sizes=(6,), early_stopping=True, precision="float64")
    assert prepared.loader.count(validation=True)
    network, first = new_network(plan, prepared)
    params = PrincipalStart(plan, prepared, network, first).of_all_rows
    pca = PCA(2).fit(rows)
    with jax.enable_x64(True):
        found = np.asarray(network.decode(params, codes(network, params, rows)))
    assert_allclose(found, pca.inverse_transform(pca.transform(rows)), atol=1e-6)


def test_a_fit_that_never_improves_is_pca_of_all_rows():
    rows = np.random.default_rng(3).standard_normal((60, 20))
    # A learning rate so high that the first epoch makes the start worse.
    model = Autoencoder(3, hidden_layer_sizes=(8,), learning_rate=0.5, scaling=None, max_epochs=1, random_state=0)
    kept = model.fit(rows)
    assert kept.best_iter_ == 0
    pca = PCA(3).fit(rows)
    assert_allclose(kept.reconstruct(rows), pca.inverse_transform(pca.transform(rows)), atol=1e-4)
    # With a validation set no training row is held out, and the start stays that of the training rows.
    other = kept.fit(rows[:40], validation_data=rows[40:])
    assert other.best_iter_ == 0
    pca = PCA(3).fit(rows[:40])
    assert_allclose(other.reconstruct(rows), pca.inverse_transform(pca.transform(rows)), atol=1e-4)


# The last fit ------------------------------------------------------------------------------------------------------


def test_a_warm_start_continues_from_the_last_weights(small, rows, monkeypatch):
    model = small(warm_start=True, max_epochs=1, learning_rate=1e-12).fit(rows)
    monkeypatch.setattr(
        "isthmus.estimators.fit.starting.Principal", lambda *given: pytest.fail("PCA was computed again")
    )
    before = model.reconstruct(rows)
    assert_allclose(model.set_params(random_state=9).fit(rows).reconstruct(rows), before, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "width"),
    [({"hidden_layer_sizes": (5,)}, 4), ({"n_components": 3}, 4), ({"code_activation": "tanh"}, 4), ({}, 3)],
)
def test_a_warm_start_with_another_network_is_refused(small, rows, changes, width):
    model = small(warm_start=True, max_epochs=1).fit(rows)
    params = model.params_
    with pytest.raises(
        InvalidParameterError, match=r"warm_start=True continues with the last network, but .*; set warm"
    ):
        model.set_params(**changes).fit(rows[:, :width])
    assert model.params_ is params


def test_a_warm_start_may_have_a_share_of_the_variance(rows):
    model = Autoencoder(0.9, hidden_layer_sizes=(6,), max_epochs=1, warm_start=True, random_state=0).fit(rows)
    width = model.n_components_
    assert model.fit(rows[:100]).n_components_ == width


@pytest.mark.parametrize("continued", ["fit", "partial_fit"])
def test_another_method_with_its_own_parameters_is_refused(rows, continued):
    model = SparseAutoencoder(8, sparsity="topk", max_epochs=1, warm_start=True, random_state=0).fit(rows)
    with pytest.raises(InvalidParameterError, match="sparsity=JumpReLU has other parameters than the last fit's"):
        getattr(model.set_params(sparsity="jumprelu"), continued)(rows)


def test_the_last_fit_has_what_an_estimator_has(fitted):
    previous = Previous(fitted)
    assert previous.params is fitted.params_
    assert (previous.seed, previous.n_iter) == (fitted.seed_, fitted.n_iter_)


@pytest.mark.filterwarnings("ignore:there is one row")
@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
def test_too_few_rows_to_compare_give_pca(n_rows):
    rows = np.random.default_rng(n_rows).standard_normal((n_rows, 5))
    model = Autoencoder(2, hidden_layer_sizes=(8,), scaling=None, learning_rate=0.01, random_state=0).fit(rows)
    assert model.best_iter_ == 0
    centred = rows - rows.mean(axis=0)
    directions = np.linalg.svd(centred)[2][:2]
    assert_allclose(model.reconstruct(rows), rows.mean(axis=0) + centred @ directions.T @ directions, atol=1e-5)
