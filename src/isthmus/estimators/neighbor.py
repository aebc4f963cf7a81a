"""`NeighborAutoencoder`: a map that preserves neighbourhoods and has a decoder."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import Any, NoReturn, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import with_callbacks
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import CollapseWarning, InterruptedFitWarning, InvalidDataError, IsthmusWarning
from isthmus.core.parameters import check_parameters, documented, values_of
from isthmus.data.sources.base import Source
from isthmus.engine.checkpoint import refuse_folder_of_rows
from isthmus.estimators import stored
from isthmus.estimators.base import Array, FittedModel, Rows
from isthmus.estimators.fit.graph import Graph, digest_of, given_graph, graph_of
from isthmus.estimators.fit.identity import identity_of
from isthmus.estimators.fit.map_checkpoints import MapCheckpoints, Stage
from isthmus.estimators.fit.memory import Memory
from isthmus.estimators.fit.neighborhood import MapPlan, learn
from isthmus.estimators.fit.outcome import doubt_of_penalty
from isthmus.estimators.fit.preparing import Prepared, prepare
from isthmus.estimators.fit.rows import FitRows, RowOptions, without_named
from isthmus.estimators.fit.run import parameter_values
from isthmus.estimators.following import CallbackCaller, FollowedFit
from isthmus.estimators.inputs import cell_names, open_rows, rows_of
from isthmus.estimators.neighbor_parameters import NeighborParameters
from isthmus.estimators.unchanged import unchanged_on_error


@documented
class NeighborAutoencoder(NeighborParameters, FollowedFit, FittedModel, BaseEstimator):  # type: ignore[misc]
    """An autoencoder whose code preserves neighbourhoods: a map of the rows that can be decoded.

    The graph of nearest neighbours is computed first. Training then minimises a contrastive loss, which pulls the codes
    of a row and of one of its neighbours together and pushes those of other rows of the batch away, and the error of
    reconstructing both rows. For pictures and
    large tables it has two stages: an encoder of 64 features, compared by their directions; then the same encoder with
    a new last layer of `n_components` units and with a decoder, compared by distances. Small tables have the second
    stage alone. A new row's code is one pass through the encoder, and every point of the map decodes to a row.

    Attributes
    ----------
    n_components_, params_, network_, scaler_, history_, seed_, ...
        As in `Autoencoder`; ``history_`` has ``neighbors`` and ``reconstruction``, the two losses, not weighted.
    feature_history_ : dict of str to list of float
        The history of the first stage; empty without it.
    n_graph_rows_ : int
        The rows among which neighbours were searched: all of them, or a sample of 2 GB.
    graph_recall_ : float or None
        The share of nearest neighbours that are in the graph, on a sample of 500 rows: 1 up to 100,000 rows, whose
        neighbours are exact; None where `graph` was given. With ``neighbors_of="features"`` both are of the graph of
        features.

    References
    ----------
    Böhm, Berens and Kobak, "Unsupervised visualization of image datasets using contrastive learning", 2023; Damrich,
    Böhm, Hamprecht and Kobak, "From t-SNE to UMAP with contrastive learning", 2023; Sainburg, McInnes and Gentner,
    "Parametric UMAP embeddings for representation and semisupervised learning", 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import NeighborAutoencoder
    >>> X = load_digits().data
    >>> model = NeighborAutoencoder(hidden_layer_sizes=(64, 32), max_epochs=10, random_state=0).fit(X[:1500])
    >>> model.transform(X[1500:]).shape, model.inverse_transform([[0.0, 0.0]]).shape
    ((297, 2), (1, 64))
    """

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Rows,
        y: Any = None,
        *,
        graph: Any = None,
        sample_weight: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
    ) -> Self:
        """Learn the map of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, as `Autoencoder.fit` takes them.
        y : None
            Ignored.
        graph : array-like of int of shape (n_samples, k) or sparse matrix of shape (n_samples, n_samples), optional
            The neighbours of each row: their numbers, negative ones being none; or a matrix in whose row i the nonzero
            cells are the neighbours of row i, whatever their values. None: the `n_neighbors` nearest rows in
            scaled units, exactly up to 100,000 rows, beyond that with pynndescent, if it is installed.
        sample_weight : array-like of shape (n_samples,) or str, optional
            As in `Autoencoder.fit`: an edge has the weight of its first row.
        checkpoint : path-like, optional
            A folder for the graph and for checkpoints of both stages. The same call continues from the newest one and
            ends, to the bit, where it would have ended without the interruption; SIGTERM as in `Autoencoder.fit`.
            Unlike there, `max_epochs` must be the same.
        checkpoint_every : float, default=60.0
            Seconds between checkpoints; 0 writes one after each chunk of rows, of about 8 MB.

        Returns
        -------
        self : NeighborAutoencoder
            The fitted estimator.

        Warns
        -----
        InterruptedFitWarning
            Where Ctrl-C ended training in the last stage; the map is kept as it was then.
        IsthmusWarning
            Where a penalty of the map is left to be made up for by a larger decoder.
        CollapseWarning
            Where the decoder reconstructs the rows of training worse than their mean row does.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line; an earlier fit stays as it was.
        DivergedError
            At the first loss or gradient that is not finite; an earlier fit stays as it was.
        UnwritableError
            Where a checkpoint cannot be written; earlier ones stay.
        """
        check_parameters(type(self), values_of(self))
        context = self._init_callback_context(max_subtasks=None)
        with unchanged_on_error(self):
            options = RowOptions(sample_weight=sample_weight)
            memory = Memory.of(None)
            refuse_folder_of_rows(checkpoint, X)
            given = options.opened(X, lambda rows, reset: open_rows(self, rows, reset=reset, memory=memory))
            own_shape = given.source.schema.image_shape
            self._as_pictures(given.source)
            n_rows = rows_of(given.source)
            if n_rows < 2:
                raise InvalidDataError(f"Found n_samples={n_rows}; neighbours need at least 2 rows")
            saved = None if checkpoint is None else self._checkpoints(checkpoint, checkpoint_every, given, graph)
            plan = MapPlan.of(parameter_values(self), given.source.schema, n_rows, getattr(saved, "seed", None))
            prepared = prepare(plan.plan, given.source, cell_names(self), weights=given.weights)
            context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            found = self._graph(graph, given, prepared, plan.plan.seed, saved)
            watchers = {
                "features": CallbackCaller(self, context, X, y, task="feature epoch", shows_state=False),
                "map": CallbackCaller(self, context, X, y),
            }
            stages = [
                Stage(watcher) if saved is None else saved.stage(name, watcher) for name, watcher in watchers.items()
            ]
            # Callbacks must not read the values of an earlier fit.
            self.feature_history_, self.n_graph_rows_, self.graph_recall_ = {}, found.n_rows, found.recall
            learned = learn(plan, prepared, found.edges, *stages)
            self._adopt(learned.fitted._replace(image_shape_=own_shape), prepared.loader)
            self.feature_history_ = learned.feature_history
            found = learned.graph or found
            self.n_graph_rows_, self.graph_recall_ = found.n_rows, found.recall
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)
        if learned.interrupted:
            self._warn_of_interruption(plan.plan.settings.max_epochs)
        self._warn_of_useless_decoder(learned.cost_of_mean)
        self._warn_of_penalty(plan)
        return self

    def _warn_of_interruption(self, max_epochs: int) -> None:
        warnings.warn(
            f"interrupted after {self.n_iter_} of {max_epochs} epochs; what was learned is kept",
            InterruptedFitWarning,
            stacklevel=4,
        )

    def _warn_of_penalty(self, plan: MapPlan) -> None:
        # The similarity of directions does not depend on the scale of the codes.
        by_direction = self.kernel == "cosine"
        doubt = doubt_of_penalty(plan.plan, "kernel='cauchy' or weight_decay", free_scale=by_direction)
        if doubt is not None:
            warnings.warn(doubt, IsthmusWarning, stacklevel=4)

    def _warn_of_useless_decoder(self, cost_of_mean: float) -> None:
        """Warn where rows were reconstructed worse than by their mean."""
        # There is no loss where training was interrupted in its first epoch.
        cost, weight = (self.history_.get("reconstruction") or [0.0])[-1], self.reconstruction_weight
        if cost > cost_of_mean and (callable(weight) or weight != 0):
            warnings.warn(
                f"the decoder reconstructs rows worse than their mean row does: its loss is {cost:.3g}, that of the "
                f"mean row {cost_of_mean:.3g}; set a larger max_epochs or a smaller learning_rate",
                CollapseWarning,
                stacklevel=4,
            )

    def _checkpoints(self, folder: str | os.PathLike[str], every: float, given: FitRows, graph: Any) -> MapCheckpoints:
        """Return the checkpoints of a fit."""
        identity = identity_of(self, given, warm=False) | {"max_epochs": repr(self.max_epochs)}
        if graph is not None:
            identity["graph"] = digest_of(graph)
        return MapCheckpoints(folder, every, identity)

    def _graph(self, graph: Any, given: FitRows, prepared: Prepared, seed: int, saved: MapCheckpoints | None) -> Graph:
        """Return the graph of a fit: what was given, what a checkpoint has, or the nearest neighbours."""
        if graph is not None:
            return given_graph(graph, given, seed)

        def nearest() -> Graph:
            return graph_of(prepared, int(self.n_neighbors), self.metric, seed)

        return nearest() if saved is None else saved.graph(seed, nearest)

    def _as_pictures(self, source: Source) -> None:
        """Give flat rows the shape of the pictures that they stand for."""
        if self.image_shape is None:
            return
        shape = tuple(int(edge) for edge in self.image_shape)
        if int(np.prod(shape)) != source.schema.n_features:
            raise InvalidDataError(f"image_shape={shape} is not the shape of rows of {source.schema.n_features} cells")
        source.schema = replace(source.schema, image_shape=shape)

    def fit_transform(self, X: Rows, y: Any = None, **fit_params: Any) -> Array:
        """Fit, then return the codes of the same rows, (n_samples, n_components)."""
        codes: Array = self.fit(X, y, **fit_params).transform(without_named(X, fit_params))
        return codes

    @property
    def partial_fit(self) -> NoReturn:
        """Not supported: neighbours are searched among all rows."""
        raise AttributeError(
            "NeighborAutoencoder has no partial_fit, since neighbours are searched among all rows; call fit with all "
            "of them, or with a path to a file of them"
        )

    def inverse_transform(self, X: Rows) -> Any:
        """Return the rows that points of the map stand for; of pictures, pictures. As `Autoencoder` does."""
        rows = super().inverse_transform(X)
        return rows.reshape(-1, *self.image_shape_) if self.image_shape_ is not None else rows

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:  # type: ignore[override]
        """Write the fitted map to one safetensors file, completely or not at all; as `Autoencoder.save`."""
        check_is_fitted(self)
        stored.save(self, path, leave_out=("optimizer_state_",), overwrite=overwrite)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.input_tags.sparse = True
        return tags
