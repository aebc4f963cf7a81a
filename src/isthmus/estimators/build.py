"""Where names become objects: from an estimator's parameters and its data to a network, an objective, an optimizer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from isthmus import corruption as corruptions
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.types import Columns, Schedule
from isthmus.data.scaling import ColumnStatistics, Scaling
from isthmus.engine.devices import Placement
from isthmus.engine.loop import Settings
from isthmus.engine.optimizers import DEFAULT_DECAY, Optimizer
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.sparsity import Sparsity, resolve
from isthmus.sparsity.base import constant

_RELU_FAMILY = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})
# Fewer rows than this held back would decide by luck; the training rows then decide.
_FEWEST_HELD_BACK = 5


def draw_seed(random_state: Any) -> int:
    """Return a seed below 2**32: the integer given, one drawn from a RandomState, or a new one for None."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if hasattr(random_state, "randint"):
        return int(random_state.randint(2**31 - 1))
    return int(random_state)


def pick_device(name: str | None) -> Any:
    """Return the device of this process that a name such as ``"cpu"`` or ``"gpu:1"`` stands for; None for None."""
    if name is None:
        return None
    platform, _, number = name.partition(":")
    try:
        return jax.local_devices(backend=platform)[int(number or 0)]
    except (RuntimeError, ValueError, IndexError) as error:
        found = sorted({device.platform for device in jax.devices()} | {"cpu"})
        raise InvalidParameterError(f"device={name!r} is not here; JAX finds {', '.join(found)}") from error


def placement_for(name: str | None) -> Placement:
    """Return where to train: on the one device that is named, or over all of a platform, of all processes."""
    device = pick_device(name)
    platform, _, number = (name or "").partition(":")
    if number:
        if jax.process_count() > 1:
            raise InvalidParameterError(f"device={name!r} is one device, and {jax.process_count()} processes train")
        return Placement(device)
    devices = jax.devices(platform or None)
    return Placement(device) if len(devices) == 1 else Placement.over(devices)


def holdout_share(values: Mapping[str, Any], n_rows: int) -> float:
    """Return the share of rows to hold back for early stopping, 0 where they would be too few to judge by."""
    share = float(values["validation_fraction"]) if values["early_stopping"] else 0.0
    return share if share * n_rows >= _FEWEST_HELD_BACK else 0.0


def batch_rows(batch_size: int | str, n_rows: int) -> int:
    """Return the rows of a step; ``"auto"`` gives small data at least 32 steps an epoch, in batches of 32 or more."""
    if not isinstance(batch_size, str):
        return int(batch_size)
    return int(min(256, max(32, 1 << max(n_rows // 32, 1).bit_length() - 1)))


def settings_for(values: Mapping[str, Any]) -> Settings:
    """Return how long and how fast to train."""
    decay = values["weight_decay"]
    if decay is None:
        decay = DEFAULT_DECAY.get(values["optimizer"], 0.0) if isinstance(values["optimizer"], str) else 0.0
    return Settings(
        max_epochs=int(values["max_epochs"]),
        learning_rate=float(values["learning_rate"]),
        schedule=values["learning_rate_schedule"],
        decay=float(decay),
        clip=float(values["gradient_clip"] or 0),
        early_stopping=bool(values["early_stopping"]),
        patience=int(values["n_iter_no_change"]),
        tol=float(values["tol"]),
        restore_best=bool(values["restore_best"]),
    )


def optimizer_for(values: Mapping[str, Any]) -> Optimizer:
    """Return the update rule.

    Raises
    ------
    InvalidParameterError
        Where the decay would be ignored.
    """
    if not isinstance(values["optimizer"], str) and values["weight_decay"] is not None:
        raise InvalidParameterError("weight_decay has no effect beside an Optax transformation; build it into that")
    return Optimizer(
        values["optimizer"], clips=values["gradient_clip"] is not None, decays=settings_for(values).decay > 0
    )


def sparsity_for(values: Mapping[str, Any]) -> Sparsity | None:
    """Return the method that the parameters describe.

    Raises
    ------
    InvalidParameterError
        Where a setting is not the method's.
    """
    return resolve(
        values["sparsity"], k=values["k"], target=values["sparsity_target"], weight=values["sparsity_weight"]
    )


def corruption_for(values: Mapping[str, Any], image_shape: tuple[int, ...] | None = None) -> Any:
    """Return what the network sees in place of the rows, or None.

    Raises
    ------
    InvalidParameterError
        Where a setting has no effect.
    """
    corruption = corruptions.resolve(values["corruption"], values["corruption_level"])
    if corruption is None:
        if values["untouched_weight"] != 1:
            raise InvalidParameterError(
                f"untouched_weight={values['untouched_weight']:g} has no effect without corruption"
            )
        return None
    return corruption.bound(image_shape)


def columns_for(statistics: ColumnStatistics, scaler: Scaling) -> Columns:
    """Return what a corruption may know of the scaled columns.

    Where the scaling mixes columns, range and deviation are those of a sample, and there is no unit (NaN).
    """
    if scaler.affine is None:
        rows = scaler.scaled(statistics.sample, np.float64)
        unknown = np.full(rows.shape[1], np.nan)
        return Columns(rows.min(axis=0), rows.max(axis=0), unknown, rows.std(axis=0), unknown)
    center, scale = scaler.affine
    center, seen = np.nan_to_num(center), ~statistics.unseen
    low, high = ((np.where(seen, edge, 0.0) - center) / scale for edge in (statistics.low, statistics.high))
    return Columns(low, high, 1 / scale, statistics.deviation / scale, -center / scale)


def objective_for(values: Mapping[str, Any], network: Any, sparsity: Sparsity | None) -> Reconstruction:
    """Return what training lowers."""
    reduction = values["loss_reduction"]
    if reduction == "auto":
        reduction = "mean" if sparsity is None else sparsity.loss_reduction
    if sparsity is not None:
        sparsity.check(network)
    elif values["resample_dead"] is not None:
        raise InvalidParameterError(f"resample_dead={values['resample_dead']} has no effect without sparsity")
    if values["resample_dead"] is not None and not (sparsity and sparsity.counts_dead and not values["tied_weights"]):
        raise InvalidParameterError(
            f"resample_dead={values['resample_dead']} needs units that can die, and weights that are not tied"
        )
    unit_norm = values["unit_norm_decoder"]
    if unit_norm == "auto":
        unit_norm = is_dictionary(values, sparsity) and sparsity is not None and sparsity.unit_norm
    return Reconstruction(
        network,
        values["loss"],
        reduction,
        None if sparsity is None else sparsity.static(),
        l2=values["l2_penalty"] > 0,
        unit_norm=bool(unit_norm),
        feature_weights=_feature_weights(values, network.n_features),
    )


def _feature_weights(values: Mapping[str, Any], n_features: int) -> tuple[float, ...] | None:
    if values["feature_weights"] is None:
        return None
    weights = tuple(float(weight) for weight in values["feature_weights"])
    if len(weights) != n_features:
        raise InvalidParameterError(f"feature_weights has {len(weights)} numbers, but rows have {n_features} columns")
    return weights


def schedules_for(
    values: Mapping[str, Any], sparsity: Sparsity | None, corruption: Any, n_components: int, n_rows: int
) -> dict[str, Schedule]:
    """Return the traced numbers of the objective over a run."""
    numbers = {} if sparsity is None else sparsity.schedules(n_components, n_rows)
    if values["l2_penalty"] > 0:
        numbers["l2"] = constant(values["l2_penalty"])
    if corruption is not None:
        numbers |= corruption.schedules()
        if values["untouched_weight"] != 1:
            numbers["untouched_weight"] = constant(values["untouched_weight"])
    return numbers


def is_dictionary(values: Mapping[str, Any], sparsity: Sparsity | None) -> bool:
    """Whether the network is a sparse dictionary: one layer each way, of weights of their own."""
    if values["channels"] is not None:
        return False
    one_layer = not len(values["hidden_layer_sizes"]) and not len(values["decoder_layer_sizes"] or ())
    own = values["network"] is None and not values["tied_weights"]
    return sparsity is not None and sparsity.dictionary and one_layer and own


def network_for(
    values: Mapping[str, Any],
    n_features: int,
    n_components: int,
    scaler: Scaling,
    image_shape: tuple[int, ...] | None = None,
) -> Any:
    """Return the network that the parameters describe, for rows of a width and scaling.

    Raises
    ------
    InvalidParameterError
        Where two parameters contradict one another.
    """
    sparsity = sparsity_for(values)
    code = values["code_activation"]
    if code == "auto":
        code = "identity" if sparsity is None else sparsity.code_activation
    output = _output_activation(values, scaler)
    if values["network"] is not None:
        _refuse_beside(values, "network=", "build it into the factory")
        if values["channels"] is not None:
            raise InvalidParameterError("network= and channels= are two networks; give one of them")
        return Custom(values["network"], n_features, n_components, code, output, values["precision"])
    if values["channels"] is not None:
        _refuse_beside(values, "channels=", "a convolutional network has it not")
        return _convolutional(values, n_features, n_components, code, output, image_shape)
    encoder = tuple(int(size) for size in values["hidden_layer_sizes"])
    decoder = values["decoder_layer_sizes"]
    decoder = encoder[::-1] if decoder is None else tuple(int(size) for size in decoder)
    if values["tied_weights"] and decoder != encoder[::-1]:
        raise InvalidParameterError(
            f"tied_weights=True needs a mirrored decoder: decoder_layer_sizes={decoder} is not {encoder[::-1]}"
        )
    path = values["linear_path"]
    if path == "auto":
        narrow = n_components < n_features and sparsity is None
        path = code == "identity" and narrow and bool(encoder or decoder) and values["pretrain"] is None
    init = values["init"]
    if init == "auto":
        init = "he" if values["activation"] in _RELU_FAMILY else "glorot"
    return Dense(
        n_features,
        n_components,
        encoder,
        decoder,
        values["activation"],
        code,
        output,
        bool(path),
        bool(values["tied_weights"]),
        float(values["dropout"]),
        bool(values["layer_norm"]),
        init,
        values["precision"],
        *_dictionary_options(values, sparsity, output),
        values["missing"] == "mask",
    )


def _dictionary_options(values: Mapping[str, Any], sparsity: Sparsity | None, output: str) -> tuple[bool, bool]:
    """Return whether the rows are centred by the output's bias, and whether the encoder starts as the transpose."""
    dictionary = is_dictionary(values, sparsity)
    pre_bias, transposed = values["pre_bias"], values["transposed_start"]
    if pre_bias == "auto":
        pre_bias = dictionary and output == "identity"
    elif pre_bias and output != "identity":
        raise InvalidParameterError(f"pre_bias=True needs output_activation='identity', not {output!r}")
    if transposed == "auto":
        transposed = dictionary
    for name, asked in (("transposed_start", transposed), ("unit_norm_decoder", values["unit_norm_decoder"] is True)):
        if asked and values["tied_weights"]:
            raise InvalidParameterError(f"{name}=True has no meaning with tied_weights=True")
    encoder, decoder = values["hidden_layer_sizes"], values["decoder_layer_sizes"]
    if transposed and decoder is not None and encoder and decoder and encoder[-1] != decoder[0]:
        raise InvalidParameterError(
            f"transposed_start=True needs the same width on both sides of the code, not {encoder[-1]} and {decoder[0]}"
        )
    if transposed and decoder is not None and bool(encoder) != bool(decoder):
        raise InvalidParameterError("transposed_start=True needs hidden layers on both sides of the code or on neither")
    return bool(pre_bias), bool(transposed)


def _output_activation(values: Mapping[str, Any], scaler: Scaling) -> str:
    output = str(values["output_activation"])
    if values["loss"] == "bce" and output not in ("auto", "sigmoid"):
        raise InvalidParameterError(f"loss='bce' needs output_activation='sigmoid', not {output!r}")
    if output != "auto":
        return output
    return "sigmoid" if values["loss"] == "bce" or scaler.crowded else "identity"


def _convolutional(
    values: Mapping[str, Any],
    n_features: int,
    n_components: int,
    code: str,
    output: str,
    image_shape: tuple[int, ...] | None,
) -> Convolutional:
    # Rows of which nothing more is known are pictures of one line.
    shape = tuple(int(edge) for edge in values["image_shape"] or image_shape or (1, n_features))
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3 or math.prod(shape) != n_features:
        raise InvalidParameterError(
            f"image_shape={values['image_shape'] or image_shape} is not that of rows of {n_features} cells; give "
            "height, width and, where there are any, channels"
        )
    init = values["init"]
    if init == "auto":
        init = "he" if values["activation"] in _RELU_FAMILY else "glorot"
    channels = tuple(int(width) for width in values["channels"])
    return Convolutional(shape, n_components, channels, values["activation"], code, output, init, values["precision"])


def _refuse_beside(values: Mapping[str, Any], what: str, remedy: str) -> None:
    wrong = {
        "tied_weights": bool(values["tied_weights"]),
        "layer_norm": bool(values["layer_norm"]),
        "dropout": values["dropout"] != 0,
        "decoder_layer_sizes": values["decoder_layer_sizes"] is not None,
        "linear_path": values["linear_path"] not in ("auto", False),
        "precision": values["precision"] == "bfloat16",
        **{name: values[name] is True for name in ("pre_bias", "unit_norm_decoder", "transposed_start")},
        "bias_start": values["bias_start"] not in ("auto", "zeros"),
        "resample_dead": values["resample_dead"] is not None,
        "missing": values["missing"] == "mask",
        "pretrain": values["pretrain"] is not None,
    }
    for name, asked in wrong.items():
        if asked:
            raise InvalidParameterError(f"{name}={values[name]!r} has no meaning beside {what}; {remedy}")


def check_range(values: Mapping[str, Any], statistics: ColumnStatistics, scaler: Scaling) -> None:
    """Refuse a cross-entropy whose targets would lie outside [0, 1]."""
    if values["loss"] != "bce":
        return
    low, high = scaler.reach(statistics.low, statistics.high)
    if low < -1e-6 or high > 1 + 1e-6:
        found = f"range from {low:g} to {high:g}" if np.isfinite([low, high]).all() else "have no bounds"
        raise InvalidDataError(f"loss='bce' needs values in [0, 1], and scaled rows {found}; use scaling='minmax'")
