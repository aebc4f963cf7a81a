import json

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

from isthmus import SparseAutoencoder
from isthmus.core.errors import MissingFileError, ModelFileError
from isthmus.export.sae_lens import CONFIG, WEIGHTS, from_sae_lens
from isthmus.sparsity import Matryoshka
from sae_folders import D_IN, D_SAE, assert_same, computed, example_rows


@pytest.fixture(scope="module")
def rows():
    return example_rows()


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
