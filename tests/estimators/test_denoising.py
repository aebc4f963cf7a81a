import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import cKDTree
from sklearn.datasets import make_swiss_roll

from isthmus import Autoencoder, DenoisingAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import CORRUPTIONS, Blockout, Chain, Gaussian, Masking, Poisson
from isthmus.corruption.base import PictureCorruption
from isthmus.data.sources import open_source
from isthmus.estimators.fit.run import start_fit

rng = np.random.default_rng(0)
RAW = {"scaling": None, "output_activation": "identity", "random_state": 0}
LINEAR = {"hidden_layer_sizes": (), "linear_path": False, "early_stopping": False, **RAW}


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.5, 1.5])
def test_a_linear_denoiser_learns_the_reduced_rank_wiener_filter(noise):
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    X = rng.standard_normal((4000, 6)) * [3, 2, 1.5, 1, 0.5, 0.2] @ rotation
    X -= X.mean(0)
    corruption = Gaussian(noise, unit="input")
    model = DenoisingAutoencoder(
        2, corruption=corruption, batch_size=500, learning_rate=0.03, max_epochs=150, **LINEAR
    ).fit(X)
    variances, directions = np.linalg.eigh(np.cov(X.T, ddof=0))
    principal = directions[:, -2:]
    wiener = principal * (variances[-2:] / (variances[-2:] + noise**2)) @ principal.T
    learned = model.encoder_weights_[0] @ model.decoder_weights_[0]

    def error(matrix):
        residual = matrix - np.eye(6)
        return np.trace(residual.T @ np.cov(X.T, ddof=0) @ residual) + noise**2 * np.trace(matrix.T @ matrix)

    assert error(wiener) <= error(learned) <= 1.01 * error(wiener)
    assert np.linalg.norm(learned - wiener) < 0.1 * np.linalg.norm(wiener)


def circle(n):
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def swiss_roll(n):
    return make_swiss_roll(n, random_state=int(rng.integers(1 << 30)))[0] / 10


@pytest.mark.slow
@pytest.mark.parametrize(("manifold", "noise", "code"), [(circle, 0.2, 2), (swiss_roll, 0.15, 3)])
def test_denoising_moves_points_towards_the_manifold(manifold, noise, code):
    model = DenoisingAutoencoder(
        code,
        hidden_layer_sizes=(128, 128),
        corruption=Gaussian(noise, unit="input"),
        max_epochs=40,
        learning_rate=3e-3,
        **RAW,
    ).fit(manifold(8000))
    tree, clean = cKDTree(manifold(100_000)), manifold(1000)
    noisy = clean + noise * rng.standard_normal(clean.shape)
    before, after = tree.query(noisy)[0].mean(), tree.query(model.denoise(noisy))[0].mean()
    assert after < before / 2


@pytest.mark.slow
def test_reconstruction_minus_input_estimates_the_score():
    """Alain and Bengio, 2014: for small noise, (reconstruction - input) / variance is the log density's gradient."""
    rng = np.random.default_rng(0)
    means, spread, noise = np.array([[-1.0, 0], [1, 0.5], [0, -1.5]]), 0.4, 0.15
    X = means[rng.integers(3, size=20_000)] + spread * rng.standard_normal((20_000, 2))
    model = DenoisingAutoencoder(
        2,
        hidden_layer_sizes=(64, 64),
        linear_path=False,
        corruption=Gaussian(noise, unit="input"),
        max_epochs=60,
        learning_rate=3e-3,
        early_stopping=False,
        **RAW,
    ).fit(X)
    points = X[:2000]
    # The score of the noisy density, a mixture of Gaussians with variance spread**2 + noise**2.
    residual = means[:, None] - points
    densities = np.exp(-np.square(residual).sum(-1) / (2 * (spread**2 + noise**2)))
    score = (densities[..., None] * residual).sum(0) / densities.sum(0)[:, None]
    step = model.denoise(points) - points
    cosine = (score * step).sum(1) / np.linalg.norm(score, axis=1) / np.linalg.norm(step, axis=1)
    strong = np.linalg.norm(score, axis=1) > np.median(np.linalg.norm(score, axis=1)) / 2
    assert cosine[strong].mean() > 0.9


def identity_run(corruption, X, **options):
    """A run whose network outputs its input."""
    model = DenoisingAutoencoder(X.shape[1], corruption=corruption, **{**LINEAR, **options})
    run = start_fit(model, open_source(X))
    eye = np.eye(X.shape[1], dtype=np.float32)
    for half in ("encoder", "decoder"):
        run.state.params[half][0] |= {"weight": eye, "bias": np.zeros(len(eye), np.float32)}
    return run


def test_the_loss_compares_with_clean_rows():
    """With an identity network, the loss is the mean square of the corruption."""
    X = rng.standard_normal((3000, 8))
    for corruption, energy in [
        (Gaussian(0.0, unit="input"), 0.0),
        (Masking(0.0), 0.0),
        (Gaussian(0.7, unit="input"), 0.49),
        (Masking(0.3), 0.3 * np.mean(X**2)),
    ]:
        run = identity_run(corruption, X, learning_rate=1e-30, max_epochs=1, batch_size=100)
        (state,) = run.trainer.epochs(run.state)
        assert_allclose(state.metrics["loss"][0], energy, rtol=0.03, atol=1e-12)


def test_training_noise_changes_each_epoch_and_validation_noise_does_not():
    X = rng.standard_normal((500, 4))
    options = {"learning_rate": 1e-30, "max_epochs": 3, "batch_size": 50, "early_stopping": True, "tol": 0.0}
    run = identity_run(Gaussian(1.0, unit="input"), X, **options)
    *_, state = run.trainer.epochs(run.state)
    assert len(set(state.metrics["loss"])) == 3
    assert len(set(state.metrics["validation_loss"])) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_corruption_trains_is_saved_and_is_absent_from_inference(name, tmp_path):
    X = rng.random((300, 36)).astype(np.float32)
    corruption = Blockout(2) if name == "blockout" else name
    X = X.reshape(-1, 6, 6) if issubclass(CORRUPTIONS[name], PictureCorruption) else X
    (tmp_path / "x.npy").write_bytes(b"")
    np.save(tmp_path / "x.npy", X)
    options = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}
    model = DenoisingAutoencoder(8, corruption=corruption, **options).fit(tmp_path / "x.npy")
    repeated = DenoisingAutoencoder(8, corruption=corruption, **options).fit(open_source(X))
    assert model.history_["loss"] == repeated.history_["loss"]
    plain = Autoencoder(8, **options).fit(tmp_path / "x.npy")
    assert plain.history_["loss"] != model.history_["loss"]
    assert_array_equal(model.denoise(tmp_path / "x.npy"), model.inverse_transform(model.transform(tmp_path / "x.npy")))
    model.save(tmp_path / "m.safetensors")
    loaded = DenoisingAutoencoder.load(tmp_path / "m.safetensors")
    assert loaded.get_params()["corruption"] == model.get_params()["corruption"]
    assert_array_equal(loaded.denoise(tmp_path / "x.npy"), model.denoise(tmp_path / "x.npy"))


@pytest.mark.slow
def test_a_chain_is_saved_and_loaded(tmp_path):
    corruption = Chain((Gaussian((0.1, 0.4)), Masking(0.2)))
    X = rng.random((100, 4))
    model = DenoisingAutoencoder(2, corruption=corruption, max_epochs=1, random_state=0).fit(X)
    model.save(tmp_path / "m.safetensors")
    assert DenoisingAutoencoder.load(tmp_path / "m.safetensors").corruption == corruption


def test_a_function_can_be_the_corruption():
    X = rng.standard_normal((200, 4))
    model = DenoisingAutoencoder(2, corruption=lambda key, x: 0 * x, max_epochs=2, **LINEAR).fit(X)
    assert_allclose(model.encoder_weights_[0], model.encoder_weights_[0])
    assert model.history_["loss"][0] > 0.5


@pytest.mark.slow
def test_corruption_does_not_depend_on_chunks_and_files(tmp_path, monkeypatch):
    X = rng.standard_normal((400, 5))
    np.save(tmp_path / "x.npy", X)
    build = lambda: DenoisingAutoencoder(  # noqa: E731
        2, corruption=Gaussian(0.3), batch_size=32, max_epochs=3, random_state=0
    )
    monkeypatch.setattr("isthmus.engine.loading.CHUNK_BYTES", 1)
    memory, disk = build().fit(X), build().fit(tmp_path / "x.npy")
    monkeypatch.undo()
    assert memory.history_["loss"] == disk.history_["loss"]
    assert_allclose(memory.history_["loss"], build().fit(X).history_["loss"], rtol=1e-5)


@pytest.mark.slow
def test_masking_as_missing_learns_imputation_from_complete_rows():
    mixing = np.random.default_rng(0).standard_normal((2, 8))
    X = np.random.default_rng(1).standard_normal((2000, 2)) @ mixing
    model = DenoisingAutoencoder(
        4,
        hidden_layer_sizes=(64,),
        corruption=Masking(0.3, as_missing=True),
        missing="mask",
        max_epochs=60,
        random_state=0,
    ).fit(X)
    assert np.abs(model.params_["indicator"]).max() > 0.01
    missing = np.random.default_rng(2).random(X.shape) < 0.2
    residual = (model.impute(np.where(missing, np.nan, X)) - X)[missing]
    assert np.square(residual).mean() < 0.1 * np.square(X[missing]).mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corruption": None, "untouched_weight": 0.5}, "untouched_weight=0.5 has no effect without corruption"),
        ({"corruption": None, "corruption_level": 0.5}, "corruption_level=0.5 has no effect without corruption"),
        ({"corruption": "fog"}, "corruption='fog'"),
        ({"corruption": Gaussian(0.2, unit="input"), "scaling": "zca"}, "a scaling that mixes columns"),
        ({"corruption": Poisson(10), "scaling": "zca"}, "Poisson uses the input's units"),
        (
            {"corruption": Chain((Gaussian(0.2, unit="input"),)), "scaling": "patches"},
            "Gaussian uses the input's",
        ),
        ({"corruption": Blockout(2)}, "Blockout"),
        ({"untouched_weight": 1.5}, "untouched_weight=1.5"),
    ],
)
def test_invalid_parameters(options, message):
    with pytest.raises(InvalidParameterError, match=message.replace("(", r"\(")):
        DenoisingAutoencoder(2, **options).fit(rng.random((50, 4)))
