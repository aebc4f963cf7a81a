"""Report on the codes of some rows: active units and reconstruction error."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from isthmus.evaluation.metrics import CodeStatistics, Fidelity, density_histogram

_BAR_WIDTH = 30  # characters of the longest bar of the text histogram


class CodeReport(NamedTuple):
    """Statistics of the codes of some rows: shown as text or, in a notebook, as a table; its attributes are numbers.

    Parameters
    ----------
    codes : CodeStatistics
        How often and how strongly each unit is active.
    fidelity : Fidelity
        Reconstruction error, in scaled units.
    activation_target : float or None
        The mean activation that the model's sparsity prescribes for each unit, or None if it prescribes none.
    """

    codes: CodeStatistics
    fidelity: Fidelity
    activation_target: float | None = None

    def near_target(self, tolerance: float = 0.2) -> float | None:
        """Return the fraction of units whose mean activation is within `tolerance * target` of the target."""
        if self.activation_target is None:
            return None
        difference = np.abs(self.codes.mean_activation - self.activation_target)
        return float(np.mean(difference <= tolerance * abs(self.activation_target)))

    def facts(self) -> dict[str, Any]:
        """Return all values by name, as numbers, lists of numbers and None."""
        codes, fidelity, density = self.codes, self.fidelity, density_histogram(self.codes.frequency)
        by_unit = ("frequency", "mean_activation", "largest_activation")
        return {
            "rows": codes.count,
            **{name: getattr(fidelity, name) for name in ("mse", "explained_variance", "fvu", "cosine", "zero_rows")},
            "l0": codes.l0,
            "l0_histogram": codes.l0_histogram.tolist(),
            **{name: getattr(codes, name) for name in ("dead", "fraction_dead", "fraction_alive")},
            "activation_target": self.activation_target,
            "near_target": self.near_target(),
            **{name: getattr(codes, name).tolist() for name in by_unit},
            "log10_density": {"edges": density.edges.tolist(), "counts": density.counts.tolist()},
        }

    def _lines(self) -> dict[str, str]:
        """Return what is printed, by name."""
        codes, fidelity = self.codes, self.fidelity
        if not codes.count:
            return {"rows": "0"}
        width, alive = codes.n_components, codes.n_components - codes.dead
        low, high = np.flatnonzero(codes.l0_histogram)[[0, -1]]
        median = int(np.searchsorted(np.cumsum(codes.l0_histogram), (codes.count + 1) // 2))
        means, peak = codes.mean_activation, codes.largest_activation.max()
        lines = {
            "rows": f"{codes.count:,}",
            "squared error": f"{fidelity.mse:.6g} per cell, in scaled units",
            "explained": f"{fidelity.explained_variance:.6g} of the variance",
            "FVU": f"{fidelity.fvu:.6g}, fraction of variance unexplained",
            "cosine": f"{fidelity.cosine:.6g} between a row and its reconstruction",
            "L0": f"{codes.l0:.6g} of {width} units active per row (min {low}, median {median}, max {high})",
            "alive": f"{alive} of {width} units, {codes.fraction_alive:.1%}",
            "dead": f"{codes.dead} of {width} units, {codes.fraction_dead:.1%}",
            "mean activation": f"{means.mean():.6g} (min {means.min():.6g}, max {means.max():.6g}; peak {peak:.6g})",
        }
        if self.activation_target is not None:
            lines["target"] = f"{self.activation_target:.6g}, {self.near_target():.1%} of units within 20 % of it"
        return lines

    def _bins(self) -> dict[str, int]:
        """Return the number of units by the percentage of rows in which they are active."""
        if not self.codes.count:
            return {}
        density = density_histogram(self.codes.frequency, per_decade=2)
        ends = [_percent(edge) for edge in density.edges]
        names = [f"{low} to {high} %" for low, high in pairwise(ends)]
        return dict(zip(names, density.counts.tolist(), strict=True))

    def __str__(self) -> str:
        rows = [f"{name:18}{text}" for name, text in self._lines().items()]
        bins = self._bins()
        most = max(bins.values(), default=0) or 1
        for i, (name, count) in enumerate(bins.items()):
            bar = "#" * -(-count * _BAR_WIDTH // most)
            rows.append(f"{'units active in' if not i else '':18}{name:18}{count:>7,} {bar}".rstrip())
        return "\n".join(rows)

    def __repr__(self) -> str:
        # The attributes are arrays of one number per unit.
        return str(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the same lines, and bars for the units' frequencies."""
        cell = 'style="text-align: left"'
        rows = [f"<tr><th {cell}>{name}</th><td {cell}>{text}</td></tr>" for name, text in self._lines().items()]
        bins = self._bins()
        most = max(bins.values(), default=0) or 1
        for name, count in bins.items():
            bar = f"display: inline-block; height: 0.7em; width: {10 * count / most:.2f}em; background: #3f90da"
            rows.append(
                f'<tr><th {cell}>units active in {name}</th><td {cell}><span style="{bar}"></span> {count:,}</td></tr>'
            )
        return f"<table>{''.join(rows)}</table>"


def has_sparse_code(model: Any) -> bool:
    """Return whether the code of a fitted model is read unit by unit, by which of them are active."""
    return model.sparsity_ is not None and bool(model.sparsity_.sparse)


def activation_target(model: Any) -> float | None:
    """Return the mean activation that a fitted model's sparsity prescribes for each unit, in units of the code."""
    sparsity = model.sparsity_
    return None if sparsity is None else sparsity.wanted_activation(model.network_.code_activation)


def _percent(power: float) -> str:
    return f"{float(f'{100 * 10**power:.2g}'):g}"
