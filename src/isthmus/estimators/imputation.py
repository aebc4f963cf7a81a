"""An imputer of tables: missing numbers and categories filled in by a Gaussian and denoising networks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.validation import _num_samples, check_is_fitted

from isthmus.core.errors import InterruptedFitWarning, InvalidDataError, IsthmusWarning
from isthmus.core.parameters import check_parameters, documented, values_of
from isthmus.core.types import TrainState
from isthmus.data.columns import (
    ColumnOfTable,
    cells_of,
    column_kind,
    describe,
    described,
    marked,
    marks_of,
    refuse_duplicates,
    refuse_unfit,
    select,
    with_cells,
)
from isthmus.data.encoding.table import warn_of_text
from isthmus.data.filling import within
from isthmus.data.frames import eager, labels_of, library_of, matrix_of
from isthmus.data.groups import groups_of
from isthmus.data.scaling.statistics import refuse_non_finite
from isthmus.data.sources.places import is_location
from isthmus.data.weights import checked_weights
from isthmus.engine.interruption import Interruption
from isthmus.estimators import stored
from isthmus.estimators.exporting import Exported
from isthmus.estimators.fit.choices import draw_seed
from isthmus.estimators.fit.imputing import ImputationPlan, learn
from isthmus.estimators.fit.reporting import LOGGER
from isthmus.estimators.fit.rows import RowOptions, without_named
from isthmus.estimators.framing import as_asked, names_of_frame
from isthmus.estimators.imputer_parameters import ImputerParameters
from isthmus.estimators.inputs import array_rows, check_names, is_external
from isthmus.estimators.unchanged import unchanged_on_error

Floats = NDArray[np.float64]


class _Cells(NamedTuple):
    """The cells of a table or an array."""

    columns: tuple[ColumnOfTable, ...]
    values: Floats  # (n, C), NaN where a cell is missing
    holes: NDArray[np.bool_]  # (n, C)
    table: Any  # the frame, or None
    array: NDArray[Any] | None  # the array in the type of the result, or None


@documented
class AutoencoderImputer(ImputerParameters, Exported, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill in the missing cells of a table from the other cells of the row.

    A Gaussian is fitted to the rows as they are, by expectation and maximisation; its conditional mean of a missing
    cell, given the observed ones, is the start. Denoising networks then learn the rest: observed cells are hidden, and
    the network gets a mask of them. Each network holds out a fifth of the rows and ends with the weights that fill
    those in best, or with the start if that is better. Numbers are averaged over the networks, and so are the
    probabilities of categories.

    Tables of pandas, polars and pyarrow keep their types: integers are rounded and kept within the observed range,
    booleans are true or false, and categories (text, pandas and polars categoricals) are among the 50 most frequent
    observed. Python objects are what they are: numbers (decimals too), booleans or text; a column that mixes these, or
    holds dates or lists, is refused by its name. Arrays are real numbers, and masked cells of a masked array are
    missing. Observed cells are unchanged, to the bit.

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

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Learn the columns, the Gaussian and the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame or path
            The table with its missing cells; a file is read as a table of pyarrow.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or str, optional
            The weight of each row, or the name of a column of them, as in `Autoencoder.fit`: in means, the Gaussian,
            the loss and the validation loss.
        groups : array-like of shape (n_samples,) or str, optional
            The group of each row, or the name of a column: the rows that a network holds out are whole groups.

        Returns
        -------
        self : AutoencoderImputer
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line.
        """
        with unchanged_on_error(self):
            plan = self._plan()
            X, weights, codes = _divided(_opened(X), RowOptions(groups=groups, sample_weight=sample_weight))
            cells = self._cells(X, reset=True)
            columns = cells.columns
            if all(column.empty for column in columns):
                raise InvalidDataError("no cell of the table is observed; there is nothing to learn from")
            self._warn_of_empty(columns)
            known = [place for place, column in enumerate(columns) if not column.empty]
            interruption = Interruption()
            ensemble, states = learn(
                *(cells.values[:, known], [columns[place] for place in known], plan, interruption, self._report),
                weights=weights,
                groups=codes,
            )
            if interruption.signal:
                warnings.warn("interrupted; what was learned is kept", InterruptedFitWarning, stacklevel=2)
        self.columns_, self.ensemble_, self.seed_ = columns, ensemble, plan.seed
        self.history_ = [state.metrics for state in states]
        self.best_iter_ = [state.stopping.best_epoch for state in states]
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, then return the same table with its missing cells filled in, as `transform` does."""
        table = _opened(X)
        filled = self.fit(table, y, **fit_params).transform(without_named(table, fit_params))
        return _as_array(filled, self.columns_) if is_location(X) else filled

    def transform(self, X: Any) -> Any:
        """Return the table with its missing cells filled in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame or path
            Rows like those of `fit`. A category that `fit` did not see is an unknown value for the other cells of its
            row, and is left as it is.

        Returns
        -------
        filled : ndarray, DataFrame or pyarrow.Table
            With the type and the column types of `X`; arrays have real numbers, or stay integers where they have some
            that no float holds. Of a path, an array if all columns are numbers or booleans, else a table of pyarrow.

        Raises
        ------
        InvalidDataError
            With one line, where the rows do not fit the model, or a cell is infinite or so large that those next to it
            cannot be filled.
        """
        check_is_fitted(self)
        cells = self._cells(X, reset=False)
        filled, kept = self._filled(cells.values, cells.holes), self._kept()
        if cells.array is None:
            table = with_cells(cells.table, cells.columns, filled, cells.holes)
            table = table if len(kept) == len(cells.columns) else select(table, [cells.columns[i].name for i in kept])
            return as_asked(self, _as_array(table, self.columns_) if is_location(X) else table)
        return _with_filled(cells.array, self.columns_, filled, cells.holes)[:, kept]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self)
        return names_of_frame(self, input_features)[self._kept()]

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

    def _cells(self, X: Any, *, reset: bool) -> _Cells:
        """Return the cells of a table or an array, checked against what `fit` saw or, with `reset`, described."""
        X = _opened(X)
        if library_of(X) is None:
            return self._cells_of_array(X, reset=reset)
        n_rows, n_columns = X.shape
        if not n_rows or not n_columns:
            raise InvalidDataError(
                f"the table has {n_rows} rows and {n_columns} columns; it needs at least one of each"
            )
        refuse_duplicates(X)
        check_names(self, X, reset=reset)
        columns = describe(X, self.missing_values) if reset else self._columns_in(X)
        if reset:
            warn_of_text(X, columns)
        values, holes = cells_of(X, columns, self.missing_values)
        return _Cells(columns, values, holes, X, None)

    def _columns_in(self, X: Any) -> tuple[ColumnOfTable, ...]:
        """Return the columns under the names that a table has for them: `fit` may have seen none."""
        names = labels_of(X)
        if names == [column.name for column in self.columns_]:
            return self.columns_
        found = []
        for column, name in zip(self.columns_, names, strict=True):
            kind = column_kind(X, name)
            # Text where numbers were learned is refused with the cells.
            if kind is None or "category" in (kind, column.kind):
                kind = column.kind
            found.append(replace(column, name=name, kind=kind))
        return tuple(found)

    def _cells_of_array(self, X: Any, *, reset: bool) -> _Cells:
        if not reset and any(column.kind == "category" for column in self.columns_):
            raise InvalidDataError("X is an array, but the imputer was fitted on a table with categories; give a table")
        mask = np.ma.getmaskarray(X) if isinstance(X, np.ma.MaskedArray) else None
        array = array_rows(self, X if mask is None else np.where(mask, np.zeros(1, X.dtype), X.data), reset=reset)
        marks, kind = marks_of(self.missing_values), {"b": "boolean", "f": "real"}.get(array.dtype.kind, "integer")
        refuse_unfit(marks, [kind], "cell of the array")
        plain = array.view(np.uint8) if kind == "boolean" else array
        holes = marked(plain.reshape(-1), kind, marks).reshape(array.shape)
        holes = holes if kind != "real" else holes | np.isnan(array)
        holes = holes if mask is None else holes | mask
        values = np.where(holes, np.nan, array.astype(np.float64))
        names = [f"x{place}" for place in range(array.shape[1])]
        refuse_non_finite(values, 0, getattr(self, "feature_names_in_", ()), missing=True)
        array = _exact(array, holes)
        if not reset:
            return _Cells(self.columns_, values, holes, None, array)
        whole = "integer" if array.dtype.kind in "iu" else "real"
        columns = tuple(described(name, whole, array[:, i], holes[:, i]) for i, name in enumerate(names))
        return _Cells(columns, values, holes, None, array)

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
        loss = state.metrics["validation_loss"][-1]
        line = f"network {network + 1} of {self.n_networks}, epoch {state.epoch}: validation loss {loss:.4f}"
        facts = {"network": network + 1, "epoch": state.epoch, "validation_loss": float(loss)}
        LOGGER.info(line, extra={"event": "epoch", "facts": facts})
        if self.verbose:
            print(line)

    # Output ---------------------------------------------------------------------------------------------------

    def _kept(self) -> NDArray[np.intp]:
        return np.array([i for i, c in enumerate(self.columns_) if self.keep_empty_features or not c.empty], np.intp)

    def _filled(self, values: Floats, holes: NDArray[np.bool_]) -> Floats:
        known = [place for place, column in enumerate(self.columns_) if not column.empty]
        filled = np.where(holes, 0.0, values)
        filled[:, known] = self.ensemble_.filled(values[:, known], [self.columns_[place].name for place in known])
        for place, column in enumerate(self.columns_):
            if column.empty and column.kind == "category":
                filled[holes[:, place], place] = np.nan
        return filled

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _opened(X: Any) -> Any:
    """Return a file's table, or what was passed, if it is a frame or array-like."""
    if is_location(X):
        from isthmus.data.tables import read_table

        return read_table(X)
    X = eager(X)
    if is_external(X) and library_of(X) is None:
        raise InvalidDataError(
            f"X is a {type(X).__name__}, but an imputer takes an array, a DataFrame, a table of pyarrow or a path; "
            "convert it"
        )
    return X


def _divided(X: Any, options: RowOptions) -> tuple[Any, Floats | None, NDArray[np.integer] | None]:
    """Return rows, those of weight 0 left out, with their weights and the numbers of their groups."""
    if options.sample_weight is None and options.groups is None:
        return X, None, None
    divided = options.divided(X)
    rows = divided.rows
    if not hasattr(rows, "shape") and hasattr(rows, "__array__"):
        rows = np.asarray(rows)
    n_rows = _num_samples(rows)
    weights = checked_weights(divided.weights, n_rows)
    given = divided.group_values
    codes = None if given is None else groups_of(given, n_rows).codes
    if weights is None:
        return rows, None, codes
    kept = np.flatnonzero(weights)
    if len(kept) < n_rows:
        rows, weights, codes = _safe_indexing(rows, kept), weights[kept], None if codes is None else codes[kept]
    return rows, None if (weights == weights[0]).all() else weights.astype(np.float64), codes


def _as_array(table: Any, columns: Sequence[ColumnOfTable]) -> Any:
    """Return a file's table as an array where that loses nothing."""
    if any(column.kind == "category" for column in columns):
        return table
    # Next to other columns, integers become float64.
    largest = [max(abs(c.low), abs(c.high)) for c in columns if c.kind == "integer" and not c.empty]
    return table if max(largest, default=0) > 1 << 53 else matrix_of(table)


def _exact(array: NDArray[Any], holes: NDArray[np.bool_]) -> NDArray[Any]:
    """Return an array as floats, or as it is where it has integers that no float holds."""
    if array.dtype.kind == "f":
        return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    wide = array.dtype.kind in "iu" and array.dtype.itemsize == 8
    observed = array[~holes] if wide else array[:0]
    exact = not observed.size or max(int(observed.max()), -int(observed.min())) <= 1 << 53
    return array.astype(np.float64) if exact else array


def _with_filled(
    array: NDArray[Any], columns: Sequence[ColumnOfTable], filled: Floats, holes: NDArray[np.bool_]
) -> NDArray[Any]:
    """Return an array with filled numbers in its missing cells, within the range of its type."""
    out = array.copy()
    for place, column in enumerate(columns):
        rows = np.flatnonzero(holes[:, place])
        if column.kind == "real" and array.dtype.kind == "f":
            largest = np.finfo(array.dtype).max
            out[rows, place] = np.clip(filled[rows, place], -largest, largest)
        elif len(rows):
            out[rows, place] = within(column.values(filled[rows, place]), array.dtype)
    return out
