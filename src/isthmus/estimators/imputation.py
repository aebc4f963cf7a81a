"""Tables with holes: a scikit-learn transformer that fills them, numbers and categories alike."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from isthmus.core.errors import InterruptedFitWarning, InvalidDataError, IsthmusWarning
from isthmus.core.parameters import PARAMETERS, Parameter
from isthmus.core.types import TrainState
from isthmus.corruption import Masking
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
from isthmus.engine.loop import Interruption
from isthmus.estimators import filler_file
from isthmus.estimators.build import draw_seed
from isthmus.estimators.filler import Plan, learn

Floats = NDArray[np.float64]


class AutoencoderImputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill the holes of a table with what an autoencoder makes of the rest of the row.

    A Gaussian is learned from the rows as they are, by expectation and maximisation; what it expects in a hole, given
    the cells that are there, is the start. Denoising networks then learn what it misses: cells that are there are
    hidden, and the network is told which. Each holds a fifth of the rows back and ends with the weights that fill
    those best; if the start did, the start. Numbers are averaged over the networks, and so are the chances of
    categories.

    Tables of pandas, polars and pyarrow come back as they went in, their types kept: whole numbers are rounded and
    kept within the range that was observed, booleans are true or false, and categories (text, pandas and polars
    categoricals) are among the 50 most frequent observed. Arrays are taken for real numbers. What was there is
    returned to the bit.

    Parameters
    ----------
    n_components : int, default=64
        Width of the code. Hidden cells keep the network from copying, so that the code may be wider than the row.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Widths of the encoder's hidden layers, mirrored in the decoder.
    dropout : float, default=0.2
        Share of hidden activations dropped in training.
    masking : tuple of float or float, default=(0.1, 0.6)
        Share of a row's cells that are hidden; each row in each epoch draws its own between two.
    n_networks : int, default=5
        Networks whose answers are averaged, each with another part of the rows held back.
    learning_rate : float, default=0.002
        Step size, lowered by a cosine over the epochs.
    batch_size : int, default=64
        Rows per step.
    max_epochs : int, default=100
        Passes at most, of 2,048 rows or the whole table, whichever is more; 0 leaves it at the Gaussian.
    n_iter_no_change : int, default=25
        Epochs without improvement before training stops.
    missing_values : number, str or None, default=nan
        What stands for a missing cell, beside NaN and null in tables.
    keep_empty_features : bool, default=False
        Keep columns in which nothing was observed: numbers become 0, categories stay missing. Otherwise they are left
        out, with a warning.
    random_state : int, RandomState or None, default=None
        Seed of weights, order and hidden cells.
    verbose : int, default=0
        1 prints a line for each network.

    Attributes
    ----------
    columns_ : tuple of ColumnOfTable
        Name, kind, range and categories of each column.
    filler_ : Filler
        What was learned.
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

    def __init__(
        self,
        *,
        n_components: int = 64,
        hidden_layer_sizes: tuple[int, ...] = (128, 128),
        dropout: float = 0.2,
        masking: tuple[float, float] | float = (0.1, 0.6),
        n_networks: int = 5,
        learning_rate: float = 0.002,
        batch_size: int = 64,
        max_epochs: int = 100,
        n_iter_no_change: int = 25,
        missing_values: Any = np.nan,
        keep_empty_features: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.masking = masking
        self.n_networks = n_networks
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.n_iter_no_change = n_iter_no_change
        self.missing_values = missing_values
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the columns, the Gaussian and the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or DataFrame
            The table with its holes.
        y : None
            Ignored.

        Returns
        -------
        self : AutoencoderImputer
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            In one line.
        """
        plan = self._plan()
        columns, values = self._first_sight(X)
        if all(column.empty for column in columns):
            raise InvalidDataError("no cell of the table is observed; there is nothing to learn from")
        self._tell_of_empty(columns)
        known = [place for place, column in enumerate(columns) if not column.empty]
        interruption = Interruption()
        with interruption.listening():
            filler, states = learn(
                values[:, known], [columns[place] for place in known], plan, interruption, self._with_condition
            )
        if interruption.signal:
            warnings.warn("interrupted; what was learned is kept", InterruptedFitWarning, stacklevel=2)
        self.columns_, self.filler_, self.seed_ = columns, filler, plan.seed
        self.history_ = [state.metrics for state in states]
        self.best_iter_ = [state.stopping.best_epoch for state in states]
        return self

    def transform(self, X: Any) -> Any:
        """Return the table with its holes filled.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or DataFrame
            Rows like those of `fit`. A category that was not there is taken as missing information about its row, and
            stays as it is.

        Returns
        -------
        filled : ndarray or DataFrame
            Of the type and the column types of `X`; an array is of real numbers.
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted imputer to a file, whole or not at all."""
        check_is_fitted(self)
        filler_file.write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the imputer that `save` wrote."""
        loaded: Self = filler_file.read(cls, path)
        return loaded

    # What goes in ----------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        for parameter in _PARAMETERS:
            parameter.check(getattr(self, parameter.name))
        PARAMETERS["random_state"].check(self.random_state)
        masking: Any = tuple(self.masking) if isinstance(self.masking, list) else self.masking
        Masking(masking)
        names = set(Plan.__dataclass_fields__) - {"hidden_layer_sizes", "masking", "seed"}
        return Plan(
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            masking=masking,
            seed=draw_seed(self.random_state),
            **{name: getattr(self, name) for name in names},
        )

    def _first_sight(self, X: Any) -> tuple[tuple[ColumnOfTable, ...], Floats]:
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
                f"the table has {n_rows} rows and {n_columns} columns; at least one of each it needs"
            )
        validate_data(self, X, reset=reset, skip_check_array=True)

    def _tell_of_empty(self, columns: tuple[ColumnOfTable, ...]) -> None:
        empty = [column.name for column in columns if column.empty]
        if empty and not self.keep_empty_features:
            named = ", ".join(map(repr, empty))
            warnings.warn(
                f"nothing was observed in {named}; left out (keep_empty_features=True keeps what is empty)",
                IsthmusWarning,
                stacklevel=3,
            )

    def _with_condition(self, network: int, state: TrainState) -> None:
        if self.verbose:
            loss = state.metrics["validation_loss"][-1]
            print(f"network {network + 1} of {self.n_networks}, epoch {state.epoch}: validation loss {loss:.4f}")

    # What comes out --------------------------------------------------------------------------------------------

    def _kept(self) -> NDArray[np.intp]:
        return np.array([i for i, c in enumerate(self.columns_) if self.keep_empty_features or not c.empty], np.intp)

    def _filled(self, values: Floats, holes: NDArray[np.bool_]) -> Floats:
        known = [place for place, column in enumerate(self.columns_) if not column.empty]
        filled = np.where(holes, 0.0, values)
        filled[:, known] = self.filler_.filled(values[:, known])
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


_PARAMETERS = (
    Parameter("n_components", 64, "", ("integer",), low=1),
    Parameter("hidden_layer_sizes", (128, 128), "", ("sizes",)),
    Parameter("dropout", 0.2, "", ("number",), low=0, below=1),
    Parameter("n_networks", 5, "", ("integer",), low=1),
    Parameter("learning_rate", 0.002, "", ("number",), above=0),
    Parameter("batch_size", 64, "", ("integer",), low=1),
    Parameter("max_epochs", 100, "", ("integer",), low=0),
    Parameter("n_iter_no_change", 25, "", ("integer",), low=1),
    Parameter("keep_empty_features", False, "", ("boolean",)),
    Parameter("verbose", 0, "", ("integer",), low=0),
)
