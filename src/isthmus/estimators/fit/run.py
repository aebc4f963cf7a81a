"""A fit: the plan carried out, from opened rows to the fitted state."""

from __future__ import annotations

import contextlib
import functools
import signal
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError, suggest
from isthmus.core.parameters import values_of
from isthmus.core.processes import detect_lost_processes, disconnect, is_main_process
from isthmus.core.types import ModelState, Params, TrainState
from isthmus.data.scaling import Scaling
from isthmus.data.sources.base import Block, Source
from isthmus.data.splitting import NO_HOLDOUT
from isthmus.data.weights import RowWeights
from isthmus.engine.checkpoint import Checkpoint, Checkpoints
from isthmus.engine.inference import Inference
from isthmus.engine.interruption import Interruption
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import Hooks, Trainer, train
from isthmus.engine.program import precision_scope
from isthmus.estimators.fit.arrangement import Arrangement, first_rows, first_weights, mean_of
from isthmus.estimators.fit.identity import identity_of
from isthmus.estimators.fit.outcome import complaints
from isthmus.estimators.fit.plan import Plan, resolve
from isthmus.estimators.fit.preparing import check_validation, prepare
from isthmus.estimators.fit.reporting import Reporter
from isthmus.estimators.fit.resampling import resample
from isthmus.estimators.fit.rows import FitRows
from isthmus.estimators.fit.starting import Previous, PrincipalStart, first_model, new_network, previous_fit
from isthmus.estimators.fit.training import trainer_for
from isthmus.estimators.inputs import cell_names, rows_of
from isthmus.networks.base import Network
from isthmus.sparsity.base import Sparsity


class Fitted(NamedTuple):
    """The learned values that an estimator keeps."""

    params_: Params
    network_: Network
    scaler_: Scaling
    n_components_: int
    history_: dict[str, list[float]]
    n_iter_: int
    best_iter_: int
    loss_: float
    seed_: int
    image_shape_: tuple[int, ...] | None
    error_scale_: NDArray[Any] | None
    sparsity_: Sparsity | None
    optimizer_state_: Any
    sparsity_state_: ModelState
    mean_code_: NDArray[Any]


class Watcher(Protocol):
    """Follows a run epoch by epoch."""

    def follow(self, run: FitRun) -> None:
        """React to the start of a run."""
        ...

    def begin(self) -> None:
        """React to the start of an epoch."""
        ...

    def rows_done(self, rows: int) -> None:
        """React to rows of an epoch that are done."""
        ...

    def end(self, run: FitRun) -> bool:
        """React to the end of an epoch; True stops the run."""
        ...


class FitRun:
    """One training run, ready to start: everything that can be refused has been.

    Parameters
    ----------
    plan : Plan
        The plan.
    trainer : Trainer
        Trains the network.
    state : TrainState
        Where training starts.
    reporter : Reporter
        Prints what is asked for.
    reorders : bool
        Whether the code's units are put in order at the end.
    watcher : Watcher or None
        Follows the run.
    start : PrincipalStart or None
        The start at PCA, whose parameters are kept where training did not improve on it.
    checkpoints : Checkpoints or None
        Where checkpoints go.
    error_scale : ndarray of shape (D,) or None
        As in `Prepared`.
    """

    def __init__(
        self,
        plan: Plan,
        trainer: Trainer,
        state: TrainState,
        reporter: Reporter,
        *,
        reorders: bool,
        watcher: Watcher | None = None,
        start: PrincipalStart | None = None,
        checkpoints: Checkpoints | None = None,
        error_scale: NDArray[Any] | None = None,
    ) -> None:
        self.plan = plan
        self.trainer = trainer
        self.state = state
        self.reporter = reporter
        self.reorders = reorders
        self.watcher = watcher
        self.start = start
        self.checkpoints = checkpoints
        self.error_scale = error_scale

    @property
    def network(self) -> Network:
        """The network that is trained."""
        return self.trainer.objective.network

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run."""
        return self.trainer.interruption.signal is not None

    def train(self) -> Fitted:
        """Train to the end and return what was learned."""
        held = contextlib.nullcontext() if self.checkpoints is None else self.checkpoints.held()
        with held, self.reporter, detect_lost_processes():
            self.reporter.begin(self.trainer, self.state)
            if self.watcher is not None:
                self.watcher.follow(self)
            self.state = train(self.trainer, self.state, epoch_done=self._epoch_done)
            if self.checkpoints is not None:
                self.checkpoints.save(self.state)
                self._exit_after_sigterm(self.checkpoints)
        fitted = self.fitted(self.state, final=True)
        if self.checkpoints is not None:
            self._exit_after_sigterm(self.checkpoints)
        return fitted

    def _epoch_done(self, state: TrainState) -> bool:
        self.state = state
        self.reporter.epoch_done(state)
        return self.watcher is not None and self.watcher.end(self)

    def _exit_after_sigterm(self, checkpoints: Checkpoints) -> None:
        """End the process where SIGTERM asked for it: what is left to do is in the checkpoint."""
        number = self.trainer.interruption.signal
        if number == signal.SIGTERM:
            self.reporter.say(f"SIGTERM: a checkpoint is in {checkpoints.folder}; the same fit continues from it")
            disconnect()
            raise SystemExit(128 + number)

    def fitted(self, state: TrainState, *, best: bool = True, final: bool = False) -> Fitted:
        """Return what an estimator keeps of a state.

        Parameters
        ----------
        state : TrainState
            The state.
        best : bool
            Whether these are the best weights rather than the current ones.
        final : bool
            Whether training has ended, so that cross-validation may decide what few validation rows leave open.
        """
        trainer, network, plan = self.trainer, self.network, self.plan
        params, model, restored = trainer.best(state) if best else (state.params, state.model, False)
        params, model, optimizer = jax.tree.map(np.asarray, (params, model, state.optimizer))
        restores = trainer.early_stops and trainer.settings.restore_best
        best_epoch = state.stopping.best_epoch if restores else state.epoch
        if restored and self.start is not None and not (best_epoch and self._beats(self.start, params, final)):
            params, best_epoch = self.start.of_all_rows, 0
        code = self._first_codes(params, model)
        weights = first_weights(trainer.loader, len(code))
        if self.reorders and network.reorders:
            rows = np.nan_to_num(trainer.loader.scaler.scaled(first_rows(trainer.loader), np.float64))
            units = Arrangement.of(network, plan.sparsity, code, rows, weights)
            optimizer = units.optimizer(network, params, optimizer)
            params, model = units.params(network, params), units.model(model)
            code = code[:, units.order] * units.signs
        return Fitted(
            params_=params,
            network_=network,
            scaler_=trainer.loader.scaler,
            n_components_=network.n_components,
            history_=even(state.metrics),
            n_iter_=state.epoch,
            best_iter_=best_epoch,
            loss_=(state.metrics.get("loss") or [float("nan")])[-1],
            seed_=plan.seed,
            image_shape_=trainer.loader.source.schema.image_shape,
            error_scale_=self.error_scale,
            sparsity_=plan.sparsity,
            optimizer_state_=optimizer,
            sparsity_state_=model,
            mean_code_=mean_of(code, weights),
        )

    def _beats(self, start: PrincipalStart, learned: Params, final: bool) -> bool:
        return start.is_beaten(self.trainer, learned, cross_validates=final and not self.interrupted)

    def complaints(self, fitted: Fitted) -> list[str]:
        """Return one line for each thing of a fitted code that is not as the parameters promise."""
        code = self._first_codes(fitted.params_, fitted.sparsity_state_)
        return complaints(self.plan, code, fitted.sparsity_state_, self.trainer.n_rows)

    def _first_codes(self, params: Params, model: ModelState) -> NDArray[np.float64]:
        inference = Inference(
            self.network,
            params,
            self.trainer.loader.scaler,
            self.trainer.placement.device,
            sparsity=self.plan.sparsity,
            state=model,
        )
        rows = first_rows(self.trainer.loader)
        return np.concatenate(list(inference.encode([Block(rows, 0)]))).astype(np.float64)


def even(history: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return a history whose lists are as long as the longest; an epoch of `partial_fit` has no validation loss."""
    longest = max(map(len, history.values()), default=0)
    return {name: values + [float("nan")] * (longest - len(values)) for name, values in history.items()}


def start_fit(
    estimator: Any,
    given: FitRows | Source,
    *,
    watcher: Watcher | None = None,
    checkpoints: Checkpoints | None = None,
) -> FitRun:
    """Return a run that starts from new weights, from those of the last fit (warm_start), or from a checkpoint.

    Parameters
    ----------
    estimator : Autoencoder
        An estimator whose parameters have been checked.
    given : FitRows or Source
        The rows.
    watcher : Watcher or None
        Follows the run.
    checkpoints : Checkpoints or None
        Where checkpoints are written, and the folder to continue from.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        With one line.
    """
    source, hold, weights, validation, validation_weights = given = FitRows.of(given)
    previous = previous_fit(estimator, source)
    found = None
    if checkpoints is not None:
        found = checkpoints.find(identity_of(estimator, given, warm=previous is not None))
    seed = None if found is None else int(found.header["seed"])
    plan = resolve(parameter_values(estimator), source.schema, rows_of(source), seed=seed)
    if validation is not None:
        plan = replace(plan, validation_share=0.0)
    prepared = prepare(plan, source, cell_names(estimator), getattr(previous, "scaler", None), hold, weights)
    if previous is not None:
        network, params = previous.same_network(plan)
    else:
        network, params = new_network(plan, prepared, pretrained=found is None)
    start = None
    if previous is None and plan.network.can_start_at_pca(network) and plan.sparsity is None:
        start = PrincipalStart(plan, prepared, network, params)
    if validation is not None:
        check_validation(plan, prepared.loader, validation, cell_names(estimator))
    if validation is not None and plan.masks_missing:
        prepared = prepared._replace(loader=replace(prepared.loader, missing=True))
    reporter = reporter_of(plan)
    trainer = trainer_for(
        plan,
        prepared,
        network,
        validation=_validation_loader(plan, prepared.loader, validation, validation_weights),
        interruption=interruption_of(checkpoints),
        hooks=hooks_of(plan, reporter, watcher, checkpoints),
    )
    state = trainer.start(params, plan.seed, first_model(plan, network, previous))
    if checkpoints is not None and found is not None:
        state = continued(trainer, state, reporter, checkpoints, found)
    options: dict[str, Any] = {"watcher": watcher, "start": start, "checkpoints": checkpoints}
    reorders = plan.sparsity is None or plan.sparsity.reorders
    return FitRun(plan, trainer, state, reporter, reorders=reorders, error_scale=prepared.error_scale, **options)


def start_partial_fit(estimator: Any, given: FitRows | Source, *, watcher: Watcher | None = None) -> FitRun:
    """Return a run of one epoch, which starts from new weights or from the estimator's weights and optimizer state."""
    given = FitRows.of(given)
    source = given.source
    previous = Previous(estimator) if hasattr(estimator, "params_") else None
    done = 0 if previous is None else previous.n_iter
    plan = resolve(
        parameter_values(estimator),
        source.schema,
        rows_of(source),
        seed=None if previous is None else previous.seed,
    )
    settings = replace(plan.settings, schedule="constant", plateau=False, early_stopping=False, max_epochs=done + 1)
    plan = replace(plan, settings=settings, validation_share=0.0)
    scaler = None if previous is None else previous.scaler
    prepared = prepare(plan, source, cell_names(estimator), scaler, weights=given.weights)
    if previous is None:
        network, params = new_network(plan, prepared)
    else:
        network, params = previous.network, previous.checked(plan)
    # The number of passes that follow is unknown, so every scheduled value is the one at the end of training.
    plan = replace(plan, constant_schedules=True)
    reporter = reporter_of(plan)
    trainer = trainer_for(plan, prepared, network, hooks=_watched(reporter, watcher))
    state = trainer.start(params, plan.seed, first_model(plan, network, previous))
    if previous is not None:
        state = state._replace(epoch=done, step=done * trainer.steps_per_epoch, metrics=previous.history)
        shape: Any = jax.tree.structure(state.optimizer)
        if jax.tree.structure(previous.optimizer) == shape:
            with precision_scope(plan.compute):
                state = state._replace(optimizer=trainer.put(previous.optimizer))
    return FitRun(plan, trainer, state, reporter, reorders=False, watcher=watcher, error_scale=prepared.error_scale)


def parameter_values(estimator: Any) -> dict[str, Any]:
    """Return the values of an estimator's parameters, weights of columns by their place."""
    values = values_of(estimator)
    given, names = values.get("feature_weights"), column_labels(estimator)
    if isinstance(given, Mapping):
        _refuse_unknown("feature_weights", given, names)
        values["feature_weights"] = tuple(given.get(name, 1.0) for name in names)
    if conditions := values.get("conditions"):
        conditions = [conditions] if isinstance(conditions, str) else conditions
        if not names:  # A command line has numbers as text.
            conditions = [int(one) if str(one).isdecimal() else one for one in conditions]
        # A number is the name of a column where names are numbers, and else its place.
        numbered = any(isinstance(name, int) for name in names)
        named = [one for one in conditions if isinstance(one, str) or numbered]
        _refuse_unknown("conditions", named, names)
        values["conditions"] = tuple(names.index(one) if one in named else one for one in conditions)
    return values


def column_labels(estimator: Any) -> list[Any]:
    """Return the names of the columns that `fit` saw, text or not; empty without names."""
    return list(getattr(estimator, "feature_names_in_", getattr(estimator, "column_labels_", ())))


def _refuse_unknown(parameter: str, given: Iterable[Any], names: list[Any]) -> None:
    if unknown := [name for name in given if name not in names]:
        known = suggest(unknown[0], map(str, names)) if names else "; the rows have no column names, give a sequence"
        raise InvalidParameterError(f"{parameter}: the rows have no column {unknown[0]!r}{known}")


def continued(
    trainer: Trainer, state: TrainState, reporter: Reporter, checkpoints: Checkpoints, found: Checkpoint
) -> TrainState:
    """Return the state of a checkpoint, in place of a run's first state."""
    with precision_scope(trainer.loader.compute):
        state = checkpoints.restore(found, state, trainer.put)
    reporter.say(f"continues after {state.epoch} epochs and {state.cursor:,} rows")
    return state


def reporter_of(plan: Plan) -> Reporter:
    """Return what prints a run's progress."""
    return Reporter(plan.verbose, plan.display_step, plan.settings.max_epochs, prints=is_main_process())


def interruption_of(checkpoints: Checkpoints | None) -> Interruption:
    """Return the signals that end a run: with checkpoints SIGTERM too."""
    return Interruption() if checkpoints is None else Interruption((signal.SIGINT, signal.SIGTERM))


def hooks_of(plan: Plan, reporter: Reporter, watcher: Watcher | None, checkpoints: Checkpoints | None) -> Hooks:
    """Return what a run's trainer calls."""
    hooks = _watched(reporter, watcher)
    if checkpoints is not None:
        hooks = replace(hooks, after_chunk=checkpoints.save_if_due)
    if plan.sparsity is not None and plan.resample_every is not None:
        sparsity = plan.sparsity.replaced(resample_dead=plan.resample_every)
        hooks = replace(hooks, between_epochs=functools.partial(resample, sparsity))
    return hooks


def _watched(reporter: Reporter, watcher: Watcher | None) -> Hooks:
    if watcher is None:
        return Hooks(chunk_done=reporter.rows_done)

    def chunk_done(rows: int) -> None:
        reporter.rows_done(rows)
        watcher.rows_done(rows)

    return Hooks(chunk_done=chunk_done, epoch_begins=watcher.begin)


def _validation_loader(
    plan: Plan, loader: RowLoader, validation: Source | None, weights: RowWeights | None
) -> RowLoader | None:
    """Return the loader of other validation rows: those given or, where none are held out, the training rows."""
    if validation is not None:
        return replace(loader, source=validation, holdout=NO_HOLDOUT, shuffle=False, weights=weights)
    if plan.settings.early_stopping and loader.count(validation=True) == 0:
        return replace(loader, shuffle=False)
    return None
