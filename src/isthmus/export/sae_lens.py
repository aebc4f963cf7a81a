"""Sparse autoencoders in the format of SAELens: a folder with ``cfg.json`` and ``sae_weights.safetensors``.

In SAELens 6.54, ``code = f((x - s b_dec) W_enc + b_enc)`` and ``row = code W_dec + b_dec``, where s is 1 or 0 by
``apply_b_dec_to_input`` and f depends on the architecture. Rows are in their original units: the scaling of a model is
folded into the weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import InvalidParameterError, MissingFileError, ModelFileError, unknown_name
from isthmus.core.files import atomic_write, make_folder
from isthmus.core.parameters import check_parameters
from isthmus.core.version import __version__
from isthmus.data.scaling import Scaler, Whitening
from isthmus.data.sources.base import Column, Schema
from isthmus.estimators.fit.plan import resolve
from isthmus.estimators.sparse import SparseAutoencoder
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1, BatchTopK, Gated, JumpReLU, Lifetime, Matryoshka, Sparsity, TopK

__all__ = ["from_sae_lens", "to_sae_lens"]

Tensors = dict[str, NDArray[Any]]

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
# SAELens reads configurations without a version, or with one before 6, as those of version 5.
_VERSION = "6.54.0"


def to_sae_lens(model: Any, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a fitted sparse autoencoder in the format of SAELens, for ``SAE.load_from_disk(folder)``.

    Codes and reconstructions equal those of the model up to rounding: affine scalings (all but "patches" and
    "whitened_patches") are folded into the weights. L1, lifetime and a relu code without sparsity become "standard",
    topk "topk", jumprelu "jumprelu", gated "gated", batch_topk "jumprelu" with its learned threshold for every unit,
    and matryoshka becomes the architecture of its inner sparsity.

    Parameters
    ----------
    model : Autoencoder or SparseAutoencoder
        Fitted, with one encoder and one decoder layer. With ``precision="bfloat16"`` the float32 weights are written;
        codes then agree up to bfloat16 rounding.
    folder : path-like
        Created if it does not exist. The two files are written atomically, both or neither.
    overwrite : bool
        Replace existing files.

    Raises
    ------
    ExistingFileError
        If a file exists and `overwrite` is false.
    InvalidParameterError
        If the format cannot represent the model; the message names the parameter to change.
    UnwritableError
        If the files cannot be written.
    """
    check_is_fitted(model)
    _check_exportable(model)
    layer = _folded(model)
    values = model.params_.get("sparsity", {}) | dict(model.sparsity_state_)
    architecture, fields, tensors = _written(model.sparsity_, values, layer)
    config = {
        "architecture": architecture,
        "d_in": model.network_.n_features,
        "d_sae": model.network_.n_components,
        "dtype": str(model.network_.dtype),
        "device": "cpu",
        "apply_b_dec_to_input": layer.centred,
        "normalize_activations": "none",
        "reshape_activations": "none",
        **fields,
        "metadata": {"sae_lens_version": _VERSION, "isthmus_version": __version__},
    }
    tensors |= {"W_enc": layer.encoder, "W_dec": layer.decoder, "b_dec": layer.bias}
    stored = {name: np.ascontiguousarray(tensor, model.network_.dtype) for name, tensor in tensors.items()}
    path = Path(folder)
    with (
        _created_folder(path),
        atomic_write(path / CONFIG, overwrite=overwrite) as text,
        atomic_write(path / WEIGHTS, overwrite=overwrite) as weights,
    ):
        text.write(json.dumps(config, indent=2).encode())
        weights.write(save(stored))
        # A full disk raises here, before either file is replaced.
        text.flush()
        weights.flush()


def from_sae_lens(folder: str | os.PathLike[str]) -> SparseAutoencoder:
    """Return the sparse autoencoder in a folder in the format of SAELens, fitted, without scaling.

    Reads the architectures "standard" (as l1), "topk", "jumprelu" and "gated", saved for inference or as training
    checkpoints, and training checkpoints of "batchtopk" and "matryoshka_batchtopk", whose codes use their fixed
    threshold. Rows are (n_samples, d_in), with attention heads flattened.

    Parameters
    ----------
    folder : path-like
        Folder with ``cfg.json`` and ``sae_weights.safetensors``; nothing in them is executed.

    Returns
    -------
    model : SparseAutoencoder
        Fitted; training can be continued with `partial_fit`. Training parameters other than k have isthmus's defaults,
        the history is empty, and every unit counts as active.

    Raises
    ------
    MissingFileError
        If a file does not exist.
    ModelFileError
        If a file is damaged, the files do not match, or isthmus does not support what they contain.
    """
    path = Path(folder)
    for file in (path / CONFIG, path / WEIGHTS):
        if not file.is_file():
            raise MissingFileError(f"{file} does not exist; pass a folder with {CONFIG} and {WEIGHTS}")
    config, tensors = _config(path / CONFIG), _tensors(path / WEIGHTS)
    try:
        return _model(path, config, tensors)
    except KeyError as error:
        raise ModelFileError(f"{path / CONFIG} has no field {error}") from error
    except (InvalidParameterError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} cannot be read as a sparse autoencoder: {error}") from error


class _Layer(NamedTuple):
    """One encoder and one decoder layer, in the units of the rows; float64."""

    encoder: NDArray[np.float64]  # (d_in, d_sae)
    decoder: NDArray[np.float64]  # (d_sae, d_in)
    bias: NDArray[np.float64]  # (d_in,) of the decoder
    code_bias: NDArray[np.float64]  # (d_sae,) of the encoder
    shift: NDArray[np.float64]  # (d_sae,) the part of code_bias that compensates the centring of rows
    centred: bool
    lengths: NDArray[np.float64]  # (d_sae,) norms of the decoder's rows in scaled units


def _check_exportable(model: Any) -> None:
    network, sparsity, kind = model.network_, model.sparsity_, model.scaler_.kind

    def refuse(what: str, remedy: str) -> None:
        raise InvalidParameterError(f"{what} cannot be stored in the format of SAELens; fit with {remedy}")

    if not isinstance(network, Dense):
        refuse("a custom network", "network=None")
    if network.encoder_sizes or network.decoder_sizes:
        widths = "-".join(map(str, (*network.encoder_widths, *network.decoder_widths[1:])))
        refuse(f"a network with hidden layers ({widths})", "hidden_layer_sizes=()")
    for name, used in (("linear_path", network.linear_path), ("tied_weights", network.tied)):
        if used:
            refuse(f"{name}=True", f"{name}=False")
    if isinstance(sparsity, KL):
        refuse(f"the {network.code_activation} code of sparsity='kl'", "sparsity='topk' or 'l1'")
    if sparsity is not None and type(sparsity) not in _WRITERS:
        refuse(f"sparsity={sparsity!r}", f"one of isthmus.sparsity's {', '.join(row.__name__ for row in _WRITERS)}")
    for name, wanted in (("code_activation", "relu"), ("output_activation", "identity")):
        if getattr(network, name) != wanted:
            refuse(f"{name}={getattr(network, name)!r}", f"{name}={wanted!r}")
    if not isinstance(model.scaler_, Scaler | Whitening):
        what = f"scaling={kind!r}, which subtracts the mean of each row,"
        refuse(what, "scaling='standard', or scale the rows before")


def _folded(model: Any) -> _Layer:
    """Return the layers of the model with its scaling folded in."""
    network, scaler = model.network_, model.scaler_
    first, last = model.params_["encoder"][0], model.params_["decoder"][0]
    weight, bias = first["weight"].astype(np.float64), last["bias"].astype(np.float64)
    encoder = scaler.whitening @ weight if isinstance(scaler, Whitening) else weight / scaler.scale[:, None]
    # The decoder's bias, which is near the rows, is subtracted instead of the scaling's centre: for rows far from 0,
    # the product with rows that are not centred would lose the precision of their differences.
    centred = network.pre_bias or bool(scaler.center.any())
    shift = bias @ weight if centred and not network.pre_bias else np.zeros(network.n_components)
    return _Layer(
        encoder,
        scaler.directions(last["weight"]),
        scaler.raw(bias[None], np.float64)[0],
        first["bias"] + shift,
        shift,
        centred,
        np.linalg.norm(last["weight"].astype(np.float64), axis=1),
    )


_Written = tuple[str, dict[str, Any], Tensors]  # architecture, fields of the configuration, tensors


def _written(sparsity: Any, values: Tensors, layer: _Layer) -> _Written:
    """Return what stands for a sparsity with these learned or kept arrays, as all functions of the table do."""
    return _WRITERS.get(type(sparsity), _standard)(sparsity, values, layer)


def _standard(sparsity: Any, values: Tensors, layer: _Layer) -> _Written:
    return "standard", {}, {"b_enc": layer.code_bias}


def _topk(sparsity: TopK, values: Tensors, layer: _Layer) -> _Written:
    k = sparsity.k_of(len(layer.code_bias))
    return "topk", {"k": k, "rescale_acts_by_decoder_norm": False}, {"b_enc": layer.code_bias}


def _jumprelu(sparsity: JumpReLU, values: Tensors, layer: _Layer) -> _Written:
    return "jumprelu", {}, {"b_enc": layer.code_bias, "threshold": np.exp(values["log_threshold"])}


def _batch_topk(sparsity: BatchTopK, values: Tensors, layer: _Layer) -> _Written:
    threshold = values["threshold"] / np.maximum(values["known"], np.float32(1e-12))
    # isthmus keeps values >= threshold, by default times the norm of the decoder row; SAELens values > threshold.
    below = np.nextafter(threshold, np.float32(0)) if threshold > 0 else threshold
    lengths = np.ones_like(layer.lengths) if sparsity.rule == "paper" else layer.lengths
    by_unit = below / np.maximum(lengths, np.finfo(np.float32).tiny)
    return "jumprelu", {}, {"b_enc": layer.code_bias, "threshold": by_unit}


def _gated(sparsity: Gated, values: Tensors, layer: _Layer) -> _Written:
    magnitude_bias = values["magnitude_bias"] + np.exp(values["log_scale"].astype(np.float64)) * layer.shift
    return "gated", {}, {"b_gate": layer.code_bias, "r_mag": values["log_scale"], "b_mag": magnitude_bias}


@contextmanager
def _created_folder(path: Path) -> Iterator[None]:
    """Create a folder if it does not exist, and remove it again on an error."""
    created = not path.exists()
    make_folder(path)
    try:
        yield
    except BaseException:
        if created:
            with suppress(OSError):
                path.rmdir()
        raise


class _Architecture(NamedTuple):
    """How to read an architecture."""

    tensors: tuple[str, ...]  # in addition to W_enc, W_dec and b_dec; the first is the encoder's bias
    parameters: Callable[[Mapping[str, Any]], dict[str, Any]]  # configuration -> parameters of the estimator
    learned: Callable[[Tensors], Tensors] = lambda tensors: {}
    state: Callable[[Tensors], Tensors] = lambda tensors: {}


def _config(path: Path) -> dict[str, Any]:
    """Return the configuration, with the field names of SAELens 6."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"{path} contains a {type(config).__name__}, not a JSON object")
    # Before version 6 the activation was a separate field, and top-k one of its values.
    activation = config.get("activation_fn", config.get("activation_fn_str", "relu"))
    if activation == "topk":
        kwargs = config.get("activation_fn_kwargs") or {}
        config |= {"architecture": "topk", "k": config.get("k", kwargs.get("k"))}
    elif activation != "relu":
        raise ModelFileError(f"{path} has activation_fn={activation!r}; isthmus reads 'relu' and 'topk'")
    return config


def _tensors(path: Path) -> Tensors:
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is not a readable safetensors file: {str(error).splitlines()[0]}") from error
    # Checkpoints of older versions have an unused scale, and the logarithm of thresholds.
    if np.all(tensors.get("scaling_factor", 0) == 1):
        del tensors["scaling_factor"]
    if "log_threshold" in tensors:
        tensors["threshold"] = np.exp(tensors.pop("log_threshold").astype(np.float64))
    return tensors


def _model(path: Path, config: Mapping[str, Any], tensors: Tensors) -> SparseAutoencoder:
    name = config.get("architecture", "standard")
    if name not in _ARCHITECTURES:
        raise unknown_name("architecture", name, _ARCHITECTURES)
    kind = _ARCHITECTURES[name]
    d_in, d_sae = (_positive_integer(field, config[field]) for field in ("d_in", "d_sae"))
    _check_normalization(config)
    _check_tensors(path / WEIGHTS, name, tensors, d_in, d_sae)
    compute = np.dtype(np.float64 if str(config.get("dtype")).endswith("float64") else np.float32)
    tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    norms = np.linalg.norm(tensors["W_dec"], axis=1)
    if config.get("rescale_acts_by_decoder_norm"):
        # Codes become those of a decoder whose rows have norm 1.
        norms = np.maximum(norms, 1e-8)
        tensors |= {name: tensors[name] * norms for name in ("W_enc", "b_enc")}
        tensors["W_dec"] = tensors["W_dec"] / norms[:, None]
        norms = np.ones(d_sae)
    unit = bool(np.allclose(norms, 1, atol=1e-3))
    if "topk_threshold" in tensors and not unit:
        # Its threshold applies to the activations, that of isthmus to activations times decoder norms.
        kind = _ARCHITECTURES["jumprelu"]
        tensors["threshold"] = np.full(d_sae, np.nextafter(tensors["topk_threshold"], -np.inf))
    parameters = kind.parameters(config)
    # Normalizing a decoder whose rows have other norms would change the model.
    options: dict[str, Any] = {
        "pre_bias": bool(config.get("apply_b_dec_to_input", True)),
        "unit_norm_decoder": "auto" if unit else False,
    }
    if isinstance(parameters["sparsity"], Sparsity):
        parameters["sparsity"] = replace(parameters["sparsity"], **options)
    else:
        parameters |= options
    model = SparseAutoencoder(d_sae, output_activation="identity", scaling=None, precision=str(compute), **parameters)
    return _fitted(model, d_in, kind, {name: tensor.astype(compute) for name, tensor in tensors.items()})


def _fitted(model: SparseAutoencoder, d_in: int, kind: _Architecture, tensors: Tensors) -> SparseAutoencoder:
    """Return `model` with the attributes that `fit` sets."""
    values = model.get_params(deep=False)
    check_parameters(type(model), values)
    d_sae = values["n_components"]
    scaler = Scaler("none", np.zeros(d_in), np.ones(d_in))
    plan = resolve(values, Schema(tuple(Column(f"x{i}") for i in range(d_in))), n_rows=1, seed=0)
    network, sparsity = plan.network.build(d_sae, near_bounds=False), plan.sparsity
    assert sparsity is not None
    sparsity.check(network)
    learned = kind.learned(tensors)
    model.__dict__ |= {
        "params_": {
            "encoder": [{"weight": tensors["W_enc"], "bias": tensors[kind.tensors[0]]}],
            "decoder": [{"weight": tensors["W_dec"], "bias": tensors["b_dec"]}],
            **({"sparsity": learned} if learned else {}),
        },
        "network_": network,
        "n_components_": d_sae,
        "n_features_in_": d_in,
        "scaler_": scaler,
        "history_": {},
        **dict.fromkeys(("n_iter_", "best_iter_", "seed_"), 0),
        "loss_": float("nan"),
        **dict.fromkeys(("image_shape_", "error_scale_", "optimizer_state_")),
        "sparsity_": sparsity,
        "sparsity_state_": sparsity.init(d_sae) | kind.state(tensors),
        "mean_code_": np.zeros(d_sae),
    }
    return model


def _positive_integer(name: str, value: Any) -> int:
    # The k of a batch may be fractional in SAELens; it only matters in training.
    if isinstance(value, bool) or not isinstance(value, int | float) or round(value) < 1:
        raise ValueError(f"{name}={value!r} must be an integer >= 1")
    return round(value)


def _check_normalization(config: Mapping[str, Any]) -> None:
    kind = config.get("normalize_activations")
    if kind in (None, False, "none"):
        return
    if kind in (True, "expected_average_only_in", "covariance_whitening"):
        raise ValueError(
            f"normalize_activations={kind!r} needs a factor that is not in these files; "
            "fold it into the weights with SAELens, as it does at the end of training, and save again"
        )
    raise ValueError(f"normalize_activations={kind!r} scales each row separately, which isthmus does not support")


def _check_tensors(path: Path, architecture: str, tensors: Tensors, d_in: int, d_sae: int) -> None:
    shapes: dict[str, tuple[int, ...]] = {"W_enc": (d_in, d_sae), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    for name in _ARCHITECTURES[architecture].tensors:
        shapes[name] = () if name == "topk_threshold" else (d_sae,)
    for name, shape in shapes.items():
        if name not in tensors:
            raise ModelFileError(f"{path} has no tensor {name}, which architecture {architecture!r} requires")
        if tensors[name].shape != shape:
            raise ModelFileError(f"{path} has {name} of shape {tensors[name].shape}, but {CONFIG} implies {shape}")
        if not np.isfinite(tensors[name].astype(np.float64)).all():
            raise ModelFileError(f"{path}: {name} contains a value that is not finite")
    unexpected = sorted(set(tensors) - set(shapes))
    if unexpected:
        raise ModelFileError(f"{path} has a tensor {unexpected[0]}, which architecture {architecture!r} does not use")


def _log_threshold(tensors: Tensors) -> Tensors:
    # A threshold <= 0 has no effect after relu; nor has the smallest positive number, whose logarithm exists.
    threshold = tensors["threshold"]
    return {"log_threshold": np.log(np.maximum(threshold, np.finfo(threshold.dtype).tiny))}


def _fixed_threshold(tensors: Tensors) -> Tensors:
    threshold = np.nextafter(tensors["topk_threshold"].astype(np.float32), np.float32(np.inf))
    return {"threshold": np.asarray(threshold), "known": np.ones((), np.float32)}


def _matryoshka(config: Mapping[str, Any]) -> dict[str, Any]:
    widths = [_positive_integer("matryoshka_widths", width) for width in config["matryoshka_widths"]]
    prefixes = tuple(widths if widths and widths[-1] == config["d_sae"] else [*widths, config["d_sae"]])
    return {"sparsity": Matryoshka(k=_positive_integer("k", config["k"]), prefixes=prefixes)}


_ARCHITECTURES: dict[str, _Architecture] = {
    "standard": _Architecture(("b_enc",), lambda config: {"sparsity": "l1"}),
    "topk": _Architecture(("b_enc",), lambda config: {"sparsity": "topk", "k": _positive_integer("k", config["k"])}),
    "jumprelu": _Architecture(("b_enc", "threshold"), lambda config: {"sparsity": "jumprelu"}, _log_threshold),
    "gated": _Architecture(
        ("b_gate", "r_mag", "b_mag"),
        lambda config: {"sparsity": "gated"},
        lambda tensors: {"log_scale": tensors["r_mag"], "magnitude_bias": tensors["b_mag"]},
    ),
    "batchtopk": _Architecture(
        ("b_enc", "topk_threshold"),
        lambda config: {"sparsity": "batch_topk", "k": _positive_integer("k", config["k"])},
        state=_fixed_threshold,
    ),
    "matryoshka_batchtopk": _Architecture(("b_enc", "topk_threshold"), _matryoshka, state=_fixed_threshold),
}

_WRITERS: dict[type[Sparsity], Callable[[Any, Tensors, _Layer], _Written]] = {
    L1: _standard,
    Lifetime: _standard,
    TopK: _topk,
    BatchTopK: _batch_topk,
    JumpReLU: _jumprelu,
    Gated: _gated,
    Matryoshka: lambda sparsity, values, layer: _written(sparsity.selection, values, layer),
}
