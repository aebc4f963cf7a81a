"""Parameters to a plan: names become objects and "auto" becomes a decision, once for each fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from isthmus import corruption as corruptions
from isthmus import sparsity as sparsities
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.functions import Function
from isthmus.core.processes import broadcast
from isthmus.core.types import Schedule
from isthmus.corruption.base import Corruption
from isthmus.data.scaling import SCALINGS, ColumnStatistics, Scaler, Scaling
from isthmus.data.scaling.choosing import AUTO_DICTIONARY
from isthmus.data.sources.base import Schema
from isthmus.engine.devices import Placement
from isthmus.engine.loop import Settings
from isthmus.engine.optimizers import DEFAULT_DECAY, Optimizer
from isthmus.engine.sampling import Shuffle, shuffle_for
from isthmus.estimators.fit.bound import BoundPlan
from isthmus.estimators.fit.choices import (
    PLATEAU,
    batch_rows,
    draw_seed,
    learning_rate,
    linear_weight,
    placement_for,
    validation_share,
)
from isthmus.estimators.fit.functions import check_functions, penalty_weight, with_functions
from isthmus.estimators.fit.rules import check_rules
from isthmus.estimators.method_parameters import ALL
from isthmus.losses import PENALTIES
from isthmus.losses.evidence import EvidenceBound
from isthmus.losses.penalties import WEIGHT
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks import FAMILIES
from isthmus.networks.activations import Activation
from isthmus.networks.base import Network, NetworkOptions
from isthmus.networks.custom import Custom
from isthmus.networks.initializers import default_init
from isthmus.sparsity.base import Sparsity, constant

_LAYERWISE_EPOCHS = 15


@dataclass(frozen=True)
class NetworkPlan:
    """A network but for what only the measured rows decide."""

    family: type[Network]  # the network's class
    options: NetworkOptions  # complete but for what `build` fills in
    output_activation: Activation  # "auto" depends on the rows
    linear_path: bool | str  # "auto" is `linear_code` where there are hidden layers
    pre_bias: bool | str  # "auto" is `dictionary` for a linear output
    linear_code: (
        bool  # with no sparsity: "auto" gives it a linear path, or starts a network without hidden layers at PCA
    )
    dictionary: bool  # a sparse code between one-layer halves

    @property
    def has_hidden_layers(self) -> bool:
        """Whether either half has hidden layers."""
        return bool(self.options.encoder_sizes or self.options.decoder_sizes)

    @property
    def starts_at_pca(self) -> bool:
        """Whether the network's initial parameters are PCA's solution, if `can_start_at_pca` holds for its width."""
        return self.linear_path is True or (self.linear_path == "auto" and self.linear_code)

    def can_start_at_pca(self, network: Network) -> bool:
        """Return whether a network starts at PCA: units beyond the rows' columns would be 0 and stay it."""
        return self.starts_at_pca and (network.linear_path or network.n_components <= network.n_features)

    def build(self, n_components: int, *, near_bounds: bool) -> Network:
        """Return the network for a width of the code.

        Parameters
        ----------
        n_components : int
            The width.
        near_bounds : bool
            Whether scaled values are in [0, 1] and many of them near its ends.

        Raises
        ------
        InvalidParameterError
            Where the family does not support an option, or two contradict one another.
        """
        output = self.output_activation
        if output == "auto":
            output = "sigmoid" if near_bounds and not self.dictionary else "identity"
        pre_bias = self.pre_bias
        if self.options.categories and pre_bias is True:
            raise InvalidParameterError("pre_bias=True cannot be combined with categories; leave it out")
        if pre_bias == "auto":
            # The bias of a softmax is no row.
            pre_bias = self.dictionary and output == "identity" and not self.options.categories
        elif pre_bias and output != "identity":
            raise InvalidParameterError(f"pre_bias=True needs output_activation='identity', not {output!r}")
        path = self.linear_path
        if path == "auto":
            path = self.linear_code and self.has_hidden_layers
        options = replace(
            self.options,
            n_components=n_components,
            output_activation=output,
            linear_path=bool(path),
            pre_bias=bool(pre_bias),
        )
        return self.family.from_options(options)


@dataclass(frozen=True)
class LossPlan:
    """What is minimised, but for the network."""

    name: str | Function = "mse"  # in `LOSSES`, or a user's function
    reduction: str = "mean"  # in `REDUCTIONS`
    linear_weight: float | str = 0.0  # of the linear path's own loss; "auto" depends on the width of the code
    l2: float = 0.0  # weight of the L2 penalty
    unit_norm: bool = False  # whether decoder rows are kept at length 1
    feature_weights: tuple[float, ...] | None = None  # the weight of each column
    penalty: str | Function | None = None  # in `PENALTIES`, or a user's function
    penalty_weight: float = 0.0  # 0 leaves it out


@dataclass(frozen=True)
class Plan:
    """Everything that parameters decide about a fit."""

    seed: int
    n_components: int | float  # width of the code, or the share of variance that PCA has to keep
    network: NetworkPlan
    loss: LossPlan
    sparsity: Sparsity | None  # makes the code sparse
    corruption: Corruption | None  # of the network's input
    optimizer: Optimizer
    settings: Settings  # how long and how fast to train
    scaling: str | None  # in `SCALINGS`, or "auto"
    masks_missing: bool  # whether NaN is a missing cell
    validation_share: float  # of the rows, held out
    batch_size: int  # rows of a step
    shuffle: Shuffle  # the order of the rows
    compute: np.dtype[Any]  # the type of the computation
    bias_start: str  # of the output's bias; "auto" depends on the output activation
    resample_every: int | None  # epochs after which dead units restart
    pretrain_epochs: int | None  # of each layer's own training
    placement: Placement  # the devices
    verbose: int = 0
    display_step: int = 1
    bound: BoundPlan | None = None  # of a variational autoencoder
    constant_schedules: bool = False  # whether every scheduled value is what it is at the end

    def objective(self, network: Network) -> Reconstruction | EvidenceBound:
        """Return what training minimises."""
        penalty = self.loss.penalty if self.loss.penalty_weight else None
        if self.bound is not None:
            return self.bound.objective(network, l2=self.loss.l2 > 0, penalty=penalty)
        if self.sparsity is not None:
            self.sparsity.check(network)
        return Reconstruction(
            network,
            self.loss.name,
            self.loss.reduction,
            None if self.sparsity is None else self.sparsity.static(),
            linear=self._linear_weight(network.n_components) > 0 and network.linear_path,
            l2=self.loss.l2 > 0,
            unit_norm=self.loss.unit_norm,
            feature_weights=self.loss.feature_weights,
            penalty=penalty,
        )

    @property
    def keeps_sparse(self) -> bool:
        """Whether batches of sparse rows can stay sparse."""
        by_column = self.scaling in (None, "auto", AUTO_DICTIONARY) or SCALINGS[self.scaling].makes is Scaler
        undisturbed = self.corruption is None and self.sparsity is None and self.placement.mesh is None
        return by_column and undisturbed and self.objective(self.network.build(1, near_bounds=False)).takes_sparse_rows

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the objective's scheduled values over a run."""
        schedules = {} if self.sparsity is None else self.sparsity.schedules(n_components, n_rows)
        schedules |= {} if self.bound is None else self.bound.schedules()
        if weight := self._linear_weight(n_components):
            schedules["linear"] = constant(weight)
        if self.loss.l2 > 0:
            schedules["l2"] = constant(self.loss.l2)
        if self.loss.penalty_weight:
            schedules[WEIGHT] = constant(self.loss.penalty_weight)
        schedules |= {} if self.corruption is None else self.corruption.schedules()
        if self.constant_schedules:
            return {name: _at_end(schedule) for name, schedule in schedules.items()}
        return schedules

    def _linear_weight(self, n_components: int) -> float:
        if not self.network.linear_path or self.sparsity is not None:
            return 0.0
        return linear_weight(self.loss.linear_weight, n_components)

    def check_range(self, statistics: ColumnStatistics, scaler: Scaling) -> None:
        """Refuse a cross-entropy whose targets are outside [0, 1], and what has no likelihood."""
        if self.bound is not None:
            self.bound.check_range(statistics, scaler)
        if self.loss.name != "bce":
            return
        low, high = scaler.reach(statistics.low, statistics.high)
        if low < -1e-6 or high > 1 + 1e-6:
            found = f"range from {low:g} to {high:g}" if np.isfinite([low, high]).all() else "have no bounds"
            raise InvalidDataError(f"loss='bce' needs values in [0, 1], and scaled rows {found}; use scaling='minmax'")


def resolve(parameters: Mapping[str, Any], schema: Schema, n_rows: int, *, seed: int | None = None) -> Plan:
    """Return the plan of a fit: every name resolved, every rule checked; no row is read.

    Parameters
    ----------
    parameters : mapping of str to object
        The estimator's parameters, each checked by itself.
    schema : Schema
        The columns of the rows.
    n_rows : int
        Their number.
    seed : int, optional
        The seed of a fit that is continued; None takes it from random_state.

    Raises
    ------
    InvalidParameterError
        With one line.
    """
    values = with_functions({**_DEFAULTS, **parameters})
    sparsity, bound = _sparsity(values), BoundPlan.of(values, schema)
    values = values if bound is None else bound.completed(values)
    family = _family(values) if bound is None else bound.family(values)
    check_rules(values, family, sparsity)
    check_functions(values, schema.n_features)
    network = _network_plan(values, family, sparsity, schema, bound)
    corruption = _corruption(values, schema.image_shape)
    _check_early(values["n_components"], network, sparsity)
    if corruption is not None:
        corruption.check(schema.n_features, by_column=True)
    plan = Plan(
        seed=broadcast(draw_seed(values["random_state"])) if seed is None else seed,
        n_components=values["n_components"],
        network=network,
        loss=_loss(values, sparsity, dictionary=network.dictionary, schema=schema),
        sparsity=sparsity,
        corruption=corruption,
        optimizer=_optimizer(values),
        settings=_settings(values, network, n_rows),
        scaling=_scaling(values, network),
        masks_missing=values["missing"] == "mask",
        validation_share=validation_share(values, n_rows, starts_at_pca=network.starts_at_pca),
        batch_size=batch_rows(values["batch_size"], n_rows),
        shuffle=shuffle_for(values["shuffle"], n_rows, 1 if schema.sparse else schema.n_features),
        compute=np.dtype(np.float64 if values["precision"] == "float64" else np.float32),
        resample_every=_resample_every(sparsity, dictionary=network.dictionary),
        bias_start="zeros" if sparsity is None else sparsity.bias_start,
        pretrain_epochs=_LAYERWISE_EPOCHS if values["pretrain"] == "layerwise" else values["pretrain"],
        placement=placement_for(values["device"]),
        bound=bound,
        verbose=int(values["verbose"]),
        display_step=int(values["display_step"]),
    )
    if schema.sparse and plan.keeps_sparse:
        return replace(plan, batch_size=batch_rows(values["batch_size"], n_rows, sparse=True))
    return plan


def _check_early(n_components: int | float, network: NetworkPlan, sparsity: Sparsity | None) -> None:
    """Refuse contradictions that a network's width shows, before any row is read; `prepare` sees the others."""
    known = isinstance(n_components, Integral)
    trial = network.build(int(n_components) if known else 1, near_bounds=False)
    if sparsity is not None and known:
        sparsity.check(trial)


def _at_end(schedule: Schedule) -> Schedule:
    return lambda share: schedule(np.ones_like(share))


# The values of the parameters that an estimator does not have.
_DEFAULTS = {name: declared.default for name, declared in ALL.items()} | {"channels": None, "code": None}
# The parameters of SparseAutoencoder that are settings of its method, with their names there.
SPARSITY_SETTINGS = {
    "k": "k",
    "sparsity_target": "target",
    "sparsity_weight": "weight",
    **{name: name for name in ("resample_dead", "pre_bias", "unit_norm_decoder", "transposed_start", "bias_start")},
}

# The parameters of DenoisingAutoencoder that are settings of its corruption, with their names in `resolve`.
CORRUPTION_SETTINGS = {"corruption_level": "level", "untouched_weight": "untouched_weight"}

# The parameters of VectorQuantizedAutoencoder that are settings of its method.
CODE_SETTINGS = ("n_codes", "n_groups", "commitment", "decay", "min_usage")


def _sparsity(values: Mapping[str, Any]) -> Sparsity | None:
    if values["code"] is not None:
        return sparsities.CODES[values["code"]](**{name: values[name] for name in CODE_SETTINGS})
    given = {setting: values[name] for name, setting in SPARSITY_SETTINGS.items() if values[name] != _DEFAULTS[name]}
    return sparsities.resolve(values["sparsity"], **given)


def _corruption(values: Mapping[str, Any], image_shape: tuple[int, ...] | None) -> Corruption | None:
    weight = values["untouched_weight"]
    found = corruptions.resolve(values["corruption"], values["corruption_level"], None if weight == 1 else weight)
    return None if found is None else found.bound(image_shape)


def _family(values: Mapping[str, Any]) -> type[Network]:
    network = values["network"]
    if network is None:
        return FAMILIES["dense"]
    return FAMILIES[network] if isinstance(network, str) else Custom


def _network_plan(
    values: Mapping[str, Any], family: type[Network], sparsity: Sparsity | None, schema: Schema, bound: BoundPlan | None
) -> NetworkPlan:
    encoder = tuple(int(size) for size in values["hidden_layer_sizes"])
    decoder = values["decoder_layer_sizes"]
    decoder = None if decoder is None else tuple(int(size) for size in decoder)
    code = values["code_activation"]
    if code == "auto":
        code = "identity" if sparsity is None else sparsity.code_activation
    one_layer = not encoder and not decoder and family is FAMILIES["dense"]
    dictionary = sparsity is not None and sparsity.dictionary and one_layer and not values["tied_weights"]
    transposed: bool | str = False if sparsity is None else sparsity.transposed_start
    image_shape = values["image_shape"] or schema.image_shape
    options = NetworkOptions(
        n_features=schema.n_features,
        n_components=1,
        encoder_sizes=encoder,
        decoder_sizes=decoder,
        activation=values["activation"],
        code_activation=code,
        tied=bool(values["tied_weights"]),
        dropout=float(values["dropout"]),
        layer_norm=bool(values["layer_norm"]),
        init_name=default_init(values["activation"]) if values["init"] == "auto" else values["init"],
        precision=values["precision"],
        transposed_start=dictionary if transposed == "auto" else bool(transposed),
        indicator=values["missing"] == "mask",
        image_shape=None if image_shape is None else tuple(int(edge) for edge in image_shape),
        channels=None if values["channels"] is None else tuple(int(width) for width in values["channels"]),
        factory=values["network"] if isinstance(values["network"], Function) else None,
        categories=schema.categories,
        conditions=() if bound is None else bound.conditions,
        counts=bound is not None and bound.likelihood.counts,
        shares=bound is not None and bound.likelihood.shares,
    )
    return NetworkPlan(
        family,
        options,
        output_activation="sigmoid" if values["loss"] == "bce" else values["output_activation"],
        linear_path=values["linear_path"] if "linear_path" in family.options else values["linear_path"] is True,
        pre_bias=False if sparsity is None else sparsity.pre_bias,
        linear_code="linear_path" in family.options
        and code == "identity"
        and sparsity is None
        and values["pretrain"] is None,
        dictionary=dictionary,
    )


def _loss(values: Mapping[str, Any], sparsity: Sparsity | None, *, dictionary: bool, schema: Schema) -> LossPlan:
    reduction = values["loss_reduction"]
    if reduction == "auto":
        paper = sparsity or (PENALTIES[values["penalty"]] if isinstance(values["penalty"], str) else None)
        reduction = "mean" if paper is None else paper.loss_reduction
    unit_norm: bool | str = False if sparsity is None else sparsity.unit_norm_decoder
    if sparsity is not None and unit_norm == "auto":
        unit_norm = dictionary and sparsity.unit_rows
    return LossPlan(
        values["loss"],
        reduction,
        values["linear_weight"],
        float(values["l2_penalty"]),
        bool(unit_norm),
        _feature_weights(values["feature_weights"], schema),
        values["penalty"],
        penalty_weight(values),
    )


def _feature_weights(given: Any, schema: Schema) -> tuple[float, ...] | None:
    """Return the weights of a row's cells; several that come from one column of a table share its weight."""
    numbers = np.asarray(schema.column_of or range(schema.n_features))
    counts = np.bincount(numbers)
    if given is None:
        return None if (counts == 1).all() else tuple(1 / counts[numbers])
    weights = np.array([float(weight) for weight in given])
    if len(weights) != len(counts):
        raise InvalidParameterError(f"feature_weights has {len(weights)} numbers, but rows have {len(counts)} columns")
    return tuple((weights / counts)[numbers])


def _scaling(values: Mapping[str, Any], network: NetworkPlan) -> str | None:
    scaling: str | None = values["scaling"]
    linear = network.output_activation in ("auto", "identity")
    return AUTO_DICTIONARY if scaling == "auto" and network.dictionary and linear else scaling


def _resample_every(sparsity: Sparsity | None, *, dictionary: bool) -> int | None:
    if sparsity is None:
        return None
    every = sparsity.resample_dead
    if every == "auto":
        return 1 if dictionary and sparsity.counts_dead else None
    return None if every is None else int(every)


def _settings(values: Mapping[str, Any], network: NetworkPlan, n_rows: int) -> Settings:
    path = network.starts_at_pca and network.has_hidden_layers
    schedule = values["learning_rate_schedule"]
    if schedule == "auto":
        schedule = PLATEAU if path else "cosine"
    return Settings(
        max_epochs=int(values["max_epochs"]),
        learning_rate=learning_rate(values, n_rows, path=path, dictionary=network.dictionary),
        schedule="constant" if schedule == PLATEAU else schedule,
        plateau=schedule == PLATEAU,
        decay=_decay(values),
        clip=float(values["gradient_clip"] or 0),
        early_stopping=bool(values["early_stopping"]),
        patience=int(values["n_iter_no_change"]),
        tol=float(values["tol"]),
        restore_best=bool(values["restore_best"]),
    )


def _decay(values: Mapping[str, Any]) -> float:
    decay = values["weight_decay"]
    if decay is None:
        decay = DEFAULT_DECAY.get(values["optimizer"], 0.0) if isinstance(values["optimizer"], str) else 0.0
    return float(decay)


def _optimizer(values: Mapping[str, Any]) -> Optimizer:
    return Optimizer(values["optimizer"], clips=values["gradient_clip"] is not None, decays=_decay(values) > 0)
