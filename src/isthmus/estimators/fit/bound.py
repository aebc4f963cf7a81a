"""What a variational autoencoder's parameters decide about a fit, in addition to those of all autoencoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.functions import Function
from isthmus.core.types import Schedule
from isthmus.data.domains import ROUNDING, Counts, refuse_outside
from isthmus.data.scaling import ColumnStatistics, Scaling
from isthmus.data.sources.base import Schema
from isthmus.losses.evidence import BETA, FREE_BITS, EvidenceBound
from isthmus.losses.likelihoods import Likelihood, resolve
from isthmus.networks.variational import VARIATIONAL
from isthmus.sparsity.base import constant, ramp

Values = Mapping[str, Any]


@dataclass(frozen=True)
class BoundPlan:
    """The evidence bound that is minimised.

    Parameters
    ----------
    likelihood : Likelihood
        The distribution of cells.
    beta, free_bits, kl_warmup, n_samples
        The estimator's parameters.
    conditions : tuple of int
        The cells of a row that are conditions.
    """

    likelihood: Likelihood
    beta: float
    free_bits: float
    kl_warmup: float
    n_samples: int
    conditions: tuple[int, ...]

    @classmethod
    def of(cls, values: Values, schema: Schema) -> BoundPlan | None:
        """Return the plan for an estimator's parameters; None for one without a likelihood.

        Raises
        ------
        InvalidParameterError
            Where two parameters, or a parameter and the columns, contradict one another.
        """
        if values.get("likelihood") is None:
            return None
        numbers = ("beta", "free_bits", "kl_warmup")
        plan = cls(
            resolve(values["likelihood"]),
            **{name: float(values[name]) for name in numbers},
            n_samples=int(values["n_samples"]),
            conditions=_cells(values.get("conditions") or (), schema),
        )
        plan._check(values, schema)
        return plan

    def _check(self, values: Values, schema: Schema) -> None:
        output = values["output_activation"]
        name = f"likelihood={values['likelihood']!r}"
        if self.free_bits and self.n_samples > 1:
            raise InvalidParameterError(
                f"free_bits={self.free_bits:g} cannot be combined with n_samples={self.n_samples}; leave one out"
            )
        if len(self.conditions) == schema.n_features:
            raise InvalidParameterError("conditions has all columns; leave out at least one, which is to be learned")
        if self.likelihood.shares and output not in ("auto", "sigmoid"):
            raise InvalidParameterError(f"{name} needs output_activation='sigmoid', not {output!r}")
        if self.likelihood.counts:
            self._check_counts(name, values, schema)

    def _check_counts(self, name: str, values: Values, schema: Schema) -> None:
        if values["output_activation"] not in ("auto", "identity"):
            raise InvalidParameterError(
                f"{name} cannot be combined with output_activation={values['output_activation']!r}; leave it out"
            )
        if values["scaling"] not in (None, "auto"):
            raise InvalidParameterError(f"{name} needs counts as they are, not scaling={values['scaling']!r}")
        others = [start for start, _ in schema.categories if start not in self.conditions]
        if others:
            raise InvalidParameterError(
                f"{name} cannot be combined with text or categories; name these columns in conditions, or drop them"
            )
        if schema.n_features - len(self.conditions) < 2:
            raise InvalidParameterError(f"{name} learns each count's share of their sum; it needs at least two columns")

    @property
    def output_activation(self) -> str | None:
        """The output's activation, where the likelihood decides it."""
        return "sigmoid" if self.likelihood.shares else "identity" if self.likelihood.counts else None

    def completed(self, values: Values) -> dict[str, Any]:
        """Return parameters with what a Gaussian code and the likelihood decide."""
        own: dict[str, Any] = {"linear_path": False, "output_activation": self.output_activation}
        if self.likelihood.counts:
            own["scaling"] = None
        return {**values, **{name: value for name, value in own.items() if value is not None or name == "scaling"}}

    def family(self, values: Values) -> Any:
        """Return the network's class."""
        if callable(values["network"]):
            raise InvalidParameterError(
                "a network of your own has one output for each code unit, and a variational code needs two; use "
                "network='dense' or 'convolutional'"
            )
        name = values["network"] or "dense"
        if name not in VARIATIONAL:
            raise InvalidParameterError(f"network={name!r} has no variational code; use {', '.join(VARIATIONAL)}")
        return VARIATIONAL[name]

    def objective(self, network: Any, *, l2: bool, penalty: str | Function | None) -> EvidenceBound:
        """Return what training minimises."""
        return EvidenceBound(network, self.likelihood, self.n_samples, self.free_bits > 0, l2, penalty)

    def schedules(self) -> dict[str, Schedule]:
        """Return the objective's scheduled values over a run."""
        schedules = {BETA: ramp(self.beta, self.kl_warmup)}
        return schedules | ({FREE_BITS: constant(self.free_bits)} if self.free_bits else {})

    def check_range(self, statistics: ColumnStatistics, scaler: Scaling) -> None:
        """Refuse cells that cannot come from the likelihood, and a scaling that mixes conditions with the others."""
        if self.conditions and scaler.affine is None:
            raise InvalidParameterError(
                f"conditions need a scaling by column, not scaling={scaler.kind!r}; use scaling='standard'"
            )
        if self.likelihood.shares:
            name = type(self.likelihood).__name__
            edges = statistics.low.copy(), statistics.high.copy()
            if self.conditions and scaler.affine is not None:
                for edge in edges:  # conditions may be any numbers
                    edge[list(self.conditions)] = scaler.affine[0][list(self.conditions)]
            low, high = scaler.reach(*edges)
            if low < -ROUNDING or high > 1 + ROUNDING:
                raise InvalidDataError(
                    f"likelihood {name} needs values in [0, 1], and scaled rows range from {low:g} to {high:g}; use "
                    "scaling='minmax'"
                )

    def check_cells(self, values: Any, start: int, names: Sequence[str], numbers: NDArray[np.integer] | None) -> None:
        """Refuse cells of rows, dense or CSR, that are to be counts and are not; see `refuse_outside`."""
        if self.likelihood.counts:
            counted = np.ones(values.shape[1], bool)
            counted[list(self.conditions)] = False
            who = f"likelihood {type(self.likelihood).__name__}"
            refuse_outside(Counts(counted), values, start, names, who=who, numbers=numbers)


def _cells(conditions: Any, schema: Schema) -> tuple[int, ...]:
    """Return the cells of the columns with these numbers."""
    columns = np.asarray(schema.column_of or range(schema.n_features))
    for number in conditions:
        if not isinstance(number, int | np.integer) or not 0 <= number <= columns.max():
            raise InvalidParameterError(f"conditions: the rows have no column {number!r}; name columns, or number them")
    return tuple(np.flatnonzero(np.isin(columns, [int(number) for number in conditions])).tolist())
