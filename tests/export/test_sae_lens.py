import importlib.util
import json
import os
import subprocess
import sys

import equinox as eqx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.export import sae_lens as sae
from isthmus.export.sae_lens import CONFIG, from_sae_lens, to_sae_lens
from isthmus.sparsity import Sparsity
from sae_folders import D_IN, D_SAE, KINDS, assert_same, computed, example_rows, of_kind, randomized, read, untrained

OPTIONS = {"by default": {}, "uncentred": {"pre_bias": False}, "raw": {"pre_bias": False, "scaling": None}}


@pytest.fixture(scope="module")
def rows():
    return example_rows()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_round_trip(kind, options, rows, tmp_path):
    model = randomized(of_kind(kind, **options), rows)
    to_sae_lens(model, tmp_path / "new" / "folder")
    config, tensors = read(tmp_path / "new" / "folder")
    assert (config["architecture"], set(tensors)) == (KINDS[kind][1], {"W_enc", "W_dec", "b_dec", *KINDS[kind][2]})
    assert (config["d_in"], config["d_sae"], config["dtype"]) == (D_IN, D_SAE, "float32")
    assert (config["normalize_activations"], config["reshape_activations"]) == ("none", "none")
    assert_same(model, rows, *computed(config, tensors, rows))
    other = from_sae_lens(tmp_path / "new" / "folder")
    assert_same(other, rows, *computed(config, tensors, rows))
    assert_allclose(other.components_, model.components_, rtol=1e-5)


@pytest.mark.parametrize("scaling", ["minmax", "robust", "mean_norm", "zca"])
@pytest.mark.parametrize("pre_bias", [True, False])
def test_scalings_are_folded_in(scaling, pre_bias, rows, tmp_path):
    model = randomized(of_kind("gated", scaling=scaling, pre_bias=pre_bias), rows)
    to_sae_lens(model, tmp_path)
    assert_same(model, rows, *computed(*read(tmp_path), rows))


def test_without_scaling_the_weights_are_unchanged(rows, tmp_path):
    model = randomized(of_kind("topk", scaling=None, pre_bias=False, precision="float64"), rows)
    to_sae_lens(model, tmp_path)
    config, tensors = read(tmp_path)
    assert (config["apply_b_dec_to_input"], config["dtype"], config["k"]) == (False, "float64", 3)
    assert_array_equal(tensors["W_enc"], model.encoder_weights_[0])
    assert_array_equal(tensors["W_dec"], model.decoder_weights_[0])
    assert_array_equal(tensors["b_enc"], model.encoder_biases_[0])
    assert_array_equal(tensors["b_dec"], model.decoder_biases_[0])
    other = from_sae_lens(tmp_path)
    assert_array_equal(other.transform(rows.astype(np.float64)), model.transform(rows.astype(np.float64)))


def test_bytes_and_a_code_without_sparsity(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 200, (50, D_IN), dtype=np.uint8)
    plain = {"hidden_layer_sizes": (), "code_activation": "relu", "linear_path": False, "random_state": 0}
    model = untrained(Autoencoder(3, **plain), pixels)
    assert model.scaler_.kind == "unit"
    to_sae_lens(model, tmp_path)
    assert_allclose(from_sae_lens(tmp_path).transform(pixels), model.transform(pixels), atol=1e-5)
    assert_allclose(from_sae_lens(tmp_path).reconstruct(pixels), model.reconstruct(pixels), atol=1e-3)


def test_values_at_the_batch_topk_threshold_are_kept(rows, tmp_path):
    model = randomized(of_kind("batch_topk", scaling=None), rows)
    sizes = model.transform(rows) * np.linalg.norm(model.params_["decoder"][0]["weight"], axis=1)
    model.sparsity_state_["threshold"] = np.float32(np.sort(sizes.ravel())[-9])
    model.sparsity_state_["known"] = np.float32(1)
    to_sae_lens(model, tmp_path)
    kept = model.transform(rows)
    assert (kept != 0).sum() in (8, 9)  # the ninth is within rounding of the threshold
    threshold = np.broadcast_to(read(tmp_path)[1]["threshold"], kept.shape)
    assert (kept > threshold * (1 - 1e-6))[kept != 0].all()


def test_an_untrained_threshold_is_zero(rows, tmp_path):
    model = randomized(of_kind("batch_topk"), rows)
    model.sparsity_state_ |= {"threshold": np.float32(0), "known": np.float32(0)}
    to_sae_lens(model, tmp_path)
    assert_array_equal(read(tmp_path)[1]["threshold"], np.zeros(D_SAE))


class Other(Sparsity):
    pass


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"hidden_layer_sizes": (5, 4)}, r"hidden layers \(6-5-4-16-4-5-6\) .*fit with hidden_layer_sizes=\(\)"),
        ({"decoder_layer_sizes": (5,), "transposed_start": False}, r"hidden layers \(6-16-5-6\)"),
        ({"linear_path": True}, "linear_path=True .*fit with linear_path=False"),
        ({"tied_weights": True}, "tied_weights=True .*fit with tied_weights=False"),
        ({"sparsity": "kl"}, "the sigmoid code of sparsity='kl' .*fit with sparsity='topk' or 'l1'"),
        ({"code_activation": "identity"}, "code_activation='identity' .*fit with code_activation='relu'"),
        ({"output_activation": "sigmoid"}, "output_activation='sigmoid' .*fit with output_activation='identity'"),
        ({"scaling": "patches", "output_activation": "identity"}, "scaling='patches'.*fit with scaling='standard'"),
        ({"scaling": "whitened_patches", "output_activation": "identity"}, "scaling='whitened_patches'"),
        ({"sparsity": Other()}, "sparsity=.*fit with one of isthmus.sparsity's L1, "),
    ],
)
def test_models_that_cannot_be_exported_raise(options, match, rows, tmp_path):
    model = randomized(SparseAutoencoder(D_SAE, random_state=0, **options), rows)
    with pytest.raises(InvalidParameterError, match=match) as caught:
        to_sae_lens(model, tmp_path / "new")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_custom_network_and_an_unfitted_model_raise(rows, tmp_path):
    def factory(n_features, n_components, key):
        return eqx.nn.Linear(n_features, n_components, key=key), eqx.nn.Linear(n_components, n_features, key=key)

    model = untrained(Autoencoder(2, network=factory, random_state=0), rows)
    with pytest.raises(InvalidParameterError, match=r"a custom network .*fit with network=None"):
        to_sae_lens(model, tmp_path)
    with pytest.raises(NotFittedError):
        to_sae_lens(SparseAutoencoder(), tmp_path)


def test_both_files_are_written_or_neither(rows, tmp_path, monkeypatch):
    model = randomized(of_kind("topk"), rows)
    to_sae_lens(model, tmp_path / "old")
    before = [path.read_bytes() for path in sorted((tmp_path / "old").iterdir())]
    (tmp_path / "file").touch()
    (tmp_path / "in use" / CONFIG).mkdir(parents=True)
    with pytest.raises(UnwritableError, match="cannot create the folder"):
        to_sae_lens(model, tmp_path / "file")
    with pytest.raises(UnwritableError, match="is a folder"):
        to_sae_lens(model, tmp_path / "in use")
    assert [path.name for path in (tmp_path / "in use").iterdir()] == [CONFIG]

    def full_disk(tensors):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sae, "save", full_disk)
    for folder in ("old", "new"):
        with pytest.raises(UnwritableError, match="No space left on device"):
            to_sae_lens(model, tmp_path / folder, overwrite=True)
    assert not (tmp_path / "new").exists()
    assert [path.read_bytes() for path in sorted((tmp_path / "old").iterdir())] == before


# SAELens itself ---------------------------------------------------------------------------------------------------

# Writes the codes and reconstructions of SAELens for our folders, and for its own models and training checkpoints.
SAE_LENS = """
import json, pathlib, sys
import numpy as np, torch
from sae_lens import SAE
from sae_lens.registry import get_sae_training_class

root = pathlib.Path(sys.argv[1])
rows = torch.from_numpy(np.load(root / "rows.npy"))

def write_results(folder, *copies):
    with torch.no_grad():
        sae = SAE.load_from_disk(folder)
        codes = sae.encode(rows)
        for path in (folder, *copies):
            np.savez(path / "results.npz", codes=codes.numpy(), reconstructed=sae.decode(codes).numpy())

for folder in sorted((root / "ours").iterdir()):
    write_results(folder)
torch.manual_seed(0)
for name, fields in json.loads(sys.argv[2]).items():
    kind, configuration = get_sae_training_class(name)
    sae = kind(configuration(d_in=rows.shape[1], d_sae=16, **fields))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    if hasattr(sae, "topk_threshold"):
        sae.topk_threshold.fill_(0.7)
    inference, checkpoint = root / "theirs" / name, root / "theirs" / f"{name} checkpoint"
    sae.save_inference_model(inference)
    sae.save_model(checkpoint)
    write_results(inference, checkpoint)
"""
THEIRS = {
    "standard": {},
    "topk": {"k": 3},
    "jumprelu": {},
    "gated": {"apply_b_dec_to_input": False},
    "batchtopk": {"k": 3},
    "matryoshka_batchtopk": {"k": 3, "matryoshka_widths": [4, 16]},
}


def test_sae_lens_agrees(rows, tmp_path):
    python = os.environ.get("ISTHMUS_SAE_PYTHON") or (sys.executable if importlib.util.find_spec("sae_lens") else None)
    if python is None:
        pytest.skip("sae_lens is not installed, and ISTHMUS_SAE_PYTHON is not set")
    np.save(tmp_path / "rows.npy", rows)
    ours = {kind: randomized(of_kind(kind), rows) for kind in KINDS}
    for kind, model in ours.items():
        to_sae_lens(model, tmp_path / "ours" / kind)
    done = subprocess.run(
        [python, "-c", SAE_LENS, str(tmp_path), json.dumps(THEIRS)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    theirs = {folder.name: from_sae_lens(folder) for folder in (tmp_path / "theirs").iterdir()}
    assert set(theirs) == {*THEIRS, *(f"{name} checkpoint" for name in THEIRS)}
    for name_of_set, models in (("ours", ours), ("theirs", theirs)):
        for name, model in models.items():
            results = np.load(tmp_path / name_of_set / name / "results.npz")
            assert_same(model, rows, results["codes"], results["reconstructed"])
