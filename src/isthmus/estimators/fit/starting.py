"""Where training starts: PCA, layer-wise pre-training, drawn weights, or the last fit's."""

from __future__ import annotations

import functools
from dataclasses import replace
from numbers import Integral
from typing import Any

import jax
import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.core.types import ModelState, Params
from isthmus.data.sources.base import Source
from isthmus.data.splitting import NO_HOLDOUT
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import Trainer
from isthmus.engine.pca import Principal, starting_bias
from isthmus.estimators.fit import crossing
from isthmus.estimators.fit.arrangement import first_rows
from isthmus.estimators.fit.functions import check_penalty
from isthmus.estimators.fit.gain import gain_on_validation_rows
from isthmus.estimators.fit.plan import Plan
from isthmus.estimators.fit.preparing import Prepared
from isthmus.estimators.fit.pretraining import layerwise
from isthmus.networks.base import Network
from isthmus.networks.one_hot import starting_logits


def new_network(plan: Plan, prepared: Prepared, *, pretrained: bool = True) -> tuple[Network, Params]:
    """Return the network and its first parameters; without `pretrained`, parameters of their shape."""
    loader, wanted = prepared.loader, plan.n_components
    principal = None
    if not isinstance(wanted, Integral):
        principal = Principal(loader, float(wanted), prepared.error_scale)
        wanted = principal.components_for(float(wanted))
    network = plan.network.build(int(wanted), near_bounds=loader.scaler.near_bounds)
    start = None
    if plan.network.can_start_at_pca(network):
        unit = prepared.start_unit(linear=plan.objective(network).linear)
        if principal is None or unit is not principal.unit:
            principal = Principal(loader, network.n_components, unit)
        start = principal.statistics(network.n_components)
    params = network.init(plan.seed, start)
    check_penalty(plan.loss.penalty, network, params)
    if plan.pretrain_epochs is not None and pretrained:
        params = layerwise(plan, network, params, prepared)
    params = with_likelihood(plan, network, params, loader)
    params = with_mean_output(plan, loader, network, params)
    return network, _with_bias(plan, loader, network, with_sparsity(plan, network, params))


def with_sparsity(plan: Plan, network: Network, params: Params) -> Params:
    """Return a network's parameters with the sparsity's own."""
    own = {} if plan.sparsity is None else plan.sparsity.learned(network.n_components)
    if not own:
        return params
    return {**params, "sparsity": {name: np.asarray(leaf, network.dtype) for name, leaf in own.items()}}


def with_likelihood(plan: Plan, network: Any, params: Params, loader: RowLoader) -> Params:
    """Return a network's parameters with the likelihood's own, and with the context of the mean row.

    Counts start with the shares that they have in all rows together.
    """
    if plan.bound is None:
        return params
    own = plan.bound.likelihood.init(network.n_features)
    if own:
        params = {**params, "likelihood": {name: np.asarray(leaf, network.dtype) for name, leaf in own.items()}}
    if not network.n_context:
        return params
    rows = np.nan_to_num(loader.scaler.scaled(first_rows(loader), np.float64))
    if network.counts and network.decoder_widths:
        # A rare count would take thousands of steps from a share of 1 / D.
        counts = np.where(network.is_condition, 0.0, rows).sum(axis=0) + 0.5
        logarithms = np.where(network.is_condition, 0.0, np.log(counts / counts.mean()))
        params = network.with_output_bias(params, logarithms.astype(network.dtype))
    return {**params, "context": np.asarray(network.context(rows), np.float64).mean(axis=0).astype(network.dtype)}


def with_mean_output(plan: Plan, loader: RowLoader, network: Network, params: Params) -> Params:
    """Return parameters whose output starts at the mean row, where the network needs it and nothing else is asked."""
    wanted = network.starts_at_mean and (plan.sparsity is None or plan.bias_start == "auto")
    return network.with_mean_output(params, starting_bias(loader, "mean")) if wanted else params


def _with_bias(plan: Plan, loader: RowLoader, network: Network, params: Params) -> Params:
    """Return parameters whose output bias is where it is to start."""
    start = plan.bias_start
    if start == "auto":
        linear = network.output_activation == "identity"
        start = "geometric_median" if plan.network.dictionary and linear else "zeros"
    if start == "zeros":
        return params
    if network.output_activation != "identity":
        raise InvalidParameterError(
            f"bias_start={start!r} needs output_activation='identity', not {network.output_activation!r}"
        )
    bias = starting_bias(loader, start)
    if network.categories:
        bias = starting_logits(bias, network.categories)[0]
    return network.with_output_bias(params, bias.astype(network.dtype))


class PrincipalStart:
    """A start at PCA, to be kept where training does not improve on it.

    Parameters
    ----------
    plan : Plan
        The plan.
    prepared : Prepared
        The rows.
    network : Network
        The network.
    params : Params
        Its initial parameters, from the rows that are not held out.
    """

    def __init__(self, plan: Plan, prepared: Prepared, network: Network, params: Params) -> None:
        self.plan, self.prepared, self.network = plan, prepared, network
        self._params = jax.tree.map(np.asarray, params)

    def is_beaten(self, trainer: Trainer, learned: Params, *, cross_validates: bool = False) -> bool:
        """Return whether learned parameters are better than the start, beyond chance.

        Parameters
        ----------
        trainer : Trainer
            It has the validation rows.
        learned : Params
            The parameters.
        cross_validates : bool
            Whether five more fits may decide, where there are too few validation rows to decide.
        """
        if self.plan.corruption is not None or self.plan.loss.penalty_weight:
            return True  # the validation loss is not that of the reconstruction of rows alone
        if trainer.validation is not None and trainer.validation.source is trainer.loader.source:
            return False  # too few rows to hold some out
        gain = gain_on_validation_rows(trainer, self._params, learned)
        if trainer.validation is None and cross_validates and crossing.is_open(gain, self.prepared.loader):
            return crossing.training_beats_pca(self.plan, self.prepared, self.network, trainer.interruption)
        return gain.exceeds_chance

    @functools.cached_property
    def of_all_rows(self) -> Params:
        """Return the PCA start of all rows, those held out included.

        Where training does not improve on PCA, the result is PCA, and rows held out for validation cost it accuracy: a
        tenth of a hundred portraits 2 %. On the validation rows it is no worse, since it is the best for all rows
        together and the other is the best for the rest.
        """
        every = replace(self.prepared.loader, holdout=NO_HOLDOUT)
        return crossing.pca_start(self.plan, self.prepared._replace(loader=every), self.network)


class Previous:
    """The last fit of an estimator, which the next one continues.

    Parameters
    ----------
    estimator : Autoencoder
        A fitted estimator.
    """

    def __init__(self, estimator: Any) -> None:
        self.scaler = estimator.scaler_
        self.network: Network = estimator.network_
        self.params: Params = estimator.params_
        self.model: ModelState = estimator.sparsity_state_
        self.optimizer = estimator.optimizer_state_
        self.seed: int = estimator.seed_
        self.n_iter: int = estimator.n_iter_
        self.history: dict[str, list[float]] = estimator.history_

    def checked(self, plan: Plan) -> Params:
        """Return the parameters; refuse a plan of another width, or whose sparsity has other parameters of its own."""
        width, wanted = self.network.n_components, plan.n_components
        if isinstance(wanted, Integral) and wanted != width:
            raise InvalidParameterError(
                f"n_components={wanted} is another width than the last fit's {width} units, which training continues "
                "from; fit a new estimator"
            )
        own = {} if plan.sparsity is None else plan.sparsity.learned(self.network.n_components)
        if set(own) != set(self.params.get("sparsity", ())):
            kind = None if plan.sparsity is None else type(plan.sparsity).__name__
            raise InvalidParameterError(
                f"sparsity={kind} has other parameters than the last fit's, which training continues from; "
                "fit a new estimator"
            )
        likelihood = {} if plan.bound is None else plan.bound.likelihood.init(self.network.n_features)
        if set(likelihood) != set(self.params.get("likelihood", ())):
            raise InvalidParameterError("likelihood is another one than the last fit's; fit a new estimator")
        return self.params

    def same_network(self, plan: Plan) -> tuple[Network, Params]:
        """Return network and parameters for a warm start; refuse a plan for another network."""
        wanted = plan.n_components
        network = plan.network.build(self.network.n_components, near_bounds=self.scaler.near_bounds)
        if network != self.network or (isinstance(wanted, Integral) and wanted != self.network.n_components):
            raise other_network()
        return network, self.checked(plan)


def other_network() -> InvalidParameterError:
    """Return the error for a warm start with another network."""
    return InvalidParameterError(
        "warm_start=True continues with the last network, but its shape or the width of the rows has changed; "
        "set warm_start=False"
    )


def previous_fit(estimator: Any, source: Source) -> Previous | None:
    """Return the last fit that a warm start continues; None without one."""
    if not estimator.warm_start or not hasattr(estimator, "params_"):
        return None
    previous = Previous(estimator)
    if source.schema.n_features != previous.scaler.n_features:
        raise other_network()
    return previous


def first_model(plan: Plan, network: Network, previous: Previous | None) -> ModelState:
    """Return the sparsity's state at the start: its last one, or that of a new fit."""
    if plan.sparsity is None:
        return ()
    fresh = plan.sparsity.init(network.n_components)
    last = () if previous is None else previous.model
    if _shapes(last) == _shapes(fresh):
        return last
    # An array of float64 stands for one of the network's type.
    return jax.tree.map(lambda leaf: leaf.astype(network.dtype) if _is_float64(leaf) else leaf, fresh)


def _is_float64(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype == np.float64


def _shapes(tree: Any) -> tuple[Any, list[tuple[int, ...]]]:
    return jax.tree.structure(tree), [np.shape(leaf) for leaf in jax.tree.leaves(tree)]
