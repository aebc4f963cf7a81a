"""The two stages of a map: features of neighbours, then a narrow code with a decoder, from the same encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Number
from isthmus.core.types import Batch, Params, Schedule
from isthmus.corruption import Deform
from isthmus.data.scaling import SCALINGS, Scaler
from isthmus.data.sources.base import Block, Schema
from isthmus.engine.edges import Edges
from isthmus.engine.inference import Inference
from isthmus.engine.loop import Trainer
from isthmus.engine.program import precision_scope
from isthmus.estimators.fit.arrangement import first_rows
from isthmus.estimators.fit.functions import check_penalty
from isthmus.estimators.fit.graph import Graph, graph_of_codes, scaled_rows
from isthmus.estimators.fit.map_checkpoints import Stage
from isthmus.estimators.fit.plan import Plan, resolve
from isthmus.estimators.fit.preparing import Prepared
from isthmus.estimators.fit.run import FitRun, Fitted, continued, hooks_of, interruption_of, reporter_of
from isthmus.estimators.fit.starting import with_mean_output
from isthmus.losses.base import CELL_UNITS
from isthmus.losses.contrastive import NEIGHBOR_WEIGHT, RECONSTRUCTION_WEIGHT, TEMPERATURE, Contrastive
from isthmus.losses.penalties import WEIGHT as PENALTY_WEIGHT
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks import FAMILIES
from isthmus.networks.base import Network
from isthmus.networks.custom import Custom
from isthmus.networks.one_hot import starting_logits
from isthmus.sparsity.base import constant

_BATCH, _STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 512, 3000, 5, 200
_STEPS_OF_ONE, _MOST_OF_ONE = 5000, 500  # of a table that is trained in one stage
_FEATURES, _MANY = 64, 10_000  # the width of the first code, and the rows from which a table has one
_MEASURED_ROWS = 2048
_FIRST_WEIGHT, _LAST_WEIGHT = 2.0, 40.0  # of the reconstruction, in the first half of training and at its end
_FULL_STRENGTH = 0.6  # the share of training with deformations of full strength
# 10,000 digits, 600 steps in each stage, 5-NN accuracy of others: 0.944 with 3e-3, 0.950 with 8e-3; with 1e-3 and
# twice the steps 0.929. Wine and breast cancer, three splits: 0.957 and 0.936 with 5e-3, 0.969 and 0.942 with 2e-3.
_RATE, _RATE_OF_FEW, _FEW = 5e-3, 2e-3, 1000


@dataclass(frozen=True)
class MapPlan:
    """What the parameters decide about a map, beyond the plan of its autoencoder.

    Parameters
    ----------
    plan : Plan
        The plan of the network with the narrow code, and of training it.
    contrast, kernel : str
        Names in `CONTRASTS` and `KERNELS`.
    temperature, neighbor_weight, reconstruction_weight : float or callable
        Scheduled values of the narrow code's training.
    feature_components : int or None
        The width of the first stage's code; None leaves the stage out.
    feature_temperature : float
        Its temperature.
    neighbors_of : {"rows", "features"}
        The space in which the neighbours of the last stage are found.
    n_neighbors : int
        Their number.
    """

    plan: Plan
    contrast: str
    kernel: str
    temperature: Any
    neighbor_weight: Any
    reconstruction_weight: Any
    feature_components: int | None
    feature_temperature: float
    neighbors_of: str
    n_neighbors: int

    @classmethod
    def of(cls, values: Mapping[str, Any], schema: Schema, n_rows: int, seed: int | None = None) -> MapPlan:
        """Return the plan for an estimator's parameters; a seed replaces the one that they would draw.

        Raises
        ------
        InvalidParameterError
            With one line.
        """
        network = values["network"]
        family = Custom if callable(network) else FAMILIES[network or "dense"]
        values = {**values, "feature_components": _feature_width(values, family.keeps_encoder, schema, n_rows)}
        if values["feature_components"] is not None and not family.keeps_encoder:
            what = "a network of your own" if family is Custom else f"network={network!r}"
            raise InvalidParameterError(
                f"feature_components={values['feature_components']} cannot be combined with {what}, whose last layer "
                "is not known; set feature_components=None"
            )
        if values["neighbors_of"] == "features" and values["feature_components"] is None:
            raise InvalidParameterError(
                "neighbors_of='features' needs the first stage, which feature_components=None leaves out; set its width"
            )
        plan = resolve(_autoencoder_values(values, schema, n_rows), schema, n_rows, seed=seed)
        own = ("contrast", "kernel", "temperature", "neighbor_weight", "reconstruction_weight")
        if isinstance(values["reconstruction_weight"], str):
            values = {**values, "reconstruction_weight": rising}
        features = ("feature_components", "feature_temperature", "neighbors_of", "n_neighbors")
        return cls(plan, **{name: values[name] for name in (*own, *features)})


def _feature_width(values: Mapping[str, Any], keeps_encoder: bool, schema: Schema, n_rows: int) -> Any:
    """Return the width of the first code, or None for one stage.

    With few rows the first stage overfits. 5-NN accuracy of new rows in two stages of 200 epochs, one of 200 and
    one of 600: 8x8 digits as a table 0.932, 0.940, 0.955; breast cancer 0.944, 0.949, 0.951; wine, of which 54 rows are
    new, 0.981, 0.969, 0.969.
    """
    wanted = values["feature_components"]
    if not isinstance(wanted, str):
        return wanted
    if values["neighbors_of"] == "features":
        return _FEATURES
    return _FEATURES if keeps_encoder and (_is_picture(schema) or n_rows >= _MANY) else None


def _is_picture(schema: Schema) -> bool:
    return schema.image_shape is not None and min(schema.image_shape[:2]) > 1


def _autoencoder_values(values: Mapping[str, Any], schema: Schema, n_rows: int) -> dict[str, Any]:
    """Return the parameters of the autoencoder underneath."""
    batch, epochs, rate = values["batch_size"], values["max_epochs"], values["learning_rate"]
    if isinstance(rate, str):
        rate = _RATE_OF_FEW if n_rows < _FEW else _RATE
    if isinstance(batch, str):
        batch = int(min(_BATCH, max(32, 1 << max(n_rows // 8, 1).bit_length() - 1)))
    if isinstance(epochs, str):
        one = values["feature_components"] is None and not _is_picture(schema)
        steps, most = (_STEPS_OF_ONE, _MOST_OF_ONE) if one else (_STEPS, _MOST_EPOCHS)
        epochs = int(np.clip(-(-steps // -(-n_rows // batch)), _FEWEST_EPOCHS, most))
    given = {
        "batch_size": batch,
        "max_epochs": epochs,
        "corruption": _augmentation(values, schema),
        "channels": values["channels"] if values["network"] == "convolutional" else None,
        "learning_rate": rate,
        "linear_path": False,
        "early_stopping": False,
        "loss_reduction": "mean",
    }
    return {**values, **given}


def _augmentation(values: Mapping[str, Any], schema: Schema) -> Any:
    """Return the corruption of rows in training: "auto" deforms pictures of one channel, and adds noise to tables.

    Normal noise of half a deviation: without it, training on few rows overfits (3 splits of wine, 5-NN accuracy of two
    units 0.938 instead of 0.981).
    """
    wanted = values["augmentation"]
    if not isinstance(wanted, str) or wanted != "auto":
        return wanted
    shape, scaling = schema.image_shape, values["scaling"]
    if shape is None or not _is_picture(schema):
        return "gaussian"
    by_column = scaling in (None, "auto") or SCALINGS[scaling].makes is Scaler
    return Deform(strength=fading) if by_column and (len(shape) == 2 or shape[2] == 1) else None


def fading(done: float) -> float:
    """Return the strength of deformations at a share of training done: constant at 1, then falling linearly to 0.

    Training ends on pictures without deformations, which lowers the error and the distances of raw neighbours.
    """
    return min(1.0, (1 - done) / (1 - _FULL_STRENGTH))


class Learned(NamedTuple):
    """What training gives.

    Attributes
    ----------
    fitted : Fitted
        What the estimator keeps.
    feature_history : dict
        The history of the first stage.
    interrupted : bool
        Whether Ctrl-C ended the last stage.
    graph : Graph or None
        The neighbours by features, where the last stage has these.
    cost_of_mean : float
        The reconstruction loss if each row is reconstructed by the mean row.
    """

    fitted: Fitted
    feature_history: dict[str, list[float]]
    interrupted: bool
    graph: Graph | None
    cost_of_mean: float


def rising(done: float) -> float:
    """Return the weight of the reconstruction at a share of training done: small until groups are apart, then larger.

    Of 10,000 digits, 30 epochs: squared error 0.0367, trustworthiness 0.927, 5-NN accuracy 0.942; constant at 2 0.0386,
    0.920 and 0.941; rising to 200 0.0364, 0.929 and 0.935.
    """
    return _FIRST_WEIGHT + (_LAST_WEIGHT - _FIRST_WEIGHT) * max(0.0, 2 * done - 1)


def learn(plan: MapPlan, prepared: Prepared, edges: Edges, features: Stage, last: Stage) -> Learned:
    """Train the two stages.

    Parameters
    ----------
    plan : MapPlan
        The plan.
    prepared : Prepared
        The rows.
    edges : Edges
        Their neighbours.
    features, last : Stage
        Reporting and checkpoints of the first stage and of the last.

    Raises
    ------
    InvalidParameterError
        If neighbours of features are requested, and the network has no hidden layers.
    KeyboardInterrupt
        If Ctrl-C ends the first stage, which has no map yet.
    """
    network = plan.plan.network.build(int(plan.plan.n_components), near_bounds=prepared.loader.scaler.near_bounds)
    params = with_mean_output(plan.plan, prepared.loader, network, network.init(plan.plan.seed))
    history, graph = dict[str, list[float]](), None
    if plan.feature_components is not None and len(network.layers(params, "encoder")) > 1:
        first = _features(plan, plan.feature_components, prepared, edges, features)
        params, history = network.with_encoder_of(params, first.params_), first.history_
        params = _with_unit_codes(network, params, plan, prepared)
        graph = _graph_of(first, plan, prepared) if plan.neighbors_of == "features" else None
        edges = edges if graph is None else graph.edges
    elif plan.neighbors_of == "features":
        raise InvalidParameterError("neighbors_of='features' needs hidden layers; set hidden_layer_sizes")
    check_penalty(plan.plan.loss.penalty, network, params)
    objective = Contrastive(network, plan.contrast, plan.kernel, plan.plan.objective(network))  # type: ignore[arg-type]
    cost = _cost_of_mean(objective.reconstruction, prepared)
    schedules = {
        NEIGHBOR_WEIGHT: over_training("neighbor_weight", plan.neighbor_weight),
        TEMPERATURE: over_training("temperature", plan.temperature, above=0),
        RECONSTRUCTION_WEIGHT: over_training("reconstruction_weight", plan.reconstruction_weight, 1 / cost),
    }
    if weight := plan.plan.loss.penalty_weight:
        schedules[PENALTY_WEIGHT] = constant(weight)
    run = _run(plan.plan, prepared, edges, objective, objective.with_own(params), schedules, last)
    fitted = run.train()
    kept = objective.without_own(fitted.params_)
    return Learned(fitted._replace(params_=kept, optimizer_state_=None), history, run.interrupted, graph, cost)


def _features(plan: MapPlan, width: int, prepared: Prepared, edges: Edges, stage: Stage) -> Fitted:
    """Train the first stage: a code of this width, compared by directions."""
    network = plan.plan.network.build(int(width), near_bounds=prepared.loader.scaler.near_bounds)
    schedules = {NEIGHBOR_WEIGHT: constant(1.0), TEMPERATURE: constant(float(plan.feature_temperature))}
    objective = Contrastive(network, kernel="cosine")
    run = _run(plan.plan, prepared, edges, objective, network.init(plan.plan.seed), schedules, stage)
    fitted = run.train()
    if run.interrupted:
        raise KeyboardInterrupt
    return fitted


def _with_unit_codes(network: Network, params: Params, plan: MapPlan, prepared: Prepared) -> Params:
    """Return parameters whose codes of the first rows have the mean 0 and the deviation 1 of each unit.

    The size of features is free, since only their directions are compared, and it grows in training. A new last layer
    made codes with deviations of 23 and 40 of them, with which the sigmoid outputs saturate: of 60,000 digits after 50
    epochs of features the decoder did not learn with one of two seeds, and later than the fourth epoch with the other.
    """
    loader = prepared.loader
    inference = Inference(network, params, loader.scaler, plan.plan.placement.device)
    codes = np.concatenate(list(inference.encode([Block(first_rows(loader), 0)]))).astype(np.float64)
    spread = codes.std(axis=0)
    return network.with_codes_scaled(params, codes.mean(axis=0), np.where(spread > 0, spread, 1.0))


def _graph_of(features: Fitted, plan: MapPlan, prepared: Prepared) -> Graph:
    """Return the neighbours of all rows by their features."""
    loader = prepared.loader
    inference = Inference(features.network_, features.params_, loader.scaler, plan.plan.placement.device)
    return graph_of_codes(inference.encode_source(loader.source), loader.n_rows, plan.n_neighbors, plan.plan.seed)


def _run(
    plan: Plan,
    prepared: Prepared,
    edges: Edges,
    objective: Contrastive,
    params: Params,
    schedules: Mapping[str, Schedule],
    stage: Stage,
) -> FitRun:
    reporter, checkpoints = reporter_of(plan), stage.checkpoints
    own = {} if plan.corruption is None else plan.corruption.schedules()
    trainer = Trainer(
        objective,
        plan.optimizer,
        replace(prepared.loader, edges=edges),
        plan.settings,
        schedules={**schedules, **own},
        interruption=interruption_of(checkpoints),
        hooks=hooks_of(plan, reporter, stage.watcher, checkpoints),
        placement=plan.placement,
        corruption=plan.corruption,
        columns=prepared.columns,
        units=prepared.units,
    )
    state = trainer.start(params, plan.seed)
    if checkpoints is not None and stage.found is not None:
        state = continued(trainer, state, reporter, checkpoints, stage.found)
    accompanied: dict[str, Any] = {"watcher": stage.watcher, "checkpoints": checkpoints}
    return FitRun(plan, trainer, state, reporter, reorders=True, error_scale=prepared.error_scale, **accompanied)


def over_training(name: str, value: Any, factor: float = 1.0, above: float | None = None) -> Schedule:
    """Return the schedule of a number, or of a function of the share of training done, times a factor."""
    if not callable(value):
        return constant(float(value) * factor)
    kind = Number(above=above) if above is not None else Number(0)

    def schedule(share: Any) -> NDArray[np.float64]:
        numbers = [value(float(done)) for done in np.asarray(share)]
        for done, number in zip(np.asarray(share), numbers, strict=True):
            if not kind.accepts(number):
                raise InvalidParameterError(f"{name}={number!r} at {done:.0%} of training must be {kind.words}")
        return np.array(numbers, np.float64) * factor

    schedule(np.linspace(0, 1, 11))
    return schedule


def _cost_of_mean(reconstruction: Reconstruction | None, prepared: Prepared) -> float:
    """Return the reconstruction loss of the first rows if each is reconstructed by their mean; 1 where it is 0."""
    assert reconstruction is not None
    loader, network = prepared.loader, reconstruction.network
    rows = scaled_rows(loader, np.arange(min(loader.n_rows, _MEASURED_ROWS))).astype(np.float64)
    observed = ~np.isnan(rows)
    x = np.where(observed, rows, 0)
    mean = x.sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    clipped = np.clip(mean, 1e-3, 1 - 1e-3)
    output = np.log(clipped / (1 - clipped)) if network.output_activation == "sigmoid" else mean
    if network.categories:
        output = starting_logits(output, network.categories)[0]
    scheduled: dict[str, Any] = {} if prepared.units is None else {CELL_UNITS: jnp.asarray(prepared.units)}
    with precision_scope(np.dtype(np.float64)):
        batch = Batch(
            jnp.asarray(x),
            jnp.ones(len(x)),
            jnp.zeros((len(x), 2), jnp.uint32),
            observed=jnp.asarray(observed) if loader.missing else None,
        )
        losses = reconstruction.output_losses(jnp.asarray(np.broadcast_to(output, x.shape)), batch, scheduled)
        cost = float(jnp.mean(losses))
    return cost if cost > 0 else 1.0
