import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import equinox as eqx
import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file
from sklearn.exceptions import NotFittedError

from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError, MissingFileError, ModelFileError, UnwritableError
from isthmus.estimators.fit.run import start_fit
from isthmus.estimators.inputs import open_rows
from isthmus.export import sae_lens as sae
from isthmus.export.sae_lens import CONFIG, WEIGHTS, from_sae_lens, to_sae_lens
from isthmus.sparsity import Matryoshka, Sparsity

D_IN, D_SAE = 6, 16
# Sparsity, its SAELens architecture, and the tensors of that in addition to W_enc, W_dec and b_dec.
KINDS = {
    "l1": ("l1", "standard", {"b_enc"}),
    "lifetime": ("lifetime", "standard", {"b_enc"}),
    "topk": ("topk", "topk", {"b_enc"}),
    "batch_topk": ("batch_topk", "jumprelu", {"b_enc", "threshold"}),
    "jumprelu": ("jumprelu", "jumprelu", {"b_enc", "threshold"}),
    "gated": ("gated", "gated", {"b_gate", "r_mag", "b_mag"}),
    "matryoshka of topk": (Matryoshka(3, inner="topk"), "topk", {"b_enc"}),
    "matryoshka of batch_topk": (Matryoshka(3), "jumprelu", {"b_enc", "threshold"}),
}
OPTIONS = {"by default": {}, "uncentred": {"pre_bias": False}, "raw": {"pre_bias": False, "scaling": None}}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((200, D_IN)) * [1, 5, 0.2, 3, 1, 2] + [0, 20, -1, 30, 0, 5]).astype(np.float32)


def untrained(model, rows):
    """Return the model with its initial weights, as if fitted, without compiling an epoch."""
    run = start_fit(model, open_rows(model, rows, reset=True))
    model._adopt(run.fitted(run.state))
    return model


def randomized(model, rows):
    """Return the model as if fitted, with measured scaling and random weights."""
    untrained(model, rows)
    rng = np.random.default_rng(1)

    def drawn(tree):
        if isinstance(tree, dict):
            return {name: drawn(leaf) for name, leaf in tree.items()}
        if isinstance(tree, list):
            return [drawn(leaf) for leaf in tree]
        return rng.normal(0, 0.5, tree.shape).astype(tree.dtype)

    model.params_ = drawn(model.params_)
    if "known" in model.sparsity_state_:
        model.sparsity_state_ |= {"threshold": np.float32(0.2), "known": np.float32(0.4)}
    return model


def of_kind(kind, **options):
    sparsity = KINDS[kind][0]
    if isinstance(sparsity, Matryoshka):
        sparsity = replace(sparsity, pre_bias=options.pop("pre_bias", "auto"))
    k = 3 if sparsity in ("topk", "batch_topk") else None
    return SparseAutoencoder(D_SAE, sparsity=sparsity, k=k, random_state=0, **options)


def read(folder):
    return json.loads((folder / CONFIG).read_text()), load_file(folder / WEIGHTS)


def computed(config, tensors, rows):
    """Return codes and reconstructions by the formulas of SAELens, in float64."""
    t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    norms = np.linalg.norm(t["W_dec"], axis=1) if config.get("rescale_acts_by_decoder_norm") else np.ones(D_SAE)
    product = (rows - t["b_dec"] * config["apply_b_dec_to_input"]) @ t["W_enc"]
    if config["architecture"] == "gated":
        magnitude = np.maximum(product * np.exp(t["r_mag"]) + t["b_mag"], 0)
        codes = np.where(product + t["b_gate"] > 0, magnitude, 0)
    else:
        pre = (product + t["b_enc"]) * norms
        codes = np.maximum(pre, 0)
        if config["architecture"] == "topk":
            ranks = np.argsort(np.argsort(-pre, axis=1), axis=1)
            codes[ranks >= config["k"]] = 0
        elif config["architecture"] != "standard":
            codes[pre <= t["topk_threshold" if "topk_threshold" in t else "threshold"]] = 0
    return codes, codes / norms @ t["W_dec"] + t["b_dec"]


def assert_same(model, rows, codes, reconstructed):
    assert (codes != 0).any() and (codes == 0).any()
    assert_allclose(model.transform(rows), codes, atol=1e-5 * np.abs(codes).max())
    assert_allclose(model.reconstruct(rows), reconstructed, atol=1e-5 * np.abs(reconstructed).max())


# Writing ---------------------------------------------------------------------------------------------------------


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
            to_sae_lens(model, tmp_path / folder)
    assert not (tmp_path / "new").exists()
    assert [path.read_bytes() for path in sorted((tmp_path / "old").iterdir())] == before


# Reading ---------------------------------------------------------------------------------------------------------

SHAPES = {"W_enc": (D_IN, D_SAE), "W_dec": (D_SAE, D_IN), "b_dec": (D_IN,), "topk_threshold": ()}


def write_folder(folder, architecture, own, dtype=np.float32, **fields):
    """Write a folder as another program may write it; return its configuration and tensors."""
    rng = np.random.default_rng(2)
    tensors = {
        name: np.abs(rng.normal(0, 0.5, SHAPES.get(name, (D_SAE,)))) * (1 if "threshold" in name else -1)
        for name in ("W_enc", "W_dec", "b_dec", *own)
    }
    for name in ("W_enc", "W_dec"):
        tensors[name] *= rng.choice([-1, 1], tensors[name].shape)
    tensors = {name: np.asarray(tensor, dtype) for name, tensor in tensors.items()}
    config = {"architecture": architecture, "d_in": D_IN, "d_sae": D_SAE, "apply_b_dec_to_input": True, **fields}
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config))
    save_file(tensors, folder / WEIGHTS)
    return config, tensors


@pytest.mark.parametrize(
    ("architecture", "own", "fields", "expected"),
    [
        ("standard", ["b_enc"], {"apply_b_dec_to_input": False}, {"sparsity": "l1", "pre_bias": False}),
        ("topk", ["b_enc"], {"k": 4}, {"sparsity": "topk", "k": 4, "pre_bias": True}),
        ("topk", ["b_enc"], {"k": 4, "rescale_acts_by_decoder_norm": True}, {"unit_norm_decoder": "auto"}),
        ("jumprelu", ["b_enc", "threshold"], {"reshape_activations": "hook_z"}, {"unit_norm_decoder": False}),
        ("gated", ["b_gate", "r_mag", "b_mag"], {"normalize_activations": None}, {"sparsity": "gated"}),
        (
            "batchtopk",
            ["b_enc", "topk_threshold"],
            {"k": 2.6, "rescale_acts_by_decoder_norm": True},
            {"sparsity": "batch_topk", "k": 3},
        ),
        (
            "matryoshka_batchtopk",
            ["b_enc", "topk_threshold"],
            {"k": 2, "matryoshka_widths": [4, 8], "rescale_acts_by_decoder_norm": True},
            {"sparsity": Matryoshka(2, prefixes=(4, 8, 16), pre_bias=True)},
        ),
        # A threshold on activations, not on activations times decoder norms: a JumpReLU.
        ("batchtopk", ["b_enc", "topk_threshold"], {"k": 3}, {"sparsity": "jumprelu", "unit_norm_decoder": False}),
    ],
)
def test_reading_each_architecture(architecture, own, fields, expected, rows, tmp_path):
    config, tensors = write_folder(tmp_path, architecture, own, **fields)
    model = from_sae_lens(tmp_path)
    assert_same(model, rows, *computed(config, tensors, rows))
    assert expected.items() <= model.get_params(deep=False).items()
    assert (model.n_features_in_, model.n_components_, model.n_iter_, model.history_) == (D_IN, D_SAE, 0, {})


def test_older_versions_and_bfloat16(rows, tmp_path):
    fields = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3}, "normalize_activations": False}
    config, tensors = write_folder(tmp_path / "a", "standard", ["b_enc"], **fields)
    save_file(tensors | {"scaling_factor": np.ones(D_SAE)}, tmp_path / "a" / WEIGHTS)
    codes, reconstructed = computed({**config, "architecture": "topk", "k": 3}, tensors, rows)
    assert_same(from_sae_lens(tmp_path / "a"), rows, codes, reconstructed)
    config, tensors = write_folder(tmp_path / "b", "jumprelu", ["b_enc", "threshold"], ml_dtypes.bfloat16)
    assert_same(from_sae_lens(tmp_path / "b"), rows, *computed(config, tensors, rows))
    logarithm = np.log(tensors.pop("threshold").astype(np.float32))
    save_file(tensors | {"log_threshold": logarithm}, tmp_path / "b" / WEIGHTS)
    tensors["threshold"] = np.exp(logarithm)
    assert_same(from_sae_lens(tmp_path / "b"), rows, *computed(config, tensors, rows))


def test_thresholds_of_zero_and_below_have_no_effect(rows, tmp_path):
    config, tensors = write_folder(tmp_path, "jumprelu", ["b_enc", "threshold"])
    tensors["threshold"][:8], tensors["threshold"][8:] = 0, -0.5
    save_file(tensors, tmp_path / WEIGHTS)
    assert_same(from_sae_lens(tmp_path), rows, *computed(config, tensors, rows))


def test_a_model_can_be_saved_and_trained_further(rows, tmp_path):
    config, tensors = write_folder(tmp_path / "a", "standard", ["b_enc"])
    model = from_sae_lens(tmp_path / "a")
    model.save(tmp_path / "model.safetensors")
    loaded = SparseAutoencoder.load(tmp_path / "model.safetensors")
    assert_array_equal(loaded.transform(rows), model.transform(rows))
    loaded.set_params(learning_rate=1e-9).partial_fit(rows)
    assert_same(loaded, rows, *computed(config, tensors, rows))
    assert (loaded.n_iter_, len(loaded.history_["loss"])) == (1, 1)
    loaded.set_params(learning_rate=0.01).partial_fit(rows)
    loaded.partial_fit(rows)
    assert loaded.history_["reconstruction"][2] < loaded.history_["reconstruction"][0]


def set_fields(**fields):
    def damage(config, tensors):
        config.update(fields)

    return damage


def shrink(config, tensors):
    tensors["W_dec"] = tensors["W_dec"][:, :5].copy()


def add_nan(config, tensors):
    tensors["b_enc"][3] = np.nan


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (set_fields(architecture="transcoder"), "architecture='transcoder' is not one of 'standard', 'topk', "),
        (set_fields(activation_fn="tanh-relu"), "has activation_fn='tanh-relu'; isthmus reads 'relu' and 'topk'"),
        (set_fields(normalize_activations="layer_norm"), "'layer_norm' scales each row separately"),
        (
            set_fields(normalize_activations="expected_average_only_in"),
            "needs a factor that is not in these files; fold",
        ),
        (set_fields(k=17), "k=17 .*16 units"),
        (set_fields(k="many"), "k='many' must be an integer >= 1"),
        (set_fields(k=float("inf")), "cannot be read as a sparse autoencoder"),
        (set_fields(d_sae=15), r"has W_enc of shape \(6, 16\), but cfg\.json implies \(6, 15\)"),
        (lambda config, tensors: config.pop("d_in"), "cfg.json has no field 'd_in'"),
        (lambda config, tensors: config.pop("k"), "cfg.json has no field 'k'"),
        (lambda config, tensors: tensors.pop("b_enc"), "has no tensor b_enc, which architecture 'topk' requires"),
        (
            lambda config, tensors: tensors.update(W_skip=np.ones(3)),
            "tensor W_skip, which architecture 'topk' does not use",
        ),
        (shrink, r"has W_dec of shape \(16, 5\), but cfg\.json implies \(16, 6\)"),
        (add_nan, "b_enc contains a value that is not finite"),
    ],
)
def test_invalid_contents_raise(damage, match, tmp_path):
    config, tensors = write_folder(tmp_path, "topk", ["b_enc"], k=3)
    damage(config, tensors)
    (tmp_path / CONFIG).write_text(json.dumps(config))
    save_file(tensors, tmp_path / WEIGHTS)
    with pytest.raises(ModelFileError, match=match) as caught:
        from_sae_lens(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        (CONFIG, b"{", "is not readable JSON"),
        (CONFIG, b"\xff\xfe", "is not readable JSON"),
        (CONFIG, b"[1]", "contains a list, not a JSON object"),
        (WEIGHTS, b"", "is not a readable safetensors file"),
        (WEIGHTS, b"\x08" + bytes(30), "is not a readable safetensors file"),
    ],
)
def test_damaged_files(name, content, match, tmp_path):
    write_folder(tmp_path, "topk", ["b_enc"], k=3)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=match) as caught:
        from_sae_lens(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"cfg\.json does not exist; pass a folder with"):
        from_sae_lens(tmp_path / "nowhere")
    write_folder(tmp_path, "topk", ["b_enc"], k=3)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(MissingFileError, match=r"sae_weights\.safetensors does not exist"):
        from_sae_lens(tmp_path)


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
