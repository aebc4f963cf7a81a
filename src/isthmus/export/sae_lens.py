"""Other people's layouts: SAELens's, a folder with ``cfg.json`` and ``sae_weights.safetensors``.

As SAELens 6.54 has it: ``code = f((x - s b_dec) W_enc + b_enc)`` and ``row = code W_dec + b_dec``, where s is 1 or 0 by
``apply_b_dec_to_input`` and f belongs to the architecture. Rows are in the units that came in: what a model does to
them beforehand is folded into the weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import InvalidParameterError, MissingFileError, ModelFileError, UnwritableError, unknown_name
from isthmus.core.files import atomic_write
from isthmus.core.parameters import check_parameters
from isthmus.core.version import __version__
from isthmus.data.scaling import Scaler, Whitening
from isthmus.estimators.build import network_for, sparsity_for
from isthmus.estimators.sparse import SparseAutoencoder
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1, BatchTopK, Gated, JumpReLU, Lifetime, Matryoshka, Sparsity, TopK

__all__ = ["from_sae_lens", "to_sae_lens"]

Tensors = dict[str, NDArray[Any]]

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
# Configurations that name no version, or one before 6, are read by SAELens as those of version 5.
_LAYOUT = "6.54.0"


def to_sae_lens(model: Any, folder: str | os.PathLike[str]) -> None:
    """Write a fitted sparse autoencoder as SAELens keeps them, so that ``SAE.load_from_disk(folder)`` reads it.

    Codes and rebuilt rows are the model's own, to rounding: scalings that are affine (all but "patches" and
    "whitened_patches") are folded into the weights. L1, lifetime and a relu code without sparsity become
    "standard", topk "topk", jumprelu "jumprelu", gated "gated", batch_topk "jumprelu" with the threshold it has
    learned for every unit, and matryoshka what selects its units.

    Parameters
    ----------
    model : Autoencoder or SparseAutoencoder
        Fitted, with one layer each way. With ``precision="bfloat16"`` the float32 weights are written, and codes then
        agree to the rounding of bfloat16.
    folder : path-like
        Made where it is missing. Both files are written whole or neither is; older ones stay until then.

    Raises
    ------
    InvalidParameterError
        Where the layout has no place for the model, with what to fit instead.
    UnwritableError
        Where the files cannot be written.
    """
    check_is_fitted(model)
    _check_expressible(model)
    layer = _folded(model)
    own = model.params_.get("sparsity", {})
    architecture, fields, tensors = _written(model.sparsity_, own, model.sparsity_state_, layer)
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
        "metadata": {"sae_lens_version": _LAYOUT, "isthmus_version": __version__},
    }
    tensors |= {"W_enc": layer.encoder, "W_dec": layer.decoder, "b_dec": layer.bias}
    whole = {name: np.ascontiguousarray(tensor, model.network_.dtype) for name, tensor in tensors.items()}
    with (
        _folder(Path(folder)) as place,
        atomic_write(place / CONFIG) as text,
        atomic_write(place / WEIGHTS) as weights,
    ):
        text.write(json.dumps(config, indent=2).encode())
        weights.write(save(whole))
        # A full disk shows here, before either file takes its place.
        text.flush()
        weights.flush()


def from_sae_lens(folder: str | os.PathLike[str]) -> SparseAutoencoder:
    """Return the sparse autoencoder that a folder in SAELens's layout holds, fitted, without scaling.

    The architectures "standard" (read as l1), "topk", "jumprelu" and "gated" are read, saved for use or as checkpoints
    of training, and checkpoints of "batchtopk" and "matryoshka_batchtopk", whose codes are then those of their fixed
    threshold. Rows are (n_samples, d_in), those of attention heads flattened.

    Parameters
    ----------
    folder : path-like
        With ``cfg.json`` and ``sae_weights.safetensors``; nothing in them is executed.

    Returns
    -------
    model : SparseAutoencoder
        Ready to transform, to save and to go on with `partial_fit`. Settings of training other than k are isthmus's
        own; its history is empty, and every unit counts as awake.

    Raises
    ------
    MissingFileError
        Where a file is not there.
    ModelFileError
        In one line, where one is damaged, they do not fit together, or hold what isthmus cannot compute.
    """
    place = Path(folder)
    config, tensors = _config(place / CONFIG), _tensors(place / WEIGHTS)
    try:
        return _model(place, config, tensors)
    except KeyError as error:
        raise ModelFileError(f"{place / CONFIG} lacks {error}") from error
    except (InvalidParameterError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{place} holds no sparse autoencoder that isthmus can use: {error}") from error


# Writing -------------------------------------------------------------------------------------------------------


class _Layer(NamedTuple):
    """One layer each way, in the units that came in; float64."""

    encoder: NDArray[np.float64]  # (d_in, d_sae)
    decoder: NDArray[np.float64]  # (d_sae, d_in)
    bias: NDArray[np.float64]  # (d_in,) the decoder's
    code_bias: NDArray[np.float64]  # (d_sae,) the encoder's
    shift: NDArray[np.float64]  # (d_sae,) what the encoder's bias has in it because rows are centred
    centred: bool
    lengths: NDArray[np.float64]  # (d_sae,) of the decoder's rows, as training knows them


def _check_expressible(model: Any) -> None:
    network, sparsity, kind = model.network_, model.sparsity_, model.scaler_.kind

    def refuse(what: str, remedy: str) -> None:
        raise InvalidParameterError(f"{what} has no place in SAELens's layout; fit with {remedy}")

    if not isinstance(network, Dense):
        refuse("a network of your own", "network=None")
    if network.encoder_sizes or network.decoder_sizes:
        widths = "-".join(map(str, (*network.encoder_widths, *network.decoder_widths[1:])))
        refuse(f"a network with hidden layers ({widths})", "hidden_layer_sizes=()")
    if network.linear_path:
        refuse("linear_path=True", "linear_path=False")
    if network.tied:
        refuse("tied_weights=True", "tied_weights=False")
    if isinstance(sparsity, KL):
        refuse(f"the {network.code_activation} code of sparsity='kl'", "sparsity='topk' or 'l1'")
    if sparsity is not None and type(sparsity) not in _WRITERS:
        refuse(f"sparsity={sparsity!r}", f"one of isthmus.sparsity's {', '.join(row.__name__ for row in _WRITERS)}")
    if network.code_activation != "relu":
        refuse(f"code_activation={network.code_activation!r}", "code_activation='relu'")
    if network.output_activation != "identity":
        refuse(f"output_activation={network.output_activation!r}", "output_activation='identity'")
    if not isinstance(model.scaler_, Scaler | Whitening):
        refuse(f"scaling={kind!r}, which takes off each row's own mean,", "scaling='standard', or scale rows yourself")


def _folded(model: Any) -> _Layer:
    """Return the model's layers with its scaling folded in."""
    network, scaler = model.network_, model.scaler_
    first, last = model.params_["encoder"][0], model.params_["decoder"][0]
    weight, bias = first["weight"].astype(np.float64), last["bias"].astype(np.float64)
    encoder = scaler.whitening @ weight if isinstance(scaler, Whitening) else weight / scaler.scale[:, None]
    # In place of the scaling's centre the decoder's bias is taken off, which lies where the rows do: with far offsets,
    # the product of whole rows would lose what distinguishes them.
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


def _written(sparsity: Any, own: Tensors, state: Tensors, layer: _Layer) -> _Written:
    return _WRITERS[type(sparsity)](sparsity, own, state, layer) if sparsity is not None else _standard(layer)


def _standard(layer: _Layer) -> _Written:
    return "standard", {}, {"b_enc": layer.code_bias}


def _topk(sparsity: TopK, layer: _Layer) -> _Written:
    k = sparsity.k_of(len(layer.code_bias))
    return "topk", {"k": k, "rescale_acts_by_decoder_norm": False}, {"b_enc": layer.code_bias}


def _jumprelu(layer: _Layer, threshold: NDArray[Any]) -> _Written:
    return "jumprelu", {}, {"b_enc": layer.code_bias, "threshold": threshold}


def _batch_topk(state: Tensors, layer: _Layer) -> _Written:
    threshold = state["threshold"] / np.maximum(state["known"], np.float32(1e-12))
    # Ours keeps what reaches the threshold, theirs what lies above it; ours counts times the decoder row's length.
    below = np.nextafter(threshold, np.float32(0)) if threshold > 0 else threshold
    return _jumprelu(layer, below / np.maximum(layer.lengths, np.finfo(np.float32).tiny))


def _gated(own: Tensors, layer: _Layer) -> _Written:
    magnitude_bias = own["magnitude_bias"] + np.exp(own["log_scale"].astype(np.float64)) * layer.shift
    return "gated", {}, {"b_gate": layer.code_bias, "r_mag": own["log_scale"], "b_mag": magnitude_bias}


@contextmanager
def _folder(place: Path) -> Iterator[Path]:
    """Give a folder that is there; one that was made for nothing goes again."""
    made = not place.exists()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(f"cannot make the folder {place}: {error.strerror or error}") from error
    try:
        yield place
    except BaseException:
        if made:
            with suppress(OSError):
                place.rmdir()
        raise


# Reading -------------------------------------------------------------------------------------------------------


class _Architecture(NamedTuple):
    """How an architecture is read."""

    tensors: tuple[str, ...]  # beside W_enc, W_dec and b_dec; the first is the encoder's bias
    parameters: Callable[[Mapping[str, Any]], dict[str, Any]]  # configuration -> the estimator's
    learned: Callable[[Tensors], Tensors] = lambda tensors: {}
    state: Callable[[Tensors], Tensors] = lambda tensors: {}


def _config(path: Path) -> dict[str, Any]:
    """Return the configuration, in the names of SAELens 6."""
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; SAELens's layout is a folder with {CONFIG} and {WEIGHTS}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"{path} holds a {type(config).__name__}, not a configuration by name")
    # Before version 6 the activation was a setting, and top-k one of its values.
    activation = config.get("activation_fn", config.get("activation_fn_str", "relu"))
    if activation == "topk":
        kwargs = config.get("activation_fn_kwargs") or {}
        config |= {"architecture": "topk", "k": config.get("k", kwargs.get("k"))}
    elif activation != "relu":
        raise ModelFileError(f"{path} has activation_fn={activation!r}; isthmus reads 'relu' and 'topk'")
    return config


def _tensors(path: Path) -> Tensors:
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; SAELens's layout is a folder with {CONFIG} and {WEIGHTS}")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, a file is no dict
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is not a readable safetensors file: {str(error).splitlines()[0]}") from error
    # Checkpoints of older versions: a scale that was never used, and thresholds by their logarithm.
    if np.all(tensors.get("scaling_factor", 0) == 1):
        del tensors["scaling_factor"]
    if "log_threshold" in tensors:
        tensors["threshold"] = np.exp(tensors.pop("log_threshold").astype(np.float64))
    return tensors


def _model(place: Path, config: Mapping[str, Any], tensors: Tensors) -> SparseAutoencoder:
    name = config.get("architecture", "standard")
    if name not in _ARCHITECTURES:
        raise unknown_name("architecture", name, _ARCHITECTURES)
    kind = _ARCHITECTURES[name]
    d_in, d_sae = (_whole(field, config[field]) for field in ("d_in", "d_sae"))
    _check_normalised(config)
    _check_tensors(place / WEIGHTS, name, tensors, d_in, d_sae)
    compute = np.dtype(np.float64 if str(config.get("dtype")).endswith("float64") else np.float32)
    tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    norms = np.linalg.norm(tensors["W_dec"], axis=1)
    if config.get("rescale_acts_by_decoder_norm"):
        _rescale(tensors, np.maximum(norms, 1e-8))
        norms = np.ones(d_sae)
    unit = bool(np.allclose(norms, 1, atol=1e-3))
    if "topk_threshold" in tensors and not unit:
        # Its threshold is for activations as they are, ours for what they add to the reconstruction.
        kind = _ARCHITECTURES["jumprelu"]
        tensors["threshold"] = np.full(d_sae, np.nextafter(tensors["topk_threshold"], -np.inf))
    model = SparseAutoencoder(
        d_sae,
        output_activation="identity",
        pre_bias=bool(config.get("apply_b_dec_to_input", True)),
        # What has not been so from the start would change all at once.
        unit_norm_decoder="auto" if unit else False,
        scaling=None,
        precision=str(compute),
        **kind.parameters(config),
    )
    return _fitted(model, d_in, kind, {name: tensor.astype(compute) for name, tensor in tensors.items()})


def _fitted(model: SparseAutoencoder, d_in: int, kind: _Architecture, tensors: Tensors) -> SparseAutoencoder:
    """Return an estimator with what `fit` would have left in it."""
    values = model.get_params(deep=False)
    check_parameters(values)
    d_sae = values["n_components"]
    scaler = Scaler("none", np.zeros(d_in), np.ones(d_in))
    network, sparsity = network_for(values, d_in, d_sae, scaler), sparsity_for(values)
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
        "n_iter_": 0,
        "best_iter_": 0,
        "loss_": float("nan"),
        "seed_": 0,
        "image_shape_": None,
        "sparsity_": sparsity,
        "sparsity_state_": sparsity.init(d_sae) | kind.state(tensors),
        "mean_code_": np.zeros(d_sae),
        "optimizer_state_": None,
    }
    return model


def _whole(name: str, value: Any) -> int:
    # A k of batches may be broken in SAELens; it matters in training alone.
    if isinstance(value, bool) or not isinstance(value, int | float) or round(value) < 1:
        raise ValueError(f"{name}={value!r} is no whole number of at least 1")
    return round(value)


def _check_normalised(config: Mapping[str, Any]) -> None:
    wanted = config.get("normalize_activations")
    if wanted in (None, False, "none"):
        return
    if wanted in (True, "expected_average_only_in", "covariance_whitening"):
        raise ValueError(
            f"normalize_activations={wanted!r} needs a number that is not in these files; "
            "fold it into the weights with SAELens, which does so at the end of training, and save again"
        )
    raise ValueError(f"normalize_activations={wanted!r} scales each row by itself, which isthmus has no scaling for")


def _check_tensors(path: Path, architecture: str, tensors: Tensors, d_in: int, d_sae: int) -> None:
    shapes: dict[str, tuple[int, ...]] = {"W_enc": (d_in, d_sae), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    for name in _ARCHITECTURES[architecture].tensors:
        shapes[name] = () if name == "topk_threshold" else (d_sae,)
    for name, shape in shapes.items():
        if name not in tensors:
            raise ModelFileError(f"{path} lacks the tensor {name} of architecture {architecture!r}")
        if tensors[name].shape != shape:
            raise ModelFileError(f"{path} has {name} of shape {tensors[name].shape}, not {shape} as {CONFIG} says")
        if not np.isfinite(tensors[name].astype(np.float64)).all():
            raise ModelFileError(f"{path} has a value in {name} that is not finite")
    foreign = sorted(set(tensors) - set(shapes))
    if foreign:
        raise ModelFileError(f"{path} has a tensor {foreign[0]}, which architecture {architecture!r} has not")


def _rescale(tensors: Tensors, norms: NDArray[Any]) -> None:
    """Make codes those of a decoder whose rows have length 1."""
    tensors["W_enc"] = tensors["W_enc"] * norms
    tensors["b_enc"] = tensors["b_enc"] * norms
    tensors["W_dec"] = tensors["W_dec"] / norms[:, None]


def _log_threshold(tensors: Tensors) -> Tensors:
    # At 0 and below, relu alone decides; ours is kept by its logarithm, and the least number above 0 does the same.
    threshold = tensors["threshold"]
    return {"log_threshold": np.log(np.maximum(threshold, np.finfo(threshold.dtype).tiny))}


def _fixed_threshold(tensors: Tensors) -> Tensors:
    threshold = np.nextafter(tensors["topk_threshold"].astype(np.float32), np.float32(np.inf))
    return {"threshold": np.asarray(threshold), "known": np.ones((), np.float32)}


def _matryoshka(config: Mapping[str, Any]) -> dict[str, Any]:
    widths = [_whole("matryoshka_widths", width) for width in config["matryoshka_widths"]]
    prefixes = tuple(widths if widths and widths[-1] == config["d_sae"] else [*widths, config["d_sae"]])
    return {"sparsity": Matryoshka(k=_whole("k", config["k"]), prefixes=prefixes)}


_ARCHITECTURES: dict[str, _Architecture] = {
    "standard": _Architecture(("b_enc",), lambda config: {"sparsity": "l1"}),
    "topk": _Architecture(("b_enc",), lambda config: {"sparsity": "topk", "k": _whole("k", config["k"])}),
    "jumprelu": _Architecture(("b_enc", "threshold"), lambda config: {"sparsity": "jumprelu"}, _log_threshold),
    "gated": _Architecture(
        ("b_gate", "r_mag", "b_mag"),
        lambda config: {"sparsity": "gated"},
        lambda tensors: {"log_scale": tensors["r_mag"], "magnitude_bias": tensors["b_mag"]},
    ),
    "batchtopk": _Architecture(
        ("b_enc", "topk_threshold"),
        lambda config: {"sparsity": "batch_topk", "k": _whole("k", config["k"])},
        state=_fixed_threshold,
    ),
    "matryoshka_batchtopk": _Architecture(("b_enc", "topk_threshold"), _matryoshka, state=_fixed_threshold),
}

_WRITERS: dict[type[Sparsity], Callable[[Any, Tensors, Tensors, _Layer], _Written]] = {
    L1: lambda sparsity, own, state, layer: _standard(layer),
    Lifetime: lambda sparsity, own, state, layer: _standard(layer),
    TopK: lambda sparsity, own, state, layer: _topk(sparsity, layer),
    BatchTopK: lambda sparsity, own, state, layer: _batch_topk(state, layer),
    JumpReLU: lambda sparsity, own, state, layer: _jumprelu(layer, np.exp(own["log_threshold"])),
    Gated: lambda sparsity, own, state, layer: _gated(own, layer),
    Matryoshka: lambda sparsity, own, state, layer: _written(sparsity.selection, own, state, layer),
}
