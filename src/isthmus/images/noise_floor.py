"""The least local deviation of a picture: a second estimate of its noise, for noise that is correlated."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SIDE = 8  # of a window
_MAX_WINDOWS = 60_000
_MIN_WINDOWS = 100
_MIN_PIXELS = 14_400  # of a grey picture; a smaller one may be nothing but texture
_CLIPPED_SHARE = 0.001  # of pixels equal to the minimum or maximum, above which they count as clipped
_CLIPPED_IN_WINDOW = 0.05
# Chosen on 400 clean photographs of 180 x 180 pixels and on noise that was blurred, enlarged or demosaicked: 4 clean
# pictures, of nothing but texture, are on the wrong side, and of noise of 15 and 25 a tenth and a twentieth.
_SHARPEST, _LARGEST_GROWTH, _MOST_UNEVEN = 1.3, 1.35, 1.25
_SHARPEST_CHROMA = 1.45  # differences of colours have less content
_VAGUE = 1.6


class Floor(NamedTuple):
    """The low end of the distribution of local deviations."""

    level: float  # the noise's deviation, if the floor is sharp
    lowest: float
    is_sharp: bool  # many windows have nearly the least deviation, as under noise and not in a photograph
    is_even: bool  # and it is the same in all halves of the picture
    is_vague: bool  # it could be noise


NO_FLOOR = Floor(0.0, 0.0, is_sharp=False, is_even=False, is_vague=False)


def noise_floor(plane: NDArray[Any], *, is_chroma: bool = False) -> Floor:
    """Return the least local deviation of a plane, and whether it looks like noise.

    Noise has the same deviation everywhere, whatever its spectrum. Local deviations therefore have a sharp lower end
    that is shared by many windows, and grow little with the window's size (Aja-Fernandez et al., 2009). In a clean
    picture they decrease gradually, to its flattest spot.

    Parameters
    ----------
    plane : numpy.ndarray of shape (height, width)
        One plane of finite values.
    is_chroma : bool, default=False
        The plane is a difference of colours.
    """
    small, large = _deviations(plane, _SIDE), _deviations(plane, 2 * _SIDE)
    if min(len(small), len(large)) < _MIN_WINDOWS:
        return NO_FLOOR
    lowest, low, above = np.quantile(small, (0.02, 0.05, 0.1))
    if lowest <= 0:
        return NO_FLOOR
    sharpness, growth = above / lowest, np.quantile(large, 0.05) / low
    is_sharp = bool(sharpness <= (_SHARPEST_CHROMA if is_chroma else _SHARPEST) and growth <= _LARGEST_GROWTH)
    return Floor(
        level=float(np.quantile(large, 0.1)),
        lowest=float(low),
        is_sharp=is_sharp,
        is_even=is_sharp and (is_chroma or _is_even(plane)),
        is_vague=bool(sharpness <= _VAGUE),
    )


def _is_even(plane: NDArray[Any]) -> bool:
    """Whether a plane is large, and its halves have nearly the same floor: texture is rarely the same everywhere."""
    if plane.size < _MIN_PIXELS:
        return False
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    halves = (plane[:height], plane[height:], plane[:, :width], plane[:, width:])
    found = [deviations for half in halves if len(deviations := _deviations(half, _SIDE)) >= _MIN_WINDOWS]
    floors = [float(np.quantile(deviations, 0.05)) for deviations in found]
    return not floors or max(floors) <= _MOST_UNEVEN * min(floors)


def _deviations(plane: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Return the standard deviations in windows, without those that have clipped pixels."""
    if min(plane.shape) < side:
        return np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (side, side))
    step = max(side // 3, math.ceil(math.sqrt(windows.shape[0] * windows.shape[1] / _MAX_WINDOWS)))
    rows = windows[::step, ::step].reshape(-1, side**2)
    for end in (plane.min(), plane.max()):
        if np.count_nonzero(plane == end) > _CLIPPED_SHARE * plane.size:
            rows = rows[(rows == end).mean(axis=1) <= _CLIPPED_IN_WINDOW]
    deviations: NDArray[np.float64] = rows.std(axis=1, ddof=1, dtype=np.float64)
    return deviations
