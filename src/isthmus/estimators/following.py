"""What a fit calls: callbacks of scikit-learn's protocol and plain functions, with the estimator's state so far."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.callback import CallbackSupportMixin, FitCallback

from isthmus.core.errors import InvalidParameterError
from isthmus.engine.loading import RowLoader
from isthmus.estimators.callbacks.base import STAGES, Begun, EpochCallback
from isthmus.estimators.fit.run import FitRun, Fitted, even

_HOOKS = ("setup", "teardown", "on_fit_task_begin", "on_fit_task_end")
_FORMS = "pass a function f(estimator) or f(estimator, context)"


class FollowedFit(CallbackSupportMixin):  # type: ignore[misc]
    """An estimator that works in callbacks: there it has the weights that training has reached."""

    params_: Any
    # Names of what an estimator measures of its weights on the first rows; `_measures` returns their values.
    _measured: ClassVar[tuple[str, ...]] = ()

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set what is called during `fit` and `partial_fit`.

        Parameters
        ----------
        *callbacks : function or scikit-learn callback
            A function ``f(estimator)`` or ``f(estimator, context)`` is called after each epoch, and stops training by
            returning True; an object of scikit-learn's callback protocol at the beginning and the end of each task.
            The estimator that they are given has the current weights: `transform`, `score` and the figures of
            `isthmus.plots` work on it. `isthmus.callbacks` has some that write logs or show progress. Without
            arguments all are removed.

        Returns
        -------
        self : Autoencoder
            The estimator.

        Raises
        ------
        InvalidParameterError
            Where one is neither.
        """
        super().set_callbacks(*map(_as_callback, callbacks))
        return self

    def _adopt(self, fitted: Fitted, loader: RowLoader) -> None:
        """Keep what was learned, and what is measured of it on the first rows of a loader."""
        self._forget()
        self.__dict__.update(fitted._asdict())
        self.__dict__.update(self._measures(loader))

    def _forget(self) -> None:
        """Remove what belongs to other weights: those of an earlier fit or of an earlier epoch."""
        for name in ("_current_fit", "code_density_", *self._measured, *Fitted._fields):
            self.__dict__.pop(name, None)

    def _measures(self, loader: RowLoader) -> dict[str, Any]:
        """Return what is measured of the estimator's weights on the first rows of a loader, by name."""
        return {}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Called for missing attributes only. Codes of the first rows are computed if a callback asks for them: a
            # callback that only prints the loss costs nothing.
            pending = self.__dict__.get("_current_fit")
            if pending is None or name not in (*Fitted._fields, *self._measured):
                # Raises the error of the attribute, which is NotFittedError for some.
                return object.__getattribute__(self, name)
            run, state = pending
            self._adopt(run.fitted(state, best=False), run.trainer.loader)
            return self.__dict__[name]

    def __getstate__(self) -> Any:
        if "_current_fit" in self.__dict__:
            _ = self.params_
        return super().__getstate__()


class CallbackCaller:
    """Calls an estimator's callbacks at each epoch, with the estimator's state so far.

    Parameters
    ----------
    estimator : Autoencoder
        The estimator that is being fitted.
    context : CallbackContext
        scikit-learn's context of the fit.
    X, y : object
        What `fit` was given.
    task : str
        The name of an epoch in the callbacks' context; plain functions are called after those named ``epoch``.
    shows_state : bool
        Whether the estimator is given the state so far; without, it is given ``feature_history_`` and else stays as it
        was.
    """

    def __init__(
        self, estimator: Any, context: Any, X: Any, y: Any, *, task: str = "epoch", shows_state: bool = True
    ) -> None:
        self.estimator = estimator
        self.context = context
        self.data = {"X": X, "y": y}
        self.task = task
        self.shows_state = shows_state
        callbacks = getattr(estimator, "_skl_callbacks", ())
        self.active = bool(callbacks)
        self.own = [callback for callback in callbacks if isinstance(callback, EpochCallback)]
        self.run: FitRun | None = None
        self.epoch: Any = None

    def follow(self, run: FitRun) -> None:
        """Give the estimator a run's current state."""
        if not self.active:
            return
        values, state, history = self.estimator.__dict__, run.state, even(run.state.metrics)
        if self.shows_state:
            self.estimator._forget()
            values["history_"], values["n_iter_"] = history, state.epoch
            values["_current_fit"] = run, state
        else:
            values["feature_history_"] = history
        if run is not self.run:
            self.run = run
            begun = Begun(STAGES[self.task], history, run.trainer.n_rows, state.cursor, run.plan.settings.max_epochs)
            for callback in self.own:
                callback.run_begins(self.context, begun)

    def begin(self) -> None:
        """Call the callbacks at the start of an epoch."""
        if self.active:
            self.epoch = self.context.subcontext(task_name=self.task)
            self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def rows_done(self, rows: int) -> None:
        """Tell callbacks of this package of rows that are done."""
        for callback in self.own:
            callback.rows_done(self.context, rows)

    def end(self, run: FitRun) -> bool:
        """Call the callbacks at the end of an epoch; True if one of them stops training."""
        if not self.active:
            return False
        self.follow(run)
        state = run.state
        stops = self.epoch.call_on_fit_task_end(
            estimator=self.estimator, **self.data, reconstruction_attributes=lambda: run.fitted(state)._asdict()
        )
        return bool(stops)


class EpochFunction:
    """A function as a callback: called after each epoch.

    Parameters
    ----------
    function : callable
        ``f(estimator)`` or ``f(estimator, context)``; True stops training.

    Raises
    ------
    InvalidParameterError
        Where it cannot be called so.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.takes_context = _takes_context(function)

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Call the function after an epoch."""
        if context.task_name != "epoch":
            return False
        given = (estimator, context) if self.takes_context else (estimator,)
        result = self.function(*given)
        # Only True ends training: a function may also return a number or a figure.
        return isinstance(result, bool | np.bool_) and bool(result)


def _as_callback(callback: Any) -> Any:
    """Return a callback of scikit-learn's protocol."""
    if isinstance(callback, type):
        raise InvalidParameterError(f"callback {callback.__name__} is a class; pass an object, {callback.__name__}()")
    if isinstance(callback, FitCallback):
        return callback
    if callable(callback):
        return EpochFunction(callback)
    missing = ", ".join(hook for hook in _HOOKS if not hasattr(callback, hook))
    raise InvalidParameterError(f"callback {callback!r} has no {missing}; {_FORMS}, or an object with these methods")


def _takes_context(function: Callable[..., Any]) -> bool:
    """Whether a function takes the context as well as the estimator."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return False
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not (places or several) or len(needed) > 2 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        name = getattr(function, "__name__", type(function).__name__)
        raise InvalidParameterError(f"callback {name} cannot be called with an estimator; {_FORMS}")
    # A second parameter with a default is often a value of the enclosing scope: lambda model, codes=codes: ...
    return several or len(needed) == 2 or (len(places) > 1 and places[1].name == "context")
