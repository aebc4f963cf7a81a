"""Models for the tests of SAELens's format, and its formulas in NumPy."""

import json
from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose
from safetensors.numpy import load_file

from isthmus import SparseAutoencoder
from isthmus.estimators.fit.run import start_fit
from isthmus.estimators.inputs import open_rows
from isthmus.export.sae_lens import CONFIG, WEIGHTS
from isthmus.sparsity import Matryoshka

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


def example_rows():
    """Return rows (200, D_IN) whose columns have different means and scales."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((200, D_IN)) * [1, 5, 0.2, 3, 1, 2] + [0, 20, -1, 30, 0, 5]).astype(np.float32)


def untrained(model, rows):
    """Return the model with its initial weights, as if fitted, without compiling an epoch."""
    run = start_fit(model, open_rows(model, rows, reset=True))
    model._adopt(run.fitted(run.state), run.trainer.loader)
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
