"""Skewed numbers made nearly symmetric by a power transformation, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Skew = tuple[float, ...]  # center, scale and power; () leaves numbers as they are

# Of fewer distinct values the transformation changes the distances between levels, not the shape of a distribution.
_FEWEST_VALUES = 10
_LEAST_GAIN = 10.0  # of the log-likelihood
_FARTHEST = 1e3  # scales from 0; farther from it, digits would be lost
_BEYOND = 10.0  # ranges outside the observed one, at which restored numbers end


def skew_of(values: Floats) -> Skew:
    """Return the transformation that makes a column most nearly normal; () where it is not clearly more likely.

    It is that of Yeo and Johnson, "A new family of power transformations to improve normality or symmetry", Biometrika
    2000, of standardised numbers, with the power of the greatest likelihood in [0, 2]: from a logarithm for large
    numbers (0) over no change (1) to one for small numbers (2). Other powers would map to a bounded range.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Observed cells.
    """
    from scipy.optimize import minimize_scalar

    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = float(values.mean()) if len(values) else 0.0, float(values.std()) if len(values) else 0.0
    if not 0 < scale < np.inf or abs(center) > _FARTHEST * scale or len(np.unique(values)) < _FEWEST_VALUES:
        return ()
    standard = (values - center) / scale
    lengths = float(np.sum(np.sign(standard) * np.log1p(np.abs(standard))))

    def unlikelihood(power: float) -> float:
        variance = float(np.var(_powered(standard, power)))
        return len(standard) / 2 * float(np.log(variance)) - (power - 1) * lengths

    found = minimize_scalar(unlikelihood, bounds=(0, 2), method="bounded", options={"xatol": 1e-3})
    power = round(float(found.x), 2)
    return (center, scale, power) if unlikelihood(1.0) - unlikelihood(power) >= _LEAST_GAIN else ()


def transformed(values: NDArray[np.generic], skew: Skew) -> Floats:
    """Return numbers in their unit at the mean; 0 stays 0."""
    center, scale, power = skew
    zero = _powered(np.array(-center / scale), power)
    return (_powered((values.astype(np.float64) - center) / scale, power) - zero) * scale


def untransformed(values: NDArray[np.generic], skew: Skew, low: float, high: float) -> Floats:
    """Return the numbers that `transformed` takes to `values`, at most ten ranges outside `low` to `high`."""
    center, scale, power = skew
    room = _BEYOND * (float(high) - float(low))
    ends = transformed(np.array([low - room, high + room]), skew)
    zero = _powered(np.array(-center / scale), power)
    inside = np.clip(values.astype(np.float64), *ends) / scale + zero
    return _powered_back(inside, power) * scale + center


def steps_back(skew: Skew, low: float, high: float) -> tuple[float, ...]:
    """Return center, scale and power, what is added before the power is undone, and the range of transformed numbers.

    They are what `untransformed` computes with, for those who compute it elsewhere.
    """
    center, scale, power = skew
    room = _BEYOND * (float(high) - float(low))
    ends = transformed(np.array([low - room, high + room]), skew)
    return center, scale, power, float(_powered(np.array(-center / scale), power)), float(ends[0]), float(ends[1])


def _powered(values: Floats, power: float) -> Floats:
    above, below = (_power(np.maximum(part, 0), own) for part, own in ((values, power), (-values, 2 - power)))
    return np.where(values < 0, -below, above)


def _powered_back(values: Floats, power: float) -> Floats:
    above, below = (_root(np.maximum(part, 0), own) for part, own in ((values, power), (-values, 2 - power)))
    return np.where(values < 0, -below, above)


def _power(values: Floats, power: float) -> Floats:
    """Return ``((1 + x) ** power - 1) / power`` of numbers >= 0, precise near 0."""
    logarithms = np.log1p(values)
    return logarithms if power == 0 else np.expm1(power * logarithms) / power


def _root(values: Floats, power: float) -> Floats:
    """Return the inverse of `_power`."""
    return np.expm1(values if power == 0 else np.log1p(power * values) / power)
