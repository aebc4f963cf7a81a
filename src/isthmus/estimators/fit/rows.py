"""What a fit is given: rows, their weights and groups, and other validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.data.frames import eager, library_of
from isthmus.data.groups import LAST, Groups, Hold, grouped, groups_of, split_by
from isthmus.data.named_columns import NamedColumns, has_column
from isthmus.data.sources.base import Source
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout, Holdout
from isthmus.data.weights import NAME, RowWeights, SelectedRows, checked_weights
from isthmus.estimators.inputs import rows_of

Opener = Callable[[Any, bool], Source]  # rows, and whether they are those of training


class FitRows(NamedTuple):
    """The rows of a fit.

    Attributes
    ----------
    source : Source
        The rows, those of weight 0 left out.
    hold : Hold or None
        Which of them are held out; None chooses each by a hash of its number.
    weights : RowWeights or None
        Their weights; None weights all equally.
    validation : Source or None
        Other validation rows.
    validation_weights : RowWeights or None
        Their weights.
    """

    source: Source
    hold: Hold | None = None
    weights: RowWeights | None = None
    validation: Source | None = None
    validation_weights: RowWeights | None = None

    @classmethod
    def of(cls, rows: FitRows | Source) -> FitRows:
        """Return rows, or a source without weights, as the rows of a fit."""
        return rows if isinstance(rows, FitRows) else cls(rows)

    def holdout(self, seed: int, share: float) -> Holdout:
        """Return the validation rows for a seed and a share of the rows."""
        return (self.hold or HashHoldout)(seed, share) if share else NO_HOLDOUT

    @property
    def n_given(self) -> int:
        """The number of rows, those of weight 0 included."""
        return rows_of(self.source.source if isinstance(self.source, SelectedRows) else self.source)

    def kept(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of these rows, of one value for each given row."""
        return values[self.source.numbers] if isinstance(self.source, SelectedRows) else values


class DividedRows(NamedTuple):
    """Rows without the columns that say something of them, and what these say."""

    rows: Any
    hold: Hold | None  # which rows are held out, as columns say; None is `groups`, or each row by itself
    groups: Any  # the group of each row, where no column has it
    weights: Any  # of the rows

    @property
    def group_values(self) -> Any:
        """The group of each row; None without groups."""
        return np.array(self.hold.values)[self.hold.codes] if isinstance(self.hold, Groups) else self.groups

    def opened(self, opener: Opener, *, relative: bool = True) -> FitRows:
        """Return the rows of a fit, without other validation rows."""
        source, hold = opener(self.rows, True), self.hold
        if self.groups is not None:
            hold = groups_of(self.groups, rows_of(source))
        return weighted(source, self.weights, hold, relative=relative)


class RowOptions(NamedTuple):
    """The parameters of `Autoencoder.fit` that say which rows are held out, and what each row weighs."""

    validation_data: Any = None
    validation_by: str | None = None
    groups: Any = None
    sample_weight: Any = None

    def check(self, *, early_stopping: bool) -> None:
        """Raise InvalidParameterError for two ways of grouping, or groups where no rows are held out."""
        if self.validation_by is None and self.groups is None:
            return
        named = "groups" if self.validation_by is None else f"validation_by={self.validation_by!r}"
        if self.validation_by is not None and self.groups is not None:
            raise InvalidParameterError(f"{named} cannot be combined with groups")
        if self.validation_data is not None or not early_stopping:
            why = "validation_data is given" if self.validation_data is not None else "early_stopping=False"
            raise InvalidParameterError(f"{named} has no effect: no rows are held out, since {why}")

    def opened(self, X: Any, opener: Opener, *, relative: bool = True) -> FitRows:
        """Return the rows of a fit; `opener` opens what is left of a table without its named columns.

        `relative` is that of `RowWeights`.
        """
        found = self.divided(X).opened(opener, relative=relative)
        if self.validation_data is None:
            return found
        other, other_weights = self._validation()
        validation = weighted(opener(other, False), other_weights)
        return found._replace(validation=validation.source, validation_weights=validation.weights)

    def divided(self, X: Any) -> DividedRows:
        """Return rows without their named columns, and what these say of the rows."""
        named = _named(self._asdict())
        hold: Hold | None = None
        weights = self.sample_weight
        groups = None if "groups" in named else self.groups
        if named:
            table = NamedColumns(X, named)
            X = table.rows
            weights = table.numbers(NAME, named[NAME]) if NAME in named else weights
            for parameter in named.keys() & {"groups", "validation_by"}:
                hold = grouped(named[parameter], table.values(named[parameter]), parameter)
        if self.validation_by == LAST:
            X, hold = split_by(X, LAST)
        return DividedRows(X, hold, groups, weights)

    def _validation(self) -> tuple[Any, Any]:
        """Return other validation rows and their weights: of a column, where they have it too."""
        name = self.sample_weight
        if not isinstance(name, str) or not has_column(self.validation_data, name):
            return self.validation_data, None
        table = NamedColumns(self.validation_data, {NAME: name})
        return table.rows, table.numbers(NAME, name)


def without_named(X: Any, options: Mapping[str, Any]) -> Any:
    """Return rows without the columns that options of `fit` name; of a file all, since a model reads its own."""
    named = _named(options)
    return NamedColumns(X, named).rows if named and library_of(eager(X)) is not None else X


def _named(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that options of `fit` name."""
    given = {name: options.get(name) for name in (NAME, "groups", "validation_by")}
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, str) and (name, value) != ("validation_by", LAST)
    }


def weighted(source: Source, given: Any, hold: Hold | None = None, *, relative: bool = True) -> FitRows:
    """Return rows with their weights checked, those of weight 0 left out.

    Parameters
    ----------
    source : Source
        The rows.
    given : array-like, float or None
        Their weights.
    hold : Hold or None
        Which rows are held out.
    relative : bool
        As of `RowWeights`.
    """
    weights = checked_weights(given, rows_of(source))
    if weights is None:
        return FitRows(source, hold)
    if not weights.all():
        kept: NDArray[np.intp] = np.flatnonzero(weights)
        source, weights = SelectedRows(source, kept), weights[kept]
        hold = None if hold is None else hold.selected(kept)
    if (weights == (weights[0] if relative else 1)).all():
        return FitRows(source, hold)
    return FitRows(source, hold, RowWeights(weights, relative=relative))
