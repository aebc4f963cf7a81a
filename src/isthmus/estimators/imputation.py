"""An imputer of tables: missing numbers and categories filled in by a Gaussian and denoising networks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from isthmus.core.errors import InterruptedFitWarning, InvalidDataError, IsthmusWarning
from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Number,
    Pair,
    Sizes,
    check_parameters,
    declares_parameters,
    documented,
    parameter,
    values_of,
)
from isthmus.core.types import TrainState
from isthmus.data.columns import (
    ColumnOfTable,
    cells_of,
    column_kind,
    describe,
    described,
    frame_of,
    select,
    with_cells,
)
from isthmus.engine.interruption import Interruption
from isthmus.estimators import stored
from isthmus.estimators.fit.choices import draw_seed
from isthmus.estimators.fit.imputing import ImputationPlan, learn
from isthmus.estimators.parameters import SEED

Floats = NDArray[np.float64]


@declares_parameters()
class ImputerParameters:
    """The parameters of `AutoencoderImputer`."""

    n_components: int = parameter(
        "width of the code; since cells are hidden in training, it may be wider than the row", Integer(1), default=64
    )
    hidden_layer_sizes: Sequence[int] = parameter(
        "widths of the encoder's hidden layers, mirrored in the decoder", Sizes(), default=(128, 128)
    )
    dropout: float = parameter("share of hidden activations dropped in training", Number(0, below=1), default=0.2)
    masking: tuple[float, float] | float = parameter(
        "share of a row's cells that are hidden in training; of a pair, each row in each epoch draws its own between "
        "the two",
        Number(0, 1),
        Pair(Number(0, 1)),
        default=(0.1, 0.6),
    )
    n_networks: int = parameter(
        "networks whose answers are averaged, each with another part of the rows held back", Integer(1), default=5
    )
    learning_rate: float = parameter("step size, lowered by a cosine over the epochs", Number(above=0), default=2e-3)
    batch_size: int = parameter("rows per step", Integer(1), default=64)
    max_epochs: int = parameter(
        "largest number of passes, each over 2,048 rows or the whole table, whichever is more; 0 uses the Gaussian "
        "alone",
        Integer(0),
        default=100,
    )
    n_iter_no_change: int = parameter("epochs without an improvement before a network stops", Integer(1), default=25)
    missing_values: Any = parameter(
        "the value that marks a missing cell; NaN stands for NaN, None and NaT",
        Instance("a value", lambda value: True),
        default=float("nan"),
        optional=True,
    )
    keep_empty_features: bool = parameter(
        "keep columns in which fit saw no value, their holes filled with 0 or, in categories, left",
        Boolean(),
        default=False,
    )
    random_state: Any = parameter("seed of the folds, weights, order and hidden cells", *SEED, default=None)
    verbose: int = parameter("1 prints each epoch's validation loss", Integer(0), default=0)


@documented
class AutoencoderImputer(ImputerParameters, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill in the missing cells of a table from the other cells of the row.

    A Gaussian is fitted to the rows as they are, by expectation and maximisation; its conditional mean of a missing
    cell, given the observed ones, is the start. Denoising networks then learn the rest: observed cells are hidden, and
    the network gets a mask of them. Each network holds out a fifth of the rows and ends with the weights that fill
    those in best, or with the start if that is better. Numbers are averaged over the networks, and so are the
    probabilities of categories.

    Tables of pandas, polars and pyarrow keep their types: integers are rounded and kept within the observed range,
    booleans are true or false, and categories (text, pandas and polars categoricals) are among the 50 most frequent
    observed. Arrays are real numbers. Observed cells are unchanged, to the bit.

    Attributes
    ----------
    columns_ : tuple of ColumnOfTable
        Name, kind, range and categories of each column.
    ensemble_ : Ensemble
        The fitted networks.
    history_ : list of dict
        For each network one value per epoch of ``loss``, ``validation_loss`` and more.
    best_iter_ : list of int
        For each network the epoch whose weights were kept; 0 is the start.
    n_features_in_ : int
        Columns.
    feature_names_in_ : ndarray of str
        Their names, where they have any.
    seed_ : int
        The seed used.

    References
    ----------
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977; Vincent et al.,
    "Stacked denoising autoencoders", 2010; Guo and Berkhahn, "Entity embeddings of categorical variables", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import AutoencoderImputer
    >>> t = np.random.default_rng(0).normal(size=100)
    >>> X = np.stack([t, 2 * t, -t], axis=1)
    >>> X[3, 1] = np.nan
    >>> filled = AutoencoderImputer(random_state=0, max_epochs=2).fit_transform(X)
    >>> bool(abs(filled[3, 1] - 2 * t[3]) < 0.2)
    True
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the columns, the Gaussian and the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or DataFrame
            The table with its missing cells.
        y : None
            Ignored.

        Returns
        -------
        self : AutoencoderImputer
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line.
        """
        plan = self._plan()
        columns, values = self._described(X)
        if all(column.empty for column in columns):
            raise InvalidDataError("no cell of the table is observed; there is nothing to learn from")
        self._warn_of_empty(columns)
        known = [place for place, column in enumerate(columns) if not column.empty]
        interruption = Interruption()
        ensemble, states = learn(
            values[:, known], [columns[place] for place in known], plan, interruption, self._report
        )
        if interruption.signal:
            warnings.warn("interrupted; what was learned is kept", InterruptedFitWarning, stacklevel=2)
        self.columns_, self.ensemble_, self.seed_ = columns, ensemble, plan.seed
        self.history_ = [state.metrics for state in states]
        self.best_iter_ = [state.stopping.best_epoch for state in states]
        return self

    def transform(self, X: Any) -> Any:
        """Return the table with its missing cells filled in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or DataFrame
            Rows like those of `fit`. A category that `fit` did not see is an unknown value for the other cells of its
            row, and is left as it is.

        Returns
        -------
        filled : ndarray or DataFrame
            With the type and the column types of `X`; arrays have real numbers.
        """
        check_is_fitted(self)
        if frame_of(X) is not None:
            return self._filled_table(X)
        if any(column.kind == "category" for column in self.columns_):
            raise InvalidDataError("X is an array, but the imputer was fitted on a table with categories; give a table")
        X, holes = self._array(X, reset=False)
        filled = self._filled(np.where(holes, np.nan, X.astype(np.float64)), holes)
        settled = np.column_stack([c.settled(filled[:, place]) for place, c in enumerate(self.columns_)])
        return np.where(holes, settled.astype(X.dtype), X)[:, self._kept()]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self)
        own = getattr(self, "feature_names_in_", None)
        if input_features is not None:
            given = np.asarray(input_features, object)
            if len(given) != self.n_features_in_:
                raise ValueError("input_features should have length equal to number of features")
            if own is not None and list(given) != list(own):
                raise ValueError("input_features is not equal to feature_names_in_")
            own = given
        names = [f"x{place}" for place in range(self.n_features_in_)] if own is None else own
        return np.asarray(names, object)[self._kept()]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted imputer to one safetensors file, completely or not at all.

        An existing file is refused unless `overwrite` is true.
        """
        check_is_fitted(self)
        stored.save(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the imputer that `save` wrote."""
        loaded: Self = stored.load_as(cls, path)
        return loaded

    # Input -----------------------------------------------------------------------------------------------------

    def _plan(self) -> ImputationPlan:
        check_parameters(type(self), values_of(self))
        masking: Any = tuple(self.masking) if isinstance(self.masking, list) else self.masking
        names = set(ImputationPlan.__dataclass_fields__) - {"hidden_layer_sizes", "masking", "seed"}
        return ImputationPlan(
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            masking=masking,
            seed=draw_seed(self.random_state),
            **{name: getattr(self, name) for name in names},
        )

    def _described(self, X: Any) -> tuple[tuple[ColumnOfTable, ...], Floats]:
        if frame_of(X) is None:
            X, holes = self._array(X, reset=True)
            values = np.where(holes, np.nan, X.astype(np.float64))
            return tuple(described(f"x{place}", "real", values[:, place]) for place in range(values.shape[1])), values
        self._check_table(X, reset=True)
        columns = describe(X, self._sentinel)
        return columns, cells_of(X, columns, self._sentinel)[0]

    @property
    def _sentinel(self) -> Any:
        value = self.missing_values
        return np.nan if value is None else value

    def _array(self, X: Any, *, reset: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        plain = self._sentinel != self._sentinel  # NaN
        finite = "allow-nan" if plain else True
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=finite)
        return X, np.isnan(X) if plain else self._sentinel == X

    def _check_table(self, X: Any, *, reset: bool) -> None:
        n_rows, n_columns = X.shape
        if not n_rows or not n_columns:
            raise InvalidDataError(
                f"the table has {n_rows} rows and {n_columns} columns; it needs at least one of each"
            )
        validate_data(self, X, reset=reset, skip_check_array=True)

    def _warn_of_empty(self, columns: tuple[ColumnOfTable, ...]) -> None:
        empty = [column.name for column in columns if column.empty]
        if empty and not self.keep_empty_features:
            named = ", ".join(map(repr, empty))
            warnings.warn(
                f"no value was observed in {named}; left out (keep_empty_features=True keeps empty columns)",
                IsthmusWarning,
                stacklevel=3,
            )

    def _report(self, network: int, state: TrainState) -> None:
        if self.verbose:
            loss = state.metrics["validation_loss"][-1]
            print(f"network {network + 1} of {self.n_networks}, epoch {state.epoch}: validation loss {loss:.4f}")

    # Output ---------------------------------------------------------------------------------------------------

    def _kept(self) -> NDArray[np.intp]:
        return np.array([i for i, c in enumerate(self.columns_) if self.keep_empty_features or not c.empty], np.intp)

    def _filled(self, values: Floats, holes: NDArray[np.bool_]) -> Floats:
        known = [place for place, column in enumerate(self.columns_) if not column.empty]
        filled = np.where(holes, 0.0, values)
        filled[:, known] = self.ensemble_.filled(values[:, known])
        for place, column in enumerate(self.columns_):
            if column.empty and column.kind == "category":
                filled[holes[:, place], place] = np.nan
        return filled

    def _filled_table(self, X: Any) -> Any:
        self._check_table(X, reset=False)
        columns, frame = self.columns_, frame_of(X)
        assert frame is not None
        names = frame.columns
        if not hasattr(self, "feature_names_in_"):
            columns = tuple(
                replace(c, name=name, kind=column_kind(frame, name) or c.kind)
                for c, name in zip(columns, names, strict=True)
            )
        values, holes = cells_of(X, columns, self._sentinel)
        table = with_cells(X, columns, self._filled(values, holes), holes)
        kept = self._kept()
        return table if len(kept) == len(names) else select(table, [names[place] for place in kept])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._sentinel != self._sentinel
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
