"""A fit as a ladder of named steps: seed, scaling, width of the code, network, start, training, arrangement."""

from __future__ import annotations

import functools
import hashlib
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.processes import all_gathered, broadcast, is_main_process, part, row_share, together
from isthmus.core.types import Columns, TrainState
from isthmus.data.scaling import ColumnStatistics, Scaling, choose_scaler, gathered, sample_stride
from isthmus.data.sources.base import Block, Source
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout, Holdout
from isthmus.engine.checkpoint import Checkpoints, Found
from isthmus.engine.devices import Placement
from isthmus.engine.inference import Inference
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import Interruption, Settings, Trainer, precision_scope
from isthmus.engine.pca import Principal, starting_bias
from isthmus.engine.sampling import shuffle_for
from isthmus.estimators.build import (
    batch_rows,
    check_range,
    columns_for,
    corruption_for,
    draw_seed,
    holdout_share,
    is_dictionary,
    network_for,
    objective_for,
    optimizer_for,
    placement_for,
    schedules_for,
    settings_for,
    sparsity_for,
)
from isthmus.estimators.inputs import finite_blocks, rows_of
from isthmus.estimators.pretraining import check_layerwise, layerwise
from isthmus.estimators.reporting import Reporter
from isthmus.estimators.resampling import resampled

Hold = Callable[[int, float], Holdout]  # a seed and a share to the rows that are held back


class Fitted(NamedTuple):
    """The learned values an estimator keeps."""

    params_: Any
    network_: Any
    scaler_: Scaling
    n_components_: int
    history_: dict[str, list[float]]
    n_iter_: int
    best_iter_: int
    loss_: float
    seed_: int
    image_shape_: tuple[int, ...] | None
    sparsity_: Any
    optimizer_state_: Any
    sparsity_state_: Any
    mean_code_: NDArray[Any]


class Watcher(Protocol):
    """Is told of each epoch of a run."""

    def begin(self) -> None:
        """Hear that an epoch begins."""
        ...

    def end(self, run: FitRun) -> bool:
        """Hear that it has ended; True stops the run."""
        ...


class FitRun:
    """One training run, ready to go: everything that can be refused has been.

    Parameters
    ----------
    trainer : Trainer
        What trains.
    parts : dict
        The learned values that training does not change.
    reporter : Reporter
        What is said on the way.
    arranges : bool
        Whether the code's units are put in order at the end.
    watcher : Watcher or None
        Told of each epoch.
    better_start : callable or None
        Returns the parameters to keep where no epoch was better than the start.
    """

    state: TrainState
    checkpoints: Checkpoints | None = None

    def __init__(
        self,
        trainer: Trainer,
        parts: dict[str, Any],
        reporter: Reporter,
        *,
        arranges: bool,
        watcher: Watcher | None,
        better_start: Callable[[], Any] | None = None,
    ) -> None:
        self.better_start = better_start
        self.trainer = trainer
        self.parts = parts
        self.reporter = reporter
        self.arranges = arranges
        self.watcher = watcher

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run."""
        return self.trainer.interruption.signal is not None

    def train(self) -> Fitted:
        """Train to the end and return what was learned."""
        with self.trainer.interruption.listening(), self.reporter, together():
            self.reporter.begin(self.trainer, self.state)
            for state in self.trainer.epochs(self.state):
                # An interruption also gives the state in the middle of an epoch, of which nobody is told.
                whole = state.epoch > self.state.epoch
                self.state = state
                if whole:
                    self.reporter.epoch_done(state)
                if whole and self.watcher is not None and self.watcher.end(self):
                    break
            if self.checkpoints is not None:
                self.checkpoints.save(self.state)
                self._leave_if_told(self.checkpoints)
        return self.outcome(self.state)

    def _leave_if_told(self, checkpoints: Checkpoints) -> None:
        """End the process where SIGTERM asked for it: what it would do on is in the checkpoint."""
        number = self.trainer.interruption.signal
        if number == signal.SIGTERM:
            self.reporter.say(f"SIGTERM: a checkpoint is in {checkpoints.folder}; the same fit goes on from it")
            part()
            raise SystemExit(128 + number)

    def keep_in(self, checkpoints: Checkpoints, found: Found | None) -> None:
        """Write checkpoints while training, and begin at the one that was found."""
        trainer = self.trainer
        self.checkpoints = checkpoints
        trainer.after_chunk = checkpoints.offer
        trainer.interruption.signals = (signal.SIGINT, signal.SIGTERM)
        if found is not None:
            with precision_scope(trainer.loader.compute):
                self.state = checkpoints.restored(found, self.state, trainer.put)
            self.reporter.say(f"goes on after {self.state.epoch} epochs and {self.state.cursor:,} rows")

    def outcome(self, state: TrainState) -> Fitted:
        """Return what an estimator keeps of a state."""
        restored = state.best is not None and self.trainer.early_stops
        params, model = _to_host(state.best if restored else (state.params, state.model))
        if restored and state.stopping.best_epoch == 0 and self.better_start is not None:
            params = self.better_start()
        optimizer = _to_host(state.optimizer)
        code = self._first_code(params, model)
        if self.arranges and hasattr(self.parts["network_"], "arranged"):
            order, signs = self._arrangement(code)
            params, optimizer, model = self._arrange(params, optimizer, model, order, signs)
            code = code[:, order] * signs
        losses = state.metrics.get("loss", [])
        return Fitted(
            params_=params,
            history_=_even(state.metrics),
            n_iter_=state.epoch,
            best_iter_=state.stopping.best_epoch if self.trainer.early_stops else state.epoch,
            loss_=losses[-1] if losses else float("nan"),
            optimizer_state_=optimizer,
            sparsity_state_=model,
            mean_code_=code.mean(axis=0),
            **self.parts,
        )

    def _first_code(self, params: Any, model: Any) -> NDArray[np.float64]:
        parts = self.parts
        inference = Inference(
            parts["network_"],
            params,
            parts["scaler_"],
            self.trainer.placement.device,
            sparsity=parts["sparsity_"],
            state=model,
        )
        rows = _first_rows(self.trainer.loader)
        return np.concatenate(list(inference.encode([Block(rows, 0)]))).astype(np.float64)

    def _arrangement(self, code: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Return the order of the code's units, by variance within each group that may be ordered, and their signs."""
        network, sparsity = self.parts["network_"], self.parts["sparsity_"]
        code = code - code.mean(axis=0)
        ends = (code.shape[1],) if sparsity is None else sparsity.prefixes_of(code.shape[1])
        starts = (0, *ends[:-1])
        # Stable, so that units without variance stay where they are.
        order = np.concatenate(
            [
                low + np.argsort(-code[:, low:high].var(axis=0), kind="stable")
                for low, high in zip(starts, ends, strict=True)
            ]
        )
        signs = np.ones(code.shape[1], network.dtype)
        if network.signs_are_free and sparsity is None:
            rows = np.nan_to_num(self.parts["scaler_"].scaled(_first_rows(self.trainer.loader), np.float64))
            together = code[:, order].T @ (rows - rows.mean(axis=0))
            strongest = np.take_along_axis(together, np.abs(together).argmax(axis=1)[:, None], axis=1)[:, 0]
            signs[strongest < 0] = -1
        return order, signs

    def _arrange(
        self, params: Any, optimizer: Any, model: Any, order: NDArray[np.intp], signs: NDArray[Any]
    ) -> tuple[Any, Any, Any]:
        """Put the code's units in order and turn their signs, so that two fits read alike."""
        network = self.parts["network_"]
        shape: Any = jax.tree.structure(params)

        def by_unit(tree: Any) -> Any:
            return jax.tree.map(lambda leaf: leaf[order] if leaf.ndim else leaf, tree)

        def reordered(tree: Any, signs: NDArray[Any]) -> Any:
            new = network.reordered(tree, order, signs)
            return {**new, "sparsity": by_unit(tree["sparsity"])} if "sparsity" in tree else new

        def rearrange(node: Any) -> Any:
            if jax.tree.structure(node) != shape:
                return node
            # Second moments are squares: they move with their unit and never turn.
            squares = all((leaf >= 0).all() for leaf in jax.tree.leaves(node))
            return reordered(node, np.abs(signs) if squares else signs)

        moved = jax.tree.map(rearrange, optimizer, is_leaf=lambda node: jax.tree.structure(node) == shape)
        return reordered(params, signs), moved, by_unit(model)


def _even(history: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return a history whose columns are all as long as the longest; an epoch of `partial_fit` watches no loss."""
    longest = max(map(len, history.values()), default=0)
    return {name: values + [float("nan")] * (longest - len(values)) for name, values in history.items()}


def _to_host(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)


def _first_rows(loader: RowLoader) -> NDArray[Any]:
    numbers = np.arange(min(loader.n_rows, 4096), dtype=np.uint32)
    raw = np.empty((len(numbers), loader.source.schema.n_features), loader.source.dtype)
    loader.source.take(numbers, raw)
    return raw


def measure(
    source: Source,
    scaling: str | None,
    names: Sequence[str],
    holdout: Holdout,
    *,
    moments: bool = False,
    missing: bool = False,
) -> ColumnStatistics:
    """Return the statistics of a source's rows, held-back ones left out but for whether a cell is missing."""
    gathers = gathered(scaling, source.dtype)
    if missing and {"covariance", "contrast", "norms"} & {*gathers}:
        raise InvalidParameterError(
            f"scaling={scaling!r} needs whole rows, and missing='mask' has none; choose one by column"
        )
    statistics = ColumnStatistics(
        source.schema.n_features,
        source.dtype,
        gathers={*gathers, "moments"} if moments else gathers,
        sample_every=sample_stride(scaling, rows_of(source)),
        missing=missing,
    )
    # Of several processes each reads its share of the rows.
    mine = row_share(rows_of(source))
    for values, start in finite_blocks(source, names, *mine, missing=missing):
        statistics.holes = statistics.holes or (statistics.missing and bool(np.isnan(values).any()))
        statistics.update(values[~holdout.mask(start, start + len(values))] if holdout.share else values, start)
    parts: list[ColumnStatistics] = all_gathered(statistics)
    for other in parts[1:]:
        parts[0].merge(other)
    return parts[0]


class Preparation(NamedTuple):
    """What is settled before the network: seed, rows, scaling, corruption and where to compute."""

    values: dict[str, Any]
    seed: int
    loader: RowLoader
    placement: Placement
    corruption: Any
    columns: Columns | None


def prepare(
    estimator: Any,
    source: Source,
    share: float,
    scaler: Scaling | None = None,
    seed: int | None = None,
    hold: Hold | None = None,
) -> Preparation:
    """Return the walk through the rows, their scaling measured and their seed drawn unless they are given."""
    values = estimator.get_params(deep=False)
    seed = broadcast(draw_seed(values["random_state"])) if seed is None else seed
    holdout = (hold or HashHoldout)(seed, share) if share else NO_HOLDOUT
    n_rows = rows_of(source)
    if holdout.count(n_rows) == n_rows:
        raise InvalidParameterError(
            f"validation_fraction={share:g} holds back all {n_rows} rows; lower it, or set early_stopping=False"
        )
    names = list(getattr(estimator, "feature_names_in_", ()))
    # A scaling that is given needs nothing of the rows but their range, against which the loss is checked.
    corruption, missing = corruption_for(values, source.schema.image_shape), values["missing"] == "mask"
    scaling = values["scaling"] if scaler is None else None
    statistics = measure(source, scaling, names, holdout, moments=corruption is not None, missing=missing)
    if scaler is None:
        scaler = choose_scaler(statistics, scaling)
        _say_unseen(statistics, names)
    check_range(values, statistics, scaler)
    if corruption is not None:
        corruption.check(source.schema.n_features, scaler.affine is not None)
    compute = np.dtype(np.float64 if values["precision"] == "float64" else np.float32)
    rows = batch_rows(values["batch_size"], rows_of(source))
    # A whole table is learned from by the very program of missing="refuse": to the bit as if no holes were looked for.
    holes = statistics.holes or bool(statistics.unseen.any())
    shuffle = shuffle_for(values["shuffle"], n_rows, source.schema.n_features)
    loader = RowLoader(source, scaler, rows, compute, holdout, seed, shuffle, missing=holes)
    columns = None if corruption is None else columns_for(statistics, scaler)
    return Preparation(values, seed, loader, placement_for(values["device"]), corruption, columns)


def _say_unseen(statistics: ColumnStatistics, names: Sequence[str]) -> None:
    unseen = np.flatnonzero(statistics.unseen)
    if statistics.n_rows and len(unseen):
        listed = ", ".join(repr(str(names[column])) if len(names) else str(column) for column in unseen[:5])
        more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
        warnings.warn(f"missing in every row, and left so: column {listed}{more}", UserWarning, stacklevel=2)


def _new_network(ready: Preparation, *, pretrained: bool = True) -> tuple[Any, Any]:
    """Return the network and its first parameters; without `pretrained`, parameters of their shape."""
    values, loader = ready.values, ready.loader
    width, wanted = loader.chunk_shape[1], values["n_components"]
    principal = None
    if not isinstance(wanted, Integral):
        principal = Principal(loader)
        wanted = principal.components_for(float(wanted))
    network = network_for(values, width, int(wanted), loader.scaler, loader.source.schema.image_shape)
    start = None
    if getattr(network, "linear_path", False):
        start = (principal or Principal(loader)).statistics(network.n_components)
    params = network.init(ready.seed, start)
    if values["pretrain"] is not None and pretrained:
        check_layerwise(network)
        params = layerwise(network, params, loader, values, ready.seed)
    return network, _with_sparsity(ready, network, params)


def _with_sparsity(ready: Preparation, network: Any, params: Any) -> Any:
    """Return parameters with the sparsity's own, and with the output's bias where it is to start."""
    sparsity = sparsity_for(ready.values)
    own = {} if sparsity is None else sparsity.learned(network.n_components)
    if own:
        params = {**params, "sparsity": {name: np.asarray(leaf, network.dtype) for name, leaf in own.items()}}
    start = ready.values["bias_start"]
    if start == "auto":
        dictionary = is_dictionary(ready.values, sparsity) and network.output_activation == "identity"
        start = "geometric_median" if dictionary else "zeros"
    if start != "zeros":
        if network.output_activation != "identity":
            raise InvalidParameterError(
                f"bias_start={start!r} needs output_activation='identity', not {network.output_activation!r}"
            )
        params["decoder"][-1]["bias"] = starting_bias(ready.loader, start).astype(network.dtype)
    return params


def _old_network(estimator: Any, ready: Preparation) -> tuple[Any, Any]:
    """Return the network and parameters of the last fit, for a warm start."""
    loader = ready.loader
    shape = loader.source.schema.image_shape
    network = network_for(ready.values, loader.chunk_shape[1], estimator.n_components_, loader.scaler, shape)
    wanted = ready.values["n_components"]
    if network != estimator.network_ or (isinstance(wanted, Integral) and wanted != estimator.n_components_):
        raise _other_network()
    return network, _learned_so_far(estimator, ready)


def _learned_so_far(estimator: Any, ready: Preparation) -> Any:
    """Return the last fit's parameters; refuse a sparsity that has others of its own."""
    sparsity, params = sparsity_for(ready.values), estimator.params_
    own = {} if sparsity is None else sparsity.learned(estimator.n_components_)
    if set(own) != set(params.get("sparsity", ())):
        raise InvalidParameterError(
            f"training goes on with the last fit's parameters, and sparsity={ready.values['sparsity']!r} has others of "
            "its own; fit anew"
        )
    return params


def _other_network() -> InvalidParameterError:
    return InvalidParameterError(
        "warm_start=True goes on with the last network, and its shape or its rows' width has changed; "
        "set warm_start=False"
    )


def start_fit(
    estimator: Any,
    source: Source,
    validation: Source | None = None,
    *,
    watcher: Watcher | None = None,
    checkpoints: Checkpoints | None = None,
    hold: Hold | None = None,
) -> FitRun:
    """Return a run from the beginning, from the weights of the last fit (warm_start), or from its checkpoint."""
    warm = estimator.warm_start and hasattr(estimator, "params_")
    if warm and source.schema.n_features != estimator.scaler_.n_features:
        raise _other_network()
    share = 0.0 if validation is not None else holdout_share(estimator.get_params(deep=False), rows_of(source))
    found = (
        None
        if checkpoints is None
        else checkpoints.found(identity_of(estimator, source, validation, warm=warm, hold=hold))
    )
    seed = None if found is None else int(found.header["seed"])
    ready = prepare(estimator, source, share, estimator.scaler_ if warm else None, seed, hold)
    network, params = _old_network(estimator, ready) if warm else _new_network(ready, pretrained=found is None)
    loader = ready.loader
    if validation is not None and ready.values["missing"] == "mask":
        loader = replace(loader, missing=True)
    validation_loader = (
        None if validation is None else replace(loader, source=validation, holdout=NO_HOLDOUT, shuffle=False)
    )
    settings = settings_for(ready.values)
    if settings.early_stopping and validation_loader is None and loader.count(validation=True) == 0:
        validation_loader = replace(loader, shuffle=False)
    run = _run(ready._replace(loader=loader), network, settings, validation_loader, arranges=True, watcher=watcher)
    run.state = run.trainer.start(params, ready.seed, _first_state(estimator if warm else None, run))
    run.trainer.between_epochs = functools.partial(_reinitialised, run, ready.values["resample_dead"])
    if share and not warm and getattr(network, "linear_path", False) and run.parts["sparsity_"] is None:
        run.better_start = functools.cache(lambda: _start_of_all_rows(ready, network))
    if checkpoints is not None:
        run.keep_in(checkpoints, found)
    return run


# What may change between a run and its resumption: how long, how told, where.
_MAY_CHANGE = {"max_epochs", "verbose", "display_step", "device"}


def identity_of(
    estimator: Any, source: Source, validation: Source | None, *, warm: bool, hold: Hold | None
) -> dict[str, str]:
    """Return what a checkpoint must have in common with the run that goes on from it, by name, as text."""
    values = {name: value for name, value in estimator.get_params(deep=False).items() if name not in _MAY_CHANGE}
    if not isinstance(values["random_state"], Integral):
        values["random_state"] = "drawn"
    # A long array's own text leaves its middle out.
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    identity = {name: getattr(value, "__qualname__", repr(value)) for name, value in plain.items()}
    identity |= {"estimator": type(estimator).__name__, "rows": str(rows_of(source)), "data": source.fingerprint}
    if validation is not None:
        identity["validation data"] = validation.fingerprint
    if hold is not None:
        identity["validation_by"] = str(hold)
    if warm:
        digest = hashlib.blake2b(digest_size=16)
        for leaf in jax.tree.leaves(estimator.params_):
            digest.update(np.ascontiguousarray(leaf).tobytes())
        identity["warm start"] = digest.hexdigest()
    return identity


def _start_of_all_rows(ready: Preparation, network: Any) -> Any:
    """Return the start made from held-back rows too.

    Where nothing that was learned beats PCA, the answer is PCA, and rows held back to judge by cost it accuracy: a
    tenth of a hundred portraits 2 %. On the rows that judged it is no worse, since it is the best for all together and
    the other the best for the rest.
    """
    principal = Principal(replace(ready.loader, holdout=NO_HOLDOUT))
    return network.init(ready.seed, principal.statistics(network.n_components))


def start_partial_fit(estimator: Any, source: Source) -> FitRun:
    """Return a run of one epoch: from the beginning, or going on from what the estimator has learned."""
    going_on = hasattr(estimator, "params_")
    scaler, seed = (estimator.scaler_, estimator.seed_) if going_on else (None, None)
    ready = prepare(estimator, source, 0.0, scaler, seed)
    done = estimator.n_iter_ if going_on else 0
    network, params = (estimator.network_, _learned_so_far(estimator, ready)) if going_on else _new_network(ready)
    settings = replace(settings_for(ready.values), schedule="constant", early_stopping=False, max_epochs=done + 1)
    run = _run(ready, network, settings, None, arranges=False, watcher=None)
    # A pass does not know how many will follow: every number of the run is what it is at the end.
    run.trainer.schedules = {name: _ended(schedule) for name, schedule in run.trainer.schedules.items()}
    state = run.trainer.start(params, ready.seed, _first_state(estimator if going_on else None, run))
    if going_on:
        state = state._replace(epoch=done, step=done * run.trainer.steps_per_epoch, metrics=estimator.history_)
        optimizer = estimator.optimizer_state_
        shape: Any = jax.tree.structure(state.optimizer)
        if jax.tree.structure(optimizer) == shape:
            with precision_scope(ready.loader.compute):
                state = state._replace(optimizer=run.trainer.put(optimizer))
    run.state = state
    return run


def _first_state(estimator: Any, run: FitRun) -> Any:
    """Return what the sparsity remembers at the start: what it remembered last, or nothing yet."""
    sparsity = run.parts["sparsity_"]
    if sparsity is None:
        return ()
    fresh = sparsity.init(run.parts["n_components_"])
    last = getattr(estimator, "sparsity_state_", None)
    shape: Any = jax.tree.structure(fresh)
    return last if jax.tree.structure(last) == shape else fresh


def _reinitialised(run: FitRun, every: int | None, state: TrainState) -> TrainState:
    """Return the state to go on with: dead units begin anew every so many epochs, until three quarters are done."""
    early = 4 * state.epoch <= 3 * run.trainer.settings.max_epochs
    if every is None or not early or state.epoch % every:
        return state
    return resampled(run.trainer, state, run.parts["sparsity_"])


def _ended(schedule: Any) -> Any:
    return lambda share: schedule(np.ones_like(share))


def _run(
    ready: Preparation,
    network: Any,
    settings: Settings,
    validation_loader: RowLoader | None,
    *,
    arranges: bool,
    watcher: Watcher | None,
) -> FitRun:
    values, loader = ready.values, ready.loader
    sparsity = sparsity_for(values)
    n_rows = loader.count()
    reporter = Reporter(
        int(values["verbose"]), int(values["display_step"]), settings.max_epochs, is_main_process=is_main_process()
    )
    trainer = Trainer(
        objective_for(values, network, sparsity),
        optimizer_for(values),
        loader,
        settings,
        scheduled=schedules_for(values, sparsity, ready.corruption, network.n_components, n_rows),
        validation=validation_loader,
        interruption=Interruption(),
        progress=reporter.rows_done,
        before_epoch=watcher.begin if watcher else None,
        placement=ready.placement,
        corruption=ready.corruption,
        columns=ready.columns,
    )
    parts = {
        "network_": network,
        "scaler_": loader.scaler,
        "n_components_": network.n_components,
        "seed_": ready.seed,
        "image_shape_": loader.source.schema.image_shape,
        "sparsity_": sparsity,
    }
    return FitRun(trainer, parts, reporter, arranges=arranges, watcher=watcher)
